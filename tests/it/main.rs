//! The integration tests: one program, so that it links once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod running;
mod store;

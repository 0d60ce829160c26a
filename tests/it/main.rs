//! The integration tests: one program, so that it links once.

//! Hands events on.

pub mod dedup;
pub mod facts;
pub mod glob;
pub mod rule;
pub mod scoring;

//! Hands events on.

pub mod dedup;
pub mod facts;
pub mod glob;
pub mod manifest;
pub mod rule;
pub mod scoring;

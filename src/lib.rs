//! Kite moves events between programs: webhooks from outside services and messages between AI agents, as CloudEvents.
//!
//! The rooms, in reading order. Each may use only those that `ARCHITECTURE.md` names for it.

pub mod base;
pub mod protocol;

pub mod client;
pub mod config;

pub mod cli;

//! Kite moves events between programs: webhooks from outside services and messages between AI agents, as CloudEvents.
//!
//! The rooms, in reading order. Each may use only those that `ARCHITECTURE.md` names for it.

pub mod base;
pub mod openintent;
pub mod protocol;
pub mod webhook;

#[cfg(feature = "server")]
pub mod store;

#[cfg(feature = "server")]
pub mod log;

#[cfg(feature = "server")]
pub mod federation;

#[cfg(feature = "server")]
pub mod server;

pub mod config;

pub mod sink;

pub mod client;

#[cfg(feature = "mcp")]
pub mod mcp;

#[cfg(feature = "server")]
pub mod bench;

pub mod cli;

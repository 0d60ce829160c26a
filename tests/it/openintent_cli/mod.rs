//! `kite openintent` as a person and as a script meets it: offline, at a server that only pretends, and at a real one.

mod agents;
mod callbacks;
mod database;
mod envelopes;
mod other;
mod real;
mod servers;
mod tokens;
mod trust;
mod waiting;
mod work;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kite::protocol::identity::InstanceKey;

/// The key pair of a seed that is this byte over and over.
fn key(byte: u8) -> InstanceKey {
    InstanceKey::from_seed(&[byte; 32]).unwrap()
}

/// Its public half, as flags take it.
fn public(byte: u8) -> String {
    STANDARD.encode(key(byte).public())
}

/// Writes the key file of a seed.
fn keep_key(home: &Path, name: &str, byte: u8) {
    fs::write(home.join(name), [byte; 32]).unwrap();
}

//! What every request may use.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Mutex, Semaphore};

use super::access::Access;
use super::registry::Registry;
use crate::base::clock::Clock;
use crate::log::Log;
use crate::store::Store;
use crate::store::seal::Sealer;

/// The running server, as its handlers see it.
pub struct App {
    /// Keys and endpoints.
    pub access: Access,
    /// The event logs.
    pub log: Log,
    /// Who is connected.
    pub registry: Arc<Registry>,
    /// The time.
    pub clock: Clock,
    /// The database, for what is no event.
    pub store: Arc<dyn Store>,
    /// The instance's id.
    pub instance_id: String,
    /// Held while an endpoint is made, from reading what there is to storing what is new.
    pub making_endpoint: Mutex<()>,
    /// Seals secrets.
    pub sealer: Sealer,
    /// How large a body may be, in bytes.
    pub max_body_bytes: usize,
    /// What all bodies that are being read may hold together, in bytes.
    pub body_bytes: Semaphore,
    /// Set once the server takes no more work.
    pub ending: AtomicBool,
}

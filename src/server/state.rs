//! What every request may use.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;

use super::access::Access;
use super::body::Bodies;
use super::console::Console;
use super::health::Readiness;
use super::limit::{PerMinute, Rates};
use super::metrics::{Meters, Standings};
use super::registry::Registry;
use crate::base::clock::Clock;
use crate::federation::openintent::{OpenIntent, Trust};
use crate::federation::{Dial, Federation, Inbound};
use crate::log::{Limits, Log};
use crate::protocol::identity::InstanceKey;
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
    /// Whether it answers.
    pub readiness: Readiness,
    /// The instance's id.
    pub instance_id: String,
    /// Its key pair, with which it signs what it says to other instances.
    pub identity: InstanceKey,
    /// The way to other servers.
    pub dial: Arc<Dial>,
    /// This instance as a server of OpenIntent, if it is one.
    pub openintent: Option<Arc<OpenIntent>>,
    /// Which servers of OpenIntent the teams trust.
    pub trust: Arc<Trust>,
    /// Whether connections are over TLS.
    pub is_tls: bool,
    /// Seals secrets.
    pub sealer: Arc<Sealer>,
    /// Other instances.
    pub federation: Federation,
    /// Their way in.
    pub inbound: Inbound,
    /// Who redeems an invitation: one at a time.
    pub(super) redeeming: Semaphore,
    /// Tests that joiners ask for: each may wait for a hook that never answers.
    pub(super) joiners_tests: Semaphore,
    /// What it has done so far.
    pub(super) meters: Meters,
    /// How the peers of all teams do.
    pub(super) standings: Standings,
    /// What the operator's page remembers, if there is that page.
    pub(super) console: Option<Console>,
    /// How large a body may be, in bytes.
    pub max_body_bytes: usize,
    /// What all bodies that are being read may hold together, in bytes.
    pub(super) bodies: Arc<Bodies>,
    /// Device logins that were begun, per address.
    pub(super) logins_begun: PerMinute,
    /// What is sent in, as far as it is limited.
    pub(super) rates: Rates,
    /// What each team may have.
    pub limits: Limits,
    /// Where the outside finds this server, if it was told.
    pub public_url: Option<String>,
    /// The file that keeps the first key.
    pub bootstrap_key_file: PathBuf,
    /// Set once the server takes no more work.
    pub ending: AtomicBool,
}

impl App {
    /// Removes the file that keeps the first key, once somebody logged in with an admin key: from then on it is only a
    /// risk. Says whether there was one.
    pub(super) fn forget_bootstrap_key(&self) -> bool {
        match std::fs::remove_file(&self.bootstrap_key_file) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => {
                tracing::warn!(%error, "the file of the first key was not removed");
                false
            }
        }
    }
}

//! Instances that forward to each other while they are killed, in meshes and under load: each event is at each of them
//! once, and so are questions, answers and what is said of agents that are not there (promises 1, 5 and 6).
//!
//! `KITE_CRASH_FEDERATION_ROUNDS` sets the number of kills, `KITE_CRASH_FEDERATION_KILLS` that of nodes that leave their
//! peers to others, `KITE_CRASH_FEDERATION_EVENTS` how many events go through a mesh or wait for a restart, and
//! `KITE_CRASH_AWAY_SECS` how long a database stays away.

mod agents;
mod kills;
mod mesh;
mod nodes;
mod paperclip;
mod restore;

use crate::support::instance::{Instance, settle_at};
use crate::support::load::Load;

const SENDERS: usize = 4;

/// A kill comes after this many answers at most.
const ANSWERS_MAX: u64 = 60;

/// And this much later at most, so that it meets every stage of a delivery.
const DELAY_MAX_MICROS: u64 = 20_000;

/// Ends the load on an instance and checks that another one gets all of it, each event once.
async fn settle(a: &Instance, b: &Instance, load: Load) {
    let log = settle_at(a, load).await;
    b.has(log.len()).await;
    a.is_drained().await;
    a.is_copied_to(b, &log).await;
}

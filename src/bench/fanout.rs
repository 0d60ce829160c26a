//! From the post to the frames at the listeners.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::listener::{self, Arrivals, Audience};
use super::publish::{self, Press};
use super::report::Outcome;
use super::run::Run;
use super::{BenchError, Load, Target};

/// Who listens.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// How many.
    pub listeners: usize,
    /// Whether each message is for one of them, in turn; otherwise all get everything.
    pub addressed: bool,
}

/// Runs the load on a target and counts what arrives. In a closed loop a publisher posts its next message when the last
/// one has arrived at all it is for: otherwise only the queues would be measured.
pub async fn measure(target: &Target, load: &Load, crowd: Crowd) -> Result<Outcome, BenchError> {
    let (audience, size) = match crowd.addressed {
        true => (Audience::One, 1),
        false => (Audience::All, crowd.listeners),
    };
    let sockets = listener::connect(target, 0..crowd.listeners, audience).await?;
    let (form, posters) = publish::prepare(target, target.publish_path(), load).await?;
    let running = Run::begin(load)?;
    let arrivals = Arc::new(Arrivals::new(running.0.clone(), size, load.publishers));
    let mut listeners = JoinSet::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        listeners.spawn(arrivals.clone().listen(number, socket));
    }
    let awaited = Some(arrivals.clone());
    let press = Press::new(running.0.clone(), load, crowd.listeners, awaited);
    let press = Arc::new(press);
    press.clone().run(form, posters).await;
    let expected = press.accepted() * size as u64;
    arrivals.settle(expected).await;
    let missing = expected.saturating_sub(arrivals.all());
    let tally = arrivals.tallies.sum();
    Outcome::of_deliveries(tally, press.tallies.sum(), missing, load, &running.0)
}

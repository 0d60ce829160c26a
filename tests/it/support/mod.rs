//! The harness: the real binary on a random port and in temporary directories, people at terminals, HTTP callers and
//! WebSocket clients. Everything that is started ends with the value that stands for it.

pub(crate) mod account;
pub(crate) mod authority;
pub(crate) mod chance;
pub(crate) mod cli;
pub(crate) mod copy;
pub(crate) mod door;
pub(crate) mod hooks;
pub(crate) mod http;
pub(crate) mod instance;
pub(crate) mod load;
pub(crate) mod login;
pub(crate) mod openintent;
pub(crate) mod partner;
pub(crate) mod party;
pub(crate) mod peers;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod providers;
pub(crate) mod python;
pub(crate) mod receiver;
pub(crate) mod reference;
pub(crate) mod relay;
pub(crate) mod schemas;
pub(crate) mod scripted;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod webdriver;

use std::future::Future;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// How long a fact may take to come true. Generous: a loaded machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often a fact that announces itself to nobody is looked at.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);

/// Ports that the system gives to nobody by itself: a server that was stopped finds its own still free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of a local address at which nobody listens.
pub(crate) fn free_port(host: &str) -> u16 {
    loop {
        let chance = u16::from_le_bytes(kite::base::random::bytes());
        let port = PORTS.start + chance % (PORTS.end - PORTS.start);
        if TcpListener::bind((host, port)).is_ok() {
            return port;
        }
    }
}

/// Looks again and again until `look` finds something.
pub(crate) async fn eventually<T, F>(what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    eventually_within(PATIENCE, what, look).await
}

/// As [`eventually`], for what takes its time also where nothing holds it up.
pub(crate) async fn eventually_within<T, F>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(GLANCE).await;
    }
}

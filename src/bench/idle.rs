//! What a listener costs that hears nothing: the memory of the server.

use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use super::listener::{self, Audience};
use super::{BenchError, Target};

/// How many listeners are there before the first look, so that what a server makes once is not counted.
const BEFORE_MAX: usize = 100;

/// How long the server has to put away what connecting took.
const SETTLE: Duration = Duration::from_secs(1);

/// What idle listeners cost.
#[derive(Debug, Clone, Serialize)]
pub struct Idle {
    /// How many were connected between the two looks.
    pub listeners: usize,
    /// The server's resident memory before, in bytes.
    pub before_bytes: u64,
    /// And after.
    pub after_bytes: u64,
    /// How much it grew for each, in bytes.
    pub per_listener_bytes: u64,
}

/// Connects listeners to a server that is this process.
pub async fn measure(target: &Target, pid: u32, listeners: usize) -> Result<Idle, BenchError> {
    let first = (listeners / 10).min(BEFORE_MAX);
    // Each listens for a name of its own, as agents do.
    let early = listener::connect(target, 0..first, Audience::One).await?;
    sleep(SETTLE).await;
    let before_bytes = resident_bytes(pid)?;
    let late = listener::connect(target, first..listeners, Audience::One).await?;
    sleep(SETTLE).await;
    let after_bytes = resident_bytes(pid)?;
    let counted = late.len();
    drop((early, late));
    Ok(Idle {
        listeners: counted,
        before_bytes,
        after_bytes,
        per_listener_bytes: after_bytes.saturating_sub(before_bytes) / counted.max(1) as u64,
    })
}

/// The memory that a process has in use, where the system says it.
pub(super) fn resident_bytes(pid: u32) -> Result<u64, BenchError> {
    let fault = |why: String| BenchError::System {
        what: "read the server's memory",
        why,
    };
    if !cfg!(target_os = "linux") {
        return Err(fault("only Linux is supported".to_owned()));
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| fault(error.to_string()))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| fault("the system does not say it".to_owned()))
}

//! Something that keeps failing is said once, and once more when it is over.

use std::fmt::Display;

/// Whether something that is tried again and again fails at the moment.
#[derive(Debug)]
pub struct Outage {
    what: &'static str,
    failures: u64,
}

impl Outage {
    /// `what` is the sentence for the log: `cursors are not written`.
    pub fn new(what: &'static str) -> Self {
        Self { what, failures: 0 }
    }

    /// Whether the last attempt failed.
    pub fn is_on(&self) -> bool {
        self.failures > 0
    }

    /// Takes note of how an attempt went.
    pub fn note(&mut self, error: Option<&impl Display>) {
        let what = self.what;
        match error {
            Some(error) => {
                if self.failures == 0 {
                    tracing::warn!(%error, "{what}");
                }
                self.failures += 1;
            }
            None if self.is_on() => {
                tracing::info!(attempts = self.failures, "over: {what}");
                self.failures = 0;
            }
            None => {}
        }
    }
}

//! What came of a load.

use std::time::Duration;

use serde::Serialize;

use super::run::Run;
use super::tally::Tally;
use super::{BenchError, Load};

/// What one side did in one or more runs.
pub struct Outcome {
    tally: Tally,
    elapsed: Duration,
    unsent: u64,
    messages: Option<u64>,
    missing: Option<u64>,
}

impl Outcome {
    /// What requests came to.
    pub(super) fn of(tally: Tally, load: &Load, run: &Run) -> Result<Self, BenchError> {
        if tally.done == 0 {
            let why = tally.why.unwrap_or_else(|| "no answer came".to_owned());
            return Err(BenchError::Nothing(why));
        }
        // Until the last answer: what was asked in time and answered late does not count as done in time.
        let elapsed = tally.last.saturating_sub(load.warm_up).max(load.duration);
        Ok(Self {
            elapsed,
            unsent: run.left(),
            messages: None,
            missing: None,
            tally,
        })
    }

    /// What deliveries came to, and the requests behind them.
    pub(super) fn of_deliveries(
        deliveries: Tally,
        requests: Tally,
        missing: u64,
        load: &Load,
        run: &Run,
    ) -> Result<Self, BenchError> {
        let messages = requests.done;
        let mut tally = deliveries;
        tally.failed = requests.failed;
        tally.why = requests.why;
        tally.lateness = requests.lateness;
        let mut outcome = Self::of(tally, load, run)?;
        outcome.messages = Some(messages);
        outcome.missing = Some(missing);
        Ok(outcome)
    }

    /// Adds what another run came to.
    pub(super) fn add(&mut self, other: &Self) {
        self.tally.add(&other.tally);
        self.elapsed += other.elapsed;
        self.unsent += other.unsent;
        self.messages = self.messages.map(|own| own + other.messages.unwrap_or(0));
        self.missing = self.missing.map(|own| own + other.missing.unwrap_or(0));
    }

    /// Its figures.
    pub fn figures(&self) -> Figures {
        let (tally, latencies) = (&self.tally, &self.tally.latencies);
        Figures {
            per_second: tally.per_second(self.elapsed),
            count: tally.done,
            messages: self.messages,
            missing: self.missing,
            failed: tally.failed,
            unsent: self.unsent,
            p50_us: latencies.at(0.5),
            p90_us: latencies.at(0.9),
            p99_us: latencies.at(0.99),
            p999_us: latencies.at(0.999),
            max_us: latencies.max(),
            late_p99_us: tally.lateness.at(0.99),
            why: tally.why.clone(),
        }
    }
}

/// Throughput and latencies of one side, in all its runs.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// How many in a second.
    pub per_second: f64,
    /// How many in all: events that were accepted, or deliveries.
    pub count: u64,
    /// Where deliveries are counted: how many messages they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// And how many deliveries never came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
    /// How many requests failed.
    pub failed: u64,
    /// How many requests were due and could not be made before the end: the rate was too high.
    pub unsent: u64,
    /// The median latency, in microseconds.
    pub p50_us: f64,
    /// What nine of ten do not exceed.
    pub p90_us: f64,
    /// What 99 of 100 do not exceed.
    pub p99_us: f64,
    /// What 999 of 1000 do not exceed.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// How late the requests themselves were made, 99th percentile: part of the latencies at a fixed rate.
    pub late_p99_us: f64,
    /// Why the first request failed that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Figures {
    /// What went wrong, if anything did.
    pub fn fault(&self) -> Option<String> {
        let mut faults = Vec::new();
        if self.failed > 0 {
            let why = self.why.as_deref().unwrap_or("no reason is known");
            faults.push(format!("{} requests failed: {why}", self.failed));
        }
        if let Some(missing) = self.missing.filter(|missing| *missing > 0) {
            faults.push(format!("{missing} deliveries never came"));
        }
        if self.unsent > 0 {
            faults.push(format!(
                "{} requests that were due were never made: the rate is too high",
                self.unsent
            ));
        }
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

/// The middle of several numbers, and how far they spread.
#[derive(Debug, Clone, Copy, Serialize, PartialEq)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of some numbers; `None` of none.
    pub(super) fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.retain(|number| number.is_finite());
        numbers.sort_by(f64::total_cmp);
        let (min, max) = (*numbers.first()?, *numbers.last()?);
        let upper = numbers.len() / 2;
        let lower = (numbers.len() - 1) / 2;
        let median = f64::midpoint(numbers[lower], numbers[upper]);
        let [median, min, max] =
            [median, min, max].map(|number| (number * 1000.0).round() / 1000.0);
        Some(Self { median, min, max })
    }
}

/// kite's figures divided by the bare server's, over all rounds. Above 1 kite is faster where `per_second` is meant, and
/// slower where a latency is.
#[derive(Debug, Clone, Serialize)]
pub struct Ratio {
    /// Of the throughputs.
    pub per_second: Option<Spread>,
    /// Of the median latencies.
    pub p50: Option<Spread>,
    /// Of the 99th percentiles.
    pub p99: Option<Spread>,
}

/// Everything about one load.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How often each side had its turn.
    pub rounds: u32,
    /// kite.
    pub kite: Figures,
    /// The bare server, where it was measured too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<Figures>,
    /// The one divided by the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_middle() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of(vec![1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of(vec![f64::NAN, f64::INFINITY]), None);
    }
}

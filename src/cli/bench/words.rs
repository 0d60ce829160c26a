//! Reports in both their faces.

use serde::Serialize;

use crate::bench::fanout::Crowd;
use crate::bench::pace::Pace;
use crate::bench::publish::Via;
use crate::bench::report::{Report, Spread};
use crate::bench::{Figures, Load};

/// A load, as it is shown.
#[derive(Serialize)]
pub(super) struct LoadShown {
    pace: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    publishers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listeners: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addressed: Option<bool>,
    size_bytes: usize,
    warm_up_ms: u128,
    duration_ms: u128,
}

impl LoadShown {
    pub(super) fn of(load: &Load) -> Self {
        let (pace, rate) = match load.pace {
            Pace::Rate(rate) => ("rate", Some(rate)),
            Pace::Closed => ("closed_loop", None),
        };
        Self {
            pace,
            rate,
            publishers: load.publishers,
            via: None,
            batch: None,
            in_flight: None,
            listeners: None,
            addressed: None,
            size_bytes: load.size,
            warm_up_ms: load.warm_up.as_millis(),
            duration_ms: load.duration.as_millis(),
        }
    }

    pub(super) fn via(mut self, via: Via) -> Self {
        match via {
            Via::Http => self.via = Some("http"),
            Via::Webhook => self.via = Some("webhook"),
            Via::Rpc { batch, in_flight } => {
                self.via = Some("rpc");
                (self.batch, self.in_flight) = (Some(batch), Some(in_flight));
            }
        }
        self
    }

    pub(super) fn crowd(mut self, crowd: Crowd) -> Self {
        (self.listeners, self.addressed) = (Some(crowd.listeners), Some(crowd.addressed));
        self
    }

    pub(super) fn words(&self) -> String {
        let mut words = vec![match self.publishers {
            1 => "1 publisher".to_owned(),
            several => format!("{several} publishers"),
        }];
        if let Some(via) = self.via {
            words.push(format!("over {via}"));
        }
        if let (Some(batch), Some(in_flight)) = (self.batch, self.in_flight) {
            words.push(format!(
                "{batch} events in a call, {in_flight} calls under way"
            ));
        }
        if let Some(listeners) = self.listeners {
            words.push(match (listeners, self.addressed) {
                (1, _) => "1 listener".to_owned(),
                (several, Some(true)) => format!("{several} listeners, each message for one"),
                (several, _) => format!("{several} listeners, each message for all"),
            });
        }
        words.push(match self.rate {
            Some(rate) => format!("{rate}/s, latency from when a request was due"),
            None => "closed loop".to_owned(),
        });
        words.push(format!("{} bytes", self.size_bytes));
        words.join(", ")
    }
}

/// A report and what it is about.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    pub(super) verb: &'static str,
    pub(super) server: &'a str,
    pub(super) load: LoadShown,
    #[serde(flatten)]
    pub(super) report: &'a Report,
}

impl Shown<'_> {
    /// What went wrong on either side.
    pub(super) fn fault(&self) -> Option<String> {
        let kite = self.report.kite.fault();
        let floor = self.report.floor.as_ref().and_then(Figures::fault);
        kite.or_else(|| floor.map(|fault| format!("the bare server: {fault}")))
    }
}

/// A report as lines.
pub(super) fn table(shown: &Shown<'_>) -> String {
    let report = shown.report;
    let mut lines = vec![
        format!("{}: {}", shown.verb, shown.load.words()),
        row("  kite", &report.kite),
    ];
    if let Some(floor) = &report.floor {
        lines.push(row("  floor", floor));
    }
    if let Some(ratio) = &report.ratio {
        lines.push(format!(
            "{:<24} {}   p50 {}   p99 {}",
            "  kite / floor",
            spread(ratio.per_second),
            spread(ratio.p50),
            spread(ratio.p99)
        ));
    }
    lines.join("\n")
}

/// One side's figures as a line.
pub(super) fn row(name: &str, figures: &Figures) -> String {
    format!(
        "{name:<24} {:>9.0}/s   p50 {}   p90 {}   p99 {}   p99.9 {}   max {}",
        figures.per_second,
        micros(figures.p50_us),
        micros(figures.p90_us),
        micros(figures.p99_us),
        micros(figures.p999_us),
        micros(figures.max_us),
    )
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "—".to_owned(),
        |Spread { median, min, max }| format!("{median:.2} ({min:.2} to {max:.2})"),
    )
}

/// A time as people read it.
pub(super) fn micros(micros: f64) -> String {
    match micros {
        micros if micros < 1000.0 => format!("{micros:.0} µs"),
        micros if micros < 1_000_000.0 => format!("{:.2} ms", micros / 1000.0),
        micros => format!("{:.2} s", micros / 1_000_000.0),
    }
}

/// An amount of memory as people read it.
#[expect(clippy::cast_precision_loss, reason = "it is rounded to one digit")]
pub(super) fn bytes(bytes: u64) -> String {
    let kib = bytes as f64 / 1024.0;
    match kib {
        kib if kib < 1024.0 => format!("{kib:.1} KiB"),
        kib => format!("{:.1} MiB", kib / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        assert_eq!(
            [870.0, 1234.0, 2_500_000.0].map(micros),
            ["870 µs", "1.23 ms", "2.50 s"]
        );
        assert_eq!([512, 3 << 20].map(bytes), ["0.5 KiB", "3.0 MiB"]);
    }
}

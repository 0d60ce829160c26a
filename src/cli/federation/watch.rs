//! `kite federation status --watch`: how each peer does, as it goes on.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::super::context::{Context, block_on};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::output::Output;
use super::super::render;
use super::super::signal::Interrupt;
use super::super::text::visible;
use super::{offered, status};
use crate::base::clock::{Clock, rfc3339};
use crate::client::{Api, ClientError};
use crate::protocol::federation::PeerHealth;

pub(super) fn run(interval: Duration, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    block_on(async {
        let mut interrupt = Interrupt::new()?;
        tokio::select! {
            ended = look_on(&api, interval, context.out) => ended,
            () = interrupt.wait() => Ok(Exit::Interrupted),
        }
    })
}

/// Looks again and again. A server that was there is waited for; one that never was is not.
async fn look_on(api: &Api, interval: Duration, out: Output) -> Result<Exit, CommandError> {
    let clock = Clock::system();
    let mut look = Look::default();
    let mut is_away = false;
    loop {
        match api.federation_status().await {
            Ok(peers) => {
                if std::mem::take(&mut is_away) {
                    out.note("the server is there again");
                }
                look = look.next(peers, clock.unix_millis());
                look.print(out)?;
            }
            Err(error) if look.at.is_some() && error.is_outage() => {
                if !std::mem::replace(&mut is_away, true) {
                    out.note(&format!("{}; still trying", away(&error)));
                }
                // What was drawn stays above those words.
                look.drawn_lines = 0;
            }
            Err(error) => return offered(Err(error)),
        }
        tokio::time::sleep(interval).await;
    }
}

fn away(error: &ClientError) -> String {
    visible(&error.to_string()).into_owned()
}

/// What was seen at a time.
#[derive(Debug, Default)]
struct Look {
    at: Option<i64>,
    peers: Vec<Seen>,
    /// How many lines of a terminal show the look before.
    drawn_lines: usize,
}

/// A peer at a time.
#[derive(Debug, Clone, Serialize)]
struct Seen {
    at: String,
    #[serde(flatten)]
    health: PeerHealth,
    /// How much its backlog has grown in a second since the look before; less than nothing while it drains.
    backlog_per_sec: Option<f64>,
}

impl Look {
    /// The next look, with what has changed since this one.
    fn next(&self, peers: Vec<PeerHealth>, now: i64) -> Self {
        let before: HashMap<&str, u64> = self
            .peers
            .iter()
            .map(|seen| (seen.health.peer_id.as_str(), seen.health.backlog))
            .collect();
        // A clock that was set back tells no rate.
        let secs = self.at.map(|at| (now - at) as f64 / 1000.0);
        let secs = secs.filter(|secs| *secs > 0.0);
        let rate = |peer: &PeerHealth| {
            let before = *before.get(peer.peer_id.as_str())?;
            let grown = peer.backlog as f64 - before as f64;
            // One digit is as much as two looks can tell.
            Some((grown / secs? * 10.0).round() / 10.0)
        };
        let seen = |health: PeerHealth| Seen {
            at: rfc3339(now),
            backlog_per_sec: rate(&health),
            health,
        };
        Self {
            peers: peers.into_iter().map(seen).collect(),
            at: Some(now),
            drawn_lines: self.drawn_lines,
        }
    }

    fn print(&mut self, out: Output) -> Result<(), CommandError> {
        if out.is_terminal() {
            self.drawn_lines = out.redraw(&self.table(out), self.drawn_lines)?;
            return Ok(());
        }
        for seen in &self.peers {
            out.show(seen, Seen::line)?;
        }
        Ok(())
    }

    /// The table, which begins with when it was.
    fn table(&self, out: Output) -> String {
        let now = self.at.unwrap_or_default();
        let mut headings = status::headings(true).to_vec();
        headings.insert(3, "change");
        let row = |seen: &Seen| {
            let mut row = status::row(&seen.health, Some(now));
            row.insert(3, seen.change());
            row
        };
        let table = match self.peers.is_empty() {
            true => "the team has no peers".to_owned(),
            false => render::table(&self.peers, &headings, row, out.width()),
        };
        format!("{}\n{table}", rfc3339(now))
    }
}

impl Seen {
    /// How what waits changes, and how long that goes on.
    fn change(&self) -> String {
        match self.backlog_per_sec {
            None => "-".to_owned(),
            Some(rate) if rate < 0.0 && self.health.backlog > 0 => {
                let left = self.health.backlog as f64 / -rate;
                format!("{rate}/s, {left:.0}s left")
            }
            Some(rate) if rate > 0.0 => format!("+{rate}/s"),
            Some(rate) if rate < 0.0 => format!("{rate}/s"),
            Some(_) => "steady".to_owned(),
        }
    }

    /// One line for a pipe.
    fn line(seen: &Self) -> String {
        let health = &seen.health;
        let error = health.last_error.as_deref().filter(|_| health.failures > 0);
        format!(
            "{} {} {} backlog {} ({}), dead {}, failures {}{}",
            seen.at,
            visible(&health.peer),
            health.status.word(),
            health.backlog,
            seen.change(),
            health.dead_letters,
            health.failures,
            error.map_or(String::new(), |error| format!(": {}", visible(error)))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(backlog: u64) -> PeerHealth {
        serde_json::from_value(serde_json::json!({
            "peer": "b\u{1b}", "peer_id": "p", "status": "active", "backlog": backlog, "oldest_secs": null,
            "dead_letters": 1, "last_success_at": null, "failures": 2, "last_error": "no\nway", "latency_ms": null,
            "next_attempt_at": null,
        }))
        .unwrap()
    }

    #[test]
    fn a_backlog_is_seen_to_grow_and_to_drain() {
        let first = Look::default().next(vec![health(10)], 0);
        assert_eq!(first.peers[0].backlog_per_sec, None);
        let second = first.next(vec![health(30)], 2000);
        assert_eq!(second.peers[0].change(), "+10/s");
        let third = second.next(vec![health(15)], 4000);
        assert_eq!(third.peers[0].backlog_per_sec, Some(-7.5));
        assert_eq!(third.peers[0].change(), "-7.5/s, 2s left");
        assert_eq!(
            third.next(vec![health(0)], 6000).peers[0].change(),
            "-7.5/s"
        );
        assert_eq!(
            third.next(vec![health(15)], 6000).peers[0].change(),
            "steady"
        );
        let set_back = third.next(vec![health(9)], 100);
        assert_eq!(set_back.peers[0].change(), "-");
        assert_eq!(
            Seen::line(&third.peers[0]),
            "1970-01-01T00:00:04.000Z b\\u{1b} active backlog 15 (-7.5/s, 2s left), dead 1, failures 2: no\\nway"
        );
        let object = serde_json::to_value(&third.peers[0]).unwrap();
        assert_eq!(object["backlog_per_sec"], -7.5);
        assert_eq!(object["backlog"], 15);
    }
}

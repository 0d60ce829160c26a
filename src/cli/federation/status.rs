//! `kite federation status`: how each peer does, once or again and again.

use std::time::Duration;

use clap::Args;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::{ago, due, offered, or_dash, watch};
use crate::base::clock::Clock;
use crate::base::duration;
use crate::protocol::federation::PeerHealth;

/// Show how each peer does: what waits for it, and whether it takes it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation status
  kite federation status --watch
  kite federation status --json | jq 'select(.failures > 0)'
  kite federation status --watch --interval 10s --json

With --watch it goes on until interrupted, and says how fast what waits for a peer grows or drains:
on a terminal the table is drawn anew, a pipe gets a line for each peer and look, and --json an
object with `at` and `backlog_per_sec` beside the rest.")]
pub(super) struct StatusArgs {
    /// Go on looking.
    #[arg(short, long)]
    watch: bool,
    /// How long to wait between two looks (1s, 30s, 5m).
    #[arg(long, value_name = "DUR", default_value = "2s", value_parser = duration::parse_some, requires = "watch")]
    interval: Duration,
}

/// What stands over the columns, on a terminal and else.
pub(super) fn headings(is_terminal: bool) -> [&'static str; 9] {
    let [success, failures, next, error] = match is_terminal {
        true => ["success", "fails", "next", "error"],
        false => ["last success", "failures", "next attempt", "last error"],
    };
    [
        "peer", "status", "backlog", "oldest", "dead", success, failures, next, error,
    ]
}

pub(super) fn run(args: StatusArgs, context: &Context) -> Result<Exit, CommandError> {
    if args.watch {
        return watch::run(args.interval, context);
    }
    let api = context.api(&context.settings()?)?;
    let peers = block_on_call(async { offered(api.federation_status().await) })?;
    if peers.is_empty() {
        let words = "the team has no peers; `kite federation invite` connects one";
        context.out.note(words);
    }
    let is_terminal = context.out.is_terminal();
    let now = is_terminal.then(|| Clock::system().unix_millis());
    context
        .out
        .fitted(&peers, &headings(is_terminal), |peer| row(peer, now))?;
    Ok(Exit::Done)
}

/// How many characters of a name a terminal shows: one long name must not push the numbers of all off the screen.
const NAME_MAX_CHARS: usize = 32;

/// The cells of a peer: for a pipe all as it stands, for a terminal a short name, and how long ago things were at a time.
pub(super) fn row(peer: &PeerHealth, now: Option<i64>) -> Vec<String> {
    let name = match now {
        Some(_) => shortened(&peer.peer),
        None => peer.peer.clone(),
    };
    // What once went wrong is no news of a peer that does well.
    let error = peer.last_error.as_ref().filter(|_| peer.failures > 0);
    let time = |text: &Option<String>, short: fn(i64, &str) -> String| {
        let text = text.as_deref();
        or_dash(text.map(|text| now.map_or_else(|| text.to_owned(), |now| short(now, text))))
    };
    vec![
        name,
        peer.status.word().to_owned(),
        peer.backlog.to_string(),
        or_dash(peer.oldest_secs.map(|secs| format!("{secs}s"))),
        peer.dead_letters.to_string(),
        time(&peer.last_success_at, ago),
        peer.failures.to_string(),
        time(&peer.next_attempt_at, due),
        or_dash(error),
    ]
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX_CHARS - 1) {
        Some((end, last)) if end + last.len_utf8() < name.len() => format!("{}…", &name[..end]),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_at_its_end() {
        let fits = "ö".repeat(NAME_MAX_CHARS);
        assert_eq!(shortened(&fits), fits);
        let cut = shortened(&format!("{fits}x"));
        assert_eq!(cut, format!("{}…", "ö".repeat(NAME_MAX_CHARS - 1)));
        assert_eq!(shortened(""), "");
    }
}

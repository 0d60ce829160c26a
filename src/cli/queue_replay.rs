//! `kite queue replay` and `kite retry`: entries of the local queue handed on again.

use std::time::Duration;

use clap::Args;
use reqwest::Url;
use serde::Serialize;

use super::context::{Context, block_on};
use super::endpoints::secret_of;
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::handing;
use super::output::{Output, PrintFault, Spinner};
use super::proxy::target;
use super::queue::{entries, narrowed, not_found, open};
use super::signal::Interrupt;
use super::text::visible;
use crate::base::duration;
use crate::base::secret::Secret;
use crate::protocol::id::Seq;
use crate::sink::proxy::TARGET_LIMIT;
use crate::sink::queue::{Filter, Row, Status};
use crate::sink::replay::{Fate, Replay, Tried};
use crate::sink::{Queue, Recipe, Workshop};

/// Hand entries on again, the oldest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite queue replay --dry-run
  kite queue replay --source github
  kite queue replay --seq 42 --target http://localhost:3000/webhooks
  kite queue replay --status ready

Each goes where the command that got it had it go, with the same headers and the
same body, unless `--target` says otherwise. Exit 7 when some were not taken, 1 when none was.")]
pub(super) struct ReplayArgs {
    /// Those that are pending, enriching, ready, delivered, failed or filtered.
    #[arg(long, value_name = "STATUS", default_value_t = Status::Failed)]
    status: Status,
    /// Only those of the source of this name.
    #[arg(long, value_name = "S")]
    source: Option<String>,
    /// Only the event of this number.
    #[arg(long, value_name = "N")]
    seq: Option<Seq>,
    /// Say what would be sent where, and send nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    way: Way,
}

/// Where entries go, and how.
#[derive(Debug, Args)]
struct Way {
    /// Post them to this address, wherever they were to go.
    #[arg(long, value_name = "URL", value_parser = target)]
    target: Option<Url>,
    /// How long the address of `--target` may take to answer, instead of 30s.
    #[arg(long, value_name = "DUR", value_parser = duration::parse_some, requires = "target")]
    target_timeout: Option<Duration>,
    /// The secret to sign posts with, where they were signed or `--target` is given; `-` reads it from stdin.
    #[arg(long, value_name = "-|SECRET", allow_hyphen_values = true)]
    sign_secret: Option<String>,
}

/// Hand failed entries on again (older spelling of `kite queue replay`).
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite retry --target http://localhost:3000/webhooks")]
pub(super) struct RetryArgs {
    /// Only those of the source of this name.
    #[arg(long, value_name = "S")]
    source: Option<String>,
    #[command(flatten)]
    way: Way,
}

pub(super) fn retry(args: RetryArgs, context: &Context) -> Result<Exit, CommandError> {
    let words = "`kite retry` is the older spelling of `kite queue replay --status failed`";
    context.out.note(words);
    let args = ReplayArgs {
        status: Status::Failed,
        source: args.source,
        seq: None,
        dry_run: false,
        way: args.way,
    };
    run(args, context)
}

pub(super) fn run(args: ReplayArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let secret = match &args.way.sign_secret {
        Some(text) => Some(Secret::from(secret_of(
            "--sign-secret",
            text.clone(),
            context,
        )?)),
        None => None,
    };
    let recipe = args.way.recipe(secret.is_some());
    let workshop = Workshop {
        sign_secret: secret,
        ..handing::workshop(&settings)
    };
    let filter = Filter {
        status: Some(args.status),
        source: args.source.as_deref().map(str::to_lowercase),
        seq: args.seq,
        ..narrowed(context, &settings)?
    };
    block_on(async {
        let mut interrupt = Interrupt::new()?;
        let queue = open(&settings, context).await?;
        let selection = queue.select(filter.clone()).await?;
        let total = selection.count();
        if total == 0 {
            nothing(&queue, filter, context.out).await?;
        }
        let replay = Replay::new(queue, selection, recipe)?;
        match args.dry_run {
            true => preview(replay, context.out).await,
            false => go(replay, total, &workshop, &mut interrupt, context.out).await,
        }
    })
}

impl Way {
    fn recipe(&self, is_signed: bool) -> Option<Recipe> {
        let limit = self.target_timeout.unwrap_or(TARGET_LIMIT);
        self.target.clone().map(|target| Recipe::Proxy {
            target: Some(target),
            routes: std::collections::BTreeMap::new(),
            timeout_secs: limit.as_secs().max(1),
            is_signed,
        })
    }
}

/// Nothing matches: an error only where one entry was named.
async fn nothing(queue: &Queue, filter: Filter, out: Output) -> Result<(), CommandError> {
    let Some(seq) = filter.seq else {
        out.note("nothing to replay");
        return Ok(());
    };
    let status = None;
    let there = queue.list(Filter { status, ..filter }, 1).await?;
    let Some(row) = there.first() else {
        return Err(not_found(seq));
    };
    let message = format!("event `{seq}` is {}", row.status);
    let hint = format!("`--status {}` hands it on again", row.status);
    Err(CommandError::new(Kind::NotFound, message).with_hint(hint))
}

/// What is told of an entry.
#[derive(Serialize)]
struct Line<'a> {
    seq: Seq,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'a str,
    reason: Option<&'a str>,
    target: &'a str,
}

impl<'a> Line<'a> {
    fn of(row: &'a Row, target: &'a str, status: &'a str, reason: Option<&'a str>) -> Self {
        Self {
            seq: row.seq,
            id: &row.event_id,
            kind: &row.event_type,
            status,
            reason,
            target,
        }
    }

    fn print(&self, out: Output) -> Result<(), PrintFault> {
        out.show(self, |line| {
            let (kind, target) = (visible(line.kind), visible(line.target));
            let reason = line.reason.map(|why| format!(": {}", visible(why)));
            let (seq, status) = (line.seq, line.status);
            format!(
                "#{seq} {kind} → {target} {status}{}",
                reason.unwrap_or_default()
            )
        })
    }
}

/// What became of all.
#[derive(Debug, Default, Serialize)]
struct Account {
    delivered: u64,
    failed: u64,
    not_tried: u64,
}

impl Account {
    fn count(&mut self, fate: &Fate) {
        match fate {
            Fate::Delivered | Fate::Skipped(_) => self.delivered += 1,
            Fate::Refused(_) | Fate::Unreachable(_) => self.failed += 1,
            Fate::NotTried(_) => self.not_tried += 1,
        }
    }

    fn words(&self) -> String {
        let Self {
            delivered,
            failed,
            not_tried,
        } = self;
        format!("Delivered {delivered}, failed {failed}, not tried {not_tried}")
    }

    fn exit(&self) -> Exit {
        match (self.failed + self.not_tried, self.delivered) {
            (0, _) => Exit::Done,
            (_, 0) => Exit::Failed,
            _ => Exit::SomeFailed,
        }
    }
}

async fn preview(mut replay: Replay, out: Output) -> Result<Exit, CommandError> {
    let mut account = Account::default();
    while let Some((row, place)) = replay.preview().await? {
        account.not_tried += 1;
        let reason = row.failure_reason.as_deref();
        Line::of(&row, &place, row.status.as_str(), reason).print(out)?;
    }
    out.show(&account, |account| {
        format!(
            "Would hand on {}; nothing was sent",
            entries(account.not_tried)
        )
    })?;
    Ok(Exit::Done)
}

/// Hands entries on until there are no more; when interrupted, the one in hand is the last.
async fn go(
    mut replay: Replay,
    total: u64,
    workshop: &Workshop,
    interrupt: &mut Interrupt,
    out: Output,
) -> Result<Exit, CommandError> {
    replay.make_sinks(workshop)?;
    let bar = out.counter(total);
    let mut account = Account::default();
    let mut is_interrupted = false;
    while !is_interrupted {
        let mut next = std::pin::pin!(replay.next());
        let tried = tokio::select! {
            tried = &mut next => tried?,
            () = interrupt.wait() => {
                is_interrupted = true;
                out.note("ending after the entry in hand; interrupt again to end at once");
                tokio::select! {
                    tried = &mut next => tried?,
                    () = interrupt.wait() => None,
                }
            }
        };
        let Some(tried) = tried else { break };
        account.count(&tried.fate);
        report(&tried, &bar, out)?;
    }
    drop(bar);
    out.show(&account, Account::words)?;
    Ok(match is_interrupted {
        true => Exit::Interrupted,
        false => account.exit(),
    })
}

fn report(tried: &Tried, bar: &Spinner, out: Output) -> Result<(), PrintFault> {
    let (status, reason) = match &tried.fate {
        Fate::Delivered => ("delivered", None),
        Fate::Skipped(why) => ("filtered", Some(why)),
        Fate::Refused(why) | Fate::Unreachable(why) => ("failed", Some(why)),
        Fate::NotTried(why) => ("not_tried", Some(why)),
    };
    let reason = reason.map(String::as_str);
    let line = Line::of(&tried.row, &tried.place, status, reason);
    let mut printed = Ok(());
    bar.aside(|| {
        printed = line.print(out);
        // Who closed stdout wants to hear no more.
        if let (Ok(()), Fate::Unreachable(why)) = (&printed, &tried.fate) {
            let (place, why) = (visible(&tried.place), visible(why));
            out.warn(&format!(
                "{place} cannot be reached: {why}; what else goes there is not tried"
            ));
        }
    });
    bar.advance();
    printed
}

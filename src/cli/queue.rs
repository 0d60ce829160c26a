//! `kite queue`: what was not handed on, and what became of it.

use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::value::RawValue;

use super::context::{Context, block_on_call};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::handing;
use super::queue_replay::{self, ReplayArgs};
use super::render;
use super::text::visible;
use crate::base::clock::Clock;
use crate::base::duration;
use crate::config::Settings;
use crate::protocol::id::Seq;
use crate::protocol::json;
use crate::sink::Queue;
use crate::sink::queue::{Filter, Row, Status, time};
use crate::sink::scoring::Importance;

/// How much of a reason stands in a list; `show` and `--json` have it whole.
const REASON_MAX_CHARS: usize = 60;

/// Look at the events that were not handed on, and try them again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite queue list --status failed
  kite queue show 42
  kite queue replay
  kite queue flush 30d

The queue is a file of this machine: these commands need no login. `--server`
and `--team` narrow them. `kite help delivery` explains how events get there.")]
pub(super) struct QueueArgs {
    #[command(subcommand)]
    verb: QueueVerb,
}

#[derive(Debug, Subcommand)]
enum QueueVerb {
    List(ListArgs),
    Show(ShowArgs),
    Replay(ReplayArgs),
    Flush(FlushArgs),
    Stats(StatsArgs),
}

/// List the newest entries, the oldest of them first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite queue list
  kite queue list --status failed --source github --since 24h
  kite queue list --json | jq -r .failure_reason")]
struct ListArgs {
    /// Only those that are pending, enriching, ready, delivered, failed or filtered.
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,
    /// Only those of the source of this name.
    #[arg(long, value_name = "S")]
    source: Option<String>,
    /// Only those that are at least low, normal, high or critical.
    #[arg(long, value_name = "LEVEL")]
    importance: Option<Importance>,
    /// Only those that came within this time.
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    since: Option<Duration>,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    limit: u64,
}

/// Show an event and what became of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite queue show 42
  kite queue show 42 --json | jq .event.data")]
struct ShowArgs {
    /// The event's number in the log.
    #[arg(value_name = "SEQ")]
    seq: Seq,
}

/// Remove entries that came longer ago than this.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite queue flush 30d
  kite queue flush 0s --all

Entries that are still to be tried stay, unless `--all` is given. Without any of
this, kite removes delivered and filtered entries after 7 days and failed ones
after 30, unless a manifest says otherwise.")]
struct FlushArgs {
    /// How old they must be: 30s, 5m, 24h, 7d.
    #[arg(value_name = "BEFORE", value_parser = duration::parse)]
    before: Duration,
    /// Also remove those that are still to be tried: nobody will get these events.
    #[arg(long)]
    all: bool,
}

/// Count the entries of each status.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite queue stats
  kite queue stats --json | jq .failed")]
struct StatsArgs {}

impl QueueArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            QueueVerb::List(args) => list(args, context),
            QueueVerb::Show(args) => show(&args, context),
            QueueVerb::Replay(args) => queue_replay::run(args, context),
            QueueVerb::Flush(args) => flush(&args, context),
            QueueVerb::Stats(_) => stats(context),
        }
    }
}

/// Opens the local queue, and takes in what an older kite left beside it.
pub(super) async fn open(settings: &Settings, context: &Context) -> Result<Queue, CommandError> {
    let queue = handing::open_queue(settings)?;
    let imported = queue.import(&settings.paths.data_dir().join("dlq")).await?;
    if imported.count > 0 {
        let words = format!("took in {} dead letters of an older kite", imported.count);
        context.out.note(&words);
    }
    for (path, why) in imported.left {
        let words = format!("`{}` stays where it is: {why}", path.display());
        context.out.warn(&words);
    }
    Ok(queue)
}

/// What the global flags and variables narrow to: a profile's own server and team do not.
pub(super) fn narrowed(context: &Context, settings: &Settings) -> Result<Filter, CommandError> {
    let is_given =
        |flag: &Option<String>| flag.as_ref().is_some_and(|text| !text.trim().is_empty());
    let has_server = is_given(&context.flags.server) || context.environment.ws_url.is_some();
    let team = settings.team.as_ref().map(ToString::to_string);
    Ok(Filter {
        server: has_server.then(|| settings.origin()).transpose()?,
        team: team.filter(|_| is_given(&context.flags.team)),
        ..Filter::default()
    })
}

/// Opens the queue and does one thing with it.
fn with_queue<T>(
    context: &Context,
    work: impl AsyncFnOnce(Queue, Filter) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let settings = context.settings()?;
    let filter = narrowed(context, &settings)?;
    block_on_call(async { work(open(&settings, context).await?, filter).await })
}

fn list(args: ListArgs, context: &Context) -> Result<Exit, CommandError> {
    let secs = |ago: Duration| i64::try_from(ago.as_secs()).unwrap_or(i64::MAX);
    let now = Clock::system().unix_millis() / 1000;
    let rows = with_queue(context, async |queue, narrowed| {
        let filter = Filter {
            status: args.status,
            source: args.source.map(|source| source.to_lowercase()),
            importance: args.importance,
            since: args.since.map(|ago| now.saturating_sub(secs(ago))),
            ..narrowed
        };
        Ok(queue.list(filter, args.limit).await?)
    })?;
    if rows.is_empty() {
        context.out.note("the local queue holds no such entries");
    }
    let headings = &[
        "seq", "status", "tries", "source", "type", "created", "reason",
    ];
    context.out.list(&rows, headings, listed)?;
    Ok(Exit::Done)
}

fn listed(row: &Row) -> Vec<String> {
    let reason = row.failure_reason.as_deref().unwrap_or("-");
    vec![
        row.seq.to_string(),
        row.status.to_string(),
        row.attempts.to_string(),
        row.source.clone(),
        row.event_type.clone(),
        time(row.created_at),
        shortened(reason),
    ]
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(REASON_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An entry with its event, as it is printed.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    row: &'a Row,
    /// The event as it came; null where that is no JSON.
    event: Option<Box<RawValue>>,
    /// What enrichment made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    enriched: Option<Box<RawValue>>,
    /// What came, where that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
}

impl<'a> Whole<'a> {
    fn of(row: &'a Row) -> Self {
        let read = |text: &str| RawValue::from_string(text.to_owned()).ok();
        let event = read(&row.raw_payload);
        Self {
            raw: event.is_none().then_some(row.raw_payload.as_str()),
            enriched: row.enriched_payload.as_deref().and_then(read),
            event,
            row,
        }
    }
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit, CommandError> {
    let seq = args.seq;
    let rows = with_queue(context, async |queue, narrowed| {
        let seq = Some(seq);
        Ok(queue.find(Filter { seq, ..narrowed }).await?)
    })?;
    if rows.is_empty() {
        return Err(not_found(seq));
    }
    for row in &rows {
        context
            .out
            .show(&Whole::of(row), |whole| words(whole.row))?;
    }
    Ok(Exit::Done)
}

/// There is no entry of this number.
pub(super) fn not_found(seq: Seq) -> CommandError {
    let message = format!("the local queue holds no event `{seq}`");
    CommandError::new(Kind::NotFound, message).with_hint(
        "`kite queue list` shows those it holds; what was delivered at once is not among them",
    )
}

fn words(row: &Row) -> String {
    let text = |text: &str| match text.is_empty() {
        true => "-".to_owned(),
        false => text.to_owned(),
    };
    let at = |secs: Option<i64>| secs.map_or_else(|| "-".to_owned(), time);
    let facts = [
        ("status", row.status.to_string()),
        (
            "reason",
            text(row.failure_reason.as_deref().unwrap_or_default()),
        ),
        ("tries", row.attempts.to_string()),
        ("id", text(&row.event_id)),
        ("type", text(&row.event_type)),
        ("source", text(&row.source)),
        ("importance", row.importance.clone()),
        ("server", text(&row.server)),
        ("team", text(&row.team_id)),
        ("consumer", text(&row.consumer)),
        ("sink", text(row.sink.as_deref().unwrap_or_default())),
        ("created", time(row.created_at)),
        ("enriched", at(row.enriched_at)),
        ("delivered", at(row.delivered_at)),
    ];
    let head = render::facts(&format!("Event #{}", row.seq), &facts);
    let payload = |json: &str| visible(&json::compact(json)).into_owned();
    let enriched = row.enriched_payload.as_deref().map(payload);
    let enriched = enriched.map_or_else(String::new, |json| format!("\n\nEnriched:\n{json}"));
    format!("{head}\n\n{}{enriched}", payload(&row.raw_payload))
}

fn flush(args: &FlushArgs, context: &Context) -> Result<Exit, CommandError> {
    #[derive(Serialize)]
    struct Flushed {
        removed: u64,
    }
    let removed = with_queue(context, async |queue, narrowed| {
        Ok(queue.flush(narrowed, args.before, args.all).await?)
    })?;
    let words = |flushed: &Flushed| format!("Removed {}", entries(flushed.removed));
    context.out.show(&Flushed { removed }, words)?;
    Ok(Exit::Done)
}

/// `1 entry`, `2 entries`.
pub(super) fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

fn stats(context: &Context) -> Result<Exit, CommandError> {
    let counts = with_queue(context, async |queue, narrowed| {
        Ok(queue.counts(narrowed).await?)
    })?;
    let members = counts.map(|(status, count)| (status.as_str(), count));
    let object: serde_json::Map<String, serde_json::Value> = members
        .iter()
        .map(|(name, count)| ((*name).to_owned(), (*count).into()))
        .collect();
    context.out.show(&object, |_| {
        let rows = members.map(|(name, count)| vec![name.to_owned(), count.to_string()]);
        render::columns(&rows)
    })?;
    Ok(Exit::Done)
}

//! `kite logs`: what the team's log holds.

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::context::{Context, block_on};
use super::error::CommandError;
use super::exit::Exit;
use super::render;
use super::since::Since;
use crate::base::clock::Clock;
use crate::client::Api;
use crate::client::api::EventsQuery;
use crate::client::history::History;
use crate::protocol::api::ListedEvent;
use crate::protocol::event::Event;
use crate::protocol::scope::Scope;

/// How many events are shown without `--since`.
const DEFAULT_LIMIT: u64 = 100;

/// The most that one call gives (spec 6).
const PAGE_MAX: u64 = 1000;

/// Show stored events, oldest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite logs --limit 20
  kite logs --since 24h --source github --json

Without --since these are the newest --limit events, 100 unless given. With it they are all events from there on, or
the first --limit of them.")]
pub(super) struct LogsArgs {
    /// At most this many, up to 1000 without --since.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    limit: Option<u64>,
    /// Only events whose source contains this.
    #[arg(long, value_name = "S")]
    source: Option<String>,
    /// Only events whose type contains this.
    #[arg(long = "type", visible_alias = "event-type", value_name = "T")]
    kind: Option<String>,
    /// Begin with the oldest, with event number SEQ, or a time ago (30s, 5m, 24h, 7d).
    #[arg(long, value_name = "all|SEQ|DUR")]
    since: Option<Since>,
}

pub(super) fn run(args: LogsArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let api = context.api(&settings)?;
    let filter = Filter::new(&args)?;
    block_on(async {
        match &args.since {
            Some(since) => {
                let history = History::new(since.start(&Clock::system()), filter.scopes());
                let limit = args.limit.unwrap_or(u64::MAX);
                print_from(history, limit, &filter, &api, context).await
            }
            None => {
                let limit = args.limit.unwrap_or(DEFAULT_LIMIT).min(PAGE_MAX);
                print_newest(limit, &filter, &api, context).await
            }
        }
    })?;
    Ok(Exit::Done)
}

/// The texts that source and type must contain, both of them (spec 12: the wire knows only alternatives).
struct Filter {
    source: Option<Scope>,
    kind: Option<Scope>,
}

impl Filter {
    fn new(args: &LogsArgs) -> Result<Self, CommandError> {
        let scope = |name: &str, text: &Option<String>| {
            let parse = |text: &String| format!("{name}:{text}").parse::<Scope>();
            text.as_ref().map(parse).transpose()
        };
        let fault =
            |error: crate::protocol::scope::ScopeError| CommandError::usage(error.to_string());
        Ok(Self {
            source: scope("source", &args.source).map_err(fault)?,
            kind: scope("type", &args.kind).map_err(fault)?,
        })
    }

    fn scopes(&self) -> Vec<Scope> {
        self.source.iter().chain(&self.kind).cloned().collect()
    }

    fn admits(&self, listed: &ListedEvent) -> bool {
        let scopes = self.scopes();
        match Event::parse(listed.event.get()) {
            Ok(event) => {
                let header = event.header();
                scopes.iter().all(|scope| scope.matches(&header))
            }
            // What cannot be read cannot be judged; the server found that it matches.
            Err(_) => scopes.len() < 2,
        }
    }
}

async fn print_from(
    mut history: History,
    limit: u64,
    filter: &Filter,
    api: &Api,
    context: &Context,
) -> Result<(), CommandError> {
    let mut left = limit;
    while let Some(page) = history.next_page(api).await? {
        for event in page.iter().filter(|event| filter.admits(event)) {
            print(event, context)?;
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn print_newest(
    limit: u64,
    filter: &Filter,
    api: &Api,
    context: &Context,
) -> Result<(), CommandError> {
    let query = EventsQuery {
        limit: Some(limit),
        scopes: filter.scopes(),
        ..EventsQuery::default()
    };
    let page = api.events(&query).await?;
    for event in page
        .events
        .iter()
        .rev()
        .filter(|event| filter.admits(event))
    {
        print(event, context)?;
    }
    Ok(())
}

fn print(event: &ListedEvent, context: &Context) -> Result<(), CommandError> {
    Ok(context.out.show(event, render::listed)?)
}

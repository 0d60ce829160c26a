//! `kite proxy`: each event as a request to a local server.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use clap::{ArgGroup, Args};
use reqwest::Url;
use serde::Serialize;

use super::context::Context;
use super::endpoints::secret_of;
use super::error::CommandError;
use super::exit::Exit;
use super::filter::Filter;
use super::handing::{self, Handing};
use super::listening::{self, ListeningArgs};
use super::output::Output;
use super::text::visible;
use crate::base::duration;
use crate::base::secret::Secret;
use crate::protocol::scope::{MAX_SCOPES, Scope};
use crate::sink::proxy::{Posted, Proxy, TARGET_LIMIT};
use crate::sink::{Item, Outcome, Recipe, Sink, Workshop};

/// Post each event to a local server, as its provider did.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite proxy --target http://localhost:3000/webhooks
  kite proxy --route github=http://localhost:3000/gh --route stripe=http://localhost:4000/
  kite proxy --source github --target http://localhost:3000 --json --count 1

The body is what the provider sent, byte for byte, with its headers, so that its
signature can be checked by the local program. 2xx acknowledges the event. While
the target cannot be reached (or answers 429, 502, 503 or 504) the stream waits
at its event. What it refuses otherwise steps aside into the local queue and is
tried again beside the stream; see `kite queue` and `kite help delivery`.")]
#[command(group(ArgGroup::new("place").required(true).multiple(true)))]
pub(super) struct ProxyArgs {
    #[command(flatten)]
    filter: Filter,
    /// Where to post events that have no route of their own.
    #[arg(long, value_name = "URL", value_parser = target, group = "place")]
    target: Option<Url>,
    /// Where to post the events of one source; may be given several times.
    #[arg(long, value_name = "SOURCE=URL", value_parser = route, group = "place")]
    route: Vec<(String, Url)>,
    /// How long the target may take to answer, instead of 30s.
    #[arg(long, value_name = "DUR", value_parser = duration::parse_some)]
    target_timeout: Option<Duration>,
    /// Sign each post as Standard Webhooks do, with this secret (`whsec_…`); `-` reads it from stdin.
    #[arg(long, value_name = "-|SECRET", allow_hyphen_values = true)]
    sign_secret: Option<String>,
    #[command(flatten)]
    listening: ListeningArgs,
}

/// An address that events can be posted to.
pub(super) fn target(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or("use an address such as http://localhost:3000/webhooks")?;
    if url.port() == Some(0) {
        return Err("nobody listens on port 0".to_owned());
    }
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(url),
        false => Err("leave the name and the password out of the address".to_owned()),
    }
}

fn route(text: &str) -> Result<(String, Url), String> {
    let pair = text
        .split_once('=')
        .filter(|(source, _)| !source.is_empty());
    let (source, url) = pair.ok_or("use SOURCE=URL, such as github=http://localhost:3000/gh")?;
    Ok((source.to_lowercase(), target(url)?))
}

fn routes(given: Vec<(String, Url)>) -> Result<BTreeMap<String, Url>, CommandError> {
    let mut routes = BTreeMap::new();
    for (source, url) in given {
        if routes.contains_key(&source) {
            let message = format!("the source `{}` has two routes", visible(&source));
            return Err(CommandError::usage(message).with_hint("leave out one of the two"));
        }
        routes.insert(source, url);
    }
    Ok(routes)
}

pub(super) fn run(args: ProxyArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let secret = match args.sign_secret {
        Some(text) => Some(Secret::from(secret_of("--sign-secret", text, context)?)),
        None => None,
    };
    let routes = routes(args.route)?;
    let recipe = Recipe::Proxy {
        target: args.target,
        timeout_secs: args.target_timeout.unwrap_or(TARGET_LIMIT).as_secs().max(1),
        is_signed: secret.is_some(),
        routes,
    };
    let filter = args.filter;
    let workshop = Workshop {
        sign_secret: secret,
        ..handing::workshop(&settings)
    };
    let targets = targets(&recipe);
    let subject = format!("{} to {}", filter.name(), targets.join(" "));
    let words = format!("handing events to {}", targets.join(", "));
    let mut role = handing::role("proxy", subject.clone(), &filter, &words);
    if let Some(scopes) = scopes_of_routes(&filter, &recipe) {
        role.scopes = scopes;
    }
    let queue = handing::open_queue(&settings)?;
    let out = context.out;
    let taker = async |place: &listening::Place| {
        let sink = Arc::new(Told::new(recipe.make_proxy(&workshop)?, out));
        let consumer = handing::consumer(place, "proxy", &subject, &recipe);
        Ok(Handing::begin(sink, consumer, filter, queue, out))
    };
    listening::run(args.listening, role, taker, context, &settings)
}

/// The targets as people gave them, each once.
fn targets(recipe: &Recipe) -> Vec<String> {
    let Recipe::Proxy { target, routes, .. } = recipe else {
        return Vec::new();
    };
    let routes = routes.iter().map(|(source, url)| format!("{source}={url}"));
    routes.chain(target.iter().map(Url::to_string)).collect()
}

/// Without a target for the rest, what has no route need not come: the names of the routes are the scopes, where no
/// filter says otherwise and there are not too many.
fn scopes_of_routes(filter: &Filter, recipe: &Recipe) -> Option<Vec<Scope>> {
    let Recipe::Proxy { target, routes, .. } = recipe else {
        return None;
    };
    if target.is_some() || filter.scopes() != [Scope::All] || routes.len() > MAX_SCOPES {
        return None;
    }
    let scopes = routes
        .keys()
        .map(|source| format!("source:{source}").parse());
    scopes.collect::<Result<_, _>>().ok()
}

/// A proxy that prints a line for each request.
pub(super) struct Told {
    proxy: Proxy,
    out: Output,
    /// Why the last line could not be printed. The post that it spoke of counts all the same; the next one is not made.
    fault: OnceLock<io::ErrorKind>,
}

/// What is told of a request.
#[derive(Debug, Serialize)]
struct Line<'a> {
    seq: u64,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    source: &'a str,
    target: Option<&'a str>,
    status: Option<u16>,
    outcome: &'static str,
    reason: Option<&'a str>,
    ms: u64,
}

impl Told {
    pub(super) fn new(proxy: Proxy, out: Output) -> Self {
        Self {
            proxy,
            out,
            fault: OnceLock::new(),
        }
    }

    async fn tell(&self, item: &Item, posted: &Posted, took: Duration) {
        let (outcome, reason) = match &posted.outcome {
            Outcome::Delivered => ("delivered", None),
            Outcome::Skipped(why) => ("skipped", Some(why.as_str())),
            Outcome::Unreachable(why) | Outcome::Silent(why) => ("unreachable", Some(why.as_str())),
            Outcome::Refused(why) | Outcome::Hopeless(why) => ("refused", Some(why.as_str())),
            Outcome::Gone(_) => ("gone", None),
        };
        let line = Line {
            seq: item.seq,
            id: &item.event.id,
            kind: &item.event.kind,
            source: &item.source_name(),
            target: posted.target.as_ref().map(Url::as_str),
            status: posted.status.map(|status| status.as_u16()),
            outcome,
            reason,
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        let printed = match self.out.json {
            // Plain data always serialises.
            true => {
                self.out
                    .object_aside(serde_json::to_string(&line).unwrap_or_default())
                    .await
            }
            false => self.out.line_aside(words(&line)).await,
        };
        if let Err(fault) = printed {
            // The first one is as good as the next.
            let _ = self.fault.set(io::Error::from(fault).kind());
        }
    }
}

/// `#7 com.github.push → http://localhost:3000/ 200 (3 ms)`
fn words(line: &Line<'_>) -> String {
    let target = line.target.unwrap_or("nowhere");
    let result = match (line.status, line.reason) {
        (Some(status), _) => status.to_string(),
        (None, Some(reason)) => visible(reason).into_owned(),
        (None, None) => line.outcome.to_owned(),
    };
    let (seq, kind, ms) = (line.seq, visible(line.kind), line.ms);
    format!("#{seq} {kind} → {target} {result} ({ms} ms)")
}

#[async_trait]
impl Sink for Told {
    async fn deliver(&self, item: &Item) -> Outcome {
        if let Some(fault) = self.fault.get() {
            return Outcome::Gone((*fault).into());
        }
        let since = Instant::now();
        let posted = self.proxy.post(item).await;
        // That nobody was there is said by whoever waits for it.
        if posted.target.is_none() || posted.status.is_some() {
            self.tell(item, &posted, since.elapsed()).await;
        }
        posted.outcome
    }
}

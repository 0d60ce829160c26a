//! `kite run`: a manifest at work.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use serde_json::Value;

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::handing::{self, Teller};
use super::listening::{self, ListeningArgs, Place, Role, Taken, Taker};
use super::output::Output;
use super::proxy::Told;
use super::render;
use crate::client::Delivery;
use crate::protocol::scope::Scope;
use crate::sink::manifest::{MANIFEST_MAX_BYTES, Manifest, SinkSpec};
use crate::sink::pipeline::{Judge, Pipeline, Took};
use crate::sink::queue::{Entry, Retention};
use crate::sink::{
    Consumer, Handover, Item, Keeps, Outcome, Queue, Recipe, Sink, Stages, Witness, Workshop,
};

/// The manifest where nothing else was said.
const MANIFEST: &str = "kite.json";

/// Hand events on as a manifest says: which ones, what is added to them, where they go.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite run
  kite run --manifest ci/kite.json --check
  kite run --json --count 1 --timeout 30s

A manifest:
  {
    \"name\": \"reviews\",
    \"subscriptions\": [{\"source\": \"github\"}],
    \"filters\": {\"drop\": [{\"actor\": \"*[bot]\"}]},
    \"scoring\": {\"rules\": [{\"match\": {\"ref\": \"refs/heads/main\"}, \"importance\": \"high\"}]},
    \"sink\": {\"type\": \"exec\", \"command\": \"./review.sh\", \"importance\": \"high\"}
  }

Sinks: stdout, proxy, socket, exec, mcp_server, paperclip. What became of each event is kept in the local queue; see
`kite queue` and `kite help delivery`.")]
pub(super) struct RunArgs {
    /// The manifest.
    #[arg(long, value_name = "PATH", default_value = MANIFEST)]
    manifest: PathBuf,
    /// Only say what is wrong with the manifest; with --json, print it with all defaults.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    listening: ListeningArgs,
}

pub(super) fn run(args: RunArgs, context: &Context) -> Result<Exit, CommandError> {
    let manifest = read(&args.manifest)?;
    if args.check {
        context
            .out
            .show(&manifest.normalized(), |_| described(&manifest))?;
        return Ok(Exit::Done);
    }
    let settings = context.settings()?;
    let subject = subject(&args.manifest);
    let (finished, until) = tokio::sync::oneshot::channel();
    let role = role(&manifest, subject.clone(), until);
    let queue = handing::open_queue(&settings)?;
    let workshop = handing::workshop(&settings);
    let out = context.out;
    let taker = |place: &Place| {
        let kitchen = Kitchen {
            workshop,
            queue: queue.clone(),
            out,
        };
        let consumer = consumer(place, &subject, &manifest);
        Running::begin(manifest, consumer, kitchen, finished)
    };
    listening::run(args.listening, role, taker, context, &settings)
}

/// Reads the manifest; all that is wrong with it is said at once.
fn read(path: &Path) -> Result<Manifest, CommandError> {
    let shown = path.display();
    let fault = |why: &dyn std::fmt::Display| {
        CommandError::usage(format!("cannot read the manifest `{shown}`: {why}"))
    };
    let mut bytes = Vec::new();
    let limit = MANIFEST_MAX_BYTES as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| fault(&error).with_hint("`--manifest PATH` names another one"))?;
    let text = String::from_utf8(bytes).map_err(|_| fault(&"it is not UTF-8"))?;
    Manifest::parse(&text).map_err(|faults| CommandError::usage(format!("`{shown}`: {faults}")))
}

/// What a manifest is, in a few lines.
fn described(manifest: &Manifest) -> String {
    let normalized = manifest.normalized();
    let scopes: Vec<String> = manifest.scopes().iter().map(Scope::to_string).collect();
    let facts = [
        ("events", scopes.join(" ")),
        (
            "sink",
            normalized["sink"]["type"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        ),
    ];
    render::facts(&format!("The manifest `{}` is good", manifest.name), &facts)
}

/// What tells the cursor of a manifest from others: where it is, however it was named.
fn subject(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.display().to_string()
}

fn role(manifest: &Manifest, subject: String, until: tokio::sync::oneshot::Receiver<()>) -> Role {
    Role {
        command: "run",
        subject,
        scopes: manifest.scopes(),
        words: format!("running `{}`", manifest.name),
        member: ("manifest", manifest.name.as_str().into()),
        until: Some(until),
    }
}

fn consumer(place: &Place, subject: &str, manifest: &Manifest) -> Consumer {
    let spec = &manifest.sink.kind;
    let sink = match Recipe::of(spec) {
        Some(recipe) => recipe.to_text(),
        // It cannot be made again outside of its run; what it was can be said all the same.
        None => serde_json::to_string(spec).unwrap_or_default(),
    };
    handing::consumer_of(place, "run", subject, sink)
}

/// What a run is made with.
struct Kitchen {
    workshop: Workshop,
    queue: Queue,
    out: Output,
}

/// A manifest at work.
struct Running {
    pipeline: Pipeline,
    teller: Arc<Teller>,
    team: String,
}

impl Running {
    fn begin(
        manifest: Manifest,
        consumer: Consumer,
        kitchen: Kitchen,
        finished: tokio::sync::oneshot::Sender<()>,
    ) -> Result<Self, CommandError> {
        let Kitchen {
            workshop,
            queue,
            out,
        } = kitchen;
        let keeps = match manifest.sink.kind {
            SinkSpec::McpServer { .. } => Keeps::AllSafely,
            _ => Keeps::All,
        };
        let stages = Stages {
            refinery: Some(Arc::new(Judge::of(&manifest))),
            keeps,
        };
        let sink = sink(&manifest.sink.kind, &workshop, out)?;
        tokio::spawn(retain(queue.clone(), consumer.clone(), &manifest));
        let teller = Arc::new(Teller::new(out));
        let witness: Arc<dyn Witness> = Arc::<Teller>::clone(&teller);
        let team = consumer.team.to_string();
        let handover = Handover::begin_with(stages, sink, queue, consumer, witness);
        drop(finished);
        Ok(Self {
            pipeline: Pipeline::new(Arc::new(manifest), handover),
            teller,
            team,
        })
    }
}

/// Writes down how long the queue keeps the entries of a manifest, for every command that tidies up.
fn retain(
    queue: Queue,
    consumer: Consumer,
    manifest: &Manifest,
) -> impl Future<Output = ()> + use<> {
    let retention = Retention::of(&manifest.queue);
    async move {
        if let Err(fault) = queue.retain(&consumer, retention).await {
            tracing::warn!(%fault, "the retention of the manifest is not kept");
        }
    }
}

/// Makes the sink of a manifest.
fn sink(spec: &SinkSpec, workshop: &Workshop, out: Output) -> Result<Arc<dyn Sink>, CommandError> {
    let Some(recipe) = Recipe::of(spec) else {
        let is_json = out.json || matches!(spec, SinkSpec::Stdout { json: true });
        return Ok(Arc::new(Printed { out, is_json }));
    };
    Ok(match &recipe {
        Recipe::Proxy { .. } => Arc::new(Told::new(recipe.make_proxy(workshop)?, out)),
        recipe => recipe.make(workshop)?,
    })
}

impl Taker for Running {
    async fn take(&mut self, delivery: &Delivery) -> Result<Taken, CommandError> {
        let read = Item::read(delivery.seq, self.team.clone(), delivery.text.clone());
        let item = match read {
            Ok(item) => item,
            Err(fault) => {
                let why = fault.to_string();
                let entry = Entry::unreadable(delivery.seq, delivery.text.clone(), why.clone());
                self.pipeline.keep_entry(entry).await;
                return Ok(Taken::Unreadable(why));
            }
        };
        match self.pipeline.take(item).await {
            Took::Handed(handed) => {
                self.teller.count(handed)?;
                Ok(Taken::Counted)
            }
            Took::Unsubscribed | Took::Known | Took::Held => Ok(Taken::Passed),
        }
    }

    fn account(&self) -> Vec<(&'static str, Value)> {
        self.teller.account()
    }

    fn finish(&self) -> Result<(), CommandError> {
        self.teller.finish()
    }
}

/// Prints events as `kite stream` does.
struct Printed {
    out: Output,
    is_json: bool,
}

#[async_trait]
impl Sink for Printed {
    async fn deliver(&self, item: &Item) -> Outcome {
        let printed = match self.is_json {
            true => self.out.object_aside(item.text().to_owned()).await,
            false => {
                self.out
                    .line_aside(render::streamed(item.seq, &item.event))
                    .await
            }
        };
        match printed {
            Ok(()) => Outcome::Delivered,
            Err(fault) => Outcome::Gone(fault.into()),
        }
    }
}

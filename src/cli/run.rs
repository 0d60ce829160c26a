//! `kite run`: a manifest at work.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::sync::oneshot;

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::handing;
use super::listening::{self, ListeningArgs, Place, Role};
use super::render;
use super::running::{Kitchen, Running};
use crate::protocol::scope::Scope;
use crate::sink::manifest::{MANIFEST_MAX_BYTES, Manifest};
use crate::sink::{Consumer, Recipe};

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
    \"scoring\": {
      \"rules\": [{\"match\": {\"ref\": \"refs/heads/main\"}, \"importance\": \"high\"}]
    },
    \"sink\": {\"type\": \"exec\", \"command\": \"./review.sh\", \"importance\": \"high\"}
  }

Sinks: stdout, proxy, socket, exec, mcp_server, paperclip. What became of each
event is kept in the local queue; see `kite queue` and `kite help delivery`.
What is delivered or filtered there does not come to the same manifest again,
with `--since` neither, until it is flushed: `kite queue flush 0s`.")]
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
    let (finished, until) = oneshot::channel();
    let role = role(&manifest, subject.clone(), until);
    let queue = handing::open_queue(&settings)?;
    let workshop = handing::workshop(&settings);
    let out = context.out;
    let taker = async |place: &Place| {
        let kitchen = Kitchen {
            workshop,
            queue,
            out,
            finished,
        };
        let consumer = consumer(place, &subject, &manifest);
        Running::begin(manifest, consumer, kitchen).await
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

fn role(manifest: &Manifest, subject: String, until: oneshot::Receiver<()>) -> Role {
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

//! A manifest at work: its sink, its pipeline, what is said of it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::CommandError;
use super::handing::Teller;
use super::listening::{Taken, Taker};
use super::output::Output;
use super::proxy::Told;
use super::render;
use super::text::visible;
use crate::client::Delivery;
use crate::sink::manifest::{Manifest, SinkSpec};
use crate::sink::mcp::Mcp;
use crate::sink::pipeline::{HookFailed, Judge, Pipeline, Took};
use crate::sink::queue::{Entry, Filter, Retention, Status};
use crate::sink::{
    Consumer, Handed, Handover, Item, Keeps, Outcome, Queue, Recipe, Sink, Stages, Witness,
    Workshop,
};

/// What a run is made with.
pub(super) struct Kitchen {
    pub(super) workshop: Workshop,
    pub(super) queue: Queue,
    pub(super) out: Output,
    /// Who is told when the sink has ended.
    pub(super) finished: oneshot::Sender<()>,
}

/// A manifest at work.
pub(super) struct Running {
    pipeline: Pipeline,
    teller: Arc<Teller>,
    team: String,
    told: u64,
    serving: Option<JoinHandle<()>>,
}

impl Running {
    /// Begins: what an earlier run has left in the local queue is gone on with.
    pub(super) async fn begin(
        manifest: Manifest,
        consumer: Consumer,
        kitchen: Kitchen,
    ) -> Result<Self, CommandError> {
        let Kitchen {
            workshop,
            queue,
            out,
            finished,
        } = kitchen;
        let (sink, keeps, serving) = match &manifest.sink.kind {
            SinkSpec::McpServer { buffer_size } => {
                let (sink, serving) = serve(*buffer_size, &queue, &consumer, finished).await?;
                (sink, Keeps::AllSafely, Some(serving))
            }
            spec => (sink(spec, &workshop, out)?, Keeps::All, None),
        };
        let stages = Stages {
            refinery: Some(Arc::new(Judge::of(&manifest, hook_failed(out)))),
            keeps,
        };
        retain(&queue, &consumer, &manifest).await;
        let teller = Arc::new(Teller::new(out));
        let witness: Arc<dyn Witness> = Arc::<Teller>::clone(&teller);
        let team = consumer.team.to_string();
        let handover = Handover::begin_with(stages, sink, queue, consumer, witness);
        Ok(Self {
            pipeline: Pipeline::new(Arc::new(manifest), handover),
            teller,
            team,
            told: 0,
            serving,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// Serves what comes to an MCP client on stdin and stdout, with the newest that the local queue remembers. Its end is
/// the end of the run.
async fn serve(
    buffer_size: usize,
    queue: &Queue,
    consumer: &Consumer,
    finished: oneshot::Sender<()>,
) -> Result<(Arc<dyn Sink>, JoinHandle<()>), CommandError> {
    let filter = Filter {
        server: Some(consumer.server.clone()),
        team: Some(consumer.team.to_string()),
        consumer: Some(consumer.name.clone()),
        status: Some(Status::Delivered),
        ..Filter::default()
    };
    let rows = queue.newest(filter, buffer_size as u64).await?;
    let items = rows.iter().filter_map(|row| row.item().ok());
    let mcp = Arc::new(Mcp::new(buffer_size).with(items));
    let server = Arc::clone(&mcp);
    let serving = tokio::spawn(async move {
        // A client that is gone has ended it as much as one that closes stdin.
        let _ = server.serve(tokio::io::stdin(), tokio::io::stdout()).await;
        let _ = finished.send(());
    });
    Ok((mcp, serving))
}

/// Says that a hook gave nothing; the event goes on without it.
fn hook_failed(out: Output) -> HookFailed {
    Box::new(move |hook, item, why| {
        let (seq, why) = (item.seq, visible(why));
        let words = format!("#{seq}: the hook `{hook}` added nothing: {why}");
        let members = [
            ("seq", seq.into()),
            ("hook", hook.into()),
            ("reason", why.as_ref().into()),
        ];
        out.event("unenriched", &words, &members);
    })
}

/// Writes down how long the queue keeps the entries of a manifest, for every command that tidies up.
async fn retain(queue: &Queue, consumer: &Consumer, manifest: &Manifest) {
    let retention = Retention::of(&manifest.queue);
    if let Err(fault) = queue.retain(consumer, retention).await {
        tracing::warn!(%fault, "the retention of the manifest is not kept");
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
                let is_filtered = matches!(handed, Handed::Skipped(_));
                self.teller.count(handed)?;
                Ok(match is_filtered {
                    true => Taken::Passed,
                    false => Taken::Counted,
                })
            }
            Took::Unsubscribed | Took::Known | Took::Held => Ok(Taken::Passed),
        }
    }

    /// Events that had waited for their window count when they are handed on.
    async fn progress(&mut self) -> Result<u64, CommandError> {
        let released = self.teller.released_since(self.told).await?;
        self.told += released;
        Ok(released)
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

//! `kite stream --federation-target`: each event to another instance instead of onto the screen.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reqwest::Url;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::filter::Filter;
use super::handing::{self, Teller};
use super::listening::{self, ListeningArgs, Taken, Taker};
use super::output::{Output, Spinner};
use super::stdin;
use crate::base::secret::Secret;
use crate::client::Delivery;
use crate::config;
use crate::protocol::address::forward_target;
use crate::protocol::id::{InstanceId, Seq};
use crate::sink::{Lanes, Recipe, Witness, Workshop};

/// Where to forward, and as whom.
#[derive(Debug, Args)]
pub(super) struct ForwardArgs {
    /// Forward each event to the hook of another instance instead of printing it.
    #[arg(long, value_name = "URL", value_parser = forward_target, conflicts_with_all = ["compact", "exec"])]
    federation_target: Option<Url>,
    /// What opens that hook; `-` reads it from stdin. Otherwise KITE_FEDERATION_TOKEN.
    #[arg(
        long,
        value_name = "-|TOKEN",
        requires = "federation_target",
        allow_hyphen_values = true
    )]
    federation_token: Option<String>,
    /// What to be called in the chain of each event; otherwise an id that this configuration keeps.
    #[arg(long, value_name = "ID", requires = "federation_target")]
    instance_id: Option<InstanceId>,
}

impl ForwardArgs {
    /// Whether events are to be forwarded at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.federation_target.is_some()
    }
}

/// Forwards until there was enough, as every listening verb ends.
pub(super) fn run(
    args: ForwardArgs,
    filter: Filter,
    listening: ListeningArgs,
    context: &Context,
) -> Result<Exit, CommandError> {
    let Some(target) = args.federation_target else {
        return Err(CommandError::usage("there is no target to forward to"));
    };
    let token = token(args.federation_token, context)?;
    let settings = context.settings()?;
    let instance_id = match args.instance_id {
        Some(id) => id,
        None => config::instance_id(&settings.paths)?,
    };
    let subject = format!("{} to {target}", filter.name());
    let words = format!("forwarding events to {target} as `{instance_id}`");
    let role = handing::role("stream", subject.clone(), &filter, &words);
    let recipe = Recipe::Federation {
        target,
        instance_id,
    };
    let workshop = Workshop {
        federation_token: Some(token),
        ..handing::workshop(&settings)
    };
    let queue = handing::open_queue(&settings)?;
    let out = context.out;
    let taker = async |place: &listening::Place| {
        let consumer = handing::consumer(place, "stream", &subject, &recipe);
        let teller = Arc::new(Teller::new(out));
        let witness: Arc<dyn Witness> = Arc::<Teller>::clone(&teller);
        Ok(Forwarding {
            lanes: Lanes::begin(recipe.make(&workshop)?, queue, consumer, witness),
            filter,
            teller,
            status: Status::begin(out),
            out,
        })
    };
    listening::run(listening, role, taker, context, &settings)
}

/// The token: that of the flag, else that of the environment. An empty one would open nothing.
fn token(given: Option<String>, context: &Context) -> Result<Secret, CommandError> {
    let token = match given {
        Some(dash) if dash == "-" => Some(stdin::secret("the token")?),
        Some(text) => {
            let words = "others can see the token in the process list; `--federation-token -` reads it from stdin";
            context.out.note(words);
            Some(text)
        }
        None => None,
    };
    // White space round it would be lost on the way, and the signature would be that of another token.
    let token = token.map(|text| Secret::from(text.trim().to_owned()));
    let token = token.or_else(|| context.environment.federation_token.clone());
    token
        .filter(|token| !token.reveal().is_empty())
        .ok_or_else(CommandError::no_federation_token)
}

/// Forwards events, several at a time.
struct Forwarding {
    lanes: Lanes,
    filter: Filter,
    teller: Arc<Teller>,
    status: Status,
    out: Output,
}

impl Taker for Forwarding {
    async fn take(&mut self, delivery: &Delivery) -> Result<Taken, CommandError> {
        let item = match handing::admit(delivery, &self.filter, self.lanes.handover()).await {
            Ok(item) => item,
            Err(taken) => return Ok(taken),
        };
        while !self.lanes.has_room() {
            self.progress().await?;
        }
        self.lanes.put(item);
        Ok(Taken::Counted)
    }

    fn in_hand(&self) -> Option<Seq> {
        self.lanes.in_hand()
    }

    async fn progress(&mut self) -> Result<u64, CommandError> {
        loop {
            tokio::select! {
                biased;
                handed = self.lanes.next() => {
                    self.teller.count(handed)?;
                    self.status.show(self.teller.counts());
                    return Ok(0);
                }
                () = sleep_until(self.status.next_look) => self.status.look(self.teller.counts()),
            }
        }
    }

    fn account(&self) -> Vec<(&'static str, Value)> {
        let [forwarded, skipped, failed] = self.teller.counts();
        vec![
            ("forwarded", forwarded.into()),
            ("skipped", skipped.into()),
            ("failed", failed.into()),
        ]
    }

    fn finish(&self) -> Result<(), CommandError> {
        if !self.out.json {
            self.out.note(&words(self.teller.counts()));
        }
        self.teller.finish()
    }
}

/// `7 forwarded, 1 skipped, 0 failed`
fn words([forwarded, skipped, failed]: [u64; 3]) -> String {
    format!("{forwarded} forwarded, {skipped} skipped, {failed} failed")
}

/// How often the rate is taken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A line on the terminal: what came of the events so far, and how fast they go.
struct Status {
    spinner: Spinner,
    next_look: Instant,
    /// How many events were forwarded at the last look, and when that was.
    last: (u64, Instant),
    rate: f64,
}

impl Status {
    fn begin(out: Output) -> Self {
        let now = Instant::now();
        Self {
            spinner: out.spinner(&words([0; 3])),
            next_look: now + LOOK_EVERY,
            last: (0, now),
            rate: 0.0,
        }
    }

    fn show(&self, counts: [u64; 3]) {
        self.spinner
            .say(|| format!("{}, {:.0}/s", words(counts), self.rate));
    }

    /// Takes the rate anew.
    fn look(&mut self, counts: [u64; 3]) {
        let now = Instant::now();
        let (forwarded, at) = std::mem::replace(&mut self.last, (counts[0], now));
        let secs = (now - at).as_secs_f64().max(0.001);
        self.rate = counts[0].saturating_sub(forwarded) as f64 / secs;
        self.next_look = now + LOOK_EVERY;
        self.show(counts);
    }
}

//! Between a listening verb and a sink: every event goes through the delivery rule, and what happens is said.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::sync::watch;

use super::error::{CommandError, Kind};
use super::filter::Filter;
use super::listening::{Place, Role, Taken, Taker};
use super::output::{Output, PrintFault};
use super::text::visible;
use crate::base::clock::Clock;
use crate::client::Delivery;
use crate::config::Settings;
use crate::sink::queue::Entry;
use crate::sink::{
    Consumer, Handed, Handover, Happening, Item, Queue, Recipe, Sink, Witness, Workshop,
};

/// Hands the events that a filter admits to a sink.
pub(super) struct Handing {
    handover: Handover,
    filter: Filter,
    teller: Arc<Teller>,
}

impl Handing {
    /// Begins to hand events on.
    pub(super) fn begin(
        sink: Arc<dyn Sink>,
        consumer: Consumer,
        filter: Filter,
        queue: Queue,
        out: Output,
    ) -> Self {
        let teller = Arc::new(Teller::new(out));
        let witness: Arc<dyn Witness> = Arc::<Teller>::clone(&teller);
        Self {
            handover: Handover::begin(sink, queue, consumer, witness),
            filter,
            teller,
        }
    }
}

/// Whose events a verb hands on, as the local queue knows it.
pub(super) fn consumer(place: &Place, command: &str, subject: &str, recipe: &Recipe) -> Consumer {
    consumer_of(place, command, subject, recipe.to_text())
}

/// The same, with the sink as text.
pub(super) fn consumer_of(place: &Place, command: &str, subject: &str, sink: String) -> Consumer {
    Consumer {
        server: place.origin.clone(),
        team: place.team.clone(),
        name: format!("{command} {subject}"),
        sink,
    }
}

/// Opens the local queue of this machine.
pub(super) fn open_queue(settings: &Settings) -> Result<Queue, CommandError> {
    Ok(Queue::open(
        &queue_path(settings.paths.data_dir()),
        Clock::system(),
    )?)
}

fn queue_path(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("queue.db")
}

impl Taker for Handing {
    async fn take(&mut self, delivery: &Delivery) -> Result<Taken, CommandError> {
        let item = match admit(delivery, &self.filter, &self.handover).await {
            Ok(item) => item,
            Err(taken) => return Ok(taken),
        };
        self.teller.count(self.handover.hand_on(&item).await)?;
        Ok(Taken::Counted)
    }

    fn account(&self) -> Vec<(&'static str, Value)> {
        self.teller.account()
    }

    fn finish(&self) -> Result<(), CommandError> {
        self.teller.finish()
    }
}

/// The event to hand on; otherwise what was done about it. What cannot be read goes into the queue.
pub(super) async fn admit(
    delivery: &Delivery,
    filter: &Filter,
    handover: &Handover,
) -> Result<Item, Taken> {
    let event = match &delivery.event {
        Ok(event) => event,
        Err(fault) => {
            let why = fault.to_string();
            let entry = Entry::unreadable(delivery.seq, delivery.text.clone(), why.clone());
            handover.keep_entry(entry).await;
            return Err(Taken::Unreadable(why));
        }
    };
    if !filter.admits(&delivery.event) {
        return Err(Taken::Passed);
    }
    let team = handover.consumer().team.to_string();
    let text = delivery.text.clone();
    Ok(Item::new(delivery.seq, team, event.clone(), text))
}

/// Says what happens to the events of one sink, and counts.
pub(super) struct Teller {
    out: Output,
    delivered: AtomicU64,
    skipped: AtomicU64,
    aside: AtomicU64,
    recovered: AtomicU64,
    released: watch::Sender<Released>,
}

/// What came out of windows.
#[derive(Default)]
struct Released {
    /// How many events were handed on.
    count: u64,
    /// Why the sink takes nothing any more.
    gone: Option<io::Error>,
}

impl Teller {
    pub(super) fn new(out: Output) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            out,
            delivered: zero(),
            skipped: zero(),
            aside: zero(),
            recovered: zero(),
            released: watch::Sender::default(),
        }
    }

    /// Waits until more events than that were handed on after their windows; how many more. An error where their sink
    /// takes nothing any more. It can be left alone.
    pub(super) async fn released_since(&self, told: u64) -> Result<u64, CommandError> {
        let mut released = self.released.subscribe();
        let now = released.wait_for(|now| now.gone.is_some() || now.count > told);
        let Ok(now) = now.await else {
            return Ok(0);
        };
        match &now.gone {
            Some(error) => Err(PrintFault::from(io::Error::from(error.kind())).into()),
            None => Ok(now.count - told),
        }
    }

    /// Counts an event that had waited for its window.
    fn release(&self, handed: Handed) {
        if let Handed::Gone(error) = handed {
            self.released
                .send_modify(|released| released.gone = Some(error));
            return;
        }
        let is_filtered = matches!(handed, Handed::Skipped(_));
        // Only what is gone is an error.
        let _ = self.count(handed);
        if !is_filtered {
            self.released.send_modify(|released| released.count += 1);
        }
    }

    /// Counts an event; an error where its sink takes nothing any more.
    pub(super) fn count(&self, handed: Handed) -> Result<(), CommandError> {
        let count = match handed {
            Handed::Delivered => &self.delivered,
            Handed::Skipped(_) => &self.skipped,
            Handed::Aside => &self.aside,
            Handed::Gone(error) => return Err(PrintFault::from(error).into()),
        };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// How many were delivered, skipped and refused so far.
    pub(super) fn counts(&self) -> [u64; 3] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let recovered = of(&self.recovered);
        [
            of(&self.delivered) + recovered,
            of(&self.skipped),
            of(&self.aside).saturating_sub(recovered),
        ]
    }

    pub(super) fn account(&self) -> Vec<(&'static str, Value)> {
        let [delivered, skipped, aside] = self.counts();
        vec![
            ("delivered", delivered.into()),
            ("skipped", skipped.into()),
            ("refused", aside.into()),
        ]
    }

    /// An error where something was refused.
    pub(super) fn finish(&self) -> Result<(), CommandError> {
        let [delivered, skipped, aside] = self.counts();
        if aside == 0 {
            return Ok(());
        }
        let kind = match delivered + skipped {
            0 => Kind::Failed,
            _ => Kind::SomeFailed,
        };
        let all = delivered + skipped + aside;
        let message =
            format!("of {all} events handed on {aside} were refused; the local queue holds them");
        Err(CommandError::new(kind, message)
            .with_hint("`kite queue list` shows them, `kite queue replay --status ready` tries those again that are not given up"))
    }

    fn tell(&self, name: &str, item: &Item, words: &str, more: &[(&str, Value)]) {
        let own = [
            ("seq", item.seq.into()),
            ("id", item.event.id.as_str().into()),
            ("type", item.event.kind.as_str().into()),
        ];
        let words = format!("#{} {}: {words}", item.seq, visible(&item.event.kind));
        self.out.event(name, &words, &[&own, more].concat());
    }
}

impl Witness for Teller {
    fn hear(&self, happening: Happening<'_>) {
        let millis =
            |wait: std::time::Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        match happening {
            Happening::Holding { item, why, wait } => {
                let secs = wait.as_secs_f32();
                let words = format!("held: {}; trying again in {secs:.1} s", visible(why));
                let more = [("reason", why.into()), ("wait_ms", millis(wait).into())];
                self.tell("holding", item, &words, &more);
            }
            Happening::Resumed { item } => self.tell("resumed", item, "taken, going on", &[]),
            Happening::SetAside { item, why, wait } => {
                let secs = wait.as_secs_f32();
                let why = visible(why);
                let words =
                    format!("refused: {why}; in the local queue, trying again in {secs:.1} s");
                let more = [
                    ("reason", why.as_ref().into()),
                    ("wait_ms", millis(wait).into()),
                ];
                self.tell("refused", item, &words, &more);
            }
            Happening::Released { handed, .. } => self.release(handed),
            Happening::Recovered { item } => {
                self.recovered.fetch_add(1, Ordering::Relaxed);
                self.tell("recovered", item, "taken after all", &[]);
            }
            Happening::GaveUp { item, why } => {
                let words = format!(
                    "given up: {}; `kite queue replay` tries it again",
                    visible(why)
                );
                self.tell("failed", item, &words, &[("reason", why.into())]);
            }
            Happening::QueueFault { fault, wait } => {
                let secs = wait.as_secs_f32();
                self.out.warn(&format!(
                    "{fault}; nothing is acknowledged until it does, trying again in {secs:.1} s"
                ));
            }
        }
    }
}

/// The role of a verb that hands on.
pub(super) fn role(command: &'static str, subject: String, filter: &Filter, words: &str) -> Role {
    let name = filter.name();
    Role {
        command,
        subject,
        scopes: filter.scopes(),
        words: match name.as_str() {
            "*" => words.to_owned(),
            name => format!("{words} (only `{name}`)"),
        },
        member: ("scopes", name.as_str().into()),
        until: None,
    }
}

/// What sinks are made with on this machine.
pub(super) fn workshop(settings: &Settings) -> Workshop {
    Workshop {
        ca_file: settings.ca_file.clone(),
        sign_secret: None,
        federation_token: None,
        paperclip_key: settings.paperclip_key.clone(),
        profile: settings.profile.name().to_owned(),
        clock: Clock::system(),
    }
}

//! What a manifest does with an event: subscriptions, dedup, filters, enrichment, scoring, importance, sink (spec 16).

use std::sync::Arc;

use async_trait::async_trait;

use super::dedup::{Dedup, Strategy};
use super::handover::{Handed, Handover, Refined, Refinery};
use super::manifest::{Enrichment, Filters, Manifest};
use super::queue::{Entered, Entry, Verdict};
use super::scoring::{Importance, Scoring, changed_files};
use super::{Item, enrich};

/// What became of an event in the pipeline.
#[derive(Debug)]
pub enum Took {
    /// It went on.
    Handed(Handed),
    /// No subscription means it.
    Unsubscribed,
    /// It was dealt with before: its acknowledgement was lost.
    Known,
    /// The local queue holds it until its window closes.
    Held,
}

/// A manifest at work.
pub struct Pipeline {
    manifest: Arc<Manifest>,
    handover: Handover,
}

impl Pipeline {
    /// Puts a manifest before a handover, which has its [`Judge`].
    pub fn new(manifest: Arc<Manifest>, handover: Handover) -> Self {
        Self { manifest, handover }
    }

    /// Takes one event. It returns when the event is done with, or in the local queue.
    pub async fn take(&self, item: Item) -> Took {
        if !self.manifest.admits(&item.event) {
            return Took::Unsubscribed;
        }
        if self.is_known(&item).await {
            return Took::Known;
        }
        let scoring = self.manifest.scoring.as_ref();
        match scoring.and_then(|scoring| scoring.dedup.as_ref()) {
            Some(dedup) => self.take_once(dedup, item).await,
            None => Took::Handed(self.handover.hand_on(&item).await),
        }
    }

    /// What is no event that can be read is kept as failed.
    pub async fn keep_entry(&self, entry: Entry) {
        self.handover.keep_entry(entry).await;
    }

    async fn is_known(&self, item: &Item) -> bool {
        let (queue, consumer) = (self.handover.queue(), self.handover.consumer());
        let look = || queue.status(consumer, item.seq, &item.event.id);
        self.handover.insist(look).await.is_some()
    }

    /// Takes one of several that count as the same.
    async fn take_once(&self, dedup: &Dedup, item: Item) -> Took {
        let (queue, consumer) = (self.handover.queue(), self.handover.consumer());
        let key = dedup.key(&item.event);
        if dedup.strategy == Strategy::KeepLast {
            let entry = Entry::of(&item, Verdict::Held { due_at: 0 });
            let hold = || queue.hold(consumer, key, dedup.window, entry.clone());
            self.handover.insist(hold).await;
            return Took::Held;
        }
        let entered = Entered {
            seq: item.seq,
            event_id: item.event.id.clone(),
            window: dedup.window,
        };
        let enter = || queue.enter_window(consumer, key, entered.clone());
        match self.handover.insist(enter).await {
            Some(first) => {
                let why = format!("#{first} came before it in the same window");
                Took::Handed(self.handover.skip(&item, why).await)
            }
            None => Took::Handed(self.handover.hand_on(&item).await),
        }
    }
}

/// Hears that a hook, as the manifest writes it, added nothing to an event, and why.
pub type HookFailed = Box<dyn Fn(&str, &Item, &str) + Send + Sync>;

/// What a manifest says of one event: whether it is wanted, what is added to it, how important it is.
pub struct Judge {
    filters: Filters,
    enrichment: Vec<Enrichment>,
    scoring: Option<Scoring>,
    least: Option<Importance>,
    hook_failed: HookFailed,
}

impl Judge {
    /// The judge of a manifest.
    pub fn of(manifest: &Manifest, hook_failed: HookFailed) -> Self {
        Self {
            hook_failed,
            filters: manifest.filters.clone(),
            enrichment: manifest.enrichment.clone(),
            scoring: manifest.scoring.clone(),
            least: manifest.sink.importance,
        }
    }

    /// The first hook that is for the event and answers has the word. Without one the event stays as it is.
    async fn enrich(&self, item: Item) -> Item {
        for hook in &self.enrichment {
            if !hook.rule.matches(&item.event) {
                continue;
            }
            match enrich::run(&hook.run, hook.timeout, &item).await {
                Ok(json) => return item.enriched_by(json),
                Err(why) => (self.hook_failed)(&hook.run, &item, &why),
            }
        }
        item
    }

    fn score(&self, item: &Item) -> Importance {
        let files = item.enriched.as_deref().and_then(changed_files);
        match &self.scoring {
            Some(scoring) => scoring.importance(&item.event, files.as_deref()).0,
            None => Importance::default(),
        }
    }
}

#[async_trait]
impl Refinery for Judge {
    async fn refine(&self, item: Item) -> Refined {
        if let Some(filter) = self.filters.refusal(&item.event) {
            return Refined::Filtered(item, format!("left out by `{filter}`"));
        }
        let mut item = self.enrich(item).await;
        item.importance = self.score(&item);
        match self.least {
            Some(least) if item.importance < least => {
                let why = format!("its importance {} is below {least}", item.importance);
                Refined::Filtered(item, why)
            }
            _ => Refined::Wanted(item),
        }
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;

//! The manifest of `kite run`: which events, what happens to them on the way, and where they go (spec 16).
//!
//! Parsed once and completely: what a [`Manifest`] holds needs no further check.

mod faults;
mod fields;
mod near;
mod rules;
mod spec;

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::facts::Facts;
use super::rule::Rule;
use super::scoring::Scoring;
use crate::base::duration;
use crate::protocol::event::Event;
use crate::protocol::json;
use crate::protocol::scope::{MAX_SCOPES, Scope};
pub use faults::{FieldFault, ManifestFault, Wrong};
use fields::Fields;
pub use spec::{EXEC_TIMEOUT, SinkEntry, SinkSpec};

/// The largest manifest that is read.
pub const MANIFEST_MAX_BYTES: usize = 1024 * 1024;

/// How long a hook may take that says nothing else.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the local queue keeps what is done.
const RETENTION: Duration = Duration::from_secs(7 * 86_400);

const SCOPE: &str = "a text of 1 to 500 characters";
const COUNT: &str = "a count such as 1500 or \"1_500\"";

const SUBSCRIPTIONS: &str = r#"use `subscriptions`, such as [{"source": "github"}]"#;
const ONE_SINK: &str = "use `sink`, one object; each further sink is a manifest of its own";
const ROUTES: &str = "use `subscriptions` and `filters`, and a manifest of its own for each sink";
const FILTERS: &str = r#"use an object, such as {"drop": [{"type": "*.ping"}], "keep_only": []}"#;
const ENRICHMENT: &str = r#"use a list, such as [{"match": {}, "run": "./enrich.sh"}]"#;

/// What `kite run` does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// What it is called; never empty.
    pub name: String,
    /// Which events it gets, one of these; none: all events.
    pub subscriptions: Vec<Entry>,
    /// Where they go.
    pub sink: SinkEntry,
    /// Which of them are left out.
    pub filters: Filters,
    /// The hooks that add to an event; the first that matches and answers.
    pub enrichment: Vec<Enrichment>,
    /// What they are worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoring: Option<Scoring>,
    /// How long they are kept here.
    pub queue: QueueLimits,
}

/// Events to get: those that have both. An entry without either means all events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What the source, or the slug of the endpoint, contains.
    #[serde(serialize_with = "contained", skip_serializing_if = "Option::is_none")]
    pub source: Option<Scope>,
    /// What the type contains.
    #[serde(rename = "type")]
    #[serde(serialize_with = "contained", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Scope>,
}

/// Which events are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filters {
    /// Those that one of these means.
    pub drop: Vec<Rule>,
    /// Those that none of these means, if there are any.
    pub keep_only: Vec<Rule>,
}

/// A command that is given an event and answers with more of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enrichment {
    /// Which events it is for.
    #[serde(rename = "match")]
    pub rule: Rule,
    /// What the shell is given.
    pub run: String,
    /// How long it may take; never zero.
    #[serde(serialize_with = "duration::serialize")]
    pub timeout: Duration,
}

/// What the local queue may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueLimits {
    /// How long events are kept that are done with.
    #[serde(serialize_with = "duration::serialize")]
    pub retention: Duration,
    /// How many events are kept; none: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            retention: RETENTION,
            max_size: None,
        }
    }
}

impl Manifest {
    /// Reads a manifest; all that is wrong with it is found at once.
    pub fn parse(text: &str) -> Result<Self, ManifestFault> {
        if text.len() > MANIFEST_MAX_BYTES {
            return Err(ManifestFault::TooLarge(text.len()));
        }
        let text = json::check_object(text)?;
        let mut faults = faults::Faults::default();
        let manifest = fields::object(String::new(), text.get(), &mut faults, manifest);
        faults.or(manifest)
    }

    /// What to ask a server for. Scopes are alternatives, so more may come than [`Self::admits`] lets pass.
    pub fn scopes(&self) -> Vec<Scope> {
        scopes(&self.subscriptions)
    }

    /// Whether one of the subscriptions means the event.
    pub fn admits(&self, event: &Event) -> bool {
        let header = event.header();
        let means = |scope: &Option<Scope>| scope.as_ref().is_none_or(|s| s.matches(&header));
        let entries = &self.subscriptions;
        entries.is_empty() || entries.iter().any(|e| means(&e.source) && means(&e.kind))
    }

    /// The same manifest with everything written out that it leaves to defaults.
    pub fn normalized(&self) -> Value {
        // Texts, numbers and lists of them: nothing that could fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Filters {
    /// The filter that leaves an event out, as its path in the manifest.
    pub fn refusal(&self, event: &Event) -> Option<String> {
        let facts = Facts::of(event);
        let fits = |rule: &Rule| rule.fits(&facts);
        if let Some(at) = self.drop.iter().position(fits) {
            return Some(format!("filters.drop[{at}]"));
        }
        let is_kept = self.keep_only.is_empty() || self.keep_only.iter().any(fits);
        (!is_kept).then(|| "filters.keep_only".to_owned())
    }
}

fn scopes(entries: &[Entry]) -> Vec<Scope> {
    let is_everything = |entry: &Entry| *entry == Entry::default();
    if entries.is_empty() || entries.iter().any(is_everything) {
        return vec![Scope::All];
    }
    let mut scopes = Vec::new();
    for scope in entries.iter().flat_map(|e| e.source.iter().chain(&e.kind)) {
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    scopes
}

fn manifest(fields: &mut Fields<'_, '_>) -> Option<Manifest> {
    refuse_older(fields);
    fields.require(&["name", "sink"]);
    let name = fields.filled("name");
    let subscriptions = fields.objects("subscriptions", entry);
    let count = scopes(&subscriptions).len();
    if count > MAX_SCOPES {
        fields.too_many("subscriptions", count, MAX_SCOPES);
    }
    let sink = fields.object("sink", spec::read);
    let filters = fields.object("filters", filters).unwrap_or_default();
    let enrichment = fields.objects("enrichment", enrichment);
    let scoring = fields.object("scoring", rules::scoring);
    let queue = fields.object("queue", queue).unwrap_or_default();
    Some(Manifest {
        name: name?,
        subscriptions,
        sink: sink?,
        filters,
        enrichment,
        scoring,
        queue,
    })
}

/// The forms that an older documentation taught.
fn refuse_older(fields: &mut Fields<'_, '_>) {
    fields.older("source", "subscriptions", |_| true, SUBSCRIPTIONS);
    fields.older("sources", "subscriptions", |_| true, SUBSCRIPTIONS);
    fields.older("sinks", "sink", |_| true, ONE_SINK);
    fields.older("routes", "sink", |_| true, ROUTES);
    let (is_list, is_object) = (
        |text: &str| text.starts_with('['),
        |text: &str| text.starts_with('{'),
    );
    fields.older("filters", "filters", is_list, FILTERS);
    fields.older("enrichment", "enrichment", is_object, ENRICHMENT);
}

fn entry(fields: &mut Fields<'_, '_>) -> Option<Entry> {
    let source = |text: String| format!("source:{text}").parse().ok();
    let kind = |text: String| format!("type:{text}").parse().ok();
    Some(Entry {
        source: fields.parsed("source", SCOPE, source),
        kind: fields.parsed("type", SCOPE, kind),
    })
}

fn filters(fields: &mut Fields<'_, '_>) -> Option<Filters> {
    Some(Filters {
        drop: fields.objects("drop", rules::rule),
        keep_only: fields.objects("keep_only", rules::rule),
    })
}

fn enrichment(fields: &mut Fields<'_, '_>) -> Option<Enrichment> {
    fields.older("script", "run", |_| true, "use `run`");
    fields.require(&["match", "run"]);
    let rule = fields.object("match", rules::rule);
    let run = fields.filled("run");
    let timeout = fields.limit("timeout").unwrap_or(HOOK_TIMEOUT);
    Some(Enrichment {
        rule: rule?,
        run: run?,
        timeout,
    })
}

fn queue(fields: &mut Fields<'_, '_>) -> Option<QueueLimits> {
    Some(QueueLimits {
        retention: fields.duration("retention").unwrap_or(RETENTION),
        max_size: fields.count("max_size", COUNT, u64::MAX),
    })
}

/// Writes the text that a source or a type contains.
fn contained<S: Serializer>(scope: &Option<Scope>, serializer: S) -> Result<S::Ok, S::Error> {
    match scope {
        Some(Scope::Source(text) | Scope::Type(text)) => serializer.serialize_some(text),
        _ => serializer.serialize_none(),
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;

//! Reads what says which events are meant, and what they are worth.

use super::fields::Fields;
use super::spec::IMPORTANCE;
use crate::protocol::glob::{Glob, PathGlob};
use crate::protocol::json;
use crate::sink::dedup::{Dedup, KeyField, Strategy};
use crate::sink::rule::Rule;
use crate::sink::scoring::{Importance, Scoring, ScoringRule};

const GLOB: &str = "a pattern of at most 1024 characters";
const KEY: &str =
    "the name of a field: `source`, `type`, `id`, `ref`, `actor` or a member of `data`";
const STRATEGY: &str = "`keep_first` or `keep_last`";
const NOT_EMPTY: &str = "a list that is not empty";

pub(super) fn rule(fields: &mut Fields<'_, '_>) -> Option<Rule> {
    let mut glob = |name| fields.parsed(name, GLOB, |text| Glob::new(&text));
    Some(Rule {
        source: glob("source"),
        kind: glob("type"),
        actor: glob("actor"),
        git_ref: glob("ref"),
    })
}

pub(super) fn scoring(fields: &mut Fields<'_, '_>) -> Option<Scoring> {
    Some(Scoring {
        rules: fields.objects("rules", scoring_rule),
        dedup: fields.object("dedup", dedup),
        default_importance: importance(fields, "default_importance").unwrap_or_default(),
    })
}

fn scoring_rule(fields: &mut Fields<'_, '_>) -> Option<ScoringRule> {
    fields.require(&["match", "importance"]);
    let rule = fields.object("match", rule);
    let importance = importance(fields, "importance");
    let paths = fields.texts("paths", GLOB, |text| PathGlob::new(&text));
    let reason = fields.text("reason");
    Some(ScoringRule {
        rule: rule?,
        importance: importance?,
        paths,
        reason,
    })
}

fn dedup(fields: &mut Fields<'_, '_>) -> Option<Dedup> {
    fields.require(&["window", "key"]);
    let window = fields.duration("window");
    let is_empty = |text: &str| matches!(json::elements(text, 0), Ok((_, 0)));
    let key = match fields.holds("key", is_empty) {
        true => fields.read("key", NOT_EMPTY, |_| None),
        false => Some(fields.texts("key", KEY, key_field)),
    };
    let strategy = fields.parsed("strategy", STRATEGY, |text| strategy(&text));
    Some(Dedup {
        window: window?,
        key: key?,
        strategy: strategy.unwrap_or_default(),
    })
}

fn key_field(name: String) -> Option<KeyField> {
    (!name.is_empty()).then(|| name.into())
}

fn strategy(text: &str) -> Option<Strategy> {
    match text {
        "keep_first" => Some(Strategy::KeepFirst),
        "keep_last" => Some(Strategy::KeepLast),
        _ => None,
    }
}

fn importance(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<Importance> {
    fields.parsed(name, IMPORTANCE, |text| text.parse().ok())
}

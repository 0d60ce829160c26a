//! How important an event is (spec 16).

use std::cell::OnceCell;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::dedup::Dedup;
use super::facts::Facts;
use super::rule::Rule;
use crate::protocol::event::Event;
use crate::protocol::glob::PathGlob;
use crate::protocol::json;
use crate::protocol::view::View;

/// How many changed files of one event are looked at. A provider's own lists end long before.
pub const CHANGED_FILES_MAX: usize = 10_000;

/// How important an event is, in ascending order.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Not worth waking anybody.
    Low,
    /// What is not scored.
    #[default]
    Normal,
    /// Worth a look soon.
    High,
    /// Worth a look now.
    Critical,
}

/// A text that names no importance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an importance: use low, normal, high or critical")]
pub struct ImportanceError(String);

impl Importance {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Importance {
    type Err = ImportanceError;

    fn from_str(text: &str) -> Result<Self, ImportanceError> {
        let all = [Self::Low, Self::Normal, Self::High, Self::Critical];
        let named = all.into_iter().find(|level| level.as_str() == text);
        named.ok_or_else(|| ImportanceError(text.to_owned()))
    }
}

/// What gives events their importance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scoring {
    /// The first that matches decides.
    pub rules: Vec<ScoringRule>,
    /// Which events count as the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedup: Option<Dedup>,
    /// What an event has that no rule matches.
    pub default_importance: Importance,
}

/// One rule of a scoring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScoringRule {
    /// Which events it is for.
    #[serde(rename = "match")]
    pub rule: Rule,
    /// What they have.
    pub importance: Importance,
    /// One of them must match one of the files that the event changed. None: files do not matter.
    pub paths: Vec<PathGlob>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Scoring {
    /// The importance of an event, and the reason that the rule gives. Without `changed_files`, which an enrichment may
    /// have found, a push says itself what it changed.
    pub fn importance(
        &self,
        event: &Event,
        changed_files: Option<&[String]>,
    ) -> (Importance, Option<&str>) {
        let facts = Facts::of(event);
        let pushed = OnceCell::new();
        let files = || changed_files.unwrap_or_else(|| pushed.get_or_init(|| pushed_files(&facts)));
        let first = self.rules.iter().find(|scored| {
            scored.rule.fits(&facts) && (scored.paths.is_empty() || scored.touches(files()))
        });
        match first {
            Some(scored) => (scored.importance, scored.reason.as_deref()),
            None => (self.default_importance, None),
        }
    }
}

impl ScoringRule {
    fn touches(&self, files: &[String]) -> bool {
        let touches = |file: &String| self.paths.iter().any(|path| path.matches(file));
        files.iter().any(touches)
    }
}

/// The member `changed_files` of an event that was enriched, when it is an array of strings.
pub fn changed_files(enriched: &str) -> Option<Vec<String>> {
    files(View::of(enriched).get("changed_files")?)
}

/// The files of a push: what its commits added, modified and removed.
fn pushed_files(facts: &Facts<'_>) -> Vec<String> {
    let Some(commits) = facts.data.get("commits") else {
        return Vec::new();
    };
    let (commits, _) = json::elements(commits, CHANGED_FILES_MAX).unwrap_or_default();
    let of_commit = |commit: &str| -> Vec<String> {
        let commit = View::of(commit);
        let lists = ["added", "modified", "removed"];
        let lists = lists.iter().filter_map(|name| files(commit.get(name)?));
        lists.flatten().collect()
    };
    let all = commits
        .into_iter()
        .flat_map(|commit| of_commit(commit.get()));
    all.take(CHANGED_FILES_MAX).collect()
}

/// The strings of an array; `None` when something in it is none.
fn files(array: &str) -> Option<Vec<String>> {
    let (files, _) = json::elements(array, CHANGED_FILES_MAX).ok()?;
    let text = |file: &serde_json::value::RawValue| serde_json::from_str(file.get()).ok();
    files.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::event;
    use super::*;
    use crate::protocol::glob::Glob;

    const PUSH: &str = r#"{"commits":[{"added":["src/a.rs"],"modified":["doc/b.md"],"removed":[]},
        {"removed":["old/c"]},7]}"#;

    fn rule(kind: &str, importance: Importance, path: Option<&str>) -> ScoringRule {
        ScoringRule {
            rule: Rule {
                kind: Glob::new(kind),
                ..Rule::default()
            },
            importance,
            paths: path.and_then(PathGlob::new).into_iter().collect(),
            reason: path.map(str::to_owned),
        }
    }

    fn scoring(rules: Vec<ScoringRule>) -> Scoring {
        Scoring {
            rules,
            default_importance: Importance::Low,
            dedup: None,
        }
    }

    #[test]
    fn importances_are_ordered_and_printed_as_they_are_read() {
        use Importance::{Critical, High, Low, Normal};
        assert!(Low < Normal && Normal < High && High < Critical);
        for level in [Low, Normal, High, Critical] {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
        }
        for text in ["urgent", "", "Low", "high "] {
            assert!(text.parse::<Importance>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let scoring = scoring(vec![
            rule("com.x.*", Importance::Critical, None),
            rule("*", Importance::High, None),
        ]);
        let of = |kind: &str| scoring.importance(&event(kind, "{}"), None).0;
        assert_eq!(of("com.x.y"), Importance::Critical);
        assert_eq!(of("com.z"), Importance::High);
    }

    #[test]
    fn what_no_rule_matches_has_the_default() {
        let scoring = scoring(vec![rule("com.x", Importance::High, None)]);
        let low = (Importance::Low, None);
        assert_eq!(scoring.importance(&event("com.y", "{}"), None), low);
    }

    #[test]
    fn paths_are_those_that_a_push_changed() {
        let push = event("com.github.push", PUSH);
        let of = |path: &str| {
            let scoring = scoring(vec![rule("*", Importance::High, Some(path))]);
            scoring.importance(&push, None).0
        };
        for path in ["src/*", "doc/*.md", "old/**"] {
            assert_eq!(of(path), Importance::High, "{path}");
        }
        assert_eq!(of("test/**"), Importance::Low);
    }

    #[test]
    fn paths_that_are_given_come_before_those_of_the_push() {
        let push = event("com.github.push", PUSH);
        let scoring = scoring(vec![rule("*", Importance::High, Some("src/**"))]);
        let of = |files: &[String]| scoring.importance(&push, Some(files));
        assert_eq!(of(&[]), (Importance::Low, None));
        let files = ["src/x/y.rs".to_owned()];
        assert_eq!(of(&files), (Importance::High, Some("src/**")));
    }

    #[test]
    fn a_rule_with_paths_never_matches_where_no_files_are_known() {
        let scoring = scoring(vec![rule("*", Importance::High, Some("**"))]);
        for data in [
            "{}",
            "null",
            r#"{"commits":7}"#,
            r#"{"commits":[{"added":[1]}]}"#,
        ] {
            let importance = scoring.importance(&event("com.x", data), None).0;
            assert_eq!(importance, Importance::Low, "{data}");
        }
    }

    #[test]
    fn changed_files_of_an_enriched_event_are_an_array_of_strings() {
        let read = |text: &str| changed_files(text);
        let files = read(r#"{"id":"1","changed_files":["a","b/c"]}"#);
        assert_eq!(files, Some(vec!["a".to_owned(), "b/c".to_owned()]));
        assert_eq!(read(r#"{"changed_files":[]}"#), Some(Vec::new()));
        for none in [
            "{}",
            r#"{"changed_files":"a"}"#,
            r#"{"changed_files":["a",1]}"#,
            "x",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}

//! A rule says which events are meant (spec 16).

use serde::Serialize;

use super::facts::Facts;
use crate::protocol::event::Event;
use crate::protocol::glob::Glob;

/// Patterns, all of which must match. A rule without any means every event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The name derived from the type, or the slug of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Glob>,
    /// The type, or the type, a dot and `data.action`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Glob>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Glob>,
    /// `data.ref`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<Glob>,
}

impl Rule {
    /// Whether the event is meant.
    pub fn matches(&self, event: &Event) -> bool {
        self.fits(&Facts::of(event))
    }

    /// As [`Self::matches`], for one of many rules.
    pub fn fits(&self, facts: &Facts<'_>) -> bool {
        let is = |glob: &Option<Glob>, texts: &[&str]| {
            let any = |glob: &Glob| texts.iter().any(|text| glob.matches(text));
            glob.as_ref().is_none_or(any)
        };
        let kind = &facts.event.kind;
        let with_action = facts.kind_with_action.as_deref().unwrap_or(kind);
        is(&self.source, &[&facts.source_name, facts.kitesource])
            && is(&self.kind, &[kind, with_action])
            && is(&self.actor, &[&facts.actor])
            && is(&self.git_ref, &[&facts.git_ref])
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::event;
    use super::*;

    fn glob(pattern: &str) -> Option<Glob> {
        Glob::new(pattern)
    }

    #[test]
    fn a_source_is_the_name_in_the_type_or_the_door() {
        let push = event("com.GitHub.push", "{}");
        let matches = |source: &str| {
            let source = glob(source);
            let rule = Rule {
                source,
                ..Rule::default()
            };
            rule.matches(&push)
        };
        assert!(matches("github") && matches("door") && matches("git*"));
        assert!(!matches("https://github.com/a/b") && !matches("stripe"));
    }

    #[test]
    fn a_type_may_be_followed_by_the_action() {
        let opened = event("com.github.pull_request", r#"{"action":"opened"}"#);
        let ping = event("com.github.ping", "{}");
        let rule = |kind: &str| Rule {
            kind: glob(kind),
            ..Rule::default()
        };
        for kind in [
            "com.github.pull_request",
            "com.github.pull_request.*",
            "*.opened",
        ] {
            assert!(rule(kind).matches(&opened), "{kind}");
        }
        assert!(!rule("com.github.pull_request.closed").matches(&opened));
        assert!(!rule("com.github.ping.*").matches(&ping));
    }

    #[test]
    fn all_that_is_given_must_match() {
        let push = event(
            "com.github.push",
            r#"{"ref":"refs/heads/main","actor":"ada"}"#,
        );
        let rule = |actor: &str, git_ref: &str| Rule {
            actor: glob(actor),
            git_ref: glob(git_ref),
            ..Rule::default()
        };
        assert!(rule("ada", "refs/*").matches(&push));
        assert!(!rule("bob", "refs/*").matches(&push));
        assert!(!rule("ada", "refs/tags/*").matches(&push));
        assert!(Rule::default().matches(&push));
    }

    #[test]
    fn a_missing_field_counts_as_the_empty_text() {
        let ping = event("com.github.ping", r#"{"ref":null}"#);
        let rule = |pattern: &str| Rule {
            git_ref: glob(pattern),
            actor: glob(pattern),
            ..Rule::default()
        };
        assert!(rule("*").matches(&ping) && rule("").matches(&ping));
        assert!(!rule("?*").matches(&ping));
    }
}

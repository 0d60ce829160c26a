//! `--source` and `--event-type`: what an event must have to be shown.

use clap::Args;

use crate::protocol::event::{Event, EventFault};
use crate::protocol::scope::{Scope, ScopeError};
use crate::sink::scoring::Importance;

/// The texts that source and type must contain, both of them. On the wire scopes are alternatives (spec 12), so what
/// comes is looked at again here.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Filter {
    /// Only events whose source contains this.
    #[arg(long, value_name = "S", value_parser = source)]
    source: Option<Scope>,
    /// Only events whose type contains this.
    #[arg(long = "event-type", visible_alias = "type", value_name = "T", value_parser = kind)]
    kind: Option<Scope>,
    /// How important an event must be.
    #[arg(skip)]
    least: Option<Importance>,
}

/// The attribute by which an event says how important it is; without it, it is `normal`.
const IMPORTANCE: &str = "importance";

fn source(text: &str) -> Result<Scope, ScopeError> {
    format!("source:{text}").parse()
}

fn kind(text: &str) -> Result<Scope, ScopeError> {
    format!("type:{text}").parse()
}

impl Filter {
    /// The same for events that are at least so important.
    pub(super) fn at_least(self, least: Option<Importance>) -> Self {
        Self { least, ..self }
    }

    fn is_important(&self, event: &Event) -> bool {
        let own = event
            .extension(IMPORTANCE)
            .and_then(|word| word.parse().ok());
        let own: Importance = own.unwrap_or_default();
        self.least.is_none_or(|least| own >= least)
    }

    /// What to ask a server for.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        let given: Vec<Scope> = self.source.iter().chain(&self.kind).cloned().collect();
        match given.is_empty() {
            true => vec![Scope::All],
            false => given,
        }
    }

    /// The filter as one text, which tells cursors apart.
    pub(super) fn name(&self) -> String {
        let scopes = self.scopes();
        let texts: Vec<String> = scopes.iter().map(Scope::to_string).collect();
        texts.join(" ")
    }

    /// Whether an event passes. What cannot be read cannot be judged; the server found that it matches one scope.
    pub(super) fn admits(&self, event: &Result<Event, EventFault>) -> bool {
        let scopes = self.scopes();
        match event {
            Ok(event) => {
                let header = event.header();
                scopes.iter().all(|scope| scope.matches(&header)) && self.is_important(event)
            }
            Err(_) => scopes.len() < 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(source: Option<&str>, kind: Option<&str>) -> Filter {
        Filter {
            source: source.map(|text| super::source(text).unwrap()),
            kind: kind.map(|text| super::kind(text).unwrap()),
            least: None,
        }
    }

    #[test]
    fn both_texts_must_be_there_though_the_wire_knows_only_alternatives() {
        let event = |source: &str, kind: &str| {
            Event::parse(&format!(
                r#"{{"specversion":"1.0","id":"i","source":"{source}","type":"{kind}"}}"#
            ))
        };
        let both = filter(Some("github"), Some("push"));
        assert!(both.admits(&event("https://github.com/a", "com.github.push")));
        assert!(!both.admits(&event("https://github.com/a", "com.github.issues")));
        assert!(!both.admits(&event("https://gitlab.com/a", "com.gitlab.push")));
        assert!(!both.admits(&Event::parse("{}")));
        assert_eq!(both.name(), "source:github type:push");
        let none = Filter::default();
        assert!(none.admits(&event("s", "t")) && none.admits(&Event::parse("{}")));
        assert_eq!(
            (none.scopes(), none.name()),
            (vec![Scope::All], "*".to_owned())
        );
    }

    #[test]
    fn what_says_nothing_of_its_importance_is_normal() {
        let event = |more: &str| {
            Event::parse(&format!(
                r#"{{"specversion":"1.0","id":"i","source":"s","type":"t"{more}}}"#
            ))
        };
        let admits =
            |least, more: &str| Filter::default().at_least(Some(least)).admits(&event(more));
        assert!(admits(Importance::Normal, "") && !admits(Importance::High, ""));
        assert!(admits(Importance::High, r#","importance":"critical""#));
        assert!(!admits(Importance::Normal, r#","importance":"low""#));
        assert!(admits(Importance::Normal, r#","importance":"urgent""#));
    }

    #[test]
    fn an_empty_text_is_refused_at_once() {
        assert!(source("").is_err() && kind("").is_err());
    }
}

//! What `kite doctor` found out, judged: values in, findings out.

use std::path::PathBuf;

use serde::Serialize;

use super::error::CommandError;
use super::exit::Exit;
use super::text::visible;
use crate::base::clock;
use crate::client::probe::Greeting;
use crate::config::Identity;
use crate::protocol::permission::{Permission, Permissions};

/// How far two clocks may be apart: less than signatures with a time in them forgive, more than a slow answer makes.
const SKEW_MAX_SECS: i64 = 30;

/// How long before its end a key is worth a word.
const EXPIRY_NEAR_SECS: i64 = 7 * 24 * 60 * 60;

/// One check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    /// `None` where it could not be looked at.
    ok: Option<bool>,
    detail: String,
    remedy: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl Finding {
    pub(super) fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            ok: Some(true),
            detail: detail.into(),
            remedy: None,
            exit: Exit::Done,
        }
    }

    pub(super) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self {
            ok: None,
            ..Self::good(check, why)
        }
    }

    pub(super) fn bad(
        check: &'static str,
        detail: impl Into<String>,
        remedy: &str,
        exit: Exit,
    ) -> Self {
        Self {
            check,
            ok: Some(false),
            detail: detail.into(),
            remedy: Some(remedy.to_owned()),
            exit,
        }
    }

    /// A check that ended in an error, with the error's own remedy.
    pub(super) fn failed(check: &'static str, error: &CommandError) -> Self {
        Self {
            check,
            ok: Some(false),
            detail: error.message().to_owned(),
            remedy: error.hint().map(str::to_owned),
            exit: error.exit(),
        }
    }

    fn with_remedy(self, remedy: &str) -> Self {
        Self {
            remedy: Some(remedy.to_owned()),
            ..self
        }
    }

    /// A remedy for what has none of its own.
    pub(super) fn or_remedy(self, remedy: &str) -> Self {
        match self.remedy {
            Some(_) => self,
            None => self.with_remedy(remedy),
        }
    }

    /// Whether something has to be done.
    pub(super) fn is_bad(&self) -> bool {
        self.ok == Some(false)
    }

    /// A line, and below it the remedy.
    pub(super) fn words(&self) -> String {
        let sign = match self.ok {
            Some(true) => '✓',
            Some(false) => '✗',
            None => '-',
        };
        let line = format!("{sign} {}: {}", self.check, visible(&self.detail));
        match &self.remedy {
            Some(remedy) => format!("{line}\n    {}", visible(remedy)),
            None => line,
        }
    }
}

/// The exit code of all together: what keeps a person out weighs more than a server that is away, and that more than
/// the rest.
pub(super) fn worst(findings: &[Finding]) -> Exit {
    let has = |exit| {
        findings
            .iter()
            .any(|finding| finding.is_bad() && finding.exit == exit)
    };
    match [Exit::NotPermitted, Exit::Unreachable]
        .into_iter()
        .find(|exit| has(*exit))
    {
        Some(exit) => exit,
        None if findings.iter().any(Finding::is_bad) => Exit::Failed,
        None => Exit::Done,
    }
}

/// The files that only their owner may read.
pub(super) fn files(files: &[(PathBuf, bool)]) -> Finding {
    const CHECK: &str = "files";
    let list = |exposed: bool| -> Vec<String> {
        let of_them = files
            .iter()
            .filter(|(_, is_exposed)| *is_exposed == exposed);
        of_them
            .map(|(path, _)| path.display().to_string())
            .collect()
    };
    match (&list(true)[..], &list(false)[..]) {
        ([], []) => Finding::good(CHECK, "there are none yet"),
        ([], private) => Finding::good(CHECK, format!("private: {}", private.join(", "))),
        (exposed, _) => {
            let exposed = exposed.join(" ");
            let remedy = format!("`chmod 600 {exposed}`");
            Finding::bad(
                CHECK,
                format!("others can read {exposed}"),
                &remedy,
                Exit::Failed,
            )
        }
    }
}

/// Who this profile is.
pub(super) fn agent(identity: Option<&Identity>) -> Finding {
    const CHECK: &str = "agent";
    match identity {
        Some(identity) => Finding::good(CHECK, format!("this profile is `{}`", identity.id)),
        None => Finding::good(CHECK, "this profile is none")
            .with_remedy("`kite agent register --name NAME` makes it one, for messages"),
    }
}

/// Whether the server is well, and which it is.
pub(super) fn health(greeting: &Greeting) -> Finding {
    const CHECK: &str = "health";
    let ours = env!("CARGO_PKG_VERSION");
    match (greeting.status.as_deref(), &greeting.version) {
        (None, _) => Finding::good(CHECK, "it answers, and does not say its version"),
        (Some("ok"), Some(version)) => Finding::good(
            CHECK,
            format!("the server is kite {version}, this is {ours}"),
        ),
        (Some("ok"), None) => Finding::good(CHECK, "ok"),
        (Some(word), _) => Finding::bad(
            CHECK,
            format!("the server says it is not well: {word}"),
            "look at the server's log, or try again later",
            Exit::Unreachable,
        ),
    }
}

/// How far this clock is from the server's.
pub(super) fn clock(server: Option<i64>, now: i64) -> Finding {
    const CHECK: &str = "clock";
    let Some(server) = server else {
        return Finding::skipped(CHECK, "the server does not tell the time");
    };
    let ahead_secs = (now - server) / 1000;
    let word = if ahead_secs < 0 { "behind" } else { "ahead of" };
    let secs = ahead_secs.abs();
    match secs > SKEW_MAX_SECS {
        false => Finding::good(CHECK, format!("within {SKEW_MAX_SECS} s of the server's")),
        true => Finding::bad(
            CHECK,
            format!("this clock is {secs} s {word} the server's"),
            "set the clock by the network (`timedatectl set-ntp true` on Linux), here or on the server",
            Exit::Failed,
        ),
    }
}

/// What the key may do.
pub(super) fn permissions(words: &[String]) -> Finding {
    const CHECK: &str = "permissions";
    if words.is_empty() {
        return Finding::skipped(CHECK, "the server does not say what the key may do");
    }
    let held = Permissions(words.to_vec());
    let ladder = [Permission::Read, Permission::Write, Permission::Admin];
    let may: Vec<&str> = ladder
        .into_iter()
        .filter(|step| held.allow(*step))
        .map(Permission::word)
        .collect();
    match may.is_empty() {
        false => Finding::good(CHECK, format!("the key may {}", may.join(", "))),
        true => Finding::bad(
            CHECK,
            format!("the key may nothing: {}", words.join(", ")),
            "with an admin key, `kite keys create --permissions read,write` makes one that may",
            Exit::NotPermitted,
        ),
    }
}

/// When the key ends, as the server lists it.
pub(super) fn expiry(expires_at: Option<&str>, now: i64) -> Finding {
    const CHECK: &str = "expiry";
    let Some(text) = expires_at else {
        return Finding::good(CHECK, "the key does not end by itself");
    };
    let Some(end) = clock::unix_millis(text) else {
        return Finding::skipped(CHECK, format!("`{text}` is not a time"));
    };
    let left_secs = (end - now) / 1000;
    let good = Finding::good(CHECK, format!("the key ends at {text}"));
    match left_secs {
        ..=0 => Finding::bad(
            CHECK,
            format!("the key ended at {text}"),
            "`kite login` gets another",
            Exit::NotPermitted,
        ),
        1..=EXPIRY_NEAR_SECS => good.with_remedy("soon: `kite login` gets another"),
        _ => good,
    }
}

/// How many messages wait for this profile's agent. There may be more than were counted.
pub(super) fn cursor(waiting: usize, are_there_more: bool) -> Finding {
    const CHECK: &str = "cursor";
    let more = if are_there_more { " or more" } else { "" };
    match waiting {
        0 if !are_there_more => Finding::good(CHECK, "no message waits"),
        _ => Finding::good(CHECK, format!("{waiting}{more} messages wait"))
            .with_remedy("`kite agent listen` prints them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::error::Kind;

    fn bad(exit: Exit) -> Finding {
        Finding::bad("x", "y", "z", exit)
    }

    #[test]
    fn the_worst_finding_is_the_exit_code() {
        let good = || Finding::good("x", "y");
        assert_eq!(worst(&[good(), Finding::skipped("x", "y")]), Exit::Done);
        assert_eq!(worst(&[good(), bad(Exit::Limited)]), Exit::Failed);
        assert_eq!(
            worst(&[bad(Exit::Failed), bad(Exit::Unreachable)]),
            Exit::Unreachable
        );
        let all = [bad(Exit::Unreachable), bad(Exit::NotPermitted), good()];
        assert_eq!(worst(&all), Exit::NotPermitted);
    }

    #[test]
    fn a_finding_is_a_line_with_its_remedy_below() {
        assert_eq!(bad(Exit::Failed).words(), "✗ x: y\n    z");
        assert_eq!(Finding::good("x", "y\nz").words(), "✓ x: y\\nz");
        assert_eq!(Finding::skipped("x", "y").words(), "- x: y");
        let error = CommandError::new(Kind::Unreachable, "away").with_hint("start it");
        let json = serde_json::to_string(&Finding::failed("x", &error)).unwrap();
        assert_eq!(
            json,
            r#"{"check":"x","ok":false,"detail":"away","remedy":"start it"}"#
        );
    }

    #[test]
    fn clocks_may_be_half_a_minute_apart() {
        assert!(!clock(Some(30_000), 60_000).is_bad());
        assert!(!clock(Some(60_000), 30_000).is_bad());
        let ahead = clock(Some(0), 31_000);
        assert!(
            ahead.is_bad() && ahead.detail.contains("31 s ahead of"),
            "{ahead:?}"
        );
        let behind = clock(Some(40_000), 0);
        assert!(
            behind.is_bad() && behind.detail.contains("40 s behind"),
            "{behind:?}"
        );
        assert_eq!(clock(None, 0).ok, None);
    }

    #[test]
    fn a_server_that_is_ending_is_not_well() {
        let greeting = |status: Option<&str>, version: Option<&str>| Greeting {
            status: status.map(str::to_owned),
            version: version.map(str::to_owned),
            date: None,
        };
        assert!(
            health(&greeting(Some("ok"), Some("9.9")))
                .detail
                .contains("9.9")
        );
        assert!(!health(&greeting(None, None)).is_bad());
        assert_eq!(
            health(&greeting(Some("ending"), None)).exit,
            Exit::Unreachable
        );
    }

    #[test]
    fn a_key_is_judged_by_what_it_may_and_how_long() {
        let words = |words: &[&str]| {
            permissions(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>())
        };
        assert!(words(&["write"]).detail.ends_with("read, write"));
        assert_eq!(words(&["fly"]).exit, Exit::NotPermitted);
        assert_eq!(words(&[]).ok, None);
        let end = Some("1970-01-01T00:01:00Z");
        assert_eq!(expiry(end, 60_000).exit, Exit::NotPermitted);
        assert!(
            expiry(end, 0)
                .remedy
                .is_some_and(|remedy| remedy.starts_with("soon"))
        );
        assert_eq!(expiry(Some("2970-01-01T00:01:00Z"), 0).remedy, None);
        assert_eq!(expiry(Some("soon"), 0).ok, None);
        assert_eq!(expiry(None, 0).ok, Some(true));
    }

    #[test]
    fn an_exposed_file_is_named_with_the_command_that_mends_it() {
        let file = |name: &str, is_exposed| (PathBuf::from(name), is_exposed);
        let found = files(&[file("/a", false), file("/b", true)]);
        assert_eq!(found.remedy.as_deref(), Some("`chmod 600 /b`"));
        assert!(!files(&[file("/a", false)]).is_bad() && !files(&[]).is_bad());
    }

    #[test]
    fn what_waits_is_no_fault() {
        assert_eq!(cursor(0, false).remedy, None);
        assert!(cursor(2, true).detail.starts_with("2 or more"));
        assert!(!cursor(5, false).is_bad());
    }
}

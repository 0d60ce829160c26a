//! Running `gh`, the GitHub CLI: what kite does on GitHub it does as its user, and holds no token for it.
//!
//! What must stay secret goes in over stdin: arguments are for all to see. `gh` asks nobody anything, has a time limit,
//! and ends with whoever waits for it.

use std::io;
use std::time::Duration;

use tokio::process::Command;

use crate::base::process::{End, Job, last_words};

/// How long one run may take; `gh` itself knows no limit.
const RUN_MAX: Duration = Duration::from_secs(60);

/// How much of what it says is read.
const OUTPUT_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The exit code of `gh` for somebody who is not logged in.
const NOT_LOGGED_IN: i32 = 4;

/// Set for the run: no questions, no colours.
const SET: [(&str, &str); 2] = [("GH_PROMPT_DISABLED", "1"), ("NO_COLOR", "1")];

/// Not for the run: what makes `gh` write requests to stderr or colour what it prints, and a key that is none of its
/// business.
const UNSET: [&str; 5] = [
    "GH_DEBUG",
    "DEBUG",
    "GH_FORCE_TTY",
    "CLICOLOR_FORCE",
    "KITE_API_KEY",
];

/// Why `gh` gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GhFault {
    /// There is no such program.
    #[error("`gh`, the GitHub CLI, is not installed")]
    Missing,
    /// It does not start, or cannot be talked to.
    #[error("cannot run `gh`: {0}")]
    Io(#[from] io::Error),
    /// It did not end in time.
    #[error("`gh` took longer than {} s", .0.as_secs())]
    Slow(Duration),
    /// It ended with an error.
    #[error("`gh` failed: {}", .0.words())]
    Failed(GhFailure),
}

/// How `gh` failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GhFailure {
    /// Its exit code; none when a signal ended it.
    code: Option<i32>,
    /// What it said on stderr.
    said: String,
}

impl GhFailure {
    /// The last lines of what it said, as one.
    pub fn words(&self) -> String {
        match (last_words(&self.said), self.code) {
            (words, Some(code)) if words.is_empty() => {
                format!("it gave no reason (exit code {code})")
            }
            (words, None) if words.is_empty() => "it was ended by a signal".to_owned(),
            (words, _) => words,
        }
    }

    /// The status that GitHub answered with, where it did: `gh` writes `(HTTP 404)`.
    pub fn status(&self) -> Option<u16> {
        let mut found = self.said.split("HTTP ").skip(1);
        found.find_map(|rest| rest.get(..3)?.parse().ok())
    }

    /// Whether `gh` has no token, or one that GitHub does not know.
    pub fn is_login(&self) -> bool {
        self.code == Some(NOT_LOGGED_IN) || self.status() == Some(401)
    }

    /// Whether its user may not do this, or its token may not. GitHub also says 404 then, where it hides what there is.
    pub fn is_permission(&self) -> bool {
        let names_scope = self.said.contains(" scope");
        matches!(self.status(), Some(403)) || names_scope
    }

    /// Whether GitHub has had too many requests of its user.
    pub fn is_rate_limit(&self) -> bool {
        let limited = self.said.to_lowercase().contains("rate limit");
        self.status() == Some(429) || limited
    }

    /// The same without a secret, should GitHub repeat what it was sent.
    pub fn without(mut self, secret: &str) -> Self {
        if !secret.is_empty() {
            self.said = self.said.replace(secret, "[secret]");
        }
        self
    }
}

/// Runs `gh` with these arguments; what it printed. A body is what it reads from stdin, which is closed otherwise.
pub(super) async fn gh(arguments: &[&str], body: Option<&str>) -> Result<Vec<u8>, GhFault> {
    tracing::debug!(?arguments, "running gh");
    run_within(RUN_MAX, "gh", arguments, body).await
}

async fn run_within(
    limit: Duration,
    program: &str,
    arguments: &[&str],
    body: Option<&str>,
) -> Result<Vec<u8>, GhFault> {
    let mut command = Command::new(program);
    command.args(arguments).envs(SET);
    for name in UNSET {
        command.env_remove(name);
    }
    let job = Job {
        command,
        input: body.map(str::as_bytes),
        limit,
        stdout_max: Some(OUTPUT_MAX_BYTES),
        is_aloud: false,
    };
    let ran = job.run().await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GhFault::Missing,
        _ => GhFault::Io(error),
    })?;
    let code = match ran.end {
        End::Done => return Ok(ran.stdout),
        End::OutOfTime => return Err(GhFault::Slow(limit)),
        End::TooMuch => return Err(GhFault::Io(io::Error::other("it prints too much"))),
        End::Code(code) => Some(code),
        End::Signal(_) => None,
    };
    let said = ran.said;
    Err(GhFault::Failed(GhFailure { code, said }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32, said: &str) -> GhFailure {
        GhFailure {
            code: Some(code),
            said: said.to_owned(),
        }
    }

    #[test]
    fn what_gh_says_tells_the_failures_apart() {
        let scope = "gh: Not Found (HTTP 404)\ngh: This API operation needs the \"admin:repo_hook\" scope. To request it, run:  gh auth refresh -h github.com -s admin:repo_hook\n";
        let of = |failure: GhFailure| {
            let is = [
                failure.is_login(),
                failure.is_permission(),
                failure.is_rate_limit(),
            ];
            (failure.status(), is)
        };
        let cases = [
            (1, "gh: Not Found (HTTP 404)\n", Some(404), [false; 3]),
            (1, scope, Some(404), [false, true, false]),
            (
                1,
                "gh: Must have admin rights (HTTP 403)",
                Some(403),
                [false, true, false],
            ),
            (
                1,
                "gh: Bad credentials (HTTP 401)",
                Some(401),
                [true, false, false],
            ),
            (
                4,
                "To get started with GitHub CLI, please run:  gh auth login",
                None,
                [true, false, false],
            ),
            (
                1,
                "gh: API rate limit exceeded (HTTP 403)",
                Some(403),
                [false, true, true],
            ),
            (
                1,
                "error connecting to api.github.com\ncheck your internet connection",
                None,
                [false; 3],
            ),
            (1, "HTTP ", None, [false; 3]),
            (1, "HTTP 4é4", None, [false; 3]),
        ];
        for (code, said, status, is) in cases {
            assert_eq!(of(failure(code, said)), (status, is), "{said}");
        }
    }

    #[test]
    fn its_last_words_are_one_line_without_the_secret() {
        let words = |said: &str| failure(1, said).without("s3cret").words();
        assert_eq!(words("a\n\n b s3cret \r\nc\n"), "a; b [secret]; c");
        assert_eq!(words("a\nb\nc\nd"), "b; c; d");
        assert_eq!(words("\n"), "it gave no reason (exit code 1)");
        assert_eq!(failure(1, "a").without("").words(), "a");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_run_has_a_limit_and_no_pipe_holds_it_up() {
        let run = async |program: &str, arguments: &[&str], body: Option<&str>| {
            let limit = match program {
                "sleep" => Duration::from_millis(50),
                _ => RUN_MAX,
            };
            run_within(limit, program, arguments, body).await
        };
        let slow = run("sleep", &["60"], None).await;
        assert!(matches!(slow, Err(GhFault::Slow(_))), "{slow:?}");
        let missing = run("no such program", &[], None).await;
        assert!(matches!(missing, Err(GhFault::Missing)), "{missing:?}");
        let much = "x".repeat(1024 * 1024);
        let copied = run("cat", &[], Some(&much)).await.unwrap();
        assert_eq!(copied.len(), much.len());
        assert_eq!(run("true", &[], Some(&much)).await.unwrap(), b"");
        assert_eq!(run("cat", &[], None).await.unwrap(), b"", "stdin is closed");
        let failed = run("false", &[], None).await.unwrap_err();
        assert!(failed.to_string().contains("exit code 1"), "{failed}");
    }
}

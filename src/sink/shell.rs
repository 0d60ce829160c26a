//! A command line that is run for an event: what it finds, and what its end means.
//!
//! Nothing of an event gets into the command line. The whole CloudEvent is on stdin, with a line break behind it; what
//! is most asked for is in the environment. Kite's own keys are not.

use std::io;
use std::time::Duration;

use tokio::process::Command;

use super::{Item, variables};
use crate::base::process::{End, Job, last_words};

/// What is none of a command's business.
const UNSET: [&str; 7] = [
    "KITE_API_KEY",
    "KITE_FEDERATION_TOKEN",
    "KITE_SECRET_KEY",
    "KITE_HOOK_SECRET_CIPHER_KEY",
    "KITE_DATABASE_URL",
    "PAPERCLIP_API_KEY",
    "KITE_PAPERCLIP_API_KEY",
];

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShellFault {
    /// It does not start.
    #[error("it does not start: {0}")]
    Start(#[from] io::Error),
    /// How it ended.
    #[error("{0}")]
    Ended(String),
}

/// Runs a command line for an event; what it printed, where that is kept, which is up to so many bytes. Its stdout is
/// ours otherwise. What it says on stderr goes to ours. Kite in it goes by the profile, where one is given.
pub(super) async fn run(
    line: &str,
    item: &Item,
    profile: Option<&str>,
    limit: Duration,
    stdout_max: Option<usize>,
) -> Result<Vec<u8>, ShellFault> {
    let mut command = shell(line);
    for name in UNSET {
        command.env_remove(name);
    }
    for (name, value) in variables::of(item) {
        match value {
            None => command.env_remove(name),
            Some(value) => command.env(name, value),
        };
    }
    if let Some(profile) = profile {
        command.env("KITE_PROFILE", profile);
    }
    let input = format!("{}\n", item.text());
    let job = Job {
        command,
        input: Some(input.as_bytes()),
        limit,
        stdout_max,
        is_aloud: true,
    };
    let ran = job.run().await?;
    match why(ran.end, limit, stdout_max) {
        None => Ok(ran.stdout),
        Some(why) => Err(ShellFault::Ended(match last_words(&ran.said) {
            words if words.is_empty() => why,
            words => format!("{why}: {words}"),
        })),
    }
}

#[cfg(not(windows))]
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command
}

#[cfg(windows)]
fn shell(line: &str) -> Command {
    let mut command = Command::new("cmd");
    // As it stands: this shell does not know the quotes that arguments usually get.
    command.raw_arg("/C").raw_arg(line);
    command
}

/// What is wrong with an end.
fn why(end: End, limit: Duration, stdout_max: Option<usize>) -> Option<String> {
    Some(match end {
        End::Done => return None,
        End::Code(code) => format!("it ended with {code}"),
        End::Signal(signal) => format!("it was ended by signal {signal}"),
        End::OutOfTime => format!("it did not end within {} s", limit.as_secs_f32()),
        End::TooMuch => {
            let max = stdout_max.unwrap_or_default();
            format!("it printed more than {max} bytes")
        }
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An event with this data.
    pub(in crate::sink) fn item(data: &str) -> Item {
        let text = format!(
            r#"{{"specversion":"1.0","id":"i","source":"s","type":"com.acme.made","data":{data}}}"#
        );
        Item::read(7, "t".to_owned(), text).unwrap()
    }

    #[test]
    fn an_end_is_worded() {
        let words = |end| why(end, Duration::from_secs(60), Some(9));
        assert_eq!(words(End::Done), None);
        assert_eq!(words(End::Code(1)).unwrap(), "it ended with 1");
        let out_of_time = words(End::OutOfTime).unwrap();
        assert_eq!(out_of_time, "it did not end within 60 s");
        assert_eq!(words(End::TooMuch).unwrap(), "it printed more than 9 bytes");
    }
}

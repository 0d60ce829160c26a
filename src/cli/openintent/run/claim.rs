//! Which run it is: one that has begun and is not over, or a new one.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::super::super::error::{CommandError, Kind};
use super::super::super::text::shell_word;
use super::{file, fresh_id};
use crate::base::clock::{self, Clock};
use crate::config::runs::digest;
use crate::config::{RunLease, RunRecord, RunSubject, Settings};
use crate::openintent::json::{Json, Object};
use crate::protocol::id::TeamId;

/// What is asked for.
pub(super) struct Wanted<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) given: &'a Object,
    pub(super) run_id: Option<&'a str>,
    pub(super) is_fresh: bool,
    pub(super) settings: &'a Settings,
    pub(super) team: &'a TeamId,
    pub(super) now: i64,
}

/// A run that nobody else on this machine goes on with.
pub(super) struct Claim {
    lease: RunLease,
    record: RunRecord,
    file: String,
    has_id: bool,
    has_inputs: bool,
    /// Whether it had begun before.
    pub(super) goes_on: bool,
}

impl Claim {
    /// Takes the run of a file, or the one of an id. It is written down before it is begun.
    pub(super) fn take(wanted: &Wanted<'_>) -> Result<Self, CommandError> {
        let file = fs::canonicalize(wanted.file).unwrap_or_else(|_| wanted.file.to_owned());
        let file = file.display().to_string();
        let given = Json::from(wanted.given.clone()).to_string();
        let digest = digest(&[wanted.text, &given]);
        let what = match wanted.run_id {
            Some(id) => format!("id {id}"),
            // It has no name but what it says.
            None if file::is_stdin(wanted.file) => format!("text {digest}"),
            None => format!("file {file}"),
        };
        let origin = wanted.settings.origin()?;
        let subject = RunSubject {
            what: &what,
            origin: &origin,
            team: wanted.team.as_str(),
        };
        let Some(lease) = RunLease::take(&wanted.settings.paths, &subject)? else {
            let message = format!("another process runs `{file}` already");
            return Err(CommandError::failed(message)
                .with_hint("wait for it, or begin another run with `--run-id ID`"));
        };
        let known = lease.record()?.filter(|_| !wanted.is_fresh);
        let goes_on = known.is_some();
        let record = known.unwrap_or_else(|| RunRecord {
            run_id: wanted.run_id.map_or_else(fresh_id, str::to_owned),
            digest: digest.clone(),
            started_at: wanted.now,
            file: file.clone(),
        });
        if record.digest != digest {
            return Err(changed(&file, &record, wanted.run_id.is_some()));
        }
        lease.keep(&record)?;
        Ok(Self {
            lease,
            record,
            file: wanted.file.display().to_string(),
            has_id: wanted.run_id.is_some(),
            has_inputs: !wanted.given.is_empty(),
            goes_on,
        })
    }

    /// The id of the run.
    pub(super) fn run_id(&self) -> &str {
        &self.record.run_id
    }

    /// What is typed to go on with it.
    pub(super) fn command(&self) -> String {
        let mut command = format!("kite openintent run {}", shell_word(&self.file));
        if self.has_id {
            command += " --run-id ";
            command += self.run_id();
        }
        // With other values it would be another run. They may be long.
        if self.has_inputs {
            command += " --input …";
        }
        command
    }

    /// When to stop waiting: after what the command says, or when the time of the whole workflow is over.
    pub(super) fn deadline(
        &self,
        timeout: Option<Duration>,
        of_all: Option<Duration>,
    ) -> Option<Instant> {
        let elapsed = Clock::system()
            .unix_millis()
            .saturating_sub(self.record.started_at);
        let elapsed = Duration::from_millis(u64::try_from(elapsed).unwrap_or_default());
        let left = of_all.map(|time| time.saturating_sub(elapsed));
        let left = timeout.into_iter().chain(left).min()?;
        Instant::now().checked_add(left)
    }

    /// The run is over.
    pub(super) fn forget(&self) -> Result<(), CommandError> {
        Ok(self.lease.forget()?)
    }
}

fn changed(file: &str, record: &RunRecord, has_id: bool) -> CommandError {
    let began = clock::rfc3339(record.started_at);
    let message = format!(
        "`{file}`, or what it is given, is not what it was when run `{}` began at {began}",
        record.run_id
    );
    let hint = match has_id {
        true => "change it back to go on with the run, or give another run another `--run-id`",
        false => {
            "change it back to go on with the run, or give the run up and begin anew: `--fresh`"
        }
    };
    CommandError::new(Kind::Failed, message).with_hint(hint)
}

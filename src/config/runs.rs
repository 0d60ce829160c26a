//! The runs of workflows that were begun on this machine and are not over: by these they go on after whatever ended the
//! program. What has come of their steps is the server's to know.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ConfigError, Paths, private};

/// What a run is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSubject<'a> {
    /// The file of the workflow, or the id that its user has given the run.
    pub what: &'a str,
    /// The origin of the server.
    pub origin: &'a str,
    /// The team.
    pub team: &'a str,
}

/// A run that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub run_id: String,
    /// The digest of its file and of what it was given: another file would make it another run.
    pub digest: String,
    /// When it began, in Unix milliseconds.
    pub started_at: i64,
    /// The file, for whoever looks into the directory.
    pub file: String,
}

/// The right to go on with a run: no other process of this machine has it while this value lives.
#[derive(Debug)]
pub struct RunLease {
    path: PathBuf,
    _lock: File,
}

impl RunLease {
    /// Takes the lease; none when another process has it.
    ///
    /// # Errors
    /// When the files cannot be made or locked.
    pub fn take(paths: &Paths, subject: &RunSubject<'_>) -> Result<Option<Self>, ConfigError> {
        let key = digest(&[subject.origin, subject.team, subject.what]);
        let lock_path = paths.run_lock(&key);
        let lock = private::open_lock(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self {
                path: paths.run_file(&key),
                _lock: lock,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(private::fault("lock", &lock_path)(cause)),
        }
    }

    /// The run that has begun and is not over, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of these.
    pub fn record(&self) -> Result<Option<RunRecord>, ConfigError> {
        let Some(text) = private::read(&self.path)? else {
            return Ok(None);
        };
        let record = serde_json::from_str(&text).map_err(io::Error::other);
        record.map(Some).map_err(private::fault("read", &self.path))
    }

    /// Keeps a run: it is not begun before this is done.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, record: &RunRecord) -> Result<(), ConfigError> {
        // Texts and a number always serialise.
        let text = serde_json::to_string(record).unwrap_or_default();
        private::replace(&self.path, &text)
    }

    /// Forgets the run, which is over.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(&self) -> Result<(), ConfigError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(private::fault("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// A digest of several texts, in hexadecimal digits.
pub fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        // With their lengths, since texts that are only put together could be others.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let digits = hash.finalize();
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_run_is_kept_for_one_process_until_it_is_over() {
        let dir = TempDir::new().unwrap();
        let paths = Paths::find(&Environment {
            data_dir: Some(dir.path().to_owned()),
            ..Environment::default()
        });
        let subject = |what| RunSubject {
            what,
            origin: "http://a",
            team: "t",
        };
        let lease = RunLease::take(&paths, &subject("/w.yaml"))
            .unwrap()
            .unwrap();
        assert!(
            RunLease::take(&paths, &subject("/w.yaml"))
                .unwrap()
                .is_none()
        );
        assert!(
            RunLease::take(&paths, &subject("/x.yaml"))
                .unwrap()
                .is_some()
        );
        assert_eq!(lease.record().unwrap(), None);
        let record = RunRecord {
            run_id: "r".to_owned(),
            digest: digest(&["x"]),
            started_at: 7,
            file: "/w.yaml".to_owned(),
        };
        lease.keep(&record).unwrap();
        drop(lease);
        let lease = RunLease::take(&paths, &subject("/w.yaml"))
            .unwrap()
            .unwrap();
        assert_eq!(lease.record().unwrap(), Some(record));
        lease.forget().unwrap();
        lease.forget().unwrap();
        assert_eq!(lease.record().unwrap(), None);
    }

    #[test]
    fn texts_that_are_put_together_differently_are_others() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&[]).len(), 64);
    }
}

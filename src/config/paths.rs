//! Where kite keeps its files on this machine.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Environment, private};

/// The two directories, and the files in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    config_dir: PathBuf,
    data_dir: PathBuf,
}

impl Paths {
    /// `KITE_CONFIG_DIR` and `KITE_DATA_DIR`, else the platform's directories, else `.kite` (spec 3.1).
    pub fn find(environment: &Environment) -> Self {
        let platform = ProjectDirs::from("dev", "kite", "kite");
        let pick = |given: &Option<PathBuf>, of: fn(&ProjectDirs) -> &Path| {
            given
                .clone()
                .or_else(|| platform.as_ref().map(|dirs| of(dirs).to_owned()))
                .unwrap_or_else(|| PathBuf::from(".kite"))
        };
        Self {
            config_dir: pick(&environment.config_dir, ProjectDirs::config_dir),
            data_dir: pick(&environment.data_dir, ProjectDirs::data_dir),
        }
    }

    /// The directory of the configuration.
    pub fn config_dir(&self) -> &Path {
        &self.config_dir
    }

    /// The directory of what kite itself writes.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("config.toml")
    }

    /// The keys of machines that have no keyring.
    pub fn credentials_file(&self) -> PathBuf {
        self.config_dir.join("credentials.toml")
    }

    /// The files of the configuration that are there, each with whether others than the owner may read it.
    pub fn private_files(&self) -> Vec<(PathBuf, bool)> {
        let files = [self.config_file(), self.credentials_file()];
        let there = files.into_iter().filter(|path| path.exists());
        there
            .map(|path| {
                let is_exposed = private::is_exposed(&path);
                (path, is_exposed)
            })
            .collect()
    }

    /// The file whose lock says that the configuration is being rewritten.
    pub fn config_lock(&self) -> PathBuf {
        self.data_dir.join("locks").join("config.lock")
    }

    /// The file whose lock says that a client id is in use on this machine.
    pub fn client_lock(&self, client_id: &str) -> PathBuf {
        let name = utf8_percent_encode(client_id, NON_ALPHANUMERIC);
        self.data_dir
            .join("locks")
            .join(format!("client-{name}.lock"))
    }

    /// The file that a run of a workflow is kept in while it is not over.
    pub fn run_file(&self, key: &str) -> PathBuf {
        self.data_dir.join("runs").join(format!("{key}.json"))
    }

    /// The file whose lock says that such a run goes on.
    pub fn run_lock(&self, key: &str) -> PathBuf {
        self.data_dir.join("locks").join(format!("run-{key}.lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_directories_win_and_a_client_id_cannot_leave_them() {
        let environment = Environment::from(|name| match name {
            "KITE_CONFIG_DIR" => Some("/c".to_owned()),
            "KITE_DATA_DIR" => Some("/d".to_owned()),
            _ => None,
        });
        let paths = Paths::find(&environment);
        assert_eq!(paths.config_file(), Path::new("/c/config.toml"));
        assert_eq!(
            paths.client_lock("../x"),
            Path::new("/d/locks/client-%2E%2E%2Fx.lock")
        );
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let environment = Environment::from(|_| Some(" ".to_owned()));
        assert!(environment.api_key.is_none() && environment.config_dir.is_none());
    }
}

//! Where kite keeps its files on this machine.

use std::path::{Path, PathBuf};

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
        let (config_dir, data_dir) = platform(environment);
        let pick = |given: &Option<PathBuf>, platform: Option<PathBuf>| {
            let given = given.clone().or(platform);
            given.unwrap_or_else(|| PathBuf::from(".kite"))
        };
        Self {
            config_dir: pick(&environment.config_dir, config_dir),
            data_dir: pick(&environment.data_dir, data_dir),
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

/// Where programs of this platform keep their configuration and their data.
fn platform(environment: &Environment) -> (Option<PathBuf>, Option<PathBuf>) {
    let home = environment.home.as_deref();
    let or_home = |given: &Option<PathBuf>, below: &str| {
        let given = given.clone();
        given.or_else(|| home.map(|home| home.join(below)))
    };
    let (config_home, data_home) = (&environment.config_home, &environment.data_home);
    if cfg!(target_os = "macos") {
        let dir = home.map(|home| home.join("Library/Application Support/dev.kite.kite"));
        (dir.clone(), dir)
    } else if cfg!(windows) {
        let dir = or_home(config_home, "AppData\\Roaming").map(|dir| dir.join("kite\\kite"));
        let below = |name| dir.as_ref().map(|dir| dir.join(name));
        (below("config"), below("data"))
    } else {
        let config = or_home(config_home, ".config");
        let data = or_home(data_home, ".local/share");
        (
            config.map(|dir| dir.join("kite")),
            data.map(|dir| dir.join("kite")),
        )
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

    #[cfg(target_os = "linux")]
    #[test]
    fn the_platform_s_directories_are_below_home_unless_its_variables_say_otherwise() {
        let paths = |config_home: &'static str| {
            Paths::find(&Environment::from(|name| match name {
                "HOME" => Some("/h".to_owned()),
                "XDG_CONFIG_HOME" => Some(config_home.to_owned()),
                _ => None,
            }))
        };
        for none in ["", "relative"] {
            assert_eq!(paths(none).config_dir(), Path::new("/h/.config/kite"));
        }
        assert_eq!(paths("/x").config_dir(), Path::new("/x/kite"));
        assert_eq!(paths("/x").data_dir(), Path::new("/h/.local/share/kite"));

        let nowhere = Paths::find(&Environment::default());
        assert_eq!(nowhere.config_dir(), Path::new(".kite"));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let environment = Environment::from(|_| Some(" ".to_owned()));
        assert!(environment.api_key.is_none() && environment.config_dir.is_none());
    }
}

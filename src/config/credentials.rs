//! Where API keys are kept: the system keyring where there is one, else a 0600 file beside the configuration.

use std::sync::mpsc;
use std::time::Duration;

use keyring::Entry;

use super::{ConfigError, ConfigFile, Environment, Paths, Profile};
use crate::protocol::token::Token;

/// A keyring daemon that owns its name and does not answer blocks without end; no person waits longer than this for a
/// locked one either.
const KEYRING_LIMIT: Duration = Duration::from_secs(3);

/// The keyring's name for kite.
const SERVICE: &str = "kite";

/// Which of the two has the key. Recorded with the profile, so that later runs do not probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// The system keyring.
    Keyring,
    /// `credentials.toml`.
    File,
}

impl Store {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::File => "file",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Keyring, Self::File]
            .into_iter()
            .find(|store| store.word() == word)
    }
}

/// The keys of one machine.
pub struct Credentials<'a> {
    /// Where the files are.
    pub paths: &'a Paths,
    /// Whether there can be a keyring.
    pub environment: &'a Environment,
}

impl Credentials<'_> {
    /// Keeps a key, in the keyring if it takes it; says where. A copy in the other store is removed.
    pub fn save(&self, profile: &Profile, key: &Token) -> Result<Store, ConfigError> {
        if self.environment.keyring_is_possible && self.save_in_keyring(profile, key).is_ok() {
            self.remove_from_file(profile)?;
            return Ok(Store::Keyring);
        }
        self.update(|file| {
            file.set_text(&Profile::default(), "keys", profile.name(), key.reveal())
        })?;
        Ok(Store::File)
    }

    /// The key of a profile, from the store that has it.
    pub fn load(&self, profile: &Profile, store: Store) -> Result<Option<Token>, ConfigError> {
        let (text, place) = match store {
            Store::Keyring => (self.load_from_keyring(profile)?, "the keyring".to_owned()),
            Store::File => {
                let file = ConfigFile::load(self.paths.credentials_file())?;
                let text = file.text(&Profile::default(), "keys", profile.name())?;
                (text, format!("`{}`", file.path().display()))
            }
        };
        text.map(|text| Token::parse(&text))
            .transpose()
            .map_err(|cause| ConfigError::Key { place, cause })
    }

    /// Forgets the key of a profile; says whether there was one.
    pub fn remove(&self, profile: &Profile, store: Store) -> Result<bool, ConfigError> {
        match store {
            Store::File => self.remove_from_file(profile),
            Store::Keyring => {
                let account = self.account(profile);
                let removed = in_time(move || Entry::new(SERVICE, &account)?.delete_credential())?;
                Ok(removed.is_some())
            }
        }
    }

    fn save_in_keyring(&self, profile: &Profile, key: &Token) -> Result<(), ConfigError> {
        let (account, key) = (self.account(profile), key.clone());
        in_time(move || Entry::new(SERVICE, &account)?.set_password(key.reveal())).map(|_| ())
    }

    fn load_from_keyring(&self, profile: &Profile) -> Result<Option<String>, ConfigError> {
        if !self.environment.keyring_is_possible {
            return Err(ConfigError::Keyring("there is no session bus".to_owned()));
        }
        let account = self.account(profile);
        in_time(move || Entry::new(SERVICE, &account)?.get_password())
    }

    fn remove_from_file(&self, profile: &Profile) -> Result<bool, ConfigError> {
        self.update(|file| file.remove(&Profile::default(), "keys", profile.name()))
    }

    fn update<T>(
        &self,
        change: impl FnOnce(&mut ConfigFile) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        ConfigFile::update_at(self.paths, self.paths.credentials_file(), change)
    }

    /// The keyring is one for the whole machine, configuration directories are many.
    fn account(&self, profile: &Profile) -> String {
        format!("{} {}", profile.name(), self.paths.config_dir().display())
    }
}

/// Asks the keyring on a thread of its own, which is left behind when the limit passes. `None` when it has no entry.
fn in_time<T: Send + 'static>(
    ask: impl FnOnce() -> keyring::Result<T> + Send + 'static,
) -> Result<Option<T>, ConfigError> {
    let (answer, answered) = mpsc::channel();
    std::thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || answer.send(ask()))
        .map_err(|error| ConfigError::Keyring(error.to_string()))?;
    match answered.recv_timeout(KEYRING_LIMIT) {
        Ok(Ok(value)) => Ok(Some(value)),
        Ok(Err(keyring::Error::NoEntry)) => Ok(None),
        Ok(Err(error)) => Err(ConfigError::Keyring(error.to_string())),
        Err(_) => Err(ConfigError::Keyring(format!(
            "no answer within {} s",
            KEYRING_LIMIT.as_secs()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_keyring_the_key_goes_to_a_file_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment {
            config_dir: Some(dir.path().join("config")),
            data_dir: Some(dir.path().join("data")),
            ..Environment::default()
        };
        let paths = Paths::find(&environment);
        let credentials = Credentials {
            paths: &paths,
            environment: &environment,
        };
        let work: Profile = "work".parse().unwrap();
        let key = Token::parse("kite_0a1b2c3d_0011223344556677").unwrap();
        assert_eq!(credentials.save(&work, &key).unwrap(), Store::File);
        assert_eq!(credentials.load(&work, Store::File).unwrap(), Some(key));
        let default = Profile::default();
        assert_eq!(credentials.load(&default, Store::File).unwrap(), None);
        assert!(
            !ConfigFile::load(paths.credentials_file())
                .unwrap()
                .is_exposed()
        );
        assert!(credentials.remove(&work, Store::File).unwrap());
        assert!(!credentials.remove(&work, Store::File).unwrap());
    }

    #[test]
    fn a_keyring_that_is_gone_is_an_error_and_no_silence() {
        let environment = Environment::default();
        let paths = Paths::find(&environment);
        let credentials = Credentials {
            paths: &paths,
            environment: &environment,
        };
        let error = credentials.load(&Profile::default(), Store::Keyring);
        assert!(matches!(error, Err(ConfigError::Keyring(_))));
    }
}

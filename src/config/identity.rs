//! What the profile says about this machine's agent and its cursors.

use std::fs::{File, TryLockError};

use super::{ConfigError, ConfigFile, Paths, Profile, private};
use crate::base::random;
use crate::protocol::id::{AgentId, ClientId, InstanceId};

/// The agent that this profile is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What messages are addressed to.
    pub id: AgentId,
    /// What people call it.
    pub name: Option<String>,
}

impl Identity {
    /// Reads `[agent]`.
    pub fn load(file: &ConfigFile, profile: &Profile) -> Result<Option<Self>, ConfigError> {
        let Some(id) = file.text(profile, "agent", "id")? else {
            return Ok(None);
        };
        Ok(Some(Self {
            id: id.parse()?,
            name: file.text(profile, "agent", "name")?,
        }))
    }

    /// Writes `[agent]`, replacing the identity that was there.
    pub fn save(&self, paths: &Paths, profile: &Profile) -> Result<(), ConfigError> {
        ConfigFile::update(paths, |file| {
            file.set_text(profile, "agent", "id", self.id.as_str())?;
            match &self.name {
                Some(name) => file.set_text(profile, "agent", "name", name),
                None => file.remove(profile, "agent", "name").map(|_| ()),
            }
        })
    }
}

/// Whose cursor is meant: one per server, team, command and agent (spec 19.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer<'a> {
    /// The origin of the server.
    pub origin: &'a str,
    /// The team.
    pub team: &'a str,
    /// The command.
    pub command: &'a str,
    /// What distinguishes the command's consumers: the agent id.
    pub subject: &'a str,
}

impl Consumer<'_> {
    fn key(&self) -> String {
        [self.origin, self.team, self.command, self.subject].join(" ")
    }
}

/// A client id that no other process of this machine uses while this value lives.
#[derive(Debug)]
pub struct ClientLease {
    /// The name of the cursor.
    pub client_id: ClientId,
    /// Whether the consumer's own id was in use, and this is a fresh one.
    pub is_fresh: bool,
    _lock: Option<File>,
}

impl ClientLease {
    /// The consumer's client id, made on first use and kept in `[clients]`; a fresh one when it is in use.
    pub fn take(
        paths: &Paths,
        profile: &Profile,
        consumer: &Consumer<'_>,
    ) -> Result<Self, ConfigError> {
        let client_id = Self::stable(paths, profile, consumer)?;
        let path = paths.client_lock(client_id.as_str());
        let lock = private::open_lock(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                client_id,
                is_fresh: false,
                _lock: Some(lock),
            }),
            Err(TryLockError::WouldBlock) => Ok(Self {
                client_id: random::uuid7().parse()?,
                is_fresh: true,
                _lock: None,
            }),
            Err(TryLockError::Error(cause)) => Err(private::fault("lock", &path)(cause)),
        }
    }

    /// Whether the consumer has a client id: a look that makes none.
    pub fn is_known(
        paths: &Paths,
        profile: &Profile,
        consumer: &Consumer<'_>,
    ) -> Result<bool, ConfigError> {
        let file = ConfigFile::load(paths.config_file())?;
        Ok(file.text(profile, "clients", &consumer.key())?.is_some())
    }

    /// The consumer's client id without a lock: its cursor is only looked at or made.
    pub fn stable(
        paths: &Paths,
        profile: &Profile,
        consumer: &Consumer<'_>,
    ) -> Result<ClientId, ConfigError> {
        Ok(made_once(paths, profile, "clients", &consumer.key())?.parse()?)
    }
}

/// What forwarded events name this configuration: an id that is made on first use, and the same for all profiles.
pub fn instance_id(paths: &Paths) -> Result<InstanceId, ConfigError> {
    let text = made_once(paths, &Profile::default(), "federation", "instance_id")?;
    Ok(text.parse()?)
}

/// A text of the profile; where there is none, a fresh UUID that is kept.
fn made_once(
    paths: &Paths,
    profile: &Profile,
    table: &str,
    key: &str,
) -> Result<String, ConfigError> {
    let known = ConfigFile::load(paths.config_file())?.text(profile, table, key)?;
    match known {
        Some(text) => Ok(text),
        None => ConfigFile::update(paths, |file| {
            // Another process may have made it since.
            if let Some(text) = file.text(profile, table, key)? {
                return Ok(text);
            }
            let fresh = random::uuid7();
            file.set_text(profile, table, key, &fresh)?;
            Ok(fresh)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn consumer(subject: &str) -> Consumer<'_> {
        Consumer {
            origin: "http://localhost:7700",
            team: "default",
            command: "agent listen",
            subject,
        }
    }

    #[test]
    fn a_consumer_keeps_its_client_id_and_only_one_process_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::find(&Environment {
            config_dir: Some(dir.path().join("config")),
            data_dir: Some(dir.path().join("data")),
            ..Environment::default()
        });
        let profile = Profile::default();
        let is_known = || ClientLease::is_known(&paths, &profile, &consumer("a")).unwrap();
        assert!(!is_known());
        let take = |subject| ClientLease::take(&paths, &profile, &consumer(subject)).unwrap();
        let first = take("a");
        let second = take("a");
        assert!(!first.is_fresh && second.is_fresh && is_known());
        assert_ne!(first.client_id, second.client_id);
        let id = first.client_id.clone();
        drop(first);
        assert_eq!(take("a").client_id, id);
        assert_ne!(take("b").client_id, id);
    }

    #[test]
    fn registering_again_replaces_the_identity() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::find(&Environment {
            config_dir: Some(dir.path().to_owned()),
            data_dir: Some(dir.path().join("data")),
            ..Environment::default()
        });
        let profile: Profile = "work".parse().unwrap();
        let named = Identity {
            id: "a".parse().unwrap(),
            name: Some("A".to_owned()),
        };
        let nameless = Identity {
            id: "b".parse().unwrap(),
            name: None,
        };
        named.save(&paths, &profile).unwrap();
        nameless.save(&paths, &profile).unwrap();
        let file = ConfigFile::load(paths.config_file()).unwrap();
        assert_eq!(Identity::load(&file, &profile).unwrap(), Some(nameless));
        assert_eq!(Identity::load(&file, &Profile::default()).unwrap(), None);
    }
}

//! What a login leaves behind, and how it is taken away again.

use super::credentials::{Credentials, Store};
use super::{ConfigError, ConfigFile, Environment, Paths, Profile};
use crate::protocol::address;
use crate::protocol::id::TeamId;
use crate::protocol::token::Token;

/// A server, what it knows the user as, and the key that opens it.
#[derive(Debug, Clone)]
pub struct Login {
    /// The HTTP base.
    pub http_base: String,
    /// The WebSocket address.
    pub ws_url: String,
    /// The key's team.
    pub team: TeamId,
    /// The key.
    pub key: Token,
}

impl Login {
    /// Keeps the key, then writes the profile; says where the key is. The key is bound to the origins of this login.
    pub fn save(
        &self,
        paths: &Paths,
        environment: &Environment,
        profile: &Profile,
    ) -> Result<Store, ConfigError> {
        let mut origins = vec![
            address::origin(&self.http_base)?,
            address::origin(&self.ws_url)?,
        ];
        origins.dedup();
        // A configuration that cannot be read has to be mended before a key is stored that nothing points at.
        ConfigFile::load(paths.config_file())?;
        let credentials = Credentials { paths, environment };
        let store = credentials.save(profile, &self.key)?;
        ConfigFile::update(paths, |file| {
            file.set_text(profile, "auth", "team_id", self.team.as_str())?;
            file.set_texts(profile, "auth", "origins", &origins)?;
            file.set_text(profile, "auth", "store", store.word())?;
            file.set_text(profile, "server", "url", &self.ws_url)?;
            file.set_text(profile, "server", "http_base", &self.http_base)
        })?;
        Ok(store)
    }
}

/// Removes the key of a profile, wherever it is; says whether there was one. Server and team stay.
pub fn logout(
    paths: &Paths,
    environment: &Environment,
    profile: &Profile,
) -> Result<bool, ConfigError> {
    let file = ConfigFile::load(paths.config_file())?;
    let store = file.text(profile, "auth", "store")?;
    let credentials = Credentials { paths, environment };
    let removed = match store.as_deref().and_then(Store::parse) {
        Some(store) => credentials.remove(profile, store)?,
        None => false,
    };
    ConfigFile::update(paths, |file| {
        file.remove(profile, "auth", "store")?;
        file.remove(profile, "auth", "origins")?;
        Ok(file.remove(profile, "auth", "api_key")? || removed)
    })
}

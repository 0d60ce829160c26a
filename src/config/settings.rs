//! Flag, environment, profile, default: in this order they become one plain value.

use std::path::PathBuf;

use super::credentials::{Credentials, Store};
use super::{ConfigError, ConfigFile, Environment, Identity, Paths, Profile};
use crate::base::secret::Secret;
use crate::protocol::address;
use crate::protocol::id::{AgentId, TeamId};
use crate::protocol::token::{Token, TokenError, TokenKind};

/// The server of a machine that never logged in (spec 3.1).
const DEFAULT_WS_URL: &str = "ws://localhost:7700/ws";

/// The global flags, each possibly from its variable. Empty texts count as unset.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--profile`.
    pub profile: Option<String>,
    /// `--server`: the HTTP base.
    pub server: Option<String>,
    /// `--team`.
    pub team: Option<String>,
    /// `--ca-file`.
    pub ca_file: Option<String>,
    /// `--insecure`.
    pub insecure: bool,
}

/// Everything that a client command needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose settings these are.
    pub profile: Profile,
    /// Where the files are.
    pub paths: Paths,
    /// The HTTP base of the server.
    pub http_base: String,
    /// Its WebSocket address.
    pub ws_url: String,
    /// What hook addresses begin with.
    pub hook_base: String,
    /// The team, where it is known.
    pub team: Option<TeamId>,
    /// The agent that this profile is.
    pub identity: Option<Identity>,
    /// The agent that commands act as: the environment's, else this profile's.
    pub acting: Option<AgentId>,
    /// A CA to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// What Paperclip is called with.
    pub paperclip_key: Option<Secret>,
    /// Whether a key may travel in clear text.
    pub insecure: bool,
    /// Whether others can read the configuration file.
    pub config_is_exposed: bool,
    key: KeySource,
}

/// Where the key is.
#[derive(Debug, Clone)]
enum KeySource {
    /// In the environment: it goes where its user says.
    Environment(Token),
    /// In a store, bound to origins.
    Stored(Store, Vec<String>),
    /// In the configuration, bound to origins.
    Config(Token, Vec<String>),
    /// Nowhere.
    None,
}

impl Settings {
    /// Resolves the settings.
    pub fn resolve(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        let given = |flag: &Option<String>| flag.clone().filter(|text| !text.trim().is_empty());
        let profile: Profile = given(&flags.profile).unwrap_or_default().parse()?;
        let paths = Paths::find(environment);
        let file = ConfigFile::load(paths.config_file())?;

        let (http_base, ws_url) = addresses(
            given(&flags.server),
            environment,
            &Known::load(&file, &profile)?,
        )?;
        let hook_base = match &environment.hook_base {
            Some(base) => base.trim_end_matches('/').to_owned(),
            None => http_base.clone(),
        };
        let team = match given(&flags.team) {
            Some(team) => Some(team),
            None => file.text(&profile, "auth", "team_id")?,
        };
        let identity = Identity::load(&file, &profile)?;
        let acting = match &environment.agent_id {
            Some(agent) => Some(agent.parse()?),
            None => identity.as_ref().map(|own| own.id.clone()),
        };
        Ok(Self {
            key: KeySource::find(&file, &profile, environment)?,
            identity,
            acting,
            config_is_exposed: file.is_exposed(),
            team: team.map(TeamId::try_from).transpose()?,
            ca_file: given(&flags.ca_file).map(PathBuf::from),
            paperclip_key: environment.paperclip_key.clone(),
            insecure: flags.insecure,
            profile,
            paths,
            http_base,
            ws_url,
            hook_base,
        })
    }

    /// Where the key is kept; `None` when there is none.
    pub fn key_place(&self) -> Option<String> {
        let file = |path: PathBuf| format!("`{}`", path.display());
        match &self.key {
            KeySource::Environment(_) => Some("`KITE_API_KEY`".to_owned()),
            KeySource::Stored(Store::Keyring, _) => Some("the system keyring".to_owned()),
            KeySource::Stored(Store::File, _) => Some(file(self.paths.credentials_file())),
            KeySource::Config(..) => Some(file(self.paths.config_file())),
            KeySource::None => None,
        }
    }

    /// The key for this server. A stored key is given out only if every address it would go to is one it is bound to.
    pub fn key(&self, environment: &Environment) -> Result<Token, ConfigError> {
        let key = match &self.key {
            KeySource::None => return Err(self.not_logged_in()),
            KeySource::Environment(key) => key.clone(),
            KeySource::Config(key, origins) => {
                self.check_origins(origins)?;
                key.clone()
            }
            KeySource::Stored(store, origins) => {
                self.check_origins(origins)?;
                let credentials = Credentials {
                    paths: &self.paths,
                    environment,
                };
                let stored = credentials.load(&self.profile, *store)?;
                stored.ok_or_else(|| self.not_logged_in())?
            }
        };
        self.check_plain_http()?;
        Ok(key)
    }

    /// Refuses to send a key in clear text over a network, unless that was allowed (spec 3.2).
    pub fn check_plain_http(&self) -> Result<(), ConfigError> {
        for address in [&self.http_base, &self.ws_url] {
            let is_safe = address::is_tls(address) || address::is_loopback(address);
            if !is_safe && !self.insecure {
                return Err(ConfigError::PlainHttp(address::origin(address)?));
            }
        }
        Ok(())
    }

    /// The origin of the server.
    pub fn origin(&self) -> Result<String, ConfigError> {
        Ok(address::origin(&self.http_base)?)
    }

    fn check_origins(&self, bound: &[String]) -> Result<(), ConfigError> {
        for address in [&self.http_base, &self.ws_url] {
            let origin = address::origin(address)?;
            if !bound.contains(&origin) {
                let bound = bound.to_vec();
                return Err(ConfigError::OtherOrigin { origin, bound });
            }
        }
        Ok(())
    }

    fn not_logged_in(&self) -> ConfigError {
        ConfigError::NotLoggedIn {
            server: self.http_base.clone(),
        }
    }
}

/// The addresses that the profile names.
struct Known {
    ws_url: Option<String>,
    http_base: Option<String>,
}

impl Known {
    fn load(file: &ConfigFile, profile: &Profile) -> Result<Self, ConfigError> {
        Ok(Self {
            ws_url: file.text(profile, "server", "url")?,
            http_base: file.text(profile, "server", "http_base")?,
        })
    }

    /// Both addresses; each follows from the other where it is not named.
    fn complete(&self) -> Result<(String, String), ConfigError> {
        let ws_url = match (&self.ws_url, &self.http_base) {
            (Some(ws_url), _) => ws_url.clone(),
            (None, Some(http_base)) => address::websocket(http_base)?,
            (None, None) => DEFAULT_WS_URL.to_owned(),
        };
        let http_base = address::http_base(self.http_base.as_ref().unwrap_or(&ws_url))?;
        Ok((http_base, ws_url))
    }
}

/// The HTTP base and the WebSocket address. One that is given replaces both of the profile's, unless it is the
/// profile's own: the other half then still holds.
fn addresses(
    server: Option<String>,
    environment: &Environment,
    known: &Known,
) -> Result<(String, String), ConfigError> {
    let (known_base, known_ws) = known.complete()?;
    let server = server
        .map(|server| address::http_base(&server))
        .transpose()?;
    let (http_base, ws_url) = match (server, environment.ws_url.clone()) {
        (Some(base), Some(ws_url)) => (base, ws_url),
        (Some(base), None) if base == known_base => (known_base, known_ws),
        (Some(base), None) => {
            let ws_url = address::websocket(&base)?;
            (base, ws_url)
        }
        (None, Some(ws_url)) if ws_url == known_ws => (known_base, known_ws),
        (None, Some(ws_url)) => (address::http_base(&ws_url)?, ws_url),
        (None, None) => (known_base, known_ws),
    };
    // Named addresses may be written with http(s); a socket is opened with ws(s).
    let ws_url = match ws_url.starts_with("http") {
        true => address::websocket(&ws_url)?,
        false => ws_url,
    };
    address::origin(&ws_url)?;
    Ok((http_base, ws_url))
}

impl KeySource {
    fn find(
        file: &ConfigFile,
        profile: &Profile,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        if let Some(text) = &environment.api_key {
            return api_key(text, "KITE_API_KEY".to_owned()).map(Self::Environment);
        }
        // A key of a profile that names no origins belongs to the profile's own server.
        let origins = match file.texts(profile, "auth", "origins")? {
            Some(origins) => origins,
            None => {
                let (http_base, ws_url) = Known::load(file, profile)?.complete()?;
                vec![address::origin(&http_base)?, address::origin(&ws_url)?]
            }
        };
        let store = file.text(profile, "auth", "store")?;
        if let Some(store) = store.as_deref().and_then(Store::parse) {
            return Ok(Self::Stored(store, origins));
        }
        match file.text(profile, "auth", "api_key")? {
            Some(text) => {
                let key = api_key(&text, format!("`{}`", file.path().display()))?;
                Ok(Self::Config(key, origins))
            }
            None => Ok(Self::None),
        }
    }
}

/// Reads an API key; other tokens are none.
pub fn api_key(text: &str, place: String) -> Result<Token, ConfigError> {
    match Token::parse(text.trim()) {
        Ok(token) if token.kind() == TokenKind::ApiKey => Ok(token),
        Ok(_) | Err(TokenError) => Err(ConfigError::Key {
            place,
            cause: TokenError,
        }),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;

//! The one reader of the environment.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::base::secret::Secret;

/// What the environment says. An empty value counts as unset (spec 3.2).
///
/// Variables that are also flags (`KITE_PROFILE`, `KITE_SERVER`, `KITE_TEAM_ID`, `KITE_CA_FILE`, `KITE_INSECURE`) come
/// in with the flags.
#[derive(Clone, Default)]
pub struct Environment {
    /// `KITE_API_KEY`.
    pub api_key: Option<Zeroizing<String>>,
    /// `KITE_WS_URL`.
    pub ws_url: Option<String>,
    /// `KITE_HOOK_BASE_URL`.
    pub hook_base: Option<String>,
    /// `KITE_CONFIG_DIR`.
    pub config_dir: Option<PathBuf>,
    /// `KITE_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
    /// `KITE_SECRET_KEY`, else `KITE_HOOK_SECRET_CIPHER_KEY` as deployments of the hosted server name it.
    pub secret_key: Option<Secret>,
    /// `KITE_AGENT_ID`: which agent a command acts as.
    pub agent_id: Option<String>,
    /// `KITE_INTENT_ID`: the intent that a command is about.
    pub intent_id: Option<String>,
    /// `KITE_FEDERATION_TOKEN`: what opens the hook of another instance.
    pub federation_token: Option<Secret>,
    /// `PAPERCLIP_API_KEY`.
    pub paperclip_key: Option<Secret>,
    /// `KITE_PAPERCLIP_API_KEY`: what the server calls its Paperclip with.
    pub server_paperclip_key: Option<Secret>,
    /// `NOTIFY_SOCKET`: where the supervisor listens for how a service is.
    pub notify_socket: Option<String>,
    /// `WATCHDOG_USEC`: how often, in microseconds, it wants to hear that the service is well.
    pub watchdog_usec: Option<String>,
    /// `WATCHDOG_PID`: from which process.
    pub watchdog_pid: Option<String>,
    /// `NO_COLOR` is set.
    pub no_color: bool,
    /// `TERM` says that the terminal can only print: no colours, and nothing is drawn over.
    pub is_dumb: bool,
    /// Whether a keyring can answer at all: on Linux it lives on the session bus.
    pub keyring_is_possible: bool,
}

impl Environment {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the environment"
    )]
    pub fn read() -> Self {
        Self::from(|name| std::env::var(name).ok())
    }

    /// Reads an environment that is given as a function.
    pub fn from(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        Self {
            api_key: set("KITE_API_KEY").map(|key| Zeroizing::new(key.trim().to_owned())),
            ws_url: set("KITE_WS_URL"),
            hook_base: set("KITE_HOOK_BASE_URL"),
            config_dir: set("KITE_CONFIG_DIR").map(PathBuf::from),
            data_dir: set("KITE_DATA_DIR").map(PathBuf::from),
            secret_key: set("KITE_SECRET_KEY")
                .or_else(|| set("KITE_HOOK_SECRET_CIPHER_KEY"))
                .map(Secret::from),
            agent_id: set("KITE_AGENT_ID"),
            intent_id: set("KITE_INTENT_ID"),
            federation_token: set("KITE_FEDERATION_TOKEN")
                .map(|token| Secret::from(token.trim().to_owned())),
            paperclip_key: set("PAPERCLIP_API_KEY").map(|key| Secret::from(key.trim().to_owned())),
            server_paperclip_key: set("KITE_PAPERCLIP_API_KEY")
                .map(|key| Secret::from(key.trim().to_owned())),
            notify_socket: set("NOTIFY_SOCKET"),
            watchdog_usec: set("WATCHDOG_USEC"),
            watchdog_pid: set("WATCHDOG_PID"),
            no_color: set("NO_COLOR").is_some(),
            is_dumb: set("TERM").is_some_and(|term| term == "dumb"),
            keyring_is_possible: !cfg!(target_os = "linux")
                || set("DBUS_SESSION_BUS_ADDRESS").is_some(),
        }
    }
}

//! What the server may call: the flags, variables and the table `[outbound]` of the file.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use crate::protocol::outbound::Outbound;

/// The switches. Those without a flag are for the file alone: they are for one network, and not for a quick try.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboundSettings {
    /// Call http and https addresses of this machine too, for development
    #[arg(long, env = "KITE_ALLOW_INSECURE_PEERS", num_args = 0..=1, require_equals = true, value_name = "BOOL",
          default_missing_value = "true", value_parser = switch)]
    pub(super) allow_insecure_peers: Option<bool>,

    /// Call https addresses in private networks too: 10/8, 172.16/12, 192.168/16, fc00::/7
    #[arg(long, env = "KITE_ALLOW_PRIVATE_NETWORKS", num_args = 0..=1, require_equals = true, value_name = "BOOL",
          default_missing_value = "true", value_parser = switch)]
    pub(super) allow_private_networks: Option<bool>,

    #[arg(skip)]
    allow_private_hosts: Option<Vec<String>>,

    #[arg(skip)]
    allow_plain_http: Option<bool>,

    /// `--ca-file` is a flag of every verb.
    #[arg(skip)]
    pub(super) ca_file: Option<PathBuf>,
}

impl OutboundSettings {
    /// What is missing here is taken from there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            allow_insecure_peers: self.allow_insecure_peers.or(other.allow_insecure_peers),
            allow_private_networks: self.allow_private_networks.or(other.allow_private_networks),
            allow_private_hosts: self.allow_private_hosts.or(other.allow_private_hosts),
            allow_plain_http: self.allow_plain_http.or(other.allow_plain_http),
            ca_file: self.ca_file.or(other.ca_file),
        }
    }

    pub(super) fn outbound(self) -> Outbound {
        Outbound {
            allow_insecure_peers: self.allow_insecure_peers.unwrap_or(false),
            allow_private_networks: self.allow_private_networks.unwrap_or(false),
            allow_private_hosts: self.allow_private_hosts.unwrap_or_default(),
            allow_plain_http: self.allow_plain_http.unwrap_or(false),
        }
    }
}

/// A switch as variables write it. What is neither is refused: a slip must not open anything, nor close it unnoticed.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("use `true` or `false`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_table_also_when_it_switches_off() {
        let table =
            "allow_insecure_peers = true\nallow_plain_http = true\nallow_private_hosts = [\"b\"]";
        let file: OutboundSettings = toml::from_str(table).unwrap();
        let flags = OutboundSettings {
            allow_insecure_peers: Some(false),
            allow_private_networks: Some(true),
            ..OutboundSettings::default()
        };
        let expected = Outbound {
            allow_insecure_peers: false,
            allow_private_networks: true,
            allow_private_hosts: vec!["b".to_owned()],
            allow_plain_http: true,
        };
        assert_eq!(flags.or(file).outbound(), expected);
        assert!(toml::from_str::<OutboundSettings>("allow_everything = true").is_err());
    }

    #[test]
    fn a_switch_is_on_or_off_and_nothing_between() {
        assert_eq!(switch("1"), Ok(true));
        assert_eq!(switch(" TRUE "), Ok(true));
        assert_eq!(switch("off"), Ok(false));
        assert_eq!(switch(""), Ok(false));
        assert!(switch("ture").is_err());
    }
}

//! Which addresses the server may call on somebody's behalf: the operator's switches, and what follows from them
//! (promise 10). All that the server calls is judged here, twice: the text when it is given, the IP address when a
//! connection is about to be made.

use core::net::IpAddr;

use super::address_class::AddressClass;
use super::peer_url::PeerUrl;

/// What the operator allows. Without any of it: https to public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbound {
    /// http and https to this machine.
    pub allow_insecure_peers: bool,
    /// https to private networks.
    pub allow_private_networks: bool,
    /// Names that may stand for this machine or for private networks.
    pub allow_private_hosts: Vec<String>,
    /// http wherever https is allowed.
    pub allow_plain_http: bool,
}

/// Why an address is not called. A name's IP address is not told: whoever gave the name may not know the inside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It would go over the network in the clear.
    #[error(
        "`{host}` is not called over plain http: use https, or allow it with `allow_plain_http` in the server's \
         `[outbound]` table"
    )]
    Clear {
        /// The host.
        host: String,
    },
    /// It is this machine.
    #[error(
        "`{host}` is the server's own machine, which is not called: `kite serve --allow-insecure-peers` allows it \
         for development"
    )]
    Loopback {
        /// The host.
        host: String,
    },
    /// It is inside.
    #[error(
        "`{host}` is in a private network, which is not called: `kite serve --allow-private-networks` allows all of \
         them, `allow_private_hosts` in its `[outbound]` table this name"
    )]
    Private {
        /// The host.
        host: String,
    },
    /// Nobody calls it.
    #[error("`{host}` is {why}, which is never called")]
    Never {
        /// The host.
        host: String,
        /// What kind of address it is.
        why: &'static str,
    },
}

impl Outbound {
    /// Whether an address may be written down as one to call: judges its scheme and, where its host is an IP address
    /// or stands for this machine by its name, the host. What other names stand for is judged for each connection.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_name(&self, url: &PeerUrl) -> Result<(), Refusal> {
        let host = url.host();
        match url.literal() {
            Some(ip) => self.may_call(&host, ip, url.is_tls()),
            None if is_local(&host) => self.judge(&host, AddressClass::Loopback, url.is_tls()),
            None if url.is_tls() || self.allow_plain_http => Ok(()),
            None => Err(Refusal::Clear { host }),
        }
    }

    /// Whether a connection may be made to an IP address that `host` stands for, or is.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_call(&self, host: &str, ip: IpAddr, is_tls: bool) -> Result<(), Refusal> {
        self.judge(host, AddressClass::of(ip), is_tls)
    }

    /// Whether the switches let a host be called that may be inside, going by its text alone (OpenIntent rules, section
    /// 11.5). An address of IPv6 may have its brackets or not. What nobody calls is never exempt, nor is what is no host.
    pub fn exempts(&self, host: &str) -> bool {
        let url = match host.contains(':') && !host.starts_with('[') {
            true => format!("https://[{host}]"),
            false => format!("https://{host}"),
        };
        let Ok(url) = url.parse::<PeerUrl>() else {
            return false;
        };
        let host = url.host();
        let is_named = self
            .allow_private_hosts
            .iter()
            .any(|name| is_host(name, &host));
        match url.literal().map(AddressClass::of) {
            Some(AddressClass::Loopback) => self.allow_insecure_peers || is_named,
            Some(AddressClass::Private) => self.allow_private_networks || is_named,
            Some(AddressClass::Public | AddressClass::Forbidden(_)) => false,
            None if is_local(&host) => self.allow_insecure_peers || is_named,
            // A name of an inner network. What it stands for is judged for each connection.
            None => self.allow_private_networks || is_named,
        }
    }

    /// The switches that are on, in the words of the configuration. Each widens what can be reached.
    pub fn widened(&self) -> Vec<&'static str> {
        let switches = [
            (self.allow_insecure_peers, "allow_insecure_peers"),
            (self.allow_private_networks, "allow_private_networks"),
            (!self.allow_private_hosts.is_empty(), "allow_private_hosts"),
            (self.allow_plain_http, "allow_plain_http"),
        ];
        let on = switches.into_iter().filter(|(is_on, _)| *is_on);
        on.map(|(_, name)| name).collect()
    }

    fn judge(&self, host: &str, class: AddressClass, is_tls: bool) -> Result<(), Refusal> {
        let named = || {
            self.allow_private_hosts
                .iter()
                .any(|name| is_host(name, host))
        };
        let host = || host.to_owned();
        match class {
            AddressClass::Forbidden(why) => return Err(Refusal::Never { host: host(), why }),
            AddressClass::Loopback if !self.allow_insecure_peers && !named() => {
                return Err(Refusal::Loopback { host: host() });
            }
            AddressClass::Private if !self.allow_private_networks && !named() => {
                return Err(Refusal::Private { host: host() });
            }
            AddressClass::Public | AddressClass::Loopback | AddressClass::Private => {}
        }
        let is_here = class == AddressClass::Loopback && self.allow_insecure_peers;
        if is_tls || self.allow_plain_http || is_here {
            return Ok(());
        }
        Err(Refusal::Clear { host: host() })
    }
}

/// Whether a name stands for this machine (RFC 6761).
fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether a name of the configuration is this host.
fn is_host(name: &str, host: &str) -> bool {
    let bare = |text: &str| text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    bare(name) == bare(host)
}

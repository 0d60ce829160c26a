//! Addresses that the server calls on somebody's behalf: what their text must be like (OpenIntent rules, section 11.2,
//! as far as they are good for every URL). The text is judged before any URL library sees it: libraries mend what
//! they are given, each in its own way, and a mended address is another one.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use url::{Host, Url};

use super::outbound::{Outbound, Refusal};

/// The longest address, in bytes: what the usual servers take as a request line, and far more than a hook needs.
pub const PEER_URL_MAX_BYTES: usize = 2048;

/// The longest name of a host, in bytes, and the longest of its labels (RFC 1035).
const NAME_MAX_BYTES: usize = 253;
const LABEL_MAX_BYTES: usize = 63;

/// Why a text is not an address that can be called. Shows the host at most: the rest of it may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerUrlFault {
    /// It is too long.
    #[error("the address is longer than {PEER_URL_MAX_BYTES} bytes")]
    TooLong,
    /// It has a character that no URL has.
    #[error(
        "the address has {0:?} in it: use printable ASCII without spaces and backslashes, and A-labels (xn--…) for \
         names in other scripts"
    )]
    Character(char),
    /// It does not begin with a scheme that can be called.
    #[error("the address must begin with https://")]
    Scheme,
    /// It names no host.
    #[error("the address names no host behind `://`")]
    NoHost,
    /// It carries a user name or password.
    #[error("the address must not carry a user name or password: leave out what is before the `@`")]
    UserInfo,
    /// It has a part that is never sent.
    #[error("leave out what is behind the `#`: it is never sent")]
    Fragment,
    /// Its port is none.
    #[error("`{0}` is no port: use 1 to 65535")]
    Port(String),
    /// It is meant to be an IP address, and is spelled in a way that others read otherwise.
    #[error("`{0}` is not an IP address in its plain form, such as 192.0.2.1 or [2001:db8::1]")]
    Literal(String),
    /// It is no name that can be looked up.
    #[error(
        "`{0}` is not a host name: use letters, digits, `-`, `_`, and dots between labels of up to 63 characters"
    )]
    Name(String),
    /// It may not be called.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// An http(s) address that can be called, with a host that is spelled in one way. Whether it may be called is for
/// [`Outbound`] to say, when it is given and again for each connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PeerUrl(Url);

impl PeerUrl {
    /// Reads an address that somebody gives, and judges what can be judged without looking up a name.
    ///
    /// # Errors
    /// When it is malformed, or may not be called.
    pub fn parse(text: &str, outbound: &Outbound) -> Result<Self, PeerUrlFault> {
        let url: Self = text.parse()?;
        outbound.may_name(&url)?;
        Ok(url)
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The address as a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Its scheme, host and port, and nothing of what may be secret.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether it is https.
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Its host, without brackets and in lower case.
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => String::new(),
        }
    }

    /// Its host as it stands in the URL, and its port if that is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Its host, if that is an IP address: those are never looked up.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
        }
    }
}

impl FromStr for PeerUrl {
    type Err = PeerUrlFault;

    /// Reads an address without asking whether it may be called: for those that were judged before they were stored.
    fn from_str(text: &str) -> Result<Self, PeerUrlFault> {
        if text.len() > PEER_URL_MAX_BYTES {
            return Err(PeerUrlFault::TooLong);
        }
        let is_odd = |c: &char| !c.is_ascii_graphic() || *c == '\\';
        if let Some(odd) = text.chars().find(is_odd) {
            return Err(PeerUrlFault::Character(odd));
        }
        let lower = text.to_ascii_lowercase();
        let rest = lower.strip_prefix("https://");
        let rest = rest.or_else(|| lower.strip_prefix("http://"));
        let rest = rest.ok_or(PeerUrlFault::Scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        let host = host_of(authority)?;
        if behind.contains('#') {
            return Err(PeerUrlFault::Fragment);
        }
        let mut url = Url::parse(text).map_err(|_| PeerUrlFault::Name(host.to_string()))?;
        // `kite.example.` is `kite.example`, and certificates are for that.
        url.set_host(Some(&host.to_string()))
            .map_err(|_| PeerUrlFault::Name(host.to_string()))?;
        // The library has to see the host that was judged.
        match url.host() {
            Some(seen) if seen == host => Ok(Self(url)),
            _ => Err(PeerUrlFault::Name(host.to_string())),
        }
    }
}

/// The host of an authority in lower case, whose port is checked too.
fn host_of(authority: &str) -> Result<Host<&str>, PeerUrlFault> {
    if authority.contains('@') {
        return Err(PeerUrlFault::UserInfo);
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (literal, behind) = rest
            .split_once(']')
            .ok_or_else(|| PeerUrlFault::Literal(authority.to_owned()))?;
        match behind.strip_prefix(':') {
            Some(digits) => check_port(digits)?,
            None if behind.is_empty() => {}
            None => return Err(PeerUrlFault::Literal(authority.to_owned())),
        }
        let ip = literal.parse::<Ipv6Addr>();
        return ip
            .map(Host::Ipv6)
            .map_err(|_| PeerUrlFault::Literal(format!("[{literal}]")));
    }
    let host = match authority.split_once(':') {
        Some((host, digits)) => {
            check_port(digits)?;
            host
        }
        None => authority,
    };
    if host.is_empty() {
        return Err(PeerUrlFault::NoHost);
    }
    name_or_ipv4(host)
}

fn check_port(digits: &str) -> Result<(), PeerUrlFault> {
    let is_port = digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u16>().is_ok_and(|port| port > 0);
    let fault = || PeerUrlFault::Port(digits.to_owned());
    is_port.then_some(()).ok_or_else(fault)
}

fn name_or_ipv4(host: &str) -> Result<Host<&str>, PeerUrlFault> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    if is_number(last) {
        // The standard library takes four decimal numbers without leading zeros, and nothing else.
        let ip = host.parse::<Ipv4Addr>();
        return ip
            .map(Host::Ipv4)
            .map_err(|_| PeerUrlFault::Literal(host.to_owned()));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label =
        |label: &str| (1..=LABEL_MAX_BYTES).contains(&label.len()) && label.chars().all(is_plain);
    if name.len() > NAME_MAX_BYTES || !name.split('.').all(is_label) {
        return Err(PeerUrlFault::Name(host.to_owned()));
    }
    Ok(Host::Domain(name))
}

/// Whether a host that ends in this label is taken for an IPv4 address by some program: `1`, `0x7f`, `0x`.
fn is_number(label: &str) -> bool {
    let is_decimal = !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
    let hex = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    is_decimal || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl fmt::Debug for PeerUrl {
    /// The origin alone: a hook's path or query may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerUrl({}/…)", self.origin())
    }
}

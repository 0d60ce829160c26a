//! URLs: how the HTTP, WebSocket and hook addresses of a server follow from each other (spec 3.1), and which may carry
//! a key.

use core::net::IpAddr;

use url::{Host, Url};

/// Why a text is not a server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not parse as a URL.
    #[error("`{0}` is not a URL: {1}")]
    Malformed(String, url::ParseError),
    /// It has another scheme.
    #[error("`{0}` must begin with http://, https://, ws:// or wss://")]
    Scheme(String),
    /// It names no host.
    #[error("`{0}` names no host")]
    NoHost(String),
    /// It carries a user name or password.
    #[error("a server address must not carry a user name or password")]
    UserInfo,
}

/// Why events cannot be forwarded to an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// It is not one that a post can go to.
    #[error("use an address such as https://kite.example/hooks/TEAM/kite")]
    Malformed,
    /// It would send the token, and the events, in the clear.
    #[error("use https; http is for localhost, 127.0.0.0/8 and [::1] alone")]
    Clear,
    /// It carries a user name or password.
    #[error("leave the name and the password out of the address")]
    UserInfo,
    /// It has a part that is never sent.
    #[error("leave out what is behind the `#`: it is never sent")]
    Fragment,
}

/// An address that events may be forwarded to: https, or http to this very machine (spec 14.5).
pub fn forward_target(text: &str) -> Result<Url, TargetFault> {
    let url = Url::parse(text).map_err(|_| TargetFault::Malformed)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetFault::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(TargetFault::Fragment);
    }
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(TargetFault::Malformed),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        "http" => Err(TargetFault::Clear),
        _ => Err(TargetFault::Malformed),
    }
}

/// The HTTP base of a WebSocket or HTTP address: the scheme translated, one trailing `/ws` removed.
pub fn http_base(address: &str) -> Result<String, AddressError> {
    let address: String = address.chars().filter(|c| !c.is_whitespace()).collect();
    let (scheme, rest) = match address.split_once("://") {
        Some(("wss" | "https", rest)) => ("https", rest),
        Some(("ws" | "http", rest)) => ("http", rest),
        _ => return Err(AddressError::Scheme(address)),
    };
    // Without the scheme, since a host may be called `ws`.
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix("/ws").unwrap_or(rest);
    let base = format!("{scheme}://{}", rest.trim_end_matches('/'));
    check(&base)?;
    Ok(base)
}

/// The WebSocket address of a server: the scheme translated, `/ws` appended unless it is there.
pub fn websocket(server: &str) -> Result<String, AddressError> {
    let base = http_base(server)?;
    let translated = match base.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some((_, rest)) => format!("ws://{rest}"),
        None => return Err(AddressError::Scheme(base)),
    };
    Ok(format!("{translated}/ws"))
}

fn check(base: &str) -> Result<(), AddressError> {
    let url = Url::parse(base).map_err(|error| AddressError::Malformed(base.to_owned(), error))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(AddressError::NoHost(base.to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::UserInfo);
    }
    Ok(())
}

/// The origin of an address: scheme (of HTTP), host and port. A key is bound to origins.
pub fn origin(address: &str) -> Result<String, AddressError> {
    let base = http_base(address)?;
    let url = Url::parse(&base).map_err(|error| AddressError::Malformed(base.clone(), error))?;
    Ok(url.origin().ascii_serialization())
}

/// Whether a key may be sent there without TLS: loopback only (spec 3.2).
pub fn is_loopback(address: &str) -> bool {
    match host(address) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether nobody on the internet can reach it: loopback, or an IP address of a network that is not part of it. What a
/// name stands for is not looked up.
pub fn is_inside(address: &str) -> bool {
    let is_inside = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            // RFC 6598: behind a carrier's NAT.
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || first == 0 || is_shared
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    };
    match host(address) {
        Some(Host::Domain(_)) => is_loopback(address),
        Some(Host::Ipv4(ip)) => is_inside(ip.into()),
        Some(Host::Ipv6(ip)) => is_inside(IpAddr::V6(ip).to_canonical()),
        None => false,
    }
}

fn host(address: &str) -> Option<Host> {
    let url = Url::parse(&http_base(address).ok()?).ok()?;
    url.host().map(|host| host.to_owned())
}

/// Whether the address is protected by TLS.
pub fn is_tls(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("wss://")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_loopback_is_loopback() {
        for address in [
            "http://localhost:7700",
            "ws://127.0.0.1/ws",
            "http://127.9.9.9",
            "http://[::1]:1",
        ] {
            assert!(is_loopback(address), "{address}");
        }
        for address in [
            "http://localhost.example",
            "http://10.0.0.1",
            "https://getkite.sh",
            "nonsense",
        ] {
            assert!(!is_loopback(address), "{address}");
        }
    }

    #[test]
    fn what_the_internet_cannot_reach_is_inside() {
        for address in [
            "http://localhost:7700",
            "https://127.0.0.1",
            "https://10.1.2.3",
            "https://172.16.0.1",
            "https://192.168.1.1:8443/kite",
            "https://169.254.1.1",
            "https://100.64.0.1",
            "http://0.0.0.0:7700",
            "http://[::]:7700",
            "http://[::1]:7700",
            "https://[fd00::1]",
            "https://[fe80::1]",
            "https://[::ffff:10.0.0.1]",
        ] {
            assert!(is_inside(address), "{address}");
        }
        for address in [
            "https://hooks.example.com",
            "http://203.0.113.7",
            "https://172.32.0.1",
            "https://100.128.0.1",
            "https://[2001:db8::1]",
            "https://localhost.example",
        ] {
            assert!(!is_inside(address), "{address}");
        }
    }

    #[test]
    fn events_are_forwarded_over_tls_or_within_this_machine() {
        for address in [
            "https://kite.example/hooks/t/kite?a=b",
            "https://10.0.0.1:7443/",
            "http://localhost:7700/hooks/t/kite",
            "http://127.9.9.9/",
            "http://[::1]:1/",
        ] {
            assert!(forward_target(address).is_ok(), "{address}");
        }
        for (address, fault) in [
            ("http://kite.example/", TargetFault::Clear),
            ("http://10.0.0.1/", TargetFault::Clear),
            ("http://localhost.example/", TargetFault::Clear),
            ("http://[::ffff:127.0.0.1]/", TargetFault::Clear),
            ("https://user@kite.example/", TargetFault::UserInfo),
            ("http://:pw@localhost/", TargetFault::UserInfo),
            ("https://kite.example/#part", TargetFault::Fragment),
            ("wss://kite.example/", TargetFault::Malformed),
            ("file:///etc/passwd", TargetFault::Malformed),
            ("kite.example", TargetFault::Malformed),
            ("", TargetFault::Malformed),
        ] {
            assert_eq!(forward_target(address), Err(fault), "{address}");
        }
    }

    #[test]
    fn origins_of_http_and_websocket_addresses_agree() {
        assert_eq!(
            origin("wss://api.getkite.sh/ws"),
            origin("https://api.getkite.sh:443/x")
        );
        assert_ne!(
            origin("https://getkite.sh"),
            origin("https://api.getkite.sh")
        );
        assert!(origin("https://user:pw@getkite.sh").is_err());
        assert!(http_base("https://").is_err());
    }

    #[test]
    fn a_host_may_be_called_as_the_path_is() {
        assert_eq!(http_base("ws://ws").unwrap(), "http://ws");
        assert_eq!(websocket("http://ws/").unwrap(), "ws://ws/ws");
        assert_eq!(http_base("ws://ws/ws/").unwrap(), "http://ws");
    }

    proptest! {
        #[test]
        fn all_forms_of_an_address_lead_to_one_server(
            address in "(http|https|ws|wss|ftp)://?([a-z@.]{0,6}|ws|localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]{1,5})?(/|/ws|/[a-z?#%]{0,3}){0,3}",
        ) {
            if let Ok(base) = http_base(&address) {
                let socket = websocket(&address).unwrap();
                prop_assert_eq!(http_base(&socket).unwrap(), base);
                prop_assert_eq!(origin(&socket), origin(&address));
                prop_assert_eq!(is_loopback(&socket), is_loopback(&address));
                prop_assert!(!is_loopback(&address) || is_inside(&address));
            }
        }
    }
}

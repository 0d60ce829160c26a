//! Which URLs a server may call on somebody's behalf, judged by their text (spec 11.2).
//!
//! The text is judged as it came: a library that reads URLs would mend hostile ones first, and another one would mend
//! them to something else. What a name stands for is judged when it is looked up, by
//! [`AddressClass`](crate::protocol::address_class::AddressClass).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::protocol::address_class::AddressClass;

/// The longest name of a host, in characters.
const NAME_MAX: usize = 253;

/// The longest label of a name, in characters.
const LABEL_MAX: usize = 63;

/// Names that stand for machines of one's own, and all below them.
const OWN_NAMES: [&str; 5] = ["localhost", "local", "localdomain", "internal", "home.arpa"];

/// Why a URL is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallableFault {
    /// A character that no URL has, or that readers of URLs do not agree about.
    #[error("it has a space, a control character, a backslash or a character outside of ASCII")]
    Character,
    /// It is no URL of the web.
    #[error("it must begin with http:// or https://")]
    Scheme,
    /// There is nobody to call.
    #[error("it names no host")]
    NoHost,
    /// Names and passwords hide the host.
    #[error("it has a user name or a password")]
    UserInfo,
    /// The port is no port.
    #[error("its port must be a number from 1 to 65535")]
    Port,
    /// The host is no name and no address.
    #[error("its host is neither a name nor a plain address")]
    Host,
    /// An address of IPv4 in another than the plain form.
    #[error("its address must be four decimal numbers")]
    OddAddress,
    /// An address that is not the internet's.
    #[error("its address is not a public one")]
    Address,
    /// A name that is not the internet's.
    #[error("its host is not a public name")]
    Name,
}

/// Judges a URL by its text, exactly as it was given. `is_exempt` says of a host (in lower case, without brackets and without
/// a dot at its end) whether the operator has let it through: then neither its name nor its address is judged.
///
/// A fine URL may still lead to a bad address, which only a lookup tells.
///
/// ```
/// use kite::openintent::callable::{CallableFault, check};
///
/// let nobody = |_: &str| false;
/// assert_eq!(check("https://partner.example.com/callback", &nobody), Ok(()));
/// assert_eq!(check("http://127.1", &nobody), Err(CallableFault::OddAddress));
/// assert_eq!(check("http://127.0.0.1:8000", &|host| host == "127.0.0.1"), Ok(()));
/// ```
///
/// # Errors
/// When it must not be called; why.
pub fn check(url: &str, is_exempt: &dyn Fn(&str) -> bool) -> Result<(), CallableFault> {
    if !url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err(CallableFault::Character);
    }
    let (scheme, rest) = url.split_once("://").ok_or(CallableFault::Scheme)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(CallableFault::Scheme);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(CallableFault::NoHost);
    }
    if authority.contains('@') {
        return Err(CallableFault::UserInfo);
    }
    match authority.strip_prefix('[') {
        Some(bracketed) => check_bracketed(bracketed, is_exempt),
        None => check_plain(authority, is_exempt),
    }
}

/// What [`check`] says with no exceptions, under the name that the SDK has for it.
///
/// ```
/// use kite::openintent::callable::validate_ssrf;
///
/// assert!(validate_ssrf("https://partner.example.com"));
/// assert!(!validate_ssrf("http://localhost:8000"));
/// assert!(!validate_ssrf("http://169.254.169.254/metadata"));
/// ```
pub fn validate_ssrf(url: &str) -> bool {
    check(url, &|_| false).is_ok()
}

/// An address of IPv6 behind its opening bracket, with a port or without.
fn check_bracketed(text: &str, is_exempt: &dyn Fn(&str) -> bool) -> Result<(), CallableFault> {
    let (host, port) = text.split_once(']').ok_or(CallableFault::Host)?;
    match port.strip_prefix(':') {
        Some(port) => check_port(port)?,
        None if port.is_empty() => {}
        None => return Err(CallableFault::Port),
    }
    let address: Ipv6Addr = host.parse().map_err(|_| CallableFault::Host)?;
    match is_exempt(&host.to_ascii_lowercase()) {
        true => Ok(()),
        false => check_address(address.into()),
    }
}

/// A name or an address of IPv4, with a port or without.
fn check_plain(authority: &str, is_exempt: &dyn Fn(&str) -> bool) -> Result<(), CallableFault> {
    let host = match authority.split_once(':') {
        None => authority,
        Some((host, port)) => {
            check_port(port)?;
            host
        }
    };
    if host.is_empty() {
        return Err(CallableFault::NoHost);
    }
    let undotted = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let labels: Vec<&str> = undotted.split('.').collect();
    if undotted.contains('%') || labels.contains(&"") {
        return Err(CallableFault::Host);
    }
    if is_exempt(&undotted) {
        return Ok(());
    }
    match labels.last() {
        Some(last) if is_number(last) => check_ipv4(host),
        _ => check_name(&undotted, &labels),
    }
}

fn check_port(port: &str) -> Result<(), CallableFault> {
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if is_number => Ok(()),
        _ => Err(CallableFault::Port),
    }
}

/// Whether some reader of URLs takes a label for a number, and so the whole host for an address of IPv4.
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Any literal in 172/8 is refused, as the reference has it, though most of it is public.
fn check_ipv4(host: &str) -> Result<(), CallableFault> {
    // The standard library reads the plain form alone.
    let address: Ipv4Addr = host.parse().map_err(|_| CallableFault::OddAddress)?;
    match address.octets() {
        [172, ..] => Err(CallableFault::Address),
        _ => check_address(address.into()),
    }
}

fn check_address(address: IpAddr) -> Result<(), CallableFault> {
    match AddressClass::of(address) {
        AddressClass::Public => Ok(()),
        _ => Err(CallableFault::Address),
    }
}

fn check_name(name: &str, labels: &[&str]) -> Result<(), CallableFault> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &&str| label.len() <= LABEL_MAX && label.bytes().all(is_plain);
    if name.len() > NAME_MAX || !labels.iter().all(is_label) {
        return Err(CallableFault::Host);
    }
    let is_below = |own: &&str| {
        let above = name.strip_suffix(*own);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    match labels.len() == 1 || OWN_NAMES.iter().any(is_below) {
        true => Err(CallableFault::Name),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::{Host, Url};

    use super::*;

    #[test]
    fn names_have_a_longest_form() {
        let label = "a".repeat(LABEL_MAX);
        assert!(validate_ssrf(&format!("https://{label}.example")));
        assert!(!validate_ssrf(&format!("https://{label}a.example")));
        let name = [label.as_str(); 3].join(".") + "." + &"b".repeat(61);
        assert_eq!(name.len(), NAME_MAX);
        assert!(validate_ssrf(&format!("https://{name}")));
        assert!(!validate_ssrf(&format!("https://{name}b")));
    }

    #[test]
    fn an_exception_is_one_for_the_host_alone() {
        let check = |url: &str| check(url, &|host| host == "mesh" || host == "::1");
        assert_eq!(check("http://MESH.:8080/x"), Ok(()));
        assert_eq!(check("http://[::1]"), Ok(()));
        assert_eq!(check("http://mesh:0"), Err(CallableFault::Port));
        assert_eq!(check("http://user@mesh"), Err(CallableFault::UserInfo));
        assert_eq!(check("http://other"), Err(CallableFault::Name));
        assert_eq!(check("ftp://mesh"), Err(CallableFault::Scheme));
    }

    proptest! {
        /// Whatever the text, a reader of URLs sees the host that was judged.
        #[test]
        fn what_is_fine_leads_nowhere_else(
            url in "https?://([a-z0-9.:@/\\\\%\\[\\]x-]{1,20}|[ -~]{1,20}|[0-9.x]{1,15}|\\[[0-9a-f:.]{2,20}\\])"
        ) {
            if validate_ssrf(&url) {
                let read = Url::parse(&url).unwrap();
                prop_assert!(read.username().is_empty() && read.password().is_none());
                match read.host().unwrap() {
                    Host::Ipv4(ip) => prop_assert_eq!(AddressClass::of(ip.into()), AddressClass::Public),
                    Host::Ipv6(ip) => prop_assert_eq!(AddressClass::of(ip.into()), AddressClass::Public),
                    Host::Domain(name) => {
                        let given = url.to_ascii_lowercase();
                        let (_, given) = given.split_once("://").unwrap();
                        prop_assert!(given.starts_with(name), "{} {}", url, name);
                    }
                }
            }
        }
    }
}

//! Which network an IP address is of, as far as it matters to whoever calls it on somebody's behalf
//! (OpenIntent rules, section 11.3).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of network an address is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// The internet.
    Public,
    /// This machine.
    Loopback,
    /// A network of somebody's own: RFC 1918, RFC 4193.
    Private,
    /// Nothing that may be called, whatever the switches; why.
    Forbidden(&'static str),
}

use AddressClass::{Forbidden, Loopback, Private, Public};

/// What a cloud tells its own machines goes to nobody else: credentials are among it.
const METADATA: &str = "a cloud's metadata service";
const LINK_LOCAL: &str = "a link-local address, where clouds keep their metadata";
const DOCUMENTATION: &str = "an address for documentation";
const EMBEDDED: &str = "another address in disguise";
const RESERVED: &str = "a reserved address";

/// The networks of IPv4 that are not the internet: address, length of the prefix, class.
const V4: &[(Ipv4Addr, u32, AddressClass)] = &[
    (
        Ipv4Addr::new(0, 0, 0, 0),
        8,
        Forbidden("an address of no machine"),
    ),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Private),
    // Also where one cloud keeps its metadata (100.100.100.200).
    (
        Ipv4Addr::new(100, 64, 0, 0),
        10,
        Forbidden("an address behind a carrier's NAT"),
    ),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Loopback),
    (Ipv4Addr::new(168, 63, 129, 16), 32, Forbidden(METADATA)),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Forbidden(LINK_LOCAL)),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Forbidden(RESERVED)),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Forbidden(DOCUMENTATION)),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Forbidden(EMBEDDED)),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Private),
    (
        Ipv4Addr::new(198, 18, 0, 0),
        15,
        Forbidden("an address for benchmarks"),
    ),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Forbidden(DOCUMENTATION)),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Forbidden(DOCUMENTATION)),
    (
        Ipv4Addr::new(224, 0, 0, 0),
        4,
        Forbidden("a multicast address"),
    ),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Forbidden(RESERVED)),
];

/// The networks of IPv6, the most exact first. What is in none of them is reserved.
const V6: &[(Ipv6Addr, u32, AddressClass)] = &[
    (Ipv6Addr::LOCALHOST, 128, Loopback),
    // Private by their prefix, and metadata all the same.
    (
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0),
        32,
        Forbidden(METADATA),
    ),
    (
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0),
        32,
        Forbidden(METADATA),
    ),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Private),
    (
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
        10,
        Forbidden(LINK_LOCAL),
    ),
    (
        Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0),
        8,
        Forbidden("a multicast address"),
    ),
    // IPv4-mapped and IPv4-compatible; 0::/96 holds `::` too.
    (
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),
        96,
        Forbidden(EMBEDDED),
    ),
    (
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0),
        96,
        Forbidden(EMBEDDED),
    ),
    (
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0),
        32,
        Forbidden(EMBEDDED),
    ),
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        Forbidden(EMBEDDED),
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        Forbidden(DOCUMENTATION),
    ),
    (
        Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),
        16,
        Forbidden(EMBEDDED),
    ),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        Forbidden(DOCUMENTATION),
    ),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Public),
];

impl AddressClass {
    /// The class of an address.
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => {
                let is_in = |network: Ipv4Addr, len: u32| {
                    (ip.to_bits() ^ network.to_bits()) >> (32 - len) == 0
                };
                let known = V4.iter().find(|(network, len, _)| is_in(*network, *len));
                known.map_or(Public, |(_, _, class)| *class)
            }
            IpAddr::V6(ip) => {
                let is_in = |network: Ipv6Addr, len: u32| {
                    (ip.to_bits() ^ network.to_bits()) >> (128 - len) == 0
                };
                let known = V6.iter().find(|(network, len, _)| is_in(*network, *len));
                known.map_or(Forbidden(RESERVED), |(_, _, class)| *class)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str) -> AddressClass {
        AddressClass::of(text.parse().unwrap())
    }

    #[test]
    fn every_network_has_its_class_from_its_first_address_to_its_last() {
        for (first, last, class_word) in [
            ("0.0.0.0", "0.255.255.255", "forbidden"),
            ("1.0.0.0", "9.255.255.255", "public"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("11.0.0.0", "100.63.255.255", "public"),
            ("100.64.0.0", "100.127.255.255", "forbidden"),
            ("100.128.0.0", "126.255.255.255", "public"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("128.0.0.0", "168.63.129.15", "public"),
            ("168.63.129.16", "168.63.129.16", "forbidden"),
            ("168.63.129.17", "169.253.255.255", "public"),
            ("169.254.0.0", "169.254.255.255", "forbidden"),
            ("169.255.0.0", "172.15.255.255", "public"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("172.32.0.0", "191.255.255.255", "public"),
            ("192.0.0.0", "192.0.0.255", "forbidden"),
            ("192.0.1.0", "192.0.1.255", "public"),
            ("192.0.2.0", "192.0.2.255", "forbidden"),
            ("192.0.3.0", "192.88.98.255", "public"),
            ("192.88.99.0", "192.88.99.255", "forbidden"),
            ("192.88.100.0", "192.167.255.255", "public"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("192.169.0.0", "198.17.255.255", "public"),
            ("198.18.0.0", "198.19.255.255", "forbidden"),
            ("198.20.0.0", "198.51.99.255", "public"),
            ("198.51.100.0", "198.51.100.255", "forbidden"),
            ("198.51.101.0", "203.0.112.255", "public"),
            ("203.0.113.0", "203.0.113.255", "forbidden"),
            ("203.0.114.0", "223.255.255.255", "public"),
            ("224.0.0.0", "255.255.255.255", "forbidden"),
            ("::", "::", "forbidden"),
            ("::1", "::1", "loopback"),
            (
                "::2",
                "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "forbidden",
            ),
            (
                "2000::",
                "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "public",
            ),
            (
                "2001::",
                "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                "forbidden",
            ),
            (
                "2001:200::",
                "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
                "public",
            ),
            (
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                "forbidden",
            ),
            (
                "2001:db9::",
                "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "public",
            ),
            (
                "2002::",
                "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "forbidden",
            ),
            (
                "2003::",
                "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "public",
            ),
            (
                "3fff::",
                "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                "forbidden",
            ),
            (
                "3fff:1000::",
                "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "public",
            ),
            (
                "4000::",
                "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "forbidden",
            ),
            (
                "fc00::",
                "fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff",
                "private",
            ),
            ("fd00:ec2::", "fd00:ec2::254", "forbidden"),
            (
                "fd00:ec3::",
                "fd20:cd:ffff:ffff:ffff:ffff:ffff:ffff",
                "private",
            ),
            ("fd20:ce::", "fd20:ce::254", "forbidden"),
            (
                "fd20:cf::",
                "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "private",
            ),
            (
                "fe00::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "forbidden",
            ),
        ] {
            for address in [first, last] {
                let found = match class(address) {
                    Public => "public",
                    Loopback => "loopback",
                    Private => "private",
                    Forbidden(_) => "forbidden",
                };
                assert_eq!(found, class_word, "{address}");
            }
        }
    }

    proptest! {
        /// The standard library's own judgement, where it has one.
        #[test]
        fn nothing_that_the_standard_library_knows_as_special_is_public(bits: u32, high: u64, low: u64) {
            let v4 = Ipv4Addr::from_bits(bits);
            let is_special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
                || v4.is_documentation() || v4.is_unspecified() || v4.is_multicast();
            prop_assert!(!is_special || AddressClass::of(v4.into()) != Public);
            let v6 = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
            let is_special = v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_multicast()
                || v6.is_loopback() || v6.to_ipv4().is_some();
            prop_assert!(!is_special || AddressClass::of(v6.into()) != Public);
        }

        #[test]
        fn an_ipv4_address_inside_of_an_ipv6_one_is_never_called(bits: u32) {
            let [a, b, c, d] = Ipv4Addr::from_bits(bits).octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for hidden in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
            ] {
                prop_assert!(matches!(AddressClass::of(hidden.into()), Forbidden(_)), "{}", hidden);
            }
        }
    }
}

//! How much may come within a window of time: failures and logins from an address, and what the operator limits.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::request::Parts;

use super::error::ApiError;
use super::listen::Peer;
use crate::protocol::id::TeamId;
use crate::store::federation::PeerNumber;
use crate::store::record::Millis;

/// How many names are counted. Beyond it further ones are not: a flood from everywhere is nothing that a count per
/// name could stop.
const NAMES_MAX: usize = 50_000;

/// Counts per name, in fixed windows.
pub(super) struct Windows<K> {
    window_millis: Millis,
    current: Mutex<Window<K>>,
}

struct Window<K> {
    number: i64,
    counts: HashMap<K, u32>,
}

impl<K: Hash + Eq> Windows<K> {
    /// Windows of this length.
    pub(super) fn of(length: Duration) -> Self {
        let millis = Millis::try_from(length.as_millis()).unwrap_or(Millis::MAX);
        let current = Window {
            number: 0,
            counts: HashMap::new(),
        };
        Self {
            window_millis: millis.max(1),
            current: Mutex::new(current),
        }
    }

    /// Counts one more; once there are more than `max`, how many seconds are left of the window.
    fn count(&self, name: K, now: Millis, max: u32) -> Result<(), u64> {
        self.count_all(name, now, max, 1)
    }

    /// As [`Self::count`], for several at a time. Those that are refused do not count: what fits may still come.
    fn count_all(&self, name: K, now: Millis, max: u32, several: u32) -> Result<(), u64> {
        let mut window = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.div_euclid(self.window_millis);
        if window.number != number {
            window.number = number;
            window.counts.clear();
        }
        if window.counts.len() >= NAMES_MAX && !window.counts.contains_key(&name) {
            return Ok(());
        }
        let count = window.counts.entry(name).or_default();
        let counted = count.saturating_add(several);
        if counted <= max {
            *count = counted;
            return Ok(());
        }
        let left = self.window_millis - now.rem_euclid(self.window_millis);
        Err(u64::try_from(left / 1000 + 1).unwrap_or(1))
    }
}

/// What counts as one address: of IPv6 the network of a household, since whoever has one has 2⁶⁴ addresses.
pub(super) fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let network = v6.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

/// Attempts per address and minute.
pub(super) struct PerMinute(Windows<IpAddr>);

impl Default for PerMinute {
    fn default() -> Self {
        Self(Windows::of(Duration::from_secs(60)))
    }
}

impl PerMinute {
    /// Counts one more; 429 once there are more than `max`.
    pub(super) fn count(
        &self,
        peer: Option<IpAddr>,
        now: Millis,
        max: u32,
    ) -> Result<(), ApiError> {
        let Some(peer) = peer else { return Ok(()) };
        let too_many = |left| ApiError::rate_limited("too many attempts from this address", left);
        self.0.count(household(peer), now, max).map_err(too_many)
    }
}

/// How much may be sent in, for each node. What is none is not limited.
#[derive(Debug, Clone)]
pub struct RateLimits {
    /// How long a window is.
    pub window: Duration,
    /// Events for each team.
    pub team: Option<u32>,
    /// Events with each API key.
    pub key: Option<u32>,
    /// Events from each address.
    pub address: Option<u32>,
    /// Events altogether.
    pub server: Option<u32>,
}

impl Default for RateLimits {
    /// None, and windows of a minute (spec 3.3).
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            team: None,
            key: None,
            address: None,
            server: None,
        }
    }
}

/// Who sends events in.
pub(super) struct Sender<'a> {
    /// From where.
    pub(super) peer: Option<IpAddr>,
    /// For which team.
    pub(super) team: &'a TeamId,
    /// The public part of the API key, if it is one that lets them in.
    pub(super) key: Option<&'a str>,
}

impl<'a> Sender<'a> {
    /// The sender of a request.
    pub(super) fn of(parts: &Parts, team: &'a TeamId, key: Option<&'a str>) -> Self {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        Self { peer, team, key }
    }
}

/// Counts what is sent in, as far as it is limited.
pub(super) struct Rates {
    limits: RateLimits,
    teams: Windows<TeamId>,
    keys: Windows<String>,
    addresses: Windows<IpAddr>,
    server: Windows<()>,
    peers: Windows<PeerNumber>,
}

impl Rates {
    /// Nothing is counted yet.
    pub(super) fn new(limits: RateLimits) -> Self {
        let window = limits.window;
        Self {
            limits,
            teams: Windows::of(window),
            keys: Windows::of(window),
            addresses: Windows::of(window),
            server: Windows::of(window),
            peers: Windows::of(Duration::from_secs(1)),
        }
    }

    /// What is too much.
    pub(super) fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Counts an event of a peer, which may send so many a second (spec 14.3).
    pub(super) fn admit_peer(
        &self,
        peer: PeerNumber,
        max_per_sec: u32,
        now: Millis,
    ) -> Result<(), ApiError> {
        self.peers.count(peer, now, max_per_sec).map_err(|left| {
            let text = format!("more than {max_per_sec} events of this peer in a second");
            ApiError::rate_limited(text, left)
        })
    }

    /// Counts events of somebody who may send; 429 where they were too many.
    pub(super) fn admit(
        &self,
        sender: &Sender<'_>,
        events: usize,
        now: Millis,
    ) -> Result<(), ApiError> {
        let Sender { peer, team, key } = sender;
        let several = u32::try_from(events).unwrap_or(u32::MAX);
        let limits = &self.limits;
        if let (Some(max), Some(peer)) = (limits.address, *peer) {
            let counted = self.addresses.count_all(household(peer), now, max, several);
            check("from this address", max, counted)?;
        }
        if let (Some(max), Some(key)) = (limits.key, *key) {
            let counted = self.keys.count_all(key.to_owned(), now, max, several);
            check("with this API key", max, counted)?;
        }
        if let Some(max) = limits.team {
            let counted = self.teams.count_all((*team).clone(), now, max, several);
            check("of this team", max, counted)?;
        }
        if let Some(max) = limits.server {
            let counted = self.server.count_all((), now, max, several);
            check("on this server", max, counted)?;
        }
        Ok(())
    }
}

fn check(whose: &str, max: u32, counted: Result<(), u64>) -> Result<(), ApiError> {
    counted.map_err(|left| {
        let text = format!("more than {max} events {whose} in a window: again in {left} s");
        ApiError::rate_limited(text, left)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_until_the_next_window() {
        let counted = Windows::of(Duration::from_secs(60));
        let is_fine = |name: u8, now| counted.count(name, now, 2).is_ok();
        assert!(is_fine(1, 5_000) && is_fine(1, 5_000));
        assert!(!is_fine(1, 59_999));
        assert!(is_fine(2, 59_999));
        assert!(is_fine(1, 60_000));
        assert_eq!(counted.count(1, 60_500, 1), Err(60));
    }

    #[test]
    fn a_batch_that_is_too_much_leaves_the_window_to_others() {
        let counted = Windows::of(Duration::from_secs(60));
        assert!(counted.count_all("acme", 0, 10, 11).is_err());
        assert!(counted.count_all("acme", 0, 10, 9).is_ok());
        assert!(counted.count_all("acme", 0, 10, 2).is_err());
        assert!(counted.count("acme", 0, 10).is_ok());
        assert!(counted.count("acme", 0, 10).is_err());
    }

    #[test]
    fn a_household_of_ipv6_counts_as_one_address() {
        let counted = PerMinute::default();
        let count = |address: &str| counted.count(Some(address.parse().unwrap()), 0, 2);
        assert!(count("2001:db8:0:1::1").is_ok());
        assert!(count("2001:db8:0:1:ffff::2").is_ok());
        assert!(count("2001:db8:0:1::3").is_err());
        assert!(count("2001:db8:0:2::1").is_ok());
        for last in 1..4 {
            assert!(count(&format!("192.0.2.{last}")).is_ok());
        }
    }

    #[test]
    fn a_peer_may_send_so_much_in_each_second() {
        let rates = Rates::new(RateLimits::default());
        let admit = |peer, now| rates.admit_peer(peer, 2, now);
        assert!(admit(1, 0).is_ok() && admit(1, 999).is_ok() && admit(2, 999).is_ok());
        assert_eq!(admit(1, 999).unwrap_err().retry_after_secs(), Some(1));
        assert!(admit(1, 1_000).is_ok());
    }

    #[test]
    fn each_limit_counts_for_itself() {
        let parts = || {
            let mut parts = axum::http::Request::new(()).into_parts().0;
            parts.extensions.insert(Peer(IpAddr::from([127, 0, 0, 1])));
            parts
        };
        let team = |name: &str| name.parse::<TeamId>().unwrap();
        let rates = Rates::new(RateLimits {
            team: Some(2),
            key: Some(1),
            server: Some(3),
            ..RateLimits::default()
        });
        let admit = |name: &str, key| {
            let team = team(name);
            rates.admit(&Sender::of(&parts(), &team, key), 1, 0)
        };
        assert!(admit("acme", Some("one")).is_ok());
        let twice = admit("acme", Some("one")).unwrap_err();
        assert!(twice.text().contains("this API key"), "{}", twice.text());
        assert!(admit("acme", None).is_ok());
        let third = admit("acme", None).unwrap_err();
        assert!(third.text().contains("this team"), "{}", third.text());
        assert!(admit("rival", None).is_ok());
        let all = admit("rival", None).unwrap_err();
        assert!(all.text().contains("this server"), "{}", all.text());
    }
}

//! Forwarding an event from one instance to another: where it has been, whether it may go on, what the next one gets
//! (spec 14.2).

use super::event::{Event, Extension, TO_INSTANCE, is_of_one_instance};
use super::glob::{GLOB_MAX_CHARS, Glob};
use super::id::InstanceId;
use super::mac::Mac;

/// How far an event goes unless told otherwise (spec 14.1, 14.5).
pub const MAX_HOPS: u64 = 3;

const ORIGIN: &str = "kitefedorigin";
const CHAIN: &str = "kitefedchain";
pub(super) const HOPS: &str = "kitefedhops";

/// What means something on the instance that forwards, and on no other.
const LOCAL: [&str; 2] = ["kiteseq", TO_INSTANCE];

/// Why nobody can say where an event has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProvenanceFault {
    /// The origin is no text.
    #[error("`{ORIGIN}` must be a string")]
    Origin,
    /// The chain is something else.
    #[error("`{CHAIN}` must be a string that holds a JSON array of strings")]
    Chain,
    /// The hops are something else.
    #[error("`{HOPS}` must be an integer that is not negative")]
    Hops,
}

/// Where an event has been.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The instance that it began at; none for an event of this one.
    pub origin: Option<String>,
    /// The instances that have forwarded it, in their order.
    pub chain: Vec<String>,
    /// How often it was forwarded, as it says itself.
    pub hops: u64,
}

/// Why an event is not forwarded. That is no fault of anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// It has been there.
    #[error("`{0}` is in its chain already")]
    Loop(String),
    /// It has come far enough.
    #[error("it was forwarded {hops} times; {max_hops} is the limit")]
    TooFar {
        /// How often it was forwarded.
        hops: u64,
        /// How often it may be.
        max_hops: u64,
    },
    /// It tells of this instance alone, as of its quota.
    #[error("it tells of its own instance alone")]
    Own,
}

impl Provenance {
    /// Reads what an event says of itself.
    pub fn of(event: &Event) -> Result<Self, ProvenanceFault> {
        Ok(Self {
            origin: origin(event.extensions.get(ORIGIN))?,
            chain: chain(event.extensions.get(CHAIN))?,
            hops: hops(event.extensions.get(HOPS))?,
        })
    }

    /// Why an event of this type goes no further: one of these instances has had it, it has come too far, or it is
    /// nothing to others.
    pub fn decline(&self, kind: &str, instances: &[&str], max_hops: u64) -> Option<Declined> {
        if is_of_one_instance(kind) && self.distance() == 0 {
            return Some(Declined::Own);
        }
        let had = |id: &&&str| self.chain.iter().any(|link| link == *id);
        if let Some(id) = instances.iter().find(had) {
            return Some(Declined::Loop((*id).to_owned()));
        }
        let hops = self.distance();
        (hops >= max_hops).then_some(Declined::TooFar { hops, max_hops })
    }

    /// Why an event that comes in from a peer is dropped: it was here before, or has come further than that peer's events
    /// may (spec 14.3).
    pub fn refuse(&self, own_id: &str, max_hops: u64) -> Option<Declined> {
        let is_own = |id: &String| id == own_id;
        if self.origin.as_ref().is_some_and(is_own) || self.chain.iter().any(is_own) {
            return Some(Declined::Loop(own_id.to_owned()));
        }
        let hops = self.distance();
        (hops > max_hops).then_some(Declined::TooFar { hops, max_hops })
    }

    /// How far it has come. Either number may be the smaller one, where somebody on the way did not count.
    fn distance(&self) -> u64 {
        self.hops.max(self.chain.len() as u64)
    }

    /// The instance that it came from last; none for an event of this one.
    pub fn last(mut self) -> Option<String> {
        self.chain.pop()
    }

    /// The event as the next instance gets it from this one. `data` is the text that came in.
    pub fn forward(self, event: &Event, own_id: &InstanceId) -> Event {
        let own_id = own_id.as_str().to_owned();
        let origin = self.origin.unwrap_or_else(|| own_id.clone());
        let chain: Vec<String> = self.chain.into_iter().chain([own_id]).collect();
        let hops = i64::try_from(self.hops.saturating_add(1)).unwrap_or(i64::MAX);
        let mut event = event.clone();
        for name in LOCAL {
            event.extensions.remove(name);
        }
        event.extensions.extend([
            (ORIGIN.to_owned(), Extension::Text(origin)),
            (CHAIN.to_owned(), Extension::Text(array(&chain))),
            (HOPS.to_owned(), Extension::Number(hops)),
        ]);
        event
    }
}

/// Which types of events a peer gets (spec 14.4). None at all where there is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeScopes {
    patterns: Vec<String>,
    globs: Vec<Glob>,
}

/// How many patterns a peer may have.
pub const TYPE_SCOPES_MAX: usize = 100;

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeScopeFault {
    /// Somebody used the grammar of subscriptions.
    #[error(
        "`{0}` has a colon: a peer's scopes are patterns of types such as `stripe.*`, not `source:stripe`"
    )]
    Colon(String),
    /// No type has them.
    #[error("a scope must not contain control characters")]
    Control,
    /// Too long.
    #[error("a scope has more than {GLOB_MAX_CHARS} characters")]
    TooLong,
    /// Too many.
    #[error("there are more than {TYPE_SCOPES_MAX} scopes")]
    TooMany,
}

impl TypeScopes {
    /// Reads patterns.
    pub fn parse(patterns: Vec<String>) -> Result<Self, TypeScopeFault> {
        if patterns.len() > TYPE_SCOPES_MAX {
            return Err(TypeScopeFault::TooMany);
        }
        let glob = |pattern: &String| {
            if pattern.contains(char::is_control) {
                return Err(TypeScopeFault::Control);
            }
            match pattern.contains(':') {
                true => Err(TypeScopeFault::Colon(pattern.clone())),
                false => Glob::new(pattern).ok_or(TypeScopeFault::TooLong),
            }
        };
        let globs = patterns.iter().map(glob).collect::<Result<_, _>>()?;
        Ok(Self { patterns, globs })
    }

    /// The patterns, as they were given.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether a type is among them, as it stands or without a leading `com.`.
    pub fn match_type(&self, kind: &str) -> bool {
        let short = kind.strip_prefix("com.");
        self.globs
            .iter()
            .any(|glob| glob.matches(kind) || short.is_some_and(|short| glob.matches(short)))
    }
}

/// A peer, as far as it matters for what is forwarded to it.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The id that it puts into chains.
    pub instance_id: &'a str,
    /// What it gets.
    pub scopes: &'a TypeScopes,
    /// How far an event may have come when it gets there.
    pub max_hops: u64,
}

/// How an event travels between instances: what its forwarding is decided by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transit {
    /// Where it has been.
    pub provenance: Provenance,
    /// The id of the one instance that it is for ([`TO_INSTANCE`]).
    pub to_instance: Option<String>,
}

impl Transit {
    /// What an event says of its way. What cannot be read was refused on the way in.
    pub fn of(event: &Event) -> Self {
        Self {
            provenance: Provenance::of(event).unwrap_or_default(),
            to_instance: event.extension(TO_INSTANCE).map(str::to_owned),
        }
    }

    /// Whether an event of this type goes to a peer: yes, `None` where nobody asked for that, or why not although
    /// somebody did (spec 14.2).
    pub fn judge(
        &self,
        kind: &str,
        own_id: &str,
        peer: Destination<'_>,
    ) -> Option<Result<(), Declined>> {
        let is_for_it = |to: &String| to == peer.instance_id;
        if !self.to_instance.as_ref().is_none_or(is_for_it) || !peer.scopes.match_type(kind) {
            return None;
        }
        let instances = [peer.instance_id, own_id];
        match self.provenance.decline(kind, &instances, peer.max_hops) {
            // Nobody can want it.
            Some(Declined::Own) => None,
            Some(declined) => Some(Err(declined)),
            None => Some(Ok(())),
        }
    }
}

fn array(texts: &[String]) -> String {
    // Strings always serialise.
    serde_json::to_string(texts).unwrap_or_default()
}

fn origin(value: Option<&Extension>) -> Result<Option<String>, ProvenanceFault> {
    match value {
        None => Ok(None),
        Some(Extension::Text(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(ProvenanceFault::Origin),
    }
}

fn chain(value: Option<&Extension>) -> Result<Vec<String>, ProvenanceFault> {
    match value {
        None => Ok(Vec::new()),
        Some(Extension::Text(text)) => {
            serde_json::from_str(text).map_err(|_| ProvenanceFault::Chain)
        }
        Some(_) => Err(ProvenanceFault::Chain),
    }
}

/// An integer; some senders write it as a string of digits.
fn hops(value: Option<&Extension>) -> Result<u64, ProvenanceFault> {
    let hops = match value {
        None => Some(0),
        Some(Extension::Number(number)) => u64::try_from(*number).ok(),
        Some(Extension::Text(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()
        }
        Some(_) => None,
    };
    hops.ok_or(ProvenanceFault::Hops)
}

/// The headers that a body is posted with: the token that opens the other instance's hook, and the body's HMAC under it.
pub fn headers(token: &str, body: &[u8]) -> [(&'static str, String); 3] {
    let digits = Mac::sha256(token.as_bytes(), &[body]).to_hex();
    [
        ("authorization", format!("Bearer {token}")),
        ("x-kite-signature", format!("sha256={digits}")),
        ("content-type", "application/cloudevents+json".to_owned()),
    ]
}

/// Whether a body has the signature that [`headers`] gives it. `signature` is the header's value.
pub fn is_signed(token: &str, body: &[u8], signature: &str) -> bool {
    let digits = signature.strip_prefix("sha256=");
    digits.is_some_and(|digits| Mac::sha256(token.as_bytes(), &[body]).is_hex(digits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(members: &str) -> Event {
        let text = format!(r#"{{"specversion":"1.0","id":"i","source":"s","type":"t"{members}}}"#);
        Event::parse(&text).unwrap()
    }

    fn provenance(members: &str) -> Result<Provenance, ProvenanceFault> {
        Provenance::of(&event(members))
    }

    fn forwarded(members: &str) -> String {
        let event = event(members);
        let own_id = "b".parse().unwrap();
        let next = Provenance::of(&event).unwrap().forward(&event, &own_id);
        next.to_text()
    }

    #[test]
    fn the_first_instance_is_the_origin_and_stays_it() {
        let first = forwarded(r#","kiteseq":9,"kitetoinstance":"c","data":{"a": 1e2}"#);
        assert_eq!(
            first,
            r#"{"specversion":"1.0","id":"i","source":"s","type":"t","kitefedchain":"[\"b\"]","kitefedhops":1,"kitefedorigin":"b","data":{"a": 1e2}}"#
        );
        let second = forwarded(
            r#","kitefedorigin":"a","kitefedchain":"[\"a\"]","kitefedhops":"1","x":true"#,
        );
        assert!(
            second.ends_with(
                r#""kitefedchain":"[\"a\",\"b\"]","kitefedhops":2,"kitefedorigin":"a","x":true}"#
            ),
            "{second}"
        );
    }

    #[test]
    fn an_event_that_was_here_or_far_away_goes_no_further() {
        let declined = |members: &str| {
            provenance(members)
                .unwrap()
                .decline("t", &["b", "c"], MAX_HOPS)
        };
        let too_far = |hops| Some(Declined::TooFar { hops, max_hops: 3 });
        assert_eq!(declined(""), None);
        assert_eq!(
            declined(r#","kitefedchain":"[\"x\",\"y\"]","kitefedhops":2"#),
            None
        );
        let there = r#","kitefedchain":"[\"a\",\"c\"]""#;
        assert_eq!(declined(there), Some(Declined::Loop("c".to_owned())));
        assert_eq!(declined(r#","kitefedhops":3"#), too_far(3));
        assert_eq!(declined(r#","kitefedhops":"17""#), too_far(17));
        assert_eq!(
            declined(r#","kitefedchain":"[\"x\",\"y\",\"z\"]","kitefedhops":1"#),
            too_far(3)
        );
        let own = Provenance::default().decline("kite.subscription.quota_exhausted", &[], 3);
        assert_eq!(own, Some(Declined::Own));
    }

    #[test]
    fn an_event_that_comes_home_or_from_too_far_is_dropped() {
        let refused = |members: &str| provenance(members).unwrap().refuse("b", 3);
        let is_loop = Some(Declined::Loop("b".to_owned()));
        assert_eq!(refused(""), None);
        assert_eq!(refused(r#","kitefedorigin":"a","kitefedhops":3"#), None);
        assert_eq!(refused(r#","kitefedorigin":"b""#), is_loop);
        assert_eq!(refused(r#","kitefedchain":"[\"a\",\"b\"]""#), is_loop);
        let too_far = |hops| Some(Declined::TooFar { hops, max_hops: 3 });
        assert_eq!(refused(r#","kitefedhops":"4""#), too_far(4));
        let four = r#","kitefedchain":"[\"w\",\"x\",\"y\",\"z\"]","kitefedhops":1"#;
        assert_eq!(refused(four), too_far(4));
    }

    #[test]
    fn a_signature_is_of_one_body_with_one_token() {
        let [_, (_, signature), _] = headers("token", b"body");
        assert!(is_signed("token", b"body", &signature));
        let upper = signature.to_uppercase().replacen("SHA256", "sha256", 1);
        assert!(is_signed("token", b"body", &upper));
        assert!(!is_signed("token", b"bodY", &signature));
        assert!(!is_signed("tokeN", b"body", &signature));
        for broken in ["", "sha256=", &signature[7..], &signature[..70], "sha1=00"] {
            assert!(!is_signed("token", b"body", broken), "{broken}");
        }
    }

    #[test]
    fn what_is_no_provenance_is_named() {
        for chain in [
            r#""x""#,
            r#""""#,
            r#""[1]""#,
            r#""{}""#,
            r#""[\"a\"] b""#,
            "1",
            "true",
        ] {
            let read = provenance(&format!(r#","kitefedchain":{chain}"#));
            assert_eq!(read, Err(ProvenanceFault::Chain), "{chain}");
        }
        for hops in ["-1", r#""""#, r#""+1""#, r#"" 1""#, r#""1.0""#, "true"] {
            let read = provenance(&format!(r#","kitefedhops":{hops}"#));
            assert_eq!(read, Err(ProvenanceFault::Hops), "{hops}");
        }
        assert_eq!(
            provenance(r#","kitefedorigin":1"#),
            Err(ProvenanceFault::Origin)
        );
        assert_eq!(
            provenance(r#","kitefedorigin":"""#),
            Ok(Provenance::default())
        );
    }

    proptest! {
        #[test]
        fn each_hop_is_read_back_as_one_more(
            origin in "\\PC{1,9}",
            chain in proptest::collection::vec("\\PC{0,9}", 0..4),
            hops in 0..1000u64,
        ) {
            let before = Provenance { origin: Some(origin), chain, hops };
            let own_id = "b".parse().unwrap();
            let sent = before.clone().forward(&event(""), &own_id).to_text();
            let after = Provenance::of(&Event::parse(&sent).unwrap()).unwrap();
            prop_assert_eq!(after.hops, before.hops + 1);
            prop_assert_eq!(&after.origin, &before.origin);
            prop_assert_eq!(after.chain.last().map(String::as_str), Some("b"));
            prop_assert_eq!(&after.chain[..before.chain.len()], &before.chain[..]);
        }
    }
}

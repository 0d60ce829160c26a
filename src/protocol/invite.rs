//! Invitations: what one instance hands to another so that it can connect (spec 14.1), as one text that people pass on.
//!
//! `kinv_` and base64url of a checksum and a JSON object: where the inviter is, what it is called, the fingerprint of its
//! key, and a secret that opens it once. The checksum tells a code that was cut or mistyped from one that is wrong.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::base64url::Base64Url;
use super::federation::{Peer, PeerTest};
use super::id::InstanceId;
use super::peer_url::PeerUrl;

/// What a code begins with.
const SCHEME: &str = "kinv_";

/// The longest code, in characters: one with the longest address and the longest id is shorter.
const CODE_MAX_CHARS: usize = 8192;

/// How many bytes of a digest stand before the object: one slip in 2^48 goes unnoticed.
const CHECKSUM_LEN: usize = 6;

/// The length of the secret, in bytes.
pub const INVITE_SECRET_LEN: usize = 32;

/// For how long an invitation can be redeemed unless told otherwise, in seconds (spec 14.1).
pub const INVITE_SECS: u64 = 900;

/// The shortest and the longest that it can be, in seconds: a minute, so that somebody can type, and a week.
pub const INVITE_SECS_MIN: u64 = 60;
/// See [`INVITE_SECS_MIN`].
pub const INVITE_SECS_MAX: u64 = 7 * 24 * 3600;

/// What opens an invitation, once. Wiped on drop, and cannot be printed by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    try_from = "Base64Url<INVITE_SECRET_LEN>",
    into = "Base64Url<INVITE_SECRET_LEN>"
)]
pub struct InviteSecret(Zeroizing<[u8; INVITE_SECRET_LEN]>);

impl InviteSecret {
    /// The secret of random bytes.
    pub fn of(random: [u8; INVITE_SECRET_LEN]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// What is stored of it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(*self.0).into()
    }

    /// The secret as text, for the one place that derives something from it.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(Base64Url(*self.0).into())
    }
}

impl From<Base64Url<INVITE_SECRET_LEN>> for InviteSecret {
    fn from(bytes: Base64Url<INVITE_SECRET_LEN>) -> Self {
        Self::of(bytes.0)
    }
}

impl From<InviteSecret> for Base64Url<INVITE_SECRET_LEN> {
    fn from(secret: InviteSecret) -> Self {
        Self(*secret.0)
    }
}

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(…)")
    }
}

/// Why a text is no invitation. Says nothing of the text: it may be most of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteFault {
    /// It is something else.
    #[error("this is no invitation: one begins with `{SCHEME}`")]
    Foreign,
    /// Something is missing, or a character is another one.
    #[error("the invitation is damaged: a part of it is missing, or was changed on its way")]
    Damaged,
    /// It is whole, and says what cannot be.
    #[error("the invitation is whole, but its {0} makes no sense here")]
    Nonsense(&'static str),
}

/// An invitation, as its code carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Where the inviter's paths begin. Whether it may be called is for the caller to judge.
    pub url: PeerUrl,
    /// What the inviter puts into chains.
    pub instance_id: InstanceId,
    /// The fingerprint of the key that it will prove to have ([`super::identity::fingerprint`]).
    pub fingerprint: String,
    /// What opens the invitation.
    pub secret: InviteSecret,
}

/// The object in a code.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Carried {
    u: String,
    i: String,
    k: String,
    s: InviteSecret,
}

impl Invite {
    /// Reads a code. White space counts for nothing: terminals and letters break long lines.
    ///
    /// # Errors
    /// When it is none, is damaged, or holds what no invitation holds.
    pub fn parse(code: &str) -> Result<Self, InviteFault> {
        if code.len() > CODE_MAX_CHARS {
            return Err(InviteFault::Damaged);
        }
        let code: String = code.split_whitespace().collect();
        let text = code.strip_prefix(SCHEME).ok_or(InviteFault::Foreign)?;
        let bytes = URL_SAFE_NO_PAD.decode(text);
        let bytes = Zeroizing::new(bytes.map_err(|_| InviteFault::Damaged)?);
        let (sum, object) = bytes
            .split_at_checked(CHECKSUM_LEN)
            .ok_or(InviteFault::Damaged)?;
        if sum != checksum(object) {
            return Err(InviteFault::Damaged);
        }
        let carried: Carried =
            serde_json::from_slice(object).map_err(|_| InviteFault::Nonsense("content"))?;
        let invite = Self {
            url: base(&carried.u).ok_or(InviteFault::Nonsense("address"))?,
            instance_id: carried
                .i
                .try_into()
                .map_err(|_| InviteFault::Nonsense("instance id"))?,
            fingerprint: carried.k,
            secret: carried.s,
        };
        Ok(invite)
    }

    /// The code: what is passed on.
    pub fn to_code(&self) -> Zeroizing<String> {
        let carried = Carried {
            u: self.base().to_owned(),
            i: self.instance_id.to_string(),
            k: self.fingerprint.clone(),
            s: self.secret.clone(),
        };
        // Strings always serialise.
        let object = Zeroizing::new(serde_json::to_vec(&carried).unwrap_or_default());
        let sum = checksum(&object);
        let bytes = Zeroizing::new([&sum[..], &object].concat());
        Zeroizing::new(format!("{SCHEME}{}", URL_SAFE_NO_PAD.encode(&*bytes)))
    }

    /// The address, without a slash at its end.
    pub fn base(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The address of a path of the inviter, which begins with a slash.
    pub fn at(&self, path: &str) -> Option<PeerUrl> {
        format!("{}{path}", self.base()).parse().ok()
    }
}

/// An address that paths can be appended to.
pub fn base(text: &str) -> Option<PeerUrl> {
    let url: PeerUrl = text.parse().ok()?;
    url.url().query().is_none().then_some(url)
}

fn checksum(object: &[u8]) -> [u8; CHECKSUM_LEN] {
    let digest: [u8; 32] = Sha256::digest(object).into();
    core::array::from_fn(|at| digest[at])
}

/// The body that makes an invitation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InviteDraft {
    /// Which types go over the connection, both ways; all of them where that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<super::schema::TypePattern>>", length(max = super::forward::TYPE_SCOPES_MAX)))]
    pub scopes: Option<Vec<String>>,
    /// For how long it can be redeemed: 60 to 604,800 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = INVITE_SECS_MIN, max = INVITE_SECS_MAX)))]
    pub expires_in_secs: Option<u64>,
    /// What the peer is to be called; its instance id where that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<InstanceId>"))]
    pub name: Option<String>,
}

/// The answer to a new invitation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InviteCreated {
    /// A UUID.
    pub id: String,
    /// The code, this once.
    pub code: String,
    /// Until when it can be redeemed, RFC 3339.
    pub expires_at: String,
    /// Which types go over the connection, both ways.
    pub scopes: Vec<String>,
    /// What the peer will be called.
    pub name: Option<String>,
}

impl fmt::Debug for InviteCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InviteCreated")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// An invitation in a listing. Its secret is known to nobody here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InviteShown {
    /// A UUID.
    pub id: String,
    /// What the peer is to be called.
    pub name: Option<String>,
    /// Which types go over the connection, both ways.
    pub scopes: Vec<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// Until when it can be redeemed, RFC 3339.
    pub expires_at: String,
    /// When it was redeemed first, RFC 3339.
    pub redeemed_at: Option<String>,
    /// The peer that came of it.
    pub peer_id: Option<String>,
}

/// The body that redeems an invitation of another instance.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JoinDraft {
    /// The code.
    #[cfg_attr(feature = "schema", schemars(length(max = CODE_MAX_CHARS), regex(pattern = r"^\s*kinv_")))]
    pub code: String,
    /// What the peer is to be called; its instance id where that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<InstanceId>"))]
    pub name: Option<String>,
}

impl fmt::Debug for JoinDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinDraft")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The answer to a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Joined {
    /// The inviter, as a peer.
    pub peer: Peer,
    /// Whether it was a peer before: then it has new tokens, and what waited for it is kept.
    pub renewed: bool,
    /// What a post to the peer came to.
    pub to_peer: PeerTest,
    /// What a post of the peer to this instance came to.
    pub from_peer: PeerTest,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn invite(url: &str) -> Invite {
        Invite {
            url: base(url).unwrap(),
            instance_id: "kite-a".parse().unwrap(),
            fingerprint: "SHA256:abc".to_owned(),
            secret: InviteSecret::of([7; 32]),
        }
    }

    #[test]
    fn a_code_reads_back_with_its_lines_broken() {
        for url in [
            "https://a.example",
            "http://127.0.0.1:7700",
            "https://a.example/kite",
        ] {
            let made = invite(url);
            let code = made.to_code();
            assert!(code.starts_with("kinv_"));
            assert_eq!(Invite::parse(&code).as_ref(), Ok(&made));
            let (head, tail) = code.split_at(40);
            let broken = format!(" {head}\r\n  {tail}\n");
            assert_eq!(Invite::parse(&broken).as_ref(), Ok(&made));
            let at = made.at("/api/x").unwrap();
            assert_eq!(at.as_str(), format!("{url}/api/x"));
        }
    }

    #[test]
    fn the_secret_is_in_nothing_that_is_printed() {
        let made = invite("https://a.example");
        let (secret, code) = (made.secret.reveal(), made.to_code());
        let joining = JoinDraft {
            code: code.to_string(),
            name: None,
        };
        let created = InviteCreated {
            id: "i".to_owned(),
            code: code.to_string(),
            expires_at: String::new(),
            scopes: Vec::new(),
            name: None,
        };
        for told in [format!("{made:?}"), format!("{joining:?} {created:?}")] {
            assert!(
                !told.contains(&*secret) && !told.contains(&code[5..]),
                "{told}"
            );
            assert!(!told.contains("7, 7"), "{told}");
        }
    }

    fn coded(object: &str) -> String {
        let bytes = [&checksum(object.as_bytes())[..], object.as_bytes()].concat();
        format!("kinv_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    #[test]
    fn what_is_whole_and_makes_no_sense_is_told_apart_from_what_is_damaged() {
        let secret = invite("https://a.example").secret.reveal();
        let object = |u: &str, i: &str| {
            coded(&format!(
                r#"{{"u":"{u}","i":"{i}","k":"k","s":"{}"}}"#,
                &*secret
            ))
        };
        let parsed = |code: &str| Invite::parse(code).unwrap_err();
        assert!(Invite::parse(&object("https://a.example", "a")).is_ok());
        for url in [
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example/?x",
            "",
        ] {
            assert_eq!(parsed(&object(url, "a")), InviteFault::Nonsense("address"));
        }
        let fault = parsed(&object("https://a.example", ""));
        assert_eq!(fault, InviteFault::Nonsense("instance id"));
        assert_eq!(parsed(&coded("{}")), InviteFault::Nonsense("content"));
        for text in [
            "",
            "kinv",
            "kite_00000000_0000000000000000",
            "https://a.example",
        ] {
            assert_eq!(parsed(text), InviteFault::Foreign);
        }
        for text in [
            "kinv_",
            "kinv_AAAA",
            "kinv_%",
            &format!("kinv_{}", "A".repeat(9000)),
        ] {
            assert_eq!(parsed(text), InviteFault::Damaged);
        }
    }

    proptest! {
        #[test]
        fn a_code_that_was_cut_or_changed_is_refused(secret: [u8; 32], at: prop::sample::Index, put in "[A-Za-z0-9_.~-]") {
            let made = Invite { secret: InviteSecret::of(secret), ..invite("https://a.example") };
            let code = made.to_code();
            let at = at.index(code.len());
            prop_assert!(Invite::parse(&code[..at]).is_err());
            prop_assert!(Invite::parse(&code[at..]).is_err() || at == 0);
            let changed = format!("{}{put}{}", &code[..at], &code[at + 1..]);
            if changed != *code {
                prop_assert!(Invite::parse(&changed).is_err());
            }
            let longer = format!("{}{put}{}", &code[..at], &code[at..]);
            prop_assert!(Invite::parse(&longer).is_err());
        }

        #[test]
        fn nothing_that_is_read_breaks_the_reader(text in "(kinv_)?\\PC{0,80}") {
            let _ = Invite::parse(&text);
        }
    }
}

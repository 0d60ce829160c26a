//! A token and all that it stands on (spec 10.2, 10.4).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::fault::{UcanFault, UcanProblem, told};
use super::token::{TOKEN_LEN_MAX, UCANToken};
use crate::openintent::json::{Json, Object};
use crate::openintent::scope::{DelegationScope, ScopeFault};
use crate::protocol::identity::{IDENTITY_KEY_LEN, SIGNATURE_LEN, verify};

/// The most tokens of a chain, the first and the last counted (spec 10.4).
pub const LINKS_MAX: usize = 8;

/// A token as it came: what was signed is never written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) token: UCANToken,
    /// The header and the payload, with the dot between.
    signed: String,
    signature: [u8; SIGNATURE_LEN],
}

impl Received {
    pub(super) fn read(text: &str) -> Result<Self, UcanProblem> {
        if text.len() > TOKEN_LEN_MAX {
            return Err(UcanProblem::Length);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(UcanProblem::Parts);
        };
        let is = |header: &Object, name: &str, word: &str| {
            header.get(name).and_then(Json::as_str) == Some(word)
        };
        let parsed = object("header", header)?;
        if !is(&parsed, "alg", "EdDSA") || !is(&parsed, "typ", "UCAN") {
            return Err(UcanProblem::Header);
        }
        let token = UCANToken::read(&object("payload", payload)?)?;
        let signature = bytes("signature", signature)?;
        Ok(Self {
            token,
            signed: format!("{header}.{payload}"),
            signature: signature
                .try_into()
                .map_err(|_| UcanProblem::SignatureLength)?,
        })
    }

    fn is_signed_by(&self, public: &[u8; IDENTITY_KEY_LEN]) -> bool {
        verify(public, self.signed.as_bytes(), &self.signature)
    }
}

fn bytes(part: &'static str, text: &str) -> Result<Vec<u8>, UcanProblem> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| UcanProblem::Base64(part))
}

fn object(part: &'static str, text: &str) -> Result<Object, UcanProblem> {
    match Json::read(&bytes(part, text)?) {
        Ok(Json::Object(object)) => Ok(object),
        _ => Err(UcanProblem::Json(part)),
    }
}

/// A token and the tokens that it stands on, each as it came. What they say is worth nothing before [`Chain::verify`].
///
/// ```
/// use kite::openintent::model::DelegationScope;
/// use kite::openintent::ucan::{Chain, UCANToken};
/// use kite::protocol::identity::InstanceKey;
///
/// let (server_a, server_b) = (InstanceKey::from_seed(&[1; 32]).unwrap(), InstanceKey::from_seed(&[2; 32]).unwrap());
/// let (a, b, c) = ("did:web:a.example", "did:web:b.example", "did:web:c.example");
/// let now = 1_767_225_600;
/// let scope = DelegationScope { max_delegation_depth: 2, ..DelegationScope::default() };
/// let root = UCANToken::new(a, b, scope.clone(), now, "1").encode(&server_a);
/// let child = UCANToken::attenuate(&root, c, &scope, now, "2", &server_b, false).unwrap();
///
/// let chain = Chain::read(&child).unwrap();
/// assert_eq!(chain.issuers().collect::<Vec<_>>(), [b, a]);
/// let keys = |did: &str| match did {
///     did if did == a => vec![server_a.public()],
///     did if did == b => vec![server_b.public()],
///     _ => Vec::new(),
/// };
/// let granted = chain.verify(&[c.to_owned()], now, &keys, &|did| did == a).unwrap();
/// assert_eq!(granted.max_delegation_depth, 1);
///
/// let refused = chain.verify(&[c.to_owned()], now + 3601, &keys, &|did| did == a);
/// let told = "the token of `did:web:b.example`: it expired at 1767229200 (Unix time)";
/// assert_eq!(refused.unwrap_err().to_string(), told);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    leaf: Received,
    /// The direct parent first.
    ancestors: Vec<Received>,
}

impl Chain {
    /// Reads a token and all that it stands on.
    ///
    /// # Errors
    /// When one of them cannot be read, the proofs of one are not its parent and the parent's own proofs, or there are more
    /// than [`LINKS_MAX`].
    pub fn read(text: &str) -> Result<Self, UcanFault> {
        let leaf = Received::read(text).map_err(UcanProblem::alone)?;
        let mut ancestors: Vec<Received> = Vec::new();
        loop {
            let link = ancestors.len() + 1;
            let child = &ancestors.last().unwrap_or(&leaf).token;
            let Some((parent, before)) = child.prf.split_last() else {
                return Ok(Self { leaf, ancestors });
            };
            let refuse = |problem: UcanProblem| Err(problem.at(link, Some(&child.iss)));
            if link == LINKS_MAX {
                return refuse(UcanProblem::Links);
            }
            let parent = Received::read(parent).map_err(|problem| problem.at(link + 1, None))?;
            if !before.is_empty() && before != parent.token.prf {
                return refuse(UcanProblem::Proofs);
            }
            ancestors.push(parent);
        }
    }

    /// The tokens, the one that was sent first, the root last.
    pub fn links(&self) -> impl Iterator<Item = &UCANToken> {
        self.all().map(|received| &received.token)
    }

    /// How many tokens there are.
    pub fn link_count(&self) -> usize {
        1 + self.ancestors.len()
    }

    /// The token that was sent.
    pub fn leaf(&self) -> &UCANToken {
        &self.leaf.token
    }

    /// The DIDs whose keys it takes to verify the chain, in the order of the links. One may stand there twice.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.links().map(|token| token.iss.as_str())
    }

    fn all(&self) -> impl Iterator<Item = &Received> {
        core::iter::once(&self.leaf).chain(&self.ancestors)
    }

    /// Verifies every link (spec 10.4), at a time and without any leeway. `audiences` are the names of whoever the token is
    /// shown to, `keys` the public keys of an issuer, `is_root` whether a DID may begin a chain. Answers what the token that
    /// was sent permits.
    ///
    /// # Errors
    /// When a link does not hold; which, and why.
    pub fn verify(
        &self,
        audiences: &[String],
        now_unix: i64,
        keys: &dyn Fn(&str) -> Vec<[u8; IDENTITY_KEY_LEN]>,
        is_root: &dyn Fn(&str) -> bool,
    ) -> Result<DelegationScope, UcanFault> {
        let parents = self.ancestors.iter().map(Some).chain([None]);
        let mut child: Option<&UCANToken> = None;
        for (at, (received, parent)) in self.all().zip(parents).enumerate() {
            let token = &received.token;
            let is_for = match child {
                None => audiences.contains(&token.aud),
                Some(child) => token.aud == child.iss,
            };
            let holds = || {
                if !is_for {
                    return Err(UcanProblem::Audience(told(&token.aud)));
                }
                if !keys(&token.iss)
                    .iter()
                    .any(|key| received.is_signed_by(key))
                {
                    return Err(UcanProblem::Signature);
                }
                check_time(token, now_unix)?;
                match parent {
                    Some(parent) => check_within(token, &parent.token),
                    None if is_root(&token.iss) => Ok(()),
                    None => Err(UcanProblem::Root),
                }
            };
            holds().map_err(|problem| problem.at(at + 1, Some(&token.iss)))?;
            child = Some(token);
        }
        Ok(self.leaf.token.scope.clone())
    }
}

/// Whether a token is valid now, and its scope too.
fn check_time(token: &UCANToken, now_unix: i64) -> Result<(), UcanProblem> {
    if now_unix < token.nbf {
        return Err(UcanProblem::NotYet(token.nbf));
    }
    if token.is_expired(now_unix) {
        return Err(UcanProblem::Expired(token.exp));
    }
    let now = Timestamp::from_second(now_unix).unwrap_or(Timestamp::MAX);
    match token.scope.end()? {
        Some(end) if end < now => Err(ScopeFault::Expired.into()),
        _ => Ok(()),
    }
}

/// Whether a token grants no more than its parent.
fn check_within(token: &UCANToken, parent: &UCANToken) -> Result<(), UcanProblem> {
    let (scope, limit) = (&token.scope, &parent.scope);
    if let Some(wide) = surplus(&scope.permissions, &limit.permissions) {
        return Err(UcanProblem::Permission(told(wide)));
    }
    if let Some(dropped) = surplus(&limit.denied_operations, &scope.denied_operations) {
        return Err(UcanProblem::Denial(told(dropped)));
    }
    // A parent with depth 0 leaves -1, which no token has.
    if scope.max_delegation_depth > limit.max_delegation_depth - 1 {
        return Err(UcanProblem::Depth);
    }
    if token.exp > parent.exp {
        return Err(UcanProblem::Outlives);
    }
    match (scope.end()?, limit.end()?) {
        (_, None) => Ok(()),
        (Some(end), Some(limit)) if end <= limit => Ok(()),
        _ => Err(UcanProblem::ScopeOutlives),
    }
}

/// The first of some names that is not among others. Looked up in a set: a token has room for thousands.
fn surplus<'n>(names: &'n [String], others: &[String]) -> Option<&'n String> {
    let others: BTreeSet<&String> = others.iter().collect();
    names.iter().find(|name| !others.contains(name))
}

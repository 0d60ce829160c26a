//! Delegation tokens whose whole chain was verified: a token lives for an hour, and comes with every dispatch of that hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::openintent::model::DelegationScope;

/// How many are remembered. Beyond it all are verified again.
const CHAINS_MAX: usize = 10_000;

/// For how long one is believed, in seconds: what was found of its issuers is not older than this and what
/// [`super::documents`] believes.
const BELIEVED_SECS: i64 = 60;

/// Chains that were verified.
#[derive(Default)]
pub(super) struct Chains(Mutex<HashMap<[u8; 32], Verified>>);

/// What came of one.
#[derive(Clone)]
struct Verified {
    scope: DelegationScope,
    /// [`super::OpenIntent::changes`] when it was verified.
    changes: u64,
    until: i64,
}

/// What a chain is remembered by: the same text for another team may have other roots.
pub(super) fn digest(team: &str, issuer: &str, token: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [team, issuer, token] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl Chains {
    /// The leaf's scope, if the chain was verified lately.
    pub(super) fn scope(
        &self,
        digest: &[u8; 32],
        changes: u64,
        now_secs: i64,
    ) -> Option<DelegationScope> {
        let chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = chains.get(digest)?;
        (known.changes == changes && now_secs <= known.until).then(|| known.scope.clone())
    }

    /// Remembers one that was verified; `expires` is the last second of its shortest link.
    pub(super) fn remember(
        &self,
        digest: [u8; 32],
        scope: DelegationScope,
        changes: u64,
        now_secs: i64,
        expires: i64,
    ) {
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if chains.len() >= CHAINS_MAX {
            chains.clear();
        }
        let until = expires.min(now_secs.saturating_add(BELIEVED_SECS));
        let verified = Verified {
            scope,
            changes,
            until,
        };
        chains.insert(digest, verified);
    }
}

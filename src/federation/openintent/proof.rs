//! What proves who has sent something, when, and what it may do: signatures, times and delegation tokens (spec 5, 10.4, 13.6).

use std::collections::BTreeMap;

use super::{OpenIntent, Party, PublicKeys, Refusal, TeamTrust, chains};
use crate::openintent::did::spellings;
use crate::openintent::json::Object;
use crate::openintent::model::{DelegationScope, FederationEnvelope};
use crate::openintent::signature::{self, SignatureFault};
use crate::openintent::stamp;
use crate::openintent::ucan::Chain;
use crate::protocol::id::TeamId;
use crate::store::record::Millis;

impl OpenIntent {
    /// Whether an object was signed with a key that its server publishes now.
    pub(super) async fn check_signature(
        &self,
        from: &Party<'_>,
        object: &Object,
    ) -> Result<(), Refusal> {
        let unproved = |why: String| {
            Refusal::Forbidden(format!(
                "the signature of {} proves nothing: {why}",
                from.url
            ))
        };
        if let Some(secret) = from.secret
            && signature::verify_with_secret(object, secret.reveal()).is_ok()
        {
            return Ok(());
        }
        let keys = self.keys_of(from, false).await.map_err(unproved)?;
        match signature::verify(object, &keys) {
            Ok(()) => return Ok(()),
            Err(SignatureFault::Wrong) => {}
            // No other key makes it one.
            Err(fault) => return Err(unproved(fault.to_string())),
        }
        let newer = self.keys_of(from, true).await.map_err(unproved)?;
        // Whatever does not fit is verified again only where there is another key to try.
        match newer == keys {
            true => Err(unproved(SignatureFault::Wrong.to_string())),
            false => signature::verify(object, &newer).map_err(|fault| unproved(fault.to_string())),
        }
    }

    /// Verifies a token's whole chain (spec 10.4). Answers the scope that it grants.
    pub(super) async fn check_token(
        &self,
        team: &TeamId,
        trust: &TeamTrust,
        from: &Party<'_>,
        token: &str,
        now: Millis,
    ) -> Result<DelegationScope, Refusal> {
        let now_secs = now.div_euclid(1000);
        let changes = self.changes();
        let digest = chains::digest(team.as_str(), from.url, token);
        if let Some(scope) = self.chains.scope(&digest, changes, now_secs) {
            return Ok(scope);
        }
        let refused =
            |why: String| Refusal::Forbidden(format!("the delegation token is refused: {why}"));
        let chain = Chain::read(token).map_err(|fault| refused(fault.to_string()))?;
        let leaf = chain.leaf();
        if !self.is_did_of(trust, &leaf.iss, from.url) {
            let why = format!("its issuer `{}` is not {}", leaf.iss, from.url);
            return Err(refused(why));
        }
        let mut keys = BTreeMap::new();
        for issuer in chain.issuers() {
            if keys.contains_key(issuer) {
                continue;
            }
            let known = self.issuer_keys(trust, from, issuer).await;
            keys.insert(issuer.to_owned(), known.map_err(refused)?);
        }
        let keys_by_did = |did: &str| keys.get(did).map(|it| it.to_vec()).unwrap_or_default();
        let is_root = |did: &str| self.is_own_did(did) || trust.by_did(did).is_some();
        let scope = chain
            .verify(&self.dids, now_secs, &keys_by_did, &is_root)
            .map_err(|fault| refused(fault.to_string()))?;
        let expires = leaf.scope.expires_at.as_deref().and_then(stamp::read);
        let expires = expires.map_or(leaf.exp, |at| leaf.exp.min(at.div_euclid(1000)));
        self.chains
            .remember(digest, scope.clone(), changes, now_secs, expires);
        Ok(scope)
    }

    pub(super) fn is_own_did(&self, did: &str) -> bool {
        self.dids.iter().any(|own| own == did)
    }

    /// Whether a DID is that of the server at a URL, by either spelling or because the team said so.
    pub(super) fn is_did_of(&self, trust: &TeamTrust, did: &str, url: &str) -> bool {
        let is_spelled = || spellings(url).iter().any(|it| it == did);
        is_spelled() || trust.by_did(did).is_some_and(|server| server.url == url)
    }

    /// The keys of a token's issuer: this server, one that the team trusts, or the one that shows the token. Nobody else
    /// is asked. A DID says neither scheme nor, as the SDK spells it, what is port and what is path: where a stranger shows a
    /// token of somebody who is trusted, the trusted one is asked.
    async fn issuer_keys(
        &self,
        trust: &TeamTrust,
        from: &Party<'_>,
        issuer: &str,
    ) -> Result<PublicKeys, String> {
        if self.is_own_did(issuer) {
            return self
                .keys_of(&Party::of(trust, &self.server_url), false)
                .await;
        }
        let is_from = self.is_did_of(trust, issuer, from.url);
        match trust.by_did(issuer) {
            Some(server) if !(is_from && trust.is_listed(from.url)) => {
                self.keys_of(&Party::of(trust, &server.url), false).await
            }
            None if !is_from => Err(format!("nobody here knows its issuer `{issuer}`")),
            _ => self.keys_of(from, false).await,
        }
    }
}

pub(super) fn check_freshness(
    envelope: &FederationEnvelope,
    now: Millis,
    is_signed: bool,
    may_lack_time: bool,
) -> Result<(), Refusal> {
    if !is_signed {
        return Ok(());
    }
    let stale = |why: &str| {
        Err(Refusal::Forbidden(format!(
            "the envelope is not fresh: {why}"
        )))
    };
    let Some(created_at) = &envelope.created_at else {
        return match may_lack_time {
            true => Ok(()),
            false => stale("it has no `created_at`, which is needed where no API key is shown"),
        };
    };
    is_fresh(created_at, now).or_else(stale)
}

/// Whether a time stamp lies in the window of signed messages (spec 13.6).
pub(super) fn is_fresh(stamp: &str, now: Millis) -> Result<(), &'static str> {
    match stamp::read(stamp) {
        None => Err("its time cannot be read"),
        Some(at) if signature::is_fresh(at, now) => Ok(()),
        Some(at) if at < now => Err("it is older than 300 s; check both clocks"),
        Some(_) => Err("it is more than 60 s ahead; check both clocks"),
    }
}

//! What the store keeps for OpenIntent; see [`crate::store::openintent::OpenIntentStore`].

use async_trait::async_trait;

use super::{Sqlite, exchanges, signing_keys, trust};
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::openintent::{
    ExchangeCounts, ExchangeFilter, ExchangeKeys, ExchangeKind, ExchangeNote, ExchangeRecord,
    NewExchange, OpenIntentStore, SigningKeyRecord, TrustedRecord,
};
use crate::store::record::Millis;

#[async_trait]
impl OpenIntentStore for Sqlite {
    async fn signing_keys(&self, now: Millis) -> Result<Vec<SigningKeyRecord>> {
        self.query(move |c| signing_keys::live(c, now)).await
    }

    async fn add_signing_key(
        &self,
        key: SigningKeyRecord,
        old_until: Millis,
    ) -> Result<Vec<SigningKeyRecord>> {
        self.write(move |t| signing_keys::add(t, &key, old_until))
            .await
    }

    async fn trusted_servers(&self, team: TeamId) -> Result<Vec<TrustedRecord>> {
        self.query(move |c| trust::servers(c, &team)).await
    }

    async fn put_trusted_server(&self, server: TrustedRecord) -> Result<()> {
        self.write(move |t| trust::put(t, &server)).await
    }

    async fn remove_trusted_server(&self, team: TeamId, url: String) -> Result<bool> {
        self.write(move |t| trust::remove(t, &team, &url)).await
    }

    async fn teams_trusting(&self, url: String) -> Result<Vec<TeamId>> {
        self.query(move |c| trust::teams_trusting(c, &url)).await
    }

    async fn trust_policy(&self, team: TeamId) -> Result<Option<String>> {
        self.query(move |c| trust::policy(c, &team)).await
    }

    async fn put_trust_policy(&self, team: TeamId, policy: Option<String>) -> Result<()> {
        self.write(move |t| trust::put_policy(t, &team, policy.as_deref()))
            .await
    }

    async fn find_exchange(
        &self,
        team: TeamId,
        keys: ExchangeKeys,
    ) -> Result<Option<ExchangeRecord>> {
        self.glance(move |c| exchanges::find(c, &team, &keys)).await
    }

    async fn exchange(
        &self,
        team: TeamId,
        kind: ExchangeKind,
        local_id: String,
    ) -> Result<Option<ExchangeRecord>> {
        self.glance(move |c| exchanges::exchange(c, &team, kind, &local_id))
            .await
    }

    async fn find_dispatch(&self, id: String) -> Result<Option<(TeamId, ExchangeRecord)>> {
        self.glance(move |c| exchanges::find_dispatch(c, &id)).await
    }

    async fn enter_exchange(
        &self,
        team: TeamId,
        exchange: NewExchange,
    ) -> Result<Option<ExchangeRecord>> {
        self.write(move |t| exchanges::enter(t, &team, &exchange))
            .await
    }

    async fn note_exchange(
        &self,
        team: TeamId,
        kind: ExchangeKind,
        local_id: String,
        note: ExchangeNote,
        now: Millis,
    ) -> Result<bool> {
        self.write(move |t| exchanges::note(t, &team, (kind, &local_id), note, now))
            .await
    }

    async fn exchanges(&self, team: TeamId, filter: ExchangeFilter) -> Result<Vec<ExchangeRecord>> {
        self.query(move |c| exchanges::list(c, &team, &filter))
            .await
    }

    async fn exchange_counts(&self, team: TeamId) -> Result<ExchangeCounts> {
        self.query(move |c| exchanges::counts(c, &team)).await
    }
}

//! What the store keeps for OpenIntent; see [`crate::store::openintent::OpenIntentStore`].

use async_trait::async_trait;

use super::{Postgres, exchanges, signing_keys, trust, within};
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::openintent::{
    ExchangeCounts, ExchangeFilter, ExchangeKeys, ExchangeKind, ExchangeNote, ExchangeRecord,
    NewExchange, OpenIntentStore, SigningKeyRecord, TrustedRecord,
};
use crate::store::record::Millis;

#[async_trait]
impl OpenIntentStore for Postgres {
    async fn signing_keys(&self, now: Millis) -> Result<Vec<SigningKeyRecord>> {
        within(async { signing_keys::live(&self.client().await?, now).await }).await
    }

    async fn add_signing_key(
        &self,
        key: SigningKeyRecord,
        old_until: Millis,
    ) -> Result<Vec<SigningKeyRecord>> {
        within(async { signing_keys::add(&mut self.client().await?, &key, old_until).await }).await
    }

    async fn trusted_servers(&self, team: TeamId) -> Result<Vec<TrustedRecord>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            trust::servers(&client, team).await
        })
        .await
    }

    async fn put_trusted_server(&self, server: TrustedRecord) -> Result<()> {
        within(async {
            let mut client = self.client().await?;
            let team = self.number(&client, &server.team).await?;
            trust::put(&mut client, team, &server).await
        })
        .await
    }

    async fn remove_trusted_server(&self, team: TeamId, url: String) -> Result<bool> {
        within(async {
            let mut client = self.client().await?;
            let team = self.number(&client, &team).await?;
            trust::remove(&mut client, team, &url).await
        })
        .await
    }

    async fn teams_trusting(&self, url: String) -> Result<Vec<TeamId>> {
        within(async { trust::teams_trusting(&self.client().await?, &url).await }).await
    }

    async fn trust_policy(&self, team: TeamId) -> Result<Option<String>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            trust::policy(&client, team).await
        })
        .await
    }

    async fn put_trust_policy(&self, team: TeamId, policy: Option<String>) -> Result<()> {
        within(async {
            let mut client = self.client().await?;
            let team = self.number(&client, &team).await?;
            trust::put_policy(&mut client, team, policy.as_deref()).await
        })
        .await
    }

    async fn find_exchange(
        &self,
        team: TeamId,
        keys: ExchangeKeys,
    ) -> Result<Option<ExchangeRecord>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            exchanges::find(&client, team, &keys).await
        })
        .await
    }

    async fn exchange(
        &self,
        team: TeamId,
        kind: ExchangeKind,
        local_id: String,
    ) -> Result<Option<ExchangeRecord>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            exchanges::exchange(&client, team, kind, &local_id).await
        })
        .await
    }

    async fn find_dispatch(&self, id: String) -> Result<Option<(TeamId, ExchangeRecord)>> {
        within(async { exchanges::find_dispatch(&self.client().await?, &id).await }).await
    }

    async fn enter_exchange(
        &self,
        team: TeamId,
        exchange: NewExchange,
    ) -> Result<Option<ExchangeRecord>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            exchanges::enter(&client, team, &exchange).await
        })
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
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            exchanges::note(&client, team, (kind, &local_id), &note, now).await
        })
        .await
    }

    async fn exchanges(&self, team: TeamId, filter: ExchangeFilter) -> Result<Vec<ExchangeRecord>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            exchanges::list(&client, team, &filter).await
        })
        .await
    }

    async fn exchange_counts(&self, team: TeamId) -> Result<ExchangeCounts> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            exchanges::counts(&client, team).await
        })
        .await
    }
}

//! What the store keeps for OpenIntent.

use async_trait::async_trait;

use super::Postgres;
use crate::protocol::id::TeamId;
use crate::store::openintent::{
    ExchangeCounts, ExchangeKeys, ExchangeKind, ExchangeNote, ExchangeRecord, NewExchange,
    OpenIntentStore, SigningKeyRecord, TrustedRecord,
};
use crate::store::record::Millis;
use crate::store::{Result, StoreError};

#[async_trait]
impl OpenIntentStore for Postgres {
    async fn signing_keys(&self, _now: Millis) -> Result<Vec<SigningKeyRecord>> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn add_signing_key(
        &self,
        _key: SigningKeyRecord,
        _old_until: Millis,
    ) -> Result<Vec<SigningKeyRecord>> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn trusted_servers(&self, _team: TeamId) -> Result<Vec<TrustedRecord>> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn put_trusted_server(&self, _server: TrustedRecord) -> Result<()> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn remove_trusted_server(&self, _team: TeamId, _url: String) -> Result<bool> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn teams_trusting(&self, _url: String) -> Result<Vec<TeamId>> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn trust_policy(&self, _team: TeamId) -> Result<Option<String>> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn put_trust_policy(&self, _team: TeamId, _policy: Option<String>) -> Result<()> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn find_exchange(
        &self,
        _team: TeamId,
        _keys: ExchangeKeys,
    ) -> Result<Option<ExchangeRecord>> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn exchange(
        &self,
        _team: TeamId,
        _kind: ExchangeKind,
        _local_id: String,
    ) -> Result<Option<ExchangeRecord>> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn enter_exchange(
        &self,
        _team: TeamId,
        _exchange: NewExchange,
    ) -> Result<Option<ExchangeRecord>> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn note_exchange(
        &self,
        _team: TeamId,
        _kind: ExchangeKind,
        _local_id: String,
        _note: ExchangeNote,
        _now: Millis,
    ) -> Result<bool> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    async fn exchange_counts(&self, _team: TeamId) -> Result<ExchangeCounts> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }
}

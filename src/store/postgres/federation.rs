//! Peers, the outbox and what became of it; see [`crate::store::federation::FederationStore`].

use async_trait::async_trait;

use super::Postgres;
use crate::protocol::id::TeamId;
use crate::store::federation::*;
use crate::store::record::Millis;
use crate::store::{Result, StoreError};

fn later<T>() -> Result<T> {
    Err(StoreError::Failed("not on PostgreSQL yet".to_owned()))
}

#[async_trait]
impl FederationStore for Postgres {
    async fn create_peer(&self, _peer: NewPeer) -> Result<PeerRecord> {
        later()
    }

    async fn peers(&self, _team: TeamId) -> Result<Vec<PeerRecord>> {
        later()
    }

    async fn find_peer(&self, _team: TeamId, _id: String) -> Result<Option<PeerRecord>> {
        later()
    }

    async fn update_peer(
        &self,
        _team: TeamId,
        _id: String,
        _update: PeerUpdate,
        _now: Millis,
    ) -> Result<PeerRecord> {
        later()
    }

    async fn peer_by_token(&self, _team: TeamId, _index: [u8; 32]) -> Result<Option<PeerRecord>> {
        later()
    }

    async fn cancel_rows(&self, _now: Millis, _max: usize) -> Result<usize> {
        later()
    }

    async fn note_drops(&self, _drops: Vec<Dropped>) -> Result<()> {
        later()
    }

    async fn wake_peer(&self, _peer: PeerNumber) -> Result<bool> {
        later()
    }

    async fn create_federation_token(&self, _token: TokenRecord) -> Result<()> {
        later()
    }

    async fn federation_tokens(&self, _team: TeamId) -> Result<Vec<TokenRecord>> {
        later()
    }

    async fn remove_federation_token(&self, _team: TeamId, _id: String) -> Result<TokenRecord> {
        later()
    }

    async fn claim_peers(&self, _now: Millis, _max: usize) -> Result<Vec<ClaimId>> {
        later()
    }

    async fn renew_claims(&self, _claims: Vec<ClaimId>) -> Result<Vec<ClaimId>> {
        later()
    }

    async fn release_claims(&self, _claims: Vec<ClaimId>) -> Result<()> {
        later()
    }

    async fn due(&self, _query: DueQuery) -> Result<Option<Work>> {
        later()
    }

    async fn settle(&self, _settlements: Vec<Settlement>) -> Result<Vec<bool>> {
        later()
    }

    async fn expire_rows(
        &self,
        _before: Millis,
        _latest: Millis,
        _now: Millis,
        _max: usize,
    ) -> Result<usize> {
        later()
    }

    async fn outbox(&self, _team: TeamId, _filter: OutboxFilter) -> Result<Vec<OutboxEntry>> {
        later()
    }

    async fn dead_letter(
        &self,
        _team: TeamId,
        _id: OutboxId,
    ) -> Result<Option<(OutboxEntry, String)>> {
        later()
    }

    async fn replay(&self, _team: TeamId, _letters: Letters, _now: Millis) -> Result<u64> {
        later()
    }

    async fn discard(
        &self,
        _team: TeamId,
        _id: OutboxId,
        _now: Millis,
    ) -> Result<Option<OutboxEntry>> {
        later()
    }

    async fn deliveries(
        &self,
        _team: TeamId,
        _filter: DeliveryFilter,
    ) -> Result<Vec<DeliveryEntry>> {
        later()
    }

    async fn peer_standings(&self, _team: Option<TeamId>) -> Result<Vec<PeerStanding>> {
        later()
    }

    async fn prune_federation(&self, _before: Ages, _max: usize) -> Result<bool> {
        later()
    }
}

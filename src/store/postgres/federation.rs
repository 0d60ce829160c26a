//! What the store keeps of other instances; see [`crate::store::federation::FederationStore`].

use async_trait::async_trait;

use super::{Postgres, forwards, invites, letters, listings, peers, settling, within};
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::federation::{
    Ages, ClaimId, DeliveryEntry, DeliveryFilter, Dropped, DueQuery, FederationStore, Letters,
    NewPeer, OutboxEntry, OutboxFilter, OutboxId, PeerNumber, PeerRecord, PeerStanding, PeerUpdate,
    Settlement, TokenRecord, Work,
};
use crate::store::invites::{InviteRecord, InviteRefusal, Joiner};
use crate::store::record::Millis;
use crate::store::trace::Trace;

#[async_trait]
impl FederationStore for Postgres {
    async fn create_peer(&self, peer: NewPeer) -> Result<PeerRecord> {
        within(async { peers::create(&self.client().await?, peer).await }).await
    }

    async fn peers(&self, team: TeamId) -> Result<Vec<PeerRecord>> {
        within(async { peers::peers(&self.client().await?, &team).await }).await
    }

    async fn paperclips(&self) -> Result<Vec<PeerRecord>> {
        within(async { peers::paperclips(&self.client().await?).await }).await
    }

    async fn teams_without_paperclip(&self) -> Result<Vec<TeamId>> {
        within(async { peers::teams_without_paperclip(&self.client().await?).await }).await
    }

    async fn find_peer(&self, team: TeamId, id: String) -> Result<Option<PeerRecord>> {
        within(async { peers::find(&self.client().await?, &team, &id).await }).await
    }

    async fn update_peer(
        &self,
        team: TeamId,
        id: String,
        update: PeerUpdate,
        now: Millis,
    ) -> Result<PeerRecord> {
        within(async { peers::update(&self.client().await?, &team, &id, update, now).await }).await
    }

    async fn peer_by_token(&self, team: TeamId, index: [u8; 32]) -> Result<Option<PeerRecord>> {
        within(async { peers::by_token(&self.client().await?, &team, &index).await }).await
    }

    async fn cancel_rows(&self, now: Millis, max: usize) -> Result<usize> {
        within(async { settling::cancel(&self.client().await?, now, max).await }).await
    }

    async fn note_drops(&self, drops: Vec<Dropped>) -> Result<()> {
        within(async { settling::note_drops(&self.client().await?, &drops).await }).await
    }

    async fn wake_peer(&self, peer: PeerNumber) -> Result<bool> {
        within(async { forwards::wake(&self.client().await?, peer).await }).await
    }

    async fn create_federation_token(&self, token: TokenRecord) -> Result<()> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &token.team).await?;
            peers::create_token(&client, team, &token).await
        })
        .await
    }

    async fn federation_tokens(&self, team: TeamId) -> Result<Vec<TokenRecord>> {
        within(async {
            let client = self.client().await?;
            let number = self.number(&client, &team).await?;
            peers::tokens(&client, number, &team).await
        })
        .await
    }

    async fn remove_federation_token(&self, team: TeamId, id: String) -> Result<TokenRecord> {
        within(async {
            let client = self.client().await?;
            let number = self.number(&client, &team).await?;
            peers::remove_token(&client, number, &team, &id).await
        })
        .await
    }

    async fn create_invite(&self, invite: InviteRecord) -> Result<bool> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &invite.team).await?;
            invites::create(&client, team, &invite).await
        })
        .await
    }

    async fn invites(&self, team: TeamId) -> Result<Vec<InviteRecord>> {
        within(async { invites::of_team(&self.client().await?, &team).await }).await
    }

    async fn remove_invite(&self, team: TeamId, id: String) -> Result<InviteRecord> {
        within(async { invites::remove(&self.client().await?, &team, &id).await }).await
    }

    async fn find_invite(&self, digest: [u8; 32]) -> Result<Option<InviteRecord>> {
        within(async { invites::find(&self.client().await?, &digest).await }).await
    }

    async fn redeem_invite(
        &self,
        joiner: Joiner,
    ) -> Result<std::result::Result<PeerRecord, InviteRefusal>> {
        within(async { invites::redeem(&self.client().await?, joiner).await }).await
    }

    async fn claim_peers(&self, now: Millis, max: usize) -> Result<Vec<ClaimId>> {
        within(async { forwards::claim(&self.client().await?, now, max).await }).await
    }

    async fn renew_claims(&self, claims: Vec<ClaimId>) -> Result<Vec<ClaimId>> {
        within(async { forwards::renew(&self.client().await?, claims).await }).await
    }

    async fn release_claims(&self, claims: Vec<ClaimId>) -> Result<()> {
        within(async { forwards::release(&self.client().await?, &claims).await }).await
    }

    async fn due(&self, query: DueQuery) -> Result<Option<Work>> {
        within(async { forwards::due(&self.client().await?, &query).await }).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<bool>> {
        within(async { settling::settle(&self.client().await?, &settlements).await }).await
    }

    async fn expire_rows(
        &self,
        before: Millis,
        latest: Millis,
        now: Millis,
        max: usize,
    ) -> Result<usize> {
        within(async { settling::expire(&self.client().await?, before, latest, now, max).await })
            .await
    }

    async fn outbox(&self, team: TeamId, filter: OutboxFilter) -> Result<Vec<OutboxEntry>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            listings::outbox(&client, team, &filter).await
        })
        .await
    }

    async fn dead_letter(
        &self,
        team: TeamId,
        id: OutboxId,
    ) -> Result<Option<(OutboxEntry, String)>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            letters::dead(&client, team, &id).await
        })
        .await
    }

    async fn replay(&self, team: TeamId, letters: Letters, now: Millis) -> Result<u64> {
        let (mut after, mut replayed) = ((0, 0), 0);
        loop {
            let found = within(async {
                let client = self.client().await?;
                let team = self.number(&client, &team).await?;
                letters::replay(&client, team, &letters, after, now).await
            })
            .await?;
            replayed += found.len() as u64;
            // Some may have been replayed or discarded by others in between: fewer than a batch is not the end.
            match found.into_iter().max() {
                Some(last) => after = last,
                None => return Ok(replayed),
            }
        }
    }

    async fn discard(
        &self,
        team: TeamId,
        id: OutboxId,
        now: Millis,
    ) -> Result<Option<OutboxEntry>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            letters::discard(&client, team, &id, now).await
        })
        .await
    }

    async fn trace(&self, team: TeamId, event_id: String) -> Result<Trace> {
        within(async {
            let mut client = self.client().await?;
            let team = self.number(&client, &team).await?;
            listings::trace(&mut client, team, &event_id).await
        })
        .await
    }

    async fn deliveries(&self, team: TeamId, filter: DeliveryFilter) -> Result<Vec<DeliveryEntry>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            listings::deliveries(&client, team, &filter).await
        })
        .await
    }

    async fn peer_standings(&self, team: Option<TeamId>) -> Result<Vec<PeerStanding>> {
        within(async { letters::standings(&self.client().await?, team.as_ref()).await }).await
    }

    async fn prune_federation(&self, before: Ages, max: usize) -> Result<bool> {
        within(async { letters::prune(&self.client().await?, before, max).await }).await
    }
}

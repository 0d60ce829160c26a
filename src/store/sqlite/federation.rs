//! What the store keeps of other instances; see [`crate::store::federation::FederationStore`].

use async_trait::async_trait;
use rusqlite::{Transaction, params};

use super::{Sqlite, team_number};
use super::{forwards, invites, letters, listings, peers, settling};
use crate::protocol::id::TeamId;
use crate::store::federation::{
    Ages, ClaimId, DeliveryEntry, DeliveryFilter, Dropped, DueQuery, FederationStore, Letters,
    NewPeer, OutboxEntry, OutboxFilter, OutboxId, PeerNumber, PeerRecord, PeerStanding, PeerUpdate,
    REPLAY_MAX, Settlement, TokenRecord, Work,
};
use crate::store::invites::{InviteRecord, InviteRefusal, Joiner};
use crate::store::record::Millis;
use crate::store::trace::Trace;
use crate::store::{Result, StoreError};

#[async_trait]
impl FederationStore for Sqlite {
    async fn create_peer(&self, peer: NewPeer) -> Result<PeerRecord> {
        self.write(move |t| peers::create_peer(t, peer)).await
    }

    async fn peers(&self, team: TeamId) -> Result<Vec<PeerRecord>> {
        self.query(move |c| peers::peers_of(c, &team)).await
    }

    async fn paperclips(&self) -> Result<Vec<PeerRecord>> {
        self.query(peers::paperclips).await
    }

    async fn teams_without_paperclip(&self) -> Result<Vec<TeamId>> {
        self.query(peers::teams_without_paperclip).await
    }

    async fn find_peer(&self, team: TeamId, id: String) -> Result<Option<PeerRecord>> {
        self.query(move |c| peers::find_peer(c, &team, &id)).await
    }

    async fn update_peer(
        &self,
        team: TeamId,
        id: String,
        update: PeerUpdate,
        now: Millis,
    ) -> Result<PeerRecord> {
        self.write(move |t| peers::update_peer(t, &team, &id, update, now))
            .await
    }

    async fn peer_by_token(&self, team: TeamId, index: [u8; 32]) -> Result<Option<PeerRecord>> {
        self.glance(move |c| {
            let found = peers::peers_where(
                c,
                "teams.id = ?1 AND (inbound_index = ?2 OR old_inbound_index = ?2)",
                params![team.as_str(), index],
            )?;
            Ok(PeerRecord::owner(found, &index))
        })
        .await
    }

    async fn cancel_rows(&self, now: Millis, max: usize) -> Result<usize> {
        self.write(move |t| settling::cancel_rows(t, now, max))
            .await
    }

    async fn note_drops(&self, drops: Vec<Dropped>) -> Result<()> {
        self.write(move |t| settling::note_drops(t, &drops)).await
    }

    async fn wake_peer(&self, peer: PeerNumber) -> Result<bool> {
        // Whatever a peer sends may be its first sign of life; most of it is not.
        let is_open = self
            .query(move |c| {
                let found = c
                    .prepare_cached("SELECT 1 FROM peer_states WHERE peer = ?1 AND failures > 0")?
                    .exists([peer])?;
                Ok(found)
            })
            .await?;
        match is_open {
            true => self.write(move |t| forwards::wake_peer(t, peer)).await,
            false => Ok(false),
        }
    }

    async fn create_federation_token(&self, token: TokenRecord) -> Result<()> {
        self.write(move |t| {
            t.execute(
                "INSERT INTO federation_tokens (id, team, label, created_at) VALUES (?1, ?2, ?3, ?4)",
                params![token.id, team_number(t, &token.team)?, token.label, token.created_at],
            )?;
            Ok(())
        })
        .await
    }

    async fn federation_tokens(&self, team: TeamId) -> Result<Vec<TokenRecord>> {
        self.query(move |c| peers::tokens(c, &team)).await
    }

    async fn remove_federation_token(&self, team: TeamId, id: String) -> Result<TokenRecord> {
        self.write(move |t| {
            let found = peers::tokens(t, &team)?
                .into_iter()
                .find(|token| token.id == id);
            let token = found.ok_or_else(|| StoreError::NotFound(format!("token `{id}`")))?;
            t.execute("DELETE FROM federation_tokens WHERE id = ?1", [&token.id])?;
            Ok(token)
        })
        .await
    }

    async fn create_invite(&self, invite: InviteRecord) -> Result<bool> {
        self.write(move |t| invites::create(t, &invite)).await
    }

    async fn invites(&self, team: TeamId) -> Result<Vec<InviteRecord>> {
        self.query(move |c| invites::of_team(c, &team)).await
    }

    async fn remove_invite(&self, team: TeamId, id: String) -> Result<InviteRecord> {
        self.write(move |t| invites::remove(t, &team, &id)).await
    }

    async fn find_invite(&self, digest: [u8; 32]) -> Result<Option<InviteRecord>> {
        self.query(move |c| invites::find(c, &digest)).await
    }

    async fn redeem_invite(
        &self,
        joiner: Joiner,
    ) -> Result<std::result::Result<PeerRecord, InviteRefusal>> {
        self.write(move |t| invites::redeem(t, joiner)).await
    }

    async fn claim_peers(&self, now: Millis, max: usize) -> Result<Vec<ClaimId>> {
        // Most looks find nothing: they write nothing.
        let is_due = self
            .query(move |c| {
                let found = c
                    .prepare_cached(
                        "SELECT 1 FROM peers JOIN peer_states ON peer = number
                         WHERE status = 'active' AND claimed_until = 0 AND (retry_at IS NULL OR retry_at <= ?1)
                               AND EXISTS (SELECT 1 FROM outbox WHERE outbox.peer = number AND due_at <= ?1)
                         LIMIT 1",
                    )?
                    .exists([now])?;
                Ok(found)
            })
            .await?;
        match is_due {
            true => {
                self.write(move |t| forwards::claim_peers(t, now, max))
                    .await
            }
            false => Ok(Vec::new()),
        }
    }

    async fn renew_claims(&self, claims: Vec<ClaimId>) -> Result<Vec<ClaimId>> {
        self.query(move |c| {
            let mut lost = Vec::new();
            for claim in claims {
                if forwards::state(c, claim)?.is_none() {
                    lost.push(claim);
                }
            }
            Ok(lost)
        })
        .await
    }

    async fn release_claims(&self, claims: Vec<ClaimId>) -> Result<()> {
        self.write(move |t| forwards::release_claims(t, &claims))
            .await
    }

    async fn due(&self, query: DueQuery) -> Result<Option<Work>> {
        self.query(move |c| forwards::due(c, &query)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<bool>> {
        self.write(move |t| settling::settle(t, &settlements)).await
    }

    async fn expire_rows(
        &self,
        before: Millis,
        latest: Millis,
        now: Millis,
        max: usize,
    ) -> Result<usize> {
        self.write(move |t| settling::expire_rows(t, before, latest, now, max))
            .await
    }

    async fn outbox(&self, team: TeamId, filter: OutboxFilter) -> Result<Vec<OutboxEntry>> {
        self.query(move |c| listings::outbox(c, &team, &filter))
            .await
    }

    async fn dead_letter(
        &self,
        team: TeamId,
        id: OutboxId,
    ) -> Result<Option<(OutboxEntry, String)>> {
        self.query(move |c| letters::dead_letter(c, &team, &id))
            .await
    }

    async fn replay(&self, team: TeamId, letters: Letters, now: Millis) -> Result<u64> {
        let (mut after, mut replayed) = ((0, 0), 0);
        loop {
            let (team, which) = (team.clone(), letters.clone());
            let replay = move |t: &Transaction<'_>| letters::replay(t, &team, &which, after, now);
            let found = self.write(replay).await?;
            replayed += found.len() as u64;
            match found.last() {
                Some(last) if found.len() >= REPLAY_MAX => after = *last,
                _ => return Ok(replayed),
            }
        }
    }

    async fn discard(
        &self,
        team: TeamId,
        id: OutboxId,
        now: Millis,
    ) -> Result<Option<OutboxEntry>> {
        self.write(move |t| letters::discard(t, &team, &id, now))
            .await
    }

    async fn trace(&self, team: TeamId, event_id: String) -> Result<Trace> {
        self.query(move |c| listings::trace(c, &team, &event_id))
            .await
    }

    async fn deliveries(&self, team: TeamId, filter: DeliveryFilter) -> Result<Vec<DeliveryEntry>> {
        self.query(move |c| listings::deliveries(c, &team, &filter))
            .await
    }

    async fn peer_standings(&self, team: Option<TeamId>) -> Result<Vec<PeerStanding>> {
        self.query(move |c| letters::standings(c, team.as_ref()))
            .await
    }

    async fn prune_federation(&self, before: Ages, max: usize) -> Result<bool> {
        if self.write(move |t| letters::prune(t, before, max)).await? {
            return Ok(true);
        }
        // A look at all that is kept: not where everybody waits for it.
        let unneeded = self.query(move |c| letters::unneeded(c, max)).await?;
        let is_more = unneeded.len() >= max;
        if !unneeded.is_empty() {
            self.write(move |t| letters::remove_kept(t, &unneeded))
                .await?;
        }
        Ok(is_more)
    }
}

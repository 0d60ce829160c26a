//! Invitations as they are kept, and who may redeem one: rules that both databases share.

use super::federation::{NewPeer, PeerRecord, PeerUpdate};
use super::record::Millis;
use crate::protocol::federation::PeerStatus;
use crate::protocol::forward::TypeScopes;
use crate::protocol::id::TeamId;
use crate::protocol::identity::IDENTITY_KEY_LEN;

/// How many invitations of a team may wait to be redeemed: nobody hands out more at a time.
pub const INVITES_MAX: usize = 100;

/// An invitation. Of its secret the digest is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRecord {
    /// A version 7 UUID.
    pub id: String,
    /// Whose it is.
    pub team: TeamId,
    /// The SHA-256 of its secret.
    pub digest: [u8; 32],
    /// What the peer is to be called; its instance id where that is not said.
    pub name: Option<String>,
    /// Which types go over the connection, both ways.
    pub scopes: TypeScopes,
    /// When it was made.
    pub created_at: Millis,
    /// Until when it can be redeemed.
    pub expires_at: Millis,
    /// Who has redeemed it, and what came of it.
    pub redeemed: Option<Redeemed>,
}

/// That an invitation was redeemed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// The joiner's key.
    pub joiner_key: [u8; IDENTITY_KEY_LEN],
    /// The peer's UUID.
    pub peer_id: String,
    /// When it was first.
    pub at: Millis,
}

/// Somebody with the secret of an invitation, and the peer that they would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joiner {
    /// The SHA-256 of the secret.
    pub digest: [u8; 32],
    /// The key that they have proved to have.
    pub key: [u8; IDENTITY_KEY_LEN],
    /// The peer. Where they are one already its id is that one's, and what the connection does not change is not looked at.
    pub peer: NewPeer,
    /// Whether they were found to be a peer already.
    pub is_known: bool,
    /// Until when an inbound token that is replaced stays valid.
    pub old_until: Millis,
}

/// Why an invitation is not redeemed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InviteRefusal {
    /// There is none with this secret.
    #[error("there is no such invitation: it was taken back, or its time is long over")]
    Unknown,
    /// Its time is over.
    #[error("the invitation has expired: ask for a new one")]
    Expired,
    /// Somebody else was first.
    #[error("the invitation was redeemed by another instance: ask for a new one")]
    Used,
    /// The joiner was first, and the peer that came of it is gone.
    #[error("the invitation was redeemed, and its peer has been removed since: ask for a new one")]
    Removed,
    /// The joiner says to be a peer that has not proved to have this key.
    #[error(
        "there is a peer with the instance id `{0}` already, which has not proved to have this key: who invites has to \
         remove that peer first, with what waits for it"
    )]
    Stranger(String),
    /// The joiner's instance is a peer for another of its teams.
    #[error(
        "there is a peer with the instance id `{0}` already, for another team of that instance: two instances are \
         connected once"
    )]
    OtherTeam(String),
    /// The joiner is a peer that was revoked.
    #[error("the peer `{0}` is revoked: who invites has to resume or to remove it first")]
    Revoked(String),
    /// The peers have changed since they were looked at.
    #[error("the team's peers are being changed at this moment: try again")]
    Raced,
}

/// Who asks to join.
#[derive(Debug, Clone, Copy)]
pub struct Asks<'a> {
    /// What they put into chains.
    pub instance_id: &'a str,
    /// The key that they have proved to have.
    pub key: &'a [u8; IDENTITY_KEY_LEN],
    /// Where events for them are posted.
    pub hook_url: &'a str,
    /// When they ask.
    pub now: Millis,
}

/// Whether two addresses are the hook of one team of an instance, which may have moved.
pub fn is_same_hook(one: &str, other: &str) -> bool {
    let hook = |url: &str| url.rsplit_once("/hooks/").map(|(_, hook)| hook.to_owned());
    one == other || hook(one).is_some_and(|one| Some(one) == hook(other))
}

impl InviteRecord {
    /// Who a joiner is among the team's peers, if any of them; or why they may not join. Who has redeemed it may do so
    /// again, also when its time is over: the answer may have been lost.
    ///
    /// # Errors
    /// Why not.
    pub fn admit<'a>(
        &self,
        peers: &'a [PeerRecord],
        asks: Asks<'_>,
    ) -> Result<Option<&'a PeerRecord>, InviteRefusal> {
        let Asks {
            instance_id,
            key,
            hook_url,
            now,
        } = asks;
        match &self.redeemed {
            Some(redeemed) if redeemed.joiner_key != *key => return Err(InviteRefusal::Used),
            None if now >= self.expires_at => return Err(InviteRefusal::Expired),
            _ => {}
        }
        let found = peers.iter().find(|peer| peer.instance_id == instance_id);
        let is_gone = |redeemed: &Redeemed| found.is_none_or(|peer| peer.id != redeemed.peer_id);
        if self.redeemed.as_ref().is_some_and(is_gone) {
            return Err(InviteRefusal::Removed);
        }
        match found {
            // Otherwise whoever has an invitation could take over what waits for another.
            Some(peer) if peer.identity_key != Some(*key) => {
                Err(InviteRefusal::Stranger(peer.instance_id.clone()))
            }
            // An instance has one key for all its teams, and teams are walls.
            Some(peer) if !is_same_hook(&peer.hook_url, hook_url) => {
                Err(InviteRefusal::OtherTeam(peer.instance_id.clone()))
            }
            Some(peer) if peer.status == PeerStatus::Revoked => {
                Err(InviteRefusal::Revoked(peer.name.clone()))
            }
            found => Ok(found),
        }
    }

    /// What a joiner changes of the peer that it is: the way to it; by a new invitation also what that one says.
    pub(super) fn renewal(&self, joiner: &Joiner, known: &PeerRecord) -> PeerUpdate {
        let is_new = self.redeemed.is_none();
        let new = &joiner.peer;
        let inbound = (new.inbound.clone(), joiner.old_until);
        PeerUpdate {
            name: self.name.clone().filter(|_| is_new),
            scopes: is_new.then(|| self.scopes.clone()),
            hook_url: Some(new.hook_url.clone()),
            outbound_token: Some(new.outbound_token.clone()),
            // The same token again replaces nothing, also not the one before it.
            inbound: (new.inbound.index != known.inbound.index).then_some(inbound),
            ..PeerUpdate::default()
        }
    }
}

impl Joiner {
    fn asks(&self) -> Asks<'_> {
        Asks {
            instance_id: &self.peer.instance_id,
            key: &self.key,
            hook_url: &self.peer.hook_url,
            now: self.peer.now,
        }
    }

    /// The peer that this is to change, as it is now; `None` where it is to be made. What it is made of must have been
    /// made for that one.
    pub(super) fn known<'a>(
        &self,
        invite: &InviteRecord,
        peers: &'a [PeerRecord],
    ) -> Result<Option<&'a PeerRecord>, InviteRefusal> {
        let new = &self.peer;
        if new.team != invite.team {
            return Err(InviteRefusal::Unknown);
        }
        let found = invite.admit(peers, self.asks())?;
        let is_same = match found {
            Some(peer) => self.is_known && peer.id == new.id,
            None => !self.is_known,
        };
        match is_same {
            true => Ok(found),
            false => Err(InviteRefusal::Raced),
        }
    }
}

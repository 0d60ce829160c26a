//! The rules of peers that both databases share: which may be beside which, what an event's forwards are decided by, and
//! what of that is remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::federation::{
    InboundToken, NewPeer, PEERS_MAX, Pass, PeerNumber, PeerRecord, PeerUpdate,
};
use super::record::{Millis, NewEvent};
use super::{Result, StoreError};
use crate::protocol::federation::{PeerKind, PeerStatus};
use crate::protocol::forward::TypeScopes;
use crate::protocol::id::TeamId;

/// What each peer of a team gets, at one version of them: what an append decides by.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers {
    /// The version; 0 for a team that never had a peer.
    pub(super) version: i64,
    /// All but the deleted ones.
    pub(super) peers: Vec<PeerRecord>,
}

/// What is decided about one event and one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) peer: PeerNumber,
    /// Why it does not go there, where that is to be recorded.
    pub(super) declined: Option<String>,
}

impl NewPeer {
    /// The peer that comes of it.
    pub(super) fn numbered(self, number: PeerNumber) -> PeerRecord {
        PeerRecord {
            number,
            id: self.id,
            team: self.team,
            name: self.name,
            instance_id: self.instance_id,
            status: PeerStatus::Active,
            hook_url: self.hook_url,
            scopes: self.scopes,
            max_hops: self.max_hops,
            rate_limit_per_sec: self.rate_limit_per_sec,
            outbound_token: self.outbound_token,
            inbound: self.inbound,
            old_inbound: None,
            created_at: self.now,
            updated_at: self.now,
            identity_key: self.identity_key,
            kind: self.kind,
            discovery: self.discovery,
        }
    }
}

impl PeerRecord {
    /// Of the peers that a token with this index was ever for, the one that it is for now: one that was taken over from
    /// a peer that is not active any more belongs to the newer one.
    pub(super) fn owner(found: Vec<Self>, index: &[u8; 32]) -> Option<Self> {
        found.into_iter().max_by_key(|peer| {
            let is_active = peer.status == PeerStatus::Active;
            (is_active, peer.inbound.index == *index, peer.number)
        })
    }

    /// Refuses what would make two peers one. Tokens of peers that are not active may come again.
    fn refuse_twin(
        &self,
        instance_id: &str,
        name: &str,
        inbound: Option<&InboundToken>,
        now: Millis,
    ) -> Result<()> {
        let exists = |what: String| Err(StoreError::Exists(what));
        if self.instance_id == instance_id {
            return exists(format!("a peer with the instance id `{instance_id}`"));
        }
        if self.name == name {
            return exists(format!("a peer called `{name}`"));
        }
        // `agent@peer` names a peer by either: it must be one.
        if self.name == instance_id || self.instance_id == name {
            return exists(format!(
                "a peer called `{}` with the instance id `{}`",
                self.name, self.instance_id
            ));
        }
        // One that never knocks has no token: it shares none with another.
        let has_token = |token: &InboundToken| {
            !token.hash.is_empty()
                && self.status == PeerStatus::Active
                && self.inbound_at(&token.index, now).is_some()
        };
        match inbound.is_some_and(has_token) {
            true => exists("another active peer with this inbound token".to_owned()),
            false => Ok(()),
        }
    }
}

/// A stored status.
pub(super) fn stored_status(word: String) -> Result<PeerStatus> {
    PeerStatus::of(&word).ok_or_else(|| StoreError::Failed(format!("`{word}` is no status")))
}

/// A stored kind.
pub(super) fn stored_kind(word: String) -> Result<PeerKind> {
    PeerKind::of(&word).ok_or_else(|| StoreError::Failed(format!("`{word}` is no kind of peer")))
}

/// Stored scopes.
pub(super) fn stored_scopes(json: String) -> Result<TypeScopes> {
    let fault = |why: String| StoreError::Failed(format!("stored scopes: {why}"));
    let patterns = serde_json::from_str(&json).map_err(|error| fault(error.to_string()))?;
    TypeScopes::parse(patterns).map_err(|error| fault(error.to_string()))
}

/// Scopes as they are stored.
pub(super) fn scopes_text(scopes: &TypeScopes) -> String {
    // Strings always serialise.
    serde_json::to_string(scopes.patterns()).unwrap_or_default()
}

impl Peers {
    /// Refuses a peer that there is no room for, or that would be one with another.
    pub(super) fn check_new(&self, new: &NewPeer) -> Result<()> {
        let like = self.peers.iter().filter(|peer| peer.kind == new.kind);
        match (new.kind, like.count()) {
            (PeerKind::Kite | PeerKind::OpenIntent, PEERS_MAX..) => {
                return Err(StoreError::Failed(format!(
                    "the team has {PEERS_MAX} peers, which is the most there can be"
                )));
            }
            (PeerKind::Paperclip, 1..) => {
                return Err(StoreError::Exists("the team's Paperclip".to_owned()));
            }
            _ => {}
        }
        let check = |other: &PeerRecord| {
            other.refuse_twin(&new.instance_id, &new.name, Some(&new.inbound), new.now)
        };
        self.peers.iter().try_for_each(check)
    }

    /// A peer as a change makes it.
    pub(super) fn changed(&self, id: &str, update: PeerUpdate, now: Millis) -> Result<PeerRecord> {
        let found = self.peers.iter().find(|peer| peer.id == id);
        let found = found.ok_or_else(|| StoreError::NotFound(format!("peer `{id}`")))?;
        let mut peer = found.clone();
        peer.apply(update, now);
        // Also a token that comes into use again, with its peer, may be another's by now.
        let is_used_anew = peer.inbound != found.inbound || peer.status != found.status;
        let inbound = is_used_anew.then_some(&peer.inbound);
        for other in self.peers.iter().filter(|other| other.id != id) {
            let inbound = inbound.filter(|_| peer.status == PeerStatus::Active);
            other.refuse_twin(&peer.instance_id, &peer.name, inbound, now)?;
        }
        Ok(peer)
    }

    /// Which peers an event goes to, and which it does not although their scopes name it. Revoked ones get nothing.
    pub(super) fn decide(&self, event: &NewEvent, own_id: &str) -> Vec<Decision> {
        let live = |peer: &&PeerRecord| peer.status != PeerStatus::Revoked;
        let decide = |peer: &PeerRecord| {
            let judged = match peer.kind {
                PeerKind::Kite => {
                    let transit = &event.transit;
                    transit.judge(&event.kind, own_id, peer.destination())?
                }
                // What an agent of this instance could listen for, however far it has come: it ends there.
                PeerKind::Paperclip => event.agent_to.as_ref().map(|_| Ok(()))?,
                // It gets what is addressed to it, and nothing else.
                PeerKind::OpenIntent => {
                    let to = event.transit.to_instance.as_ref();
                    to.filter(|to| **to == peer.instance_id).map(|_| Ok(()))?
                }
            };
            Some(Decision {
                peer: peer.number,
                declined: judged.err().map(|why| format!("not forwarded: {why}")),
            })
        };
        self.peers.iter().filter(live).filter_map(decide).collect()
    }

    /// Whether an event that was let in with a pass may be stored at a time.
    pub(super) fn admit(&self, pass: &Pass, now: Millis) -> bool {
        self.peers.iter().any(|peer| {
            peer.number == pass.peer
                && peer.status == PeerStatus::Active
                && peer.inbound_at(&pass.index, now).is_some()
        })
    }
}

/// The peers of all teams, as far as they are remembered.
#[derive(Debug, Default)]
pub(super) struct KnownPeers {
    own_id: OnceLock<String>,
    teams: Mutex<HashMap<TeamId, Arc<Peers>>>,
}

/// How many teams' peers are remembered at a time.
const REMEMBERED_MAX: usize = 10_000;

impl KnownPeers {
    /// Takes note of the instance's own id.
    pub(super) fn set_own_id(&self, id: &str) {
        // It never changes.
        let _ = self.own_id.set(id.to_owned());
    }

    /// The instance's own id; empty before a server has asked for it.
    pub(super) fn own_id(&self) -> &str {
        self.own_id.get().map_or("", String::as_str)
    }

    fn teams(&self) -> MutexGuard<'_, HashMap<TeamId, Arc<Peers>>> {
        self.teams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of a team.
    pub(super) fn of(&self, team: &TeamId) -> Option<Arc<Peers>> {
        self.teams().get(team).cloned()
    }

    /// Remembers a team's peers.
    pub(super) fn remember(&self, team: &TeamId, peers: &Arc<Peers>) {
        let mut teams = self.teams();
        if teams.len() >= REMEMBERED_MAX {
            teams.clear();
        }
        teams.insert(team.clone(), peers.clone());
    }

    /// Forgets everything: a transaction in which something was read may not have been committed.
    pub(super) fn forget(&self) {
        self.teams().clear();
    }
}

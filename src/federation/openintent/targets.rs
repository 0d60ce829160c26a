//! The peers that stand for other servers of OpenIntent, so that what is sent to them goes by the same outbox as all else.
//!
//! There is one for each team and origin, made when something is first sent there. It gets what is addressed to it and
//! nothing else. When there are too many, one that has had nothing to do for long makes room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::random;
use crate::protocol::federation::{PeerKind, PeerStatus};
use crate::protocol::forward::{MAX_HOPS, TypeScopes};
use crate::protocol::id::TeamId;
use crate::store::federation::{InboundToken, NewPeer, PEERS_MAX, PeerRecord, PeerUpdate};
use crate::store::record::Millis;
use crate::store::{Store, StoreError};

/// Posts a second to one server.
const RATE_PER_SEC: u32 = 1000;

/// How many may be made because senders of intents named them: the rest is for whom the team itself dispatches to.
const NAMED_MAX: usize = PEERS_MAX / 2;

/// How long a peer has had nothing to do before it may make room for another.
const IDLE_MIN: Duration = Duration::from_secs(24 * 3600);

/// For how long a peer that was seen is not looked for again.
const SEEN: Duration = Duration::from_secs(60);

/// How many are remembered as seen. Beyond it all are looked for again.
const SEEN_MAX: usize = 10_000;

/// How often the peers are looked at anew because others change them at the same time.
const TRIES_MAX: usize = 10;

/// The peers of other servers.
pub(super) struct Targets {
    store: Arc<dyn Store>,
    seen: Mutex<HashMap<(TeamId, String), Millis>>,
}

impl Targets {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            seen: Mutex::default(),
        }
    }

    /// What an event for the server at an origin has to be addressed to. Makes its peer where there is none and is room for
    /// it: all of it, or what those may use up whom somebody else has `named`.
    ///
    /// # Errors
    /// When the store does not make it, or there is no room.
    pub(super) async fn address(
        &self,
        team: &TeamId,
        origin: &str,
        is_named: bool,
        now: Millis,
    ) -> Result<String, StoreError> {
        let max = match is_named {
            true => NAMED_MAX,
            false => PEERS_MAX,
        };
        let name = (team.clone(), origin.to_owned());
        let instance_id = format!("openintent:{origin}");
        if self.was_seen(&name, now) {
            return Ok(instance_id);
        }
        let mut tries = 1;
        loop {
            let peers = self.store.peers(team.clone()).await?;
            if peers.iter().any(|peer| peer.instance_id == instance_id) {
                break;
            }
            self.make_room(&peers, max, now).await?;
            let new = new_peer(team, &instance_id, origin, now)?;
            match self.store.create_peer(new).await {
                // Another node was faster.
                Err(StoreError::Exists(_)) if tries < TRIES_MAX => tries += 1,
                created => {
                    created?;
                    break;
                }
            }
        }
        self.note_seen(name, now);
        Ok(instance_id)
    }

    fn was_seen(&self, name: &(TeamId, String), now: Millis) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let age_max = Millis::try_from(SEEN.as_millis()).unwrap_or(0);
        seen.get(name)
            .is_some_and(|at| (0..age_max).contains(&(now - at)))
    }

    fn note_seen(&self, name: (TeamId, String), now: Millis) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert(name, now);
    }

    /// Removes the peer that has had nothing to do for longest, where there are as many as there may be.
    async fn make_room(
        &self,
        peers: &[PeerRecord],
        max: usize,
        now: Millis,
    ) -> Result<(), StoreError> {
        let is_target = |peer: &&PeerRecord| peer.kind == PeerKind::OpenIntent;
        let Some(first) = peers.iter().find(is_target) else {
            return Ok(());
        };
        if peers.iter().filter(is_target).count() < max {
            return Ok(());
        }
        let idle_min = Millis::try_from(IDLE_MIN.as_millis()).unwrap_or(Millis::MAX);
        let standings = self.store.peer_standings(Some(first.team.clone())).await?;
        let idle = standings
            .iter()
            .filter(|it| it.peer.kind == PeerKind::OpenIntent && it.backlog == 0)
            .map(|it| {
                let last = it.state.last_success_at.unwrap_or(0);
                (last.max(it.peer.created_at), &it.peer)
            })
            // Something may be on its way to one that was asked for lately.
            .filter(|(last, peer)| now - last >= idle_min && !self.was_seen(&name_of(peer), now))
            .min_by_key(|(last, _)| *last);
        match idle {
            Some((_, peer)) => {
                let update = PeerUpdate {
                    status: Some(PeerStatus::Deleted),
                    ..PeerUpdate::default()
                };
                let (team, id) = (peer.team.clone(), peer.id.clone());
                self.store.update_peer(team, id, update, now).await?;
                Ok(())
            }
            None => Err(StoreError::Failed(format!(
                "the team sends to {max} servers of OpenIntent already, and each of them got something within a day"
            ))),
        }
    }
}

fn name_of(peer: &PeerRecord) -> (TeamId, String) {
    (peer.team.clone(), peer.hook_url.clone())
}

fn new_peer(
    team: &TeamId,
    instance_id: &str,
    origin: &str,
    now: Millis,
) -> Result<NewPeer, StoreError> {
    let scopes = TypeScopes::parse(vec!["com.openintent.*".to_owned()]);
    Ok(NewPeer {
        id: random::uuid7(),
        team: team.clone(),
        instance_id: instance_id.to_owned(),
        name: instance_id.to_owned(),
        hook_url: origin.to_owned(),
        scopes: scopes.map_err(|fault| StoreError::Failed(fault.to_string()))?,
        max_hops: MAX_HOPS,
        rate_limit_per_sec: RATE_PER_SEC,
        // What it is shown depends on whom the team trusts, and nothing comes from it: no token has this index.
        outbound_token: Vec::new(),
        inbound: InboundToken {
            index: [0; 32],
            hash: String::new(),
        },
        identity_key: None,
        kind: PeerKind::OpenIntent,
        discovery: false,
        now,
    })
}

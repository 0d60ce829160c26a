//! The peer that stands for Paperclip in each team, so that its messages go by the same outbox as all else.
//!
//! It comes and goes with the server's settings: made while there is a Paperclip, revoked at a start without one. On
//! several nodes the start that was last decides.

use std::time::Duration;

use tokio::time::sleep;

use super::paperclip::Paperclip;
use super::works::Works;
use crate::base::outage::Outage;
use crate::base::random;
use crate::protocol::event::AGENT_MESSAGE;
use crate::protocol::federation::{PeerKind, PeerStatus, RATE_LIMIT};
use crate::protocol::forward::{MAX_HOPS, TypeScopes};
use crate::protocol::id::TeamId;
use crate::store::federation::{InboundToken, NewPeer, PeerRecord, PeerUpdate};
use crate::store::record::Millis;
use crate::store::{Store, StoreError};

/// How often teams are looked for that were made meanwhile, by whatever process.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What the peer is called, where that is free.
const NAME: &str = "paperclip";

/// How often another name is tried because others make peers at the same time.
const TRIES_MAX: usize = 10;

/// Makes the peers of all teams what the settings say, at a start. A paused one stays paused.
///
/// # Errors
/// When the store does not take it.
pub async fn arrange(
    store: &dyn Store,
    paperclip: Option<&Paperclip>,
    now: Millis,
) -> Result<(), StoreError> {
    for peer in store.paperclips().await? {
        let update = change(&peer, paperclip);
        let number = peer.number;
        if update != PeerUpdate::default() {
            store.update_peer(peer.team, peer.id, update, now).await?;
        }
        if paperclip.is_some() {
            // What failed by other settings says nothing of these.
            store.wake_peer(number).await?;
        }
    }
    match paperclip {
        Some(paperclip) => provide(store, paperclip, now).await,
        None => Ok(()),
    }
}

/// What has to change of a peer.
fn change(peer: &PeerRecord, paperclip: Option<&Paperclip>) -> PeerUpdate {
    let wanted = match (paperclip, peer.status) {
        (None, _) => PeerStatus::Revoked,
        (Some(_), PeerStatus::Revoked) => PeerStatus::Active,
        (Some(_), status) => status,
    };
    let url = paperclip.map(Paperclip::api_url);
    let url = url.filter(|url| *url != peer.hook_url);
    PeerUpdate {
        status: (wanted != peer.status).then_some(wanted),
        hook_url: url.map(str::to_owned),
        ..PeerUpdate::default()
    }
}

/// Makes the peer of each new team, for as long as the server runs.
pub(super) async fn keep(works: &Works) {
    let Some(paperclip) = &works.paperclip else {
        return;
    };
    let mut outage = Outage::new("new teams do not get their peer for Paperclip");
    loop {
        sleep(LOOK_INTERVAL).await;
        let now = works.clock.unix_millis();
        let provided = provide(&*works.store, paperclip, now).await;
        outage.note(provided.as_ref().err());
    }
}

/// Makes the peer of each team that has none.
async fn provide(store: &dyn Store, paperclip: &Paperclip, now: Millis) -> Result<(), StoreError> {
    for team in store.teams_without_paperclip().await? {
        match create(store, team, paperclip, now).await {
            // Another node was faster, or somebody takes names all the time: the next look tells.
            Ok(()) | Err(StoreError::Exists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn create(
    store: &dyn Store,
    team: TeamId,
    paperclip: &Paperclip,
    now: Millis,
) -> Result<(), StoreError> {
    let mut tries = 1;
    loop {
        let peers = store.peers(team.clone()).await?;
        let created = store.create_peer(new_peer(&team, free_name(&peers), paperclip, now)?);
        match created.await {
            Err(StoreError::Exists(_)) if tries < TRIES_MAX => tries += 1,
            created => return created.map(drop),
        }
    }
}

/// `paperclip`, or with a number behind it where a peer has that word already.
fn free_name(peers: &[PeerRecord]) -> String {
    let is_free = |word: &String| {
        let has_it = |peer: &PeerRecord| peer.name == *word || peer.instance_id == *word;
        !peers.iter().any(has_it)
    };
    let numbered = (2..).map(|number| format!("{NAME}-{number}"));
    let mut words = std::iter::once(NAME.to_owned()).chain(numbered);
    words.find(is_free).unwrap_or_default()
}

fn new_peer(
    team: &TeamId,
    name: String,
    paperclip: &Paperclip,
    now: Millis,
) -> Result<NewPeer, StoreError> {
    let scopes = TypeScopes::parse(vec![AGENT_MESSAGE.to_owned()]);
    Ok(NewPeer {
        id: random::uuid7(),
        team: team.clone(),
        instance_id: name.clone(),
        name,
        hook_url: paperclip.api_url().to_owned(),
        scopes: scopes.map_err(|fault| StoreError::Failed(fault.to_string()))?,
        max_hops: MAX_HOPS,
        rate_limit_per_sec: RATE_LIMIT,
        // Its key is in the settings alone, and nothing comes from it: no token has this index.
        outbound_token: Vec::new(),
        inbound: InboundToken {
            index: [0; 32],
            hash: String::new(),
        },
        identity_key: None,
        kind: PeerKind::Paperclip,
        discovery: false,
        now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixtures;

    fn paperclip() -> Paperclip {
        Paperclip::new("http://127.0.0.1:9", None, &fixtures::outbound()).unwrap()
    }

    #[test]
    fn a_word_that_a_peer_has_is_not_taken() {
        let mut peers = vec![fixtures::peer("http://127.0.0.1:1/")];
        assert_eq!(free_name(&peers), "paperclip");
        peers[0].name = "paperclip".to_owned();
        peers[0].instance_id = "paperclip-2".to_owned();
        assert_eq!(free_name(&peers), "paperclip-3");
    }

    #[test]
    fn a_peer_follows_the_settings_and_a_paused_one_stays_so() {
        let mut peer = fixtures::peer("http://127.0.0.1:9");
        let status =
            |peer: &PeerRecord, is_on: bool| change(peer, is_on.then(paperclip).as_ref()).status;
        assert_eq!(change(&peer, Some(&paperclip())), PeerUpdate::default());
        assert_eq!(status(&peer, false), Some(PeerStatus::Revoked));
        peer.status = PeerStatus::Paused;
        assert_eq!(status(&peer, true), None);
        peer.status = PeerStatus::Revoked;
        assert_eq!(status(&peer, true), Some(PeerStatus::Active));
        assert_eq!(status(&peer, false), None);
        peer.hook_url = "https://old.example".to_owned();
        let moved = change(&peer, Some(&paperclip())).hook_url;
        assert_eq!(moved.as_deref(), Some("http://127.0.0.1:9"));
    }
}

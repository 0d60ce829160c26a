//! What the contract says of other instances.

mod forwards;
mod invites;
mod letters;
mod listings;
mod paperclip;
mod peers;

use std::sync::Arc;

use kite::protocol::federation::{OutboxStatus, PeerKind, PeerStatus};
use kite::protocol::forward::{Provenance, Transit, TypeScopes};
use kite::store::federation::{
    ClaimId, DeliveryEntry, DeliveryFilter, Due, DueQuery, InboundToken, NewPeer, OutboxEntry,
    OutboxFilter, OutboxId, PeerRecord, PeerState, PeerUpdate, Settled, Settlement, Work,
};
use kite::store::record::{Appended, Batch, Dedup, Millis, NewEvent, Outcome};
use kite::store::{Store, StoreError};

use super::{event, id};

/// What a new peer of `acme` is made of. Its token's index is that of its name.
pub(super) fn draft(name: &str) -> NewPeer {
    NewPeer {
        id: format!("id-of-{name}"),
        team: id("acme"),
        name: name.to_owned(),
        instance_id: format!("instance-{name}"),
        hook_url: "https://peer.example/hooks/t/kite".to_owned(),
        scopes: scopes(&["*"]),
        max_hops: 3,
        rate_limit_per_sec: 100,
        outbound_token: vec![0, 7],
        inbound: token(name),
        now: 10,
        identity_key: None,
        kind: PeerKind::Kite,
        discovery: false,
    }
}

fn scopes(patterns: &[&str]) -> TypeScopes {
    TypeScopes::parse(patterns.iter().map(|it| (*it).to_owned()).collect()).unwrap()
}

fn token(name: &str) -> InboundToken {
    let mut index = [0; 32];
    for (to, from) in index.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    InboundToken {
        index,
        hash: format!("hash of {name}"),
    }
}

async fn peer(store: &dyn Store, name: &str) -> PeerRecord {
    store.create_peer(draft(name)).await.unwrap()
}

async fn change(store: &dyn Store, peer: &PeerRecord, update: PeerUpdate) -> PeerRecord {
    let changed = store.update_peer(peer.team.clone(), peer.id.clone(), update, 20);
    changed.await.unwrap()
}

async fn set_status(store: &dyn Store, peer: &PeerRecord, status: PeerStatus) -> PeerRecord {
    let update = PeerUpdate {
        status: Some(status),
        ..PeerUpdate::default()
    };
    change(store, peer, update).await
}

pub(super) async fn append(store: &dyn Store, events: Vec<NewEvent>) -> Vec<Appended> {
    let batch = Batch {
        events,
        month: "2026-11".to_owned(),
        events_limit: None,
    };
    store.append(Arc::new(batch)).await.unwrap()
}

/// An event that has come by these instances.
fn travelled(name: &str, chain: &[&str]) -> NewEvent {
    let transit = Transit {
        provenance: Provenance {
            origin: chain.first().map(|it| (*it).to_owned()),
            chain: chain.iter().map(|it| (*it).to_owned()).collect(),
            hops: chain.len() as u64,
        },
        to_instance: None,
    };
    NewEvent {
        transit,
        ..event("acme", name, 5)
    }
}

async fn fill(store: &dyn Store, count: i64) {
    let one = |n| event("acme", &format!("e{n}"), n * 10);
    append(store, (1..=count).map(one).collect()).await;
}

pub(super) async fn claim(store: &dyn Store) -> ClaimId {
    let claims = store.claim_peers(1000, 10).await.unwrap();
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims[0]
}

fn query(claim: ClaimId) -> DueQuery {
    DueQuery {
        claim,
        after: 0,
        fresh_max: 100,
        retries_max: 100,
        now: 1000,
    }
}

pub(super) async fn work(store: &dyn Store, claim: ClaimId) -> Work {
    store.due(query(claim)).await.unwrap().unwrap()
}

fn seqs(rows: &[Due]) -> Vec<u64> {
    rows.iter().map(|row| row.seq).collect()
}

pub(super) fn settlement(claim: ClaimId, seq: u64, due_at: i64, settled: Settled) -> Settlement {
    let status_code = match settled {
        Settled::Delivered => 202,
        Settled::Waits(_) => 503,
        Settled::Dead => 400,
    };
    Settlement {
        claim,
        seq,
        due_at,
        settled,
        attempt: 1,
        status_code: Some(status_code),
        error: (status_code != 202).then(|| format!("status {status_code}")),
        latency_ms: 9,
        at: 1000,
        state: PeerState::default(),
        wakes: false,
    }
}

async fn settle(store: &dyn Store, settlements: Vec<Settlement>) {
    let stand = store.settle(settlements).await.unwrap();
    assert!(stand.iter().all(|it| *it), "{stand:?}");
}

/// Until when the first row waits that is not due at a time.
async fn waits_until(store: &dyn Store, now: Millis) -> Option<Millis> {
    let pending = OutboxFilter {
        status: Some(OutboxStatus::Pending),
        ..everything()
    };
    let rows = listed(store, pending).await;
    let times = rows.iter().filter_map(|row| row.next_attempt_at);
    times.filter(|at| *at > now).min()
}

async fn listed(store: &dyn Store, filter: OutboxFilter) -> Vec<OutboxEntry> {
    store.outbox(id("acme"), filter).await.unwrap()
}

fn everything() -> OutboxFilter {
    OutboxFilter {
        limit: 1000,
        ..OutboxFilter::default()
    }
}

async fn deliveries(store: &dyn Store) -> Vec<DeliveryEntry> {
    let filter = DeliveryFilter {
        limit: 1000,
        ..DeliveryFilter::default()
    };
    store.deliveries(id("acme"), filter).await.unwrap()
}

fn row(peer: &PeerRecord, seq: u64) -> OutboxId {
    OutboxId {
        peer_id: peer.id.clone(),
        seq,
    }
}

fn named(event: NewEvent, key: [u8; 32]) -> NewEvent {
    NewEvent {
        dedup: Some(Dedup {
            key,
            fingerprint: None,
        }),
        ..event
    }
}

fn is_known(appended: &Appended) -> bool {
    matches!(appended.outcome, Outcome::Duplicate { .. })
}

fn exists(result: Result<PeerRecord, StoreError>) -> String {
    match result {
        Err(StoreError::Exists(what)) => what,
        other => panic!("{other:?}"),
    }
}

//! Peers, their tokens, and what may come in with them.

use std::sync::Arc;

use kite::protocol::federation::PeerStatus;
use kite::store::federation::{PEERS_MAX, Pass, PeerUpdate, TokenRecord};
use kite::store::record::{NewEvent, Outcome};
use kite::store::{Role, Store, StoreError, open};

use super::super::{event, id, postgres, sqlite};
use super::{append, change, draft, exists, peer, set_status, token};

contract! {
    a_peer_is_kept_as_it_was_made_and_changed,
    two_peers_of_a_team_differ_in_id_name_and_token,
    a_token_comes_into_use_again_only_where_no_other_has_it,
    a_team_has_so_many_peers_and_no_more,
    a_deleted_peer_is_gone_and_leaves_its_names_free,
    a_peer_is_found_by_its_token_and_the_one_before,
    the_peers_of_another_team_are_not_there,
    what_a_peer_sends_is_judged_when_it_is_stored,
    labels_of_tokens_belong_to_their_team,
}

async fn a_peer_is_kept_as_it_was_made_and_changed(store: &dyn Store) {
    let made = peer(store, "b").await;
    assert_eq!(
        (made.status, made.created_at, made.updated_at),
        (PeerStatus::Active, 10, 10)
    );
    let find = || store.find_peer(id("acme"), made.id.clone());
    assert_eq!(find().await.unwrap().as_ref(), Some(&made));
    let update = PeerUpdate {
        name: Some("c".to_owned()),
        status: Some(PeerStatus::Paused),
        hook_url: Some("https://other.example/".to_owned()),
        scopes: Some(super::scopes(&["stripe.*", "x"])),
        max_hops: Some(16),
        rate_limit_per_sec: Some(100_000),
        outbound_token: Some(vec![9]),
        inbound: Some((token("new"), 500)),
        discovery: Some(true),
    };
    let changed = change(store, &made, update).await;
    assert_eq!((changed.created_at, changed.updated_at), (10, 20));
    assert_eq!(changed.old_inbound, Some((token("b"), 500)));
    assert_eq!(find().await.unwrap().as_ref(), Some(&changed));
    let second = peer(store, "second").await;
    assert_eq!(
        store.peers(id("acme")).await.unwrap(),
        [changed, second],
        "oldest first"
    );
}

async fn two_peers_of_a_team_differ_in_id_name_and_token(store: &dyn Store) {
    let b = peer(store, "b").await;
    let mut twin = draft("c");
    twin.instance_id = b.instance_id.clone();
    let what = exists(store.create_peer(twin).await);
    assert_eq!(what, "a peer with the instance id `instance-b`");
    let mut twin = draft("c");
    twin.name = "b".to_owned();
    let what = exists(store.create_peer(twin).await);
    assert_eq!(what, "a peer called `b`");
    let mut twin = draft("c");
    twin.inbound = token("b");
    let what = exists(store.create_peer(twin).await);
    assert_eq!(what, "another active peer with this inbound token");

    let c = peer(store, "c").await;
    let update = |update| store.update_peer(id("acme"), c.id.clone(), update, 20);
    let renamed = PeerUpdate {
        name: Some("b".to_owned()),
        ..PeerUpdate::default()
    };
    assert_eq!(exists(update(renamed).await), "a peer called `b`");
    let token_of_b = PeerUpdate {
        inbound: Some((token("b"), 500)),
        ..PeerUpdate::default()
    };
    exists(update(token_of_b).await);
    let found = store.find_peer(id("acme"), c.id.clone()).await.unwrap();
    assert_eq!(found, Some(c), "nothing has changed");
    // Teams do not know of each other.
    let mut elsewhere = draft("b");
    (elsewhere.team, elsewhere.id) = (id("rival"), "another".to_owned());
    store.create_peer(elsewhere).await.unwrap();
}

async fn a_token_comes_into_use_again_only_where_no_other_has_it(store: &dyn Store) {
    let b = peer(store, "b").await;
    set_status(store, &b, PeerStatus::Revoked).await;
    let mut heir = draft("c");
    heir.inbound = token("b");
    let heir = store.create_peer(heir).await.unwrap();
    let activate = |status| {
        let update = PeerUpdate {
            status: Some(status),
            ..PeerUpdate::default()
        };
        store.update_peer(id("acme"), b.id.clone(), update, 20)
    };
    exists(activate(PeerStatus::Active).await);
    let found = store.peer_by_token(id("acme"), token("b").index).await;
    assert_eq!(found.unwrap().map(|peer| peer.id), Some(heir.id.clone()));
    set_status(store, &heir, PeerStatus::Paused).await;
    activate(PeerStatus::Active).await.unwrap();
}

async fn a_team_has_so_many_peers_and_no_more(store: &dyn Store) {
    for n in 0..PEERS_MAX {
        peer(store, &format!("p{n}")).await;
    }
    let over = store.create_peer(draft("over")).await;
    assert!(matches!(over, Err(StoreError::Failed(_))), "{over:?}");
    let stored = append(store, vec![event("acme", "e", 5)]).await;
    assert_eq!(stored[0].forwards.len(), PEERS_MAX);
    let peers = store.peers(id("acme")).await.unwrap();
    set_status(store, &peers[7], PeerStatus::Deleted).await;
    peer(store, "over").await;
}

async fn a_deleted_peer_is_gone_and_leaves_its_names_free(store: &dyn Store) {
    let b = peer(store, "b").await;
    let deleted = set_status(store, &b, PeerStatus::Deleted).await;
    assert_eq!(deleted.status, PeerStatus::Deleted);
    assert!(deleted.outbound_token.is_empty() && deleted.inbound.hash.is_empty());
    assert_eq!(
        store.find_peer(id("acme"), b.id.clone()).await.unwrap(),
        None
    );
    assert!(store.peers(id("acme")).await.unwrap().is_empty());
    let found = store.peer_by_token(id("acme"), token("b").index).await;
    assert_eq!(found.unwrap(), None);
    let again = store.update_peer(id("acme"), b.id, PeerUpdate::default(), 30);
    assert!(matches!(again.await, Err(StoreError::NotFound(_))));
    let mut next = draft("b");
    next.id = "next".to_owned();
    let next = store.create_peer(next).await.unwrap();
    assert!(next.number > b.number, "a number stands for one peer");
}

async fn a_peer_is_found_by_its_token_and_the_one_before(store: &dyn Store) {
    let b = peer(store, "b").await;
    let rotate = |name: &str, old_until| PeerUpdate {
        inbound: Some((token(name), old_until)),
        ..PeerUpdate::default()
    };
    let changed = change(store, &b, rotate("new", 500)).await;
    let found = async |name: &str| {
        let found = store.peer_by_token(id("acme"), token(name).index).await;
        found.unwrap()
    };
    for name in ["b", "new"] {
        assert_eq!(found(name).await.as_ref(), Some(&changed), "{name}");
    }
    // At once, without an overlap.
    change(store, &b, rotate("newer", 0)).await;
    assert_eq!(found("new").await, None);
    assert_eq!(found("b").await, None);
    assert!(found("newer").await.is_some());
    set_status(store, &b, PeerStatus::Paused).await;
    let paused = found("newer").await.map(|peer| peer.status);
    assert_eq!(paused, Some(PeerStatus::Paused));
}

async fn the_peers_of_another_team_are_not_there(store: &dyn Store) {
    let b = peer(store, "b").await;
    let rival = || id("rival");
    assert!(store.peers(rival()).await.unwrap().is_empty());
    assert_eq!(store.find_peer(rival(), b.id.clone()).await.unwrap(), None);
    let found = store.peer_by_token(rival(), token("b").index).await;
    assert_eq!(found.unwrap(), None);
    let update = store.update_peer(rival(), b.id.clone(), PeerUpdate::default(), 20);
    assert!(matches!(update.await, Err(StoreError::NotFound(_))));
    assert!(
        store
            .peer_standings(Some(rival()))
            .await
            .unwrap()
            .is_empty()
    );
    let mut nobodys = draft("x");
    nobodys.team = id("nobody");
    let made = store.create_peer(nobodys).await;
    assert!(matches!(made, Err(StoreError::NotFound(_))));
}

async fn what_a_peer_sends_is_judged_when_it_is_stored(store: &dyn Store) {
    let b = peer(store, "b").await;
    let from = |name: &str, token_of: &str, created_at| NewEvent {
        pass: Some(Pass {
            peer: b.number,
            index: token(token_of).index,
        }),
        ..event("acme", name, created_at)
    };
    let send = async |name: &str, token_of: &str, at| {
        let stored = append(store, vec![from(name, token_of, at)]).await;
        stored[0].outcome.clone()
    };
    assert_eq!(send("1", "b", 30).await, Outcome::Stored(1));
    assert_eq!(send("2", "other", 30).await, Outcome::NotAdmitted);
    let rotated = PeerUpdate {
        inbound: Some((token("new"), 500)),
        ..PeerUpdate::default()
    };
    change(store, &b, rotated).await;
    assert_eq!(send("3", "b", 499).await, Outcome::Stored(2));
    assert_eq!(send("4", "b", 500).await, Outcome::NotAdmitted);
    assert_eq!(send("4", "new", 500).await, Outcome::Stored(3));
    for status in [PeerStatus::Paused, PeerStatus::Revoked] {
        set_status(store, &b, status).await;
        assert_eq!(send("5", "new", 30).await, Outcome::NotAdmitted);
    }
    // One that is refused keeps nobody else out, under the same name or another.
    let stored = append(
        store,
        vec![
            super::named(from("6", "new", 30), [6; 32]),
            super::named(event("acme", "6", 30), [6; 32]),
            NewEvent {
                team: id("nobody"),
                ..from("7", "new", 30)
            },
        ],
    )
    .await;
    let outcomes: Vec<Outcome> = stored.into_iter().map(|it| it.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::NotAdmitted, Outcome::Stored(4), Outcome::NoTeam]
    );
    set_status(store, &b, PeerStatus::Active).await;
    assert_eq!(send("5", "new", 30).await, Outcome::Stored(5));
    // Another team's peer opens nothing.
    let elsewhere = NewEvent {
        team: id("rival"),
        ..from("8", "new", 30)
    };
    let stored = append(store, vec![elsewhere]).await;
    assert_eq!(stored[0].outcome, Outcome::NotAdmitted);
}

async fn labels_of_tokens_belong_to_their_team(store: &dyn Store) {
    let token = |name: &str, created_at| TokenRecord {
        id: name.to_owned(),
        team: id("acme"),
        label: format!("for {name}"),
        created_at,
    };
    for (name, created_at) in [("a", 2), ("b", 1)] {
        let create = store.create_federation_token(token(name, created_at));
        create.await.unwrap();
    }
    let listed = store.federation_tokens(id("acme")).await.unwrap();
    assert_eq!(listed, [token("b", 1), token("a", 2)]);
    assert!(
        store
            .federation_tokens(id("rival"))
            .await
            .unwrap()
            .is_empty()
    );
    let remove = |team| store.remove_federation_token(id(team), "a".to_owned());
    assert!(matches!(
        remove("rival").await,
        Err(StoreError::NotFound(_))
    ));
    assert_eq!(remove("acme").await.unwrap(), token("a", 2));
    assert!(matches!(remove("acme").await, Err(StoreError::NotFound(_))));
}

/// Nodes that share a database learn of each other's peers from the very append.
#[tokio::test]
async fn a_peer_that_another_node_has_made_or_revoked_is_not_missed() {
    let room = postgres().await;
    let other = open(&room.address, Role::Server).await.unwrap();
    let append_one = async |name: &str, pass: Option<Pass>| {
        let event = NewEvent {
            pass,
            ..event("acme", name, 30)
        };
        append(&*other, vec![event]).await.remove(0)
    };
    assert!(append_one("1", None).await.forwards.is_empty());
    let b = peer(&*room.store, "b").await;
    assert_eq!(append_one("2", None).await.forwards, [b.number]);
    let pass = Pass {
        peer: b.number,
        index: token("b").index,
    };
    let entered = append_one("3", Some(pass)).await;
    assert_eq!(entered.outcome, Outcome::Stored(3));
    set_status(&*room.store, &b, PeerStatus::Revoked).await;
    let late = append_one("4", Some(pass)).await;
    assert_eq!(late.outcome, Outcome::NotAdmitted);
    assert!(append_one("5", None).await.forwards.is_empty());
    // Only the team whose peers have changed comes again; the order within each team stays.
    let c = peer(&*room.store, "c").await;
    let batch = ["acme", "rival", "acme", "rival"]
        .into_iter()
        .enumerate()
        .map(|(n, team)| event(team, &format!("m{n}"), 30));
    let stored = append(&*other, batch.collect()).await;
    let outcomes: Vec<_> = stored
        .into_iter()
        .map(|it| (it.outcome, it.events_used, it.forwards))
        .collect();
    assert_eq!(
        outcomes,
        [
            (Outcome::Stored(5), 5, vec![c.number]),
            (Outcome::Stored(1), 1, vec![]),
            (Outcome::Stored(6), 6, vec![c.number]),
            (Outcome::Stored(2), 2, vec![]),
        ]
    );
}

/// However appends and changes of peers overtake each other, an event goes to a peer exactly if it was stored while that
/// peer was there.
#[tokio::test]
async fn peers_that_come_and_go_beside_appends_miss_nothing() {
    let room = postgres().await;
    let other = open(&room.address, Role::Server).await.unwrap();
    let store: Arc<dyn Store> = room.store.clone();
    let changes = tokio::spawn(async move {
        for n in 0..20 {
            peer(&*store, &format!("p{n}")).await;
        }
    });
    let mut counts = Vec::new();
    for n in 0..100 {
        let stored = append(&*other, vec![event("acme", &format!("e{n}"), 30)]).await;
        counts.push(stored[0].forwards.len());
    }
    changes.await.unwrap();
    assert!(counts.is_sorted(), "{counts:?}");
    let last = append(&*other, vec![event("acme", "last", 30)]).await;
    assert_eq!(last[0].forwards.len(), 20);
    let standings = room.store.peer_standings(Some(id("acme"))).await.unwrap();
    let backlog: u64 = standings.iter().map(|it| it.backlog).sum();
    assert_eq!(backlog, counts.iter().sum::<usize>() as u64 + 20);
}

//! Forwards: which events are written down for whom, and how they are worked (promise 5).

use kite::protocol::event::name_key;
use kite::protocol::federation::{OutboxStatus, PeerStatus};
use kite::store::federation::{
    ClaimId, DueQuery, Pass, PeerState, PeerUpdate, Settled, Settlement,
};
use kite::store::record::{Batch, NewEvent, Outcome, QuotaTurn};
use kite::store::{Role, Store, open};

use super::super::{event, id, postgres, sqlite};
use super::{
    append, change, claim, deliveries, draft, everything, fill, is_known, listed, named, peer,
    query, seqs, set_status, settle, settlement, token, travelled, waits_until, work,
};
use crate::support::postgres::Cluster;

contract! {
    an_event_goes_to_the_peers_whose_scopes_name_it,
    a_forward_is_written_with_its_event_or_not_at_all,
    what_goes_round_or_too_far_is_not_forwarded_and_that_is_recorded,
    an_event_for_one_peer_goes_to_that_one_alone,
    who_is_paused_gets_rows_and_who_is_revoked_gets_none,
    what_a_peer_brings_back_is_known,
    only_an_active_peer_with_something_due_is_claimed_and_once,
    what_is_settled_under_an_old_claim_changes_nothing,
    rows_are_due_in_their_order_and_again_when_their_time_comes,
    a_page_of_work_is_bounded_by_its_text,
    an_attempt_ends_delivered_or_waits_or_dead,
    a_circuit_that_closes_wakes_everything_that_waits,
    a_row_that_was_woken_during_its_attempt_is_settled_all_the_same,
    drops_are_recorded_with_the_event_and_the_peer,
}

async fn an_event_goes_to_the_peers_whose_scopes_name_it(store: &dyn Store) {
    let without = append(store, vec![event("acme", "before", 5)]).await;
    assert!(without[0].forwards.is_empty());
    let (b, mut c) = (peer(store, "b").await, draft("c"));
    c.scopes = super::scopes(&["stripe.*"]);
    let c = store.create_peer(c).await.unwrap();
    let mut none = draft("none");
    none.scopes = super::scopes(&[]);
    store.create_peer(none).await.unwrap();
    let mut payment = event("acme", "payment", 5);
    payment.kind = "com.stripe.payment".to_owned();
    let stored = append(
        store,
        vec![event("acme", "note", 5), payment, event("rival", "r", 5)],
    )
    .await;
    let forwards: Vec<_> = stored.into_iter().map(|it| it.forwards).collect();
    assert_eq!(forwards, [vec![b.number], vec![b.number, c.number], vec![]]);
    let rows = listed(store, everything()).await;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.id.to_string(), row.event_id.as_str(), row.status))
        .collect();
    let pending = OutboxStatus::Pending;
    assert_eq!(rows.len(), 3);
    for expected in [
        ("id-of-b:2".to_owned(), "note", pending),
        ("id-of-b:3".to_owned(), "payment", pending),
        ("id-of-c:3".to_owned(), "payment", pending),
    ] {
        assert!(rows.contains(&expected), "{rows:?}");
    }
    assert!(deliveries(store).await.is_empty(), "no scope: no record");
}

async fn a_forward_is_written_with_its_event_or_not_at_all(store: &dyn Store) {
    let b = peer(store, "b").await;
    let one = || named(event("acme", "a", 5), [1; 32]);
    let stored = append(store, vec![one(), one()]).await;
    assert_eq!(stored[0].forwards, [b.number]);
    assert!(is_known(&stored[1]) && stored[1].forwards.is_empty());
    let limited = Batch {
        events: vec![event("acme", "over", 5)],
        month: "2026-11".to_owned(),
        events_limit: Some(1),
    };
    let over = store.append(std::sync::Arc::new(limited)).await.unwrap();
    assert_eq!(over[0].outcome, Outcome::Exhausted);
    assert!(over[0].forwards.is_empty());
    // What tells of this instance alone goes nowhere.
    let turn = NewEvent {
        kind: "kite.subscription.quota_exhausted".to_owned(),
        turn: Some(QuotaTurn::Exhausted),
        ..event("acme", "turn", 5)
    };
    let turn = append(store, vec![turn]).await;
    assert_eq!(
        (&turn[0].outcome, turn[0].forwards.len()),
        (&Outcome::Stored(2), 0)
    );
    assert_eq!(listed(store, everything()).await.len(), 1);
    assert!(deliveries(store).await.is_empty());
}

async fn what_goes_round_or_too_far_is_not_forwarded_and_that_is_recorded(store: &dyn Store) {
    let b = peer(store, "b").await;
    let events = vec![
        travelled("round", &["x", "instance-b"]),
        travelled("own", &["instance"]),
        travelled("far", &["x", "y", "z"]),
        travelled("goes", &["x", "y"]),
    ];
    let stored = append(store, events).await;
    let forwards: Vec<usize> = stored.iter().map(|it| it.forwards.len()).collect();
    assert_eq!(forwards, [0, 0, 0, 1]);
    let records = deliveries(store).await;
    let mut reasons: Vec<_> = records
        .iter()
        .map(|it| (it.seq, it.event_id.as_str(), it.error.as_deref()))
        .collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            (
                Some(1),
                "round",
                Some("not forwarded: `instance-b` is in its chain already")
            ),
            (
                Some(2),
                "own",
                Some("not forwarded: `instance` is in its chain already")
            ),
            (
                Some(3),
                "far",
                Some("not forwarded: it was forwarded 3 times; 3 is the limit")
            ),
        ]
    );
    assert!(
        records
            .iter()
            .all(|it| it.attempt == 0 && it.peer_id == b.id),
        "{records:?}"
    );
}

async fn an_event_for_one_peer_goes_to_that_one_alone(store: &dyn Store) {
    let (b, c) = (peer(store, "b").await, peer(store, "c").await);
    let to = |name: &str, to: &str| {
        let mut event = event("acme", name, 5);
        event.transit.to_instance = Some(to.to_owned());
        event
    };
    let stored = append(
        store,
        vec![to("1", "b"), to("2", "instance-c"), to("3", "nobody")],
    )
    .await;
    let forwards: Vec<_> = stored.into_iter().map(|it| it.forwards).collect();
    // A peer's name is the team's own word, and may change: the id is meant.
    assert_eq!(forwards, [vec![], vec![c.number], vec![]]);
    let again = append(store, vec![to("4", "instance-b")]).await;
    assert_eq!(again[0].forwards, [b.number]);
}

async fn who_is_paused_gets_rows_and_who_is_revoked_gets_none(store: &dyn Store) {
    let b = peer(store, "b").await;
    for (status, rows) in [
        (PeerStatus::Paused, 1),
        (PeerStatus::Revoked, 0),
        (PeerStatus::Active, 1),
        (PeerStatus::Deleted, 0),
    ] {
        set_status(store, &b, status).await;
        let stored = append(store, vec![event("acme", "e", 5)]).await;
        assert_eq!(stored[0].forwards.len(), rows, "{status:?}");
    }
    let c = peer(store, "c").await;
    let renamed = PeerUpdate {
        scopes: Some(super::scopes(&["other"])),
        ..PeerUpdate::default()
    };
    change(store, &c, renamed).await;
    let stored = append(store, vec![event("acme", "e", 5)]).await;
    assert!(stored[0].forwards.is_empty());
}

async fn what_a_peer_brings_back_is_known(store: &dyn Store) {
    let name = |it: &str| name_key("https://acme.example", it);
    let here = |it: &str| named(event("acme", it, 6), name(it));
    append(store, vec![event("acme", "before", 5)]).await;
    let b = peer(store, "b").await;
    let brought = |it: &str| NewEvent {
        pass: Some(Pass {
            peer: b.number,
            index: token("b").index,
        }),
        ..here(it)
    };
    // By a name of its own, by its own, and without any.
    let delivery = || named(event("acme", "delivery", 5), [1; 32]);
    let own = vec![delivery(), here("cloudevent"), event("acme", "plain", 5)];
    let stored = append(store, own).await;
    assert!(!stored.iter().any(is_known), "{stored:?}");
    for it in ["before", "delivery", "cloudevent", "plain"] {
        let back = append(store, vec![brought(it)]).await;
        let Outcome::Duplicate { id, same: true, .. } = &back[0].outcome else {
            panic!("{it}: {back:?}");
        };
        assert_eq!(id, it);
    }
    let of_another_source = NewEvent {
        source: "https://other.example".to_owned(),
        dedup: None,
        ..brought("plain")
    };
    let stored = append(
        store,
        vec![of_another_source, brought("fresh"), brought("fresh")],
    )
    .await;
    let is_known_each: Vec<bool> = stored.iter().map(is_known).collect();
    assert_eq!(is_known_each, [false, false, true]);
    // A sender who promises nothing may say the same again.
    assert!(!is_known(
        &append(store, vec![event("acme", "plain", 5)]).await[0]
    ));
    // What peers may bring outlives what else is remembered.
    store.forget(1000, 100).await.unwrap();
    let again = append(store, vec![here("cloudevent"), here("fresh"), delivery()]).await;
    let is_known_each: Vec<bool> = again.iter().map(is_known).collect();
    assert_eq!(is_known_each, [true, true, false]);
}

async fn only_an_active_peer_with_something_due_is_claimed_and_once(store: &dyn Store) {
    let b = peer(store, "b").await;
    let claims = async || store.claim_peers(1000, 10).await.unwrap();
    assert_eq!(claims().await, [], "there is nothing to do");
    fill(store, 2).await;
    set_status(store, &b, PeerStatus::Paused).await;
    assert_eq!(claims().await, []);
    set_status(store, &b, PeerStatus::Active).await;
    let first = claim(store).await;
    assert_eq!(claims().await, [], "somebody has it");
    assert_eq!(store.renew_claims(vec![first]).await.unwrap(), []);
    store.release_claims(vec![first]).await.unwrap();
    assert_eq!(store.renew_claims(vec![first]).await.unwrap(), [first]);
    assert_eq!(store.due(query(first)).await.unwrap(), None);
    let second = claim(store).await;
    assert!(second.number > first.number);
    store.release_claims(vec![first]).await.unwrap();
    assert_eq!(claims().await, [], "an old claim releases nothing");
    // An open circuit is left alone until its time.
    let failed = Settlement {
        state: PeerState {
            failures: 5,
            retry_at: Some(2000),
            ..PeerState::default()
        },
        ..settlement(second, 1, 0, Settled::Waits(1500))
    };
    settle(store, vec![failed]).await;
    store.release_claims(vec![second]).await.unwrap();
    assert_eq!(claims().await, []);
    assert_eq!(store.claim_peers(1999, 10).await.unwrap(), []);
    assert_eq!(store.claim_peers(2000, 10).await.unwrap().len(), 1);
    // No more than were asked for.
    for name in ["c", "d", "e"] {
        peer(store, name).await;
    }
    fill(store, 1).await;
    assert_eq!(store.claim_peers(1000, 2).await.unwrap().len(), 2);
    assert_eq!(store.claim_peers(1000, 2).await.unwrap().len(), 1);
}

async fn what_is_settled_under_an_old_claim_changes_nothing(store: &dyn Store) {
    peer(store, "b").await;
    fill(store, 2).await;
    let old = claim(store).await;
    store.release_claims(vec![old]).await.unwrap();
    let new = claim(store).await;
    let told = |claim, seq| Settlement {
        state: PeerState {
            last_success_at: Some(i64::try_from(seq).unwrap()),
            ..PeerState::default()
        },
        wakes: true,
        ..settlement(claim, seq, 0, Settled::Delivered)
    };
    let stand = store.settle(vec![told(old, 2), told(new, 1), told(old, 2)]);
    assert_eq!(stand.await.unwrap(), [false, true, false]);
    let now = work(store, new).await;
    assert_eq!(seqs(&now.fresh), [2]);
    assert_eq!(now.state.last_success_at, Some(1));
    assert_eq!(deliveries(store).await.len(), 1);
    assert_eq!(store.due(query(old)).await.unwrap(), None);
}

async fn rows_are_due_in_their_order_and_again_when_their_time_comes(store: &dyn Store) {
    let b = peer(store, "b").await;
    fill(store, 5).await;
    let claim = claim(store).await;
    let now = work(store, claim).await;
    assert_eq!(
        (now.peer.number, seqs(&now.fresh)),
        (b.number, vec![1, 2, 3, 4, 5])
    );
    let first = &now.fresh[0];
    assert_eq!(
        (
            first.due_at,
            first.attempts,
            first.created_at,
            first.event_id.as_str()
        ),
        (0, 0, 10, "e1")
    );
    assert_eq!(first.text.as_deref(), Some(r#"{"id":"e1"}"#));
    let settlements = vec![
        settlement(claim, 1, 0, Settled::Waits(900)),
        settlement(claim, 2, 0, Settled::Waits(1500)),
        settlement(claim, 3, 0, Settled::Waits(800)),
    ];
    settle(store, settlements).await;
    let now = work(store, claim).await;
    assert_eq!(
        (seqs(&now.fresh), seqs(&now.retries)),
        (vec![4, 5], vec![3, 1])
    );
    assert_eq!((now.retries[0].due_at, now.retries[0].attempts), (800, 1));
    assert_eq!(waits_until(store, 1000).await, Some(1500));
    let some = DueQuery {
        after: 4,
        fresh_max: 1,
        retries_max: 1,
        now: 2000,
        ..query(claim)
    };
    let now = store.due(some).await.unwrap().unwrap();
    assert_eq!((seqs(&now.fresh), seqs(&now.retries)), (vec![5], vec![3]));
    assert_eq!(waits_until(store, 2000).await, None);
    let none = DueQuery {
        fresh_max: 0,
        retries_max: 0,
        ..query(claim)
    };
    let now = store.due(none).await.unwrap().unwrap();
    assert!(now.fresh.is_empty() && now.retries.is_empty());
}

async fn a_page_of_work_is_bounded_by_its_text(store: &dyn Store) {
    peer(store, "b").await;
    let large = |n: usize| {
        let mut event = event("acme", &format!("large{n}"), 5);
        event.text = format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20));
        event
    };
    append(store, (0..5).map(large).collect()).await;
    let claim = claim(store).await;
    let now = work(store, claim).await;
    assert_eq!(seqs(&now.fresh), [1, 2], "two MiB and a little");
    assert!(now.fresh.iter().all(|row| row.text.is_some()));
    let rest = DueQuery {
        after: 2,
        ..query(claim)
    };
    let rest = store.due(rest).await.unwrap().unwrap();
    assert_eq!(seqs(&rest.fresh), [3, 4]);
}

async fn an_attempt_ends_delivered_or_waits_or_dead(store: &dyn Store) {
    peer(store, "b").await;
    fill(store, 3).await;
    let claim = claim(store).await;
    let waits = Settlement {
        error: Some("odd \0 text".to_owned()),
        ..settlement(claim, 2, 0, Settled::Waits(5000))
    };
    let state = PeerState {
        failures: 2,
        retry_at: Some(7),
        last_success_at: Some(8),
        last_error: Some("refused".to_owned()),
        latency_ms: Some(9),
    };
    let dead = Settlement {
        state: state.clone(),
        ..settlement(claim, 3, 0, Settled::Dead)
    };
    settle(
        store,
        vec![settlement(claim, 1, 0, Settled::Delivered), waits, dead],
    )
    .await;
    let rows = listed(store, everything()).await;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.id.seq, row.status, row.attempts, row.next_attempt_at))
        .collect();
    assert_eq!(
        rows,
        [
            (2, OutboxStatus::Pending, 1, Some(5000)),
            (1, OutboxStatus::Delivered, 1, None),
            (3, OutboxStatus::Dead, 1, None),
        ]
    );
    assert_eq!(
        work(store, claim).await.state,
        state,
        "the last word counts"
    );
    let mut records = deliveries(store).await;
    records.sort_by_key(|it| it.seq);
    let told: Vec<_> = records
        .iter()
        .map(|it| {
            (
                it.seq,
                it.event_id.as_str(),
                it.attempt,
                it.status_code,
                it.latency_ms,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(1), "e1", 1, Some(202), Some(9)),
            (Some(2), "e2", 1, Some(503), Some(9)),
            (Some(3), "e3", 1, Some(400), Some(9)),
        ]
    );
    // A row that is not there any more is settled by nobody.
    settle(store, vec![settlement(claim, 1, 0, Settled::Dead)]).await;
    assert_eq!(deliveries(store).await.len(), 3);
}

async fn a_circuit_that_closes_wakes_everything_that_waits(store: &dyn Store) {
    let b = peer(store, "b").await;
    fill(store, 5).await;
    let claim = claim(store).await;
    let waits = |seq| Settlement {
        state: PeerState {
            failures: 5,
            retry_at: Some(9000),
            ..PeerState::default()
        },
        ..settlement(claim, seq, 0, Settled::Waits(9000))
    };
    settle(store, vec![waits(1), waits(2)]).await;
    assert_eq!(waits_until(store, 1000).await, Some(9000));
    assert!(store.wake_peer(b.number).await.unwrap());
    assert!(!store.wake_peer(b.number).await.unwrap(), "it was closed");
    let now = work(store, claim).await;
    assert_eq!(seqs(&now.retries), [1, 2]);
    assert!(now.retries.iter().all(|row| row.due_at == 1));
    assert_eq!((now.state.failures, now.state.retry_at), (0, None));
    assert_eq!(seqs(&now.fresh), [3, 4, 5], "they were never tried");
    // By a success in the middle of others: what was to wait before is due, what is to wait after it waits.
    let success = Settlement {
        wakes: true,
        ..settlement(claim, 4, 0, Settled::Delivered)
    };
    settle(store, vec![waits(3), success, waits(5)]).await;
    let now = work(store, claim).await;
    assert_eq!(seqs(&now.retries), [1, 2, 3]);
    assert_eq!(waits_until(store, 1000).await, Some(9000));
}

async fn a_row_that_was_woken_during_its_attempt_is_settled_all_the_same(store: &dyn Store) {
    let b = peer(store, "b").await;
    fill(store, 2).await;
    let claim = claim(store).await;
    let waits = |seq| Settlement {
        state: PeerState {
            failures: 1,
            ..PeerState::default()
        },
        ..settlement(claim, seq, 0, Settled::Waits(900))
    };
    settle(store, vec![waits(1), waits(2)]).await;
    assert!(store.wake_peer(b.number).await.unwrap());
    let again = |seq, settled| Settlement {
        attempt: 2,
        ..settlement(claim, seq, 900, settled)
    };
    settle(
        store,
        vec![again(1, Settled::Delivered), again(2, Settled::Waits(2000))],
    )
    .await;
    let now = work(store, claim).await;
    assert!(now.retries.is_empty() && now.fresh.is_empty(), "{now:?}");
    assert_eq!(waits_until(store, 1000).await, Some(2000));
    assert_eq!(deliveries(store).await.len(), 4);
}

async fn drops_are_recorded_with_the_event_and_the_peer(store: &dyn Store) {
    let b = peer(store, "b").await;
    let dropped = kite::store::federation::Dropped {
        peer: b.number,
        event_id: "e".to_owned(),
        kind: "t".to_owned(),
        reason: "a loop".to_owned(),
        at: 77,
    };
    store
        .note_drops(vec![dropped.clone(), dropped])
        .await
        .unwrap();
    let records = deliveries(store).await;
    assert_eq!(records.len(), 2);
    let it = &records[0];
    assert_eq!(
        (
            it.peer_id.as_str(),
            it.seq,
            it.event_id.as_str(),
            it.attempt,
            it.created_at
        ),
        (b.id.as_str(), None, "e", 0, 77)
    );
    assert_eq!(it.error.as_deref(), Some("a loop"));
    let rival = store
        .deliveries(
            id("rival"),
            kite::store::federation::DeliveryFilter {
                limit: 10,
                ..Default::default()
            },
        )
        .await;
    assert!(rival.unwrap().is_empty());
}

/// A claim runs out by the clock of the database, which no test waits for.
#[tokio::test]
async fn a_claim_that_ran_out_stands_until_another_node_takes_it() {
    let address = Cluster::shared().database();
    let store = super::super::furnished(&address.parse().unwrap()).await;
    let other = open(&address.parse().unwrap(), Role::Server).await.unwrap();
    peer(&*store, "b").await;
    fill(&*store, 2).await;
    let old = claim(&*store).await;
    assert_eq!(other.claim_peers(1000, 10).await.unwrap(), []);
    let run_out = || {
        Cluster::shared().sql_in(
            &address,
            "UPDATE peer_states SET claimed_until = 1 WHERE claimed_until > 0",
        )
    };
    run_out();
    settle(&*store, vec![settlement(old, 1, 0, Settled::Delivered)]).await;
    assert_eq!(store.renew_claims(vec![old]).await.unwrap(), []);
    assert_eq!(
        other.claim_peers(1000, 10).await.unwrap(),
        [],
        "it was renewed"
    );
    run_out();
    let new = other.claim_peers(1000, 10).await.unwrap();
    let expected = ClaimId {
        number: old.number + 1,
        ..old
    };
    assert_eq!(new, [expected]);
    assert_eq!(store.renew_claims(vec![old]).await.unwrap(), [old]);
    let late = store.settle(vec![settlement(old, 2, 0, Settled::Delivered)]);
    assert_eq!(late.await.unwrap(), [false]);
    assert_eq!(seqs(&work(&*other, expected).await.fresh), [2]);
}

/// Nodes that look at the same moment share the peers among themselves.
#[tokio::test]
async fn no_two_nodes_claim_the_same_peer() {
    let room = postgres().await;
    let other = open(&room.address, Role::Server).await.unwrap();
    for n in 0..20 {
        peer(&*room.store, &format!("p{n}")).await;
    }
    fill(&*room.store, 1).await;
    let mut claimed = Vec::new();
    for _ in 0..10 {
        let (one, two) = tokio::join!(room.store.claim_peers(1000, 3), other.claim_peers(1000, 3));
        claimed.extend(one.unwrap().into_iter().chain(two.unwrap()));
    }
    let mut peers: Vec<i64> = claimed.iter().map(|claim| claim.peer).collect();
    peers.sort_unstable();
    peers.dedup();
    assert_eq!((claimed.len(), peers.len()), (20, 20));
}

//! Forwards and attempts, narrowed; and everything that is known of one event.

use kite::protocol::federation::{OutboxStatus, PeerStatus};
use kite::store::Store;
use kite::store::federation::{
    DeliveryFilter, Dropped, OutboxEntry, OutboxFilter, OutboxId, Settled,
};
use kite::store::record::NewEvent;
use kite::store::trace::{TRACE_EVENTS_MAX, Trace};

use super::super::{event, id, postgres, sqlite};
use super::letters::dead;
use super::{
    append, claim, everything, listed, peer, row, scopes, set_status, settle, settlement, travelled,
};

contract! {
    forwards_of_every_status_are_narrowed_alike,
    a_pattern_of_types_stands_for_itself_but_for_its_two_signs,
    attempts_are_narrowed_by_type_time_status_and_error,
    letters_are_walked_through_in_an_order_that_stays,
    a_trace_has_all_that_became_of_an_event,
    what_retention_took_and_what_was_never_stored_is_traced_too,
    a_trace_is_cut_where_senders_gave_one_id_too_often,
}

fn of_type(kind: &str, name: &str, at: i64) -> NewEvent {
    NewEvent {
        kind: kind.to_owned(),
        ..event("acme", name, at)
    }
}

fn seqs_of(rows: &[OutboxEntry]) -> Vec<u64> {
    let mut seqs: Vec<u64> = rows.iter().map(|row| row.id.seq).collect();
    seqs.sort_unstable();
    seqs
}

async fn narrowed(store: &dyn Store, filter: OutboxFilter) -> Vec<u64> {
    seqs_of(&listed(store, filter).await)
}

async fn forwards_of_every_status_are_narrowed_alike(store: &dyn Store) {
    use OutboxStatus::{Dead, Delivered, Pending};
    let b = peer(store, "b").await;
    // Two of each status: one of them of another type, later, with another error.
    let kinds = ["com.x.one", "y.two"];
    let events = (0..6).map(|n| {
        let kind = kinds[n as usize % 2];
        of_type(kind, &format!("e{n}"), (n + 1) * 10)
    });
    append(store, events.collect()).await;
    let own = claim(store).await;
    let ends = [Settled::Delivered, Settled::Dead, Settled::Waits(5000)];
    for (seq, settled) in (1..=6).zip(ends.into_iter().flat_map(|end| [end, end])) {
        let mut settlement = settlement(own, seq, 0, settled);
        settlement.error = settlement.error.map(|_| format!("why {seq}_%"));
        settle(store, vec![settlement]).await;
    }
    for (status, seqs) in [(Delivered, [1, 2]), (Dead, [3, 4]), (Pending, [5, 6])] {
        let all = || OutboxFilter {
            status: Some(status),
            ..everything()
        };
        assert_eq!(narrowed(store, all()).await, seqs, "{status:?}");
        let [first, second] = seqs;
        let times = [
            (Some(second as i64 * 10), None, vec![second]),
            (None, Some(second as i64 * 10), vec![first]),
            (Some(10), Some(1000), seqs.to_vec()),
            (Some(1000), None, vec![]),
        ];
        for (since, before, wanted) in times {
            let filter = OutboxFilter {
                since,
                before,
                ..all()
            };
            assert_eq!(
                narrowed(store, filter).await,
                wanted,
                "{status:?} {since:?}"
            );
        }
        for (pattern, wanted) in [
            ("x.*", vec![first]),
            ("y.t?o", vec![second]),
            ("z*", vec![]),
        ] {
            let types = Some(scopes(&[pattern]));
            let filter = OutboxFilter { types, ..all() };
            assert_eq!(
                narrowed(store, filter).await,
                wanted,
                "{status:?} {pattern}"
            );
        }
        let both = Some(scopes(&["com.x.*", "y.*"]));
        assert_eq!(
            narrowed(
                store,
                OutboxFilter {
                    types: both,
                    ..all()
                }
            )
            .await,
            seqs
        );
        let none = Some(scopes(&[]));
        assert!(
            narrowed(
                store,
                OutboxFilter {
                    types: none,
                    ..all()
                }
            )
            .await
            .is_empty()
        );
        let event_id = Some(format!("e{}", first - 1));
        let of_event = OutboxFilter { event_id, ..all() };
        assert_eq!(
            narrowed(store, of_event.clone()).await,
            [first],
            "{status:?}"
        );
        let elsewhere = OutboxFilter {
            peer_id: Some("nobody".to_owned()),
            ..of_event.clone()
        };
        assert!(narrowed(store, elsewhere).await.is_empty());
        let here = OutboxFilter {
            peer_id: Some(b.id.clone()),
            ..of_event.clone()
        };
        assert_eq!(narrowed(store, here).await, [first]);
        let rival = store.outbox(id("rival"), of_event).await.unwrap();
        assert!(rival.is_empty());
        let error = |text: String| OutboxFilter {
            error: Some(text),
            ..all()
        };
        let wanted = if status == Delivered {
            vec![]
        } else {
            vec![second]
        };
        assert_eq!(
            narrowed(store, error(format!("y {second}_%"))).await,
            wanted
        );
        assert!(narrowed(store, error("why__".to_owned())).await.is_empty());
    }
}

async fn a_pattern_of_types_stands_for_itself_but_for_its_two_signs(store: &dyn Store) {
    peer(store, "b").await;
    let kinds = [
        "a[b]c", "a%c", "a_c", r"a\c", "aXc", "A%C", "com.aéc", "a\"'c",
    ];
    let events = kinds.iter().enumerate();
    append(
        store,
        events
            .map(|(n, kind)| of_type(kind, &format!("e{n}"), 5))
            .collect(),
    )
    .await;
    let matching = async |pattern: &str| {
        let filter = OutboxFilter {
            types: Some(scopes(&[pattern])),
            ..everything()
        };
        let rows = listed(store, filter).await;
        let found: Vec<String> = rows.into_iter().map(|row| row.kind).collect();
        let types = scopes(&[pattern]);
        let wanted = kinds.iter().filter(|kind| types.match_type(kind));
        assert_eq!(found, wanted.copied().collect::<Vec<_>>(), "{pattern}");
        found.len()
    };
    for (pattern, count) in [
        ("a[b]c", 1),
        ("a[b*", 1),
        ("a%c", 1),
        ("a_c", 1),
        (r"a\c", 1),
        (r"a\*", 1),
        ("a?c", 5),
        ("A*", 1),
        ("a*c", 7),
        ("a\"'c", 1),
        ("*", 8),
        ("", 0),
        ("[a-z]*", 0),
        ("a[!x]*", 0),
    ] {
        assert_eq!(matching(pattern).await, count, "{pattern}");
    }
}

async fn attempts_are_narrowed_by_type_time_status_and_error(store: &dyn Store) {
    let b = peer(store, "b").await;
    append(
        store,
        vec![of_type("x.one", "e1", 5), of_type("y.two", "e2", 5)],
    )
    .await;
    let own = claim(store).await;
    let mut first = settlement(own, 1, 0, Settled::Delivered);
    first.at = 1000;
    let mut second = settlement(own, 2, 0, Settled::Dead);
    second.at = 900_000;
    settle(store, vec![first]).await;
    settle(store, vec![second]).await;
    let told = async |filter: DeliveryFilter| {
        let mut told = Vec::new();
        for peer_id in [None, Some(b.id.clone())] {
            let filter = DeliveryFilter {
                peer_id,
                limit: 10,
                ..filter.clone()
            };
            let found = store.deliveries(id("acme"), filter).await.unwrap();
            told.push(found.iter().filter_map(|it| it.seq).collect::<Vec<_>>());
        }
        assert_eq!(told[0], told[1]);
        told.remove(0)
    };
    let all = DeliveryFilter::default;
    assert_eq!(told(all()).await, [2, 1]);
    assert_eq!(
        told(DeliveryFilter {
            since: Some(900_000),
            ..all()
        })
        .await,
        [2]
    );
    assert_eq!(
        told(DeliveryFilter {
            before: Some(900_000),
            ..all()
        })
        .await,
        [1]
    );
    assert_eq!(
        told(DeliveryFilter {
            types: Some(scopes(&["x.*"])),
            ..all()
        })
        .await,
        [1]
    );
    assert_eq!(
        told(DeliveryFilter {
            status_code: Some(400),
            ..all()
        })
        .await,
        [2]
    );
    assert_eq!(
        told(DeliveryFilter {
            error: Some("tus 4".to_owned()),
            ..all()
        })
        .await,
        [2]
    );
    assert!(
        told(DeliveryFilter {
            status_code: Some(500),
            ..all()
        })
        .await
        .is_empty()
    );
}

async fn letters_are_walked_through_in_an_order_that_stays(store: &dyn Store) {
    let (b, _) = dead(store, "b", 5).await;
    let start = || OutboxId {
        peer_id: String::new(),
        seq: 0,
    };
    let page = async |after| {
        let filter = OutboxFilter {
            status: Some(OutboxStatus::Dead),
            after: Some(after),
            limit: 2,
            ..OutboxFilter::default()
        };
        listed(store, filter).await
    };
    let first = page(start()).await;
    assert_eq!(seqs_of(&first), [1, 2]);
    // What goes meanwhile moves nothing.
    store.discard(id("acme"), row(&b, 1), 2000).await.unwrap();
    store.discard(id("acme"), row(&b, 2), 2000).await.unwrap();
    let second = page(first[1].id.clone()).await;
    assert_eq!(seqs_of(&second), [3, 4]);
    let third = page(second[1].id.clone()).await;
    assert_eq!(seqs_of(&third), [5]);
    assert!(page(third[0].id.clone()).await.is_empty());
}

async fn traced(store: &dyn Store, event_id: &str) -> Trace {
    store.trace(id("acme"), event_id.to_owned()).await.unwrap()
}

async fn a_trace_has_all_that_became_of_an_event(store: &dyn Store) {
    use OutboxStatus::{Dead, Delivered, Pending};
    for name in ["dead", "gets", "new", "waits"] {
        peer(store, name).await;
    }
    let back = peer(store, "back").await;
    append(
        store,
        vec![
            event("acme", "other", 5),
            travelled("e1", &["instance-back"]),
        ],
    )
    .await;
    append(store, vec![event("rival", "e1", 5)]).await;
    for own in store.claim_peers(1000, 10).await.unwrap() {
        let name = store.peers(id("acme")).await.unwrap();
        let name = name
            .into_iter()
            .find(|it| it.number == own.peer)
            .unwrap()
            .name;
        let end = match name.as_str() {
            "dead" => Settled::Dead,
            "gets" => Settled::Delivered,
            "waits" => Settled::Waits(4000),
            _ => continue,
        };
        let settlements = [1, 2].map(|seq| settlement(own, seq, 0, end));
        settle(store, settlements.to_vec()).await;
    }
    let drop = Dropped {
        peer: back.number,
        event_id: "e1".to_owned(),
        kind: "t".to_owned(),
        reason: "it was here".to_owned(),
        at: 2000,
    };
    store.note_drops(vec![drop]).await.unwrap();
    let gone = store.peers(id("acme")).await.unwrap();
    let gone = gone.into_iter().find(|it| it.name == "dead").unwrap();
    set_status(store, &gone, PeerStatus::Deleted).await;

    let trace = traced(store, "e1").await;
    assert!(!trace.is_cut());
    assert_eq!(trace.events.len(), 1);
    assert_eq!(
        (trace.events[0].seq, trace.events[0].created_at),
        (2, Some(5))
    );
    assert_eq!(trace.events[0].text, r#"{"id":"e1"}"#);
    let mut names: Vec<&str> = trace.peers.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["back", "dead", "gets", "new", "waits"]);
    let status = |name: &str| {
        let peer = trace.peers.iter().find(|it| it.name == name).unwrap();
        let mut found = trace.forwards.iter().filter(|it| it.id.peer_id == peer.id);
        let status = found.next().map(|it| (it.id.seq, it.status));
        assert!(found.next().is_none());
        status
    };
    assert_eq!(status("dead"), Some((2, Dead)));
    assert_eq!(status("gets"), Some((2, Delivered)));
    assert_eq!(status("new"), Some((2, Pending)));
    assert_eq!(status("waits"), Some((2, Pending)));
    assert_eq!(status("back"), None);
    let of_back: Vec<(Option<u64>, u32)> = trace
        .attempts
        .iter()
        .filter(|it| it.peer_id == back.id)
        .map(|it| (it.seq, it.attempt))
        .collect();
    assert_eq!(of_back, [(None, 0), (Some(2), 0)]);
    assert_eq!(trace.attempts.len(), 5);
    assert_eq!(traced(store, "nothing").await, Trace::default());
    let rival = store.trace(id("rival"), "e1".to_owned()).await.unwrap();
    assert_eq!(
        (
            rival.events.len(),
            rival.forwards.len(),
            rival.attempts.len()
        ),
        (1, 0, 0)
    );
}

async fn what_retention_took_and_what_was_never_stored_is_traced_too(store: &dyn Store) {
    let b = peer(store, "b").await;
    append(
        store,
        ["kept", "gone", "last"]
            .map(|name| event("acme", name, 5))
            .into(),
    )
    .await;
    let own = claim(store).await;
    settle(
        store,
        vec![
            settlement(own, 1, 0, Settled::Waits(4000)),
            settlement(own, 2, 0, Settled::Delivered),
        ],
    )
    .await;
    store.prune(id("acme"), 2, 100).await.unwrap();
    let kept = traced(store, "kept").await;
    assert_eq!((kept.events[0].seq, kept.events[0].created_at), (1, None));
    assert_eq!(kept.forwards[0].status, OutboxStatus::Pending);
    let gone = traced(store, "gone").await;
    assert!(gone.events.is_empty());
    assert_eq!(gone.forwards[0].status, OutboxStatus::Delivered);
    assert_eq!(gone.attempts[0].seq, Some(2));
    let drop = Dropped {
        peer: b.number,
        event_id: "never".to_owned(),
        kind: "t".to_owned(),
        reason: "why".to_owned(),
        at: 2000,
    };
    store.note_drops(vec![drop]).await.unwrap();
    let never = traced(store, "never").await;
    assert!(never.events.is_empty() && never.forwards.is_empty());
    assert_eq!(never.attempts[0].error.as_deref(), Some("why"));
    assert_eq!(never.peers[0].name, "b");
}

async fn a_trace_is_cut_where_senders_gave_one_id_too_often(store: &dyn Store) {
    let events = (0..TRACE_EVENTS_MAX + 3).map(|_| event("acme", "same", 5));
    append(store, events.collect()).await;
    let trace = traced(store, "same").await;
    assert!(trace.is_cut());
    assert_eq!(trace.events.len(), TRACE_EVENTS_MAX);
    assert_eq!(
        trace.events[0].seq as usize,
        TRACE_EVENTS_MAX + 3,
        "the newest first"
    );
}

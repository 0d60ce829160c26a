//! What an append stores and refuses, and what is read of it.

use std::sync::Arc;

use kite::store::record::{
    Appended, Batch, Bounds, NewEvent, Outcome, QuotaStanding, QuotaTurn, Stretch,
};

use kite::store::{Store, StoreError};

use super::*;

pub(super) async fn numbers_are_dense_per_team_and_follow_the_order_of_the_batch(
    store: &dyn Store,
) {
    let batch = ["acme", "rival", "acme"]
        .map(|team| event(team, "e", 1))
        .into();
    let stored = append(store, batch).await;
    assert_eq!(stored, [1, 1, 2].map(Outcome::Stored));
    assert_eq!(
        append(store, vec![event("acme", "e", 1)]).await,
        [Outcome::Stored(3)]
    );
    let bounds = store.bounds(id("acme")).await.unwrap();
    assert_eq!(bounds, Bounds { pruned: 0, last: 3 });
}

pub(super) async fn the_same_event_again_is_stored_once_also_within_a_batch(store: &dyn Store) {
    let stored = append(
        store,
        vec![named("acme", "a"), named("acme", "a"), named("rival", "a")],
    )
    .await;
    let first = Outcome::Duplicate {
        id: "a".to_owned(),
        created_at: 5,
        same: true,
    };
    assert_eq!(
        stored,
        [Outcome::Stored(1), first.clone(), Outcome::Stored(1)]
    );
    let again = append(store, vec![named("acme", "a"), named("acme", "b")]).await;
    assert_eq!(again, [first, Outcome::Stored(2)]);
}

pub(super) async fn another_content_under_the_same_name_is_told_apart(store: &dyn Store) {
    let with = |fingerprint: u8| {
        let mut event = named("acme", "a");
        let dedup = event.dedup.as_mut().unwrap();
        dedup.fingerprint = Some([fingerprint; 32]);
        event
    };
    let stored = append(store, vec![with(1), with(1), with(2)]).await;
    assert!(matches!(stored[1], Outcome::Duplicate { same: true, .. }));
    assert!(matches!(stored[2], Outcome::Duplicate { same: false, .. }));
    let first = async |team: &str, event: NewEvent| {
        let first = store.first_of(id(team), event.dedup.unwrap()).await;
        first.unwrap()
    };
    assert_eq!(first("acme", with(1)).await.as_ref(), Some(&stored[1]));
    assert_eq!(first("acme", with(2)).await.as_ref(), Some(&stored[2]));
    assert_eq!(first("acme", named("acme", "b")).await, None);
    assert_eq!(first("rival", with(1)).await, None);
}

pub(super) async fn an_unknown_team_spoils_nothing_for_others(store: &dyn Store) {
    let stored = append(store, vec![event("nobody", "e", 1), event("acme", "e", 1)]).await;
    assert_eq!(stored, [Outcome::NoTeam, Outcome::Stored(1)]);
    assert!(matches!(
        store.bounds(id("nobody")).await,
        Err(StoreError::NotFound(_))
    ));
}

pub(super) async fn usage_counts_what_was_stored_in_the_month(store: &dyn Store) {
    append(
        store,
        vec![named("acme", "a"), named("acme", "a"), named("acme", "b")],
    )
    .await;
    let used = |month: &str| store.usage(id("acme"), month.to_owned());
    assert_eq!(used("2026-11").await.unwrap(), 2);
    assert_eq!(used("2026-12").await.unwrap(), 0);
    let next = Batch {
        events: vec![event("acme", "c", 9)],
        month: "2026-12".to_owned(),
        events_limit: None,
    };
    assert_eq!(
        store.append(Arc::new(next)).await.unwrap()[0].events_used,
        1
    );
}

pub(super) async fn append_limited(
    store: &dyn Store,
    month: &str,
    limit: u64,
    events: Vec<NewEvent>,
) -> Vec<(Outcome, u64)> {
    let batch = Batch {
        events,
        month: month.to_owned(),
        events_limit: Some(limit),
    };
    let appended = store.append(Arc::new(batch)).await.unwrap();
    let pair = |it: Appended| (it.outcome, it.events_used);
    appended.into_iter().map(pair).collect()
}

pub(super) async fn what_is_over_the_quota_is_refused_and_what_was_stored_before_is_known(
    store: &dyn Store,
) {
    let events = vec![
        named("acme", "a"),
        named("acme", "a"),
        event("acme", "b", 5),
        event("acme", "c", 5),
        named("acme", "d"),
        event("rival", "e", 5),
    ];
    let stored = append_limited(store, "2026-11", 2, events).await;
    let known = Outcome::Duplicate {
        id: "a".to_owned(),
        created_at: 5,
        same: true,
    };
    assert_eq!(
        stored,
        [
            (Outcome::Stored(1), 1),
            (known.clone(), 1),
            (Outcome::Stored(2), 2),
            (Outcome::Exhausted, 2),
            (Outcome::Exhausted, 2),
            (Outcome::Stored(1), 1),
        ]
    );
    let later = vec![named("acme", "a"), named("acme", "d")];
    let later = append_limited(store, "2026-11", 2, later).await;
    assert_eq!(later, [(known, 2), (Outcome::Exhausted, 2)]);
    // What was refused is not remembered, and a new month begins with nothing. It has begun for all nodes then, also for
    // one whose clock is behind.
    let next = append_limited(store, "2026-12", 2, vec![named("acme", "d")]).await;
    assert_eq!(next, [(Outcome::Stored(3), 1)]);
    let behind = append_limited(store, "2026-11", 2, vec![event("acme", "e", 5)]).await;
    assert_eq!(behind, [(Outcome::Stored(4), 2)]);
    assert_eq!(
        store.usage(id("acme"), "2026-12".to_owned()).await.unwrap(),
        2
    );
}

pub(super) async fn a_turn_of_the_quota_is_stored_once_and_counts_in_no_quota(store: &dyn Store) {
    let turn = |turn| NewEvent {
        turn: Some(turn),
        ..event("acme", "turn", 5)
    };
    let append = async |events| append_limited(store, "2026-11", 1, events).await;
    let standings = async || {
        let standings = store.quota_standings("2026-11".to_owned(), Some(1)).await;
        let standing = |it: QuotaStanding| (it.team.to_string(), it.events_used, it.is_told);
        standings
            .unwrap()
            .into_iter()
            .map(standing)
            .collect::<Vec<_>>()
    };
    assert_eq!(standings().await, []);
    append(vec![event("acme", "a", 5)]).await;
    assert_eq!(standings().await, [("acme".to_owned(), 1, false)]);
    let told = append(vec![turn(QuotaTurn::Exhausted), event("acme", "b", 5)]).await;
    assert_eq!(told, [(Outcome::Stored(2), 1), (Outcome::Exhausted, 1)]);
    assert_eq!(standings().await, [("acme".to_owned(), 1, true)]);
    let again = append(vec![turn(QuotaTurn::Exhausted)]).await;
    assert!(matches!(again[0], (Outcome::Duplicate { .. }, 1)));
    // A log that says so is found also where there is room again.
    let none = store.quota_standings("2026-12".to_owned(), None).await;
    assert_eq!(none.unwrap().len(), 1);
    let restored = append(vec![turn(QuotaTurn::Restored)]).await;
    assert_eq!(restored, [(Outcome::Stored(3), 1)]);
    let again = append(vec![turn(QuotaTurn::Restored)]).await;
    assert!(matches!(again[0], (Outcome::Duplicate { .. }, 1)));
    assert_eq!(store.bounds(id("acme")).await.unwrap().last, 3);
}

pub(super) async fn a_page_ends_at_its_limits_and_the_next_one_goes_on(store: &dyn Store) {
    fill(store, "acme", 5).await;
    let first = store.read(stretch("acme", 0, 5, 2)).await.unwrap();
    let seqs: Vec<u64> = first.events.iter().map(|event| event.seq).collect();
    assert_eq!((seqs, first.scanned_to), (vec![1, 2], 2));
    let rest = store.read(stretch("acme", 2, 4, 100)).await.unwrap();
    assert_eq!((rest.events.len(), rest.scanned_to), (2, 4));
    let none = store.read(stretch("acme", 5, 5, 100)).await.unwrap();
    assert_eq!((none.events.len(), none.scanned_to), (0, 5));
    let mut large = event("acme", "large", 60);
    large.text = format!("{{\"x\":\"{}\"}}", "y".repeat(2 << 20));
    append(store, vec![large, event("acme", "small", 70)]).await;
    let page = store.read(stretch("acme", 5, 7, 100)).await.unwrap();
    assert_eq!((page.events.len(), page.scanned_to), (1, 6));
}

pub(super) async fn filters_and_teams_bound_what_is_read(store: &dyn Store) {
    let mut message = event("acme", "m", 1);
    message.kind = "com.kite.agent.message".to_owned();
    message.agent_to = Some("alpha".to_owned());
    append(
        store,
        vec![event("acme", "a", 1), message, event("rival", "r", 1)],
    )
    .await;
    let read = |scope: &'static str| {
        store.read(Stretch {
            filter: filter(&[scope]),
            ..stretch("acme", 0, 2, 10)
        })
    };
    let page = read("agent_to:alpha").await.unwrap();
    assert_eq!(
        (page.events.len(), page.events[0].seq, page.scanned_to),
        (1, 2, 2)
    );
    assert_eq!(read("source:api").await.unwrap().events.len(), 2);
    let quiet = read("agent_to:beta").await.unwrap();
    assert_eq!((quiet.events.len(), quiet.scanned_to), (0, 2));
}

pub(super) async fn retention_takes_the_oldest_and_leaves_a_watermark(store: &dyn Store) {
    fill(store, "acme", 10).await;
    fill(store, "rival", 3).await;
    let prune = |through, max| store.prune(id("acme"), through, max);
    assert_eq!(prune(7, 5).await.unwrap(), 5, "some at a time");
    assert_eq!(prune(7, 5).await.unwrap(), 7);
    assert_eq!(prune(4, 5).await.unwrap(), 7, "nothing comes back");
    let page = store.read(stretch("acme", 2, 9, 100)).await.unwrap();
    let seqs: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
    assert_eq!((seqs, page.scanned_to, page.pruned), (vec![8, 9], 9, 7));
    let none = store.read(stretch("acme", 2, 5, 100)).await.unwrap();
    assert_eq!((none.events.len(), none.pruned), (0, 7));
    assert_eq!(store.follow(id("acme"), 2, 10).await.unwrap()[0].0, 8);
    assert_eq!(prune(99, 99).await.unwrap(), 10, "no further than the end");
    let stored = append(store, vec![event("acme", "next", 1)]).await;
    assert_eq!(stored, [Outcome::Stored(11)]);
    let rival = store.bounds(id("rival")).await.unwrap();
    assert_eq!(rival, Bounds { pruned: 0, last: 3 });
    let unknown = store.prune(id("nobody"), 5, 5).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
}

pub(super) async fn what_was_accepted_is_forgotten_by_age(store: &dyn Store) {
    let named_at = |name: &str, created_at| NewEvent {
        created_at,
        ..named("acme", name)
    };
    let names = || vec![named_at("a", 10), named_at("b", 20), named_at("c", 30)];
    append(store, names()).await;
    assert_eq!(store.forget(25, 1).await.unwrap(), 1, "some at a time");
    assert_eq!(store.forget(25, 9).await.unwrap(), 1);
    assert_eq!(store.forget(25, 9).await.unwrap(), 0);
    let again = append(store, names()).await;
    assert!(matches!(
        again[..],
        [
            Outcome::Stored(4),
            Outcome::Stored(5),
            Outcome::Duplicate { .. }
        ]
    ));
}

pub(super) async fn recent_events_come_newest_first(store: &dyn Store) {
    fill(store, "acme", 5).await;
    let recent = store.recent(id("acme"), filter(&["*"]), 3).await.unwrap();
    let seqs: Vec<u64> = recent.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [5, 4, 3]);
    assert!(
        store
            .recent(id("rival"), filter(&["*"]), 3)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn a_time_finds_its_place(store: &dyn Store) {
    fill(store, "acme", 5).await;
    for (time, before) in [
        (0, 0),
        (10, 0),
        (11, 1),
        (30, 2),
        (50, 4),
        (51, 5),
        (i64::MAX, 5),
    ] {
        assert_eq!(
            store.seq_before(id("acme"), time).await.unwrap(),
            before,
            "{time}"
        );
    }
}

//! The contract of the store: small cases that every implementation passes.

use std::sync::Arc;

use kite::protocol::event::dedup_key;
use kite::protocol::id::{AgentId, ClientId, SourceSlug, TeamId};
use kite::protocol::permission::Permissions;
use kite::protocol::scope::{Filter, Scopes};
use kite::server::new_key;
use kite::store::record::{
    Appended, Batch, Bounds, Cursor, CursorMove, Dedup, EndpointDraft, Grant, Hold, Identity,
    Keeps, KeyHash, KeyRecord, NewEvent, Outcome, PendingLogin, Poll, QuotaStanding, QuotaTurn,
    Stretch,
};
use kite::store::{Address, Role, Store, StoreError, open};

use crate::support::postgres::Cluster;

/// A store of its own.
struct Room {
    store: Arc<dyn Store>,
    address: Address,
    /// Where it is, if that is a file.
    _dir: Option<tempfile::TempDir>,
}

async fn sqlite() -> Room {
    let dir = tempfile::tempdir().unwrap();
    let address = Address::Sqlite(dir.path().join("kite.db"));
    Room {
        store: furnished(&address).await,
        address,
        _dir: Some(dir),
    }
}

async fn postgres() -> Room {
    let address = Cluster::shared().database().parse().unwrap();
    Room {
        store: furnished(&address).await,
        address,
        _dir: None,
    }
}

/// A new store with an instance and two teams.
async fn furnished(address: &Address) -> Arc<dyn Store> {
    let store = open(address, Role::Server).await.unwrap();
    store.instance(identity(None, 1)).await.unwrap();
    for team in ["acme", "rival"] {
        store.create_team(id(team), key(team)).await.unwrap();
    }
    store
}

/// Expands every case for every implementation, so that none can be missing on one side.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                let room = super::sqlite().await;
                super::$case(&*room.store).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                let room = super::postgres().await;
                super::$case(&*room.store).await;
            })*
        }
    };
}

mod changes;
mod federation;
mod openintent;

contract! {
    numbers_are_dense_per_team_and_follow_the_order_of_the_batch,
    the_same_event_again_is_stored_once_also_within_a_batch,
    another_content_under_the_same_name_is_told_apart,
    an_unknown_team_spoils_nothing_for_others,
    usage_counts_what_was_stored_in_the_month,
    what_is_over_the_quota_is_refused_and_what_was_stored_before_is_known,
    a_turn_of_the_quota_is_stored_once_and_counts_in_no_quota,
    a_page_ends_at_its_limits_and_the_next_one_goes_on,
    filters_and_teams_bound_what_is_read,
    retention_takes_the_oldest_and_leaves_a_watermark,
    what_was_accepted_is_forgotten_by_age,
    recent_events_come_newest_first,
    a_time_finds_its_place,
    a_new_cursor_stands_at_the_end_and_stays_there,
    cursors_move_forward_only,
    only_the_newest_hold_moves_a_cursor,
    cursors_that_nobody_uses_are_dropped,
    who_follows_gets_events_as_they_were_appended,
    the_heads_of_several_logs_are_known_at_once,
    a_scanned_position_is_forgotten_with_its_filter,
    keys_are_found_by_prefix_and_revoked_within_their_team,
    every_change_of_access_changes_the_version,
    an_endpoint_keeps_its_id_when_its_token_is_replaced,
    agents_belong_to_their_team,
    counts_tell_only_of_the_team,
    an_instance_keeps_its_id_and_its_key,
    an_instance_keeps_the_identity_key_that_was_first,
    a_rotated_secret_leaves_the_old_one_for_a_while,
    a_complete_endpoint_is_kept_where_that_is_wanted,
    an_endpoint_that_is_there_is_kept_where_that_is_wanted,
    a_deactivated_endpoint_is_woken_by_a_new_token,
    keys_are_listed_with_their_last_use,
    events_are_found_by_their_id_within_their_team,
    a_device_login_is_granted_once,
    a_device_login_that_was_denied_or_is_over_gives_nothing,
    polling_too_fast_lengthens_the_interval,
}

fn id(team: &str) -> TeamId {
    team.parse().unwrap()
}

fn key(team: &str) -> KeyRecord {
    new_key(id(team), None, Permissions::default(), Scopes::all(), 1).1
}

fn filter(scopes: &[&str]) -> Arc<Filter> {
    Arc::new(Filter {
        requested: Scopes::parse(scopes).unwrap(),
        allowed: Scopes::all(),
    })
}

fn event(team: &str, name: &str, created_at: i64) -> NewEvent {
    NewEvent {
        team: id(team),
        id: name.to_owned(),
        kind: "com.acme.note".to_owned(),
        source: "https://acme.example".to_owned(),
        kitesource: Some("api".to_owned()),
        agent_to: None,
        created_at,
        text: format!("{{\"id\":\"{name}\"}}"),
        dedup: None,
        turn: None,
        transit: kite::protocol::forward::Transit::default(),
        pass: None,
        exchange: None,
        change: None,
    }
}

fn named(team: &str, name: &str) -> NewEvent {
    let dedup = Dedup {
        key: dedup_key("test", &[name]),
        fingerprint: None,
    };
    NewEvent {
        dedup: Some(dedup),
        ..event(team, name, 5)
    }
}

async fn append(store: &dyn Store, events: Vec<NewEvent>) -> Vec<Outcome> {
    let month = "2026-11".to_owned();
    let appended = store
        .append(Arc::new(Batch {
            events,
            month,
            events_limit: None,
        }))
        .await
        .unwrap();
    appended
        .into_iter()
        .map(|appended| appended.outcome)
        .collect()
}

async fn fill(store: &dyn Store, team: &str, count: i64) {
    let events = (1..=count)
        .map(|n| event(team, &format!("e{n}"), n * 10))
        .collect();
    append(store, events).await;
}

fn stretch(team: &str, after: u64, through: u64, max_events: usize) -> Stretch {
    Stretch {
        team: id(team),
        after,
        through,
        filter: filter(&["*"]),
        max_events,
    }
}

async fn numbers_are_dense_per_team_and_follow_the_order_of_the_batch(store: &dyn Store) {
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

async fn the_same_event_again_is_stored_once_also_within_a_batch(store: &dyn Store) {
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

async fn another_content_under_the_same_name_is_told_apart(store: &dyn Store) {
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

async fn an_unknown_team_spoils_nothing_for_others(store: &dyn Store) {
    let stored = append(store, vec![event("nobody", "e", 1), event("acme", "e", 1)]).await;
    assert_eq!(stored, [Outcome::NoTeam, Outcome::Stored(1)]);
    assert!(matches!(
        store.bounds(id("nobody")).await,
        Err(StoreError::NotFound(_))
    ));
}

async fn usage_counts_what_was_stored_in_the_month(store: &dyn Store) {
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

async fn append_limited(
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

async fn what_is_over_the_quota_is_refused_and_what_was_stored_before_is_known(store: &dyn Store) {
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

async fn a_turn_of_the_quota_is_stored_once_and_counts_in_no_quota(store: &dyn Store) {
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

async fn a_page_ends_at_its_limits_and_the_next_one_goes_on(store: &dyn Store) {
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

async fn filters_and_teams_bound_what_is_read(store: &dyn Store) {
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

async fn retention_takes_the_oldest_and_leaves_a_watermark(store: &dyn Store) {
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

async fn what_was_accepted_is_forgotten_by_age(store: &dyn Store) {
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

async fn recent_events_come_newest_first(store: &dyn Store) {
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

async fn a_time_finds_its_place(store: &dyn Store) {
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

fn hold(client: &str, number: u64) -> Hold {
    Hold {
        team: id("acme"),
        client: client.parse().unwrap(),
        number,
    }
}

/// Opens a cursor; the number of the hold comes with it.
async fn take_cursor(store: &dyn Store, client: &str, filter: u8) -> (Cursor, u64) {
    let client: ClientId = client.parse().unwrap();
    store
        .open_cursor(id("acme"), client, [filter; 32], 1)
        .await
        .unwrap()
}

async fn open_cursor(store: &dyn Store, client: &str, filter: u8) -> Cursor {
    take_cursor(store, client, filter).await.0
}

fn cursor_move(hold: Hold, acked: u64, scanned: u64, filter: u8) -> CursorMove {
    let cursor = Cursor {
        acked,
        scanned,
        filter: [filter; 32],
    };
    CursorMove { hold, cursor }
}

/// Opens a cursor and moves it.
async fn move_cursor(store: &dyn Store, client: &str, acked: u64, scanned: u64, filter: u8) {
    let (_, number) = take_cursor(store, client, 0).await;
    let moved = cursor_move(hold(client, number), acked, scanned, filter);
    assert_eq!(store.move_cursors(vec![moved], 1).await.unwrap(), []);
}

async fn a_new_cursor_stands_at_the_end_and_stays_there(store: &dyn Store) {
    fill(store, "acme", 3).await;
    let new = open_cursor(store, "c", 1).await;
    assert_eq!((new.acked, new.scanned), (3, 3));
    fill(store, "acme", 2).await;
    assert_eq!(open_cursor(store, "c", 1).await, new);
    assert_eq!(open_cursor(store, "other", 1).await.acked, 5);
}

async fn cursors_move_forward_only(store: &dyn Store) {
    open_cursor(store, "c", 1).await;
    move_cursor(store, "c", 7, 9, 1).await;
    move_cursor(store, "c", 5, 6, 1).await;
    let cursor = open_cursor(store, "c", 1).await;
    assert_eq!((cursor.acked, cursor.scanned), (7, 9));
    let unknown = cursor_move(hold("never-opened", 1), 5, 6, 1);
    let lost = store.move_cursors(vec![unknown.clone()], 1).await.unwrap();
    assert_eq!(lost, [unknown.hold]);
    assert_eq!(open_cursor(store, "never-opened", 1).await.acked, 0);
}

async fn only_the_newest_hold_moves_a_cursor(store: &dyn Store) {
    let (_, old) = take_cursor(store, "c", 1).await;
    let (_, new) = take_cursor(store, "c", 1).await;
    let (_, other) = take_cursor(store, "other", 1).await;
    assert!(old < new);
    let moves = vec![
        cursor_move(hold("c", old), 7, 7, 1),
        cursor_move(hold("other", other), 5, 5, 1),
    ];
    let lost = store.move_cursors(moves, 1).await.unwrap();
    assert_eq!(lost, [hold("c", old)]);
    let held = vec![hold("other", other), hold("c", old), hold("c", new)];
    assert_eq!(
        store.lost_holds(held).await.unwrap(),
        [hold("c", old)],
        "who has lost its cursor can find out"
    );
    assert_eq!(open_cursor(store, "c", 1).await.acked, 0);
    assert_eq!(open_cursor(store, "other", 1).await.acked, 5);
}

async fn cursors_that_nobody_uses_are_dropped(store: &dyn Store) {
    fill(store, "acme", 3).await;
    let (_, renewed) = take_cursor(store, "renewed", 1).await;
    take_cursor(store, "unused", 1).await;
    let holds = vec![hold("renewed", renewed), hold("unused", 99)];
    store.renew_holds(holds, 50).await.unwrap();
    assert_eq!(store.drop_cursors(50).await.unwrap(), 1);
    fill(store, "acme", 2).await;
    assert_eq!(open_cursor(store, "renewed", 1).await.acked, 3);
    assert_eq!(open_cursor(store, "unused", 1).await.acked, 5);
}

async fn who_follows_gets_events_as_they_were_appended(store: &dyn Store) {
    let mut message = event("acme", "m", 7);
    message.kitesource = None;
    message.agent_to = Some("alpha".to_owned());
    append(store, vec![event("acme", "a", 5), message]).await;
    let followed = store.follow(id("acme"), 1, 9).await.unwrap();
    let [(2, last)] = followed.as_slice() else {
        panic!("{followed:?}");
    };
    assert_eq!((last.id.as_str(), last.created_at), ("m", 7));
    assert_eq!(
        (last.kitesource.as_deref(), last.agent_to.as_deref()),
        (None, Some("alpha"))
    );
    assert_eq!(
        (&*last.kind, &*last.text),
        ("com.acme.note", "{\"id\":\"m\"}")
    );
    fill(store, "acme", 1000).await;
    let (mut after, mut pages) = (0, 0);
    while after < 1002 {
        let page = store.follow(id("acme"), after, 1002).await.unwrap();
        assert_eq!(page[0].0, after + 1);
        after = page.last().unwrap().0;
        pages += 1;
    }
    assert!(pages > 1, "a thousand events at once are too many");
    assert!(store.follow(id("rival"), 0, 9).await.unwrap().is_empty());
}

async fn the_heads_of_several_logs_are_known_at_once(store: &dyn Store) {
    fill(store, "acme", 5).await;
    let teams = ["rival", "nobody", "acme"].map(id).into();
    let mut heads = store.heads(teams).await.unwrap();
    heads.sort();
    assert_eq!(heads, [(id("acme"), 5), (id("rival"), 0)]);
}

async fn a_scanned_position_is_forgotten_with_its_filter(store: &dyn Store) {
    open_cursor(store, "c", 1).await;
    move_cursor(store, "c", 3, 90, 1).await;
    assert_eq!(open_cursor(store, "c", 2).await.resume(&[2; 32]), 3);
    move_cursor(store, "c", 4, 4, 2).await;
    assert_eq!(open_cursor(store, "c", 1).await.resume(&[1; 32]), 4);
}

async fn keys_are_found_by_prefix_and_revoked_within_their_team(store: &dyn Store) {
    let (token, record) = new_key(
        id("acme"),
        Some("ci".to_owned()),
        Permissions::default(),
        Scopes::all(),
        5,
    );
    store.create_key(record.clone()).await.unwrap();
    let found = store
        .find_key(token.prefix().to_owned())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found, record);
    assert!(found.hash.matches(&token));
    assert_eq!(store.find_key("ffffffff".to_owned()).await.unwrap(), None);
    assert!(matches!(
        store.create_key(record.clone()).await,
        Err(StoreError::Exists(_))
    ));

    let elsewhere = store
        .revoke_key(Some(id("rival")), record.id.clone(), 9)
        .await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound(_))));
    store
        .revoke_key(Some(id("acme")), record.id.clone(), 9)
        .await
        .unwrap();
    let revoked = store
        .find_key(token.prefix().to_owned())
        .await
        .unwrap()
        .unwrap();
    assert!(!revoked.is_live(0));
}

async fn every_change_of_access_changes_the_version(store: &dyn Store) {
    let mut seen = vec![store.access_version().await.unwrap()];
    let record = key("acme");
    store.create_key(record.clone()).await.unwrap();
    seen.push(store.access_version().await.unwrap());
    store.revoke_key(None, record.id.clone(), 9).await.unwrap();
    seen.push(store.access_version().await.unwrap());
    store
        .rehash_key(record.id, KeyHash::Sha256([0; 32]))
        .await
        .unwrap();
    seen.push(store.access_version().await.unwrap());
    store.put_endpoint(endpoint("github")).await.unwrap();
    seen.push(store.access_version().await.unwrap());
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}

fn endpoint(source: &str) -> EndpointDraft {
    EndpointDraft {
        id: format!("id-of-{source}"),
        team: id("acme"),
        source: SourceSlug::parse(source).unwrap(),
        token_hash: KeyHash::Sha256([1; 32]),
        token: None,
        secret: None,
        max_body_bytes: Some(9),
        now: 1,
        old_secret_until: 100,
        keeps: Keeps::None,
    }
}

fn slug(source: &str) -> SourceSlug {
    SourceSlug::parse(source).unwrap()
}

async fn an_endpoint_keeps_its_id_when_its_token_is_replaced(store: &dyn Store) {
    let first = store.put_endpoint(endpoint("github")).await.unwrap();
    let again = EndpointDraft {
        id: "another".to_owned(),
        token_hash: KeyHash::Sha256([2; 32]),
        max_body_bytes: None,
        ..endpoint("github")
    };
    let second = store.put_endpoint(again).await.unwrap();
    assert_eq!((&second.id, second.max_body_bytes), (&first.id, Some(9)));
    assert_eq!(second.token_hash, KeyHash::Sha256([2; 32]));
    let found = store
        .find_endpoint(id("acme"), slug("github"))
        .await
        .unwrap();
    assert_eq!(found, Some(second));
    assert_eq!(
        store
            .find_endpoint(id("rival"), slug("github"))
            .await
            .unwrap(),
        None
    );
    assert_eq!(store.endpoints(id("acme")).await.unwrap().len(), 1);
    assert!(store.endpoints(id("rival")).await.unwrap().is_empty());
}

async fn a_rotated_secret_leaves_the_old_one_for_a_while(store: &dyn Store) {
    let rotate =
        |source, secret: &[u8]| store.rotate_secret(id("acme"), slug(source), secret.to_vec(), 50);
    let missing = rotate("github", b"x").await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))));
    store.put_endpoint(endpoint("github")).await.unwrap();
    let first = rotate("github", b"one").await.unwrap();
    assert_eq!(first.live_secrets(0).collect::<Vec<_>>(), [b"one"]);
    let second = rotate("github", b"two").await.unwrap();
    assert_eq!(
        second.live_secrets(49).collect::<Vec<_>>(),
        [b"two", b"one"]
    );
    assert_eq!(second.live_secrets(50).collect::<Vec<_>>(), [b"two"]);
    let renewed = EndpointDraft {
        secret: Some(b"six".to_vec()),
        ..endpoint("github")
    };
    let third = store.put_endpoint(renewed).await.unwrap();
    assert_eq!(third.live_secrets(99).collect::<Vec<_>>(), [b"six", b"two"]);
    let kept = store.put_endpoint(endpoint("github")).await.unwrap();
    assert_eq!(kept.live_secrets(99).collect::<Vec<_>>(), [b"six", b"two"]);
}

async fn a_complete_endpoint_is_kept_where_that_is_wanted(store: &dyn Store) {
    let kept = |token: Option<&[u8]>, hash: u8| EndpointDraft {
        token: token.map(<[u8]>::to_vec),
        token_hash: KeyHash::Sha256([hash; 32]),
        secret: Some(b"secret".to_vec()),
        keeps: Keeps::Complete,
        ..endpoint("github")
    };
    let put = |token, hash| store.put_endpoint(kept(token, hash));
    let hash = |hash: u8| KeyHash::Sha256([hash; 32]);
    assert_eq!(put(None, 1).await.unwrap().token_hash, hash(1));
    let replaced = put(Some(b"a"), 2).await.unwrap();
    assert_eq!(replaced.token_hash, hash(2), "its token could not be shown");
    assert_eq!(put(Some(b"b"), 3).await.unwrap().token_hash, hash(2));
    let id_of = replaced.id;
    store.deactivate_endpoint(id("acme"), id_of).await.unwrap();
    assert_eq!(put(Some(b"c"), 4).await.unwrap().token_hash, hash(4));
}

async fn an_endpoint_that_is_there_is_kept_where_that_is_wanted(store: &dyn Store) {
    let first = store.put_endpoint(endpoint("github")).await.unwrap();
    let other = EndpointDraft {
        token_hash: KeyHash::Sha256([2; 32]),
        secret: Some(b"secret".to_vec()),
        keeps: Keeps::All,
        ..endpoint("github")
    };
    let second = store.put_endpoint(other).await.unwrap();
    assert_eq!(second.token_hash, first.token_hash);
    assert_eq!(second.secret, None);
}

async fn a_deactivated_endpoint_is_woken_by_a_new_token(store: &dyn Store) {
    let made = store.put_endpoint(endpoint("github")).await.unwrap();
    let elsewhere = store
        .deactivate_endpoint(id("rival"), made.id.clone())
        .await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound(_))));
    store
        .deactivate_endpoint(id("acme"), made.id)
        .await
        .unwrap();
    let found = store
        .find_endpoint(id("acme"), slug("github"))
        .await
        .unwrap();
    assert!(!found.unwrap().active);
    assert!(store.put_endpoint(endpoint("github")).await.unwrap().active);
}

async fn keys_are_listed_with_their_last_use(store: &dyn Store) {
    let (_, record) = new_key(id("acme"), None, Permissions::default(), Scopes::all(), 5);
    store.create_key(record.clone()).await.unwrap();
    let version = store.access_version().await.unwrap();
    let used = |time| vec![(record.prefix.clone(), time), ("ffffffff".to_owned(), 1)];
    store.use_keys(used(70)).await.unwrap();
    store.use_keys(used(60)).await.unwrap();
    assert_eq!(store.access_version().await.unwrap(), version);
    let keys = store.keys(id("acme")).await.unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(
        (keys[0].last_used_at, keys[1].last_used_at),
        (None, Some(70))
    );
    assert_eq!(store.keys(id("rival")).await.unwrap().len(), 1);
}

async fn events_are_found_by_their_id_within_their_team(store: &dyn Store) {
    append(
        store,
        vec![
            event("acme", "x", 1),
            event("acme", "y", 2),
            event("acme", "x", 3),
        ],
    )
    .await;
    let found = store.find_events(id("acme"), "x".to_owned()).await.unwrap();
    let seqs: Vec<u64> = found.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [3, 1]);
    assert!(
        store
            .find_events(id("rival"), "x".to_owned())
            .await
            .unwrap()
            .is_empty()
    );
    // Senders choose ids, and nobody's memory has to hold all who chose the same.
    append(
        store,
        (0..70).map(|time| event("acme", "x", time)).collect(),
    )
    .await;
    let found = store.find_events(id("acme"), "x".to_owned()).await.unwrap();
    let seqs: Vec<u64> = found.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (10..=73).rev().collect::<Vec<u64>>());
    let large = |time| {
        let text = format!("{{\"id\":\"y\",\"data\":\"{}\"}}", "z".repeat(1_500_000));
        NewEvent {
            text,
            ..event("acme", "y", time)
        }
    };
    append(store, (0..6).map(large).collect()).await;
    let found = store.find_events(id("acme"), "y".to_owned()).await.unwrap();
    let seqs: Vec<u64> = found.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [79, 78, 77]);
}

async fn agents_belong_to_their_team(store: &dyn Store) {
    let alpha: AgentId = "alpha".parse().unwrap();
    let name = Some("Alpha".to_owned());
    store
        .put_agent(id("acme"), alpha.clone(), name.clone(), 5)
        .await
        .unwrap();
    let renewed = store
        .put_agent(id("acme"), alpha.clone(), None, 9)
        .await
        .unwrap();
    assert_eq!(
        (renewed.name, renewed.created_at, renewed.last_seen_at),
        (name, 5, Some(9))
    );
    assert_eq!(store.agents(id("acme")).await.unwrap().len(), 1);
    assert!(store.agents(id("rival")).await.unwrap().is_empty());
    assert_eq!(store.find_agent(id("rival"), alpha).await.unwrap(), None);
}

async fn counts_tell_only_of_the_team(store: &dyn Store) {
    fill(store, "acme", 5).await;
    fill(store, "rival", 9).await;
    store.put_endpoint(endpoint("github")).await.unwrap();
    let counts = store.counts(id("acme"), 30, 0).await.unwrap();
    assert_eq!(
        (
            counts.events_since,
            counts.active_endpoints,
            counts.live_keys
        ),
        (3, 1, 1)
    );
}

fn identity(wanted: Option<&str>, key: u8) -> Identity {
    Identity {
        wanted: wanted.map(str::to_owned),
        fresh: "instance".to_owned(),
        secret_check: [key; 32],
        now: 1,
    }
}

async fn an_instance_keeps_its_id_and_its_key(store: &dyn Store) {
    let again = Identity {
        fresh: "other".to_owned(),
        ..identity(None, 1)
    };
    assert_eq!(store.instance(again).await.unwrap(), "instance");
    assert_eq!(
        store.instance(identity(Some("instance"), 1)).await.unwrap(),
        "instance"
    );
    let foreign = store.instance(identity(Some("other"), 1)).await;
    assert!(matches!(foreign, Err(StoreError::OtherInstance { .. })));
    let other_key = store.instance(identity(None, 2)).await;
    assert!(matches!(other_key, Err(StoreError::OtherSecretKey)));
}

async fn an_instance_keeps_the_identity_key_that_was_first(store: &dyn Store) {
    // Several nodes start together.
    let offers = (1..=8).map(|node| store.identity_key(vec![node; 3]));
    let kept: Vec<Vec<u8>> = futures_util::future::try_join_all(offers).await.unwrap();
    assert!(kept.iter().all(|key| *key == kept[0]), "{kept:?}");
    assert_eq!(kept[0].len(), 3);
    assert_eq!(store.identity_key(vec![9; 3]).await.unwrap(), kept[0]);
}

fn login(user_code: &str) -> PendingLogin {
    PendingLogin {
        user_code: user_code.to_owned(),
        created_at: 0,
        expires_at: 900_000,
        peer: "127.0.0.1".to_owned(),
        client: "test".to_owned(),
        interval_secs: 5,
    }
}

fn grant() -> Grant {
    Grant {
        team: id("acme"),
        permissions: ["read", "write"].into_iter().collect(),
        key_expires_at: Some(77),
    }
}

async fn a_device_login_is_granted_once(store: &dyn Store) {
    assert!(store.begin_login(login("A"), [1; 32]).await.unwrap());
    assert!(!store.begin_login(login("A"), [2; 32]).await.unwrap());
    assert_eq!(
        store.pending_login("A".to_owned(), 1).await.unwrap(),
        Some(login("A"))
    );
    assert_eq!(store.poll_login([1; 32], 1).await.unwrap(), Poll::Waits);

    let decide = |grant| store.decide_login("A".to_owned(), grant, 2);
    assert!(decide(Some(grant())).await.unwrap());
    assert!(!decide(None).await.unwrap());
    assert_eq!(store.pending_login("A".to_owned(), 2).await.unwrap(), None);
    assert_eq!(
        store.poll_login([1; 32], 3).await.unwrap(),
        Poll::Granted(grant())
    );
    assert_eq!(store.poll_login([1; 32], 4).await.unwrap(), Poll::Unknown);
}

async fn a_device_login_that_was_denied_or_is_over_gives_nothing(store: &dyn Store) {
    store.begin_login(login("A"), [1; 32]).await.unwrap();
    store.begin_login(login("B"), [2; 32]).await.unwrap();
    assert!(store.decide_login("A".to_owned(), None, 1).await.unwrap());
    assert_eq!(store.poll_login([1; 32], 2).await.unwrap(), Poll::Denied);
    assert!(
        !store
            .decide_login("B".to_owned(), Some(grant()), 900_000)
            .await
            .unwrap()
    );
    assert_eq!(
        store.pending_login("B".to_owned(), 900_000).await.unwrap(),
        None
    );
    assert_eq!(
        store.poll_login([2; 32], 900_000).await.unwrap(),
        Poll::Unknown
    );
    assert_eq!(store.poll_login([9; 32], 1).await.unwrap(), Poll::Unknown);
}

async fn polling_too_fast_lengthens_the_interval(store: &dyn Store) {
    store.begin_login(login("A"), [1; 32]).await.unwrap();
    for (time, expected) in [
        (0, Poll::Waits),
        (5_000, Poll::Waits),
        (9_999, Poll::TooFast),
        (19_998, Poll::TooFast),
        (34_998, Poll::Waits),
    ] {
        assert_eq!(
            store.poll_login([1; 32], time).await.unwrap(),
            expected,
            "{time}"
        );
    }
}

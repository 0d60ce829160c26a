//! What the contract says of changes of exchanges, and of lists of them.

use std::sync::Arc;

use kite::store::Store;
use kite::store::federation::PeerNumber;
use kite::store::openintent::{
    ExchangeChange, ExchangeFilter, ExchangeKind, ExchangeRecord, ExchangeState, ExchangeTurn,
    NewExchange,
};
use kite::store::record::{Bounds, NewEvent, Outcome};

use super::openintent::{exchange, intent, keys, repeats, target, with};
use super::{append, append_limited, event, id, named, postgres, sqlite};

contract! {
    a_change_is_stored_with_its_event,
    a_change_of_another_version_is_stale_and_leaves_nothing,
    what_goes_along_with_a_change_shares_its_fate,
    what_goes_along_without_its_change_is_stale,
    of_two_changes_made_from_one_record_the_first_is_stored,
    of_two_changes_the_one_that_is_not_stale_is_stored,
    a_batch_full_of_changes_of_one_exchange_stores_one,
    of_changes_made_at_once_from_one_record_one_is_stored,
    changes_of_several_exchanges_and_teams_are_apart,
    a_used_up_quota_stops_no_change_and_counts_it,
    an_exchange_that_changes_another_is_known_again_and_changes_it_once,
    an_exchange_whose_change_is_stale_is_not_remembered,
    the_same_exchange_twice_in_a_batch_changes_another_once,
    an_exchange_that_repeats_one_of_the_batch_holds_back_all_of_its_change,
    a_change_follows_the_states_and_its_record_counts_anyway,
    what_makes_an_event_the_same_again_counts_for_nothing_beside_a_change,
    changes_and_what_goes_along_with_them_go_to_peers,
    a_change_of_nobody_spoils_nothing_for_others,
    lists_have_the_newest_first_and_go_on_behind_the_last,
    lists_are_of_a_kind_a_state_and_an_agent,
}

/// The event of a change of the exchange whose own key is `own`.
fn change(name: &str, own: u8, (version, token): (i64, i64), to: Option<ExchangeTurn>) -> NewEvent {
    let change = ExchangeChange {
        own_key: [own; 32],
        version,
        token,
        to,
    };
    NewEvent {
        change: Some(Arc::new(change)),
        ..event("acme", name, 50)
    }
}

/// A change that says who made it.
fn leads(name: &str, own: u8, version: i64, token: i64) -> NewEvent {
    change(name, own, (version, token), turn(name, None))
}

/// What goes along with it.
fn follows(name: &str, own: u8, version: i64, token: i64) -> NewEvent {
    change(name, own, (version, token), None)
}

fn turn(by: &str, state: Option<ExchangeState>) -> Option<ExchangeTurn> {
    Some(ExchangeTurn {
        state,
        record: record(by),
    })
}

fn record(by: &str) -> String {
    format!(r#"{{"by":"{by}"}}"#)
}

async fn found(store: &dyn Store, team: &str, name: &str) -> ExchangeRecord {
    let found = store.exchange(id(team), ExchangeKind::Intent, name.to_owned());
    found.await.unwrap().unwrap()
}

/// The record and the version of an intent of `acme`.
async fn kept(store: &dyn Store, name: &str) -> (String, i64) {
    let found = found(store, "acme", name).await;
    (found.record, found.version)
}

async fn last(store: &dyn Store) -> u64 {
    store.bounds(id("acme")).await.unwrap().last
}

async fn a_change_is_stored_with_its_event(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    let before = found(store, "acme", "a").await;
    assert_eq!(before.version, 0);
    let to = turn("b", Some(ExchangeState::Running));
    let stored = append(store, vec![change("b", 1, (0, 7), to)]).await;
    assert_eq!(stored, [Outcome::Stored(2)]);
    let after = ExchangeRecord {
        state: ExchangeState::Running,
        record: record("b"),
        version: 1,
        updated_at: 50,
        ..before
    };
    assert_eq!(found(store, "acme", "a").await, after);
    let again = append(store, vec![leads("c", 1, 1, 7)]).await;
    assert_eq!(again, [Outcome::Stored(3)]);
    assert_eq!(kept(store, "a").await, (record("c"), 2));
}

async fn a_change_of_another_version_is_stale_and_leaves_nothing(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    append(store, vec![leads("b", 1, 0, 1)]).await;
    let of_rival = NewEvent {
        team: id("rival"),
        ..leads("c", 1, 1, 2)
    };
    let batch = vec![
        leads("c", 1, 0, 2),
        leads("d", 1, 2, 3),
        leads("e", 9, 0, 4),
        of_rival,
        event("acme", "f", 5),
    ];
    let [stale @ .., plain] = &append(store, batch).await[..] else {
        panic!("nothing was answered");
    };
    assert_eq!(stale, [const { Outcome::Stale }; 4]);
    assert_eq!(*plain, Outcome::Stored(3));
    assert_eq!(kept(store, "a").await, (record("b"), 1));
    let of_rival = store.bounds(id("rival")).await.unwrap();
    assert_eq!(of_rival, Bounds { pruned: 0, last: 0 });
    let used = store.usage(id("acme"), "2026-11".to_owned()).await;
    assert_eq!(used.unwrap(), 3);
}

async fn what_goes_along_with_a_change_shares_its_fate(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    let together = || {
        vec![
            leads("b", 1, 0, 7),
            follows("c", 1, 0, 7),
            event("acme", "d", 5),
            follows("e", 1, 0, 7),
        ]
    };
    let stored = append(store, together()).await;
    assert_eq!(stored, [2, 3, 4, 5].map(Outcome::Stored));
    let stale = append(store, together()).await;
    use Outcome::{Stale, Stored};
    assert_eq!(stale, [Stale, Stale, Stored(6), Stale]);
    assert_eq!(kept(store, "a").await, (record("b"), 1));
    assert_eq!(last(store).await, 6);
}

async fn what_goes_along_without_its_change_is_stale(store: &dyn Store) {
    append(store, vec![intent("a", 1, None), intent("b", 2, None)]).await;
    let batch = vec![
        follows("c", 1, 0, 1),
        leads("d", 1, 0, 1),
        follows("e", 1, 0, 2),
        follows("f", 2, 0, 1),
        follows("g", 1, 0, 1),
    ];
    use Outcome::{Stale, Stored};
    assert_eq!(
        append(store, batch).await,
        [Stale, Stored(3), Stale, Stale, Stored(4)]
    );
    // Nor does a change of an earlier batch help.
    assert_eq!(append(store, vec![follows("h", 1, 0, 1)]).await, [Stale]);
    assert_eq!(append(store, vec![follows("h", 1, 1, 1)]).await, [Stale]);
}

async fn of_two_changes_made_from_one_record_the_first_is_stored(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    let batch = vec![
        leads("b", 1, 0, 1),
        follows("c", 1, 0, 1),
        event("acme", "d", 5),
        leads("e", 1, 0, 2),
        follows("f", 1, 0, 2),
        named("acme", "g"),
    ];
    use Outcome::{Stale, Stored};
    assert_eq!(
        append(store, batch).await,
        [Stored(2), Stored(3), Stored(4), Stale, Stale, Stored(5)]
    );
    assert_eq!(kept(store, "a").await, (record("b"), 1));
}

async fn of_two_changes_the_one_that_is_not_stale_is_stored(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    append(store, vec![leads("b", 1, 0, 1)]).await;
    let batch = vec![
        leads("c", 1, 0, 2),
        follows("d", 1, 0, 2),
        leads("e", 1, 1, 3),
        follows("f", 1, 1, 3),
    ];
    use Outcome::{Stale, Stored};
    assert_eq!(
        append(store, batch).await,
        [Stale, Stale, Stored(3), Stored(4)]
    );
    assert_eq!(kept(store, "a").await, (record("e"), 2));
}

async fn a_batch_full_of_changes_of_one_exchange_stores_one(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    let pair = |n: i64| {
        [
            leads(&format!("l{n}"), 1, 0, n),
            follows(&format!("f{n}"), 1, 0, n),
        ]
    };
    let outcomes = append(store, (0..150).flat_map(pair).collect()).await;
    assert_eq!(outcomes[..2], [2, 3].map(Outcome::Stored));
    assert!(outcomes[2..].iter().all(|it| *it == Outcome::Stale));
    assert_eq!(kept(store, "a").await, (record("l0"), 1));
}

async fn of_changes_made_at_once_from_one_record_one_is_stored(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    for version in 0..10 {
        let change = async |token| {
            let name = format!("{version}-{token}");
            let batch = vec![
                leads(&name, 1, version, token),
                follows(&name, 1, version, token),
            ];
            append(store, batch).await
        };
        let (a, b, c) = tokio::join!(change(1), change(2), change(3));
        let mut stored = 0;
        for outcomes in [a, b, c] {
            match &outcomes[..] {
                [Outcome::Stored(_), Outcome::Stored(_)] => stored += 1,
                other => assert_eq!(other, [Outcome::Stale, Outcome::Stale]),
            }
        }
        assert_eq!(stored, 1);
        assert_eq!(kept(store, "a").await.1, version + 1);
    }
    assert_eq!(last(store).await, 21);
}

async fn changes_of_several_exchanges_and_teams_are_apart(store: &dyn Store) {
    let of_rival = with("rival", exchange("a", 1, None));
    append(
        store,
        vec![intent("a", 1, None), intent("b", 2, None), of_rival],
    )
    .await;
    let at_rival = |event| NewEvent {
        team: id("rival"),
        ..event
    };
    // One token for all: it says nothing without its exchange and team.
    let batch = vec![
        leads("c", 1, 0, 1),
        leads("d", 2, 0, 1),
        at_rival(leads("e", 1, 0, 1)),
        follows("f", 2, 0, 1),
        at_rival(follows("g", 1, 0, 1)),
        at_rival(follows("h", 2, 0, 1)),
    ];
    use Outcome::{Stale, Stored};
    assert_eq!(
        append(store, batch).await,
        [Stored(3), Stored(4), Stored(2), Stored(5), Stored(3), Stale]
    );
    assert_eq!(kept(store, "a").await, (record("c"), 1));
    assert_eq!(kept(store, "b").await, (record("d"), 1));
    let of_rival = found(store, "rival", "a").await;
    assert_eq!((of_rival.record, of_rival.version), (record("e"), 1));
}

async fn a_used_up_quota_stops_no_change_and_counts_it(store: &dyn Store) {
    let limited = async |events| append_limited(store, "2026-11", 2, events).await;
    append(store, vec![intent("a", 1, None)]).await;
    let batch = vec![
        leads("b", 1, 0, 1),
        event("acme", "c", 5),
        follows("d", 1, 0, 1),
        leads("e", 1, 0, 2),
    ];
    use Outcome::{Exhausted, Stale, Stored};
    assert_eq!(
        limited(batch).await,
        [(Stored(2), 2), (Exhausted, 2), (Stored(3), 3), (Stale, 3)]
    );
    let callback = NewEvent {
        exchange: Some(Arc::new(exchange("f", 2, None))),
        ..leads("f", 1, 1, 3)
    };
    assert_eq!(limited(vec![callback]).await, [(Stored(4), 4)]);
}

/// A callback that changes the intent `a`, and another event with it.
fn told(name: &str, own: u8, version: i64, token: i64) -> Vec<NewEvent> {
    let callback = NewExchange {
        kind: ExchangeKind::Callback,
        ..exchange(name, own, None)
    };
    let leads = NewEvent {
        exchange: Some(Arc::new(callback)),
        ..leads(name, 1, version, token)
    };
    vec![leads, follows(&format!("{name} too"), 1, version, token)]
}

async fn an_exchange_that_changes_another_is_known_again_and_changes_it_once(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    let stored = append(store, told("b", 2, 0, 1)).await;
    assert_eq!(stored, [2, 3].map(Outcome::Stored));
    let known = [repeats("b", true), Outcome::Stale];
    assert_eq!(append(store, told("b", 2, 0, 1)).await, known);
    assert_eq!(append(store, told("c", 2, 1, 2)).await, known);
    assert_eq!(kept(store, "a").await, (record("b"), 1));
    assert_eq!(last(store).await, 3);
}

async fn an_exchange_whose_change_is_stale_is_not_remembered(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    append(store, vec![leads("b", 1, 0, 1)]).await;
    let stale = append(store, told("c", 2, 0, 2)).await;
    assert_eq!(stale, [Outcome::Stale, Outcome::Stale]);
    let found = store.find_exchange(id("acme"), keys(2, None)).await;
    assert_eq!(found.unwrap(), None);
    let again = append(store, told("c", 2, 1, 3)).await;
    assert_eq!(again, [3, 4].map(Outcome::Stored));
}

async fn the_same_exchange_twice_in_a_batch_changes_another_once(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    let mut batch = told("b", 2, 0, 1);
    batch.extend(told("c", 2, 0, 2));
    batch.extend(told("d", 3, 0, 3));
    use Outcome::{Stale, Stored};
    assert_eq!(
        append(store, batch).await,
        [
            Stored(2),
            Stored(3),
            repeats("b", true),
            Stale,
            Stale,
            Stale
        ]
    );
    assert_eq!(kept(store, "a").await, (record("b"), 1));
}

async fn an_exchange_that_repeats_one_of_the_batch_holds_back_all_of_its_change(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    let mut batch = vec![intent("b", 2, Some(3))];
    batch.extend(told("c", 2, 0, 1));
    batch.push(event("acme", "d", 5));
    let outcomes = append(store, batch).await;
    use Outcome::{Stale, Stored};
    assert_eq!(outcomes, [Stored(2), repeats("b", true), Stale, Stored(3)]);
    assert_eq!(kept(store, "a").await.1, 0);
}

async fn a_change_follows_the_states_and_its_record_counts_anyway(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    use ExchangeState::{Accepted, Completed, Failed, Queued, Running};
    let steps = [
        (None, Accepted),
        (Some(Running), Running),
        // It is not on its way any more.
        (Some(Queued), Running),
        (None, Running),
        (Some(Running), Running),
        (Some(Completed), Completed),
        (Some(Failed), Completed),
        (Some(Running), Completed),
    ];
    for (version, (to, expected)) in (0i64..).zip(steps) {
        let name = format!("step {version}");
        let batch = vec![change(&name, 1, (version, version), turn(&name, to))];
        let stored = append(store, batch).await;
        assert!(matches!(stored[..], [Outcome::Stored(_)]), "{stored:?}");
        let found = found(store, "acme", "a").await;
        assert_eq!((found.state, found.record), (expected, record(&name)));
        assert_eq!(found.version, version + 1);
    }
}

async fn what_makes_an_event_the_same_again_counts_for_nothing_beside_a_change(store: &dyn Store) {
    append(store, vec![intent("a", 1, None), named("acme", "b")]).await;
    let changing = |name: &str, version| NewEvent {
        dedup: named("acme", name).dedup,
        ..leads(name, 1, version, version)
    };
    let stored = append(store, vec![changing("b", 0), named("acme", "c")]).await;
    assert_eq!(stored, [3, 4].map(Outcome::Stored));
    let stored = append(store, vec![changing("d", 1), named("acme", "d")]).await;
    assert_eq!(stored, [5, 6].map(Outcome::Stored));
}

async fn changes_and_what_goes_along_with_them_go_to_peers(store: &dyn Store) {
    let peer = target(store).await;
    append(store, vec![intent("a", 1, None)]).await;
    let to_peer = |event| NewEvent {
        transit: kite::protocol::forward::Transit {
            to_instance: Some("instance-other".to_owned()),
            ..kite::protocol::forward::Transit::default()
        },
        ..event
    };
    let batch = vec![
        leads("b", 1, 0, 1),
        to_peer(follows("c", 1, 0, 1)),
        to_peer(leads("d", 1, 0, 2)),
        to_peer(follows("e", 1, 0, 2)),
        to_peer(event("acme", "f", 5)),
    ];
    let appended = super::federation::append(store, batch).await;
    let forwards: Vec<&[PeerNumber]> = appended.iter().map(|it| &it.forwards[..]).collect();
    assert_eq!(forwards, [&[][..], &[peer], &[], &[], &[peer]]);
    let own = super::federation::claim(store).await;
    let waiting = super::federation::work(store, own).await;
    assert_eq!(waiting.fresh.len(), 2);
}

async fn a_change_of_nobody_spoils_nothing_for_others(store: &dyn Store) {
    append(store, vec![intent("a", 1, None)]).await;
    let nobodys = |event| NewEvent {
        team: id("nobody"),
        ..event
    };
    let batch = vec![
        nobodys(leads("b", 1, 0, 1)),
        nobodys(follows("c", 1, 0, 1)),
        leads("d", 1, 0, 2),
    ];
    let outcomes = append(store, batch).await;
    use Outcome::{NoTeam, Stored};
    assert_eq!(outcomes, [NoTeam, NoTeam, Stored(2)]);
}

fn all(kind: ExchangeKind) -> ExchangeFilter {
    ExchangeFilter {
        kind,
        state: None,
        agent: None,
        before: None,
        max: 100,
    }
}

async fn listed(store: &dyn Store, filter: ExchangeFilter) -> Vec<String> {
    let listed = store.exchanges(id("acme"), filter).await.unwrap();
    listed.into_iter().map(|it| it.local_id).collect()
}

async fn lists_have_the_newest_first_and_go_on_behind_the_last(store: &dyn Store) {
    let names = [
        ("a", 10),
        ("c", 30),
        ("b", 20),
        // By their bytes, whatever a language thinks of the order.
        ("B-2", 20),
        ("é", 20),
        ("z", 20),
    ];
    for (own, (name, now)) in (1u8..).zip(names) {
        let entered = NewExchange {
            now,
            ..exchange(name, own, None)
        };
        store.enter_exchange(id("acme"), entered).await.unwrap();
    }
    let of_rival = exchange("r", 1, None);
    store.enter_exchange(id("rival"), of_rival).await.unwrap();
    let whole = listed(store, all(ExchangeKind::Intent)).await;
    assert_eq!(whole, ["c", "é", "z", "b", "B-2", "a"]);
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let filter = ExchangeFilter {
            before,
            max: 2,
            ..all(ExchangeKind::Intent)
        };
        let page = store.exchanges(id("acme"), filter).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.created_at, last.local_id.clone()));
        pages.push(page.len());
    }
    assert_eq!(pages, [2, 2, 2]);
    let behind = |time, name: &str| ExchangeFilter {
        before: Some((time, name.to_owned())),
        ..all(ExchangeKind::Intent)
    };
    assert_eq!(listed(store, behind(20, "z")).await, ["b", "B-2", "a"]);
    // What is not there any more, or never was, has a place all the same.
    assert_eq!(listed(store, behind(20, "C")).await, ["B-2", "a"]);
    assert_eq!(listed(store, behind(10, "")).await.len(), 0);
}

async fn lists_are_of_a_kind_a_state_and_an_agent(store: &dyn Store) {
    use ExchangeKind::{Callback, Dispatch, Intent};
    use ExchangeState::{Accepted, Queued, Running};
    let entered = [
        ("a", Intent, Accepted, Some("scout")),
        ("b", Intent, Running, Some("scout")),
        ("c", Intent, Running, Some("other")),
        ("d", Intent, Running, None),
        ("e", Dispatch, Queued, Some("scout")),
        ("f", Callback, Accepted, None),
    ];
    for (own, (name, kind, state, agent)) in (1u8..).zip(entered) {
        let entered = NewExchange {
            kind,
            state,
            agent: agent.map(str::to_owned),
            ..exchange(name, own, None)
        };
        store.enter_exchange(id("acme"), entered).await.unwrap();
    }
    let of = |kind, state, agent: Option<&str>| ExchangeFilter {
        state,
        agent: agent.map(str::to_owned),
        ..all(kind)
    };
    let list = async |filter| listed(store, filter).await;
    assert_eq!(list(all(Intent)).await, ["d", "c", "b", "a"]);
    assert_eq!(list(all(Dispatch)).await, ["e"]);
    assert_eq!(list(of(Intent, Some(Running), None)).await, ["d", "c", "b"]);
    assert_eq!(list(of(Intent, None, Some("scout"))).await, ["b", "a"]);
    let both = of(Intent, Some(Running), Some("scout"));
    assert_eq!(list(both).await, ["b"]);
    assert_eq!(
        list(of(Intent, Some(Accepted), Some("other"))).await.len(),
        0
    );
    let scout = store.exchanges(id("acme"), of(Dispatch, None, Some("scout")));
    assert_eq!(scout.await.unwrap()[0].agent.as_deref(), Some("scout"));
}

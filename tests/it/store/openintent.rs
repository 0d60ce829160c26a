//! What the contract says of OpenIntent: exchanges, trust, the keys that an instance signs with.

use std::sync::Arc;

use kite::protocol::federation::{PeerKind, PeerStatus};
use kite::protocol::forward::Transit;
use kite::store::federation::{
    ClaimId, Letters, NewPeer, OutboxId, PeerNumber, PeerUpdate, Settled, Settlement,
};
use kite::store::openintent::{
    ExchangeCounts, ExchangeKeys, ExchangeKind, ExchangeNote, ExchangeState, NewExchange,
    SigningKeyRecord, TrustedRecord,
};
use kite::store::record::{NewEvent, Outcome};
use kite::store::{Store, StoreError};

use super::federation::{claim, draft, settlement, work};
use super::{append, append_limited, event, id, postgres, sqlite};

contract! {
    an_exchange_is_kept_with_its_event_and_known_again_by_its_own_key,
    other_content_under_the_own_key_is_told_apart,
    an_alias_stands_for_the_first_exchange_whatever_else_is_sent,
    the_own_key_goes_before_the_alias,
    exchanges_of_one_batch_are_judged_one_after_the_other,
    a_batch_full_of_one_exchange_stores_it_once,
    exchanges_and_other_events_keep_their_order,
    a_known_exchange_is_answered_when_the_quota_is_used_up,
    an_exchange_that_was_refused_is_not_remembered,
    an_exchange_of_nobody_spoils_nothing_for_others,
    exchanges_go_to_peers_and_stay_with_their_team,
    what_was_declined_is_entered_once_and_answers_an_append,
    a_local_id_that_comes_twice_spoils_nothing,
    what_is_learnt_of_an_exchange_follows_its_states,
    counts_are_of_a_team_and_its_kinds,
    a_dispatch_whose_forward_is_dead_is_undelivered_until_it_is_replayed,
    a_dispatch_to_a_revoked_peer_is_undelivered,
    a_dispatch_that_waited_for_too_long_is_undelivered,
    what_a_peer_of_another_kind_does_is_nothing_to_a_dispatch,
    what_no_database_can_hold_is_kept_as_well_as_can_be,
    whom_a_team_trusts_is_its_own_affair,
    every_word_on_trust_changes_the_access_version,
    the_policy_of_a_team_is_its_own_until_it_is_taken_back,
    the_newest_key_signs_and_old_ones_retire,
    of_two_keys_with_one_number_the_first_stays,
}

/// Keys that begin with a number.
pub(super) fn keys(own: u8, alias: Option<u8>) -> ExchangeKeys {
    ExchangeKeys {
        own: [own; 32],
        alias: alias.map(|alias| [alias; 32]),
    }
}

pub(super) fn exchange(name: &str, own: u8, alias: Option<u8>) -> NewExchange {
    NewExchange {
        kind: ExchangeKind::Intent,
        keys: keys(own, alias),
        digest: [7; 32],
        dispatch_id: format!("dispatch of {name}"),
        party: "https://other.example".to_owned(),
        local_id: name.to_owned(),
        state: ExchangeState::Accepted,
        agent: None,
        message: Some("taken".to_owned()),
        record: r#"{"title":"é"}"#.to_owned(),
        now: 40,
    }
}

fn dispatch(name: &str, own: u8) -> NewExchange {
    NewExchange {
        kind: ExchangeKind::Dispatch,
        state: ExchangeState::Queued,
        ..exchange(name, own, None)
    }
}

/// The event of an exchange.
pub(super) fn with(team: &str, exchange: NewExchange) -> NewEvent {
    let local_id = exchange.local_id.clone();
    NewEvent {
        exchange: Some(Arc::new(exchange)),
        ..event(team, &local_id, 5)
    }
}

pub(super) fn intent(name: &str, own: u8, alias: Option<u8>) -> NewEvent {
    with("acme", exchange(name, own, alias))
}

pub(super) fn repeats(name: &str, same: bool) -> Outcome {
    Outcome::Duplicate {
        id: name.to_owned(),
        created_at: 40,
        same,
    }
}

async fn state(store: &dyn Store, name: &str) -> ExchangeState {
    let found = store.exchange(id("acme"), ExchangeKind::Dispatch, name.to_owned());
    found.await.unwrap().unwrap().state
}

/// Why a dispatch is not delivered.
async fn why(store: &dyn Store, name: &str) -> Option<String> {
    let found = store.exchange(id("acme"), ExchangeKind::Dispatch, name.to_owned());
    found.await.unwrap().unwrap().message
}

async fn an_exchange_is_kept_with_its_event_and_known_again_by_its_own_key(store: &dyn Store) {
    let stored = append(store, vec![intent("a", 1, Some(2))]).await;
    assert_eq!(stored, [Outcome::Stored(1)]);
    let find = async |team: &str, keys| store.find_exchange(id(team), keys).await.unwrap();
    let found = find("acme", keys(1, None)).await.unwrap();
    assert_eq!(found.kind, ExchangeKind::Intent);
    assert_eq!((found.digest, found.own_key), ([7; 32], [1; 32]));
    assert_eq!(found.dispatch_id, "dispatch of a");
    assert_eq!(found.party, "https://other.example");
    assert_eq!(
        (found.local_id.as_str(), found.remote_id.as_ref()),
        ("a", None)
    );
    assert_eq!(found.state, ExchangeState::Accepted);
    assert_eq!(found.message.as_deref(), Some("taken"));
    assert_eq!(found.record, r#"{"title":"é"}"#);
    assert_eq!((found.created_at, found.updated_at), (40, 40));
    assert_eq!(find("acme", keys(9, Some(2))).await.as_ref(), Some(&found));
    let named = store.exchange(id("acme"), ExchangeKind::Intent, "a".to_owned());
    assert_eq!(named.await.unwrap(), Some(found));
    assert_eq!(find("acme", keys(2, Some(1))).await, None);
    assert_eq!(find("rival", keys(1, Some(2))).await, None);
    let other = store.exchange(id("acme"), ExchangeKind::Dispatch, "a".to_owned());
    assert_eq!(other.await.unwrap(), None);

    let again = append(store, vec![intent("b", 1, Some(2)), event("acme", "c", 5)]).await;
    assert_eq!(again, [repeats("a", true), Outcome::Stored(2)]);
    assert_eq!(
        store.usage(id("acme"), "2026-11".to_owned()).await.unwrap(),
        2
    );
}

async fn other_content_under_the_own_key_is_told_apart(store: &dyn Store) {
    append(store, vec![intent("a", 1, Some(2))]).await;
    let mut other = exchange("b", 1, Some(2));
    other.digest = [8; 32];
    assert_eq!(
        append(store, vec![with("acme", other)]).await,
        [repeats("a", false)]
    );
}

async fn an_alias_stands_for_the_first_exchange_whatever_else_is_sent(store: &dyn Store) {
    append(store, vec![intent("a", 1, Some(2))]).await;
    let mut other = exchange("b", 3, Some(2));
    other.digest = [8; 32];
    let repeated = append(store, vec![with("acme", other), intent("c", 3, Some(4))]).await;
    // What only repeated was not entered: its own key is free.
    assert_eq!(repeated, [repeats("a", true), Outcome::Stored(2)]);
}

async fn the_own_key_goes_before_the_alias(store: &dyn Store) {
    append(
        store,
        vec![intent("a", 1, Some(2)), intent("b", 3, Some(4))],
    )
    .await;
    assert_eq!(
        append(store, vec![intent("c", 1, Some(4))]).await,
        [repeats("a", true)]
    );
    let found = store.find_exchange(id("acme"), keys(3, Some(2))).await;
    assert_eq!(found.unwrap().unwrap().local_id, "b");
}

async fn exchanges_of_one_batch_are_judged_one_after_the_other(store: &dyn Store) {
    let mut other = exchange("d", 1, None);
    other.digest = [8; 32];
    let batch = vec![
        intent("a", 1, Some(2)),
        intent("b", 1, Some(2)),
        // By its alias, so that its own key stays free for the next but one.
        intent("c", 3, Some(2)),
        with("acme", other),
        intent("e", 3, Some(5)),
        intent("f", 6, Some(5)),
        with("rival", exchange("g", 1, Some(2))),
    ];
    let expected = [
        Outcome::Stored(1),
        repeats("a", true),
        repeats("a", true),
        repeats("a", false),
        Outcome::Stored(2),
        repeats("e", true),
        Outcome::Stored(1),
    ];
    assert_eq!(append(store, batch).await, expected);
}

async fn a_batch_full_of_one_exchange_stores_it_once(store: &dyn Store) {
    let same = |n| intent(&format!("e{n}"), 1, Some(2));
    let stored = append(store, (0..300).map(same).collect()).await;
    assert_eq!(stored[0], Outcome::Stored(1));
    assert!(stored[1..].iter().all(|it| *it == repeats("e0", true)));
    let counted = store.exchange_counts(id("acme")).await.unwrap();
    assert_eq!(counted.total_received, 1);
}

async fn exchanges_and_other_events_keep_their_order(store: &dyn Store) {
    let named = |name| super::named("acme", name);
    let batch = vec![
        named("a"),
        intent("b", 1, None),
        named("a"),
        intent("c", 2, Some(3)),
        event("acme", "d", 5),
    ];
    let stored = append(store, batch).await;
    let known = Outcome::Duplicate {
        id: "a".to_owned(),
        created_at: 5,
        same: true,
    };
    assert_eq!(
        stored,
        [
            Outcome::Stored(1),
            Outcome::Stored(2),
            known,
            Outcome::Stored(3),
            Outcome::Stored(4)
        ]
    );
}

async fn a_known_exchange_is_answered_when_the_quota_is_used_up(store: &dyn Store) {
    let limited = async |events| append_limited(store, "2026-11", 2, events).await;
    let batch = vec![
        intent("a", 1, Some(2)),
        intent("b", 1, Some(2)),
        event("acme", "c", 5),
        intent("d", 1, None),
        intent("e", 3, None),
        intent("f", 3, None),
    ];
    let outcomes: Vec<Outcome> = limited(batch).await.into_iter().map(|it| it.0).collect();
    let expected = [
        Outcome::Stored(1),
        repeats("a", true),
        Outcome::Stored(2),
        repeats("a", true),
        Outcome::Exhausted,
        Outcome::Exhausted,
    ];
    assert_eq!(outcomes, expected);
    let again = limited(vec![intent("g", 9, Some(2)), intent("h", 9, None)]).await;
    assert_eq!(again, [(repeats("a", true), 2), (Outcome::Exhausted, 2)]);
}

async fn an_exchange_that_was_refused_is_not_remembered(store: &dyn Store) {
    let batch = vec![event("acme", "a", 5), intent("b", 1, Some(2))];
    let refused = append_limited(store, "2026-11", 1, batch).await;
    assert_eq!(refused[1].0, Outcome::Exhausted);
    let found = store.find_exchange(id("acme"), keys(1, Some(2))).await;
    assert_eq!(found.unwrap(), None);
    let later = append(store, vec![intent("b", 1, Some(2))]).await;
    assert_eq!(later, [Outcome::Stored(2)]);
}

async fn an_exchange_of_nobody_spoils_nothing_for_others(store: &dyn Store) {
    let batch = vec![
        with("nobody", exchange("a", 1, None)),
        with("nobody", exchange("b", 1, None)),
        intent("c", 1, None),
    ];
    let stored = append(store, batch).await;
    assert_eq!(
        stored,
        [Outcome::NoTeam, Outcome::NoTeam, Outcome::Stored(1)]
    );
    let found = store.find_exchange(id("nobody"), keys(1, None)).await;
    assert!(matches!(found, Err(StoreError::NotFound(_))), "{found:?}");
}

/// The peer of `acme` that stands for another server.
pub(super) async fn target(store: &dyn Store) -> PeerNumber {
    let peer = NewPeer {
        kind: PeerKind::OpenIntent,
        ..draft("other")
    };
    store.create_peer(peer).await.unwrap().number
}

/// The event of a dispatch to that peer.
fn sent(name: &str, own: u8) -> NewEvent {
    NewEvent {
        transit: Transit {
            to_instance: Some("instance-other".to_owned()),
            ..Transit::default()
        },
        ..with("acme", dispatch(name, own))
    }
}

async fn exchanges_go_to_peers_and_stay_with_their_team(store: &dyn Store) {
    let peer = target(store).await;
    let batch = vec![
        sent("a", 1),
        sent("b", 1),
        intent("c", 2, None),
        event("acme", "d", 5),
        with("rival", dispatch("a", 1)),
    ];
    let appended = super::federation::append(store, batch).await;
    let forwards: Vec<&[PeerNumber]> = appended.iter().map(|it| &it.forwards[..]).collect();
    assert_eq!(forwards, [&[peer][..], &[], &[], &[], &[]]);
    let outcomes: Vec<Outcome> = appended.into_iter().map(|it| it.outcome).collect();
    let expected = [
        Outcome::Stored(1),
        repeats("a", true),
        Outcome::Stored(2),
        Outcome::Stored(3),
        Outcome::Stored(1),
    ];
    assert_eq!(outcomes, expected);
    let own = claim(store).await;
    assert_eq!(work(store, own).await.fresh.len(), 1);
}

async fn what_was_declined_is_entered_once_and_answers_an_append(store: &dyn Store) {
    let declined = |name: &str, own, alias| NewExchange {
        state: ExchangeState::Declined,
        message: Some("no".to_owned()),
        ..exchange(name, own, alias)
    };
    let enter = async |exchange| store.enter_exchange(id("acme"), exchange).await.unwrap();
    assert_eq!(enter(declined("a", 1, Some(2))).await, None);
    let first = enter(declined("b", 1, None)).await.unwrap();
    assert_eq!(
        (first.local_id.as_str(), first.state),
        ("a", ExchangeState::Declined)
    );
    assert_eq!(enter(declined("c", 3, Some(2))).await, Some(first));
    assert_eq!(enter(declined("d", 3, None)).await, None);
    assert_eq!(
        append(store, vec![intent("e", 1, None)]).await,
        [repeats("a", true)]
    );
    let nobody = store.enter_exchange(id("nobody"), declined("a", 1, None));
    assert!(matches!(nobody.await, Err(StoreError::NotFound(_))));
}

async fn a_local_id_that_comes_twice_spoils_nothing(store: &dyn Store) {
    let enter = async |exchange| store.enter_exchange(id("acme"), exchange).await.unwrap();
    assert_eq!(enter(exchange("a", 1, None)).await, None);
    assert_eq!(enter(exchange("a", 2, None)).await, None);
    assert_eq!(
        append(store, vec![intent("a", 3, None), intent("b", 4, None)]).await,
        [Outcome::Stored(1), Outcome::Stored(2)]
    );
    let found = store.exchange(id("acme"), ExchangeKind::Intent, "a".to_owned());
    assert!(found.await.unwrap().is_some());
}

async fn what_is_learnt_of_an_exchange_follows_its_states(store: &dyn Store) {
    append(store, vec![with("acme", dispatch("a", 1))]).await;
    let note =
        async |state: Option<ExchangeState>, remote_id: Option<&str>, message: Option<&str>| {
            let note = ExchangeNote {
                state,
                remote_id: remote_id.map(str::to_owned),
                message: message.map(str::to_owned),
            };
            let kind = ExchangeKind::Dispatch;
            let noted = store.note_exchange(id("acme"), kind, "a".to_owned(), note, 50);
            assert!(noted.await.unwrap());
            let found = store.exchange(id("acme"), kind, "a".to_owned());
            let found = found.await.unwrap().unwrap();
            assert_eq!((found.created_at, found.updated_at), (40, 50));
            let message = found.message.unwrap_or_default();
            (found.state, found.remote_id.unwrap_or_default(), message)
        };
    let is =
        |state, remote_id: &str, message: &str| (state, remote_id.to_owned(), message.to_owned());
    use ExchangeState::{Completed, Delivered, Queued, Running, Undelivered};
    assert_eq!(note(None, None, None).await, is(Queued, "", "taken"));
    assert_eq!(
        note(Some(Undelivered), None, Some("away")).await,
        is(Undelivered, "", "away")
    );
    assert_eq!(note(Some(Queued), None, None).await, is(Queued, "", "away"));
    assert_eq!(
        note(Some(Delivered), Some("r1"), Some("in")).await,
        is(Delivered, "r1", "in")
    );
    assert_eq!(
        note(Some(Queued), Some("r2"), Some("?")).await,
        is(Delivered, "r1", "in")
    );
    assert_eq!(
        note(Some(Running), None, None).await,
        is(Running, "r1", "in")
    );
    assert_eq!(
        note(Some(Completed), None, Some("done")).await,
        is(Completed, "r1", "done")
    );
    assert_eq!(
        note(Some(Delivered), None, Some("late")).await,
        is(Completed, "r1", "done")
    );
    let nobodys = async |team: &str, kind, name: &str| {
        let note = ExchangeNote::default();
        let noted = store.note_exchange(id(team), kind, name.to_owned(), note, 50);
        noted.await.unwrap()
    };
    assert!(!nobodys("acme", ExchangeKind::Intent, "a").await);
    assert!(!nobodys("acme", ExchangeKind::Dispatch, "b").await);
    assert!(!nobodys("rival", ExchangeKind::Dispatch, "a").await);
}

async fn counts_are_of_a_team_and_its_kinds(store: &dyn Store) {
    let none = store.exchange_counts(id("acme")).await.unwrap();
    assert_eq!(none, ExchangeCounts::default());
    let as_state = |name: &str, own, kind, state| NewExchange {
        kind,
        state,
        ..exchange(name, own, None)
    };
    use ExchangeKind::{Callback, Dispatch, Intent};
    let entered = [
        (Dispatch, ExchangeState::Queued),
        (Dispatch, ExchangeState::Undelivered),
        (Dispatch, ExchangeState::Delivered),
        (Intent, ExchangeState::Declined),
        (Intent, ExchangeState::Accepted),
        (Intent, ExchangeState::Completed),
        (Callback, ExchangeState::Accepted),
    ];
    for (own, (kind, state)) in (1u8..).zip(entered) {
        let entered = as_state(&format!("e{own}"), own, kind, state);
        store.enter_exchange(id("acme"), entered).await.unwrap();
    }
    let counts = store.exchange_counts(id("acme")).await.unwrap();
    let expected = ExchangeCounts {
        active_dispatches: 1,
        total_dispatches: 3,
        total_received: 2,
    };
    assert_eq!(counts, expected);
    let rival = store.exchange_counts(id("rival")).await.unwrap();
    assert_eq!(rival, ExchangeCounts::default());
}

async fn settle(store: &dyn Store, settlement: Settlement) {
    assert_eq!(store.settle(vec![settlement]).await.unwrap(), [true]);
}

/// Sends a dispatch `a`, and another event behind it, to the other server. Answers a claim on it.
async fn dispatched(store: &dyn Store) -> ClaimId {
    target(store).await;
    append(store, vec![sent("a", 1), sent("b", 2)]).await;
    claim(store).await
}

async fn a_dispatch_whose_forward_is_dead_is_undelivered_until_it_is_replayed(store: &dyn Store) {
    let own = dispatched(store).await;
    settle(store, settlement(own, 1, 0, Settled::Waits(500))).await;
    assert_eq!(state(store, "a").await, ExchangeState::Queued);
    settle(store, settlement(own, 1, 500, Settled::Dead)).await;
    assert_eq!(state(store, "a").await, ExchangeState::Undelivered);
    assert_eq!(why(store, "a").await.as_deref(), Some("status 400"));
    assert_eq!(state(store, "b").await, ExchangeState::Queued);
    let letter = OutboxId {
        peer_id: "id-of-other".to_owned(),
        seq: 1,
    };
    let replayed = store
        .replay(id("acme"), Letters::One(letter.clone()), 900)
        .await;
    assert_eq!(replayed.unwrap(), 1);
    assert_eq!(state(store, "a").await, ExchangeState::Queued);
    assert_eq!(why(store, "a").await, None);
    // Its event may have left the log by then.
    store.prune(id("acme"), 1, 10).await.unwrap();
    settle(store, settlement(own, 1, 1, Settled::Dead)).await;
    assert_eq!(state(store, "a").await, ExchangeState::Undelivered);
    let discarded = store.discard(id("acme"), letter, 950).await;
    assert!(discarded.unwrap().is_some());
    assert_eq!(state(store, "a").await, ExchangeState::Undelivered);
    // What the other server has said meanwhile stands.
    let note = ExchangeNote {
        state: Some(ExchangeState::Delivered),
        ..ExchangeNote::default()
    };
    let kind = ExchangeKind::Dispatch;
    store
        .note_exchange(id("acme"), kind, "b".to_owned(), note, 50)
        .await
        .unwrap();
    settle(store, settlement(own, 2, 0, Settled::Dead)).await;
    assert_eq!(state(store, "b").await, ExchangeState::Delivered);
}

async fn a_dispatch_to_a_revoked_peer_is_undelivered(store: &dyn Store) {
    dispatched(store).await;
    let update = PeerUpdate {
        status: Some(PeerStatus::Revoked),
        ..PeerUpdate::default()
    };
    let revoked = store.update_peer(id("acme"), "id-of-other".to_owned(), update, 20);
    revoked.await.unwrap();
    assert_eq!(store.cancel_rows(50, 1).await.unwrap(), 1);
    let states = [state(store, "a").await, state(store, "b").await];
    assert_eq!(states, [ExchangeState::Undelivered, ExchangeState::Queued]);
    assert_eq!(store.cancel_rows(50, 10).await.unwrap(), 1);
    assert_eq!(state(store, "b").await, ExchangeState::Undelivered);
}

async fn a_dispatch_that_waited_for_too_long_is_undelivered(store: &dyn Store) {
    dispatched(store).await;
    assert_eq!(store.expire_rows(5, 1000, 50, 10).await.unwrap(), 0);
    assert_eq!(state(store, "a").await, ExchangeState::Queued);
    assert_eq!(store.expire_rows(6, 1000, 50, 10).await.unwrap(), 2);
    assert_eq!(state(store, "a").await, ExchangeState::Undelivered);
    let why = why(store, "a").await.unwrap();
    assert_eq!(why, "it waited for too long");
}

async fn what_a_peer_of_another_kind_does_is_nothing_to_a_dispatch(store: &dyn Store) {
    store.create_peer(draft("kite")).await.unwrap();
    append(store, vec![with("acme", dispatch("a", 1))]).await;
    let own = claim(store).await;
    settle(store, settlement(own, 1, 0, Settled::Dead)).await;
    assert_eq!(state(store, "a").await, ExchangeState::Queued);
    assert_eq!(
        store.replay(id("acme"), Letters::All, 900).await.unwrap(),
        1
    );
    assert_eq!(state(store, "a").await, ExchangeState::Queued);
}

async fn what_no_database_can_hold_is_kept_as_well_as_can_be(store: &dyn Store) {
    let mut odd = exchange("a", 1, Some(2));
    odd.dispatch_id = "x\0y".to_owned();
    odd.message = Some("\0".to_owned());
    let stored = append(store, vec![with("acme", odd.clone())]).await;
    assert_eq!(stored, [Outcome::Stored(1)]);
    odd.local_id = "b".to_owned();
    odd.keys = keys(3, None);
    assert_eq!(store.enter_exchange(id("acme"), odd).await.unwrap(), None);
    let note = ExchangeNote {
        remote_id: Some("\0".to_owned()),
        message: Some("\0".to_owned()),
        ..ExchangeNote::default()
    };
    let kind = ExchangeKind::Intent;
    let noted = store.note_exchange(id("acme"), kind, "a".to_owned(), note, 50);
    assert!(noted.await.unwrap());
    let found = store.exchange(id("acme"), kind, "\0".to_owned()).await;
    assert_eq!(found.unwrap(), None);
    assert!(
        store
            .teams_trusting("\0".to_owned())
            .await
            .unwrap()
            .is_empty()
    );
}

fn server(team: &str, url: &str, created_at: i64) -> TrustedRecord {
    TrustedRecord {
        team: id(team),
        url: url.to_owned(),
        given_url: format!("{url}/"),
        relationship: "peer".to_owned(),
        trust_policy: Some("open".to_owned()),
        did: Some("did:web:other.example".to_owned()),
        api_key: Some(vec![0, 9]),
        created_at,
        updated_at: created_at,
    }
}

async fn whom_a_team_trusts_is_its_own_affair(store: &dyn Store) {
    let (a, b) = ("https://a.example", "https://b.example");
    let put = async |server| store.put_trusted_server(server).await.unwrap();
    let listed = async |team: &str| store.trusted_servers(id(team)).await.unwrap();
    let trusting = async |url: &str| store.teams_trusting(url.to_owned()).await.unwrap();
    put(server("acme", b, 20)).await;
    put(server("acme", a, 30)).await;
    put(server("rival", b, 10)).await;
    assert_eq!(
        listed("acme").await,
        [server("acme", a, 30), server("acme", b, 20)]
    );
    assert_eq!(trusting(b).await, [id("rival"), id("acme")]);
    assert_eq!(trusting(a).await, [id("acme")]);
    let bare = TrustedRecord {
        given_url: b.to_owned(),
        relationship: "upstream".to_owned(),
        trust_policy: None,
        did: None,
        api_key: None,
        ..server("acme", b, 40)
    };
    put(bare.clone()).await;
    let first_said = TrustedRecord {
        created_at: 20,
        ..bare
    };
    assert_eq!(listed("acme").await[1], first_said);
    assert_eq!(listed("rival").await, [server("rival", b, 10)]);
    let remove = async |team: &str| {
        let removed = store.remove_trusted_server(id(team), b.to_owned());
        removed.await.unwrap()
    };
    assert!(remove("acme").await && !remove("acme").await);
    assert_eq!(trusting(b).await, [id("rival")]);
    let nobody = store.put_trusted_server(server("nobody", a, 1)).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}

async fn every_word_on_trust_changes_the_access_version(store: &dyn Store) {
    let mut seen = store.access_version().await.unwrap();
    let mut is_raised = async || {
        let now = store.access_version().await.unwrap();
        std::mem::replace(&mut seen, now) < now
    };
    let url = "https://a.example";
    store
        .put_trusted_server(server("acme", url, 1))
        .await
        .unwrap();
    assert!(is_raised().await);
    let removed = store.remove_trusted_server(id("acme"), url.to_owned());
    assert!(removed.await.unwrap());
    assert!(is_raised().await);
    let policy = store.put_trust_policy(id("acme"), Some("open".to_owned()));
    policy.await.unwrap();
    assert!(is_raised().await);
    store.add_signing_key(signing_key(1, 1), 1).await.unwrap();
    assert!(is_raised().await);
    assert!(!is_raised().await);
}

async fn the_policy_of_a_team_is_its_own_until_it_is_taken_back(store: &dyn Store) {
    let policy = async |team: &str| store.trust_policy(id(team)).await;
    assert_eq!(policy("acme").await.unwrap(), None);
    let put = async |team: &str, policy: Option<&str>| {
        let policy = policy.map(str::to_owned);
        store.put_trust_policy(id(team), policy).await
    };
    put("acme", Some("trustless")).await.unwrap();
    assert_eq!(policy("acme").await.unwrap().as_deref(), Some("trustless"));
    assert_eq!(policy("rival").await.unwrap(), None);
    put("acme", None).await.unwrap();
    assert_eq!(policy("acme").await.unwrap(), None);
    assert!(matches!(
        policy("nobody").await,
        Err(StoreError::NotFound(_))
    ));
    let nobody = put("nobody", None).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}

fn signing_key(number: u32, created_at: i64) -> SigningKeyRecord {
    SigningKeyRecord {
        number,
        seed: vec![0, u8::try_from(number).unwrap()],
        created_at,
        retires_at: None,
    }
}

fn numbers(keys: &[SigningKeyRecord]) -> Vec<(u32, Option<i64>)> {
    keys.iter()
        .map(|key| (key.number, key.retires_at))
        .collect()
}

async fn the_newest_key_signs_and_old_ones_retire(store: &dyn Store) {
    let live = async |now| store.signing_keys(now).await.unwrap();
    assert!(live(1).await.is_empty());
    let first = store.add_signing_key(signing_key(1, 10), 0).await.unwrap();
    assert_eq!(first, [signing_key(1, 10)]);
    let second = store.add_signing_key(signing_key(2, 20), 100).await;
    assert_eq!(numbers(&second.unwrap()), [(1, Some(100)), (2, None)]);
    let third = store.add_signing_key(signing_key(3, 30), 130).await;
    let all = [(1, Some(100)), (2, Some(130)), (3, None)];
    assert_eq!(numbers(&third.unwrap()), all);
    assert_eq!(numbers(&live(99).await), all);
    assert_eq!(numbers(&live(100).await), all[1..]);
    assert_eq!(numbers(&live(130).await), all[2..]);
    // What was retired by the time of the next one is wiped, and not only hidden.
    store
        .add_signing_key(signing_key(4, 100), 200)
        .await
        .unwrap();
    let left = [(2, Some(130)), (3, Some(200)), (4, None)];
    assert_eq!(numbers(&live(1).await), left);
}

async fn of_two_keys_with_one_number_the_first_stays(store: &dyn Store) {
    let mut late = signing_key(2, 30);
    late.seed = vec![0, 99];
    let (one, two) = tokio::join!(
        store.add_signing_key(signing_key(2, 30), 100),
        store.add_signing_key(late, 100),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one, two);
    assert_eq!(one.len(), 1);
    let older = store.add_signing_key(signing_key(1, 40), 50).await;
    assert_eq!(older.unwrap(), one);
}

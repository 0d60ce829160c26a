//! What becomes of forwards that are not delivered, and what is kept for how long.

use kite::protocol::federation::{OutboxStatus, PeerStatus};
use kite::store::federation::{
    Ages, ClaimId, DeliveryFilter, Dropped, Letters, NewPeer, OutboxFilter, OutboxId, PeerRecord,
    PeerState, Settled, Settlement,
};
use kite::store::{Store, StoreError};

use super::super::{event, id, postgres, sqlite};
use super::{
    append, claim, deliveries, draft, everything, fill, is_known, listed, named, peer, row, seqs,
    set_status, settle, settlement, waits_until, work,
};

contract! {
    a_dead_letter_is_shown_replayed_and_discarded_by_its_team_alone,
    dead_letters_are_replayed_one_by_one_by_peer_or_all,
    the_rows_of_a_revoked_peer_are_cancelled_and_stay_so,
    rows_that_are_too_old_are_dead_and_clocks_that_were_wrong_hold_nothing_up,
    forwards_are_listed_by_status_and_peer,
    attempts_are_listed_by_peer_and_event_newest_first,
    standings_tell_what_is_on_its_way,
    an_event_that_a_forward_needs_outlives_its_place_in_the_log,
    what_is_old_is_removed,
    no_more_goes_at_a_time_than_was_asked_for_however_many_teams_there_are,
    dead_letters_are_replayed_however_many_there_are,
    what_no_database_can_hold_names_nothing,
}

/// A peer with so many dead letters, and a claim on it.
async fn dead(store: &dyn Store, name: &str, count: u64) -> (PeerRecord, ClaimId) {
    let made = peer(store, name).await;
    fill(store, i64::try_from(count).unwrap()).await;
    let claims = store.claim_peers(1000, 10).await.unwrap();
    let own = claims.iter().find(|claim| claim.peer == made.number);
    let own = *own.unwrap();
    let rows = work(store, own).await.fresh;
    let bury = |seq| settlement(own, seq, 0, Settled::Dead);
    settle(store, seqs(&rows).into_iter().map(bury).collect()).await;
    (made, own)
}

fn with(status: OutboxStatus) -> OutboxFilter {
    OutboxFilter {
        status: Some(status),
        ..everything()
    }
}

async fn a_dead_letter_is_shown_replayed_and_discarded_by_its_team_alone(store: &dyn Store) {
    let (b, own) = dead(store, "b", 2).await;
    let show = async |team: &str, seq| {
        let shown = store.dead_letter(id(team), row(&b, seq)).await;
        shown.unwrap()
    };
    let (entry, text) = show("acme", 1).await.unwrap();
    assert_eq!(
        (
            entry.status,
            entry.attempts,
            entry.event_id.as_str(),
            entry.last_error.as_deref()
        ),
        (OutboxStatus::Dead, 1, "e1", Some("status 400"))
    );
    assert_eq!(text, r#"{"id":"e1"}"#);
    assert_eq!(show("rival", 1).await, None);
    assert_eq!(show("acme", 9).await, None);
    let one = || Letters::One(row(&b, 1));
    assert_eq!(store.replay(id("rival"), one(), 1000).await.unwrap(), 0);
    let rival = store.discard(id("rival"), row(&b, 1), 1000).await;
    assert_eq!(rival.unwrap(), None);

    assert_eq!(store.replay(id("acme"), one(), 900).await.unwrap(), 1);
    assert_eq!(store.replay(id("acme"), one(), 900).await.unwrap(), 0);
    let now = work(store, own).await;
    assert_eq!(seqs(&now.retries), [1]);
    assert_eq!(
        (now.retries[0].attempts, now.retries[0].created_at),
        (0, 900)
    );
    assert_eq!(show("acme", 1).await, None);

    let discarded = store.discard(id("acme"), row(&b, 2), 1000).await.unwrap();
    assert_eq!(discarded.unwrap().status, OutboxStatus::Discarded);
    let again = store.discard(id("acme"), row(&b, 2), 1000).await;
    assert_eq!(again.unwrap(), None);
    let all = store.replay(id("acme"), Letters::All, 1000).await;
    assert_eq!(all.unwrap(), 0, "what was discarded stays");
    assert_eq!(listed(store, with(OutboxStatus::Discarded)).await.len(), 1);
}

async fn dead_letters_are_replayed_one_by_one_by_peer_or_all(store: &dyn Store) {
    let (b, _) = dead(store, "b", 2).await;
    let (c, _) = dead(store, "c", 3).await;
    let replay = async |letters| store.replay(id("acme"), letters, 1000).await.unwrap();
    assert_eq!(replay(Letters::Peer("nobody".to_owned())).await, 0);
    assert_eq!(replay(Letters::Peer(b.id.clone())).await, 2);
    set_status(store, &c, PeerStatus::Revoked).await;
    assert_eq!(replay(Letters::All).await, 0, "a revoked peer gets nothing");
    set_status(store, &c, PeerStatus::Paused).await;
    assert_eq!(replay(Letters::All).await, 3);
}

async fn the_rows_of_a_revoked_peer_are_cancelled_and_stay_so(store: &dyn Store) {
    let (b, c) = (peer(store, "b").await, peer(store, "c").await);
    fill(store, 3).await;
    assert_eq!(store.cancel_rows(50, 100).await.unwrap(), 0);
    let claims = store.claim_peers(1000, 10).await.unwrap();
    let own = *claims.iter().find(|it| it.peer == b.number).unwrap();
    settle(store, vec![settlement(own, 1, 0, Settled::Waits(5000))]).await;
    set_status(store, &b, PeerStatus::Revoked).await;
    assert_eq!(store.cancel_rows(50, 2).await.unwrap(), 2);
    assert_eq!(store.cancel_rows(50, 2).await.unwrap(), 1);
    assert_eq!(store.cancel_rows(50, 2).await.unwrap(), 0);
    let cancelled = listed(store, with(OutboxStatus::Cancelled)).await;
    assert_eq!(cancelled.len(), 3);
    assert!(cancelled.iter().all(|it| it.id.peer_id == b.id));
    let tried: u32 = cancelled.iter().map(|it| it.attempts).sum();
    assert_eq!(tried, 1);
    set_status(store, &b, PeerStatus::Active).await;
    assert!(work(store, own).await.fresh.is_empty());
    set_status(store, &c, PeerStatus::Deleted).await;
    assert_eq!(store.cancel_rows(50, 100).await.unwrap(), 3);
    assert!(listed(store, with(OutboxStatus::Pending)).await.is_empty());
}

async fn rows_that_are_too_old_are_dead_and_clocks_that_were_wrong_hold_nothing_up(
    store: &dyn Store,
) {
    let b = peer(store, "b").await;
    // Stored at 10, 20, …, 60.
    fill(store, 6).await;
    let own = claim(store).await;
    let left_alone = PeerState {
        failures: 7,
        retry_at: Some(1_000_000),
        ..PeerState::default()
    };
    settle(
        store,
        vec![
            settlement(own, 1, 0, Settled::Waits(900)),
            Settlement {
                state: left_alone.clone(),
                ..settlement(own, 5, 0, Settled::Waits(1_000_000))
            },
        ],
    )
    .await;
    let expire = |max| store.expire_rows(35, 5000, 1000, max);
    assert_eq!(expire(2).await.unwrap(), 2, "some at a time");
    assert_eq!(expire(2).await.unwrap(), 1);
    assert_eq!(expire(2).await.unwrap(), 0);
    let letters = listed(store, with(OutboxStatus::Dead)).await;
    let mut letters: Vec<_> = letters
        .iter()
        .map(|it| (it.id.seq, it.last_error.as_deref()))
        .collect();
    letters.sort_unstable();
    let too_long = Some("it waited for too long");
    assert_eq!(
        letters,
        [(1, Some("status 503")), (2, too_long), (3, too_long)]
    );
    let now = work(store, own).await;
    assert_eq!(
        (seqs(&now.fresh), seqs(&now.retries)),
        (vec![4, 6], vec![5])
    );
    assert_eq!(waits_until(store, 1000).await, None);
    // It is still left alone, but for one row now.
    assert_eq!((now.state.failures, now.state.retry_at), (7, None));
    // What is replayed counts as new.
    let one = Letters::One(row(&b, 2));
    store.replay(id("acme"), one, 1000).await.unwrap();
    assert_eq!(expire(10).await.unwrap(), 0);
    set_status(store, &b, PeerStatus::Paused).await;
    let all = store.expire_rows(100, 5000, 1000, 10).await;
    assert_eq!(all.unwrap(), 3, "also those that wait for a paused peer");
}

async fn forwards_are_listed_by_status_and_peer(store: &dyn Store) {
    let (b, c) = (peer(store, "b").await, peer(store, "c").await);
    fill(store, 4).await;
    let claims = store.claim_peers(1000, 10).await.unwrap();
    let own = *claims.iter().find(|it| it.peer == b.number).unwrap();
    settle(
        store,
        vec![
            settlement(own, 1, 0, Settled::Delivered),
            settlement(own, 2, 0, Settled::Dead),
            settlement(own, 3, 0, Settled::Waits(4000)),
        ],
    )
    .await;
    let of = |peer: &PeerRecord, limit| OutboxFilter {
        peer_id: Some(peer.id.clone()),
        limit,
        ..everything()
    };
    let told = async |filter| {
        let rows = listed(store, filter).await;
        let told = rows.iter().map(|it| (it.id.seq, it.status));
        told.collect::<Vec<_>>()
    };
    use OutboxStatus::{Dead, Delivered, Pending};
    assert_eq!(
        told(of(&b, 10)).await,
        [(4, Pending), (3, Pending), (1, Delivered), (2, Dead)]
    );
    assert_eq!(told(of(&b, 3)).await.len(), 3);
    assert_eq!(told(of(&c, 10)).await.len(), 4);
    assert_eq!(told(with(Pending)).await.len(), 6);
    let one = OutboxFilter {
        limit: 1,
        ..with(Pending)
    };
    assert_eq!(told(one).await, [(1, Pending)]);
    assert_eq!(told(with(Delivered)).await, [(1, Delivered)]);
    let rival = store.outbox(id("rival"), of(&b, 10)).await.unwrap();
    assert!(rival.is_empty());
}

async fn attempts_are_listed_by_peer_and_event_newest_first(store: &dyn Store) {
    let (b, c) = (peer(store, "b").await, peer(store, "c").await);
    fill(store, 2).await;
    for own in store.claim_peers(1000, 10).await.unwrap() {
        for seq in [1, 2] {
            settle(store, vec![settlement(own, seq, 0, Settled::Delivered)]).await;
        }
    }
    let told = async |team: &str, peer: Option<&PeerRecord>, event: Option<&str>, limit| {
        let filter = DeliveryFilter {
            peer_id: peer.map(|peer| peer.id.clone()),
            event_id: event.map(str::to_owned),
            limit,
        };
        let found = store.deliveries(id(team), filter).await.unwrap();
        let told = found.iter().map(|it| (it.peer_id.clone(), it.seq));
        told.collect::<Vec<_>>()
    };
    let (to_b, to_c) = (
        |seq| (b.id.clone(), Some(seq)),
        |seq| (c.id.clone(), Some(seq)),
    );
    assert_eq!(told("acme", None, None, 10).await.len(), 4);
    assert_eq!(told("acme", None, None, 3).await.len(), 3);
    assert_eq!(told("acme", Some(&b), None, 10).await, [to_b(2), to_b(1)]);
    assert_eq!(told("acme", Some(&c), Some("e1"), 10).await, [to_c(1)]);
    assert_eq!(told("acme", None, Some("e2"), 10).await.len(), 2);
    for peer in [None, Some(&b)] {
        for event in [None, Some("e1")] {
            assert_eq!(told("rival", peer, event, 10).await, []);
        }
    }
}

async fn standings_tell_what_is_on_its_way(store: &dyn Store) {
    let b = peer(store, "b").await;
    fill(store, 4).await;
    let own = claim(store).await;
    settle(
        store,
        vec![
            settlement(own, 1, 0, Settled::Dead),
            settlement(own, 2, 0, Settled::Waits(4000)),
        ],
    )
    .await;
    let idle = peer(store, "idle").await;
    let gone = peer(store, "gone").await;
    set_status(store, &gone, PeerStatus::Deleted).await;
    let mut elsewhere = super::draft("b");
    (elsewhere.team, elsewhere.id) = (id("rival"), "another".to_owned());
    let elsewhere = store.create_peer(elsewhere).await.unwrap();
    let told = async |team| {
        let standings = store.peer_standings(team).await.unwrap();
        let told = standings
            .into_iter()
            .map(|it| (it.peer.number, it.backlog, it.oldest_at, it.dead));
        told.collect::<Vec<_>>()
    };
    let (of_b, of_idle) = ((b.number, 3, Some(20), 1), (idle.number, 0, None, 0));
    assert_eq!(told(Some(id("acme"))).await, [of_b, of_idle]);
    let of_rival = (elsewhere.number, 0, None, 0);
    assert_eq!(told(None).await, [of_b, of_idle, of_rival]);
}

/// That nothing of federation goes but what nobody needs.
const NOTHING: Ages = Ages {
    deliveries: 0,
    letters: 0,
    names: 0,
    invites: 0,
};

async fn an_event_that_a_forward_needs_outlives_its_place_in_the_log(store: &dyn Store) {
    let b = peer(store, "b").await;
    fill(store, 6).await;
    append(store, vec![event("rival", "r", 5)]).await;
    let own = claim(store).await;
    settle(
        store,
        vec![
            settlement(own, 1, 0, Settled::Delivered),
            settlement(own, 2, 0, Settled::Dead),
            settlement(own, 3, 0, Settled::Waits(900)),
        ],
    )
    .await;
    assert_eq!(store.prune(id("acme"), 5, 2).await.unwrap(), 2);
    assert_eq!(store.prune(id("acme"), 5, 100).await.unwrap(), 5);
    assert_eq!(store.bounds(id("acme")).await.unwrap().pruned, 5);
    let now = work(store, own).await;
    let told = |row: &kite::store::federation::Due| {
        (
            row.seq,
            row.event_id.clone(),
            row.kind.clone(),
            row.text.clone(),
        )
    };
    let whole = |n: u64| {
        let text = format!("{{\"id\":\"e{n}\"}}");
        (n, format!("e{n}"), "com.acme.note".to_owned(), Some(text))
    };
    let fresh: Vec<_> = now.fresh.iter().map(told).collect();
    assert_eq!(fresh, [whole(4), whole(5), whole(6)]);
    assert_eq!(now.retries.iter().map(told).collect::<Vec<_>>(), [whole(3)]);
    let letter = store.dead_letter(id("acme"), row(&b, 2)).await.unwrap();
    assert_eq!(letter.unwrap().1, r#"{"id":"e2"}"#);

    // What is needed stays, whoever tidies up.
    store.prune_federation(NOTHING, 100).await.unwrap();
    assert_eq!(work(store, own).await.fresh.len(), 3);
    let settlements = vec![
        settlement(own, 3, 900, Settled::Delivered),
        settlement(own, 4, 0, Settled::Delivered),
    ];
    settle(store, settlements).await;
    let records = deliveries(store).await;
    assert!(
        records.iter().all(|it| !it.event_id.is_empty()),
        "{records:?}"
    );
    store.prune_federation(NOTHING, 100).await.unwrap();
    let now = work(store, own).await;
    assert_eq!(
        now.fresh.iter().map(told).collect::<Vec<_>>(),
        [whole(5), whole(6)]
    );
    let letter = store.dead_letter(id("acme"), row(&b, 2)).await.unwrap();
    assert!(letter.is_some(), "a letter needs it as well");
    store.replay(id("acme"), Letters::All, 1000).await.unwrap();
    let now = work(store, own).await;
    assert_eq!(now.retries.iter().map(told).collect::<Vec<_>>(), [whole(2)]);
}

async fn what_is_old_is_removed(store: &dyn Store) {
    let source = "https://acme.example";
    let back = || {
        let key = kite::protocol::event::name_key(source, "n");
        named(event("acme", "n", 5), key)
    };
    let (b, _) = dead(store, "b", 3).await;
    assert!(!is_known(&append(store, vec![back()]).await[0]));
    assert!(is_known(&append(store, vec![back()]).await[0]));
    assert!(!store.prune_federation(NOTHING, 2).await.unwrap());
    assert_eq!(deliveries(store).await.len(), 3);

    let letters = Ages {
        letters: 1001,
        ..NOTHING
    };
    assert!(
        store.prune_federation(letters, 2).await.unwrap(),
        "there is more"
    );
    assert!(!store.prune_federation(letters, 2).await.unwrap());
    let left = store.dead_letter(id("acme"), row(&b, 1)).await.unwrap();
    assert_eq!(left, None);

    let far = i64::MAX / 2;
    let attempts = Ages {
        deliveries: 4_000_000_000_000,
        ..NOTHING
    };
    assert!(store.prune_federation(attempts, 2).await.unwrap());
    assert!(!store.prune_federation(attempts, 2).await.unwrap());
    assert!(deliveries(store).await.is_empty());

    assert!(is_known(&append(store, vec![back()]).await[0]));
    let names = Ages {
        names: far,
        ..NOTHING
    };
    while store.prune_federation(names, 2).await.unwrap() {}
    assert!(!is_known(&append(store, vec![back()]).await[0]));
}

async fn no_more_goes_at_a_time_than_was_asked_for_however_many_teams_there_are(store: &dyn Store) {
    let mut peers = Vec::new();
    for team in ["acme", "rival"] {
        let new = NewPeer {
            id: format!("id-of-b-in-{team}"),
            team: id(team),
            ..draft("b")
        };
        peers.push(store.create_peer(new).await.unwrap());
    }
    let drop = |peer: &PeerRecord, n: usize| Dropped {
        peer: peer.number,
        event_id: format!("e{n}"),
        kind: "t".to_owned(),
        reason: "not taken in".to_owned(),
        at: 10,
    };
    let drops = peers
        .iter()
        .flat_map(|peer| (0..2).map(|n| drop(peer, n)))
        .collect();
    store.note_drops(drops).await.unwrap();
    let left = async || {
        let mut left = 0;
        for team in ["acme", "rival"] {
            let filter = DeliveryFilter {
                limit: 10,
                ..DeliveryFilter::default()
            };
            left += store.deliveries(id(team), filter).await.unwrap().len();
        }
        left
    };
    let attempts = Ages {
        deliveries: 4_000_000_000_000,
        ..NOTHING
    };
    assert!(store.prune_federation(attempts, 2).await.unwrap());
    assert_eq!(left().await, 2);
    while store.prune_federation(attempts, 2).await.unwrap() {}
    assert_eq!(left().await, 0);
}

async fn dead_letters_are_replayed_however_many_there_are(store: &dyn Store) {
    const COUNT: u64 = 2100;
    for name in ["b", "c"] {
        peer(store, name).await;
    }
    fill(store, i64::try_from(COUNT).unwrap()).await;
    let old = 1_000_000;
    while store.expire_rows(old, old, 1000, 500).await.unwrap() > 0 {}
    let replayed = store.replay(id("acme"), Letters::All, 1000).await.unwrap();
    assert_eq!(replayed, 2 * COUNT);
    assert!(listed(store, with(OutboxStatus::Dead)).await.is_empty());
    let standings = store.peer_standings(None).await.unwrap();
    assert!(standings.iter().all(|it| it.backlog == COUNT));
}

async fn what_no_database_can_hold_names_nothing(store: &dyn Store) {
    let odd = || Some("a\0b".to_owned());
    let found = store.find_peer(id("acme"), "a\0b".to_owned()).await;
    assert_eq!(found.unwrap(), None);
    for status in OutboxStatus::ALL {
        let filter = OutboxFilter {
            peer_id: odd(),
            ..with(status)
        };
        assert_eq!(listed(store, filter).await, []);
    }
    let filter = DeliveryFilter {
        peer_id: odd(),
        event_id: odd(),
        limit: 10,
    };
    let found = store.deliveries(id("acme"), filter).await;
    assert_eq!(found.unwrap(), []);
    let letter = OutboxId {
        peer_id: "a\0b".to_owned(),
        seq: 1,
    };
    let found = store.dead_letter(id("acme"), letter).await;
    assert_eq!(found.unwrap(), None);
    let removed = store.remove_federation_token(id("acme"), "a\0b".to_owned());
    assert!(matches!(removed.await, Err(StoreError::NotFound(_))));
}

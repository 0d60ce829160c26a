//! Invitations: who may redeem one, once, and what becomes of peers by it.

use std::sync::Arc;

use kite::protocol::federation::PeerStatus;
use kite::store::federation::{Ages, NewPeer, PeerRecord, PeerUpdate};
use kite::store::invites::{INVITES_MAX, InviteRecord, InviteRefusal, Joiner};
use kite::store::record::Millis;
use kite::store::{Role, Store, StoreError, open};

use super::super::{event, id, postgres, sqlite};
use super::{append, change, draft, exists, peer, scopes, set_status, token};

contract! {
    an_invitation_is_kept_as_it_was_made_until_it_is_taken_back,
    the_invitations_of_another_team_are_not_there,
    a_team_has_so_many_open_invitations_and_no_more,
    an_invitation_makes_a_peer_with_its_scopes_and_name,
    who_has_redeemed_it_may_ask_again_and_nobody_else,
    an_invitation_that_has_expired_opens_nothing,
    a_peer_is_renewed_by_its_key_alone_and_keeps_what_waits,
    an_invitation_does_not_bring_back_what_was_removed_or_revoked,
    what_was_looked_up_before_a_change_is_not_written,
    a_peer_that_cannot_be_made_leaves_the_invitation_open,
    old_invitations_go,
}

/// An invitation of `acme` that is good from 10 to 100.
fn invite(name: &str) -> InviteRecord {
    InviteRecord {
        id: format!("id-of-{name}"),
        team: id("acme"),
        digest: digest(name),
        name: None,
        scopes: scopes(&["stripe.*"]),
        created_at: 10,
        expires_at: 100,
        redeemed: None,
    }
}

fn digest(name: &str) -> [u8; 32] {
    token(name).index
}

async fn open_one(store: &dyn Store, name: &str) {
    assert!(store.create_invite(invite(name)).await.unwrap());
}

/// Somebody with an invitation's secret who is no peer yet.
fn joiner(invite: &str, name: &str, key: u8, now: Millis) -> Joiner {
    Joiner {
        digest: digest(invite),
        key: [key; 32],
        is_known: false,
        old_until: now + 500,
        peer: NewPeer {
            identity_key: Some([key; 32]),
            scopes: scopes(&["stripe.*"]),
            now,
            ..draft(name)
        },
    }
}

/// The same one, where it is this peer.
fn again(joiner: Joiner, peer: &PeerRecord) -> Joiner {
    let mut again = joiner;
    again.is_known = true;
    again.peer.id.clone_from(&peer.id);
    again
}

async fn join(store: &dyn Store, joiner: Joiner) -> Result<PeerRecord, InviteRefusal> {
    store.redeem_invite(joiner).await.unwrap()
}

async fn find(store: &dyn Store, name: &str) -> Option<InviteRecord> {
    store.find_invite(digest(name)).await.unwrap()
}

async fn an_invitation_is_kept_as_it_was_made_until_it_is_taken_back(store: &dyn Store) {
    let named = InviteRecord {
        name: Some("b".to_owned()),
        ..invite("one")
    };
    assert!(store.create_invite(named.clone()).await.unwrap());
    open_one(store, "two").await;
    assert_eq!(find(store, "one").await.as_ref(), Some(&named));
    assert_eq!(find(store, "three").await, None);
    let listed = store.invites(id("acme")).await.unwrap();
    assert_eq!(listed, [named.clone(), invite("two")]);
    let gone = store.remove_invite(id("acme"), named.id.clone()).await;
    assert_eq!(gone.unwrap(), named);
    assert_eq!(find(store, "one").await, None);
    let gone = store.remove_invite(id("acme"), named.id).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
    let refused = join(store, joiner("one", "b", 1, 20)).await;
    assert_eq!(refused, Err(InviteRefusal::Unknown));
}

async fn the_invitations_of_another_team_are_not_there(store: &dyn Store) {
    open_one(store, "one").await;
    assert!(store.invites(id("rival")).await.unwrap().is_empty());
    let gone = store.remove_invite(id("rival"), invite("one").id).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
    let mut stranger = joiner("one", "b", 1, 20);
    stranger.peer.team = id("rival");
    assert_eq!(join(store, stranger).await, Err(InviteRefusal::Unknown));
    let nobodys = InviteRecord {
        team: id("nobody"),
        ..invite("two")
    };
    let made = store.create_invite(nobodys).await;
    assert!(matches!(made, Err(StoreError::NotFound(_))), "{made:?}");
}

async fn a_team_has_so_many_open_invitations_and_no_more(store: &dyn Store) {
    for n in 0..INVITES_MAX {
        open_one(store, &format!("i{n}")).await;
    }
    assert!(!store.create_invite(invite("over")).await.unwrap());
    assert_eq!(find(store, "over").await, None);
    // Others have room, and one that was redeemed or has expired takes none.
    let elsewhere = InviteRecord {
        team: id("rival"),
        ..invite("elsewhere")
    };
    assert!(store.create_invite(elsewhere).await.unwrap());
    join(store, joiner("i0", "b", 1, 20)).await.unwrap();
    assert!(store.create_invite(invite("over")).await.unwrap());
    assert!(!store.create_invite(invite("over2")).await.unwrap());
    let later = InviteRecord {
        created_at: 100,
        expires_at: 200,
        ..invite("later")
    };
    assert!(store.create_invite(later).await.unwrap());
}

async fn an_invitation_makes_a_peer_with_its_scopes_and_name(store: &dyn Store) {
    open_one(store, "one").await;
    let made = join(store, joiner("one", "b", 1, 20)).await.unwrap();
    assert_eq!(made.identity_key, Some([1; 32]));
    assert_eq!(made.scopes, scopes(&["stripe.*"]));
    let found = store.find_peer(id("acme"), made.id.clone()).await.unwrap();
    assert_eq!(found.as_ref(), Some(&made));
    let redeemed = find(store, "one").await.unwrap().redeemed.unwrap();
    assert_eq!(redeemed.joiner_key, [1; 32]);
    assert_eq!((redeemed.peer_id, redeemed.at), (made.id.clone(), 20));
    // What is stored from now on goes to it.
    let mut scoped = event("acme", "e", 30);
    scoped.kind = "stripe.charge".to_owned();
    let stored = append(store, vec![scoped]).await;
    assert_eq!(stored[0].forwards, [made.number]);
}

async fn who_has_redeemed_it_may_ask_again_and_nobody_else(store: &dyn Store) {
    open_one(store, "one").await;
    let first = join(store, joiner("one", "b", 1, 20)).await.unwrap();
    let stranger = join(store, joiner("one", "c", 2, 30)).await;
    assert_eq!(stranger, Err(InviteRefusal::Used));
    // The same body: nothing changes, also not the token before.
    let same = again(joiner("one", "b", 1, 30), &first);
    let second = join(store, same).await.unwrap();
    assert_eq!(second.old_inbound, None);
    assert_eq!(
        (second.number, &second.inbound),
        (first.number, &first.inbound)
    );
    // New tokens, and what was changed by hand meanwhile stays; also when its time is over.
    let by_hand = PeerUpdate {
        name: Some("my b".to_owned()),
        scopes: Some(scopes(&["x"])),
        status: Some(PeerStatus::Paused),
        ..PeerUpdate::default()
    };
    change(store, &first, by_hand).await;
    let mut other = again(joiner("one", "b", 1, 5000), &first);
    other.peer.inbound = token("new");
    other.peer.outbound_token = vec![9];
    other.peer.hook_url = "https://moved.example/x/hooks/t/kite".to_owned();
    let third = join(store, other.clone()).await.unwrap();
    assert_eq!(third.number, first.number);
    assert_eq!(third.inbound, token("new"));
    assert_eq!(third.old_inbound, Some((token("b"), 5500)));
    assert_eq!(third.hook_url, other.peer.hook_url);
    assert_eq!(third.outbound_token, [9]);
    assert_eq!(third.name, "my b");
    assert_eq!(third.scopes, scopes(&["x"]));
    assert_eq!(third.status, PeerStatus::Paused);
    let found = store.find_peer(id("acme"), first.id).await.unwrap();
    assert_eq!(found, Some(third));
    let redeemed = find(store, "one").await.unwrap().redeemed.unwrap();
    assert_eq!(redeemed.at, 20, "the first time counts");
    assert_eq!(store.peers(id("acme")).await.unwrap().len(), 1);
}

async fn an_invitation_that_has_expired_opens_nothing(store: &dyn Store) {
    open_one(store, "one").await;
    let late = join(store, joiner("one", "b", 1, 100)).await;
    assert_eq!(late, Err(InviteRefusal::Expired));
    assert!(store.peers(id("acme")).await.unwrap().is_empty());
    join(store, joiner("one", "b", 1, 99)).await.unwrap();
}

async fn a_peer_is_renewed_by_its_key_alone_and_keeps_what_waits(store: &dyn Store) {
    let by_hand = peer(store, "b").await;
    open_one(store, "one").await;
    // An invitation must not open what waits for somebody else.
    for is_known in [true, false] {
        let stranger = Joiner {
            is_known,
            ..joiner("one", "b", 1, 20)
        };
        let refused = join(store, stranger).await;
        assert_eq!(
            refused,
            Err(InviteRefusal::Stranger("instance-b".to_owned()))
        );
    }
    set_status(store, &by_hand, PeerStatus::Deleted).await;
    let mut first = joiner("one", "b", 1, 20);
    first.peer.id = "another".to_owned();
    let first = join(store, first).await.unwrap();
    let mut scoped = event("acme", "e", 30);
    scoped.kind = "stripe.charge".to_owned();
    append(store, vec![scoped]).await;

    let renewed = InviteRecord {
        name: Some("better".to_owned()),
        scopes: scopes(&["*"]),
        ..invite("two")
    };
    assert!(store.create_invite(renewed).await.unwrap());
    let stranger = again(joiner("two", "b", 2, 40), &first);
    let refused = join(store, stranger).await;
    assert_eq!(
        refused,
        Err(InviteRefusal::Stranger("instance-b".to_owned()))
    );
    // Another team of the same instance has the same key.
    let mut neighbour = again(joiner("two", "b", 1, 40), &first);
    neighbour.peer.hook_url = "https://peer.example/hooks/other/kite".to_owned();
    let refused = join(store, neighbour).await;
    assert_eq!(
        refused,
        Err(InviteRefusal::OtherTeam("instance-b".to_owned()))
    );
    let mut same = again(joiner("two", "b", 1, 40), &first);
    same.peer.inbound = token("new");
    let second = join(store, same).await.unwrap();
    assert_eq!(
        (second.number, second.name.as_str()),
        (first.number, "better")
    );
    assert_eq!(second.scopes, scopes(&["*"]));
    let standings = store.peer_standings(Some(id("acme"))).await.unwrap();
    assert_eq!((standings.len(), standings[0].backlog), (1, 1));
}

async fn an_invitation_does_not_bring_back_what_was_removed_or_revoked(store: &dyn Store) {
    for name in ["one", "two"] {
        open_one(store, name).await;
    }
    let made = join(store, joiner("one", "b", 1, 20)).await.unwrap();
    set_status(store, &made, PeerStatus::Revoked).await;
    for name in ["one", "two"] {
        let refused = join(store, again(joiner(name, "b", 1, 30), &made)).await;
        assert_eq!(
            refused,
            Err(InviteRefusal::Revoked("b".to_owned())),
            "{name}"
        );
    }
    set_status(store, &made, PeerStatus::Deleted).await;
    let refused = join(store, joiner("one", "b", 1, 30)).await;
    assert_eq!(refused, Err(InviteRefusal::Removed));
    let mut fresh = joiner("two", "b", 1, 30);
    fresh.peer.id = "another".to_owned();
    join(store, fresh).await.unwrap();
    let refused = join(store, joiner("one", "b", 1, 40)).await;
    assert_eq!(refused, Err(InviteRefusal::Removed), "it was another peer");
}

async fn what_was_looked_up_before_a_change_is_not_written(store: &dyn Store) {
    for name in ["one", "two"] {
        open_one(store, name).await;
    }
    let made = join(store, joiner("one", "b", 1, 20)).await.unwrap();
    // It was no peer when it was looked for, and is one now; or the other way round.
    let refused = join(store, joiner("two", "b", 1, 30)).await;
    assert_eq!(refused, Err(InviteRefusal::Raced));
    set_status(store, &made, PeerStatus::Deleted).await;
    let refused = join(store, again(joiner("two", "b", 1, 30), &made)).await;
    assert_eq!(refused, Err(InviteRefusal::Raced));
    assert_eq!(find(store, "two").await.unwrap().redeemed, None);
}

async fn a_peer_that_cannot_be_made_leaves_the_invitation_open(store: &dyn Store) {
    peer(store, "b").await;
    open_one(store, "one").await;
    let mut twin = joiner("one", "c", 1, 20);
    twin.peer.name = "b".to_owned();
    let what = exists(store.redeem_invite(twin).await.map(Result::unwrap));
    assert_eq!(what, "a peer called `b`");
    assert_eq!(find(store, "one").await.unwrap().redeemed, None);
    join(store, joiner("one", "c", 1, 20)).await.unwrap();
}

async fn old_invitations_go(store: &dyn Store) {
    for name in ["one", "two"] {
        open_one(store, name).await;
    }
    join(store, joiner("two", "b", 1, 20)).await.unwrap();
    let ages = |invites| Ages {
        deliveries: 0,
        letters: 0,
        names: 0,
        invites,
    };
    assert!(!store.prune_federation(ages(100), 10).await.unwrap());
    assert_eq!(store.invites(id("acme")).await.unwrap().len(), 2);
    assert!(store.prune_federation(ages(101), 1).await.unwrap(), "more");
    while store.prune_federation(ages(101), 1).await.unwrap() {}
    assert!(store.invites(id("acme")).await.unwrap().is_empty());
    assert_eq!(store.peers(id("acme")).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_come_with_one_invitation_at_once_one_gets_in() {
    let room = postgres().await;
    let other: Arc<dyn Store> = open(&room.address, Role::Server).await.unwrap();
    open_one(&*room.store, "one").await;
    let rush = (1..=8).map(|n: u8| {
        let store = if n.is_multiple_of(2) {
            room.store.clone()
        } else {
            other.clone()
        };
        tokio::spawn(async move {
            let joiner = joiner("one", &format!("p{n}"), n, 20);
            store.redeem_invite(joiner).await.unwrap()
        })
    });
    let mut made = Vec::new();
    for ended in rush.collect::<Vec<_>>() {
        match ended.await.unwrap() {
            Ok(peer) => made.push(peer),
            Err(refusal) => assert_eq!(refusal, InviteRefusal::Used),
        }
    }
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(room.store.peers(id("acme")).await.unwrap(), made);
}

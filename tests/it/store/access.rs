//! Keys, endpoints, agents and the instance.

use kite::protocol::id::{AgentId, SourceSlug};
use kite::protocol::permission::Permissions;
use kite::protocol::scope::Scopes;
use kite::server::new_key;
use kite::store::record::{EndpointDraft, Identity, Keeps, KeyHash};

use kite::store::{Store, StoreError};

use super::*;

pub(super) async fn keys_are_found_by_prefix_and_revoked_within_their_team(store: &dyn Store) {
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

pub(super) async fn every_change_of_access_changes_the_version(store: &dyn Store) {
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

pub(super) fn endpoint(source: &str) -> EndpointDraft {
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

pub(super) fn slug(source: &str) -> SourceSlug {
    SourceSlug::parse(source).unwrap()
}

pub(super) async fn an_endpoint_keeps_its_id_when_its_token_is_replaced(store: &dyn Store) {
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

pub(super) async fn a_rotated_secret_leaves_the_old_one_for_a_while(store: &dyn Store) {
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

pub(super) async fn a_complete_endpoint_is_kept_where_that_is_wanted(store: &dyn Store) {
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

pub(super) async fn an_endpoint_that_is_there_is_kept_where_that_is_wanted(store: &dyn Store) {
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

pub(super) async fn a_deactivated_endpoint_is_woken_by_a_new_token(store: &dyn Store) {
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

pub(super) async fn keys_are_listed_with_their_last_use(store: &dyn Store) {
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

pub(super) async fn events_are_found_by_their_id_within_their_team(store: &dyn Store) {
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

pub(super) async fn agents_belong_to_their_team(store: &dyn Store) {
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

pub(super) async fn counts_tell_only_of_the_team(store: &dyn Store) {
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

pub(super) fn identity(wanted: Option<&str>, key: u8) -> Identity {
    Identity {
        wanted: wanted.map(str::to_owned),
        fresh: "instance".to_owned(),
        secret_check: [key; 32],
        now: 1,
    }
}

pub(super) async fn an_instance_keeps_its_id_and_its_key(store: &dyn Store) {
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

pub(super) async fn an_instance_keeps_the_identity_key_that_was_first(store: &dyn Store) {
    // Several nodes start together.
    let offers = (1..=8).map(|node| store.identity_key(vec![node; 3]));
    let kept: Vec<Vec<u8>> = futures_util::future::try_join_all(offers).await.unwrap();
    assert!(kept.iter().all(|key| *key == kept[0]), "{kept:?}");
    assert_eq!(kept[0].len(), 3);
    assert_eq!(store.identity_key(vec![9; 3]).await.unwrap(), kept[0]);
}

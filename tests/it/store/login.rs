//! Logins of devices.

use kite::store::record::{Grant, PendingLogin, Poll};

use kite::store::Store;

use super::*;

pub(super) fn login(user_code: &str) -> PendingLogin {
    PendingLogin {
        user_code: user_code.to_owned(),
        created_at: 0,
        expires_at: 900_000,
        peer: "127.0.0.1".to_owned(),
        client: "test".to_owned(),
        interval_secs: 5,
    }
}

pub(super) fn grant() -> Grant {
    Grant {
        team: id("acme"),
        permissions: ["read", "write"].into_iter().collect(),
        key_expires_at: Some(77),
    }
}

pub(super) async fn a_device_login_is_granted_once(store: &dyn Store) {
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

pub(super) async fn a_device_login_that_was_denied_or_is_over_gives_nothing(store: &dyn Store) {
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

pub(super) async fn polling_too_fast_lengthens_the_interval(store: &dyn Store) {
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

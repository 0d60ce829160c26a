//! Removes what is older or more than the operator wants to keep: in small batches, with pauses, so that nobody notices.

use std::sync::Arc;
use std::time::Duration;

use super::Retention;
use crate::base::clock::Clock;
use crate::base::outage::Outage;
use crate::protocol::id::{Seq, TeamId};
use crate::store::record::{Bounds, Millis};
use crate::store::{Store, StoreError};

/// How often the logs are looked through.
const PASS_INTERVAL: Duration = Duration::from_secs(60);

/// How many events or names go at a time.
const BATCH_MAX: usize = 500;

/// How long others have the database to themselves between two batches.
const PAUSE: Duration = Duration::from_millis(20);

/// For how long at least an event that comes again is known, however few events are kept.
const DEDUP_MIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a cursor stays that nobody uses (spec 5.4). Connections renew theirs every hour.
pub(super) const CURSOR_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes what has to go, again and again.
pub(super) async fn run(store: Arc<dyn Store>, clock: Clock, retention: Retention) {
    let mut outage = Outage::new("old events are not removed");
    loop {
        let pass = pass(&*store, &retention, clock.unix_millis()).await;
        outage.note(pass.as_ref().err());
        tokio::time::sleep(PASS_INTERVAL).await;
    }
}

/// One look at everything.
async fn pass(store: &dyn Store, retention: &Retention, now: Millis) -> Result<(), StoreError> {
    let ago = |age: Duration| now - Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX);
    for team in store.teams().await? {
        let known = store.bounds(team.id.clone()).await?;
        let mut through = retention
            .max_events
            .map_or(0, |max| known.last.saturating_sub(max));
        if let Some(max_age) = retention.max_age
            && known.last > known.pruned
        {
            let old = store.seq_before(team.id.clone(), ago(max_age)).await?;
            through = through.max(old);
        }
        prune(store, team.id, known, through).await?;
    }
    if let Some(max_age) = retention.max_age {
        while store.forget(ago(max_age.max(DEDUP_MIN)), BATCH_MAX).await? == BATCH_MAX {
            tokio::time::sleep(PAUSE).await;
        }
    }
    store.drop_cursors(ago(CURSOR_MAX_AGE)).await?;
    Ok(())
}

async fn prune(
    store: &dyn Store,
    team: TeamId,
    known: Bounds,
    through: Seq,
) -> Result<(), StoreError> {
    let mut pruned = known.pruned;
    while pruned < through {
        pruned = store.prune(team.clone(), through, BATCH_MAX).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::permission::Permissions;
    use crate::protocol::scope::Scopes;
    use crate::protocol::token::{Token, TokenKind};
    use crate::store::record::{Batch, Dedup, KeyHash, KeyRecord, NewEvent};
    use crate::store::{Address, Role, open};

    fn team() -> TeamId {
        "acme".parse().unwrap()
    }

    /// A store with events that were stored at these times.
    async fn store(dir: &tempfile::TempDir, times: impl Iterator<Item = Millis>) -> Arc<dyn Store> {
        let address = Address::Sqlite(dir.path().join("kite.db"));
        let store = open(&address, Role::Server).await.unwrap();
        let token = Token::mint(TokenKind::ApiKey, &[7; 20]);
        let key = KeyRecord {
            id: "k".to_owned(),
            team: team(),
            prefix: token.prefix().to_owned(),
            hash: KeyHash::of(&token),
            name: None,
            scopes: Scopes::all(),
            permissions: Permissions::default(),
            created_at: 1,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        store.create_team(team(), key).await.unwrap();
        let event = |created_at: Millis| NewEvent {
            dedup: Some(Dedup {
                key: [u8::try_from(created_at % 251).unwrap(); 32],
                fingerprint: None,
            }),
            ..NewEvent::bare(
                team(),
                ["e", "com.acme.note", "https://acme.example"],
                created_at,
                "{}".to_owned(),
            )
        };
        let batch = Batch {
            events: times.map(event).collect(),
            month: "2026-11".to_owned(),
            events_limit: None,
        };
        store.append(Arc::new(batch)).await.unwrap();
        store
    }

    async fn kept(store: &dyn Store, retention: Retention, now: Millis) -> Bounds {
        pass(store, &retention, now).await.unwrap();
        store.bounds(team()).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_too_old_goes_and_what_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir, 1..=100).await;
        let by_age = Retention {
            max_age: Some(Duration::from_millis(50)),
            max_events: None,
        };
        let bounds = kept(&*store, by_age, 80).await;
        assert_eq!((bounds.pruned, bounds.last), (29, 100));
        let by_count = Retention {
            max_age: None,
            max_events: Some(10),
        };
        assert_eq!(kept(&*store, by_count.clone(), 80).await.pruned, 90);
        assert_eq!(kept(&*store, by_count, 80).await.pruned, 90);
        let for_ever = Retention::default();
        assert_eq!(kept(&*store, for_ever, Millis::MAX).await.pruned, 90);
    }
}

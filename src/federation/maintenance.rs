//! Ends what has waited for too long and removes what is old: in small batches, with pauses, so that nobody notices.

use std::time::Duration;

use tokio::time::sleep;

use super::works::Works;
use crate::base::outage::Outage;
use crate::store::StoreError;
use crate::store::federation::Ages;
use crate::store::record::Millis;

/// How often everything is looked through.
const PASS_INTERVAL: Duration = Duration::from_secs(60);

/// How many rows go at a time.
const BATCH_MAX: usize = 500;

/// How long others have the database to themselves between two batches.
const PAUSE: Duration = Duration::from_millis(20);

/// How long attempts and drops are listed: enough to look into last Friday's trouble on Monday; at a thousand forwards a
/// second they are most of the database.
const DELIVERIES_MAX_AGE: Duration = Duration::from_secs(3 * 24 * 3600);

/// How long dead, cancelled and discarded letters stay.
const LETTERS_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long the names of federated events are known (spec 14.3): what peers sign has no time in it.
const NAMES_MAX_AGE: Duration = Duration::from_secs(90 * 24 * 3600);

/// No row waits for longer (an hour, where its peer asks for it): one that is due later was written by a clock that was
/// wrong.
const WAIT_MAX: Duration = Duration::from_secs(2 * 3600);

/// Looks everything through, again and again.
pub(super) async fn run(works: &Works) {
    let mut outage = Outage::new("the outbox is not tidied");
    loop {
        outage.note(pass(works).await.err().as_ref());
        sleep(PASS_INTERVAL).await;
    }
}

/// One look at everything.
async fn pass(works: &Works) -> Result<(), StoreError> {
    let now = works.clock.unix_millis();
    let (before, latest) = (
        ago(now, works.max_age),
        now.saturating_add(millis(WAIT_MAX)),
    );
    while works
        .store
        .expire_rows(before, latest, now, BATCH_MAX)
        .await?
        >= BATCH_MAX
    {
        sleep(PAUSE).await;
    }
    works.cancel_rows().await?;
    let ages = Ages {
        deliveries: ago(now, DELIVERIES_MAX_AGE),
        letters: ago(now, LETTERS_MAX_AGE),
        names: ago(now, NAMES_MAX_AGE),
    };
    while works.store.prune_federation(ages, BATCH_MAX).await? {
        sleep(PAUSE).await;
    }
    Ok(())
}

fn ago(now: Millis, age: Duration) -> Millis {
    now.saturating_sub(millis(age))
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}

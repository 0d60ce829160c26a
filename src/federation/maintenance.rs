//! Ends what has waited for too long and removes what is old: in small batches, with pauses, so that nobody notices.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::waits::{ASKED_MAX, WAIT_MAX};
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

/// How long an invitation is known after its end, so that whoever comes late hears that it has expired.
const INVITES_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// How far two clocks may differ that are both called right.
const SLACK: Duration = Duration::from_secs(60);

/// Looks everything through, again and again.
pub(super) async fn run(works: &Works) {
    let mut outage = Outage::new("the outbox is not tidied");
    let mut last = None;
    loop {
        let present = (works.clock.unix_millis(), Instant::now());
        let longest = longest_wait(last, present);
        let passed = pass(works, longest).await;
        outage.note(passed.as_ref().err());
        // What failed is looked through again with the same eyes.
        if passed.is_ok() {
            last = Some(present);
        }
        sleep(PASS_INTERVAL).await;
    }
}

/// How long anything can have to wait still: what is due later was written by a clock that was wrong. Where the clock may
/// have been set right since the last look, that is the wait that nobody asked for: a peer that asked for an hour is then
/// asked again sooner, which is better than waiting for an hour that was never meant.
fn longest_wait(last: Option<(Millis, Instant)>, present: (Millis, Instant)) -> Duration {
    let is_steady = last.is_some_and(|(then, since)| {
        let passed = millis(present.1.saturating_duration_since(since));
        present.0.saturating_add(millis(SLACK)) >= then.saturating_add(passed)
    });
    let wait = if is_steady { ASKED_MAX } else { WAIT_MAX };
    wait + SLACK
}

/// One look at everything.
async fn pass(works: &Works, longest_wait: Duration) -> Result<(), StoreError> {
    let now = works.clock.unix_millis();
    let (before, latest) = (
        ago(now, works.max_age),
        now.saturating_add(millis(longest_wait)),
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
        invites: ago(now, INVITES_MAX_AGE),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_back_or_may_have_been_is_noticed() {
        let (then, since) = (1_700_000_000_000, Instant::now());
        let at = since + PASS_INTERVAL;
        let strict = WAIT_MAX + SLACK;
        assert_eq!(longest_wait(None, (then, since)), strict);
        for (set_by, longest) in [
            (0, ASKED_MAX + SLACK),
            (3_600_000, ASKED_MAX + SLACK),
            (-60_000, ASKED_MAX + SLACK),
            (-60_001, strict),
            (-3_600_000, strict),
        ] {
            let present = (then + 60_000 + set_by, at);
            assert_eq!(
                longest_wait(Some((then, since)), present),
                longest,
                "{set_by}"
            );
        }
    }
}

//! Trying again while a server is away.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::output::Output;
use crate::base::backoff::Backoff;
use crate::base::duration;
use crate::base::random;
use crate::client::ClientError;

/// The shortest pause between two tries.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest: a server that is there again is found soon.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Makes a call, and makes it again for so long while the server is away, fails or asks to wait. What is sent must be
/// such that it may arrive twice.
pub(super) async fn persist<T>(
    limit: Duration,
    out: Output,
    call: impl AsyncFn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let begun = Instant::now();
    let mut backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
    let mut is_said = false;
    loop {
        let error = match call().await {
            Err(error) if is_passing(&error) => error,
            settled => return settled,
        };
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(error);
        }
        if !is_said {
            say(&error, limit, out);
            is_said = true;
        }
        let asked = match &error {
            ClientError::Refused(refusal) => refusal.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        // The last try comes when the time is over, not before.
        let pause = backoff.next(random::unit()).max(asked);
        sleep(pause.min(left)).await;
    }
}

/// Whether the same call may go better a little later.
pub(super) fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => refusal.status >= 500 || refusal.status == 429,
        error => error.is_outage(),
    }
}

fn say(error: &ClientError, limit: Duration, out: Output) {
    let (why, limit) = (error.to_string(), duration::text(limit));
    let words = format!("{why}; trying again for up to {limit}");
    out.event(
        "retrying",
        &words,
        &[("why", why.into()), ("retry_for", limit.into())],
    );
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::super::output::ColorChoice;
    use super::*;
    use crate::client::Refusal;
    use crate::config::Environment;

    fn refused(status: u16) -> ClientError {
        Refusal::read(status, None, "").into()
    }

    fn away() -> ClientError {
        ClientError::Unreachable {
            server: "s".to_owned(),
            why: "w".to_owned(),
        }
    }

    /// What comes of a call that fails so, and then goes well; and how often it was made.
    async fn tried(limit: Duration, failures: &[fn() -> ClientError]) -> (bool, usize) {
        let out = Output::new(false, true, ColorChoice::Never, &Environment::default());
        let calls = Cell::new(0);
        let result = persist(limit, out, async || {
            let call = calls.get();
            calls.set(call + 1);
            failures.get(call).map_or(Ok(()), |failure| Err(failure()))
        });
        (result.await.is_ok(), calls.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_or_fails_is_tried_again() {
        let minute = Duration::from_secs(60);
        let failures: [fn() -> ClientError; 4] =
            [away, || refused(503), || refused(500), || refused(429)];
        assert_eq!(tried(minute, &failures).await, (true, 5));
        assert_eq!(tried(Duration::ZERO, &failures).await, (false, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_server_refuses_is_not_tried_again() {
        let minute = Duration::from_secs(60);
        let refusals: [fn() -> ClientError; 3] =
            [|| refused(409), || refused(403), || refused(404)];
        for refusal in refusals {
            assert_eq!(tried(minute, &[refusal]).await, (false, 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let failures: [fn() -> ClientError; 1000] = [away; 1000];
        let begun = Instant::now();
        let (is_done, calls) = tried(Duration::from_secs(60), &failures).await;
        assert!(!is_done && (10..300).contains(&calls), "{calls}");
        assert!(begun.elapsed() >= Duration::from_secs(60));
        assert!(begun.elapsed() < Duration::from_secs(61));
    }
}

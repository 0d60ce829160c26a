//! Waiting on behalf of a client: it hears from time to time that there is still somebody, and can call it off.

use std::future::Future;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use tokio::time::sleep;

/// How often a client that wants to hear of progress does. Many count the time of a call from the last word.
const WORD_EVERY: Duration = Duration::from_secs(10);

/// Does what a client asked for; `None` when it calls that off.
pub(super) async fn attend<T>(
    context: &RequestContext<RoleServer>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        result = work => Some(result),
        () = context.ct.cancelled() => None,
        () = say(&context.peer, context.meta.get_progress_token()) => None,
    }
}

/// Says how many seconds have gone, for ever.
async fn say(peer: &Peer<RoleServer>, token: Option<ProgressToken>) {
    let Some(token) = token else {
        return std::future::pending().await;
    };
    let mut secs = 0;
    loop {
        sleep(WORD_EVERY).await;
        secs += WORD_EVERY.as_secs();
        let progress = ProgressNotificationParam::new(token.clone(), secs as f64)
            .with_message(format!("waiting for {secs} s"));
        // Who does not hear it may still hear the result.
        let _ = peer.notify_progress(progress).await;
    }
}

//! Stores what the server itself has to say to a team.

use tokio::sync::{mpsc, oneshot};

use super::committer::Append;
use crate::store::StoreError;
use crate::store::record::{NewEvent, Origin, Outcome};

/// Takes the server's own events. The log does not end while there is one.
#[derive(Debug, Clone)]
pub struct Announcer {
    appends: mpsc::Sender<Append>,
}

impl Announcer {
    pub(super) fn new(appends: mpsc::Sender<Append>) -> Self {
        Self { appends }
    }

    /// Stores an event and publishes it. Answers after the commit.
    ///
    /// # Errors
    /// When the store does not take it, or the log has ended.
    pub async fn announce(self, event: NewEvent) -> Result<Outcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        let append = Append {
            events: vec![event.by(Origin::Server)],
            answer,
            // Few and small: they need no share of what may wait.
            room: None,
        };
        let sent = self.appends.send(append).await;
        sent.map_err(|_| StoreError::Closed)?;
        drop(self);
        let appended = answered.await.map_err(|_| StoreError::Closed)??;
        let first = appended.into_iter().next();
        first.map(|it| it.outcome).ok_or(StoreError::Closed)
    }
}

//! Where clients are in the log. Acknowledgements are gathered and written together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::base::clock::Clock;
use crate::protocol::id::{ClientId, TeamId};
use crate::store::record::{Cursor, CursorMove};
use crate::store::{Store, StoreError};

/// How long an acknowledgement may wait for others before it is written (spec 5.5 allows 200 ms).
pub(super) const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

type Name = (TeamId, ClientId);

/// The cursors that moved and are not written yet, on top of the stored ones.
pub(super) struct Cursors {
    store: Arc<dyn Store>,
    clock: Clock,
    moved: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    cursors: HashMap<Name, Cursor>,
    closed: bool,
}

impl Cursors {
    /// Starts the task that writes; it ends after [`Cursors::close`] and a last write.
    pub(super) fn start(store: Arc<dyn Store>, clock: Clock) -> (Arc<Self>, JoinHandle<()>) {
        let cursors = Arc::new(Self {
            store,
            clock,
            moved: Mutex::default(),
            wake: Notify::new(),
        });
        let task = tokio::spawn(cursors.clone().run());
        (cursors, task)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            if !self.lock().closed {
                tokio::time::sleep(FLUSH_INTERVAL).await;
            }
            self.flush().await;
            if self.lock().closed {
                return self.flush().await;
            }
        }
    }

    /// Writes all that moved. What cannot be written stays: the next write tries again.
    async fn flush(&self) {
        let moved = std::mem::take(&mut self.lock().cursors);
        if moved.is_empty() {
            return;
        }
        let moves = moved
            .iter()
            .map(|((team, client), cursor)| CursorMove {
                team: team.clone(),
                client: client.clone(),
                cursor: *cursor,
            })
            .collect();
        if let Err(error) = self
            .store
            .move_cursors(moves, self.clock.unix_millis())
            .await
        {
            tracing::error!(%error, cursors = moved.len(), "cursors were not written");
            let mut state = self.lock();
            for (name, cursor) in moved {
                state.cursors.entry(name).or_insert(cursor);
            }
        }
    }

    /// A client's cursor as it is now, stored.
    pub(super) async fn open(
        &self,
        team: &TeamId,
        client: &ClientId,
        filter: [u8; 32],
    ) -> Result<Cursor, StoreError> {
        let now = self.clock.unix_millis();
        // Left in its place: writing it twice changes nothing, and a write that fails here must not lose it.
        let name = (team.clone(), client.clone());
        let unwritten = self.lock().cursors.get(&name).copied();
        if let Some(cursor) = unwritten {
            let moved = CursorMove {
                team: team.clone(),
                client: client.clone(),
                cursor,
            };
            self.store.move_cursors(vec![moved], now).await?;
        }
        self.store
            .open_cursor(team.clone(), client.clone(), filter, now)
            .await
    }

    /// Takes note that a cursor moved.
    pub(super) fn advance(&self, team: &TeamId, client: &ClientId, cursor: Cursor) {
        let name = (team.clone(), client.clone());
        self.lock()
            .cursors
            .entry(name)
            .and_modify(|known| {
                known.acked = known.acked.max(cursor.acked);
                known.scanned = if known.filter == cursor.filter {
                    known.scanned.max(cursor.scanned)
                } else {
                    cursor.scanned
                };
                known.filter = cursor.filter;
            })
            .or_insert(cursor);
        self.wake.notify_one();
    }

    /// Ends the writing task after a last write.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }
}

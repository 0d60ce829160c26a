//! Where clients are in the log. Acknowledgements are gathered and written together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::Notice;
use crate::base::clock::Clock;
use crate::base::outage::Outage;
use crate::protocol::id::{ClientId, TeamId};
use crate::store::record::{Cursor, CursorMove, Hold};
use crate::store::{Store, StoreError};

/// How long an acknowledgement may wait for others before it is written (spec 5.5 allows 200 ms).
pub(super) const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// How long what could not be written waits.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

type Name = (TeamId, ClientId);

/// The cursors that moved and are not written yet, on top of the stored ones.
pub(super) struct Cursors {
    store: Arc<dyn Store>,
    clock: Clock,
    moved: Mutex<State>,
    wake: Notify,
    notices: mpsc::Sender<Notice>,
}

#[derive(Default)]
struct State {
    /// By name, with the number of the hold.
    cursors: HashMap<Name, (u64, Cursor)>,
    /// Those that are being written.
    in_flight: HashMap<Name, (u64, Cursor)>,
    closed: bool,
}

impl State {
    /// Adds a move to those that wait: of two holds only the newer one counts.
    fn note(&mut self, name: Name, hold: u64, cursor: Cursor) {
        let (number, known) = self.cursors.entry(name).or_insert((hold, cursor));
        if *number < hold {
            (*number, *known) = (hold, cursor);
        } else if *number == hold {
            known.acked = known.acked.max(cursor.acked);
            known.scanned = if known.filter == cursor.filter {
                known.scanned.max(cursor.scanned)
            } else {
                cursor.scanned
            };
            known.filter = cursor.filter;
        }
    }
}

impl Cursors {
    /// Starts the task that writes; it ends after [`Cursors::close`] and a last write. Holds that turn out to be lost
    /// are reported.
    pub(super) fn start(
        store: Arc<dyn Store>,
        clock: Clock,
        notices: mpsc::Sender<Notice>,
    ) -> (Arc<Self>, JoinHandle<()>) {
        let cursors = Arc::new(Self {
            store,
            clock,
            moved: Mutex::default(),
            wake: Notify::new(),
            notices,
        });
        let task = tokio::spawn(cursors.clone().run());
        (cursors, task)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        let mut outage = Outage::new("cursors are not written");
        loop {
            self.wake.notified().await;
            if !self.lock().closed {
                tokio::time::sleep(FLUSH_INTERVAL).await;
            }
            let error = self.flush().await.err();
            outage.note(error.as_ref());
            if self.lock().closed {
                // The last write takes what came while the one before it ran.
                outage.note(self.flush().await.err().as_ref());
                return;
            }
            if error.is_some() {
                tokio::time::sleep(RETRY_INTERVAL).await;
                self.wake.notify_one();
            }
        }
    }

    /// Writes all that moved. What cannot be written stays: the next write tries again.
    async fn flush(&self) -> Result<(), StoreError> {
        let moves: Vec<CursorMove> = {
            let mut state = self.lock();
            state.in_flight = std::mem::take(&mut state.cursors);
            let in_flight = state.in_flight.iter();
            in_flight.map(|(name, moved)| a_move(name, moved)).collect()
        };
        if moves.is_empty() {
            return Ok(());
        }
        let now = self.clock.unix_millis();
        match self.store.move_cursors(moves, now).await {
            Ok(lost) => {
                self.lock().in_flight.clear();
                for mut hold in lost {
                    hold.number += 1;
                    // The server is ending when nobody asks any more.
                    let _ = self.notices.send(Notice::TakenOver(hold)).await;
                }
                Ok(())
            }
            Err(error) => {
                let mut state = self.lock();
                for (name, (number, cursor)) in std::mem::take(&mut state.in_flight) {
                    state.note(name, number, cursor);
                }
                Err(error)
            }
        }
    }

    /// A client's cursor as it is now, stored, and the number of this hold of it.
    pub(super) async fn open(
        &self,
        team: &TeamId,
        client: &ClientId,
        filter: [u8; 32],
    ) -> Result<(Cursor, u64), StoreError> {
        let now = self.clock.unix_millis();
        // Written before the opening makes it stale. Left in its place: writing it twice changes nothing, and a write that
        // fails here must not lose it.
        let name = (team.clone(), client.clone());
        let unwritten: Vec<CursorMove> = {
            let state = self.lock();
            let known = [state.in_flight.get(&name), state.cursors.get(&name)];
            let known = known.into_iter().flatten();
            known.map(|moved| a_move(&name, moved)).collect()
        };
        for moved in unwritten {
            self.store.move_cursors(vec![moved], now).await?;
        }
        self.store.open_cursor(name.0, name.1, filter, now).await
    }

    /// Takes note that a cursor moved.
    pub(super) fn advance(&self, hold: &Hold, cursor: Cursor) {
        let name = (hold.team.clone(), hold.client.clone());
        self.lock().note(name, hold.number, cursor);
        self.wake.notify_one();
    }

    /// Ends the writing task after a last write.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }
}

fn a_move((team, client): &Name, (number, cursor): &(u64, Cursor)) -> CursorMove {
    CursorMove {
        hold: Hold {
            team: team.clone(),
            client: client.clone(),
            number: *number,
        },
        cursor: *cursor,
    }
}

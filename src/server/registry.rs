//! Who is connected: so that a client id belongs to one connection, a revoked key loses its sockets, and all can be told
//! that the server ends.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use crate::protocol::id::{ClientId, TeamId};
use crate::store::record::{Hold, KeyRecord, Millis};

/// What a connection is told. All but the last end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Another connection took the client id.
    Replaced,
    /// The key was revoked or expired.
    KeyEnded,
    /// The server ends.
    Ending,
    /// The team's quota was used up, or there is room again.
    QuotaTurned,
}

impl Told {
    /// In the order in which they are heard.
    const ALL: [Self; 4] = [
        Self::Replaced,
        Self::KeyEnded,
        Self::Ending,
        Self::QuotaTurned,
    ];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a connection was told and has not heard yet. Smaller than a channel, of which there would be one for each.
#[derive(Debug, Default)]
struct Bell {
    told: AtomicU8,
    waker: AtomicWaker,
}

impl Bell {
    fn tell(&self, what: Told) {
        self.told.fetch_or(what.bit(), Ordering::AcqRel);
        self.waker.wake();
    }

    fn take(&self) -> Option<Told> {
        let told = self.told.load(Ordering::Acquire);
        let what = Told::ALL.into_iter().find(|what| told & what.bit() != 0)?;
        self.told.fetch_and(!what.bit(), Ordering::AcqRel);
        Some(what)
    }
}

/// All connections.
#[derive(Default)]
pub struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    ending: bool,
    next: u64,
    entries: HashMap<u64, Entry>,
    by_client: HashMap<(TeamId, ClientId), u64>,
    expiring: BTreeSet<(Millis, u64)>,
}

struct Entry {
    name: (TeamId, ClientId),
    /// The number of its hold of the cursor, once it has one.
    hold: Option<u64>,
    /// Holds with smaller numbers are over.
    over: u64,
    key: Arc<KeyRecord>,
    bell: Arc<Bell>,
}

impl Inner {
    fn tell(&mut self, id: u64, what: Told) {
        if let Some(entry) = self.entries.get(&id) {
            entry.bell.tell(what);
        }
    }

    /// Ends a connection whose hold of its cursor is over.
    fn end_stale(&mut self, id: u64) {
        let is_stale = |entry: &Entry| entry.hold.is_some_and(|hold| hold < entry.over);
        if self.entries.get(&id).is_some_and(is_stale) {
            self.tell(id, Told::Replaced);
        }
    }

    fn leave(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        if self.by_client.get(&entry.name) == Some(&id) {
            self.by_client.remove(&entry.name);
        }
        if let Some(end) = entry.key.expires_at {
            self.expiring.remove(&(end, id));
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection; an older one with the same client id is told that it was replaced.
    pub fn enter(
        self: &Arc<Self>,
        team: TeamId,
        client: ClientId,
        key: Arc<KeyRecord>,
    ) -> Presence {
        let bell = Arc::<Bell>::default();
        let name = (team, client);
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        if let Some(older) = inner.by_client.insert(name.clone(), id) {
            inner.tell(older, Told::Replaced);
        }
        if let Some(end) = key.expires_at {
            inner.expiring.insert((end, id));
        }
        let entry = Entry {
            name,
            hold: None,
            over: 0,
            key,
            bell: bell.clone(),
        };
        inner.entries.insert(id, entry);
        if inner.ending {
            inner.tell(id, Told::Ending);
        }
        drop(inner);
        Presence {
            bell,
            guard: Guard {
                registry: self.clone(),
                id,
            },
        }
    }

    /// Ends the connection that has an older hold of a cursor: on this node or another a newer one was taken.
    pub fn take_over(&self, newest: &Hold) {
        let mut inner = self.lock();
        let name = (newest.team.clone(), newest.client.clone());
        let Some(&id) = inner.by_client.get(&name) else {
            return;
        };
        if let Some(entry) = inner.entries.get_mut(&id) {
            entry.over = entry.over.max(newest.number);
        }
        inner.end_stale(id);
    }

    /// Tells the connections of a team that its quota turned.
    pub fn quota_turned(&self, team: &TeamId) {
        let inner = self.lock();
        let of_team = inner.entries.values().filter(|it| it.name.0 == *team);
        of_team.for_each(|entry| entry.bell.tell(Told::QuotaTurned));
    }

    /// All holds of cursors.
    pub fn holds(&self) -> Vec<Hold> {
        let inner = self.lock();
        let hold = |entry: &Entry| {
            let (team, client) = entry.name.clone();
            entry.hold.map(|number| Hold {
                team,
                client,
                number,
            })
        };
        inner.entries.values().filter_map(hold).collect()
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.lock().entries.len()
    }

    /// Tells all connections that the server ends, and those that come later.
    pub fn end(&self) {
        let mut inner = self.lock();
        inner.ending = true;
        let ids: Vec<u64> = inner.entries.keys().copied().collect();
        for id in ids {
            inner.tell(id, Told::Ending);
        }
    }

    /// Ends the connections whose key has expired.
    pub fn expire(&self, now: Millis) {
        let mut inner = self.lock();
        while let Some(&(end, id)) = inner.expiring.first() {
            if end > now {
                break;
            }
            inner.expiring.pop_first();
            inner.tell(id, Told::KeyEnded);
        }
    }

    /// The public parts of the keys that connections use.
    pub fn key_prefixes(&self) -> HashSet<String> {
        let inner = self.lock();
        inner
            .entries
            .values()
            .map(|entry| entry.key.prefix.clone())
            .collect()
    }

    /// Ends the connections of a key.
    pub fn end_key(&self, prefix: &str) {
        let mut inner = self.lock();
        let of_key = |(id, entry): (&u64, &Entry)| (entry.key.prefix == prefix).then_some(*id);
        let ids: Vec<u64> = inner.entries.iter().filter_map(of_key).collect();
        for id in ids {
            inner.tell(id, Told::KeyEnded);
        }
    }
}

/// A connection's place in the registry: it leaves when this is dropped.
pub struct Presence {
    bell: Arc<Bell>,
    guard: Guard,
}

impl Presence {
    /// Waits for what the connection is told next.
    pub async fn told(&self) -> Told {
        poll_fn(|context| {
            self.bell.waker.register(context.waker());
            match self.bell.take() {
                Some(what) => Poll::Ready(what),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Takes note of the number under which the connection holds its cursor.
    pub fn hold(&self, number: u64) {
        let mut inner = self.guard.registry.lock();
        if let Some(entry) = inner.entries.get_mut(&self.guard.id) {
            entry.hold = Some(number);
        }
        inner.end_stale(self.guard.id);
    }
}

struct Guard {
    registry: Arc<Registry>,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.registry.lock().leave(self.id);
    }
}

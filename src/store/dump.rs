//! Everything durable as one stream of rows, in the same words for every database: what backups, restores and checks are
//! made of.
//!
//! A database turns itself into rows (*export*) and rows into itself (*import*). The stream is pulled: no more than a few
//! pages of it are in memory, however large the database is.

use tokio::sync::mpsc;

use super::{Result, StoreError};

/// How much a page of rows holds at most (one row more than that at the worst).
const PAGE_MAX_BYTES: usize = 1024 * 1024;

/// How many rows a page holds at most.
const PAGE_MAX_ROWS: usize = 512;

/// How many pages wait for whoever takes them.
const PAGES_MAX: usize = 2;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An integer.
    Integer,
    /// An integer that PostgreSQL keeps in four bytes.
    Small,
    /// True or false, as 1 or 0.
    Flag,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A table, or the answer to a question.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// The columns that its rows come in the order of.
    pub(super) order: &'static str,
}

use Kind::{Bytes, Flag, Integer, Small, Text};

pub(super) static INSTANCE: Table = Table {
    name: "instance",
    columns: &[
        ("id", Small),
        ("instance_id", Text),
        ("created_at", Integer),
        ("access_version", Integer),
        ("secret_check", Bytes),
        ("identity_key", Bytes),
    ],
    order: "id",
};

pub(super) static TEAMS: Table = Table {
    name: "teams",
    columns: &[
        ("number", Integer),
        ("id", Text),
        ("created_at", Integer),
        ("last_seq", Integer),
        ("pruned_seq", Integer),
        ("usage_month", Text),
        ("events_used", Integer),
        ("quota_told", Flag),
        ("peers_version", Integer),
        ("trust_policy", Text),
    ],
    order: "number",
};

pub(super) static PEERS: Table = Table {
    name: "peers",
    columns: &[
        ("number", Integer),
        ("id", Text),
        ("team", Integer),
        ("name", Text),
        ("instance_id", Text),
        ("status", Text),
        ("hook_url", Text),
        ("scopes", Text),
        ("max_hops", Integer),
        ("rate_limit_per_sec", Integer),
        ("outbound_token", Bytes),
        ("inbound_index", Bytes),
        ("inbound_hash", Text),
        ("old_inbound_index", Bytes),
        ("old_inbound_hash", Text),
        ("old_inbound_until", Integer),
        ("created_at", Integer),
        ("updated_at", Integer),
        ("identity_key", Bytes),
        ("kind", Text),
        ("discovery", Flag),
    ],
    order: "number",
};

pub(super) static PEER_STATES: Table = Table {
    name: "peer_states",
    columns: &[
        ("peer", Integer),
        ("failures", Integer),
        ("retry_at", Integer),
        ("last_success_at", Integer),
        ("last_error", Text),
        ("latency_ms", Integer),
        ("claim", Integer),
        ("claimed_until", Integer),
    ],
    order: "peer",
};

/// SQLite packs `team` and `seq` into one column.
pub(super) static EVENTS: Table = Table {
    name: "events",
    columns: &[
        ("team", Integer),
        ("seq", Integer),
        ("id", Text),
        ("type", Text),
        ("source", Text),
        ("kitesource", Text),
        ("agent_to", Text),
        ("created_at", Integer),
        ("text", Text),
    ],
    order: "team, seq",
};

pub(super) static KEPT_EVENTS: Table = Table {
    name: "kept_events",
    columns: &[
        ("team", Integer),
        ("seq", Integer),
        ("id", Text),
        ("type", Text),
        ("text", Text),
    ],
    order: "team, seq",
};

pub(super) static OUTBOX: Table = Table {
    name: "outbox",
    columns: &[
        ("peer", Integer),
        ("due_at", Integer),
        ("seq", Integer),
        ("attempts", Integer),
        ("last_error", Text),
        ("created_at", Integer),
    ],
    order: "peer, due_at, seq",
};

pub(super) static LETTERS: Table = Table {
    name: "letters",
    columns: &[
        ("peer", Integer),
        ("seq", Integer),
        ("status", Text),
        ("attempts", Integer),
        ("last_error", Text),
        ("created_at", Integer),
        ("settled_at", Integer),
    ],
    order: "peer, seq",
};

pub(super) static DELIVERIES: Table = Table {
    name: "deliveries",
    columns: &[
        ("team", Integer),
        ("id", Text),
        ("peer", Integer),
        ("seq", Integer),
        ("event_id", Text),
        ("event_type", Text),
        ("attempt", Integer),
        ("status_code", Integer),
        ("error", Text),
        ("latency_ms", Integer),
        ("created_at", Integer),
        ("queued_at", Integer),
    ],
    order: "team, id",
};

pub(super) static INVITES: Table = Table {
    name: "invites",
    columns: &[
        ("id", Text),
        ("team", Integer),
        ("digest", Bytes),
        ("name", Text),
        ("scopes", Text),
        ("created_at", Integer),
        ("expires_at", Integer),
        ("joiner_key", Bytes),
        ("peer_id", Text),
        ("redeemed_at", Integer),
    ],
    order: "id",
};

pub(super) static FEDERATION_TOKENS: Table = Table {
    name: "federation_tokens",
    columns: &[
        ("id", Text),
        ("team", Integer),
        ("label", Text),
        ("created_at", Integer),
    ],
    order: "id",
};

pub(super) static SIGNING_KEYS: Table = Table {
    name: "signing_keys",
    columns: &[
        ("number", Small),
        ("seed", Bytes),
        ("created_at", Integer),
        ("retires_at", Integer),
    ],
    order: "number",
};

pub(super) static TRUSTED_SERVERS: Table = Table {
    name: "trusted_servers",
    columns: &[
        ("team", Integer),
        ("url", Text),
        ("given_url", Text),
        ("relationship", Text),
        ("trust_policy", Text),
        ("did", Text),
        ("api_key", Bytes),
        ("created_at", Integer),
        ("updated_at", Integer),
    ],
    order: "team, url",
};

pub(super) static EXCHANGES: Table = Table {
    name: "exchanges",
    columns: &[
        ("team", Integer),
        ("own_key", Bytes),
        ("alias_key", Bytes),
        ("kind", Text),
        ("digest", Bytes),
        ("dispatch_id", Text),
        ("party", Text),
        ("local_id", Text),
        ("state", Text),
        ("remote_id", Text),
        ("message", Text),
        ("record", Text),
        ("created_at", Integer),
        ("updated_at", Integer),
        ("agent", Text),
        ("version", Integer),
    ],
    order: "own_key, team",
};

pub(super) static DEDUP: Table = Table {
    name: "dedup",
    columns: &[
        ("team", Integer),
        ("key", Bytes),
        ("event_id", Text),
        ("created_at", Integer),
        ("fingerprint", Bytes),
        ("federated", Flag),
    ],
    order: "team, key",
};

pub(super) static CURSORS: Table = Table {
    name: "cursors",
    columns: &[
        ("team", Integer),
        ("client_id", Text),
        ("acked", Integer),
        ("scanned", Integer),
        ("filter", Bytes),
        ("hold", Integer),
        ("updated_at", Integer),
    ],
    order: "team, client_id",
};

pub(super) static KEYS: Table = Table {
    name: "keys",
    columns: &[
        ("id", Text),
        ("team", Integer),
        ("prefix", Text),
        ("hash", Text),
        ("name", Text),
        ("scopes", Text),
        ("permissions", Text),
        ("created_at", Integer),
        ("expires_at", Integer),
        ("revoked_at", Integer),
        ("last_used_at", Integer),
    ],
    order: "id",
};

pub(super) static ENDPOINTS: Table = Table {
    name: "endpoints",
    columns: &[
        ("id", Text),
        ("team", Integer),
        ("source", Text),
        ("active", Flag),
        ("token_hash", Text),
        ("token", Bytes),
        ("secret", Bytes),
        ("old_secret", Bytes),
        ("old_secret_until", Integer),
        ("max_body_bytes", Integer),
        ("created_at", Integer),
    ],
    order: "id",
};

pub(super) static AGENTS: Table = Table {
    name: "agents",
    columns: &[
        ("team", Integer),
        ("id", Text),
        ("name", Text),
        ("created_at", Integer),
        ("last_seen_at", Integer),
    ],
    order: "team, id",
};

/// Everything durable, in the order in which it is written: what others refer to comes first. Device logins are not
/// among it: they last for minutes.
pub(super) static TABLES: [&Table; 19] = [
    &INSTANCE,
    &TEAMS,
    &PEERS,
    &PEER_STATES,
    &EVENTS,
    &KEPT_EVENTS,
    &OUTBOX,
    &LETTERS,
    &DELIVERIES,
    &FEDERATION_TOKENS,
    &INVITES,
    &SIGNING_KEYS,
    &TRUSTED_SERVERS,
    &EXCHANGES,
    &DEDUP,
    &CURSORS,
    &KEYS,
    &ENDPOINTS,
    &AGENTS,
];

/// A question: what the database itself finds broken in its pages and indexes.
pub(super) static DAMAGE: Table = Table {
    name: "damage",
    columns: &[("words", Text)],
    order: "",
};

/// A question: each two neighbours among the events of a team that came by the same door under the same source and id.
pub(super) static REPEATS: Table = Table {
    name: "repeats",
    columns: &[
        ("team", Integer),
        ("seq", Integer),
        ("later", Integer),
        ("source", Text),
        ("id", Text),
        ("created_at", Integer),
    ],
    order: "",
};

/// A question: what was accepted and is not in the log.
pub(super) static ORPHANS: Table = Table {
    name: "orphans",
    columns: &[
        ("team", Integer),
        ("event_id", Text),
        ("created_at", Integer),
    ],
    order: "",
};

impl Table {
    /// The names of the columns, separated by commas.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| *name == column)
    }

    /// Whether it is this very table.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row of a table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) table: &'static Table,
    /// One per column of the table.
    pub(super) values: Vec<Value>,
}

impl Row {
    /// An integer of the row; 0 where there is none.
    pub(super) fn integer(&self, column: &str) -> i64 {
        match self.value(column) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }

    /// A count or number of the row.
    pub(super) fn number(&self, column: &str) -> u64 {
        u64::try_from(self.integer(column)).unwrap_or(0)
    }

    /// A text of the row; empty where there is none.
    pub(super) fn text(&self, column: &str) -> &str {
        match self.value(column) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// Bytes of the row; none where there are none.
    pub(super) fn bytes(&self, column: &str) -> &[u8] {
        match self.value(column) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    /// Puts an integer into the row.
    pub(super) fn put(&mut self, column: &str, number: i64) {
        let place = self.table.place(column);
        if let Some(value) = place.and_then(|place| self.values.get_mut(place)) {
            *value = Value::Integer(number);
        }
    }

    fn value(&self, column: &str) -> Option<&Value> {
        self.values.get(self.table.place(column)?)
    }

    fn size(&self) -> usize {
        let size = |value: &Value| match value {
            Value::Null | Value::Integer(_) => 0,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        };
        self.values.iter().map(size).sum()
    }
}

/// What goes through a stream. A stream that just stops was cut off.
enum Part {
    Page(Vec<Row>),
    Failure(StoreError),
    End,
}

/// What happens to each row on its way.
type Change = Box<dyn FnMut(&mut Row) + Send>;

/// Where the rows of a stream come out.
pub(super) struct Rows {
    parts: mpsc::Receiver<Part>,
    change: Option<Change>,
}

/// Where they go in.
pub(super) struct Inlet {
    parts: mpsc::Sender<Part>,
    page: Vec<Row>,
    page_bytes: usize,
}

/// Makes a stream of rows.
pub(super) fn stream() -> (Inlet, Rows) {
    let (sender, receiver) = mpsc::channel(PAGES_MAX);
    let inlet = Inlet {
        parts: sender,
        page: Vec::new(),
        page_bytes: 0,
    };
    let rows = Rows {
        parts: receiver,
        change: None,
    };
    (inlet, rows)
}

impl Inlet {
    /// Adds a row. Waits while nobody takes what is there.
    pub(super) async fn put(&mut self, row: Row) -> Result<()> {
        match self.filled_by(row) {
            Some(page) => self.send(page).await,
            None => Ok(()),
        }
    }

    /// As [`Inlet::put`], for a thread that may wait.
    pub(super) fn put_blocking(&mut self, row: Row) -> Result<()> {
        match self.filled_by(row) {
            Some(page) => {
                let sent = self.parts.blocking_send(page);
                sent.map_err(|_| StoreError::Closed)
            }
            None => Ok(()),
        }
    }

    /// Ends the stream with the result of making it.
    pub(super) async fn end(mut self, made: Result<()>) {
        for part in self.last_parts(made) {
            // Nobody is left who wants to know.
            let _ = self.send(part).await;
        }
    }

    /// As [`Inlet::end`], for a thread that may wait.
    pub(super) fn end_blocking(mut self, made: Result<()>) {
        for part in self.last_parts(made) {
            // As above.
            let _ = self.parts.blocking_send(part);
        }
    }

    async fn send(&self, part: Part) -> Result<()> {
        let sent = self.parts.send(part).await;
        sent.map_err(|_| StoreError::Closed)
    }

    fn filled_by(&mut self, row: Row) -> Option<Part> {
        self.page_bytes += row.size();
        self.page.push(row);
        let is_full = self.page.len() >= PAGE_MAX_ROWS || self.page_bytes >= PAGE_MAX_BYTES;
        is_full.then(|| self.page())
    }

    fn page(&mut self) -> Part {
        self.page_bytes = 0;
        Part::Page(std::mem::take(&mut self.page))
    }

    fn last_parts(&mut self, made: Result<()>) -> [Part; 2] {
        let last = match made {
            Ok(()) => Part::End,
            Err(error) => Part::Failure(error),
        };
        [self.page(), last]
    }
}

impl Rows {
    /// The same rows, each changed on its way.
    pub(super) fn changed(self, change: impl FnMut(&mut Row) + Send + 'static) -> Self {
        Self {
            change: Some(Box::new(change)),
            ..self
        }
    }

    /// The next rows; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>> {
        let part = self.parts.recv().await;
        self.opened(part)
    }

    /// As [`Rows::next`], for a thread that may wait.
    pub(super) fn next_blocking(&mut self) -> Result<Option<Vec<Row>>> {
        let part = self.parts.blocking_recv();
        self.opened(part)
    }

    fn opened(&mut self, part: Option<Part>) -> Result<Option<Vec<Row>>> {
        match part {
            Some(Part::Page(mut page)) => {
                if let Some(change) = &mut self.change {
                    page.iter_mut().for_each(change);
                }
                Ok(Some(page))
            }
            Some(Part::Failure(error)) => Err(error),
            Some(Part::End) => Ok(None),
            None => Err(StoreError::Failed("reading it was cut off".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(words: &str) -> Row {
        Row {
            table: &DAMAGE,
            values: vec![Value::Text(words.to_owned())],
        }
    }

    #[test]
    fn a_stream_without_its_end_is_an_error() {
        let (mut inlet, mut rows) = stream();
        inlet.put_blocking(row("a")).unwrap();
        inlet.end_blocking(Ok(()));
        assert_eq!(rows.next_blocking().unwrap().unwrap().len(), 1);
        assert!(rows.next_blocking().unwrap().is_none());

        let (inlet, mut rows) = stream();
        drop(inlet);
        assert!(rows.next_blocking().is_err());
    }

    #[test]
    fn a_page_is_full_by_rows_and_by_bytes() {
        let (mut inlet, _rows) = stream();
        assert!(inlet.filled_by(row("a")).is_none());
        let large = "x".repeat(PAGE_MAX_BYTES);
        assert!(inlet.filled_by(row(&large)).is_some());
        assert!(inlet.page.is_empty() && inlet.page_bytes == 0);
    }
}

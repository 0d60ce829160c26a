//! The tables of a database, and the questions that are asked of one.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
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
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) columns: &'static [(&'static str, Kind)],
    /// The columns that its rows come in the order of.
    pub(in crate::store) order: &'static str,
}

use Kind::{Bytes, Flag, Integer, Small, Text};

pub(in crate::store) static INSTANCE: Table = Table {
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

pub(in crate::store) static TEAMS: Table = Table {
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

pub(in crate::store) static PEERS: Table = Table {
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

pub(in crate::store) static PEER_STATES: Table = Table {
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
pub(in crate::store) static EVENTS: Table = Table {
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

pub(in crate::store) static KEPT_EVENTS: Table = Table {
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

pub(in crate::store) static OUTBOX: Table = Table {
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

pub(in crate::store) static LETTERS: Table = Table {
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

pub(in crate::store) static DELIVERIES: Table = Table {
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

pub(in crate::store) static INVITES: Table = Table {
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

pub(in crate::store) static FEDERATION_TOKENS: Table = Table {
    name: "federation_tokens",
    columns: &[
        ("id", Text),
        ("team", Integer),
        ("label", Text),
        ("created_at", Integer),
    ],
    order: "id",
};

pub(in crate::store) static SIGNING_KEYS: Table = Table {
    name: "signing_keys",
    columns: &[
        ("number", Small),
        ("seed", Bytes),
        ("created_at", Integer),
        ("retires_at", Integer),
    ],
    order: "number",
};

pub(in crate::store) static TRUSTED_SERVERS: Table = Table {
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

pub(in crate::store) static EXCHANGES: Table = Table {
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

pub(in crate::store) static DEDUP: Table = Table {
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

pub(in crate::store) static CURSORS: Table = Table {
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

pub(in crate::store) static KEYS: Table = Table {
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

pub(in crate::store) static ENDPOINTS: Table = Table {
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

pub(in crate::store) static AGENTS: Table = Table {
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
pub(in crate::store) static TABLES: [&Table; 19] = [
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
pub(in crate::store) static DAMAGE: Table = Table {
    name: "damage",
    columns: &[("words", Text)],
    order: "",
};

/// A question: each two neighbours among the events of a team that came by the same door under the same source and id.
pub(in crate::store) static REPEATS: Table = Table {
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
pub(in crate::store) static ORPHANS: Table = Table {
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
    pub(in crate::store) fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| *name == column)
    }

    /// Whether it is this very table.
    pub(in crate::store) fn is(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

-- Other instances that a team's events go to and come from. A row stays when its peer is deleted: others name its number.
CREATE TABLE peers (
    number             INTEGER PRIMARY KEY,
    id                 TEXT    NOT NULL UNIQUE,
    team               INTEGER NOT NULL REFERENCES teams (number),
    name               TEXT    NOT NULL,
    instance_id        TEXT    NOT NULL,
    status             TEXT    NOT NULL,
    hook_url           TEXT    NOT NULL,
    scopes             TEXT    NOT NULL,
    max_hops           INTEGER NOT NULL,
    rate_limit_per_sec INTEGER NOT NULL,
    -- Sealed: it has to be shown to the peer.
    outbound_token     BLOB    NOT NULL,
    -- An HMAC to find it by, and a bcrypt hash. The one before stays valid for a while after a rotation.
    inbound_index      BLOB    NOT NULL,
    inbound_hash       TEXT    NOT NULL,
    old_inbound_index  BLOB,
    old_inbound_hash   TEXT,
    old_inbound_until  INTEGER,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX peers_by_instance ON peers (team, instance_id) WHERE status <> 'deleted';
CREATE UNIQUE INDEX peers_by_name ON peers (team, name) WHERE status <> 'deleted';
CREATE INDEX peers_by_token ON peers (team, inbound_index);
CREATE INDEX peers_by_old_token ON peers (team, old_inbound_index) WHERE old_inbound_index IS NOT NULL;

-- How they do: apart, since it changes with every delivery. A claim is the right to work a peer's rows.
CREATE TABLE peer_states (
    peer            INTEGER PRIMARY KEY REFERENCES peers (number),
    failures        INTEGER NOT NULL DEFAULT 0,
    retry_at        INTEGER,
    last_success_at INTEGER,
    last_error      TEXT,
    latency_ms      INTEGER,
    claim           INTEGER NOT NULL DEFAULT 0,
    claimed_until   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Goes up with every change of the team's peers. 0: it never had any.
ALTER TABLE teams ADD COLUMN peers_version INTEGER NOT NULL DEFAULT 0;

-- Forwards that are due or wait. Those that were never tried (due_at 0) come first and by number, the others by when they
-- are due: both are ranges of the one tree.
CREATE TABLE outbox (
    peer       INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (peer, due_at, seq)
) STRICT, WITHOUT ROWID;

-- Forwards that ended without a delivery: dead, cancelled, discarded.
CREATE TABLE letters (
    peer       INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    PRIMARY KEY (peer, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX letters_by_time ON letters (settled_at);

-- Every attempt, and (attempt 0) what was dropped on purpose. The ids are in the order of time.
CREATE TABLE deliveries (
    team        INTEGER NOT NULL,
    id          TEXT    NOT NULL,
    peer        INTEGER NOT NULL,
    seq         INTEGER,
    event_id    TEXT    NOT NULL,
    event_type  TEXT    NOT NULL,
    attempt     INTEGER NOT NULL,
    status_code INTEGER,
    error       TEXT,
    latency_ms  INTEGER,
    created_at  INTEGER NOT NULL,
    queued_at   INTEGER NOT NULL,
    PRIMARY KEY (team, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_peer ON deliveries (peer, id);
CREATE INDEX deliveries_by_event ON deliveries (event_id);

-- Events that retention took from the log while a forward or a dead letter still needed them.
CREATE TABLE kept_events (
    team       INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    PRIMARY KEY (team, seq)
) STRICT, WITHOUT ROWID;

-- Labels of minted tokens.
CREATE TABLE federation_tokens (
    id         TEXT    PRIMARY KEY,
    team       INTEGER NOT NULL REFERENCES teams (number),
    label      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX federation_tokens_by_team ON federation_tokens (team);

-- Names of events that came from a peer, or may come back from one, are known for longer: what peers sign has no time.
ALTER TABLE dedup ADD COLUMN federated INTEGER NOT NULL DEFAULT 0;
DROP INDEX dedup_by_time;
CREATE INDEX dedup_by_time ON dedup (created_at) WHERE federated = 0;
CREATE INDEX dedup_federated_by_time ON dedup (created_at) WHERE federated = 1;

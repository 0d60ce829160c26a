-- One row: what this database is.
CREATE TABLE instance (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    instance_id    TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    -- Goes up with every change of a key or endpoint, so that a server notices what another process changed.
    access_version INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE teams (
    number      INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    -- The highest number given in the team's log, and the highest that retention has taken.
    last_seq    INTEGER NOT NULL DEFAULT 0,
    pruned_seq  INTEGER NOT NULL DEFAULT 0,
    -- Events accepted in the calendar month (UTC) that is named.
    usage_month TEXT    NOT NULL DEFAULT '',
    events_used INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The logs of all teams in one tree: the key packs the team's number and the event's seq, so that appending and
-- reading a team's log in order touch neighbouring pages and need no second index.
CREATE TABLE events (
    key        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    kitesource TEXT,
    agent_to   TEXT,
    created_at INTEGER NOT NULL,
    text       TEXT    NOT NULL
) STRICT;

CREATE INDEX events_by_id ON events (id);

-- What was accepted before. Kept apart from the events, because it may have to outlive them.
CREATE TABLE dedup (
    team        INTEGER NOT NULL,
    key         BLOB    NOT NULL,
    event_id    TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    fingerprint BLOB,
    PRIMARY KEY (team, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
    team       INTEGER NOT NULL,
    client_id  TEXT    NOT NULL,
    acked      INTEGER NOT NULL,
    scanned    INTEGER NOT NULL,
    filter     BLOB    NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (team, client_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id          TEXT    PRIMARY KEY,
    team        INTEGER NOT NULL REFERENCES teams (number),
    prefix      TEXT    NOT NULL UNIQUE,
    hash        TEXT    NOT NULL,
    name        TEXT,
    scopes      TEXT    NOT NULL,
    permissions TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT;

CREATE INDEX keys_by_team ON keys (team);

CREATE TABLE endpoints (
    id         TEXT    PRIMARY KEY,
    team       INTEGER NOT NULL REFERENCES teams (number),
    source     TEXT    NOT NULL,
    active     INTEGER NOT NULL,
    token_hash TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (team, source)
) STRICT;

CREATE TABLE agents (
    team         INTEGER NOT NULL REFERENCES teams (number),
    id           TEXT    NOT NULL,
    name         TEXT,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER,
    PRIMARY KEY (team, id)
) STRICT, WITHOUT ROWID;

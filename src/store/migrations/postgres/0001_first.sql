-- What this schema is.
CREATE TABLE kite_schema (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
);

CREATE TABLE instance (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    instance_id    TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    -- Goes up with every change of a key or endpoint, so that every node notices it.
    access_version BIGINT  NOT NULL DEFAULT 0,
    -- Tells the key that secrets are sealed with from any other, without telling the key.
    secret_check   BYTEA   NOT NULL
);

-- A team's row is locked by each batch that appends to its log. Room for new versions of it on the same page keeps
-- these updates cheap.
CREATE TABLE teams (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          TEXT   COLLATE "C" NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL,
    -- The highest number given in the team's log, and the highest that retention has taken.
    last_seq    BIGINT NOT NULL DEFAULT 0,
    pruned_seq  BIGINT NOT NULL DEFAULT 0,
    -- Events accepted in the calendar month (UTC) that is named.
    usage_month TEXT   NOT NULL DEFAULT '',
    events_used BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 30);

CREATE TABLE events (
    team       BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    type       TEXT   NOT NULL,
    source     TEXT   NOT NULL,
    kitesource TEXT,
    agent_to   TEXT,
    created_at BIGINT NOT NULL,
    text       TEXT   NOT NULL,
    PRIMARY KEY (team, seq)
);

-- Hashed, since senders choose ids, and a B-tree takes no long ones.
CREATE INDEX events_by_id ON events USING hash (id);

-- What was accepted before. Kept apart from the events, because it may have to outlive them.
CREATE TABLE dedup (
    team        BIGINT NOT NULL,
    key         BYTEA  NOT NULL,
    event_id    TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    fingerprint BYTEA,
    PRIMARY KEY (team, key)
);

CREATE TABLE cursors (
    team       BIGINT NOT NULL,
    client_id  TEXT   COLLATE "C" NOT NULL,
    acked      BIGINT NOT NULL,
    scanned    BIGINT NOT NULL,
    filter     BYTEA  NOT NULL,
    -- Counts the openings. Only the newest one may move the cursor.
    hold       BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (team, client_id)
) WITH (fillfactor = 70);

CREATE TABLE keys (
    id           TEXT   PRIMARY KEY,
    team         BIGINT NOT NULL REFERENCES teams (number),
    prefix       TEXT   NOT NULL UNIQUE,
    hash         TEXT   NOT NULL,
    name         TEXT,
    scopes       TEXT   NOT NULL,
    permissions  TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT
);

CREATE INDEX keys_by_team ON keys (team);

CREATE TABLE endpoints (
    id               TEXT    PRIMARY KEY,
    team             BIGINT  NOT NULL REFERENCES teams (number),
    source           TEXT    COLLATE "C" NOT NULL,
    active           BOOLEAN NOT NULL,
    token_hash       TEXT    NOT NULL,
    -- Sealed, where the token has to be shown again: GitHub's address must not change under a hook that uses it.
    token            BYTEA,
    -- Signing secrets are sealed. The one before stays valid for a while after a rotation.
    secret           BYTEA,
    old_secret       BYTEA,
    old_secret_until BIGINT,
    max_body_bytes   BIGINT,
    created_at       BIGINT  NOT NULL,
    UNIQUE (team, source)
);

CREATE TABLE agents (
    team         BIGINT NOT NULL REFERENCES teams (number),
    id           TEXT   COLLATE "C" NOT NULL,
    name         TEXT,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT,
    PRIMARY KEY (team, id)
);

-- Device logins that wait, or were decided and not fetched yet.
CREATE TABLE logins (
    device_hash    BYTEA    PRIMARY KEY,
    user_code      TEXT     NOT NULL UNIQUE,
    created_at     BIGINT   NOT NULL,
    expires_at     BIGINT   NOT NULL,
    -- Who asks, for the person who decides.
    peer           TEXT     NOT NULL,
    client         TEXT     NOT NULL,
    -- How long to leave between two polls, in seconds, and when the last one was.
    interval_secs  BIGINT   NOT NULL,
    polled_at      BIGINT,
    -- 0 waits, 1 granted, 2 denied. A login that was fetched is deleted.
    state          SMALLINT NOT NULL DEFAULT 0,
    team           BIGINT REFERENCES teams (number),
    permissions    TEXT,
    key_expires_at BIGINT
);

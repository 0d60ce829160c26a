-- The keys that this instance signs with: the highest number signs, the others are published until they retire.
CREATE TABLE signing_keys (
    number     INTEGER PRIMARY KEY,
    seed       BYTEA    NOT NULL,
    created_at BIGINT NOT NULL,
    retires_at BIGINT
);

-- The servers that a team trusts, as far as commands said so.
CREATE TABLE trusted_servers (
    team         BIGINT NOT NULL REFERENCES teams (number),
    url          TEXT    NOT NULL,
    given_url    TEXT    NOT NULL,
    relationship TEXT    NOT NULL,
    trust_policy TEXT,
    did          TEXT,
    api_key      BYTEA,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (team, url)
);

CREATE INDEX trusted_servers_by_url ON trusted_servers (url, created_at);

-- A team's own policy, where a command has set one.
ALTER TABLE teams ADD COLUMN trust_policy TEXT;

-- Dispatches that went out, intents and callbacks that came in. What they are looked up by comes first in each index.
CREATE TABLE exchanges (
    team        BIGINT NOT NULL REFERENCES teams (number),
    own_key     BYTEA    NOT NULL,
    alias_key   BYTEA,
    kind        TEXT    NOT NULL,
    digest      BYTEA    NOT NULL,
    dispatch_id TEXT    NOT NULL,
    party       TEXT    NOT NULL,
    local_id    TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    remote_id   TEXT,
    message     TEXT,
    record      TEXT    NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (own_key, team)
);

CREATE UNIQUE INDEX exchanges_by_alias ON exchanges (alias_key, team) WHERE alias_key IS NOT NULL;
CREATE INDEX exchanges_by_local_id ON exchanges (local_id, kind, team);
CREATE INDEX exchanges_by_state ON exchanges (team, kind, state);

-- Device logins that wait, or were decided and not fetched yet.
CREATE TABLE logins (
    device_hash    BLOB    PRIMARY KEY,
    user_code      TEXT    NOT NULL UNIQUE,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    -- Who asks, for the person who decides.
    peer           TEXT    NOT NULL,
    client         TEXT    NOT NULL,
    -- How long to leave between two polls, in seconds, and when the last one was.
    interval_secs  INTEGER NOT NULL,
    polled_at      INTEGER,
    -- 0 waits, 1 granted, 2 denied. A login that was fetched is deleted.
    state          INTEGER NOT NULL DEFAULT 0,
    team           INTEGER REFERENCES teams (number),
    permissions    TEXT,
    key_expires_at INTEGER
) STRICT, WITHOUT ROWID;

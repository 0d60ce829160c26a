-- Who a peer proved to be when it was connected by an invitation: its Ed25519 key.
ALTER TABLE peers ADD COLUMN identity_key BYTEA;
-- Another kite, or something that only takes messages.
ALTER TABLE peers ADD COLUMN kind TEXT NOT NULL DEFAULT 'kite';
-- Whether it may be told of the team's other peers that are discoverable, and they of it.
ALTER TABLE peers ADD COLUMN discovery BOOLEAN NOT NULL DEFAULT FALSE;

-- What another instance may redeem for a connection, once. The secret is kept as a digest.
CREATE TABLE invites (
    id          TEXT   PRIMARY KEY,
    team        BIGINT NOT NULL REFERENCES teams (number),
    digest      BYTEA  NOT NULL UNIQUE,
    -- What the peer will be called; its instance id where that is not said.
    name        TEXT,
    scopes      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    -- Who has redeemed it, which peer came of it, and when that was first.
    joiner_key  BYTEA,
    peer_id     TEXT,
    redeemed_at BIGINT
);

CREATE INDEX invites_by_team ON invites (team);

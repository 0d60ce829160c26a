-- Who an exchange belongs to among the agents, and how often its record was changed.
ALTER TABLE exchanges ADD COLUMN agent text;
ALTER TABLE exchanges ADD COLUMN version bigint NOT NULL DEFAULT 0;

-- For lists, the newest first.
CREATE INDEX exchanges_by_time ON exchanges (team, kind, created_at, local_id COLLATE "C");

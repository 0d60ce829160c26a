-- Counts the openings of a cursor. Only the newest one may move it.
ALTER TABLE cursors ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;

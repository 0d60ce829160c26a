-- Whether the team's log says last that its quota is used up.
ALTER TABLE teams ADD COLUMN quota_told INTEGER NOT NULL DEFAULT 0;

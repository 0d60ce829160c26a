-- What was accepted before is forgotten by its age.
CREATE INDEX dedup_by_time ON dedup (created_at);

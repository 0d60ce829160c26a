-- Tells the key that secrets are sealed with from any other, without telling the key.
ALTER TABLE instance ADD COLUMN secret_check BLOB;

-- Signing secrets are sealed. The one before stays valid for a while after a rotation.
ALTER TABLE endpoints ADD COLUMN secret BLOB;
ALTER TABLE endpoints ADD COLUMN old_secret BLOB;
ALTER TABLE endpoints ADD COLUMN old_secret_until INTEGER;

-- Sealed, where the token has to be shown again: GitHub's address must not change under a hook that uses it.
ALTER TABLE endpoints ADD COLUMN token BLOB;

ALTER TABLE endpoints ADD COLUMN max_body_bytes INTEGER;

ALTER TABLE keys ADD COLUMN last_used_at INTEGER;

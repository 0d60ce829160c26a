-- The seed of the instance's Ed25519 key, sealed.
ALTER TABLE instance ADD COLUMN identity_key BYTEA;

//! The first start: a team and a key to begin with, and the instance's own keys.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StartError;
use crate::base::random;
use crate::base::secret::Secret;
use crate::protocol::id::TeamId;
use crate::protocol::identity::{IDENTITY_KEY_LEN, InstanceKey};
use crate::protocol::permission::{Permission, Permissions};
use crate::protocol::scope::Scopes;
use crate::protocol::token::{Token, TokenKind};
use crate::store::record::{KeyHash, KeyRecord, Millis};
use crate::store::seal::{KEY_LEN, Sealer};
use crate::store::{Store, StoreError};

/// The file in the data directory that keeps the first key until it is no longer needed.
pub const KEY_FILE: &str = "bootstrap.key";

/// The file in the data directory that keeps the key of the sealed secrets.
const SECRET_KEY_FILE: &str = "secret.key";

/// The place that the seed of the instance's key pair is sealed for.
const IDENTITY_PLACE: &str = "instance identity";

/// The team of the first start.
const FIRST_TEAM: &str = "default";

/// What the first start made.
#[derive(Debug)]
pub struct Bootstrap {
    /// The team.
    pub team: TeamId,
    /// Its admin key.
    pub key: Token,
    /// Where the key is kept too.
    pub key_file: PathBuf,
}

/// A fresh key and its record.
pub fn new_key(
    team: TeamId,
    name: Option<String>,
    permissions: Permissions,
    scopes: Scopes,
    now: Millis,
) -> (Token, KeyRecord) {
    let token = Token::mint(TokenKind::ApiKey, &random::bytes());
    let record = KeyRecord {
        id: random::uuid7(),
        team,
        prefix: token.prefix().to_owned(),
        hash: KeyHash::of(&token),
        name,
        scopes,
        permissions,
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    (token, record)
}

/// Makes the data directory, for its owner alone.
pub(super) fn prepare_dir(dir: &Path) -> Result<(), StartError> {
    let failed = |source| StartError::DataDir {
        path: dir.to_owned(),
        source,
    };
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(failed)
}

/// Makes the first team and key, when there is no team yet.
pub(super) async fn first_start(
    store: &Arc<dyn Store>,
    dir: &Path,
    now: Millis,
) -> Result<Option<Bootstrap>, StartError> {
    if !store.teams().await?.is_empty() {
        return Ok(None);
    }
    let team: TeamId = FIRST_TEAM
        .parse()
        .map_err(|error| StoreError::Failed(format!("{error}")))?;
    let admin = Permissions(vec![Permission::Admin.word().to_owned()]);
    let name = Some("bootstrap".to_owned());
    let (key, record) = new_key(team.clone(), name, admin, Scopes::all(), now);
    // The file goes first: a crash between the two leaves no team, and the next start begins again.
    let key_file = dir.join(KEY_FILE);
    write_secret(&key_file, key.reveal()).map_err(|source| StartError::DataDir {
        path: key_file.clone(),
        source,
    })?;
    match store.create_team(team.clone(), record).await {
        Ok(()) => {}
        // Another node was first: its key is the one that works.
        Err(StoreError::Exists(_)) => {
            // A key that opens nothing may as well stay.
            let _ = fs::remove_file(&key_file);
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Some(Bootstrap {
        team,
        key,
        key_file,
    }))
}

/// The key that secrets are sealed with: the one that was given, else the one in the data directory, made once.
pub(super) fn secret_key(given: Option<&Secret>, dir: &Path) -> Result<[u8; KEY_LEN], StartError> {
    if let Some(key) = kept_secret_key(given, dir)? {
        return Ok(key);
    }
    let path = dir.join(SECRET_KEY_FILE);
    let key: [u8; KEY_LEN] = random::bytes();
    write_secret(&path, &hex(&key)).map_err(|source| StartError::DataDir { path, source })?;
    Ok(key)
}

/// The key that secrets are sealed with, as far as there is one: for commands that work on a server's database.
///
/// # Errors
/// When the one that was given, or the file, holds none.
pub fn kept_secret_key(
    given: Option<&Secret>,
    dir: &Path,
) -> Result<Option<[u8; KEY_LEN]>, StartError> {
    if let Some(given) = given {
        return <[u8; KEY_LEN]>::try_from(given.reveal().as_bytes())
            .map(Some)
            .map_err(|_| StartError::SecretKey(format!("it must be {KEY_LEN} ASCII characters")));
    }
    let path = dir.join(SECRET_KEY_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => key_from_hex(text.trim()).map(Some).ok_or_else(|| {
            StartError::SecretKey(format!("{} does not hold 64 hex digits", path.display()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StartError::DataDir { path, source }),
    }
}

/// The instance's key pair: made once, and kept in the database for all nodes.
pub(super) async fn identity(
    store: &Arc<dyn Store>,
    sealer: &Sealer,
) -> Result<InstanceKey, StoreError> {
    let seed: [u8; IDENTITY_KEY_LEN] = random::bytes();
    let fresh = sealer.seal(IDENTITY_PLACE, Secret::from(hex(&seed)).reveal())?;
    let kept = store.identity_key(fresh).await?;
    let seed = sealer.open(IDENTITY_PLACE, &kept)?;
    let seed = key_from_hex(seed.reveal());
    let key = seed.and_then(|seed| InstanceKey::from_seed(&seed).ok());
    key.ok_or_else(|| StoreError::Failed("the stored identity key is broken".to_owned()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_from_hex(text: &str) -> Option<[u8; KEY_LEN]> {
    let mut key = [0; KEY_LEN];
    if text.len() != 2 * KEY_LEN || !text.is_ascii() {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(key)
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(&temporary)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

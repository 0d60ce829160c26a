//! The first start: a team and a key to begin with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StartError;
use crate::base::random;
use crate::protocol::id::TeamId;
use crate::protocol::permission::{Permission, Permissions};
use crate::protocol::scope::Scopes;
use crate::protocol::token::{Token, TokenKind};
use crate::store::Store;
use crate::store::record::{KeyHash, KeyRecord, Millis};

/// The file in the data directory that keeps the first key until it is no longer needed.
pub const KEY_FILE: &str = "bootstrap.key";

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
        .map_err(|error| crate::store::StoreError::Failed(format!("{error}")))?;
    let admin = Permissions(vec![Permission::Admin.word().to_owned()]);
    let name = Some("bootstrap".to_owned());
    let (key, record) = new_key(team.clone(), name, admin, Scopes::all(), now);
    // The file goes first: a crash between the two leaves no team, and the next start begins again.
    let key_file = dir.join(KEY_FILE);
    write_secret(&key_file, key.reveal()).map_err(|source| StartError::DataDir {
        path: key_file.clone(),
        source,
    })?;
    store.create_team(team.clone(), record).await?;
    Ok(Some(Bootstrap {
        team,
        key,
        key_file,
    }))
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

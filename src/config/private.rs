//! Files that only their owner may read: made with the right mode, replaced whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::base::random;

/// Words an IO error with the file it was about.
pub(super) fn fault(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> ConfigError {
    let path = path.to_owned();
    move |cause| ConfigError::File {
        action,
        path,
        cause,
    }
}

/// Reads a text file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault("read", path)(error)),
    }
}

/// Replaces a file: a temporary one beside it, mode 0600, is synced and renamed over it.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), ConfigError> {
    // A link (as managers of dotfiles make them) stays a link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    make_parent(&target)?;
    let temporary = temporary_beside(&target);
    let written = write_new(&temporary, text).and_then(|()| fs::rename(&temporary, &target));
    if written.is_err() {
        // Nothing more can be done about a leftover; the error that is returned says what failed.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(fault("write", path))
}

/// Opens a file to lock it, making it if need be.
pub(super) fn open_lock(path: &Path) -> Result<File, ConfigError> {
    make_parent(path)?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    owner_only(&mut options);
    options.open(path).map_err(fault("open", path))
}

/// Whether others than the owner may read the file.
pub(super) fn is_exposed(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o044 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

fn temporary_beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}", random::uuid7()))
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    owner_only(&mut options);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn make_parent(path: &Path) -> Result<(), ConfigError> {
    let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(parent)
        .map_err(fault("make the directory", parent))
}

fn owner_only(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

//! Where a socket is: made for its owner alone, never in the place of something else, gone at the end.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use super::SocketFault;
use crate::base::random;

/// A socket's file. It goes with this value, unless something else stands there by then.
pub(super) struct Place {
    path: PathBuf,
    inode: (u64, u64),
}

impl Place {
    /// Makes a socket there. It comes to its place finished, so nobody else can reach it at any moment.
    pub(super) fn take(path: &Path) -> Result<(Self, UnixListener), SocketFault> {
        let fault = |why| SocketFault::make(path, why);
        // The directory of this process may change.
        let path = &std::path::absolute(path).map_err(fault)?;
        judge(path, occupant(path).map_err(fault)?)?;
        let nook = Nook::beside(path).map_err(fault)?;
        let made = nook.0.join("s");
        let is_too_long = |path| SocketAddr::from_pathname(path).is_err();
        if is_too_long(&made) || is_too_long(path) {
            return Err(SocketFault::TooLong(path.display().to_string()));
        }
        let listener = UnixListener::bind(&made).map_err(fault)?;
        fs::set_permissions(&made, Permissions::from_mode(0o600)).map_err(fault)?;
        clear(path, &nook)?;
        // Unlike a move, a link replaces nothing.
        fs::hard_link(&made, path).map_err(|why| match why.kind() {
            io::ErrorKind::AlreadyExists => SocketFault::InUse(path.display().to_string()),
            _ => fault(why),
        })?;
        let place = Self {
            inode: inode(&made).map_err(fault)?,
            path: path.clone(),
        };
        Ok((place, listener))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            // What is left behind is removed by whoever needs the place.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// What stands in a place.
enum Occupant {
    Nothing,
    /// A socket whose program has gone.
    LeftOver,
    /// A socket that a program has.
    InUse,
    NoSocket,
}

fn occupant(path: &Path) -> io::Result<Occupant> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Nothing),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => return Ok(Occupant::NoSocket),
        Ok(_) => {}
    }
    // A datagram socket asks without being taken for a reader, and a full backlog does not hold it up. It is refused
    // where no program has the socket, and told of the wrong type where one has.
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Ok(Occupant::LeftOver),
            io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => Err(error),
            _ => Ok(Occupant::InUse),
        },
        Ok(()) => Ok(Occupant::InUse),
    }
}

/// Whether what stands there may be replaced; also whether there is anything.
fn judge(path: &Path, occupant: Occupant) -> Result<bool, SocketFault> {
    let path = || path.display().to_string();
    match occupant {
        Occupant::Nothing => Ok(false),
        Occupant::LeftOver => Ok(true),
        Occupant::InUse => Err(SocketFault::InUse(path())),
        Occupant::NoSocket => Err(SocketFault::NoSocket(path())),
    }
}

/// Removes a socket that nobody listens on. It is moved aside and looked at again: of two that want the place one gets
/// it, and a socket that came there in between goes back.
fn clear(path: &Path, nook: &Nook) -> Result<(), SocketFault> {
    let fault = |why| SocketFault::make(path, why);
    if !judge(path, occupant(path).map_err(fault)?)? {
        return Ok(());
    }
    let aside = nook.0.join("old");
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        moved => moved.map_err(fault)?,
    }
    let verdict = occupant(&aside).map_err(fault);
    match verdict.and_then(|occupant| judge(path, occupant)) {
        Ok(_) => fs::remove_file(&aside).map_err(fault),
        Err(why) => {
            fs::rename(&aside, path).map_err(fault)?;
            Err(why)
        }
    }
}

/// A directory that only this user can enter. It goes with this value, unless something of somebody else's is in it.
struct Nook(PathBuf);

impl Nook {
    fn beside(path: &Path) -> io::Result<Self> {
        let name = u32::from_le_bytes(random::bytes());
        // Short, since a socket's path has hardly more than a hundred bytes.
        let nook = path.with_file_name(format!(".k{name:08x}"));
        DirBuilder::new().mode(0o700).create(&nook)?;
        Ok(Self(nook))
    }
}

impl Drop for Nook {
    fn drop(&mut self) {
        // There may be none.
        let _ = fs::remove_file(self.0.join("s"));
        let _ = fs::remove_dir(&self.0);
    }
}

//! What goes wrong with a server of one's own: its start, its database, a measurement of it.

use super::{CommandError, Kind};
use crate::bench::BenchError;
use crate::cli::text::visible;
use crate::server::StartError;
use crate::store::StoreError;

impl From<BenchError> for CommandError {
    fn from(error: BenchError) -> Self {
        let message = visible(&error.to_string()).into_owned();
        match error {
            BenchError::Client(error) => error.into(),
            BenchError::Size(_) => Self::usage(message).with_hint("`--size` sets it"),
            BenchError::Batch(..) => {
                Self::usage(message).with_hint("`--batch` or `--size` takes less")
            }
            BenchError::Files { needed, .. } => Self::failed(message)
                .with_hint(format!("`ulimit -n {needed}` in this shell raises it")),
            _ => Self::failed(message),
        }
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        let text = error.to_string();
        match error {
            StartError::Listen { source, .. } => Self::failed(format!("{text}: {source}"))
                .with_hint("`--listen` takes another address; port 0 picks a free one"),
            StartError::DataDir { source, .. } => Self::failed(format!("{text}: {source}"))
                .with_hint("`--data-dir` names another directory"),
            StartError::Tls(_) => Self::failed(text).with_hint(
                "`--tls-cert` names the chain, the server's own certificate first, `--tls-key` its private key; both in PEM",
            ),
            StartError::Trust(error) => error.into(),
            StartError::SecretKey(_) => Self::failed(text)
                .with_hint("`KITE_SECRET_KEY` gives it; otherwise it is made once"),
            StartError::InstanceId(_) => {
                Self::usage(text).with_hint("`--instance-id` gives it another name")
            }
            StartError::Paperclip(_) => Self::usage(text).with_hint(
                "`--paperclip-api-url` takes the base of its API, `KITE_PAPERCLIP_API_KEY` its key",
            ),
            StartError::Thread(source) => Self::failed(format!("{text}: {source}"))
                .with_hint("the limit of processes (`ulimit -u`) may be too low"),
            StartError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Address(_) => Self::usage(message),
            StoreError::Missing(_) => Self::new(Kind::NotFound, message)
                .with_hint("`kite serve` makes one; `--data-dir` or `--database` says where it is"),
            StoreError::NotKite(_) => {
                Self::failed(message).with_hint("name the file that `kite admin backup` or a server made; `--database` names a server's")
            }
            StoreError::Newer { .. } => {
                Self::failed(message).with_hint("run the kite that made it, or a newer one")
            }
            StoreError::InUse(_) => Self::failed(message)
                .with_hint("end the other server, or give this one its own `--data-dir`"),
            StoreError::Unusable { .. } => {
                Self::failed(message).with_hint("`--data-dir` and `--database` say where the data is")
            }
            StoreError::OtherInstance { .. } => Self::failed(message)
                .with_hint("leave `--instance-id` out, or name another database"),
            StoreError::OtherSecretKey => Self::failed(message).with_hint(
                "give the key that it began with: in `KITE_SECRET_KEY`, or in `secret.key` in the data directory",
            ),
            StoreError::IsBackup(_) => Self::failed(message)
                .with_hint("`kite admin restore` makes a database of it, in which no number comes again"),
            StoreError::Damaged { .. } => Self::failed(message)
                .with_hint("`kite admin check` lists what is wrong; a backup is checked with `--database sqlite:FILE`"),
            StoreError::NotEmpty(_) => Self::failed(message)
                .with_hint("`--replace` replaces it; `--data-dir` and `--database` name another place"),
            StoreError::Shared { .. } => {
                Self::failed(message).with_hint("stop every node and every other command on it first")
            }
            StoreError::NumbersGiven { .. } => Self::failed(message)
                .with_hint("leave out `--keep-numbers`: the events get new numbers, and none comes again"),
            StoreError::NumbersSpent(_) => Self::failed(message)
                .with_hint("`--keep-numbers` restores it as it was, if nothing was lost"),
            StoreError::NotFound(_) => Self::new(Kind::NotFound, message),
            StoreError::Away(_) | StoreError::Unknown(_) => {
                Self::new(Kind::Unreachable, message)
            }
            StoreError::Unwritable(_) => Self::failed(message)
                .with_hint("make room on its disk, or raise the quota or limit that stops it"),
            StoreError::Failed(_) | StoreError::Closed | StoreError::Exists(_) => {
                Self::failed(message)
            }
        }
    }
}

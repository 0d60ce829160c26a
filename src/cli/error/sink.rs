//! What goes wrong where events are handed on: the local queue, its replays, and the sinks.

use super::{CommandError, Kind};
use crate::sink::paperclip::PaperclipFault;
use crate::sink::replay::ReplayFault;
#[cfg(unix)]
use crate::sink::socket::SocketFault;
use crate::sink::{MakeFault, QueueFault};

impl From<QueueFault> for CommandError {
    fn from(fault: QueueFault) -> Self {
        let message = fault.to_string();
        if fault.is_damage() {
            return Self::failed(message).with_hint(
                "kite does not replace it: move it away, or give another directory with `KITE_DATA_DIR`",
            );
        }
        match fault {
            QueueFault::Open { .. } => Self::failed(message).with_hint("events that are not taken are kept in it: `KITE_DATA_DIR` names a directory that can be written"),
            QueueFault::Newer { .. } => {
                Self::failed(message).with_hint("update this kite, or give it another `KITE_DATA_DIR`")
            }
            QueueFault::Foreign { .. } | QueueFault::Sql(_) | QueueFault::Interrupted => {
                Self::failed(message)
            }
        }
    }
}

impl From<ReplayFault> for CommandError {
    fn from(fault: ReplayFault) -> Self {
        let message = fault.to_string();
        match fault {
            ReplayFault::Queue(fault) => fault.into(),
            ReplayFault::Make(MakeFault::NoFederationToken | MakeFault::FederationToken(_)) => {
                Self::usage(message).with_hint(REPLAYED_TOKEN_HINT)
            }
            ReplayFault::Make(fault) => fault.into(),
            ReplayFault::NoSink(_) | ReplayFault::Recipe { .. } => Self::usage(message)
                .with_hint("say where they are to go: `--target http://localhost:3000/webhooks`"),
        }
    }
}

/// Both ways of giving the token of another instance.
const FEDERATION_TOKEN_HINT: &str =
    "put it into `KITE_FEDERATION_TOKEN`, or pipe it in: `--federation-token -`";

/// A replay has no flag for it, and other entries need none.
const REPLAYED_TOKEN_HINT: &str = "put it into `KITE_FEDERATION_TOKEN`, or pick entries that were not forwarded with `--source` or `--seq`";

impl CommandError {
    /// There is nothing to open the hook of another instance with.
    pub fn no_federation_token() -> Self {
        Self::usage("forwarding needs the token of the other instance")
            .with_hint(FEDERATION_TOKEN_HINT)
    }
}

impl From<MakeFault> for CommandError {
    fn from(fault: MakeFault) -> Self {
        match fault {
            MakeFault::Tls(error) => Self::failed(error.to_string()),
            MakeFault::Secret(error) => Self::usage(error.to_string()),
            MakeFault::NoSignSecret => Self::usage(fault.to_string())
                .with_hint("give the secret that the proxy had: `--sign-secret -`"),
            MakeFault::NoFederationToken | MakeFault::FederationToken(_) => {
                Self::usage(fault.to_string()).with_hint(FEDERATION_TOKEN_HINT)
            }
            #[cfg(unix)]
            MakeFault::Socket(error) => error.into(),
            MakeFault::Paperclip(error) => error.into(),
            MakeFault::NoProxy | MakeFault::NoSockets => Self::usage(fault.to_string()),
        }
    }
}

#[cfg(unix)]
impl From<SocketFault> for CommandError {
    fn from(fault: SocketFault) -> Self {
        let message = fault.to_string();
        match fault {
            SocketFault::InUse(_) => {
                Self::failed(message).with_hint("end that program, or name another path")
            }
            SocketFault::NoSocket(_) => Self::usage(message).with_hint("name another path"),
            SocketFault::TooLong(_) => {
                Self::usage(message).with_hint("name one of less than ninety bytes")
            }
            SocketFault::Make { .. } => Self::failed(message),
        }
    }
}

impl From<PaperclipFault> for CommandError {
    fn from(fault: PaperclipFault) -> Self {
        let message = fault.to_string();
        match fault {
            PaperclipFault::NoKey | PaperclipFault::Key => {
                Self::new(Kind::NotLoggedIn, message).with_hint("set `PAPERCLIP_API_KEY`")
            }
            PaperclipFault::PlainHttp(_) => {
                Self::new(Kind::NotPermitted, message).with_hint("use its https address")
            }
            PaperclipFault::Address | PaperclipFault::Id(_) => Self::usage(message),
            PaperclipFault::Tls(error) => Self::failed(error.to_string()),
        }
    }
}

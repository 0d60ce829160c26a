//! Words for what an agent's tools could not do. Its hints name tools where those help, and commands where a person has to.

use super::{CommandError, Kind};
use crate::cli::text::visible;
use crate::client::ClientError;
use crate::mcp::{Fault, ServeError, Words};

impl CommandError {
    /// The error as a tool gives it.
    pub fn words(&self) -> Words {
        Words {
            message: self.message.clone(),
            hint: self.hint.clone(),
        }
    }
}

impl From<ServeError> for CommandError {
    fn from(error: ServeError) -> Self {
        let message = error.to_string();
        match error {
            ServeError::Client(_) => Self::failed(message)
                .with_hint("`kite help mcp` says how a client starts this server"),
            ServeError::Broken(_) => Self::failed(message),
        }
    }
}

impl From<Fault> for CommandError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Arguments(why) => Self::usage(format!("the arguments do not fit: {why}"))
                .with_hint("the tool's input schema says what it takes"),
            Fault::TooMany(most) => Self::new(
                Kind::RateLimited,
                format!("{most} calls are being answered, and no more are at once"),
            )
            .with_hint("call again when one of them has answered"),
            Fault::NoAgent => Self::new(
                Kind::NotLoggedIn,
                "there is no agent to act as: none is registered here",
            )
            .with_hint(
                "whoever runs this makes one with `kite agent register --name NAME`, or names one with \
                 `kite mcp --as-id ID`; then call again",
            ),
            Fault::NoAccess(words) => Self {
                kind: Kind::Failed,
                message: words.message,
                hint: words.hint,
            },
            Fault::NotSent(error) => Self::not_sent(error),
            Fault::Deaf { why, is_unsent } => {
                let what = match is_unsent {
                    true => "for the reply, so nothing was sent",
                    false => "for messages",
                };
                let why = visible(&why);
                Self::new(Kind::Unreachable, format!("cannot listen {what}: {why}")).with_hint(
                    "is the server there? Without `wait_secs` a message is sent, and the inbox shown, without listening",
                )
            }
            Fault::Unanswerable { id, refusal } => {
                let hint = match refusal.status {
                    403 => "the key needs `read`; or `to` says whom the answer is for",
                    _ => "`list_events` shows the ids there are; or `to` says whom the answer is for",
                };
                Self::no_answered_event(&id, &refusal).with_hint(hint)
            }
            Fault::NotAMessage { id, why } => {
                let (id, why) = (visible(&id), visible(&why));
                Self::failed(format!("the event `{id}` does not fit: {why}"))
                    .with_hint("give the id of a message, as `inbox` or `send_message` told it")
            }
            Fault::NoEvent(id) => {
                let message = format!("there is no event `{}`", visible(&id));
                Self::new(Kind::NotFound, message).with_hint(
                    "`list_events` shows the ids there are; what is old is removed after a while",
                )
            }
            Fault::NoSuchMessage(seq) => Self::new(
                Kind::NotFound,
                format!("no message to you has the number {seq}"),
            )
            .with_hint("`inbox` shows those that wait, each with its `seq`"),
            Fault::NotKept(seq) => Self::failed(format!(
                "the server has not kept the acknowledgement of {seq}"
            ))
            .with_hint("call `ack` again; if that does not help, another process may read this mailbox"),
            Fault::TooLarge { id, bytes } => {
                let id = visible(&id);
                Self::failed(format!(
                    "the event `{id}` has {bytes} bytes, too many to be read in one piece"
                ))
                .with_hint("the tool `read_event` gives it in pieces")
            }
            Fault::Log(ClientError::Refused(refusal)) if refusal.is_unserved() => {
                Self::new(Kind::NotFound, "the server keeps no readable log").with_hint(
                    "it is too old, or the hosted service; `kite serve` runs one that does",
                )
            }
            Fault::Log(error) | Fault::Server(error) => error.into(),
        }
    }
}

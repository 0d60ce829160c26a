//! Why a tool gives no result, as a value; whoever runs the server words it.

use std::fmt;

use crate::client::{ClientError, Refusal};
use crate::protocol::id::Seq;

/// What an agent reads of a failure: what failed and why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What failed, and why.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl fmt::Display for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Why a tool gives no result.
#[derive(Debug)]
pub enum Fault {
    /// The arguments do not fit.
    Arguments(String),
    /// Too many calls are being answered; so many may be at once.
    TooMany(usize),
    /// There is no identity to act as.
    NoAgent,
    /// There is no server, key or team to talk to: the reason is worded already.
    NoAccess(Words),
    /// A message was not sent.
    NotSent(ClientError),
    /// Nobody can hear of what comes, for this reason.
    Deaf {
        /// The reason.
        why: String,
        /// Whether a message was to be sent, and was not.
        is_unsent: bool,
    },
    /// The event that is to be answered cannot be had.
    Unanswerable {
        /// Its id.
        id: String,
        /// What the server says.
        refusal: Refusal,
    },
    /// An event is no message of the kind that is needed.
    NotAMessage {
        /// Its id.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no event with this id.
    NoEvent(String),
    /// No message to the agent has this number.
    NoSuchMessage(Seq),
    /// The server did not keep an acknowledgement.
    NotKept(Seq),
    /// An event is larger than a resource may be, in bytes.
    TooLarge {
        /// Its id.
        id: String,
        /// How large it is, in bytes.
        bytes: usize,
    },
    /// The log cannot be read.
    Log(ClientError),
    /// Another call failed.
    Server(ClientError),
}

impl Fault {
    /// Whether the key is not taken (any more).
    pub(super) fn is_denial(&self) -> bool {
        match self {
            Self::NotSent(error) | Self::Log(error) | Self::Server(error) => match error {
                ClientError::Denied(_) => true,
                ClientError::Refused(refusal) => refusal.status == 401,
                _ => false,
            },
            _ => false,
        }
    }
}

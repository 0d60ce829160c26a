//! Frames over a socket, within their limits, and what the server's last words mean.

use std::time::Duration;

use futures_util::SinkExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::ClientError;
use super::connect::Socket;
use crate::protocol::error::{CloseCode, ErrorCode, REPLACED};
use crate::protocol::frame::ClientFrame;
use crate::protocol::rpc::Failure;

/// How long a frame may take to leave. A server that takes no bytes is as good as gone.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// Why a connection is over, as far as the server's end of it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key does not open the team.
    Denied(String),
    /// The server does not understand this client.
    Rejected(String),
    /// Another connection has taken the client id.
    Replaced,
    /// A limit was reached, which passes.
    Limited(Failure),
    /// The connection broke.
    Broken(String),
}

impl Verdict {
    /// The same for a caller who makes one attempt.
    pub(super) fn word(self, server: &str) -> ClientError {
        let lost = |why: String| ClientError::Lost {
            server: server.to_owned(),
            why,
        };
        match self {
            Self::Denied(text) => ClientError::Denied(text),
            Self::Rejected(text) => ClientError::Rejected(text),
            Self::Limited(failure) => ClientError::Failed(failure),
            Self::Replaced => lost(REPLACED.to_owned()),
            Self::Broken(why) => lost(why),
        }
    }
}

/// Sends a frame.
pub(super) async fn send(socket: &mut Socket, frame: &ClientFrame) -> Result<(), Verdict> {
    deliver(socket, Message::text(frame.to_text())).await
}

/// Sends a ping: whoever is there answers.
pub(super) async fn ping(socket: &mut Socket) -> Result<(), Verdict> {
    deliver(socket, Message::Ping(Default::default())).await
}

/// Says goodbye, so that the server need not wait for silence.
pub(super) async fn close(socket: &mut Socket) {
    // Whether it hears that changes nothing here.
    let _ = timeout(Duration::from_secs(1), socket.close(None)).await;
}

async fn deliver(socket: &mut Socket, message: Message) -> Result<(), Verdict> {
    match timeout(SEND_LIMIT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        // What the server said before the socket broke is still to be read, and says more than this failure; a socket
        // with nothing left to read shows at the next read that it broke.
        Ok(Err(error)) => {
            tracing::debug!(%error, "a frame did not leave");
            Ok(())
        }
        Err(_) => Err(Verdict::Broken("the server takes no bytes".to_owned())),
    }
}

/// The text of a message; `None` for what the library answers itself.
pub(super) fn text_of(
    message: Option<Result<Message, WsError>>,
) -> Result<Option<String>, Verdict> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
        Some(Ok(Message::Close(Some(frame)))) => {
            Err(judge(u16::from(frame.code).into(), frame.reason.as_str()))
        }
        Some(Ok(Message::Close(None))) | None => Err(Verdict::Broken(
            "the server closed the connection".to_owned(),
        )),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(Verdict::Broken(error.to_string())),
    }
}

/// What an error of the server means (spec 5.3): two of them no reconnect can mend.
pub(super) fn judge(code: u32, message: &str) -> Verdict {
    let is = |known: CloseCode| code == u32::from(known.number());
    let text = || match message.is_empty() {
        true => format!("the server closed the connection ({code})"),
        false => format!("{message} ({code})"),
    };
    let limited = |code: ErrorCode| {
        Verdict::Limited(Failure {
            error: text(),
            code: Some(code),
            retry_after_secs: None,
        })
    };
    if is(CloseCode::AuthFailed) {
        Verdict::Denied(message.to_owned())
    } else if is(CloseCode::InvalidMessage) && message.contains(REPLACED) {
        Verdict::Replaced
    } else if is(CloseCode::InvalidMessage) {
        Verdict::Rejected(message.to_owned())
    } else if is(CloseCode::RateLimited) {
        limited(ErrorCode::RateLimited)
    } else if is(CloseCode::QuotaBlocked) {
        limited(ErrorCode::PaymentRequired)
    } else {
        Verdict::Broken(text())
    }
}

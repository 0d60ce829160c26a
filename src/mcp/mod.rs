//! A server of the Model Context Protocol over two streams: an agent that has no shell sends and receives messages, and
//! reads the team's log.
//!
//! The protocol is the SDK's (`rmcp`); this room says which tools and resources there are, and does with `client` what each
//! call asks for. It keeps no state of the agent: see [`mailbox`].

mod answers;
mod arguments;
mod fault;
mod host;
mod lines;
mod log;
mod mailbox;
mod messages;
mod patience;
mod resources;
mod server;
mod tools;

use std::future::Future;

use rmcp::service::{QuitReason, ServerInitializeError};
use rmcp::{RoleServer, ServiceExt};
use tokio::io::{AsyncRead, AsyncWrite};

pub use fault::{Fault, Words};
pub use host::{Access, Host, Mailbox};
use lines::Lines;
use server::Server;

/// Why the server ended before its client did.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The client speaks another protocol.
    #[error("the client does not speak the Model Context Protocol: {0}")]
    Client(String),
    /// The server itself broke.
    #[error("the server broke: {0}")]
    Broken(String),
}

/// Answers what is asked on `input` until that ends, or `stop` is done. Nothing but the protocol is written to `output`.
///
/// # Errors
///
/// When the client does not begin as the protocol wants it, or the server breaks.
pub async fn serve<H: Host>(
    host: H,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let server = Server::new(host);
    let settling = server.clone();
    let mut stop = std::pin::pin!(stop);
    let started = tokio::select! {
        biased;
        () = stop.as_mut() => return Ok(()),
        started = ServiceExt::<RoleServer>::serve(server, Lines::new(input, output)) => started,
    };
    let running = match started {
        Ok(running) => running,
        // It went away before it said anything.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(ServerInitializeError::ExpectedInitializeRequest(_)) => {
            let why = "it does not begin with `initialize`";
            return Err(ServeError::Client(why.to_owned()));
        }
        Err(error) => return Err(ServeError::Client(error.to_string())),
    };
    let cancellation = running.cancellation_token();
    let mut waiting = std::pin::pin!(running.waiting());
    let ended = tokio::select! {
        biased;
        () = stop => {
            cancellation.cancel();
            waiting.await
        }
        ended = waiting.as_mut() => ended,
        never = settling.settle() => match never {},
    };
    match ended {
        Ok(QuitReason::JoinError(error)) => Err(ServeError::Broken(error.to_string())),
        Err(error) => Err(ServeError::Broken(error.to_string())),
        Ok(_) => Ok(()),
    }
}

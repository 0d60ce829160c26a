//! From a server's address to a connection that it has let in.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::connect::{Connector, HANDSHAKE_LIMIT, Socket};
use super::frames::{self, Verdict, judge, text_of};
use super::{ClientError, Server};
use crate::protocol::VERSION;
use crate::protocol::frame::{ClientFrame, Connect, ServerFrame};
use crate::protocol::id::{ClientId, Seq, TeamId};
use crate::protocol::scope::Scope;

/// The server's answer to `connect`.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The name of the cursor.
    pub client_id: String,
    /// Where delivery continues from.
    pub last_seq: Seq,
}

/// The first frame for a server.
pub(super) fn connect_frame(
    server: &Server,
    team: &TeamId,
    scopes: &[Scope],
    client_id: Option<&ClientId>,
) -> Connect {
    Connect {
        version: VERSION,
        token: server.key.reveal().to_owned(),
        team_id: team.as_str().to_owned(),
        scopes: scopes.iter().map(Scope::to_string).collect(),
        client_id: client_id.map(|id| id.as_str().to_owned()),
    }
}

/// Opens a socket and has `connect` answered. Each of the two has `limit` to come about.
pub(super) async fn establish(
    connector: &Connector,
    connect: Connect,
    limit: Duration,
) -> Result<(Socket, Standing), ClientError> {
    let mut socket = connector.open(limit).await?;
    let standing = introduce_within(limit, &mut socket, connect).await;
    let standing = standing.map_err(|verdict| verdict.word(connector.address()))?;
    Ok((socket, standing))
}

/// Opens a socket that is let in, for one of very many in a process. Without a client id nobody comes back to its cursor.
pub async fn enter(
    connector: &Connector,
    server: &Server,
    team: &TeamId,
    scopes: &[Scope],
    client_id: Option<&ClientId>,
    buffer_bytes: usize,
) -> Result<Socket, ClientError> {
    let limit = HANDSHAKE_LIMIT;
    let mut socket = connector.open_reading(buffer_bytes, limit).await?;
    let connect = connect_frame(server, team, scopes, client_id);
    let standing = introduce_within(limit, &mut socket, connect).await;
    standing.map_err(|verdict| verdict.word(connector.address()))?;
    Ok(socket)
}

async fn introduce_within(
    limit: Duration,
    socket: &mut Socket,
    connect: Connect,
) -> Result<Standing, Verdict> {
    let standing = timeout(limit, introduce(socket, connect)).await;
    standing.unwrap_or_else(|_| {
        let why = "the server did not answer `connect` in time";
        Err(Verdict::Broken(why.to_owned()))
    })
}

async fn introduce(socket: &mut Socket, connect: Connect) -> Result<Standing, Verdict> {
    frames::send(socket, &ClientFrame::Connect(connect)).await?;
    loop {
        let Some(text) = text_of(socket.next().await)? else {
            continue;
        };
        match ServerFrame::parse(&text) {
            Ok(ServerFrame::Connected {
                last_seq,
                client_id,
            }) => {
                return Ok(Standing {
                    client_id,
                    last_seq,
                });
            }
            Ok(ServerFrame::Error { code, message }) => return Err(judge(code, &message)),
            Ok(_) => {}
            Err(fault) => {
                let why = format!("its answer to `connect` cannot be read: {fault}");
                return Err(Verdict::Broken(why));
            }
        }
    }
}

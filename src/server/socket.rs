//! `GET /ws`: from the upgrade to the last words.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use schemars::json_schema;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{
    CloseCode as WsCloseCode, Data, OpCode,
};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};

use super::body::Share;
use super::connection;
use super::description::{Operation, Routes};
use super::error::ApiError;
use super::listen::{ConnectionPermit, Peer};
use super::session::Refusal;
use super::state::App;
use super::stranger::Stranger;
use crate::base::request::RequestId;
use crate::protocol::error::CloseCode;
use crate::protocol::frame::{CLIENT_FRAME_MAX_BYTES, ServerFrame};
use crate::store::StoreError;

/// How long the socket may accept no bytes before the client counts as too slow (spec 5.3).
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// How long the client may take to answer a close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The largest frame that published clients take; their limit for a whole message is higher.
const FRAME_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Buffers of an idle connection: the library's defaults hold 128 KiB each.
fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(2 * 1024)
        .write_buffer_size(4 * 1024)
        // A cap on what waits for the socket; a single larger frame still passes.
        .max_write_buffer_size(64 * 1024 * 1024)
        .max_message_size(Some(CLIENT_FRAME_MAX_BYTES))
        .max_frame_size(Some(CLIENT_FRAME_MAX_BYTES))
}

/// A client's WebSocket.
pub(super) type Socket = WebSocketStream<Stranger<TokioIo<hyper::upgrade::Upgraded>>>;

/// What is served of it.
pub(super) fn routes() -> Routes {
    let operation = Operation::get(
        "/ws",
        "connect",
        "The WebSocket over which events come as they are stored: `/asyncapi.yaml` describes it.",
    )
    .gives_nothing(
        StatusCode::SWITCHING_PROTOCOLS,
        "A WebSocket (RFC 6455). The key is shown in its first frame.",
    )
    .refuses(
        StatusCode::BAD_REQUEST,
        "This is no handshake of a WebSocket.",
    );
    let described = Operation::get(
        "/asyncapi.yaml",
        "asyncapi",
        "What is said over the WebSocket.",
    )
    .gives_content(
        StatusCode::OK,
        "AsyncAPI 3.0",
        "application/yaml",
        |_| json_schema!({"type": "object"}),
    );
    Routes::new()
        .add(operation, upgrade)
        .add(described, tell_description)
}

/// `GET /asyncapi.yaml`.
async fn tell_description() -> Response {
    let yaml = HeaderValue::from_static("application/yaml");
    ([(header::CONTENT_TYPE, yaml)], DESCRIPTION).into_response()
}

/// What is said over the WebSocket. It is written by hand: what a session is does not follow from the types of its frames.
const DESCRIPTION: &str = include_str!("../../docs/asyncapi.yaml");

/// Answers the upgrade request and hands the socket to a task of its own.
pub(super) async fn upgrade(State(app): State<Arc<App>>, mut request: Request<Body>) -> Response {
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(refused) => return refused.into_response(),
    };
    let permit = request.extensions_mut().remove::<ConnectionPermit>();
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let upgrade = hyper::upgrade::on(&mut request);
    // What the session logs belongs to the request that it began with.
    let id = RequestId::current().unwrap_or_else(RequestId::fresh);
    tokio::spawn(id.scope(async move {
        // Held as long as the socket lives, so that upgraded connections count too.
        let _permit = permit;
        // A client that went away before the upgrade leaves nothing to do.
        let Ok(upgraded) = upgrade.await else { return };
        let share = Share::begin(&app.bodies, peer);
        let io = Stranger::new(TokioIo::new(upgraded), share);
        let socket =
            WebSocketStream::from_raw_socket(io, Role::Server, Some(socket_config())).await;
        // On the heap, so that an idle connection holds what it needs and not the largest state of everything.
        Box::pin(converse(app, peer, socket)).await;
    }));
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The answer to a WebSocket handshake (RFC 6455, 4.2).
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, ApiError> {
    use base64::Engine as _;
    let has = |name: header::HeaderName, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        return Err(ApiError::bad_request("this address speaks WebSocket only"));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(ApiError::bad_request("WebSocket version 13 is needed"));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(key);
    if !decoded.is_ok_and(|key| key.len() == 16) {
        return Err(ApiError::bad_request(
            "`Sec-WebSocket-Key` must be 16 bytes in base64",
        ));
    }
    HeaderValue::from_str(&derive_accept_key(key))
        .map_err(|_| ApiError::bad_request("`Sec-WebSocket-Key` cannot be used"))
}

/// Why a conversation ends.
pub(super) enum End {
    /// The client is told, then closed.
    Refused(Refusal),
    /// The server ends: close code 1001, nothing wrong.
    Ending,
    /// The store does not serve: close code 1013, try again later.
    NoStore,
    /// The client said goodbye, or the connection broke.
    Gone,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<WsError> for End {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Capacity(error) => Self::Refused(Refusal::new(
                CloseCode::InvalidMessage,
                format!("the frame is too large: {error}"),
            )),
            WsError::Utf8(_) => Self::Refused(Refusal::new(
                CloseCode::InvalidMessage,
                "the frame is not UTF-8",
            )),
            _ => Self::Gone,
        }
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        // The client reconnects and resumes: that is the whole remedy. An outage is logged where it begins.
        if !error.is_outage() {
            tracing::error!(%error, "a session ends because the store failed");
        }
        Self::NoStore
    }
}

async fn converse(app: Arc<App>, peer: Option<IpAddr>, mut socket: Socket) {
    let end = match connection::greet(&app, peer, &mut socket).await {
        Ok(mut connection) => {
            let end = connection.run(&mut socket).await;
            connection.note_progress();
            tracing::debug!(team = %connection.key.team, client = %connection.client, "a session ended");
            end
        }
        Err(end) => end,
    };
    let close = match end {
        End::Gone => return,
        End::Ending => CloseFrame {
            code: WsCloseCode::Away,
            reason: Utf8Bytes::from_static("the server is ending"),
        },
        End::NoStore => CloseFrame {
            code: WsCloseCode::Again,
            reason: Utf8Bytes::from_static("the server cannot use its database: try again later"),
        },
        End::Refused(refusal) => {
            let code = refusal.code.number();
            let error = ServerFrame::Error {
                code: u32::from(code),
                message: refusal.message.clone(),
            };
            let sent = send(&mut socket, error.to_text()).await;
            if sent.is_err() {
                return;
            }
            // A close reason has 123 bytes at most; the frame before it has the whole sentence.
            let end = refusal.message.floor_char_boundary(120);
            CloseFrame {
                code: WsCloseCode::Library(code),
                reason: refusal.message[..end].into(),
            }
        }
    };
    if write(&mut socket, Message::Close(Some(close)))
        .await
        .is_ok()
    {
        // Reading on lets our last words arrive: closing with bytes unread would make the system throw them away.
        let _ = timeout(CLOSE_LIMIT, drain(socket)).await;
    }
}

/// Reads until the client has answered the close. Where what comes is no WebSocket any more (behind a frame that was too
/// large), the bare bytes are read away.
async fn drain(mut socket: Socket) {
    while let Some(message) = socket.next().await {
        if message.is_err() {
            let mut rest = tokio::io::sink();
            // Whatever ends it, there is nothing left to do.
            let _ = tokio::io::copy(socket.get_mut(), &mut rest).await;
            return;
        }
    }
}

/// Writes a frame and flushes it, unless the client is too slow.
pub(super) async fn write(socket: &mut Socket, message: Message) -> Result<(), End> {
    in_time(socket.send(message)).await
}

/// Writes a text frame and flushes it.
pub(super) async fn send(socket: &mut Socket, text: String) -> Result<(), End> {
    feed(socket, text.into()).await?;
    in_time(socket.flush()).await
}

/// Hands a text frame to the socket without flushing. One that is larger than what clients take goes in fragments
/// (spec 3.3).
pub(super) async fn feed(socket: &mut Socket, frame: Utf8Bytes) -> Result<(), End> {
    if frame.len() <= FRAME_MAX_BYTES {
        return in_time(socket.feed(Message::Text(frame))).await;
    }
    let mut rest = Bytes::from(frame);
    let mut code = OpCode::Data(Data::Text);
    while !rest.is_empty() {
        let part = rest.split_to(rest.len().min(FRAME_MAX_BYTES));
        let fragment = Frame::message(part, code, rest.is_empty());
        in_time(socket.feed(Message::Frame(fragment))).await?;
        code = OpCode::Data(Data::Continue);
    }
    Ok(())
}

/// Waits for a write, unless the client is too slow.
pub(super) async fn in_time(write: impl Future<Output = Result<(), WsError>>) -> Result<(), End> {
    match timeout(WRITE_LIMIT, write).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Refusal::new(CloseCode::SlowConsumer, "slow consumer").into()),
    }
}

/// The first text frame. Pings and pongs may come before it.
pub(super) async fn first_text(socket: &mut Socket) -> Result<Utf8Bytes, End> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                socket.get_mut().is_heard();
                return Ok(text);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(binary().into()),
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

/// Binary frames are no frames of the protocol.
pub(super) fn binary() -> Refusal {
    Refusal::new(
        CloseCode::InvalidMessage,
        "binary frames are not spoken here",
    )
}

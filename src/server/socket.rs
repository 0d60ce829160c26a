//! `GET /ws`: moves bytes between a socket and a session.
//!
//! One loop: one `select!` yields one input, one `match` acts on it. Events come from the log until the session has
//! caught up, then from a subscription; a subscription that ends because the session was too slow leads back to the log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WsCloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use super::error::ApiError;
use super::listen::ConnectionPermit;
use super::registry::{Presence, Told};
use super::rpc;
use super::session::{Hello, Refusal, Session, Wish};
use super::state::App;
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::log::{Delivery, Subscription};
use crate::protocol::error::{CloseCode, REPLACED};
use crate::protocol::frame::{CLIENT_FRAME_MAX_BYTES, QuotaSnapshot, ServerFrame, event_frame};
use crate::protocol::id::{ClientId, Seq};
use crate::protocol::permission::Permission;
use crate::protocol::scope::Filter;
use crate::store::record::{KeyRecord, Stretch};

/// How long a client may take until its `connect` (spec 5.3).
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How often a client is pinged (spec 5.6).
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a connection may be silent: three pings (spec 5.6).
const SILENCE_LIMIT: Duration = Duration::from_secs(90);

/// How long the socket may accept no bytes before the client counts as too slow (spec 5.3).
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// How long the client may take to answer a close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// How many live events go into one flush.
const BURST_MAX: usize = 64;

/// How many calls of one connection are answered at the same time.
const CALLS_MAX: usize = 64;

/// How many events a page of the log brings.
const PAGE_MAX_EVENTS: usize = 256;

/// Buffers of an idle connection: the library's defaults hold 128 KiB each.
fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(4 * 1024)
        // A cap on what waits for the socket; a single larger frame still passes.
        .max_write_buffer_size(64 * 1024 * 1024)
        .max_message_size(Some(CLIENT_FRAME_MAX_BYTES))
        .max_frame_size(Some(CLIENT_FRAME_MAX_BYTES))
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Answers the upgrade request and hands the socket to a task of its own.
pub(super) async fn upgrade(State(app): State<Arc<App>>, mut request: Request<Body>) -> Response {
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(refused) => return refused.into_response(),
    };
    let permit = request.extensions_mut().remove::<ConnectionPermit>();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // Held as long as the socket lives, so that upgraded connections count too.
        let _permit = permit;
        // A client that went away before the upgrade leaves nothing to do.
        let Ok(upgraded) = upgrade.await else { return };
        let io = TokioIo::new(upgraded);
        let socket =
            WebSocketStream::from_raw_socket(io, Role::Server, Some(socket_config())).await;
        // On the heap, so that an idle connection holds what it needs and not the largest state of everything.
        Box::pin(converse(app, socket)).await;
    });
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
enum End {
    /// The client is told, then closed.
    Refused(Refusal),
    /// The server ends: close code 1001, nothing wrong.
    Ending,
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

impl From<crate::store::StoreError> for End {
    fn from(error: crate::store::StoreError) -> Self {
        // The client reconnects and resumes: that is the whole remedy.
        tracing::error!(%error, "a session ends because the store failed");
        Self::Ending
    }
}

async fn converse(app: Arc<App>, mut socket: Socket) {
    let end = match greet(&app, &mut socket).await {
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
        End::Refused(refusal) => {
            let code = refusal.code.number();
            let error = ServerFrame::Error {
                code: u32::from(code),
                message: refusal.message.clone(),
            };
            let sent = write(&mut socket, Message::text(error.to_text())).await;
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
async fn write(socket: &mut Socket, message: Message) -> Result<(), End> {
    in_time(socket.send(message)).await
}

async fn in_time(write: impl Future<Output = Result<(), WsError>>) -> Result<(), End> {
    match timeout(WRITE_LIMIT, write).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Refusal::new(CloseCode::SlowConsumer, "slow consumer").into()),
    }
}

/// The handshake: from the first frame to `connected` and what belongs to it (spec 5.4).
async fn greet(app: &Arc<App>, socket: &mut Socket) -> Result<Connection, End> {
    let hello = timeout(CONNECT_LIMIT, first_text(socket))
        .await
        .map_err(|_| {
            Refusal::new(CloseCode::InvalidMessage, "no `connect` frame came in time")
        })??;
    let hello = Hello::parse(&hello)?;
    let key = app
        .access
        .key(&hello.token)
        .await?
        .ok_or_else(Refusal::auth)?;
    if !hello.admits(&key) || !key.permissions.allow(Permission::Read) {
        return Err(Refusal::auth().into());
    }
    let team = key.team.clone();
    let client = match hello.client {
        Some(client) => client,
        None => random::uuid7()
            .parse()
            .map_err(|_| Refusal::new(CloseCode::InvalidMessage, "no client id"))?,
    };
    let filter = Arc::new(Filter {
        requested: hello.scopes,
        allowed: key.scopes.clone(),
    });
    let presence = app
        .registry
        .enter(team.clone(), client.clone(), key.clone());
    let digest = filter.digest();
    let cursor = app.log.open_cursor(&team, &client, digest).await?;
    let start = cursor.resume(&digest);

    let connected = ServerFrame::Connected {
        last_seq: start,
        client_id: client.to_string(),
    };
    in_time(socket.feed(Message::text(connected.to_text()))).await?;
    let mut session = Session::new(filter, start);
    let pruned = app.log.bounds(&team).await?.pruned;
    if start < pruned {
        let oldest = pruned + 1;
        let expired = ServerFrame::CursorExpired {
            oldest_available_seq: oldest,
            message: format!("cursor {start} is older than the oldest stored event {oldest}"),
        };
        in_time(socket.feed(Message::text(expired.to_text()))).await?;
        session.looked_to(pruned);
    }
    let quota = ServerFrame::QuotaSnapshot(quota(app, &key).await?);
    write(socket, Message::text(quota.to_text())).await?;
    Ok(Connection {
        app: app.clone(),
        key,
        client,
        session,
        presence,
        live: None,
        target: 0,
        calls: FuturesUnordered::new(),
        heard: Instant::now(),
    })
}

/// The first text frame. Pings and pongs may come before it.
async fn first_text(socket: &mut Socket) -> Result<Utf8Bytes, End> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(binary().into()),
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

fn binary() -> Refusal {
    Refusal::new(
        CloseCode::InvalidMessage,
        "binary frames are not spoken here",
    )
}

async fn quota(app: &App, key: &KeyRecord) -> Result<QuotaSnapshot, End> {
    let (usage, period_end) = app.log.usage(&key.team).await?;
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Ok(QuotaSnapshot {
        provider: "self_hosted".to_owned(),
        events_used: signed(usage.events_used),
        events_limit: signed(usage.events_limit),
        current_period_end: rfc3339(period_end),
    })
}

/// A connection that was let in.
struct Connection {
    app: Arc<App>,
    key: Arc<KeyRecord>,
    client: ClientId,
    session: Session,
    presence: Presence,
    /// Live events; none while the session reads the log.
    live: Option<Subscription>,
    /// Up to here the log is to be read before the next look at `live`.
    target: Seq,
    /// Calls that are being answered.
    calls: FuturesUnordered<BoxFuture<'static, ServerFrame>>,
    heard: Instant,
}

/// One thing that happened.
enum Input {
    Frame(Option<Result<Message, WsError>>),
    Live(Option<Delivery>),
    /// There is something to read in the log.
    Behind,
    /// A call was answered.
    Answer(ServerFrame),
    Tick,
    Told(Told),
}

impl Connection {
    /// Runs until there is a reason to end.
    async fn run(&mut self, socket: &mut Socket) -> End {
        let mut ping = tokio::time::interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        loop {
            let input = tokio::select! {
                biased;
                told = &mut self.presence.told => Input::Told(told.unwrap_or(Told::Ending)),
                _ = ping.tick() => Input::Tick,
                Some(answer) = self.calls.next() => Input::Answer(answer),
                // With enough calls under way, the next ones wait in the socket.
                frame = socket.next(), if self.calls.len() < CALLS_MAX => Input::Frame(frame),
                event = next_event(&mut self.live, &self.session, self.target) => event,
            };
            let done = match input {
                Input::Frame(frame) => self.frame(frame, socket).await,
                Input::Live(Some(delivery)) => self.deliver(delivery, socket).await,
                Input::Live(None) => self.fall_behind(),
                Input::Behind => self.read_log(socket).await,
                Input::Answer(answer) => write(socket, Message::text(answer.to_text())).await,
                Input::Tick => self.tick(socket).await,
                Input::Told(told) => Err(told.into()),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn frame(
        &mut self,
        frame: Option<Result<Message, WsError>>,
        socket: &mut Socket,
    ) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            // The library answers pings by itself.
            Some(Ok(Message::Ping(_))) => return in_time(socket.flush()).await,
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(binary().into()),
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
            Some(Err(error)) => return Err(error.into()),
        };
        let acked = self.session.acked();
        let now = self.app.clock.unix_millis() / 1000;
        match self.session.receive(&text, now, !self.calls.is_empty())? {
            Wish::Nothing => {
                self.look_up();
                if let Some(cursor) = self.session.acknowledged(acked) {
                    self.app
                        .log
                        .move_cursor(&self.key.team, &self.client, cursor);
                }
            }
            Wish::Call(request) => {
                let answer = rpc::answer(self.app.clone(), self.key.clone(), request);
                self.calls.push(Box::pin(answer));
            }
            Wish::BadCall { id, why } => {
                let response = rpc::malformed(id, &why);
                write(socket, Message::text(response.to_text())).await?;
            }
        }
        Ok(())
    }

    /// Sends a live event and those that wait behind it, then flushes once.
    async fn deliver(&mut self, first: Delivery, socket: &mut Socket) -> Result<(), End> {
        let mut next = Some(first);
        for _ in 0..BURST_MAX {
            let Some(delivery) = next else { break };
            if self.session.send(delivery.seq) {
                in_time(socket.feed(Message::Text(delivery.frame))).await?;
            }
            next = self.live.as_mut().and_then(Subscription::try_next);
        }
        // Taken from the queue but not fed: it goes with the next burst's first.
        if let Some(delivery) = next
            && self.session.send(delivery.seq)
        {
            in_time(socket.feed(Message::Text(delivery.frame))).await?;
        }
        in_time(socket.flush()).await
    }

    /// The subscription ended because its queue was full: the log has the rest.
    fn fall_behind(&mut self) -> Result<(), End> {
        self.live = None;
        Ok(())
    }

    /// Sends a page of the log, or subscribes where there is nothing left to read.
    async fn read_log(&mut self, socket: &mut Socket) -> Result<(), End> {
        if self.session.position() >= self.target {
            let head = self.app.log.head(&self.key.team).await?;
            if self.session.position() >= head {
                let live = self
                    .app
                    .log
                    .subscribe(&self.key.team, &self.session.filter)
                    .await?;
                self.target = live.head;
                self.live = Some(live);
                return Ok(());
            }
            self.target = head;
        }
        let stretch = Stretch {
            team: self.key.team.clone(),
            after: self.session.position(),
            through: self.target,
            filter: self.session.filter.clone(),
            max_events: PAGE_MAX_EVENTS,
        };
        let page = self.app.log.read(stretch).await?;
        for event in page.events {
            if self.session.send(event.seq) {
                let frame = event_frame(event.seq, &event.text);
                in_time(socket.feed(Message::text(frame))).await?;
            }
        }
        self.session.looked_to(page.scanned_to);
        in_time(socket.flush()).await
    }

    async fn tick(&mut self, socket: &mut Socket) -> Result<(), End> {
        if self.heard.elapsed() > SILENCE_LIMIT {
            return Err(End::Gone);
        }
        self.note_progress();
        write(socket, Message::Ping(axum::body::Bytes::new())).await
    }

    /// Takes note of how far the live queue shows that the log was looked at.
    fn look_up(&mut self) {
        if self.session.position() < self.target {
            return;
        }
        if let Some(head) = self.live.as_ref().and_then(Subscription::caught_up_to) {
            self.session.looked_to(head);
        }
    }

    /// Writes down where the client is, also when nothing was acknowledged: a quiet agent does not fall behind.
    fn note_progress(&mut self) {
        self.look_up();
        if let Some(cursor) = self.session.progress() {
            self.app
                .log
                .move_cursor(&self.key.team, &self.client, cursor);
        }
    }
}

/// The next live event, or that there is something to read first.
async fn next_event(live: &mut Option<Subscription>, session: &Session, target: Seq) -> Input {
    if session.filter.requested.is_empty() {
        // Calls only: no event will ever come.
        return std::future::pending().await;
    }
    match live {
        Some(live) if session.position() >= target => Input::Live(live.next().await),
        _ => Input::Behind,
    }
}

impl From<Told> for End {
    fn from(told: Told) -> Self {
        match told {
            Told::Replaced => Refusal::new(CloseCode::InvalidMessage, REPLACED).into(),
            Told::KeyEnded => Refusal::auth().into(),
            Told::Ending => Self::Ending,
        }
    }
}

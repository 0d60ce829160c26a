//! The bare server: what cannot be avoided and nothing else. It takes a body, commits it to SQLite together with all
//! that wait, answers, and pushes the bytes to WebSockets. No keys, no checks, no log, no cursors.
//!
//! kite is measured beside it: what kite takes more than this server is what kite's promises cost, and its faults.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as PathOf, State};
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rusqlite::{Connection, TransactionBehavior};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tower::ServiceExt;

use super::{BenchError, letter};

/// Where bodies are posted that are kept.
pub(super) const EVENTS_PATH: &str = "/events";

/// Where bodies are posted that are only answered.
pub(super) const ECHO_PATH: &str = "/echo";

/// Where a WebSocket makes calls.
pub(super) const CALLS_PATH: &str = "/calls";

/// The name of a listener that gets everything.
pub(super) const ALL: &str = "all";

/// How many bodies share a transaction at most.
const GROUP_MAX: usize = 1024;

/// How many bodies wait for the next transaction at most.
const QUEUE_MAX: usize = 4096;

/// How many frames wait for a socket at most; whoever posts waits for one that is full.
const FRAMES_MAX: usize = 1024;

/// How many frames go into one flush.
const BURST_MAX: usize = 64;

/// The answer to everything that is well.
const ANSWER: &str = r#"{"status":"accepted"}"#;

/// A body on its way to the disk.
type Commit = (Bytes, oneshot::Sender<bool>);

/// Where the frames of a listener go.
type Frames = mpsc::Sender<Utf8Bytes>;

struct Bare {
    commits: mpsc::Sender<Commit>,
    named: RwLock<HashMap<String, Frames>>,
    all: RwLock<Arc<Vec<Frames>>>,
}

/// A bare server that listens.
pub struct Server {
    listener: TcpListener,
    bare: Arc<Bare>,
}

impl Server {
    /// Opens the database in a directory and listens.
    pub async fn start(listen: SocketAddr, data_dir: &Path) -> Result<Self, BenchError> {
        let database = |error: rusqlite::Error| BenchError::System {
            what: "open the database",
            why: error.to_string(),
        };
        let connection = Connection::open(data_dir.join("bare.db")).map_err(database)?;
        prepare(&connection).map_err(database)?;
        let (commits, waiting) = mpsc::channel(QUEUE_MAX);
        thread::Builder::new()
            .name("bare-commit".to_owned())
            .spawn(move || commit_all(connection, waiting))
            .map_err(BenchError::system("start a thread"))?;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(BenchError::system("listen"))?;
        Ok(Self {
            listener,
            bare: Arc::new(Bare {
                commits,
                named: RwLock::default(),
                all: RwLock::default(),
            }),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, BenchError> {
        self.listener
            .local_addr()
            .map_err(BenchError::system("listen"))
    }

    /// Serves for ever.
    pub async fn serve(self) -> BenchError {
        let router = Router::new()
            .route(EVENTS_PATH, post(take))
            .route(ECHO_PATH, post(echo))
            .route(CALLS_PATH, get(calls))
            .route("/ws/{name}", get(listen))
            .with_state(self.bare);
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(connection(stream, router.clone()))),
                Err(error) => return BenchError::system("accept a connection")(error),
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    // A connection that breaks is its client's affair.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE events (seq INTEGER PRIMARY KEY, text TEXT)")
}

/// Commits what waits, all of it at once, until nobody can post any more.
fn commit_all(mut connection: Connection, mut waiting: mpsc::Receiver<Commit>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        let is_committed = commit(&mut connection, &group).is_ok();
        for (_, answer) in group.drain(..) {
            // Whoever asked may have gone.
            let _ = answer.send(is_committed);
        }
    }
}

fn commit(connection: &mut Connection, group: &[Commit]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction.prepare_cached("INSERT INTO events (text) VALUES (?1)")?;
        for (text, _) in group {
            insert.execute([std::str::from_utf8(text)?])?;
        }
    }
    transaction.commit()
}

impl Bare {
    async fn commit(&self, text: Bytes) -> bool {
        let (answer, answered) = oneshot::channel();
        self.commits.send((text, answer)).await.is_ok() && answered.await.unwrap_or(false)
    }

    fn enter(&self, name: String, frames: Frames) {
        if name == ALL {
            let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
            Arc::make_mut(&mut all).push(frames);
        } else {
            let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
            named.insert(name, frames);
        }
    }

    /// Forgets the listeners that have gone.
    fn forget(&self) {
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        named.retain(|_, frames| !frames.is_closed());
        drop(named);
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut all).retain(|frames| !frames.is_closed());
    }

    /// Pushes a frame to whom it is for: to all who listen to everything, or to the one it names.
    async fn push(&self, text: Bytes) {
        let Ok(frame) = Utf8Bytes::try_from(text) else {
            return;
        };
        let named = letter::addressee(frame.as_bytes()).and_then(|name| {
            let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
            named.get(name).cloned()
        });
        if let Some(frames) = named {
            give(&frames, &frame).await;
        }
        let all = self
            .all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for frames in all.iter() {
            give(frames, &frame).await;
        }
    }
}

async fn give(frames: &Frames, frame: &Utf8Bytes) {
    // A listener that has gone misses it.
    let _ = frames.send(frame.clone()).await;
}

async fn echo(_body: Bytes) -> Response<Body> {
    answer()
}

async fn take(State(bare): State<Arc<Bare>>, body: Bytes) -> Response<Body> {
    if !bare.commit(body.clone()).await {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    bare.push(body).await;
    answer()
}

fn answer() -> Response<Body> {
    ([(header::CONTENT_TYPE, "application/json")], ANSWER).into_response()
}

async fn listen(
    State(bare): State<Arc<Bare>>,
    PathOf(name): PathOf<String>,
    request: Request<Body>,
) -> Response<Body> {
    upgrade(request, |socket| push_to(bare, name, socket))
}

async fn calls(State(bare): State<Arc<Bare>>, request: Request<Body>) -> Response<Body> {
    upgrade(request, |socket| take_calls(bare, socket))
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Answers the upgrade and hands the socket on.
fn upgrade<F>(
    mut request: Request<Body>,
    converse: impl FnOnce(Socket) -> F + Send + 'static,
) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // A client that went away before the upgrade leaves nothing to do.
        let Ok(upgraded) = upgrade.await else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .write_buffer_size(4 * 1024);
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        Box::pin(converse(socket)).await;
    });
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Pushes frames to a listener until one of the two goes.
async fn push_to(bare: Arc<Bare>, name: String, mut socket: Socket) {
    let (frames, mut coming) = mpsc::channel(FRAMES_MAX);
    bare.enter(name, frames);
    talk_to(&mut coming, &mut socket).await;
    drop(coming);
    bare.forget();
}

async fn talk_to(coming: &mut mpsc::Receiver<Utf8Bytes>, socket: &mut Socket) {
    // It stands: what is posted from now on comes.
    let hello = socket
        .send(Message::Text(Utf8Bytes::from_static(ANSWER)))
        .await;
    if hello.is_err() {
        return;
    }
    let mut burst = Vec::with_capacity(BURST_MAX);
    loop {
        tokio::select! {
            heard = socket.next() => match heard {
                Some(Ok(message)) if !message.is_close() => {}
                _ => return,
            },
            count = coming.recv_many(&mut burst, BURST_MAX) => {
                if count == 0 || write(socket, &mut burst).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn write(
    socket: &mut Socket,
    burst: &mut Vec<Utf8Bytes>,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    for frame in burst.drain(..) {
        socket.feed(Message::Text(frame)).await?;
    }
    socket.flush().await
}

/// Takes calls, several at a time: each frame is kept as it is and answered with its id.
async fn take_calls(bare: Arc<Bare>, socket: Socket) {
    let (mut sink, mut stream) = socket.split();
    let (done, mut answers) = mpsc::channel::<Utf8Bytes>(FRAMES_MAX);
    let answering = async {
        let mut burst = Vec::with_capacity(BURST_MAX);
        while answers.recv_many(&mut burst, BURST_MAX).await > 0 {
            for answer in burst.drain(..) {
                if sink.feed(Message::Text(answer)).await.is_err() {
                    return;
                }
            }
            if sink.flush().await.is_err() {
                return;
            }
        }
    };
    let taking = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let (bare, done) = (bare.clone(), done.clone());
            tokio::spawn(async move {
                let Some(id) = letter::call_id(text.as_str()).map(str::to_owned) else {
                    return;
                };
                let ok = bare.commit(text.into()).await;
                let answer = format!(r#"{{"type":"response","id":"{id}","ok":{ok}}}"#);
                // Whoever asked may have gone.
                let _ = done.send(answer.into()).await;
            });
        }
    };
    tokio::select! {
        () = answering => {}
        () = taking => {}
    }
}

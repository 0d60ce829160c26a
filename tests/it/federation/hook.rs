//! A hook behind TLS that answers whatever a test wants, byte by byte. One of them plays many peers, told apart by the path.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::TOKEN;
use crate::support::authority::Identity;
use crate::support::eventually;
use crate::support::hooks::signature;

/// What becomes of a post.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// These bytes; the connection stays.
    Says(Vec<u8>),
    /// These bytes, and the connection ends with no goodbye of TLS.
    Breaks(Vec<u8>),
    /// These bytes, and then these again and again for as long as somebody reads.
    Endless(Vec<u8>, Vec<u8>),
    /// A status, as soon as [`Hook::open`] was called.
    Opened(u16),
    /// Nothing, ever.
    Hangs,
}

impl Reply {
    /// A status and nothing more.
    pub(super) fn status(code: u16) -> Self {
        Self::with(code, "", b"")
    }

    /// A status, lines of a head (each with its end) and a body.
    pub(super) fn with(code: u16, lines: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {code} So\r\ncontent-length: {length}\r\n{lines}\r\n");
        Self::Says([head.as_bytes(), body].concat())
    }
}

/// Decides by the peer that is played, the event, and how often it came to that peer before.
type Decide = dyn Fn(&str, &Value, usize) -> Reply + Send + Sync;

#[derive(Default)]
struct Book {
    came: Mutex<HashMap<String, Came>>,
    faults: Mutex<Vec<String>>,
    sent_bytes: AtomicUsize,
    connections: AtomicUsize,
}

/// What came to one peer.
#[derive(Default)]
struct Came {
    events: Vec<Value>,
    counts: HashMap<String, usize>,
}

/// The hook. It ends with this value.
pub(super) struct Hook {
    port: u16,
    book: Arc<Book>,
    gate: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Hook {
    pub(super) async fn start(
        identity: &Identity,
        decide: impl Fn(&str, &Value, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (gate, opened) = watch::channel(false);
        let book = Arc::<Book>::default();
        let desk = Desk {
            tls: identity.acceptor(),
            book: book.clone(),
            decide: Arc::new(decide),
            opened,
        };
        Self {
            port,
            book,
            gate,
            serving: tokio::spawn(serve(listener, desk)),
        }
    }

    /// Where it plays a peer.
    pub(super) fn url(&self, peer: &str) -> String {
        format!("https://localhost:{}/hooks/{peer}/kite", self.port)
    }

    /// Lets go of all that waits for it.
    pub(super) fn open(&self) {
        self.gate.send_replace(true);
    }

    /// The events that came to a peer, in their order.
    pub(super) fn events(&self, peer: &str) -> Vec<Value> {
        let came = self.book.came.lock().unwrap();
        came.get(peer)
            .map(|came| came.events.clone())
            .unwrap_or_default()
    }

    /// How often each event came to a peer.
    pub(super) fn counts(&self, peer: &str) -> HashMap<String, usize> {
        let came = self.book.came.lock().unwrap();
        came.get(peer)
            .map(|came| came.counts.clone())
            .unwrap_or_default()
    }

    /// How many posts came to a peer.
    pub(super) fn count(&self, peer: &str) -> usize {
        let came = self.book.came.lock().unwrap();
        came.get(peer).map_or(0, |came| came.events.len())
    }

    /// Waits until so many posts have come to a peer. As long as more come, that may take as long as it takes.
    pub(super) async fn has_come(&self, peer: &str, count: usize) {
        let mut come = self.count(peer);
        while come < count {
            let look = async || Some(self.count(peer)).filter(|now| *now > come);
            let what = format!("more than {come} of {count} posts have come to `{peer}`");
            come = eventually(&what, look).await;
        }
    }

    /// How many bytes of endless answers were taken.
    pub(super) fn sent_bytes(&self) -> usize {
        self.book.sent_bytes.load(Ordering::SeqCst)
    }

    /// How many connections there were, before TLS.
    pub(super) fn connections(&self) -> usize {
        self.book.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.serving.abort();
        if !std::thread::panicking() {
            let faults = self.book.faults.lock().unwrap();
            assert!(faults.is_empty(), "{faults:#?}");
        }
    }
}

#[derive(Clone)]
struct Desk {
    tls: TlsAcceptor,
    book: Arc<Book>,
    decide: Arc<Decide>,
    opened: watch::Receiver<bool>,
}

async fn serve(listener: TcpListener, desk: Desk) {
    // Connections end with the hook.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        desk.book.connections.fetch_add(1, Ordering::SeqCst);
        let desk = desk.clone();
        connections.spawn(async move {
            // Whoever does not trust it goes away, and so may any other.
            let _ = desk.talk(stream).await;
        });
    }
}

impl Desk {
    async fn talk(mut self, stream: TcpStream) -> io::Result<()> {
        let mut stream = self.tls.accept(stream).await?;
        let mut read = Vec::new();
        loop {
            let Some(post) = Post::take(&mut read) else {
                if stream.read_buf(&mut read).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            match self.heard(&post) {
                Reply::Says(bytes) => stream.write_all(&bytes).await?,
                Reply::Breaks(bytes) => {
                    stream.write_all(&bytes).await?;
                    return stream.flush().await;
                }
                Reply::Endless(head, more) => {
                    stream.write_all(&head).await?;
                    loop {
                        stream.write_all(&more).await?;
                        self.book.sent_bytes.fetch_add(more.len(), Ordering::SeqCst);
                    }
                }
                Reply::Opened(code) => {
                    // The hook outlives its connections.
                    let _ = self.opened.wait_for(|is_open| *is_open).await;
                    let answer = format!("HTTP/1.1 {code} So\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await?;
                }
                Reply::Hangs => std::future::pending().await,
            }
            stream.flush().await?;
        }
    }

    /// Checks a post with code of the tests' own, and says what becomes of it.
    fn heard(&self, post: &Post) -> Reply {
        let wanted = [
            ("authorization", format!("Bearer {TOKEN}")),
            ("x-kite-signature", signature(TOKEN, &post.body)),
            ("content-type", "application/cloudevents+json".to_owned()),
        ];
        for (name, wanted) in wanted {
            if post.headers.get(name) != Some(&wanted) {
                let fault = format!("`{name}` is {:?}, not `{wanted}`", post.headers.get(name));
                self.book.faults.lock().unwrap().push(fault);
            }
        }
        let event: Value = serde_json::from_slice(&post.body).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        let mut all = self.book.came.lock().unwrap();
        let came = all.entry(post.peer.clone()).or_default();
        let count = came.counts.entry(id).or_default();
        let reply = (self.decide)(&post.peer, &event, *count);
        *count += 1;
        came.events.push(event);
        reply
    }
}

/// A request that came whole.
struct Post {
    peer: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Post {
    /// Takes one off the front of what was read.
    fn take(read: &mut Vec<u8>) -> Option<Self> {
        let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let path = lines.next().unwrap().split(' ').nth(1).unwrap();
        let peer = path.split('/').nth(2).unwrap().to_owned();
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers["content-length"].parse().unwrap();
        if read.len() < end + length {
            return None;
        }
        let body = read.drain(..end + length).skip(end).collect();
        Some(Self {
            peer,
            headers,
            body,
        })
    }
}

/// A port that takes connections and never says anything, not even for TLS. It ends with the runtime.
pub(super) async fn silent_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await);
        }
    });
    port
}

/// A port at which nobody listens.
pub(super) async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

//! The server in this process: sessions that fall behind, limits on connections, ending in stages.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use kite::log::Limits;
use kite::protocol::frame::{ClientFrame, Connect, ServerFrame};
use kite::protocol::outbound::Outbound;
use kite::server::{Config, RateLimits, Server};
use kite::store::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long anything here may take before the test counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server in this process, in a directory of its own.
struct Running {
    base: String,
    address: std::net::SocketAddr,
    key: String,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        Self::start_with(Duration::ZERO).await
    }

    #[expect(clippy::disallowed_methods, reason = "a client of the test's own")]
    async fn start_with(drain_delay: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::bind(Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            database: Address::Sqlite(dir.path().join("kite.db")),
            data_dir: dir.path().to_owned(),
            public_url: None,
            tls: None,
            outbound: Outbound::default(),
            ca_file: None,
            instance_id: None,
            secret_key: None,
            max_body_bytes: 262_144,
            max_connections: 100,
            trusted_proxies: Vec::new(),
            rate_limits: RateLimits::default(),
            limits: Limits::default(),
            drain_delay,
            federation_max_age: Duration::from_secs(3600),
            paperclip: None,
            openintent: kite::server::OpenIntentConfig::default(),
            console: true,
        })
        .await
        .unwrap();
        let address = server.address();
        let key = server.take_bootstrap().unwrap().key.reveal().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            base: format!("http://{address}"),
            address,
            key,
            http: reqwest::Client::new(),
            stop: Some(stop),
            task,
            _dir: dir,
        }
    }

    async fn send(&self, body: &str) -> u16 {
        let message = serde_json::json!({"from": "a", "to": "b", "body": body});
        self.post("/api/v1/agents/messages", message.to_string())
            .await
    }

    async fn post(&self, path: &str, body: String) -> u16 {
        self.http
            .post(format!("{}{path}", self.base))
            .bearer_auth(&self.key)
            .header("content-type", "application/cloudevents+json")
            .body(body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    async fn connect(&self, client: &str) -> Listener {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}/ws", self.address);
        let (mut socket, _) = client_async(url, stream).await.unwrap();
        let connect = ClientFrame::Connect(Connect {
            version: 1,
            token: self.key.clone(),
            team_id: "default".to_owned(),
            scopes: vec!["*".to_owned()],
            client_id: Some(client.to_owned()),
        });
        socket.send(Message::text(connect.to_text())).await.unwrap();
        let mut listener = Listener { socket };
        assert!(matches!(
            listener.frame().await,
            Some(ServerFrame::Connected { .. })
        ));
        assert!(matches!(
            listener.frame().await,
            Some(ServerFrame::QuotaSnapshot(_))
        ));
        listener
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

struct Listener {
    socket: WebSocketStream<TcpStream>,
}

impl Listener {
    async fn frame(&mut self) -> Option<ServerFrame> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .unwrap();
            match message?.ok()? {
                Message::Text(text) => return Some(ServerFrame::parse(&text).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    async fn seq(&mut self) -> u64 {
        match self.frame().await {
            Some(ServerFrame::Event { seq, .. }) => seq,
            other => panic!("expected an event, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_stands_still_gets_everything_in_order_once_it_reads() {
    let server = Running::start().await;
    let mut slow = server.connect("slow").await;
    let mut quick = server.connect("quick").await;
    // More than the queue of a session and the buffers of a socket hold.
    let filler = "x".repeat(200_000);
    for seq in 1..=300u64 {
        assert_eq!(server.send(&filler).await, 201);
        assert_eq!(quick.seq().await, seq);
    }
    for seq in 1..=300u64 {
        assert_eq!(slow.seq().await, seq);
    }
    assert_eq!(server.send("live again").await, 201);
    assert_eq!(slow.seq().await, 301);
    server.stop().await;
}

#[tokio::test]
async fn ending_says_goodbye_and_keeps_what_was_taken() {
    let server = Running::start().await;
    let mut listener = server.connect("c").await;
    assert_eq!(server.send("hello").await, 201);
    assert_eq!(listener.seq().await, 1);
    listener
        .socket
        .send(Message::text(ClientFrame::Ack(1).to_text()))
        .await
        .unwrap();
    server.stop().await;
    let last = tokio::time::timeout(PATIENCE, listener.socket.next())
        .await
        .unwrap();
    let Some(Ok(Message::Close(Some(close)))) = last else {
        panic!("expected a close frame, got {last:?}");
    };
    assert_eq!(u16::from(close.code), 1001);
}

#[tokio::test]
async fn a_header_that_never_ends_is_cut_off_and_a_huge_one_refused() {
    let server = Running::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nx: {}", "y".repeat(200_000));
    // The server may close while this is being written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_to_end_says_so_while_it_still_serves() {
    let mut server = Running::start_with(Duration::from_secs(3)).await;
    let mut listener = server.connect("listener").await;
    server.stop.take().unwrap().send(()).unwrap();
    let readiness = || async {
        let answer = server.http.get(format!("{}/readyz", server.base));
        answer.send().await.unwrap().status().as_u16()
    };
    while readiness().await == 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(readiness().await, 503);
    for (path, status, word) in [
        ("/readyz", 503, "ending"),
        ("/health", 503, "ending"),
        ("/healthz", 200, "ok"),
    ] {
        let answer = server.http.get(format!("{}{path}", server.base));
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(&format!("\"status\":\"{word}\"")), "{text}");
    }
    assert_eq!(server.send("late").await, 201);
    assert!(matches!(
        listener.frame().await,
        Some(ServerFrame::Event { .. })
    ));
    let ended = tokio::time::timeout(PATIENCE, server.task).await;
    ended.unwrap().unwrap();
}

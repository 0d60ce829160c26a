//! A WebSocket client that says exactly what a test wants it to say.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use super::PATIENCE;
use super::http::Access;

/// How long silence has to last to count as silence.
const SILENCE: Duration = Duration::from_millis(300);

/// An open connection.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    /// Opens a connection and says nothing yet.
    pub(crate) async fn open(ws_url: &str) -> Self {
        Self::try_open(ws_url)
            .await
            .expect("the server takes the connection")
    }

    /// Opens a connection to a server that may have gone.
    pub(crate) async fn try_open(ws_url: &str) -> Option<Self> {
        let url = Url::parse(ws_url).unwrap();
        let address = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let tcp = TcpStream::connect(address).await.ok()?;
        tcp.set_nodelay(true).unwrap();
        // The library keeps 128 KiB for each otherwise, and some tests hold thousands.
        let config = WebSocketConfig::default().read_buffer_size(8 * 1024);
        let opening = client_async_with_config(ws_url, tcp, Some(config));
        let (stream, _) = timeout(PATIENCE, opening).await.ok()?.ok()?;
        Some(Self { stream })
    }

    /// Connects with these scopes; the `connected` frame comes with it. The quota snapshot is read too.
    pub(crate) async fn connect(
        access: &Access,
        scopes: &[&str],
        client_id: &str,
    ) -> (Self, Value) {
        let mut socket = Self::open(&access.ws_url).await;
        socket.send(&connect_frame(access, scopes, client_id)).await;
        let connected = socket.next().await;
        assert_eq!(connected["type"], "connected", "{connected}");
        let snapshot = socket.next().await;
        assert_eq!(snapshot["type"], "quota_snapshot", "{snapshot}");
        (socket, connected)
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    /// Sends a text, whatever it is.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text))
            .await
            .expect("the server reads");
    }

    /// Sends a message to a server that may stop reading in the middle of it.
    pub(crate) async fn send_message(&mut self, message: Message) -> Result<(), String> {
        let sent = timeout(PATIENCE, self.stream.send(message)).await;
        sent.map_err(|late| late.to_string())?
            .map_err(|error| error.to_string())
    }

    /// Acknowledges everything up to `seq`.
    pub(crate) async fn ack(&mut self, seq: u64) {
        self.send(&json!({"type": "ack", "seq": seq})).await;
    }

    /// Acknowledges to a server that may have gone.
    pub(crate) async fn try_ack(&mut self, seq: u64) -> Result<(), String> {
        let ack = json!({"type": "ack", "seq": seq}).to_string();
        self.send_message(ack.into()).await
    }

    /// Calls a method; the response, which must be the next frame.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"type": "request", "id": method, "method": method, "params": params}))
            .await;
        let response = self.next().await;
        assert_eq!(
            (&response["type"], &response["id"]),
            (&json!("response"), &json!(method))
        );
        response
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        let text = self.next_text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("`{text}` is no JSON: {error}"))
    }

    /// The next frame as it came.
    pub(crate) async fn next_text(&mut self) -> String {
        match timeout(PATIENCE, self.message()).await {
            Ok(Some(Message::Text(text))) => text.to_string(),
            Ok(other) => panic!("expected a frame, got {other:?}"),
            Err(_) => panic!("no frame came within {PATIENCE:?}"),
        }
    }

    /// The next frame, which must be an event.
    pub(crate) async fn next_event(&mut self) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["type"], "event", "{frame}");
        frame
    }

    /// The next frame, or `None` when the connection is gone, as it is in tests that kill the server.
    pub(crate) async fn frame_or_end(&mut self) -> Option<Value> {
        match self.message().await? {
            Message::Text(text) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        }
    }

    /// The next event, or `None` when the connection is gone.
    pub(crate) async fn next_event_or_end(&mut self) -> Option<Value> {
        loop {
            let frame = self.frame_or_end().await?;
            if frame["type"] == "event" {
                return Some(frame);
            }
        }
    }

    /// Expects that nothing comes.
    pub(crate) async fn expect_none(&mut self) {
        if let Ok(message) = timeout(SILENCE, self.message()).await {
            panic!("expected silence, got {message:?}");
        }
    }

    /// Whether a frame comes before it is silent.
    pub(crate) async fn answers_soon(&mut self) -> bool {
        timeout(SILENCE, self.message()).await.is_ok()
    }

    /// Expects the server to close with this code, and nothing before it.
    pub(crate) async fn expect_close(&mut self, code: u16) {
        match timeout(PATIENCE, self.message()).await {
            Ok(Some(Message::Close(Some(frame)))) => {
                assert_eq!(u16::from(frame.code), code, "close: {frame:?}");
            }
            Ok(other) => panic!("expected a close with {code}, got {other:?}"),
            Err(_) => panic!("the server did not close with {code}"),
        }
    }

    /// Expects an `error` frame and a close, both with this code; the error's text.
    pub(crate) async fn expect_refusal(&mut self, code: u16) -> String {
        let frame = self.next().await;
        assert_eq!(
            (&frame["type"], &frame["code"]),
            (&json!("error"), &json!(code)),
            "{frame}"
        );
        self.expect_close(code).await;
        let sentence = frame["message"].as_str().unwrap_or_default();
        assert!(!sentence.is_empty(), "an error says what is wrong: {frame}");
        sentence.to_owned()
    }

    /// Cuts the connection without a word.
    pub(crate) fn cut(self) {
        drop(self.stream);
    }

    /// The next message that is not about the connection's health; `None` at its end.
    async fn message(&mut self) -> Option<Message> {
        loop {
            match self.stream.next().await?.ok()? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Some(message),
            }
        }
    }
}

/// A `connect` frame; an empty client id asks for a fresh one.
pub(crate) fn connect_frame(access: &Access, scopes: &[&str], client_id: &str) -> Value {
    json!({
        "type": "connect",
        "version": 1,
        "token": access.key,
        "team_id": access.team,
        "scopes": scopes,
        "client_id": client_id,
    })
}

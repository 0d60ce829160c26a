//! A server that follows a script, for the tests of whatever talks to one.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{Server, Timing};
use crate::protocol::frame::{ClientFrame, Connect, Request, ServerFrame};
use crate::protocol::id::Seq;
use crate::protocol::token::Token;

/// A server that waits for one connection at a time.
pub(crate) struct Script {
    listener: TcpListener,
}

impl Script {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    /// The server as a client knows it.
    pub(crate) fn server(&self) -> Server {
        let address = self.listener.local_addr().unwrap();
        Server {
            http_base: format!("http://{address}"),
            ws_url: format!("ws://{address}/ws"),
            key: Token::parse("kite_0a1b2c3d_0011223344556677").unwrap(),
            ca_file: None,
        }
    }

    /// Accepts a connection on which no WebSocket was opened yet.
    pub(crate) async fn raw(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// Reads the head of an HTTP request, answers with these bytes and hangs up.
    pub(crate) async fn answer(&self, bytes: &str) -> String {
        let mut stream = self.raw().await;
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            stream.read_buf(&mut head).await.unwrap();
        }
        stream.write_all(bytes.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&head).into_owned()
    }

    /// As [`Script::answer`], with a status and a body.
    pub(crate) async fn respond(&self, status: u16, body: &str) -> String {
        let len = body.len();
        self.answer(&format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{body}"
        ))
        .await
    }

    /// Accepts a connection and reads its `connect` frame.
    pub(crate) async fn accept(&self) -> (Peer, Connect) {
        let socket = tokio_tungstenite::accept_async(self.raw().await).await;
        let mut peer = Peer(socket.unwrap());
        match peer.read().await {
            Some(ClientFrame::Connect(connect)) => (peer, connect),
            other => panic!("expected `connect`, got {other:?}"),
        }
    }

    /// As [`Script::accept`], and answers it.
    pub(crate) async fn stand(&self, last_seq: Seq) -> Peer {
        let (mut peer, connect) = self.accept().await;
        peer.send(ServerFrame::Connected {
            last_seq,
            client_id: connect.client_id.unwrap_or("given".to_owned()),
        })
        .await;
        peer
    }
}

/// The server's end of a connection.
pub(crate) struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    pub(crate) async fn send(&mut self, frame: ServerFrame) {
        self.say(&frame.to_text()).await;
    }

    pub(crate) async fn event(&mut self, seq: Seq) {
        let event = format!(
            r#"{{"specversion":"1.0","id":"e{seq}","source":"s","type":"t","data":{seq}}}"#
        );
        self.raw_event(seq, &event).await;
    }

    pub(crate) async fn raw_event(&mut self, seq: Seq, event: &str) {
        let text = format!(r#"{{"type":"event","seq":{seq},"event":{event}}}"#);
        self.say(&text).await;
    }

    /// Sends a text, whether it is a frame or not.
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Sends bytes past the protocol, and hangs up.
    pub(crate) async fn raw_bytes(self, bytes: &[u8]) {
        let mut stream = self.0.into_inner();
        stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn error(&mut self, code: u32, message: &str) {
        let message = message.to_owned();
        self.send(ServerFrame::Error { code, message }).await;
    }

    /// The next frame; `None` when the client is gone.
    pub(crate) async fn read(&mut self) -> Option<ClientFrame> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Some(ClientFrame::parse(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Waits for a ping.
    pub(crate) async fn pinged(&mut self) {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Ping(_))) => return,
                Some(Ok(_)) => {}
                other => panic!("expected a ping, got {other:?}"),
            }
        }
    }

    /// The next frame, which is a request.
    pub(crate) async fn request(&mut self) -> Request {
        match self.read().await {
            Some(ClientFrame::Request(request)) => request,
            other => panic!("expected a request, got {other:?}"),
        }
    }

    /// Reads until everything up to `seq` is acknowledged.
    pub(crate) async fn acked(&mut self, seq: Seq) {
        loop {
            match self.read().await {
                Some(ClientFrame::Ack(acked)) if acked >= seq => return assert_eq!(acked, seq),
                Some(ClientFrame::Ack(_)) => {}
                other => panic!("expected an ack of {seq}, got {other:?}"),
            }
        }
    }
}

/// A client that is not slow to come back.
pub(crate) fn quick() -> Timing {
    Timing {
        wait_min: Duration::from_millis(1),
        wait_max: Duration::from_millis(2),
        ..Timing::default()
    }
}

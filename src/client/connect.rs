//! From an address to an open WebSocket.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use super::{ClientError, Refusal, Server, http};
use crate::base::http::chain;
use crate::base::tls;
use crate::protocol::address::{self, AddressError};

/// How long the WebSocket handshake may take, and the protocol's after it (spec 19.1).
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Enough for most events in one read; the library's default reserves eight times as much.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// The largest event: servers send what they took in, up to 40 MiB of it.
const MESSAGE_MAX_BYTES: usize = 64 * 1024 * 1024;

/// What a client writes is small: acks, and requests of at most 1 MiB.
const WRITE_BUFFER_MAX_BYTES: usize = 2 * 1024 * 1024;

/// Bytes in both directions, with or without TLS.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// An open WebSocket.
pub type Socket = WebSocketStream<Box<dyn Pipe>>;

/// Opens sockets to one server. TLS is set up once, at the first need of it.
#[derive(Clone)]
pub struct Connector {
    url: Url,
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
}

impl Connector {
    /// Prepares for a server. Fails on what no retry can mend.
    pub fn new(server: &Server) -> Result<Self, ClientError> {
        Self::to(&server.ws_url, server.ca_file.as_deref())
    }

    /// Prepares for an address.
    pub fn to(address: &str, ca_file: Option<&Path>) -> Result<Self, ClientError> {
        let url = Url::parse(address)
            .map_err(|error| AddressError::Malformed(address.to_owned(), error))?;
        let no_host = || AddressError::NoHost(address.to_owned());
        let host = url.host_str().ok_or_else(no_host)?;
        // A URL writes IPv6 hosts in brackets, sockets and certificates do not.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = url
            .port_or_known_default()
            .ok_or_else(|| AddressError::Scheme(address.to_owned()))?;
        let tls = match address::is_tls(address) {
            true => Some(Arc::new(tls::config(true, ca_file)?).into()),
            false => None,
        };
        Ok(Self {
            url,
            host,
            port,
            tls,
        })
    }

    /// The host's name and the port.
    pub fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Connects as far as TLS, and takes leave again.
    pub async fn touch(&self, limit: Duration) -> Result<(), ClientError> {
        self.pipe_within(limit).await.map(drop)
    }

    /// Connects as far as TLS.
    pub async fn open_pipe(&self) -> Result<Box<dyn Pipe>, ClientError> {
        self.pipe_within(http::CONNECT_LIMIT).await
    }

    /// The address that sockets are opened to.
    pub fn address(&self) -> &str {
        self.url.as_str()
    }

    /// Opens a socket; the WebSocket handshake may take as long as `handshake_limit`.
    pub async fn open(&self, handshake_limit: Duration) -> Result<Socket, ClientError> {
        self.open_reading(READ_BUFFER_BYTES, handshake_limit).await
    }

    /// As [`Connector::open`], with a buffer of this size for what comes in.
    pub async fn open_reading(
        &self,
        buffer_bytes: usize,
        handshake_limit: Duration,
    ) -> Result<Socket, ClientError> {
        let pipe = self.open_pipe().await?;
        let config = WebSocketConfig::default()
            .read_buffer_size(buffer_bytes)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER_MAX_BYTES)
            .max_message_size(Some(MESSAGE_MAX_BYTES))
            .max_frame_size(Some(MESSAGE_MAX_BYTES));
        let handshake =
            tokio_tungstenite::client_async_with_config(self.url.as_str(), pipe, Some(config));
        match timeout(handshake_limit, handshake).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(self.no_socket(error)),
            Err(_) => Err(self.lost("the WebSocket handshake took too long")),
        }
    }

    /// Why the other side did not turn the connection into a WebSocket.
    fn no_socket(&self, error: WsError) -> ClientError {
        match error {
            WsError::Http(response) => match refusal(*response) {
                refusal if matches!(refusal.status, 401 | 403) => {
                    ClientError::Denied(refusal.to_string())
                }
                refusal if refusal.is_unserved() => {
                    self.unreadable(&format!("there is no WebSocket there: {refusal}"))
                }
                refusal => refusal.into(),
            },
            WsError::Io(error) => self.lost(&chain(&error)),
            WsError::ConnectionClosed
            | WsError::AlreadyClosed
            | WsError::Protocol(ProtocolError::HandshakeIncomplete) => {
                self.lost("it closed the connection during the WebSocket handshake")
            }
            error => self.unreadable(&chain(&error)),
        }
    }

    async fn pipe_within(&self, limit: Duration) -> Result<Box<dyn Pipe>, ClientError> {
        let connecting = timeout(limit, self.pipe()).await;
        connecting.unwrap_or_else(|_| Err(self.unreachable("connecting took too long")))
    }

    async fn pipe(&self) -> Result<Box<dyn Pipe>, ClientError> {
        let fault = |error: std::io::Error| self.unreachable(&chain(&error));
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(fault)?;
        // Acks are small and somebody waits for the next event.
        stream.set_nodelay(true).map_err(fault)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| self.unreachable(&error.to_string()))?;
        let stream = tls.connect(name, stream).await.map_err(fault)?;
        Ok(Box::new(stream))
    }

    fn unreachable(&self, why: &str) -> ClientError {
        ClientError::Unreachable {
            server: self.url.to_string(),
            why: why.to_owned(),
        }
    }

    fn lost(&self, why: &str) -> ClientError {
        ClientError::Lost {
            server: self.url.to_string(),
            why: why.to_owned(),
        }
    }

    fn unreadable(&self, why: &str) -> ClientError {
        ClientError::Unreadable {
            server: self.url.to_string(),
            why: why.to_owned(),
        }
    }
}

fn refusal(response: tokio_tungstenite::tungstenite::http::Response<Option<Vec<u8>>>) -> Refusal {
    let body = response.body().as_deref().unwrap_or_default();
    Refusal::read(
        response.status().as_u16(),
        None,
        &String::from_utf8_lossy(body),
    )
}

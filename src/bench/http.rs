//! Posting over one connection that is kept, with as little work as it takes. The connection is driven by whoever waits
//! for the answer: no task beside it, no pool.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;

use super::{BenchError, Target};
use crate::client::connect::{Connector, Pipe};

/// How much of a refusal is said.
const REFUSAL_MAX_BYTES: usize = 300;

/// What came back.
#[derive(Debug)]
pub(super) enum Posted {
    /// It was accepted.
    Accepted,
    /// It was not: status and text.
    Refused(String),
}

/// Opens posters to one path of a target.
#[derive(Clone)]
pub(super) struct Post {
    connector: Connector,
    headers: HeaderMap,
    uri: Uri,
}

/// A connection to post on.
pub(super) struct Poster {
    post: Post,
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<Box<dyn Pipe>>, Full<Bytes>>,
}

impl Post {
    /// Prepares for posts to a path of the target.
    pub(super) fn to(target: &Target, path: &'static str) -> Result<Self, BenchError> {
        let connector = target.http()?;
        let unusable = |_| BenchError::System {
            what: "make a request",
            why: "the address or the key cannot stand in a header".to_owned(),
        };
        let (host, port) = connector.host_and_port();
        let host = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::try_from(host).map_err(unusable)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = target.authorization() {
            let mut value = HeaderValue::try_from(authorization).map_err(unusable)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self {
            connector,
            headers,
            uri: Uri::from_static(path),
        })
    }

    /// Opens a connection.
    pub(super) async fn open(&self) -> Result<Poster, BenchError> {
        let pipe = self.connector.open_pipe().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(pipe))
            .await
            .map_err(|error| BenchError::System {
                what: "open a connection",
                why: error.to_string(),
            })?;
        Ok(Poster {
            post: self.clone(),
            sender,
            connection,
        })
    }
}

impl Poster {
    /// Posts a body and waits for the answer. After an `Err` the connection is of no use any more.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<Posted, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.post.uri.clone();
        *request.headers_mut() = self.post.headers.clone();
        let Self {
            sender, connection, ..
        } = self;
        let answer = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
        };
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            ended = connection => Err(match ended {
                Err(error) => error,
                Ok(()) => return Err("the server closed the connection".to_owned()),
            }),
        };
        let (status, body) = answer.map_err(|error| error.to_string())?;
        if status.is_success() {
            return Ok(Posted::Accepted);
        }
        let body = &body[..body.len().min(REFUSAL_MAX_BYTES)];
        Ok(Posted::Refused(format!(
            "{}: {}",
            status.as_u16(),
            String::from_utf8_lossy(body).trim()
        )))
    }

    /// Opens the connection anew.
    pub(super) async fn reopen(&mut self) -> Result<(), BenchError> {
        *self = self.post.open().await?;
        Ok(())
    }
}

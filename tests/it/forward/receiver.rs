//! The hook of another instance, written down once more: it checks what is posted to it with code of the tests' own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::authority::Identity;
use crate::support::eventually;
use crate::support::hooks::signature;

/// What opens the hook.
pub(super) const TOKEN: &str = "kfd_12ab34cd_0123456789abcdef0123456789abcdef";

/// What the hook does with an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    /// It answers so.
    With(u16),
    /// It never answers.
    Hang,
}

/// Decides by the event, and by how often it came before.
type Decide = dyn Fn(&Value, usize) -> Reply + Send + Sync;

#[derive(Default)]
struct Heard {
    taken: Vec<Value>,
    came: HashMap<String, usize>,
    faults: Vec<String>,
}

/// The hook. It ends with this value.
pub(super) struct Receiver {
    /// Where it is.
    pub(super) url: String,
    /// Its socket's address.
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// A hook that takes everything.
    pub(super) async fn start() -> Self {
        Self::deciding(|_, _| Reply::With(202)).await
    }

    /// A hook that decides for each event.
    pub(super) async fn deciding(
        decide: impl Fn(&Value, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::bind("127.0.0.1:0".parse().unwrap(), None, Arc::new(decide)).await
    }

    /// A hook at an address that was somebody's before.
    pub(super) async fn at(address: SocketAddr) -> Self {
        Self::bind(address, None, Arc::new(|_, _| Reply::With(202))).await
    }

    /// A hook behind TLS.
    pub(super) async fn with_tls(identity: &Identity) -> Self {
        let tls = identity.acceptor();
        Self::bind(
            "127.0.0.1:0".parse().unwrap(),
            Some(tls),
            Arc::new(|_, _| Reply::With(202)),
        )
        .await
    }

    async fn bind(address: SocketAddr, tls: Option<TlsAcceptor>, decide: Arc<Decide>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let heard = Arc::new(Mutex::new(Heard::default()));
        Self {
            url: format!("{scheme}://localhost:{}/hooks/t/kite", address.port()),
            address,
            serving: tokio::spawn(serve(listener, tls, Arc::clone(&heard), decide)),
            heard,
        }
    }

    /// The events that were taken, in their order.
    pub(super) fn taken(&self) -> Vec<Value> {
        self.heard.lock().unwrap().taken.clone()
    }

    /// Their ids.
    pub(super) fn ids(&self) -> Vec<String> {
        let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
        self.heard.lock().unwrap().taken.iter().map(id).collect()
    }

    /// How often an event came.
    pub(super) fn times(&self, id: &str) -> usize {
        self.heard
            .lock()
            .unwrap()
            .came
            .get(id)
            .copied()
            .unwrap_or(0)
    }

    /// Waits until an event has come so often.
    pub(super) async fn has_come(&self, id: &str, times: usize) {
        let look = async || (self.times(id) >= times).then_some(());
        eventually("the event has come", look).await;
    }

    /// Waits until so many were taken.
    pub(super) async fn has_taken(&self, count: usize) {
        let look = async || (self.heard.lock().unwrap().taken.len() >= count).then_some(());
        eventually("the events have come", look).await;
    }

    /// Ends it: nothing listens there any more.
    pub(super) async fn stop(mut self) -> SocketAddr {
        self.serving.abort();
        let _ = (&mut self.serving).await;
        self.address
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
        let heard = self.heard.lock().unwrap();
        if !std::thread::panicking() {
            assert!(heard.faults.is_empty(), "{:#?}", heard.faults);
        }
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    heard: Arc<Mutex<Heard>>,
    decide: Arc<Decide>,
) {
    // Connections end with the hook.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, heard, decide) = (tls.clone(), Arc::clone(&heard), Arc::clone(&decide));
        connections.spawn(connection(stream, tls, heard, decide));
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    heard: Arc<Mutex<Heard>>,
    decide: Arc<Decide>,
) {
    let service = service_fn(|request| answer(request, &heard, &*decide));
    // A client may leave in the middle.
    match tls {
        None => {
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
        Some(tls) => {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    heard: &Mutex<Heard>,
    decide: &Decide,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(status(400));
    };
    let body = body.to_bytes();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let wanted = [
        ("authorization", format!("Bearer {TOKEN}")),
        ("x-kite-signature", signature(TOKEN, &body)),
        ("content-type", "application/cloudevents+json".to_owned()),
    ];
    for (name, wanted) in wanted {
        if header(name) != Some(wanted.as_str()) {
            let fault = format!("`{name}` is {:?} and not `{wanted}`", header(name));
            heard.lock().unwrap().faults.push(fault);
            return Ok(status(401));
        }
    }
    let event: Value = serde_json::from_slice(&body).unwrap();
    let id = event["id"].as_str().unwrap().to_owned();
    let before = {
        let mut heard = heard.lock().unwrap();
        let count = heard.came.entry(id).or_default();
        *count += 1;
        *count - 1
    };
    match decide(&event, before) {
        Reply::Hang => std::future::pending().await,
        Reply::With(code) => {
            if (200..300).contains(&code) {
                heard.lock().unwrap().taken.push(event);
            }
            Ok(status(code))
        }
    }
}

fn status(code: u16) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = code.try_into().unwrap();
    response
}

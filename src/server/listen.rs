//! Accepting connections, in the clear or over TLS, with limits on handshakes, headers, idle time and number.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;

use super::patient::{Patient, STALL_LIMIT};
use super::request;
use super::tls::Certificate;

/// How long a TLS handshake may take: one on a poor line takes a few seconds.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How long a request's head may take, and how long a connection may idle before one.
const HEADER_LIMIT: Duration = Duration::from_secs(15);

/// How large a request's head may be: hyper's read buffer while it has no body to read.
const HEADER_MAX_BYTES: usize = 64 * 1024;

/// How many header lines a request may have.
const HEADERS_MAX: usize = 100;

/// How long to wait when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

impl Peer {
    /// Who sent a request: who is connected, unless that is a proxy which may speak for others. Proxies write behind one
    /// another, so the last address in `X-Forwarded-For` that is no such proxy is the client; what stands before it, it
    /// may have written itself.
    fn of(connected: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Self {
        let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
        let connected = connected.to_canonical();
        if !is_proxy(&connected) {
            return Self(connected);
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let addresses = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.rsplit(','))
            .map_while(|word| word.trim().parse().ok())
            .map(|address: IpAddr| address.to_canonical());
        let mut furthest = connected;
        for address in addresses {
            furthest = address;
            if !is_proxy(&address) {
                break;
            }
        }
        Self(furthest)
    }
}

/// A place among the connections; given back when the last holder drops it. A WebSocket takes it over from its request.
#[derive(Clone)]
pub(super) struct ConnectionPermit {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// What every connection is served with.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) router: Router,
    /// The proxies that may speak for others.
    pub(super) proxies: Arc<[IpNet]>,
    /// The certificate, where connections are over TLS.
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) ending: watch::Receiver<bool>,
}

/// Serves connections until told to end, then lets requests in flight finish within `grace`.
pub(super) async fn serve(
    listener: TcpListener,
    service: Service,
    max_connections: usize,
    grace: Duration,
) {
    let mut ending = service.ending.clone();
    let places = Arc::new(Semaphore::new(max_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            Some(_) = connections.join_next() => continue,
            () = ended(&mut ending) => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                connections.spawn(connection(stream, peer, permit, service.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, drained).await.is_err() {
        tracing::warn!("requests were still running after {grace:?}");
    }
}

/// Waits until the server ends.
pub(super) async fn ended(ending: &mut watch::Receiver<bool>) {
    // Also when nobody is left who could say so.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// The next connection, once there is a place for it: those beyond the cap wait in the system's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, ConnectionPermit)> {
    let permit = places
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let permit = ConnectionPermit {
        _permit: Arc::new(permit),
    };
    Ok((stream, peer, permit))
}

/// Serves one connection to its end. A handshake holds its place among the connections, and nobody else up.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    permit: ConnectionPermit,
    mut service: Service,
) {
    let Some(certificate) = service.certificate.take() else {
        return requests(stream, peer, permit, service).await;
    };
    let handshake = async { certificate.acceptor().await.accept(stream).await };
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE_LIMIT, handshake) => shaken,
        () = ended(&mut service.ending) => return,
    };
    match shaken {
        Ok(Ok(stream)) => requests(stream, peer, permit, service).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    permit: ConnectionPermit,
    service: Service,
) {
    let Service {
        router,
        proxies,
        mut ending,
        ..
    } = service;
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        let sender = Peer::of(peer.ip(), request.headers(), &proxies);
        let id = request::id_of(peer.ip(), request.headers(), &proxies);
        request.extensions_mut().insert(sender);
        request.extensions_mut().insert(id);
        request.extensions_mut().insert(permit.clone());
        router.clone().oneshot(request)
    });
    let stream = Patient::new(stream, STALL_LIMIT);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEADER_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = ended(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let proxies: Vec<IpNet> = ["127.0.0.1/32", "10.0.0.0/8"]
            .map(|network| network.parse().unwrap())
            .into();
        let sender = |connected: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
            }
            let Peer(address) = Peer::of(connected.parse().unwrap(), &headers, &proxies);
            address.to_string()
        };
        for (connected, lines, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What the client claims stands before what the proxy saw.
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            (
                "127.0.0.1",
                &["203.0.113.9", "198.51.100.7, 10.1.2.3"],
                "198.51.100.7",
            ),
            ("127.0.0.1", &["10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &["198.51.100.7, nonsense"], "127.0.0.1"),
            ("127.0.0.1", &["2001:db8::7"], "2001:db8::7"),
        ] {
            assert_eq!(sender(connected, lines), expected, "{connected} {lines:?}");
        }
    }
}

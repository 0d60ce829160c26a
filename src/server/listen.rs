//! Accepting connections, with limits on headers, idle time and number.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;

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

/// A place among the connections; given back when the last holder drops it. A WebSocket takes it over from its request.
#[derive(Clone)]
pub(super) struct ConnectionPermit {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Serves connections until told to end, then lets requests in flight finish within `grace`.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: usize,
    mut ending: watch::Receiver<bool>,
    grace: Duration,
) {
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
                connections.spawn(connection(
                    stream,
                    peer,
                    permit,
                    router.clone(),
                    ending.clone(),
                ));
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

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    permit: ConnectionPermit,
    router: Router,
    mut ending: watch::Receiver<bool>,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        request.extensions_mut().insert(permit.clone());
        router.clone().oneshot(request)
    });
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

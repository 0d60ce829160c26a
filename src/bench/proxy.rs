//! From the post to the request at a local program, by way of `kite proxy`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::Message;

use super::letter::{Finder, Stamp};
use super::listener::{self, Arrivals, Audience};
use super::publish::{self, Press};
use super::report::{Figures, Outcome};
use super::run::Run;
use super::tally::Latencies;
use super::{BenchError, Load, Target, idle};
use crate::client::connect::Socket;

/// What a measurement came to.
#[derive(Debug, Clone, Serialize)]
pub struct Proxied {
    /// Posts that arrived at the local program; latencies from when the message was due.
    #[serde(flatten)]
    pub figures: Figures,
    /// What the proxy added: from the frame at a listener beside it to the request, median, in microseconds.
    pub added_p50_us: f64,
    /// What 99 of 100 do not exceed.
    pub added_p99_us: f64,
    /// The most.
    pub added_max_us: f64,
    /// The proxy's resident memory before, in bytes.
    pub before_bytes: u64,
    /// And after.
    pub after_bytes: u64,
}

/// A local program that answers everything at once.
pub struct Desk {
    address: SocketAddr,
    current: Arc<Mutex<Option<Arc<Counter>>>>,
    serving: JoinHandle<()>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Desk {
    /// Listens on a port of this machine.
    pub async fn open() -> Result<Self, BenchError> {
        let fault = BenchError::system("listen");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(fault)?;
        let address = listener
            .local_addr()
            .map_err(BenchError::system("listen"))?;
        let current = Arc::new(Mutex::new(None));
        let serving = tokio::spawn(serve(listener, Arc::clone(&current)));
        Ok(Self {
            address,
            current,
            serving,
        })
    }

    /// Where to post.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Runs the load on a server whose events a proxy, this process, posts here.
    pub async fn measure(
        &self,
        target: &Target,
        load: &Load,
        proxy: u32,
    ) -> Result<Proxied, BenchError> {
        let sockets = listener::connect(target, 0..1, Audience::All).await?;
        let (form, posters) = publish::prepare(target, target.publish_path(), load).await?;
        let before_bytes = idle::resident_bytes(proxy)?;
        let running = Run::begin(load)?;
        let run = Arc::clone(&running.0);
        let arrivals = Arc::new(Arrivals::new(Arc::clone(&run), 1, load.publishers));
        let counter = Arc::new(Counter {
            meeting: Meeting::default(),
            arrivals: Arc::clone(&arrivals),
            run: Arc::clone(&run),
        });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&counter));
        let mut listeners = JoinSet::new();
        for socket in sockets {
            listeners.spawn(Arc::clone(&counter).listen(socket));
        }
        let press = Press::new(Arc::clone(&run), load, 1, Some(Arc::clone(&arrivals)));
        let press = Arc::new(press);
        press.clone().run(form, posters).await;
        let expected = press.accepted();
        arrivals.settle(expected).await;
        let missing = expected.saturating_sub(arrivals.all());
        let tally = arrivals.tallies.sum();
        let outcome = Outcome::of_deliveries(tally, press.tallies.sum(), missing, load, &run)?;
        let added = counter.meeting.added();
        Ok(Proxied {
            figures: outcome.figures(),
            added_p50_us: added.at(0.5),
            added_p99_us: added.at(0.99),
            added_max_us: added.max(),
            before_bytes,
            after_bytes: idle::resident_bytes(proxy)?,
        })
    }
}

/// Counts what arrives in one run, at the program and at the listener beside the proxy.
struct Counter {
    run: Arc<Run>,
    arrivals: Arc<Arrivals>,
    meeting: Meeting,
}

impl Counter {
    async fn listen(self: Arc<Self>, mut socket: Socket) {
        let mut finder = Finder::default();
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            if let Some(stamp) = finder.find(text.as_bytes()) {
                self.meeting.heard(stamp, self.run.now());
            }
        }
    }

    fn take(&self, finder: &mut Finder, body: &[u8]) {
        if let Some(stamp) = finder.find(body) {
            self.meeting
                .posted(stamp, self.run.now(), self.run.warm_up());
        }
        self.arrivals.take(0, finder, body);
    }
}

/// A message whose frame or whose request has come, and when.
type Waiting = HashMap<(Duration, usize), Duration>;

/// Brings the frame and the request of each message together.
#[derive(Default)]
struct Meeting(Mutex<(Waiting, Latencies)>);

impl Meeting {
    fn heard(&self, stamp: Stamp, now: Duration) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A request that was faster than the frame took nothing, and was counted.
        let (waiting, _) = &mut *inner;
        if waiting.remove(&(stamp.due, stamp.publisher)).is_none() {
            waiting.insert((stamp.due, stamp.publisher), now);
        }
    }

    fn posted(&self, stamp: Stamp, now: Duration, warm_up: Duration) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (waiting, added) = &mut *inner;
        let heard = waiting.remove(&(stamp.due, stamp.publisher));
        if heard.is_none() {
            waiting.insert((stamp.due, stamp.publisher), now);
        }
        if stamp.due >= warm_up {
            added.record(now.saturating_sub(heard.unwrap_or(now)));
        }
    }

    fn added(&self) -> Latencies {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut inner.1)
    }
}

async fn serve(listener: TcpListener, current: Arc<Mutex<Option<Arc<Counter>>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, Arc::clone(&current)));
        // Those that have ended.
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(stream: TcpStream, current: Arc<Mutex<Option<Arc<Counter>>>>) {
    let _ = stream.set_nodelay(true);
    let finder = Arc::new(Mutex::new(Finder::default()));
    let service = service_fn(|request: Request<Incoming>| {
        let (current, finder) = (Arc::clone(&current), Arc::clone(&finder));
        async move {
            let body = request.into_body().collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            let counter = current
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(counter) = counter {
                counter.take(
                    &mut finder.lock().unwrap_or_else(PoisonError::into_inner),
                    &body,
                );
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    // A proxy that is gone posts nothing more.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

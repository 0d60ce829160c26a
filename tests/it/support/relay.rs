//! The address of an instance whose server comes and goes: it passes on what is posted, writes down how that went, and
//! loses or refuses what a test wants lost or refused.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::GLANCE;

/// What is done with a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is passed on, and the answer back.
    Passed,
    /// It is passed on, and the answer is lost.
    Unanswered,
    /// It is passed on, and the answer is held back until the relay leads nowhere; then it is lost.
    Held,
    /// It is refused like this, and not passed on.
    Refused(u16),
}

/// A post as it came.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// The event's id.
    pub(crate) id: String,
    /// When it came.
    pub(crate) at: Instant,
    /// What the server answered; none while it does not, or if nobody was there.
    pub(crate) status: Option<u16>,
}

type Decide = dyn Fn(&str) -> Fate + Send + Sync;

#[derive(Default)]
struct Book {
    target: Option<String>,
    posts: Vec<Post>,
}

struct Way {
    book: Mutex<Book>,
    decide: Box<Decide>,
    client: reqwest::Client,
}

/// The address. It ends with this value.
pub(crate) struct Relay {
    /// Where it listens, as an HTTP address.
    pub(crate) url: String,
    way: Arc<Way>,
    serving: JoinHandle<()>,
}

impl Relay {
    /// One that leads to a server.
    pub(crate) async fn to(
        url: &str,
        decide: impl Fn(&str) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(Way {
            book: Mutex::default(),
            decide: Box::new(decide),
            client: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only(Vec::new())
                .build()
                .unwrap(),
        });
        let relay = Self {
            url: format!("http://{address}"),
            serving: tokio::spawn(serve(listener, way.clone())),
            way,
        };
        relay.lead_to(url);
        relay
    }

    /// Leads to a server from now on.
    pub(crate) fn lead_to(&self, url: &str) {
        self.way.book().target = Some(url.to_owned());
    }

    /// Leads nowhere: whoever comes finds nobody.
    pub(crate) fn cut(&self) {
        self.way.book().target = None;
    }

    /// Everything that came so far.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.way.book().posts.clone()
    }

    /// How many posts the server answered so.
    pub(crate) fn answered(&self, status: u16) -> usize {
        let book = self.way.book();
        let answered = book.posts.iter().filter(|post| post.status == Some(status));
        answered.count()
    }

    /// How often each event came.
    pub(crate) fn times(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for post in &self.way.book().posts {
            *times.entry(post.id.clone()).or_default() += 1;
        }
        times
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Way {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// An error breaks the connection.
    async fn pass(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> io::Result<Response<Full<Bytes>>> {
        let gone = || io::Error::from(io::ErrorKind::ConnectionReset);
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| gone())?.to_bytes();
        let event: Value = serde_json::from_slice(&body)?;
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        let fate = (self.decide)(&id);
        let (number, target) = {
            let mut book = self.book();
            let at = Instant::now();
            book.posts.push(Post {
                id,
                at,
                status: None,
            });
            (book.posts.len() - 1, book.target.clone())
        };
        if let Fate::Refused(status) = fate {
            return Ok(answer(status, Bytes::new()));
        }
        let url = format!("{}{}", target.ok_or_else(gone)?, parts.uri.path());
        let mut request = self.client.post(url).body(body);
        for name in ["authorization", "x-kite-signature", "content-type"] {
            if let Some(value) = parts.headers.get(name) {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.map_err(|_| gone())?;
        let status = response.status().as_u16();
        self.book().posts[number].status = Some(status);
        let body = response.bytes().await.map_err(|_| gone())?;
        match fate {
            Fate::Unanswered => Err(gone()),
            Fate::Held => {
                while self.book().target.is_some() {
                    sleep(GLANCE).await;
                }
                Err(gone())
            }
            _ => Ok(answer(status, body)),
        }
    }
}

fn answer(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status.try_into().unwrap();
    response
}

async fn serve(listener: TcpListener, way: Arc<Way>) {
    // Connections end with the relay.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let way = way.clone();
        connections.spawn(async move {
            let service = service_fn(|request| {
                // What is passed on gets there and is written down, whether or not anybody waits for the answer.
                let passing = tokio::spawn(way.clone().pass(request));
                async move { passing.await.unwrap() }
            });
            // It breaks whenever a test wants.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

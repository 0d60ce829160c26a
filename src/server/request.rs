//! Every request under one eye: its id, its line in the log, its numbers.
//!
//! What is logged and counted is the route and never the address: an address may hold the token of an endpoint.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use tower::{Layer, Service};
use tracing::Level;

use crate::base::meter::{Counter, Histogram};
use crate::base::request::RequestId;

/// What carries the id, in both directions.
const ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What stands for the route of a request to an address where nothing is.
const NO_ROUTE: &str = "none";

/// The methods that count for themselves; the last stands for all others.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "other"];

/// The classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Microseconds of a request.
const MICROS: [u64; 11] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 10_000_000,
];

/// The id of a request: what the proxy that sent it calls it, if that is one which may speak for others, else a fresh one.
pub(super) fn id_of(connected: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> RequestId {
    let connected = connected.to_canonical();
    let given = headers
        .get(ID_HEADER)
        .filter(|_| proxies.iter().any(|network| network.contains(&connected)))
        .and_then(|value| RequestId::parse(value.to_str().ok()?));
    given.unwrap_or_else(RequestId::fresh)
}

/// How requests to one route with one method were answered.
pub(super) struct Answers {
    classes: [Counter; CLASSES.len()],
    /// In microseconds, until the answer began.
    pub(super) micros: Histogram,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            classes: Default::default(),
            micros: Histogram::new(&MICROS),
        }
    }
}

impl Answers {
    /// How many there were of each class that there were any of.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.classes.iter().map(Counter::get);
        CLASSES.into_iter().zip(counts).filter(|(_, n)| *n > 0)
    }

    fn note(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.classes.get(class) {
            count.one();
        }
        self.micros.note_micros(took);
    }
}

/// The numbers of all requests. There are as many of them as there are routes.
#[derive(Default)]
pub(super) struct Requests(RwLock<HashMap<Box<str>, Arc<Route>>>);

type Route = [Answers; METHODS.len()];

impl Requests {
    fn route(&self, path: &str) -> Arc<Route> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = known.get(path) {
            return route.clone();
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(path.into()).or_default().clone()
    }

    fn note(&self, path: &str, method: &Method, status: StatusCode, took: Duration) {
        let others = METHODS.len() - 1;
        let place = METHODS.iter().position(|it| *it == method.as_str());
        if let Some(answers) = self.route(path).get(place.unwrap_or(others)) {
            answers.note(status, took);
        }
    }

    /// Every route, in the order of their names, and every method of it that was used.
    pub(super) fn each(&self, mut tell: impl FnMut(&str, &str, &Answers)) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut routes: Vec<_> = known.iter().collect();
        routes.sort_unstable_by_key(|(path, _)| *path);
        for (path, route) in routes {
            for (method, answers) in METHODS.iter().zip(route.iter()) {
                if answers.classes().next().is_some() {
                    tell(path, method, answers);
                }
            }
        }
    }
}

/// Keeps an eye on every request of a router.
#[derive(Clone)]
pub(super) struct Watch(pub(super) Arc<Requests>);

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Watched {
            inner,
            requests: self.0.clone(),
        }
    }
}

/// A route with an eye on it.
#[derive(Clone)]
pub(super) struct Watched<S> {
    inner: S,
    requests: Arc<Requests>,
}

impl<S> Service<Request<Body>> for Watched<S>
where
    S: Service<Request<Body>, Response = Response>,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let begun = Instant::now();
        let extensions = request.extensions();
        let id = extensions.get().cloned();
        let id = id.unwrap_or_else(RequestId::fresh);
        let path = extensions.get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let requests = self.requests.clone();
        let answering = self.inner.call(request);
        Box::pin(id.clone().scope(async move {
            let mut response = answering.await?;
            let took = begun.elapsed();
            let route = path.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
            requests.note(route, &method, response.status(), took);
            log(route, &method, response.status(), took);
            if let Ok(value) = HeaderValue::from_str(id.as_str()) {
                response.headers_mut().insert(ID_HEADER, value);
            }
            Ok(response)
        }))
    }
}

/// One line for a request. What is our fault is a warning; but 503 is not: what it comes of, an outage or the end of the
/// server, is said once where it begins and not for everyone who meets it.
fn log(route: &str, method: &Method, status: StatusCode, took: Duration) {
    let is_fault = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
    if !is_fault && !tracing::enabled!(Level::DEBUG) {
        return;
    }
    // Any word can be a method: the unusual ones are not repeated.
    let method = METHODS.iter().find(|it| **it == method.as_str());
    let method = method.unwrap_or(&"other");
    let status = status.as_u16();
    let millis = took.as_secs_f64() * 1000.0;
    match is_fault {
        true => tracing::warn!(method, route, status, millis, "a request failed"),
        false => tracing::debug!(method, route, status, millis, "a request was answered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_names_requests() {
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let id = |connected: &str, given: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ID_HEADER, HeaderValue::from_static(given));
            id_of(connected.parse().unwrap(), &headers, &proxies).to_string()
        };
        assert_eq!(id("10.1.2.3", "edge-7"), "edge-7");
        assert_eq!(id("::ffff:10.1.2.3", "edge-7"), "edge-7");
        for (connected, given) in [
            ("192.0.2.1", "edge-7"),
            ("10.1.2.3", "no id"),
            ("10.1.2.3", ""),
        ] {
            let id = id(connected, given);
            assert!(id != given && id.len() == 36, "{id}");
        }
    }

    #[test]
    fn a_method_that_nobody_knows_makes_no_series_of_its_own() {
        let requests = Requests::default();
        let took = Duration::from_millis(3);
        for method in ["GET", "BREW", "SIP"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            requests.note("/a", &method, StatusCode::OK, took);
        }
        let weird = StatusCode::from_u16(799).unwrap();
        requests.note("/a", &Method::PUT, weird, took);
        let mut seen = Vec::new();
        requests.each(|path, method, answers| {
            let classes: Vec<_> = answers.classes().collect();
            seen.push(format!(
                "{path} {method} {classes:?} {}",
                answers.micros.read().sum
            ));
        });
        assert_eq!(
            seen,
            ["/a GET [(\"2xx\", 1)] 3000", "/a other [(\"2xx\", 2)] 6000"]
        );
    }
}

//! What the server says of its own API: `/openapi.json` (OpenAPI 3.1).
//!
//! A route and its description are added in one step, so that nothing is served that is not described. What bodies look
//! like comes from the types that the handlers read and write.

mod cloud_event;
mod document;
mod operation;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::handler::Handler;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, on};

use super::state::App;
pub(super) use cloud_event::{cloud_event, cloud_events};
pub(super) use operation::{JSON, Operation, described};

/// Routes with what is said of them.
pub(super) struct Routes {
    router: Router<Arc<App>>,
    operations: Vec<Operation>,
}

impl Routes {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            operations: Vec::new(),
        }
    }

    /// What is done at a path by a method.
    pub(super) fn add<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let route = on(operation.method.filter(), handler);
        self.router = self.router.route(&operation.path, route);
        self.operations.push(operation);
        self
    }

    /// A page for people: no part of the API.
    pub(super) fn page(mut self, path: &str, route: MethodRouter<Arc<App>>) -> Self {
        self.router = self.router.route(path, route);
        self
    }

    /// Pages for people below a path.
    pub(super) fn pages(mut self, prefix: &str, pages: Router<Arc<App>>) -> Self {
        self.router = self.router.nest(prefix, pages);
        self
    }

    /// Others beside these.
    pub(super) fn merge(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.operations.extend(others.operations);
        self
    }

    /// Others below a path, with the answers of their own to what is not there.
    pub(super) fn nest(mut self, prefix: &str, others: Self) -> Self {
        self.router = self.router.nest(prefix, others.router);
        let moved = others.operations.into_iter().map(|mut operation| {
            operation.path.insert_str(0, prefix);
            operation
        });
        self.operations.extend(moved);
        self
    }

    /// What else a router can be told, such as what it answers where nothing is.
    pub(super) fn with(mut self, more: impl FnOnce(Router<Arc<App>>) -> Router<Arc<App>>) -> Self {
        self.router = more(self.router);
        self
    }

    /// The router, which also tells the document. It is made when somebody first asks for it.
    pub(super) fn into_router(self) -> Router<Arc<App>> {
        let this = self.with_itself();
        let operations = this.operations;
        let text = LazyLock::new(move || Bytes::from(document::of(&operations).to_string()));
        let text = Arc::new(text);
        let tell = move || {
            let text = text.clone();
            async move { tell(&text) }
        };
        this.router.route(PATH, get(tell))
    }

    fn with_itself(mut self) -> Self {
        self.operations.push(
            Operation::get(PATH, "openapi", "This document.")
                .under("server")
                .gives_as(
                    StatusCode::OK,
                    "OpenAPI 3.1",
                    |_| schemars::json_schema!({"type": "object"}),
                ),
        );
        self
    }
}

/// Where the document is.
const PATH: &str = "/openapi.json";

/// Anybody may ask, and it is long: all answers share one text.
fn tell(text: &Bytes) -> Response {
    let json = HeaderValue::from_static(JSON);
    ([(header::CONTENT_TYPE, json)], text.clone()).into_response()
}

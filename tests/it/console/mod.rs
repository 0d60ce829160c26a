//! The operator's page: who gets in, what it shows and to whom, what it does, what goes on by itself.

mod backlog;
mod browser;
mod pages;
mod session;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Access, Answer, answer, escaped};
use crate::support::peers::fresh_token;
use crate::support::receiver::Receiver;
use crate::support::server::Server;

/// The pages of somebody who is signed in.
const PAGES: [&str; 5] = [
    "/console",
    "/console/deliveries",
    "/console/dead-letters",
    "/console/endpoints",
    "/console/keys",
];

/// Somebody with a browser that follows nothing by itself and keeps one cookie.
struct Visitor {
    url: String,
    client: Client,
    cookie: Option<String>,
    token: String,
}

impl Visitor {
    /// Somebody who comes for the first time.
    fn of(access: &Access) -> Self {
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only(Vec::new())
            .redirect(Policy::none())
            // A server that was started again knows no old connection.
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            url: access.url.clone(),
            client,
            cookie: None,
            token: String::new(),
        }
    }

    /// Somebody who has signed in.
    async fn signed_in(access: &Access) -> Self {
        let mut visitor = Self::of(access);
        let signed_in = visitor.try_key(&access.key).await;
        assert_eq!(signed_in.status, 303, "{signed_in:#?}");
        visitor.keep_cookie(&signed_in);
        let page = visitor.get("/console").await;
        visitor.token = between(&page.text, "name=\"token\" value=\"", "\"").to_owned();
        visitor
    }

    fn keep_cookie(&mut self, answer: &Answer) {
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    /// A page that must be shown.
    async fn sees(&self, path: &str) -> String {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {page:#?}");
        page.text
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let fields = fields
            .iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        let body = fields.collect::<Vec<_>>().join("&");
        self.request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// Sends a form of a page, which has the session's token in it.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [fields, &[("token", self.token.as_str())]].concat();
        answer(self.form(path, &fields)).await
    }

    async fn try_key(&self, key: &str) -> Answer {
        answer(self.form("/console/sign-in", &[("key", key)])).await
    }

    /// Whether the session stands: whoever has none is led to where one signs in.
    async fn is_in(&self) -> bool {
        let page = self.get("/console").await;
        match page.status {
            200 => true,
            303 => false,
            _ => panic!("{page:#?}"),
        }
    }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(begin)
        .unwrap_or_else(|| panic!("no `{begin}` in {text}"));
    rest.split_once(end).unwrap().0
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{answer:#?}");
    answer.headers["location"].to_str().unwrap()
}

/// A server with a peer whose hook answers what a test wants: at first it refuses each event for good.
struct Site {
    server: Server,
    owner: Access,
    hook: Receiver,
    answers: Arc<AtomicU16>,
}

impl Site {
    fn start() -> Self {
        let server = Server::start_with(&["--allow-insecure-peers", "--instance-id", "kite-a"]);
        let answers = Arc::new(AtomicU16::new(400));
        let said = answers.clone();
        Self {
            owner: server.owner(),
            server,
            hook: Receiver::answering(move |_| Some(said.load(Ordering::SeqCst))),
            answers,
        }
    }

    /// The hook takes everything from now on.
    fn mend(&self) {
        self.answers.store(202, Ordering::SeqCst);
    }

    /// Makes a peer of a team; its id.
    async fn peer(&self, access: &Access, name: &str) -> String {
        let body = json!({
            "name": name,
            "peer_hook_url": self.hook.url,
            "outbound_token": fresh_token(),
            "inbound_token": fresh_token(),
        });
        let made = access.post("/api/federation/peers", body.to_string()).await;
        made.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Stores an event, which comes to be a dead letter; the letter's id.
    async fn letter(&self, access: &Access, event: &Value) -> String {
        access.emit(event).await.expect(202);
        let id = event["id"].as_str().unwrap();
        eventually("there is a dead letter", async || {
            let path = "/api/federation/dead-letters?limit=1000";
            let letters = access.get(path).await.expect(200);
            let letters = letters.as_array().unwrap();
            let found = letters.iter().find(|letter| letter["event_id"] == id);
            found.map(|letter| letter["id"].as_str().unwrap().to_owned())
        })
        .await
    }
}

fn note(id: &str) -> Value {
    json!({"id": id, "source": "s", "type": "com.demo.note", "data": {"n": 1.50}})
}

//! Post each event to a local server as its provider did (spec 17).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};

use super::{Item, Outcome, Sink, answer};
use crate::base::clock::Clock;
use crate::base::http;
use crate::base::secret::Secret;
use crate::base::tls::TlsError;
use crate::protocol::event::{Data, Event};
use crate::webhook::{self, Headers, SignatureFault, headers};

/// How long one request may take unless told otherwise (spec 17).
pub const TARGET_LIMIT: Duration = Duration::from_secs(30);

/// What the CloudEvents binding for HTTP escapes in a header, besides what is not ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Where events go.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// Where those of a source go, by its name in lower case.
    pub by_source: BTreeMap<String, Url>,
    /// Where all others go; without it they have nowhere to go.
    pub default: Option<Url>,
}

impl Routes {
    fn of(&self, source: &str) -> Option<&Url> {
        self.by_source.get(source).or(self.default.as_ref())
    }

    fn urls(&self) -> impl Iterator<Item = &Url> {
        self.by_source.values().chain(&self.default)
    }
}

/// A local server, or several.
pub struct Proxy {
    client: reqwest::Client,
    routes: Routes,
    sign_secret: Option<Secret>,
    clock: Clock,
}

/// What became of one post.
#[derive(Debug)]
pub struct Posted {
    /// What it means for the event.
    pub outcome: Outcome,
    /// Where it went.
    pub target: Option<Url>,
    /// What the answer was.
    pub status: Option<StatusCode>,
}

impl Proxy {
    /// Prepares for these targets, each request to end within `limit`.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new(
        routes: Routes,
        limit: Duration,
        ca_file: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        let has_tls = routes.urls().any(|url| url.scheme() == "https");
        Ok(Self {
            client: http::client(has_tls, ca_file, limit)?,
            routes,
            sign_secret: None,
            clock,
        })
    }

    /// Also signs each post as Standard Webhooks do.
    ///
    /// # Errors
    ///
    /// Why nothing can be signed with the secret.
    pub fn signing(mut self, secret: Secret) -> Result<Self, SignatureFault> {
        webhook::sign_standard("id", b"", secret.reveal().as_bytes(), 0)?;
        self.sign_secret = Some(secret);
        Ok(self)
    }

    /// Posts one event.
    pub async fn post(&self, item: &Item) -> Posted {
        let source = item.source_name();
        let Some(url) = self.routes.of(&source) else {
            return Posted {
                outcome: Outcome::Hopeless(format!("there is no route for the source `{source}`")),
                target: None,
                status: None,
            };
        };
        let body = body(&item.event);
        let mut headers = headers(item, &source);
        if let Some(secret) = &self.sign_secret {
            self.sign(&mut headers, &item.event.id, &body, secret);
        }
        let (outcome, status) = answer::send(|| {
            let request = self.client.post(url.clone());
            request.headers(headers.clone()).body(body.clone())
        })
        .await;
        Posted {
            outcome,
            target: Some(url.clone()),
            status,
        }
    }

    fn sign(&self, headers: &mut HeaderMap, id: &str, body: &[u8], secret: &Secret) {
        let now = self.clock.unix_millis() / 1000;
        // As in `ce-id`: an id may have characters that no header may have.
        let id = utf8_percent_encode(id, ESCAPED).to_string();
        // The secret was tried when it was given.
        let signed = webhook::sign_standard(&id, body, secret.reveal().as_bytes(), now);
        for (name, value) in signed.unwrap_or_default() {
            set(headers, name, &value);
        }
    }
}

#[async_trait]
impl Sink for Proxy {
    async fn deliver(&self, item: &Item) -> Outcome {
        self.post(item).await.outcome
    }
}

/// What is posted: the exact body where it was kept, else `data` as it came. Text that stands in a JSON string only
/// because it is no JSON itself is posted as that text.
fn body(event: &Event) -> Bytes {
    if let Some(exact) = exact_body(event) {
        return exact;
    }
    match &event.data {
        Some(Data::Json(raw)) => match plain_text(event, raw.get()) {
            Some(text) => text.into(),
            None => raw.get().to_owned().into(),
        },
        Some(Data::Base64(text)) => STANDARD.decode(text).unwrap_or_default().into(),
        None => Bytes::new(),
    }
}

fn exact_body(event: &Event) -> Option<Bytes> {
    let text = event.extension("kiterawbody")?;
    STANDARD.decode(text).ok().map(Bytes::from)
}

fn plain_text(event: &Event, data: &str) -> Option<String> {
    match is_json(event.datacontenttype.as_deref()?) {
        true => None,
        false => serde_json::from_str(data).ok(),
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.to_ascii_lowercase().contains("json")
}

/// The original headers without those of the connection and credentials, then kite's own and those of CloudEvents.
fn headers(item: &Item, source: &str) -> HeaderMap {
    let event = &item.event;
    let mut all = HeaderMap::new();
    let original = event.extension("kiteoriginalheaders").unwrap_or_default();
    let original: BTreeMap<String, String> = serde_json::from_str(original).unwrap_or_default();
    let original = Headers::new(&original);
    let named = listed(original.get("connection"));
    for (name, value) in original.iter() {
        let is_of_connection = name.starts_with("proxy-") || named.iter().any(|own| own == name);
        if headers::is_kept(name) && !is_of_connection {
            set(&mut all, name, value);
        }
    }
    if !is_of_body(all.get(CONTENT_TYPE), event) {
        set(&mut all, "content-type", declared(event));
    }
    let own = [
        ("x-kite-source", source),
        ("x-kite-event-id", &event.id),
        ("x-kite-event-type", &event.kind),
        ("x-kite-team-id", &item.team),
        ("ce-specversion", "1.0"),
    ];
    for (name, value) in own {
        set(&mut all, name, value);
    }
    let escaped = [
        ("ce-id", Some(&event.id)),
        ("ce-source", Some(&event.source)),
        ("ce-type", Some(&event.kind)),
        ("ce-time", event.time.as_ref()),
    ];
    for (name, value) in escaped {
        match value {
            Some(value) => set(
                &mut all,
                name,
                &utf8_percent_encode(value, ESCAPED).to_string(),
            ),
            None => drop(all.remove(name)),
        }
    }
    all
}

/// Whether a content type is there, and that of what is posted: a CloudEvent that came as JSON is not, nor a form that
/// is too long for its bytes to be kept.
fn is_of_body(content_type: Option<&HeaderValue>, event: &Event) -> bool {
    const CLOUDEVENTS: &str = "application/cloudevents";
    let text = content_type.and_then(|value| value.to_str().ok());
    let Some(text) = text.filter(|text| !text.to_ascii_lowercase().starts_with(CLOUDEVENTS)) else {
        return false;
    };
    exact_body(event).is_some() || is_json(text) || !is_json(declared(event))
}

/// The type that the event gives its data.
fn declared(event: &Event) -> &str {
    event
        .datacontenttype
        .as_deref()
        .unwrap_or("application/json")
}

/// The names in a `connection` header.
fn listed(connection: Option<&str>) -> Vec<String> {
    let names = connection.unwrap_or_default().split(',');
    names.map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// Sets a header, whoever else has; what no header can hold is left out.
fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let Ok(name) = HeaderName::try_from(name) else {
        return;
    };
    match HeaderValue::from_str(value) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(_) => drop(headers.remove(&name)),
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;

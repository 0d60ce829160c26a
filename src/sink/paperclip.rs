//! Wake an agent of Paperclip for each event (spec 17).

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Item, Outcome, Sink, answer};
use crate::base::http;
use crate::base::secret::Secret;
use crate::base::tls::TlsError;
use crate::protocol::address;
use crate::protocol::event::Data;

/// How long one request may take (spec 17).
const LIMIT: Duration = Duration::from_secs(15);

/// Why Paperclip cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum PaperclipFault {
    /// Not the address of an API. It may hold a password, so it is not shown.
    #[error("the address of Paperclip must be http(s), without name, password, query and fragment")]
    Address,
    /// The key would be readable on its way.
    #[error("the Paperclip key is not sent to `{0}` over plain http")]
    PlainHttp(String),
    /// An id that no path can hold.
    #[error("`{0}` is no id of a company or an agent")]
    Id(String),
    /// The key is missing.
    #[error("the Paperclip key is missing")]
    NoKey,
    /// The key has characters that no header can hold.
    #[error("the Paperclip key is no key: it has characters that no key has")]
    Key,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A company at Paperclip, or one of its agents.
#[derive(Debug)]
pub struct Paperclip {
    client: Client,
    url: Url,
    bearer: HeaderValue,
}

impl Paperclip {
    /// Prepares for this address, see [`webhook_url`].
    ///
    /// # Errors
    ///
    /// When the key may not or cannot go there, or TLS cannot be set up.
    pub fn new(url: Url, key: &Secret, ca_file: Option<&Path>) -> Result<Self, PaperclipFault> {
        let is_tls = address::is_tls(url.as_str());
        if !is_tls && !address::is_loopback(url.as_str()) {
            let origin = url.origin().ascii_serialization();
            return Err(PaperclipFault::PlainHttp(origin));
        }
        let bearer = format!("Bearer {}", key.reveal());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| PaperclipFault::Key)?;
        bearer.set_sensitive(true);
        Ok(Self {
            client: http::client(is_tls, ca_file, LIMIT)?,
            url,
            bearer,
        })
    }

    fn headers(&self, item: &Item, wake_reason: &str) -> HeaderMap {
        let own = [
            ("x-kite-event-id", item.event.id.as_str()),
            ("x-kite-event-type", item.event.kind.as_str()),
            ("x-kite-wake-reason", wake_reason),
        ];
        // What no header can hold is left out: the body has it.
        let mut headers: HeaderMap = own
            .into_iter()
            .filter_map(|(name, value)| {
                let value = HeaderValue::from_str(value).ok()?;
                Some((HeaderName::from_static(name), value))
            })
            .collect();
        headers.insert(AUTHORIZATION, self.bearer.clone());
        headers
    }
}

#[async_trait]
impl Sink for Paperclip {
    async fn deliver(&self, item: &Item) -> Outcome {
        let wake = Wake::of(item);
        let headers = self.headers(item, wake.wake_reason);
        answer::send_opening(|| {
            let request = self.client.post(self.url.clone());
            request.headers(headers.clone()).json(&wake)
        })
        .await
    }
}

/// Where the events of a company go, or of one of its agents.
///
/// # Errors
///
/// When the address is not that of an API, or an id is none.
pub fn webhook_url(api: &Url, company: &str, agent: Option<&str>) -> Result<Url, PaperclipFault> {
    let is_bare = api.username().is_empty() && api.password().is_none();
    let is_short = api.query().is_none() && api.fragment().is_none();
    if !matches!(api.scheme(), "http" | "https") || !is_bare || !is_short {
        return Err(PaperclipFault::Address);
    }
    let mut url = api.clone();
    {
        let mut path = url
            .path_segments_mut()
            .map_err(|()| PaperclipFault::Address)?;
        path.pop_if_empty()
            .extend(["api", "companies", id(company)?]);
        if let Some(agent) = agent {
            path.extend(["agents", id(agent)?]);
        }
        path.extend(["webhooks", "kite"]);
    }
    Ok(url)
}

/// A segment of a path: what would name another path, or vanish from it, is none.
fn id(text: &str) -> Result<&str, PaperclipFault> {
    let is_id = !matches!(text, "" | "." | "..") && !text.contains(char::is_control);
    match is_id {
        true => Ok(text),
        false => Err(PaperclipFault::Id(text.to_owned())),
    }
}

/// What is posted.
#[derive(Debug, Serialize)]
struct Wake<'a> {
    event_type: &'a str,
    wake_reason: &'static str,
    source: &'a str,
    event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<WakeData<'a>>,
}

/// The text of the data as it came; bytes as their base64.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum WakeData<'a> {
    Json(&'a RawValue),
    Base64(&'a str),
}

impl<'a> Wake<'a> {
    fn of(item: &'a Item) -> Self {
        let event = &item.event;
        Self {
            event_type: &event.kind,
            wake_reason: wake_reason(&event.kind, &item.source_name()),
            source: &event.source,
            event_id: &event.id,
            event_time: event.time.as_deref(),
            data: event.data.as_ref().map(|data| match data {
                Data::Json(text) => WakeData::Json(text),
                Data::Base64(text) => WakeData::Base64(text),
            }),
        }
    }
}

/// Why an agent is woken, by the event's type and the name of its source (spec 17).
fn wake_reason(kind: &str, source: &str) -> &'static str {
    match kind.strip_prefix("kite.subscription.") {
        Some("payment_failed") => return "payment_failed",
        Some("quota_exhausted") => return "quota_exhausted",
        Some("quota_restored") => return "quota_restored",
        _ => {}
    }
    let provider = kind.strip_prefix("com.").unwrap_or_default();
    let provider = provider.split('.').next().unwrap_or_default();
    let by_name = |name: &str| match name {
        "github" => Some("webhook_github"),
        "stripe" => Some("webhook_stripe"),
        "clerk" => Some("webhook_clerk"),
        "slack" => Some("webhook_slack"),
        _ => None,
    };
    by_name(provider)
        .or(by_name(source))
        .unwrap_or("webhook_event")
}

#[cfg(test)]
#[path = "paperclip_tests.rs"]
mod tests;

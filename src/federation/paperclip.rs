//! The Paperclip of this instance: where messages for agents are posted too, and what its answers mean (spec 13.3).
//!
//! What it documents of its API has no such path, so nothing is assumed but what the spec says: the body is the message's
//! `data` as it stands, and the event's id goes with it in a header, by which a post that came twice can be told.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::delivery::{Attempted, Request, judge};
use super::dial::{Answer, DialFault};
use crate::base::secret::Secret;
use crate::protocol::event::{Data, Event};
use crate::protocol::outbound::Outbound;
use crate::protocol::peer_url::{PeerUrl, PeerUrlFault};
use crate::protocol::undeliverable::Undeliverable;

/// What may stand unescaped in an address wherever it is (RFC 3986, 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why Paperclip cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaperclipFault {
    /// Its address cannot be called.
    #[error(transparent)]
    Url(#[from] PeerUrlFault),
    /// Its address has something behind the path.
    #[error("leave out what is behind the `?`: paths are put behind the address")]
    Query,
    /// No header can hold the key.
    #[error("the key has characters that no key has: use printable ASCII without spaces")]
    Key,
}

/// Where Paperclip is, and what opens it.
#[derive(Debug)]
pub struct Paperclip {
    api_url: String,
    key: Option<Secret>,
}

impl Paperclip {
    /// Takes the base of its API, which is judged as the addresses of peers are. Without a key none is shown: one of this
    /// server's never goes there.
    ///
    /// # Errors
    /// When the address cannot or may not be called, or the key is none.
    pub fn new(
        api_url: &str,
        key: Option<Secret>,
        outbound: &Outbound,
    ) -> Result<Self, PaperclipFault> {
        let url = PeerUrl::parse(api_url, outbound)?;
        if url.url().query().is_some() {
            return Err(PaperclipFault::Query);
        }
        let is_plain = |key: &Secret| {
            let key = key.reveal();
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !key.as_ref().is_none_or(is_plain) {
            return Err(PaperclipFault::Key);
        }
        Ok(Self {
            api_url: url.as_str().trim_end_matches('/').to_owned(),
            key,
        })
    }

    /// The base of its API.
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The post of a message.
    pub(super) fn request(&self, event: &Event) -> Result<Request, String> {
        let (Some(message), Some(Data::Json(data))) = (Undeliverable::of(event), &event.data)
        else {
            return Err("it is no message for an agent".to_owned());
        };
        let mut headers = vec![("content-type", "application/json".to_owned())];
        // An id that no header can hold is left out. None that is made here is one.
        if event.id.bytes().all(|byte| byte.is_ascii_graphic()) {
            headers.push(("x-kite-event-id", event.id.clone()));
        }
        if let Some(key) = &self.key {
            headers.push(("authorization", format!("Bearer {}", key.reveal())));
        }
        Ok(Request {
            url: self.address_of(message.to())?,
            headers,
            body: data.get().to_owned().into(),
            message: Some(message),
            errand: None,
        })
    }

    fn address_of(&self, agent: &str) -> Result<PeerUrl, String> {
        let encoded = utf8_percent_encode(agent, UNRESERVED);
        let path = format!("/api/agents/{encoded}/messages");
        let url: PeerUrl = format!("{}{path}", self.api_url)
            .parse()
            .map_err(|fault: PeerUrlFault| fault.to_string())?;
        // `..` is taken for a step up, however it is written.
        match url.url().path().ends_with(&path) {
            true => Ok(url),
            false => Err(format!("`{agent}` cannot be part of an address")),
        }
    }

    /// What an answer, or the lack of one, means: as of a peer, but that 404 and 410 are about the agent.
    pub(super) fn judge(&self, answer: Result<&Answer, &DialFault>) -> Attempted {
        let key = self.key.as_ref().map_or("", Secret::reveal);
        match (judge(answer, key, words), answer.map(|it| it.status)) {
            (Attempted::PeerFailed { error, .. }, Ok(404 | 410)) => Attempted::AgentMissing(error),
            (attempted, _) => attempted,
        }
    }
}

fn words(status: u16) -> &'static str {
    match status {
        300..=399 => {
            "Paperclip is at another address, and redirects are not followed: give its own in `KITE_PAPERCLIP_API_URL`"
        }
        400 | 413 | 415 | 422 => "Paperclip refused the message",
        401 | 403 => "Paperclip refused the key: check `KITE_PAPERCLIP_API_KEY`",
        404 | 410 => "Paperclip knows no such agent",
        429 => "Paperclip takes no more for now",
        500..=599 => "Paperclip failed",
        _ => "Paperclip gave an unexpected answer",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::federation::fixtures;

    const KEY: &str = "pc_agent_1";

    fn paperclip(api_url: &str) -> Paperclip {
        let key = Some(KEY.to_owned().into());
        Paperclip::new(api_url, key, &fixtures::outbound()).unwrap()
    }

    fn message(id: &str, to: &str) -> Event {
        let text = serde_json::json!({"specversion": "1.0", "id": id, "source": "s",
            "type": "com.kite.agent.message", "data": {"from": "a", "to": to, "body": "x"}});
        Event::parse(&text.to_string()).unwrap()
    }

    #[test]
    fn a_message_goes_to_its_agent_as_it_stands() {
        for base in ["http://127.0.0.1:9/pc", "http://127.0.0.1:9/pc/"] {
            let text = r#"{"specversion":"1.0","id":"m","source":"s","type":"com.kite.agent.message","data":{"to": "b c/ü","n":1e2}}"#;
            let event = Event::parse(text).unwrap();
            let request = paperclip(base).request(&event).unwrap();
            assert_eq!(
                request.url.as_str(),
                "http://127.0.0.1:9/pc/api/agents/b%20c%2F%C3%BC/messages"
            );
            assert_eq!(request.body, r#"{"to": "b c/ü","n":1e2}"#);
            let headers = [
                ("content-type", "application/json".to_owned()),
                ("x-kite-event-id", "m".to_owned()),
                ("authorization", format!("Bearer {KEY}")),
            ];
            assert_eq!(request.headers, headers);
        }
    }

    #[test]
    fn without_a_key_none_is_shown_and_a_strange_id_is_left_out() {
        let paperclip = Paperclip::new("https://pc.example", None, &Outbound::default()).unwrap();
        let request = paperclip.request(&message("ü", "b")).unwrap();
        assert_eq!(
            request.headers,
            [("content-type", "application/json".to_owned())]
        );
    }

    #[test]
    fn no_name_leads_elsewhere() {
        let paperclip = paperclip("http://127.0.0.1:9");
        for name in ["..", ".", &"ü".repeat(600)] {
            assert!(paperclip.request(&message("m", name)).is_err(), "{name}");
        }
        for name in ["../x", "%2e%2e", "a?b#c", "..%2f", "@[::1]"] {
            let request = paperclip.request(&message("m", name)).unwrap();
            let path = request.url.url().path();
            let agent = path.strip_prefix("/api/agents/").unwrap();
            let agent = agent.strip_suffix("/messages").unwrap();
            let read = percent_encoding::percent_decode_str(agent).decode_utf8();
            assert_eq!(read.unwrap(), name);
            assert!(!agent.contains('/'), "{agent}");
        }
    }

    #[test]
    fn answers_are_about_the_agent_the_message_or_paperclip() {
        let judged = |status, body: &str| {
            let answer = Answer {
                status,
                retry_after: Some(Duration::from_secs(7)),
                body: body.to_owned().into(),
                is_cut: false,
            };
            paperclip("http://127.0.0.1:9").judge(Ok(&answer))
        };
        assert_eq!(judged(201, ""), Attempted::Delivered);
        for status in [404, 410] {
            assert!(matches!(judged(status, ""), Attempted::AgentMissing(_)));
        }
        for status in [400, 413, 415, 422] {
            assert!(matches!(judged(status, ""), Attempted::EventRefused(_)));
        }
        for status in [301, 401, 403, 409, 429, 500, 503] {
            let judged = judged(status, "");
            assert!(matches!(judged, Attempted::PeerFailed { .. }), "{status}");
        }
        let echoed = judged(401, &format!("bad {KEY}\n"));
        assert_eq!(
            echoed.error(),
            Some("Paperclip refused the key: check `KITE_PAPERCLIP_API_KEY` (401): bad (token)")
        );
    }

    #[test]
    fn what_cannot_be_called_is_refused_at_once() {
        let refused = |url: &str, key: Option<&str>| {
            let key = key.map(|key| Secret::from(key.to_owned()));
            Paperclip::new(url, key, &Outbound::default()).unwrap_err()
        };
        let inside = refused("https://10.0.0.1", None).to_string();
        assert!(inside.contains("--allow-private-networks"), "{inside}");
        let local = refused("http://localhost:3100", None).to_string();
        assert!(local.contains("--allow-insecure-peers"), "{local}");
        assert_eq!(
            refused("https://pc.example/?x=1", None),
            PaperclipFault::Query
        );
        for key in ["", "a b", "ü", "a\nb"] {
            assert_eq!(
                refused("https://pc.example", Some(key)),
                PaperclipFault::Key
            );
        }
    }
}

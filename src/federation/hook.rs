//! Another instance's hook: where its events go, what they are posted with, and what its answers mean (spec 14.2).

use super::delivery::{Attempted, Request, excerpt, judge};
use super::dial::{Answer, DialFault};
use crate::base::secret::Secret;
use crate::protocol::event::Event;
use crate::protocol::forward::{self, Provenance};
use crate::protocol::id::InstanceId;
use crate::protocol::outbound::Outbound;
use crate::protocol::peer_url::{PeerUrl, PeerUrlFault};
use crate::store::federation::PeerRecord;
use crate::store::seal::Sealer;

/// Where a peer's events go, and what opens its door.
#[derive(Debug)]
pub(super) struct Hook {
    /// The address.
    url: PeerUrl,
    token: Secret,
}

impl Hook {
    /// What a peer's record says, or why it cannot be used.
    pub(super) fn of(
        peer: &PeerRecord,
        outbound: &Outbound,
        sealer: &Sealer,
    ) -> Result<Self, String> {
        let url = PeerUrl::parse(&peer.hook_url, outbound).map_err(|fault| fault.to_string())?;
        let token = sealer.open(&PeerRecord::place(&peer.id), &peer.outbound_token);
        Ok(Self {
            url,
            token: token.map_err(|_| {
                "the stored token cannot be opened with this server's secret key: give the peer a new outbound token"
                    .to_owned()
            })?,
        })
    }

    /// The post of a stored event.
    pub(super) fn request(&self, event: &Event, own_id: &InstanceId) -> Result<Request, String> {
        let provenance = Provenance::of(event).map_err(|fault| fault.to_string())?;
        Ok(self.post(provenance.forward(event, own_id).to_text()))
    }

    /// The post of a text.
    pub(super) fn post(&self, body: String) -> Request {
        Request {
            url: self.url.clone(),
            headers: forward::headers(self.token.reveal(), body.as_bytes()).into(),
            body: body.into(),
            message: None,
            errand: None,
        }
    }

    /// A post to what lies behind the hook's own address.
    pub(super) fn question(
        &self,
        word: &str,
        body: &str,
        outbound: &Outbound,
    ) -> Result<Request, PeerUrlFault> {
        let mut url = self.url.url().clone();
        let path = format!("{}/{word}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Request {
            url: PeerUrl::parse(url.as_str(), outbound)?,
            ..self.post(body.to_owned())
        })
    }

    /// What a peer said, on one line and without the token.
    pub(super) fn excerpt(&self, body: &[u8]) -> String {
        excerpt(body, self.token.reveal())
    }

    /// What an answer, or the lack of one, means.
    pub(super) fn judge(&self, answer: Result<&Answer, &DialFault>) -> Attempted {
        judge(answer, self.token.reveal(), words)
    }
}

fn words(status: u16) -> &'static str {
    match status {
        300..=399 => {
            "the peer is at another address, and redirects are not followed: give its hook's own address"
        }
        400 | 422 => "the peer refused the event",
        401 => "the peer refused the token: exchange tokens anew",
        402 => "the peer's quota is used up",
        403 => "the peer does not take events from here: its side may be paused or revoked",
        404 => "the peer knows no such hook: check its address",
        408 => "the peer did not get the whole request in time",
        410 => "the peer's hook is gone: check its address",
        413 => "the event is too large for the peer",
        415 => "the peer takes no CloudEvents in JSON: check its address",
        425 => "the peer is not ready yet",
        429 => "the peer takes no more for now",
        500..=599 => "the peer failed",
        _ => "the peer gave an unexpected answer",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::federation::delivery::EXCERPT_MAX_CHARS;
    use crate::federation::fixtures;

    fn hook() -> Hook {
        let peer = fixtures::peer("http://127.0.0.1:1/hooks/t/kite");
        let outbound = fixtures::outbound();
        Hook::of(&peer, &outbound, &fixtures::sealer()).unwrap()
    }

    fn judged(status: u16, body: &str) -> Attempted {
        let answer = Answer {
            status,
            retry_after: Some(Duration::from_secs(7)),
            body: body.to_owned().into(),
            is_cut: false,
        };
        hook().judge(Ok(&answer))
    }

    #[test]
    fn answers_are_about_the_event_or_about_the_peer() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(judged(status, "x"), Attempted::Delivered);
        }
        for status in [400, 413, 415, 422] {
            let judged = judged(status, "");
            assert!(matches!(judged, Attempted::EventRefused(_)), "{status}");
        }
        for status in [
            100, 301, 308, 401, 402, 403, 404, 405, 408, 409, 410, 418, 425, 429, 500, 503, 599,
        ] {
            let asked = Some(Duration::from_secs(7));
            let judged = judged(status, "");
            let is_peers =
                matches!(&judged, Attempted::PeerFailed { asked: it, .. } if *it == asked);
            assert!(is_peers, "{status}");
        }
    }

    #[test]
    fn a_failure_says_what_the_peer_said_on_one_line_and_never_the_token() {
        let error = |body: &str| judged(401, body).error().unwrap().to_owned();
        let words = "the peer refused the token: exchange tokens anew (401)";
        assert_eq!(error(" \n\0"), words);
        let said = format!(
            "no\u{1b}[31m\r\n {} \u{202e}here\u{7}",
            fixtures::OUTBOUND_TOKEN
        );
        assert_eq!(error(&said), format!("{words}: no [31m (token) here"));
        let long = error(&"ä".repeat(5000));
        assert_eq!(
            long.chars().count(),
            words.chars().count() + 2 + EXCERPT_MAX_CHARS + 1
        );
        let fault = DialFault::Name("`a.example` has no address".to_owned());
        let judged = hook().judge(Err(&fault));
        assert_eq!(judged.error(), Some("`a.example` has no address"));
    }

    #[test]
    fn a_body_is_the_event_with_one_more_hop() {
        let own_id = "a".parse().unwrap();
        let text = r#"{"specversion":"1.0","id":"i","source":"s","type":"t","data":{"n": 1e2}}"#;
        let event = Event::parse(text).unwrap();
        let request = hook().request(&event, &own_id).unwrap();
        let body = std::str::from_utf8(&request.body).unwrap();
        assert!(body.contains(r#""kitefedhops":1"#), "{body}");
        assert!(body.ends_with(r#""data":{"n": 1e2}}"#), "{body}");
    }

    #[test]
    fn a_peer_that_cannot_be_used_says_why() {
        let of = |peer: &PeerRecord, outbound: &Outbound| {
            Hook::of(peer, outbound, &fixtures::sealer()).map(|_| ())
        };
        let mut peer = fixtures::peer("http://127.0.0.1:1/");
        let refused = of(&peer, &Outbound::default()).unwrap_err();
        assert!(refused.contains("--allow-insecure-peers"), "{refused}");
        peer.outbound_token = vec![1; 40];
        let refused = of(&peer, &fixtures::outbound()).unwrap_err();
        assert!(refused.contains("secret key"), "{refused}");
    }
}

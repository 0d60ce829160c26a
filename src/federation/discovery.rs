//! Asking peers which other instances they know (spec 14.1).

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;

use super::dial::{Answer, Limits};
use super::hook::Hook;
use super::works::Works;
use crate::protocol::discovery::{DISCOVER, Heard};
use crate::protocol::outbound::Outbound;
use crate::protocol::peer_url::{PeerUrl, PeerUrlFault};
use crate::store::federation::{PEERS_MAX, PeerRecord};

/// What a peer is asked with.
const QUESTION: &[u8] = b"{}";

/// What one peer may take: somebody waits at a terminal. An answer has room for as many instances as a team has peers,
/// with long names.
const LIMITS: Limits = Limits {
    whole: Duration::from_secs(5),
    body_max_bytes: 256 * 1024,
};

/// How many peers are asked at a time: as many as a team has at most are through within 20 seconds, which clients wait for.
const ASKED_MAX: usize = 64;

/// What each of these peers tells, or why it tells nothing, in their order.
pub(super) async fn ask_all(works: &Works, peers: &[PeerRecord]) -> Vec<Result<Heard, String>> {
    let asked: Vec<_> = peers.iter().map(|peer| ask(works, peer)).collect();
    iter(asked).buffered(ASKED_MAX).collect().await
}

/// Asks one. It counts for nothing: neither for the rate nor for the circuit.
async fn ask(works: &Works, peer: &PeerRecord) -> Result<Heard, String> {
    let outbound = works.dial.outbound();
    let hook = Hook::of(peer, outbound, &works.sealer)?;
    let url = behind(&hook.url, outbound).map_err(|fault| fault.to_string())?;
    let headers = hook.headers(QUESTION);
    let answer = works.dial.post(&url, &headers, QUESTION.into(), LIMITS);
    let answer = answer.await.map_err(|fault| fault.to_string())?;
    read(&answer, &hook, outbound)
}

/// The address that is asked: behind that of the hook.
fn behind(hook: &PeerUrl, outbound: &Outbound) -> Result<PeerUrl, PeerUrlFault> {
    let mut url = hook.url().clone();
    let path = format!("{}/{DISCOVER}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    PeerUrl::parse(url.as_str(), outbound)
}

fn read(answer: &Answer, hook: &Hook, outbound: &Outbound) -> Result<Heard, String> {
    let status = answer.status;
    let words = match status {
        200 if answer.is_cut => "the peer tells more than there is room for",
        200 => {
            let heard = Heard::read(&answer.body, outbound, PEERS_MAX);
            return heard
                .map_err(|fault| format!("the peer gave an answer that cannot be read: {fault}"));
        }
        401 => "the peer refused the token: exchange tokens anew",
        403 => "the peer does not tell",
        404 | 405 => "the peer knows no discovery: it is too old, or something else than kite",
        429 => "the peer takes no more for now",
        500..=599 => "the peer failed",
        _ => "the peer gave an unexpected answer",
    };
    // A success has no reason.
    let reason = match status {
        200 => String::new(),
        _ => hook.excerpt(&answer.body),
    };
    Err(format!("{words} ({status}){reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixtures;

    fn hook() -> Hook {
        let peer = fixtures::peer("http://127.0.0.1:1/hooks/t/kite/");
        Hook::of(&peer, &fixtures::outbound(), &fixtures::sealer()).unwrap()
    }

    fn told(status: u16, body: &str, is_cut: bool) -> Result<Heard, String> {
        let answer = Answer {
            status,
            retry_after: None,
            body: body.to_owned().into(),
            is_cut,
        };
        read(&answer, &hook(), &fixtures::outbound())
    }

    #[test]
    fn the_question_goes_behind_the_hook() {
        let url = behind(&hook().url, &fixtures::outbound()).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:1/hooks/t/kite/discover");
    }

    #[test]
    fn an_answer_is_read_or_says_why_not() {
        let good =
            r#"{"instance_id":"b","instances":[{"instance_id":"c","url":"https://c.example"}]}"#;
        assert_eq!(told(200, good, false).unwrap().instances.len(), 1);
        assert!(told(200, good, true).unwrap_err().contains("more than"));
        assert!(
            told(200, "[]", false)
                .unwrap_err()
                .contains("cannot be read")
        );
        let echo = format!("no\u{1b}[2J {}", fixtures::OUTBOUND_TOKEN);
        let refused = told(403, &echo, false).unwrap_err();
        assert_eq!(refused, "the peer does not tell (403): no [2J (token)");
        assert!(told(404, "", false).unwrap_err().contains("no discovery"));
        assert!(told(302, "", false).unwrap_err().contains("unexpected"));
    }
}

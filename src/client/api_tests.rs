//! The calls against a server that follows a script.

use super::*;
use crate::client::history::{History, Start};
use crate::client::script::Script;

async fn script() -> (Script, Api) {
    let script = Script::new().await;
    let api = Api::new(&script.server(), Some("a team".parse().unwrap())).unwrap();
    (script, api)
}

fn idempotency_key(head: &str) -> Option<String> {
    let lines = head.lines().map(str::to_ascii_lowercase);
    lines
        .filter_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned))
        .next()
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_key() {
    let (script, api) = script().await;
    let message = MessageRequest::default();
    let server = async {
        let lost = script.answer("").await;
        let busy = script.respond(503, "{}").await;
        let done = script.respond(201, r#"{"id":"e1","more":1}"#).await;
        [lost, busy, done]
    };
    let (answer, heads) = tokio::join!(api.send_message(&message, "k1"), server);
    assert_eq!(answer.unwrap().value.id, "e1");
    for head in heads {
        assert_eq!(idempotency_key(&head).as_deref(), Some("k1"));
        assert!(head.starts_with("POST /api/v1/agents/messages?team_id=a%20team HTTP"));
    }
}

#[tokio::test]
async fn a_refusal_is_final() {
    let (script, api) = script().await;
    let message = MessageRequest::default();
    let server = script.respond(403, r#"{"error":"no"}"#);
    let (answer, _) = tokio::join!(api.send_message(&message, "k1"), server);
    assert!(matches!(answer, Err(ClientError::Refused(refusal)) if refusal.text == "no"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_one_that_hung_up() {
    let (script, api) = script().await;
    let (lost, _) = tokio::join!(api.stats(), script.answer(""));
    assert!(matches!(lost, Err(ClientError::Lost { .. })));
    drop(script);
    let error = api.stats().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }));
    assert!(!error.to_string().contains("team"), "{error}");
}

#[tokio::test]
async fn a_history_ends_where_the_log_ended_when_it_began() {
    let (script, api) = script().await;
    let event = |seq: Seq| format!(r#"{{"seq":{seq},"created_at":"c","event":{{}}}}"#);
    let page = |events: &str, last_seq: Seq, next: Seq| {
        format!(
            r#"{{"events":[{events}],"oldest_available_seq":1,"last_seq":{last_seq},"next_after_seq":{next}}}"#
        )
    };
    let first = page(&event(2), 5, 3);
    // Event 6 came while the first page was read.
    let second = page(&format!("{},{}", event(5), event(6)), 6, 6);
    let mut history = History::new(Start::Seq(2), vec![Scope::All]);
    let read = async {
        let mut seqs = Vec::new();
        while let Some(events) = history.next_page(&api).await.unwrap() {
            seqs.extend(events.iter().map(|event| event.seq));
        }
        seqs
    };
    let server = async {
        let head = script.respond(200, &first).await;
        assert!(head.contains("&after_seq=1&scope=%2A "), "{head}");
        let head = script.respond(200, &second).await;
        assert!(head.contains("&after_seq=3&"), "{head}");
    };
    let (seqs, ()) = tokio::join!(read, server);
    assert_eq!(seqs, [2, 5]);
    assert_eq!(history.position(), 5);
}

#[tokio::test]
async fn a_history_since_a_time_names_the_time_once_and_then_where_it_is() {
    let (script, api) = script().await;
    let page = |seq: Seq| {
        format!(
            r#"{{"events":[{{"seq":{seq},"created_at":"c","event":{{}}}}],"oldest_available_seq":1,"last_seq":5,"next_after_seq":{seq}}}"#
        )
    };
    let mut history = History::new(Start::Time("2026-01-02T03:04:05Z".to_owned()), vec![]);
    let read = async {
        let mut seqs = Vec::new();
        while let Some(events) = history.next_page(&api).await.unwrap() {
            seqs.extend(events.iter().map(|event| event.seq));
        }
        seqs
    };
    let server = async {
        let head = script.respond(200, &page(4)).await;
        assert!(head.contains("&since=2026-01-02T03%3A04%3A05Z "), "{head}");
        assert!(
            !head.contains("after_seq"),
            "a server takes one of the two: {head}"
        );
        let head = script.respond(200, &page(5)).await;
        assert!(head.contains("&after_seq=4 "), "{head}");
        assert!(!head.contains("since"), "{head}");
    };
    let (seqs, ()) = tokio::join!(read, server);
    assert_eq!(seqs, [4, 5]);
    assert_eq!(history.position(), 5);
}

#[test]
fn whatever_a_team_or_scope_holds_is_escaped_as_utf8() {
    let pairs = [("team_id", "clerk-user:a b"), ("scope", "agent_to:é&x=1")];
    assert_eq!(
        url("http://h", "api/v1/events", pairs.into_iter()),
        "http://h/api/v1/events?team_id=clerk-user%3Aa%20b&scope=agent_to%3A%C3%A9%26x%3D1"
    );
    let path = format!("api/v1/agents/{}", escape("../a"));
    assert_eq!(
        url("http://h", &path, [].into_iter()),
        "http://h/api/v1/agents/..%2Fa"
    );
}

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use super::*;

const PUSH: &str = r#"{"specversion":"1.0","id":"d 1","source":"https://github.com/a","type":"com.github.push","time":"2026-01-02T03:04:05Z","kitesource":"github","data":{"z": 1.0,"a":1e2}}"#;

fn item(text: &str) -> Item {
    Item::read(1, "team".to_owned(), text.to_owned()).unwrap()
}

/// Answers one request with this status; what was asked, without the body, and the body.
fn answering(status: &str) -> (Url, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/base/", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\nlocation: /\r\ncontent-length: 0\r\n\r\n");
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0);
        }
        let length = head.to_lowercase();
        let length = length.split_once("content-length: ").unwrap().1;
        let length: usize = length.split_once('\r').unwrap().0.parse().unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        (&stream).write_all(answer.as_bytes()).unwrap();
        (head, String::from_utf8(body).unwrap())
    });
    (url.parse().unwrap(), serving)
}

fn paperclip(api: &Url, agent: Option<&str>) -> Paperclip {
    let url = webhook_url(api, "ac/me", agent).unwrap();
    Paperclip::new(url, &Secret::from("pk-1".to_owned()), None).unwrap()
}

#[tokio::test]
async fn an_event_wakes_an_agent_and_its_data_leaves_as_it_came() {
    let (url, serving) = answering("202 Accepted");
    let outcome = paperclip(&url, Some("a b")).deliver(&item(PUSH)).await;
    assert!(matches!(outcome, Outcome::Delivered), "{outcome:?}");
    let (head, body) = serving.join().unwrap();
    let path = "/base/api/companies/ac%2Fme/agents/a%20b/webhooks/kite";
    assert!(
        head.starts_with(&format!("POST {path} HTTP/1.1\r\n")),
        "{head}"
    );
    for line in [
        "authorization: Bearer pk-1",
        "content-type: application/json",
        "x-kite-event-id: d 1",
        "x-kite-event-type: com.github.push",
        "x-kite-wake-reason: webhook_github",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
    assert!(body.ends_with(r#""data":{"z": 1.0,"a":1e2}}"#), "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({
        "event_type": "com.github.push",
        "wake_reason": "webhook_github",
        "source": "https://github.com/a",
        "event_id": "d 1",
        "event_time": "2026-01-02T03:04:05Z",
        "data": {"z": 1.0, "a": 1e2},
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_an_event_does_not_have_is_left_out_and_bytes_are_base64() {
    let text = r#"{"specversion":"1.0","id":"é","source":"s","type":"t"}"#;
    let (url, serving) = answering("200 OK");
    paperclip(&url, None).deliver(&item(text)).await;
    let (head, body) = serving.join().unwrap();
    assert!(head.starts_with("POST /base/api/companies/ac%2Fme/webhooks/kite "));
    let body: Value = serde_json::from_str(&body).unwrap();
    let expected =
        json!({"event_type": "t", "wake_reason": "webhook_event", "source": "s", "event_id": "é"});
    assert_eq!(body, expected);

    let bytes = text.replace("}", r#","data_base64":"AAE="}"#);
    let (url, serving) = answering("200 OK");
    paperclip(&url, None).deliver(&item(&bytes)).await;
    assert!(serving.join().unwrap().1.ends_with(r#","data":"AAE="}"#));
}

#[tokio::test]
async fn the_answer_decides_and_redirects_are_not_followed() {
    for (status, expected) in [
        ("302 Found", "refused"),
        ("422 Unprocessable", "refused"),
        ("401 Unauthorized", "held"),
        ("503 Service Unavailable", "held"),
    ] {
        let (url, serving) = answering(status);
        let outcome = paperclip(&url, None).deliver(&item(PUSH)).await;
        let word = match outcome {
            Outcome::Refused(_) => "refused",
            Outcome::Unreachable(_) => "held",
            _ => "other",
        };
        assert_eq!(word, expected, "{status}");
        serving.join().unwrap();
    }
}

#[test]
fn the_reason_follows_from_the_type_and_the_source() {
    for (kind, source, reason) in [
        ("kite.subscription.payment_failed", "kite", "payment_failed"),
        (
            "kite.subscription.quota_exhausted",
            "kite",
            "quota_exhausted",
        ),
        ("kite.subscription.quota_restored", "kite", "quota_restored"),
        ("kite.subscription.other", "kite", "webhook_event"),
        ("com.github.push", "my-hooks", "webhook_github"),
        ("com.stripe.invoice.paid", "stripe", "webhook_stripe"),
        ("user.created", "clerk", "webhook_clerk"),
        ("com.slack.message", "slack", "webhook_slack"),
        ("com.githubish.push", "githubish", "webhook_event"),
        ("com.linear.issue", "linear", "webhook_event"),
    ] {
        assert_eq!(wake_reason(kind, source), reason, "{kind} {source}");
    }
}

#[test]
fn the_key_goes_over_tls_or_stays_on_this_machine() {
    let new = |url: &str, key: &str| {
        let key = Secret::from(key.to_owned());
        Paperclip::new(url.parse().unwrap(), &key, None)
    };
    for url in [
        "http://localhost:1/",
        "http://127.0.0.1/",
        "http://[::1]:9/",
        "https://paperclip.example/",
    ] {
        assert!(new(url, "k").is_ok(), "{url}");
    }
    for url in ["http://paperclip.example/x", "http://10.0.0.1/"] {
        let fault = new(url, "k").unwrap_err();
        assert!(matches!(fault, PaperclipFault::PlainHttp(_)), "{fault}");
    }
    let fault = new("https://paperclip.example/", "a\nb").unwrap_err();
    assert!(matches!(fault, PaperclipFault::Key), "{fault}");
    let shown = format!("{:?}", new("http://localhost/", "hidden").unwrap());
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn an_address_or_an_id_that_would_lead_elsewhere_is_refused() {
    let url = |api: &str, company: &str, agent| {
        webhook_url(&api.parse().unwrap(), company, agent).map(|url| url.to_string())
    };
    let plain = url("https://p.example", "c", Some("..a")).unwrap();
    assert_eq!(
        plain,
        "https://p.example/api/companies/c/agents/..a/webhooks/kite"
    );
    let odd = url("https://p.example/v1", "a?b#c%2f", None).unwrap();
    assert_eq!(
        odd,
        "https://p.example/v1/api/companies/a%3Fb%23c%252f/webhooks/kite"
    );
    for company in ["", ".", "..", "a\nb", "a\tb"] {
        let fault = url("https://p.example", company, None).unwrap_err();
        assert!(
            matches!(fault, PaperclipFault::Id(_)),
            "{company:?}: {fault}"
        );
    }
    assert!(url("https://p.example", "c", Some("..")).is_err());
    for api in [
        "https://u:secret@p.example",
        "https://p.example?a",
        "https://p.example#a",
        "ftp://p.example",
    ] {
        let fault = url(api, "c", None).unwrap_err();
        assert!(matches!(fault, PaperclipFault::Address), "{api}: {fault}");
        assert!(!fault.to_string().contains("secret"));
    }
}

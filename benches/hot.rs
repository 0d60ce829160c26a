//! What runs for each event or each request, measured by itself: `cargo bench`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a measurement says what is wrong by panicking"
)]

use divan::{Bencher, black_box};
use kite::protocol::agent::Message;
use kite::protocol::event::Event;
use kite::protocol::frame::{ClientFrame, event_frame};
use kite::protocol::scope::{Filter, Scope, Scopes};
use kite::protocol::token::{Token, TokenKind};
use kite::webhook::sample::{self, Fresh};
use kite::webhook::{self, Headers, Receipt, Request, Taken};

/// As the program has it.
#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// An event with so many bytes of data.
fn event_text(data_bytes: usize) -> String {
    let data = "x".repeat(data_bytes);
    format!(
        r#"{{"specversion":"1.0","id":"0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f","source":"https://example.com/builds","type":"com.example.build.done","time":"2026-01-01T00:00:00.000Z","datacontenttype":"application/json","kitesource":"api","data":{{"body":"{data}"}}}}"#
    )
}

const SIZES: [usize; 2] = [256, 16 * 1024];

#[divan::bench(args = SIZES)]
fn an_event_is_parsed(bencher: Bencher<'_, '_>, size: usize) {
    let text = event_text(size);
    bencher.bench(|| Event::parse(black_box(&text)).unwrap());
}

#[divan::bench(args = SIZES)]
fn an_event_becomes_text(bencher: Bencher<'_, '_>, size: usize) {
    let event = Event::parse(&event_text(size)).unwrap();
    bencher.bench(|| black_box(&event).to_text());
}

#[divan::bench(args = SIZES)]
fn a_frame_is_built(bencher: Bencher<'_, '_>, size: usize) {
    let text = event_text(size);
    bencher.bench(|| event_frame(black_box(123_456), black_box(&text)));
}

#[divan::bench]
fn a_message_becomes_an_event(bencher: Bencher<'_, '_>) {
    let body = "x".repeat(400);
    let request = format!(r#"{{"from":"agent-beta","to":"agent-alpha","body":"{body}"}}"#);
    bencher.bench(|| {
        let message = Message::parse(black_box(&request)).unwrap();
        message.into_event("1".to_owned(), "2026-01-01T00:00:00.000Z".to_owned())
    });
}

#[divan::bench]
fn an_ack_is_parsed() -> ClientFrame {
    ClientFrame::parse(black_box(r#"{"type":"ack","seq":123456}"#)).unwrap()
}

#[divan::bench(args = [1, 100])]
fn a_filter_is_matched(bencher: Bencher<'_, '_>, scopes: usize) {
    // None of them matches: all are looked at.
    let scopes: Vec<String> = (0..scopes).map(|n| format!("agent_to:agent-{n}")).collect();
    let filter = Filter {
        requested: Scopes::parse(&scopes).unwrap(),
        allowed: Scopes::all(),
    };
    let event = Event::parse(&event_text(256)).unwrap();
    bencher.bench(|| black_box(&filter).matches(&black_box(&event).header()));
}

#[divan::bench(args = ["*", "source:github", "agent_to:agent-alpha"])]
fn a_scope_is_parsed(text: &str) -> Scope {
    black_box(text).parse().unwrap()
}

#[divan::bench]
fn a_key_is_parsed_and_hashed(bencher: Bencher<'_, '_>) {
    let key = Token::mint(TokenKind::ApiKey, &[7; 20]).reveal().to_owned();
    bencher.bench(|| Token::parse(black_box(&key)).unwrap().digest());
}

/// A push of GitHub's with a body of so many bytes, and what signs it.
struct Push {
    headers: Headers,
    body: String,
}

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

impl Push {
    fn new(bytes: usize) -> Self {
        let fresh = Fresh {
            uuid: "0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f",
            millis: 1_767_225_600_000,
            time: "2026-01-01T00:00:00.000Z",
        };
        let sample = |message: &str| {
            let data = format!(r#"{{"head_commit":{{"message":"{message}"}}}}"#);
            sample::post("github", Some("push"), Some(&data), fresh).unwrap()
        };
        let padding = bytes - sample("").body.len();
        let sample = sample(&"x".repeat(padding));
        let mut push = Self {
            headers: sample.headers,
            body: sample.body,
        };
        let signature = webhook::sign(&push.request(), SECRET, 0).unwrap();
        push.headers.extend(signature);
        push
    }

    fn request(&self) -> Request<'_> {
        Request {
            slug: "github",
            headers: &self.headers,
            body: self.body.as_bytes(),
            url: None,
        }
    }

    fn event(&self) -> Event {
        let receipt = Receipt {
            id: "0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f".to_owned(),
            time: "2026-01-01T00:00:00.000Z".to_owned(),
            hook_token: None,
            is_verified: true,
        };
        match webhook::ingest(&black_box(self.request()), receipt).unwrap() {
            Taken::Event(ingested) => ingested.event,
            Taken::Challenge(_) => unreachable!("a push is no question"),
        }
    }
}

#[divan::bench]
fn a_push_of_4_kib_is_verified(bencher: Bencher<'_, '_>) {
    let push = Push::new(4096);
    bencher.bench(|| webhook::verify(&black_box(push.request()), &[SECRET], 0).unwrap());
}

#[divan::bench]
fn a_push_of_4_kib_becomes_an_event(bencher: Bencher<'_, '_>) {
    let push = Push::new(4096);
    bencher.bench(|| push.event());
}

#[divan::bench]
fn a_push_of_4_kib_is_verified_and_becomes_text(bencher: Bencher<'_, '_>) {
    let push = Push::new(4096);
    bencher.bench(|| {
        webhook::verify(&black_box(push.request()), &[SECRET], 0).unwrap();
        push.event().to_text()
    });
}

//! What runs for each event or each request, measured by itself: `cargo bench`.
#![allow(
    missing_docs,
    clippy::panic,
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

/// How large the posts are, in bytes.
const POST_BYTES: usize = 4096;

const SECRET: &[u8] = b"a secret of a usual length, 32 B";
const NOW: i64 = 1_767_225_600;
const TIME: &str = "2026-01-01T00:00:00.000Z";

/// A signed post: that of a sample, filled up to its size.
struct Post {
    slug: &'static str,
    headers: Headers,
    body: String,
}

impl Post {
    /// `data` says what is put into the sample with so many pieces.
    fn new(slug: &'static str, event: &str, data: impl Fn(usize) -> String) -> Self {
        let fresh = Fresh {
            uuid: "0190a0b0-0000-7000-8000-000000000001",
            millis: NOW * 1000,
            time: TIME,
        };
        let sample::Post { headers, body, .. } = (1..)
            .map(|pieces| sample::post(slug, Some(event), Some(&data(pieces)), fresh).unwrap())
            .take_while(|post| post.body.len() <= POST_BYTES)
            .last()
            .unwrap();
        let mut post = Self {
            slug,
            headers,
            body,
        };
        let signature = webhook::sign(&post.request(), SECRET, NOW).unwrap();
        post.headers.extend(signature);
        post
    }

    fn request(&self) -> Request<'_> {
        Request {
            slug: self.slug,
            headers: &self.headers,
            body: self.body.as_bytes(),
            url: None,
        }
    }

    fn verify(&self) {
        webhook::verify(&self.request(), &[SECRET], NOW).unwrap();
    }

    fn ingest(&self) -> Event {
        let receipt = Receipt {
            id: "0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f".to_owned(),
            time: TIME.to_owned(),
            hook_token: None,
            is_verified: true,
        };
        match webhook::ingest(&self.request(), receipt).unwrap() {
            Taken::Event(ingested) => ingested.event,
            Taken::Challenge(_) => panic!("a sample is an event"),
        }
    }
}

fn github_push() -> Post {
    let commit = r#"{"id":"6113728f27ae82c7b1a1","message":"Round totals\nhalf to even","distinct":true,"author":{"name":"Ada","email":"ada@example.com"},"added":[],"modified":["src/totals.rs"]}"#;
    Post::new("github", "push", |pieces| {
        format!(r#"{{"commits":[{}]}}"#, vec![commit; pieces].join(","))
    })
}

fn stripe_event() -> Post {
    let line = r#"{"id":"il_1","amount":1500,"currency":"eur","period":{"start":1767225600,"end":1769904000}}"#;
    Post::new("stripe", "invoice.paid", |pieces| {
        let lines = vec![line; pieces].join(",");
        format!(r#"{{"data":{{"object":{{"lines":{{"data":[{lines}]}}}}}}}}"#)
    })
}

fn slack_form() -> Post {
    Post::new("slack", "slash_command", |pieces| {
        let text = "deploy #12 & tell @ada, ".repeat(pieces);
        format!(r#"{{"text":"{text}"}}"#)
    })
}

/// What becomes of a post, step by step and from its arrival to the text in the log.
macro_rules! steps {
    ($($post:ident)+) => {
        $(mod $post {
            use super::*;

            #[divan::bench]
            fn is_verified(bencher: Bencher<'_, '_>) {
                let post = super::$post();
                bencher.bench(|| black_box(&post).verify());
            }

            #[divan::bench]
            fn becomes_an_event(bencher: Bencher<'_, '_>) {
                let post = super::$post();
                bencher.bench(|| black_box(&post).ingest());
            }

            #[divan::bench]
            fn becomes_text(bencher: Bencher<'_, '_>) {
                let event = super::$post().ingest();
                bencher.bench(|| black_box(&event).to_text());
            }

            #[divan::bench]
            fn all_together(bencher: Bencher<'_, '_>) {
                let post = super::$post();
                bencher.bench(|| {
                    let post = black_box(&post);
                    post.verify();
                    post.ingest().to_text()
                });
            }
        })+
    };
}

steps! { github_push stripe_event slack_form }

/// A peer that posts: what its hook does before an event is read, the database included.
#[cfg(feature = "server")]
mod peers {
    use std::sync::Arc;

    use divan::{Bencher, black_box};
    use kite::base::clock::Clock;
    use kite::federation::{FederationToken, Inbound};
    use kite::protocol::federation::PeerKind;
    use kite::protocol::forward::{TypeScopes, headers, is_signed};
    use kite::protocol::id::TeamId;
    use kite::protocol::permission::Permissions;
    use kite::protocol::scope::Scopes;
    use kite::store::federation::NewPeer;
    use kite::store::seal::{KEY_LEN, Sealer};
    use kite::store::{Address, Role, open};
    use tokio::runtime::Runtime;

    /// A server's way in with one peer behind it, whose token was verified once.
    struct Hook {
        runtime: Runtime,
        inbound: Inbound,
        team: TeamId,
        token: FederationToken,
        _dir: tempfile::TempDir,
    }

    impl Hook {
        fn new() -> Self {
            let runtime = Runtime::new().unwrap();
            let dir = tempfile::tempdir().unwrap();
            let sealer = Arc::new(Sealer::new(&[7; KEY_LEN]).unwrap());
            let token = FederationToken::mint(&[7; 20]);
            let team: TeamId = "acme".parse().unwrap();
            let opened = async {
                let database = Address::Sqlite(dir.path().join("kite.db"));
                let store = open(&database, Role::Server).await.unwrap();
                let grant = (Permissions::default(), Scopes::all());
                let key = kite::server::new_key(team.clone(), None, grant.0, grant.1, 1).1;
                store.create_team(team.clone(), key).await.unwrap();
                let peer = NewPeer {
                    id: "0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f".to_owned(),
                    team: team.clone(),
                    name: "peer".to_owned(),
                    instance_id: "peer".to_owned(),
                    hook_url: "https://peer.example/hooks/t/kite".to_owned(),
                    scopes: TypeScopes::parse(vec!["*".to_owned()]).unwrap(),
                    max_hops: 3,
                    rate_limit_per_sec: 100,
                    outbound_token: Vec::new(),
                    inbound: token.inbound(&sealer).unwrap(),
                    now: 1,
                    identity_key: None,
                    kind: PeerKind::Kite,
                    discovery: false,
                };
                store.create_peer(peer).await.unwrap();
                let (inbound, _) = Inbound::start(store, sealer, Clock::system());
                inbound
            };
            let inbound = runtime.block_on(opened);
            let hook = Self {
                runtime,
                inbound,
                team,
                token,
                _dir: dir,
            };
            hook.recognise();
            hook
        }

        fn recognise(&self) {
            let caller = self.inbound.caller(&self.team, &self.token);
            self.runtime.block_on(caller).unwrap().unwrap();
        }
    }

    #[divan::bench]
    fn a_peer_is_recognised(bencher: Bencher<'_, '_>) {
        let hook = Hook::new();
        bencher.bench(|| hook.recognise());
    }

    #[divan::bench(args = super::SIZES)]
    fn a_peers_signature_is_checked(bencher: Bencher<'_, '_>, size: usize) {
        let body = super::event_text(size);
        let token = FederationToken::mint(&[7; 20]);
        let [_, (_, signature), _] = headers(token.reveal(), body.as_bytes());
        bencher.bench(|| {
            assert!(is_signed(
                token.reveal(),
                black_box(body.as_bytes()),
                &signature
            ));
        });
    }
}

//! The driver against a server that follows a script.

use std::future::pending;

use super::*;
use crate::cli::exit::Exit;
use crate::cli::filter::Filter;
use crate::cli::output::ColorChoice;
use crate::client::script::{Peer, Script, quick};
use crate::config::Environment;
use crate::protocol::frame::ServerFrame;
use crate::protocol::id::Seq;

/// Takes what a filter admits, and remembers it.
#[derive(Default)]
struct Keeper {
    filter: Filter,
    kept: Vec<Seq>,
}

impl Taker for Keeper {
    async fn take(&mut self, delivery: &Delivery) -> Result<Taken, CommandError> {
        if let Err(fault) = &delivery.event {
            return Ok(Taken::Unreadable(fault.to_string()));
        }
        if !self.filter.admits(&delivery.event) {
            return Ok(Taken::Passed);
        }
        self.kept.push(delivery.seq);
        Ok(Taken::Counted)
    }
}

/// `kite stream` with these arguments, as far as the driver sees it.
fn listener(count: u64, filter: Filter) -> Listener<Keeper> {
    let args = ListeningArgs {
        count: Some(count),
        ..ListeningArgs::default()
    };
    let role = Role {
        command: "stream",
        subject: filter.name(),
        scopes: filter.scopes(),
        words: String::new(),
        member: ("scopes", Value::Null),
        until: None,
    };
    let keeper = Keeper {
        filter,
        ..Keeper::default()
    };
    let quiet = Output::new(false, true, ColorChoice::Never, &Environment::default());
    Listener::new(&args, role, keeper, quiet)
}

fn filter(source: &str, kind: &str) -> Filter {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        filter: Filter,
    }
    let args = ["kite", "--source", source, "--type", kind];
    let line: Line = clap::Parser::try_parse_from(args).unwrap();
    line.filter
}

fn session(script: &Script, listener: &Listener<Keeper>) -> Session {
    let subscription = Subscription {
        team: "t".parse().unwrap(),
        scopes: listener.role.scopes.clone(),
        client_id: None,
    };
    Session::new(&script.server(), subscription, quick(), Clock::system()).unwrap()
}

fn past_of(script: &Script, start: Start) -> Past {
    Past {
        history: History::new(start, vec![Scope::All]),
        api: Api::new(&script.server(), Some("t".parse().unwrap())).unwrap(),
    }
}

/// Runs the driver beside a server; the listener afterwards, and how it ended.
async fn beside(
    script: &Script,
    mut listener: Listener<Keeper>,
    past: Option<Start>,
    server: impl Future<Output = ()>,
) -> (Listener<Keeper>, Result<Exit, CommandError>) {
    let mut session = session(script, &listener);
    let past = past.map(|start| past_of(script, start));
    let following = follow(&mut session, &mut listener, past, pending());
    let (ended, ()) = tokio::join!(following, server);
    let exit = ended.and_then(|ended| listener.tally.finish(ended, &[], listener.out));
    (listener, exit)
}

async fn event(peer: &mut Peer, seq: Seq, source: &str, kind: &str) {
    let text =
        format!(r#"{{"specversion":"1.0","id":"e{seq}","source":"{source}","type":"{kind}"}}"#);
    peer.raw_event(seq, &text).await;
}

fn listed(seq: Seq) -> String {
    let event = format!(r#"{{"specversion":"1.0","id":"e{seq}","source":"s","type":"t"}}"#);
    format!(r#"{{"seq":{seq},"created_at":"2026-01-01T00:00:00.000Z","event":{event}}}"#)
}

#[tokio::test]
async fn what_matches_only_one_of_two_scopes_is_acknowledged_and_not_counted() {
    let script = Script::new().await;
    let server = async {
        let (mut peer, connect) = script.accept().await;
        assert_eq!(connect.scopes, ["source:github", "type:push"]);
        peer.send(ServerFrame::Connected {
            last_seq: 0,
            client_id: "given".to_owned(),
        })
        .await;
        event(&mut peer, 1, "github", "issues").await;
        event(&mut peer, 2, "gitlab", "push").await;
        peer.acked(2).await;
        event(&mut peer, 3, "github", "push").await;
        peer.acked(3).await;
    };
    let listener = listener(1, filter("github", "push"));
    let (listener, exit) = beside(&script, listener, None, server).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert_eq!(listener.taker.kept, [3]);
    assert_eq!(listener.tally.received, 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_reported_and_does_not_end_or_count() {
    let script = Script::new().await;
    let server = async {
        let mut peer = script.stand(0).await;
        peer.raw_event(1, r#"{"id":"no event"}"#).await;
        peer.event(2).await;
        peer.acked(2).await;
    };
    let (listener, exit) = beside(&script, listener(1, Filter::default()), None, server).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert_eq!(listener.taker.kept, [2]);
}

#[tokio::test]
async fn the_ready_file_appears_when_the_subscription_stands() {
    let script = Script::new().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ready");
    std::fs::write(&path, "an earlier run's").unwrap();
    lifecycle::clear_ready_file(&path).unwrap();
    let mut listener = listener(1, Filter::default());
    listener.ready_file = Some(path.clone());
    let server = async {
        let (mut peer, _) = script.accept().await;
        assert!(!path.exists(), "nothing stands yet");
        let client_id = "given".to_owned();
        let last_seq = 0;
        peer.send(ServerFrame::Connected {
            last_seq,
            client_id,
        })
        .await;
        peer.event(1).await;
        peer.acked(1).await;
    };
    let (_, exit) = beside(&script, listener, None, server).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "ready\n");
}

#[tokio::test]
async fn a_listing_is_followed_without_a_gap_or_a_repeat() {
    let script = Script::new().await;
    let server = async {
        // The cursor stands at 4; 5 is stored before the listing, 6 after it.
        script.stand(4).await.read().await;
        let events = [listed(5), listed(4)].join(",");
        let page = format!(r#"{{"events":[{events}],"oldest_available_seq":1,"last_seq":6}}"#);
        let head = script.respond(200, &page).await;
        assert!(
            head.starts_with("GET /api/v1/events?team_id=t&limit=2&scope=%2A HTTP"),
            "{head}"
        );
        let mut peer = script.stand(4).await;
        for seq in [5, 6] {
            event(&mut peer, seq, "s", "t").await;
        }
        peer.acked(6).await;
    };
    let listener = listener(3, Filter::default());
    let (listener, exit) = beside(&script, listener, Some(Start::Newest(2)), server).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert_eq!(listener.taker.kept, [4, 5, 6]);
}

#[tokio::test]
async fn a_server_without_a_readable_log_is_asked_for_recent_events() {
    let script = Script::new().await;
    let server = async {
        script.stand(4).await.read().await;
        script.respond(404, "").await;
        let mut peer = script.stand(4).await;
        let events = [listed(4), listed(3), listed(2)].join(",");
        let request = peer.request().await;
        assert_eq!(request.method, "events.recent");
        peer.say(&format!(
            r#"{{"type":"response","id":"{}","ok":true,"payload":{{"events":[{events}]}}}}"#,
            request.id
        ))
        .await;
        peer.read().await;
        let mut peer = script.stand(4).await;
        peer.event(5).await;
        peer.acked(5).await;
    };
    let listener = listener(3, Filter::default());
    let (listener, exit) = beside(&script, listener, Some(Start::Newest(2)), server).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert_eq!(listener.taker.kept, [3, 4, 5]);
}

#[tokio::test]
async fn since_needs_a_readable_log() {
    let script = Script::new().await;
    let server = async {
        script.stand(4).await.read().await;
        script.respond(405, "").await;
    };
    let listener = listener(1, Filter::default());
    let (_, exit) = beside(&script, listener, Some(Start::Oldest), server).await;
    let error = exit.unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound);
    assert!(error.hint().unwrap().contains("--since"));
}

#[tokio::test]
async fn a_listing_that_breaks_off_goes_on_where_it_was() {
    let script = Script::new().await;
    let page = |seq: Seq| {
        let event = listed(seq);
        format!(
            r#"{{"events":[{event}],"oldest_available_seq":1,"last_seq":2,"next_after_seq":{seq}}}"#
        )
    };
    let server = async {
        script.stand(2).await.read().await;
        script.respond(200, &page(1)).await;
        script.answer("").await;
        script.respond(503, r#"{"error":"ending"}"#).await;
        let head = script.respond(200, &page(2)).await;
        assert!(head.contains("&after_seq=1&"), "{head}");
        let mut peer = script.stand(2).await;
        peer.event(3).await;
        peer.acked(3).await;
    };
    let listener = listener(3, Filter::default());
    let (listener, exit) = beside(&script, listener, Some(Start::Oldest), server).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert_eq!(listener.taker.kept, [1, 2, 3]);
}

#[tokio::test]
async fn what_a_cursor_still_owes_is_not_passed_over_by_a_later_beginning() {
    let page = |seqs: &[Seq]| {
        let events: Vec<String> = seqs.iter().map(|seq| listed(*seq)).collect();
        let events = events.join(",");
        format!(
            r#"{{"events":[{events}],"oldest_available_seq":1,"last_seq":4,"next_after_seq":4}}"#
        )
    };
    let time = || Start::Time("2026-01-01T00:00:00Z".to_owned());
    for (start, first) in [
        (Start::Seq(4), None),
        (time(), Some(page(&[4]))),
        (time(), Some(page(&[]))),
    ] {
        let script = Script::new().await;
        let server = async {
            script.stand(2).await.read().await;
            if let Some(first) = first {
                script.respond(200, &first).await;
            }
            let head = script.respond(200, &page(&[3, 4])).await;
            assert!(head.contains("&after_seq=2&"), "{head}");
            let mut peer = script.stand(2).await;
            for seq in 3..=5 {
                event(&mut peer, seq, "s", "t").await;
            }
            peer.acked(5).await;
        };
        let listener = listener(3, Filter::default());
        let (listener, exit) = beside(&script, listener, Some(start), server).await;
        assert_eq!(exit, Ok(Exit::Done));
        assert_eq!(listener.taker.kept, [3, 4, 5]);
    }
}

#[tokio::test]
async fn time_runs_out_also_while_nobody_answers() {
    let script = Script::new().await;
    let mut listener = listener(1, Filter::default());
    listener.tally.timeout = Some(Duration::ZERO);
    let mut session = session(&script, &listener);
    let past = past_of(&script, Start::Oldest);
    let stop = std::future::ready(Stop::TimedOut);
    let ended = follow(&mut session, &mut listener, Some(past), stop).await;
    let error = listener.tally.finish(ended.unwrap(), &[], listener.out);
    assert_eq!(error.unwrap_err().exit(), Exit::NothingCame);
}

//! `kite federation dead-letters`: forwards that were given up, and what to do with them.

use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::super::text::{indented, shell_word, visible};
use super::which::{Limit, Which};
use super::{ago, bulk, forwards, letter, name_of, offered, or_dash, short_type};
use crate::base::clock::Clock;
use crate::client::ForwardsQuery;
use crate::protocol::federation::{DeliveryRow, OutboxRow, Peer, PeerKind};
use crate::protocol::json::Object;

/// Look at dead letters: what a peer refused for good, or what waited for a week. Send or drop them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation dead-letters list
  kite federation dead-letters show b:42
  kite federation dead-letters replay --peer b

ID is what the list shows: PEER:SEQ, the number of the event behind the peer's name or id.")]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    verb: DeadLettersVerb,
}

#[derive(Debug, Subcommand)]
enum DeadLettersVerb {
    List(ListArgs),
    Show(ShowArgs),
    Replay(bulk::ReplayArgs),
    Discard(bulk::DiscardArgs),
}

/// List dead letters, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation dead-letters list --peer b --json
  kite federation dead-letters list --error 'too large' --since 1h

--since and --before count from when the event was stored. A terminal shows short ids and the ends
of errors cut off; a pipe and --json get them whole.")]
struct ListArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    limit: Limit,
}

/// Explain a dead letter: what was refused, by whom, every attempt, and what can be done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation dead-letters show b:42
  kite federation dead-letters show b:42 --json | jq .event")]
struct ShowArgs {
    /// Which: PEER:SEQ.
    #[arg(value_name = "ID")]
    id: String,
}

impl DeadLettersArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            DeadLettersVerb::List(args) => list(args, context),
            DeadLettersVerb::Show(args) => show(args, context),
            DeadLettersVerb::Replay(args) => args.run(context),
            DeadLettersVerb::Discard(args) => args.run(context),
        }
    }
}

fn list(args: ListArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let (rows, peers) = block_on_call(async {
        let query = ForwardsQuery {
            limit: Some(args.limit.limit),
            ..args.which.query(&api).await?
        };
        let rows = offered(api.dead_letters(&query).await)?;
        Ok((rows, super::names(&api, context).await?))
    })?;
    if rows.is_empty() {
        context.out.note("there are no dead letters");
    }
    if !context.out.is_terminal() {
        return forwards::list(&rows, &peers, context);
    }
    let now = Clock::system().unix_millis();
    let headings = &["id", "type", "tries", "age", "error"];
    context.out.fitted(&rows, headings, |row| {
        vec![
            letter::short(&peers, &row.id),
            short_type(&row.event_type),
            row.attempts.to_string(),
            ago(now, &row.created_at),
            or_dash(row.last_error.as_ref()),
        ]
    })?;
    Ok(Exit::Done)
}

/// How many attempts are shown: a letter that waited for a week has some hundreds at most.
const ATTEMPTS_MAX: u64 = 1000;

fn show(args: ShowArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let (letter, peers, attempts) = block_on_call(async {
        let peers = offered(api.peers().await)?;
        let letter = api.dead_letter(&letter::whole(&peers, &args.id)).await;
        let letter = letter.map_err(|error| letter::missing(error.into()))?;
        if context.out.json {
            return Ok((letter, peers, Vec::new()));
        }
        let query = ForwardsQuery {
            peer_id: Some(letter.value.peer_id.clone()),
            event_id: Some(letter.value.event_id.clone()),
            limit: Some(ATTEMPTS_MAX),
            ..ForwardsQuery::default()
        };
        let mut attempts = offered(api.deliveries(&query).await)?;
        // Other events may have the same id.
        attempts.retain(|row| row.outbox_id.as_ref() == Some(&letter.value.id));
        attempts.reverse();
        Ok((letter, peers, attempts))
    })?;
    let event = event_in(&letter.text);
    context
        .out
        .answer(&letter, |row| words(row, &peers, &attempts, event))?;
    Ok(Exit::Done)
}

/// The text of the event beside a row.
fn event_in(text: &str) -> &str {
    let Object(members) = Object::parse(text).unwrap_or_default();
    let event = members.into_iter().find(|(name, _)| name == "event");
    event.map_or("null", |(_, event)| event.get())
}

fn words(row: &OutboxRow, peers: &[Peer], attempts: &[DeliveryRow], event: &str) -> String {
    let peer = peers.iter().find(|peer| peer.id == row.peer_id);
    let facts = [
        ("peer", name_of(peers, &row.peer_id)),
        ("address", or_dash(peer.map(|peer| &peer.peer_hook_url))),
        ("event", row.event_id.clone()),
        ("type", row.event_type.clone()),
        ("stored", row.created_at.clone()),
        ("reason", or_dash(row.last_error.as_ref())),
        ("attempts", row.attempts.to_string()),
    ];
    let short = letter::short(peers, &row.id);
    let heading = format!("Dead letter {}", visible(&short));
    let mut text = render::facts(&heading, &facts);
    for attempt in attempts {
        text += &format!("\n    {}", attempted(attempt));
    }
    for advice in advice(row, peer, attempts) {
        text += &format!("\n  {advice}");
    }
    format!("{text}\n{}", indented(event))
}

fn attempted(row: &DeliveryRow) -> String {
    let status = row.status_code.map(|status| format!(", {status}"));
    let latency = row.latency_ms.map(|millis| format!(", {millis} ms"));
    let error = row.error.as_deref().map(visible);
    format!(
        "{} {}{}{}{}",
        row.attempt,
        visible(&row.created_at),
        status.unwrap_or_default(),
        latency.unwrap_or_default(),
        error.map_or(String::new(), |error| format!(": {error}"))
    )
}

/// What can be done about a letter.
fn advice(row: &OutboxRow, peer: Option<&Peer>, attempts: &[DeliveryRow]) -> Vec<String> {
    let Some(peer) = peer else {
        let words = "the peer was removed: nothing can be sent to it any more";
        return vec![words.to_owned()];
    };
    let name = shell_word(&peer.name);
    let is_openintent = peer.kind == PeerKind::OpenIntent;
    let why = match attempts.last().and_then(|attempt| attempt.status_code) {
        _ if is_openintent => format!(
            "`kite openintent discover {}` says whether that server is there; whom it takes intents of is for it to say",
            shell_word(&peer.peer_hook_url)
        ),
        Some(400 | 422) => {
            "the peer judged the event itself: it is refused again until that side takes such events".to_owned()
        }
        Some(413) => "the peer takes no event as large as this: raise the limit there first".to_owned(),
        Some(415) => format!(
            "the address may be no hook: `kite federation peers update {name} --hook-url URL` gives another"
        ),
        _ => format!(
            "the event waited for too long: `kite federation peers test {name}` says whether the peer takes any now"
        ),
    };
    let short = shell_word(&letter::short(std::slice::from_ref(peer), &row.id));
    let mut advice = vec![
        why,
        format!("to send it again: kite federation dead-letters replay {short}"),
        format!("to drop it: kite federation dead-letters discard {short}"),
    ];
    // Such a peer gets what is sent to it and nothing else.
    if !is_openintent {
        advice.push(format!(
            "to give the peer no more of these: kite federation peers update {name} --scope GLOB"
        ));
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_explained_with_its_event_as_it_is() {
        let text = r#"{"id":"p:1","event":{"data":{"a": 1e2}}}"#;
        assert_eq!(event_in(text), r#"{"data":{"a": 1e2}}"#);
        assert_eq!(event_in("{}"), "null");
        let row = r#"{"id":"p:1","peer_id":"p","event_id":"e","event_type":"t","status":"dead","attempts":2,
            "next_attempt_at":null,"last_error":"no\u001b","created_at":"then"}"#;
        let row: OutboxRow = serde_json::from_str(row).unwrap();
        let shown = words(&row, &[], &[], "{\n}");
        assert!(shown.ends_with("\n{\n    }"), "{shown}");
        assert!(shown.contains("reason: no\\u{1b}"), "{shown}");
        assert!(shown.contains("the peer was removed"), "{shown}");

        let peer: Peer = serde_json::from_str(
            r#"{"id":"p","name":"it's b","peer_instance_id":"b","status":"active","peer_hook_url":"u","scopes":[],
                "max_hops":3,"rate_limit_per_sec":1,"created_at":"","updated_at":""}"#,
        )
        .unwrap();
        let attempt: DeliveryRow = serde_json::from_str(
            r#"{"id":"d","outbox_id":"p:1","peer_id":"p","event_id":"e","attempt":1,"status_code":413,"error":"large\u001b",
                "latency_ms":7,"created_at":"then"}"#,
        )
        .unwrap();
        let shown = words(&row, &[peer], &[attempt], "{}");
        assert!(
            shown.contains("\n    1 then, 413, 7 ms: large\\u{1b}"),
            "{shown}"
        );
        assert!(shown.contains("raise the limit there"), "{shown}");
        assert!(shown.contains(r"replay 'it'\''s b:1'"), "{shown}");
    }

    #[test]
    fn a_letter_to_a_server_of_openintent_has_advice_of_its_own() {
        let row = r#"{"id":"p:1","peer_id":"p","event_id":"e","event_type":"t","status":"dead","attempts":1,
            "next_attempt_at":null,"last_error":"403","created_at":"then"}"#;
        let row: OutboxRow = serde_json::from_str(row).unwrap();
        let peer: Peer = serde_json::from_str(
            r#"{"id":"p","name":"openintent:https://b.example","peer_instance_id":"openintent:https://b.example",
                "status":"active","peer_hook_url":"https://b.example","scopes":[],"max_hops":3,
                "rate_limit_per_sec":1,"created_at":"","updated_at":"","kind":"openintent"}"#,
        )
        .unwrap();
        let shown = words(&row, &[peer], &[], "{}");
        assert!(
            shown.contains("kite openintent discover https://b.example"),
            "{shown}"
        );
        assert!(!shown.contains("--scope"), "{shown}");
    }
}

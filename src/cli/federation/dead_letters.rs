//! `kite federation dead-letters`: forwards that were given up, and what to do with them.

use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::super::text::{indented, visible};
use super::forwards::{self, Which};
use super::{name_of, names, offered, peer_id};
use crate::client::ForwardsQuery;
use crate::protocol::federation::{OutboxRow, Peer};
use crate::protocol::json::Object;

/// Look at dead letters: what a peer refused for good, or what waited for a week. Send or drop them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation dead-letters list
  kite federation dead-letters replay --peer b

ID is what the list shows: the peer's id and the event's number.")]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    verb: DeadLettersVerb,
}

#[derive(Debug, Subcommand)]
enum DeadLettersVerb {
    List(ListArgs),
    Show(ShowArgs),
    Replay(ReplayArgs),
    Discard(DiscardArgs),
}

/// List dead letters, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kite federation dead-letters list --peer b --json")]
struct ListArgs {
    #[command(flatten)]
    which: Which,
}

/// Show a dead letter with its event.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation dead-letters show 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f:42 --json | jq .event")]
struct ShowArgs {
    /// Which.
    #[arg(value_name = "ID")]
    id: String,
}

/// Send dead letters once more, with no attempts counted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation dead-letters replay 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f:42
  kite federation dead-letters replay --peer b
  kite federation dead-letters replay --all

Those to a peer that is revoked stay where they are.")]
struct ReplayArgs {
    /// Which.
    #[arg(value_name = "ID", required_unless_present_any = ["peer", "all"], conflicts_with_all = ["peer", "all"])]
    id: Option<String>,
    /// All to a peer: its name, the id of its instance, or its own id.
    #[arg(long, value_name = "PEER", conflicts_with = "all")]
    peer: Option<String>,
    /// All of the team's.
    #[arg(long)]
    all: bool,
}

/// Drop a dead letter for good.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation dead-letters discard 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f:42")]
struct DiscardArgs {
    /// Which.
    #[arg(value_name = "ID")]
    id: String,
}

impl DeadLettersArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            DeadLettersVerb::List(args) => list(args, context),
            DeadLettersVerb::Show(args) => show(args, context),
            DeadLettersVerb::Replay(args) => match &args.id {
                Some(id) => replay_one(id, context),
                None => replay(args.peer.as_deref(), context),
            },
            DeadLettersVerb::Discard(args) => discard(args, context),
        }
    }
}

fn list(args: ListArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let (rows, peers) = block_on_call(async {
        let query = ForwardsQuery {
            peer_id: peer_id(&api, args.which.peer.as_deref()).await?,
            limit: Some(args.which.limit),
            ..ForwardsQuery::default()
        };
        let rows = offered(api.dead_letters(&query).await)?;
        Ok((rows, names(&api, context).await?))
    })?;
    if rows.is_empty() {
        context.out.note("there are no dead letters");
    }
    forwards::list(&rows, &peers, context)
}

fn show(args: ShowArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let (letter, peers) = block_on_call(async {
        let letter = api.dead_letter(&args.id).await?;
        Ok((letter, names(&api, context).await?))
    })?;
    let event = event_in(&letter.text);
    context
        .out
        .answer(&letter, |row| words(row, &peers, event))?;
    Ok(Exit::Done)
}

/// The text of the event beside a row.
fn event_in(text: &str) -> &str {
    let Object(members) = Object::parse(text).unwrap_or_default();
    let event = members.into_iter().find(|(name, _)| name == "event");
    event.map_or("null", |(_, event)| event.get())
}

fn words(row: &OutboxRow, peers: &[Peer], event: &str) -> String {
    let facts = [
        ("peer", name_of(peers, &row.peer_id)),
        ("event", row.event_id.clone()),
        ("type", row.event_type.clone()),
        ("attempts", row.attempts.to_string()),
        ("reason", row.last_error.clone().unwrap_or_default()),
        ("stored", row.created_at.clone()),
    ];
    let heading = format!("Dead letter {}", visible(&row.id));
    format!("{}\n{}", render::facts(&heading, &facts), indented(event))
}

fn replay_one(id: &str, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async { Ok(api.replay_letter(id).await?) })?;
    context.out.answer(&answer, |row| {
        format!("Dead letter {} is due again", visible(&row.id))
    })?;
    Ok(Exit::Done)
}

fn replay(named: Option<&str>, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async {
        let peer_id = peer_id(&api, named).await?;
        offered(api.replay_letters(peer_id.as_deref()).await)
    })?;
    context.out.answer(&answer, |done| match done.replayed {
        1 => "1 dead letter is due again".to_owned(),
        count => format!("{count} dead letters are due again"),
    })?;
    Ok(Exit::Done)
}

fn discard(args: DiscardArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async { Ok(api.discard_letter(&args.id).await?) })?;
    context.out.answer(&answer, |row| {
        format!("Discarded dead letter {}", visible(&row.id))
    })?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_a_letter_is_shown_as_it_is() {
        let text = r#"{"id":"p:1","event":{"data":{"a": 1e2}}}"#;
        assert_eq!(event_in(text), r#"{"data":{"a": 1e2}}"#);
        assert_eq!(event_in("{}"), "null");
        let row = r#"{"id":"p:1","peer_id":"p","event_id":"e","event_type":"t","status":"dead","attempts":2,
            "next_attempt_at":null,"last_error":"no\u001b","created_at":"then"}"#;
        let row: OutboxRow = serde_json::from_str(row).unwrap();
        let shown = words(&row, &[], "{\n}");
        assert!(shown.ends_with("\n{\n    }"), "{shown}");
        assert!(shown.contains("reason: no\\u{1b}"), "{shown}");
    }
}

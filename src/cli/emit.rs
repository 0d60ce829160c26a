//! `kite emit`: one CloudEvent into the team's log, or many.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::context::{Context, block_on_call};
use super::emit_batch::{self, Defaults};
use super::error::CommandError;
use super::exit::Exit;
use super::stdin;
use super::text::visible;
use crate::base::clock::{Clock, rfc3339};
use crate::base::random;
use crate::client::ClientError;
use crate::protocol::api::PublishStatus;
use crate::protocol::event::{Data, Event, EventDraft};
use crate::protocol::json;

/// Put a CloudEvent into the team's log, or many of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite emit --type com.example.build.done --data '{\"ok\":true}'
  kite emit --type com.example.report --data @report.json --id report-7
  kite emit --batch events.jsonl
  producer | kite emit --batch - --source https://producer.example --json

The same source and id are stored once, however often they are sent. The text of --data is sent as
it is.

--batch reads a CloudEvent from each line that is not blank: an object with at least `specversion`
and `type`. A missing `id` is made here, a missing `time` is now, a missing `source` or `type` is
what --source and --type say. A line that is no event, and an event that the server refuses, are
counted as refused, told with the number of the line, and hold up nothing. If the connection breaks,
what was not answered is sent again: an event whose first answer was lost counts as already stored.

Exit code 7 means that some were refused, 1 that all were; an interrupt waits for what is under way.
A run that ends early counts as unanswered what it had read and does not know to be stored; lines
behind that were not read. Sending all of it again is harmless where the events have ids.")]
pub(super) struct EmitArgs {
    /// What happened, such as com.example.build.done.
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "batch")]
    kind: Option<String>,
    /// Who produced it: a URI reference.
    #[arg(long, value_name = "S", default_value = "kite-cli")]
    source: String,
    /// Many events, one on each line, from a file, or `-` for stdin.
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["data", "subject", "id"])]
    batch: Option<PathBuf>,
    /// What it is about.
    #[arg(long, value_name = "S")]
    subject: Option<String>,
    /// The payload: JSON, `@FILE`, or `-` for stdin.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,
    /// The event's id; otherwise a fresh UUID.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// What became of the events of one run.
#[derive(Serialize)]
struct Emitted {
    id: String,
    accepted: u32,
    duplicate: u32,
    refused: u32,
}

pub(super) fn run(args: EmitArgs, context: &Context) -> Result<Exit, CommandError> {
    if let Some(path) = &args.batch {
        let defaults = Defaults {
            kind: args.kind,
            source: args.source,
        };
        return emit_batch::run(path, defaults, context);
    }
    let settings = context.settings()?;
    let api = context.api(&settings)?;
    let text = event_text(args, &Clock::system())?;
    let answer = block_on_call(async { Ok(api.post_event(&text).await?) })?;
    let accepted = match answer.status {
        PublishStatus::Accepted => 1,
        PublishStatus::DuplicateIgnored => 0,
        PublishStatus::QuotaExhausted => return Err(ClientError::quota_exhausted().into()),
    };
    let emitted = Emitted {
        id: answer.id,
        accepted,
        duplicate: 1 - accepted,
        refused: 0,
    };
    context.out.show(&emitted, |emitted| {
        let id = visible(&emitted.id);
        match emitted.accepted {
            0 => format!("Already stored: {id}"),
            _ => format!("Accepted: {id}"),
        }
    })?;
    Ok(Exit::Done)
}

/// The CloudEvent, checked as the server will check it.
fn event_text(args: EmitArgs, clock: &Clock) -> Result<String, CommandError> {
    let fault =
        |error: &dyn std::fmt::Display| CommandError::usage(format!("not an event: {error}"));
    let data = match args.data {
        Some(given) => {
            let text = data_text(given)?;
            let value = json::check(&text).map_err(|error| fault(&format!("`--data`: {error}")))?;
            Some(Data::Json(value.to_owned()))
        }
        None => None,
    };
    let event = Event {
        id: args.id.unwrap_or_else(random::uuid7),
        source: args.source,
        kind: args.kind.unwrap_or_default(),
        subject: args.subject,
        time: Some(rfc3339(clock.unix_millis())),
        datacontenttype: data.is_some().then(|| "application/json".to_owned()),
        dataschema: None,
        extensions: Default::default(),
        data,
    };
    let text = event.to_text();
    EventDraft::parse(&text).map_err(|error| fault(&error))?;
    Ok(text)
}

/// The text that an argument stands for: itself, that of `@FILE`, or for `-` that of stdin.
pub(super) fn data_text(given: String) -> Result<String, CommandError> {
    if given == "-" {
        return stdin::text("the data");
    }
    match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| CommandError::usage(format!("cannot read `{path}`: {error}"))),
        None => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(data: &str) -> EmitArgs {
        EmitArgs {
            kind: Some("t".to_owned()),
            batch: None,
            source: "kite-cli".to_owned(),
            subject: None,
            data: Some(data.to_owned()),
            id: Some("i".to_owned()),
        }
    }

    #[test]
    fn data_is_sent_as_it_was_written() {
        let text = event_text(args(r#"{"b": 1.0, "a":1e2}"#), &Clock::fixed(0)).unwrap();
        assert!(text.contains(r#""data":{"b": 1.0, "a":1e2}"#), "{text}");
    }

    #[test]
    fn what_is_no_event_is_refused_before_it_is_sent() {
        let clock = Clock::fixed(0);
        assert_eq!(
            event_text(args("{"), &clock).unwrap_err().exit(),
            Exit::Usage
        );
        let mut nameless = args("1");
        nameless.kind = Some(String::new());
        let error = event_text(nameless, &clock).unwrap_err();
        assert!(error.message().contains("`type`"), "{error:?}");
        let missing = event_text(args("@/does/not/exist"), &clock).unwrap_err();
        assert!(missing.message().contains("/does/not/exist"));
    }
}

//! `kite trigger`: a sample of what a provider posts, through the team's own endpoint.

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::context::{Context, block_on_call};
use super::emit::data_text;
use super::error::CommandError;
use super::exit::Exit;
use super::render;
use crate::client::ClientError;
use crate::protocol::api::{PublishStatus, Triggered};
use crate::protocol::id::SourceSlug;
use crate::protocol::json;
use crate::webhook::sample::SAMPLES;

/// Send a realistic sample of what a source posts, signed with the endpoint's own secret.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite trigger --list
  kite trigger github
  kite trigger stripe.payment_intent.succeeded
  kite trigger stripe.invoice.paid --data '{\"data\":{\"object\":{\"amount_paid\":500}}}'
  kite trigger my-app.order.created

The server signs the sample and takes it through the door that the provider's posts come by, so it
is verified, stored and streamed like them. A source without an endpoint gets one. Without an event
it is the first one of the list; a source that is no provider takes any event.")]
pub(super) struct TriggerArgs {
    /// The source, and behind a dot which of its events.
    #[arg(value_name = "SOURCE[.EVENT]", required_unless_present = "list")]
    what: Option<String>,
    /// Members that replace those of the sample: a JSON object, `@FILE`, or `-` for stdin. Null removes one.
    #[arg(
        long,
        value_name = "JSON|@FILE|-",
        allow_hyphen_values = true,
        conflicts_with = "list"
    )]
    data: Option<String>,
    /// List the samples that this kite knows; with a source, those of that source.
    #[arg(long)]
    list: bool,
}

/// A line of the list.
#[derive(Serialize)]
struct Listed {
    source: &'static str,
    event: &'static str,
}

pub(super) fn run(args: TriggerArgs, context: &Context) -> Result<Exit, CommandError> {
    if args.list {
        return list(args.what.as_deref(), context);
    }
    let what = args.what.unwrap_or_default();
    let (source, event) = match what.split_once('.') {
        Some((source, event)) => (source, Some(event)),
        None => (what.as_str(), None),
    };
    if source.is_empty() {
        let words = "name a source, such as `github` or `stripe.invoice.paid`";
        return Err(CommandError::usage(words).with_hint("`kite trigger --list` shows the samples"));
    }
    let slug = SourceSlug::parse(source)?;
    let data = match args.data {
        Some(given) => Some(checked(&data_text(given)?)?),
        None => None,
    };
    let settings = context.settings()?;
    let api = context.api(&settings)?;
    let answer = block_on_call(async {
        let sent = api.trigger(slug.as_str(), event, data.as_deref()).await;
        sent.map_err(|error| worded(error, slug.as_str()))
    })?;
    context.out.show(&answer, |triggered| {
        let signed = if triggered.verified { "yes" } else { "no" };
        let facts = [
            ("id", triggered.id.clone()),
            ("source", triggered.source.clone()),
            ("type", triggered.kind.clone()),
            ("signed", signed.to_owned()),
        ];
        let done = match triggered.status {
            PublishStatus::DuplicateIgnored => {
                "Already stored: a delivery with this id came before"
            }
            _ => "Triggered",
        };
        render::facts(done, &facts)
    })?;
    if answer.endpoint_created {
        context.out.note(&whats_next(&answer));
    }
    Ok(Exit::Done)
}

/// What makes the endpoint that was made for a sample one for the source itself.
fn whats_next(answer: &Triggered) -> String {
    let source = &answer.source;
    let next = match (source.as_str(), answer.verified) {
        ("github", _) => "`kite github install` lets GitHub post to it".to_owned(),
        (_, true) => format!(
            "`kite endpoints rotate-secret --source {source} --signing-secret -` gives it the secret that {source} \
             signs with"
        ),
        (_, false) => {
            format!("`kite endpoints create --source {source}` shows its address, with a new token")
        }
    };
    format!("made an endpoint for `{source}`: {next}")
}

fn checked(text: &str) -> Result<Box<RawValue>, CommandError> {
    let checked = json::check_object(text)
        .map_err(|fault| CommandError::usage(format!("`--data` is no JSON object: {fault}")))?;
    Ok(checked.to_owned())
}

fn worded(error: ClientError, source: &str) -> CommandError {
    match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => {
            let words = format!("the server has no samples to trigger: {refusal}");
            CommandError::failed(words).with_hint("this works with `kite serve`")
        }
        ClientError::Refused(refusal) if refusal.status == 400 => CommandError::usage(refusal.text),
        ClientError::Refused(refusal) if refusal.status == 410 => {
            CommandError::failed(refusal.text).with_hint(format!(
                "`kite endpoints create --source {source}` wakes it up with a new token"
            ))
        }
        error => error.into(),
    }
}

fn list(what: Option<&str>, context: &Context) -> Result<Exit, CommandError> {
    let source = what.map(|what| what.split('.').next().unwrap_or(what));
    let samples: Vec<Listed> = SAMPLES
        .iter()
        .filter(|sample| source.is_none_or(|source| source == sample.source))
        .map(|sample| Listed {
            source: sample.source,
            event: sample.event,
        })
        .collect();
    if let (Some(source), []) = (source, samples.as_slice()) {
        let words =
            format!("`{source}` is no provider: `kite trigger {source}.EVENT` takes any event");
        context.out.note(&words);
    }
    context.out.list(&samples, &["sample"], |sample| {
        vec![format!("{}.{}", sample.source, sample.event)]
    })?;
    Ok(Exit::Done)
}

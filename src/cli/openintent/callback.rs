//! `kite openintent callback`: news of a dispatch, told by hand.

use clap::Args;
use serde::Serialize;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::{asked, given, offered, server_url};
use crate::base::clock::Clock;
use crate::base::random;
use crate::client::openintent::{CALLBACK_PATH, call_back_to};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{CallbackEventType, FederationAttestation, FederationCallback};
use crate::openintent::signature::{is_signed, sign};
use crate::openintent::stamp;
use crate::openintent::trust::normalize;
use crate::protocol::identity::InstanceKey;

/// Tell a server what became of an intent that it has dispatched, in the place of the server that works on it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent callback --to https://a.example --dispatch d_01 --event state_delta \\
    --state '{\"rows\": 7}' --key b.key
  kite openintent callback --to https://a.example/callbacks --dispatch d_01 --event completed \\
    --attestation @attestation.json --key b.key

kite tells by itself what its agents report with `kite openintent intents`; this is for servers and
tests that do not. --key signs the callback with the key of the server that the intent went to, and
the attestation too where that has no signature. The API key goes along to the login's own server, and
to no other.")]
pub(super) struct CallbackArgs {
    /// Where callbacks of the dispatch go; of a URL without a path, to the usual one.
    #[arg(long, value_name = "URL", value_parser = server_url)]
    to: String,
    /// The dispatch, by the id that its server gave it.
    #[arg(long, value_name = "ID")]
    dispatch: String,
    /// What is told: state_delta, status_changed, attestation, budget_warning, completed or failed.
    #[arg(long, value_name = "TYPE", value_parser = event)]
    event: CallbackEventType,
    /// What has changed of the intent's state: a merge patch.
    #[arg(long, value_name = "JSON|@FILE|-")]
    state: Option<String>,
    /// How the work kept to the rules.
    #[arg(long, value_name = "JSON|@FILE")]
    attestation: Option<String>,
    /// The id of the trace that it belongs to.
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// The key file of the server that tells it.
    #[arg(long, value_name = "FILE")]
    key: Option<String>,
    /// By what a repeat is known, instead of a key made for this callback.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// A callback that was taken, as it is printed.
#[derive(Serialize)]
struct Told {
    to: String,
    dispatch_id: String,
    event_type: &'static str,
    idempotency_key: String,
    signed: bool,
    /// What the server said to it, where it said something.
    message: Option<String>,
}

fn event(word: &str) -> Result<CallbackEventType, String> {
    CallbackEventType::of(word).ok_or_else(|| format!("use {}", CallbackEventType::WANTED))
}

pub(super) fn run(args: CallbackArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let url = whole(&args.to);
    let key = args.key.as_deref().map(given::key).transpose()?;
    let now = stamp::write(Clock::system().unix_millis());
    let idempotency_key = args.idempotency_key.clone();
    let callback = FederationCallback {
        dispatch_id: args.dispatch.clone(),
        event_type: args.event,
        state_delta: match &args.state {
            Some(text) => given::object("`--state`", text)?,
            None => Object::new(),
        },
        attestation: None,
        trace_id: args.trace.clone(),
        idempotency_key: Some(idempotency_key.unwrap_or_else(random::uuid4)),
        timestamp: Some(now),
    };
    let body = body(&callback, args.attestation.as_deref(), key.as_ref())?;
    let answer = match path_at(&url, &settings.http_base) {
        Some(path) => {
            let api = context.api(&settings)?;
            block_on_call(async { offered(api.call_back(&path, &body).await) })?
        }
        None => {
            let ca_file = settings.ca_file.as_deref();
            block_on_call(async { asked(call_back_to(&url, ca_file, &body).await) })?
        }
    };
    let answer: Option<Json> = answer.parse().ok();
    let message = answer.as_ref().and_then(|it| it.get("message")?.as_str());
    let told = Told {
        to: url,
        dispatch_id: callback.dispatch_id,
        event_type: callback.event_type.word(),
        idempotency_key: callback.idempotency_key.unwrap_or_default(),
        signed: key.is_some(),
        message: message.map(str::to_owned),
    };
    context.out.show(&told, words)?;
    Ok(Exit::Done)
}

/// The callback as it travels, signed where there is a key.
fn body(
    callback: &FederationCallback,
    attestation: Option<&str>,
    key: Option<&InstanceKey>,
) -> Result<Object, CommandError> {
    let mut body = match callback.to_json() {
        Json::Object(body) => body,
        // A model is an object.
        _ => Object::new(),
    };
    if let Some(text) = attestation {
        let mut attestation = given::object("`--attestation`", text)?;
        let id = || Json::from(callback.dispatch_id.as_str());
        attestation
            .entry("dispatch_id".to_owned())
            .or_insert_with(id);
        FederationAttestation::from_json(&Json::from(attestation.clone())).map_err(|fault| {
            CommandError::usage(format!("`--attestation` cannot be used: {fault}"))
        })?;
        if let Some(key) = key.filter(|_| !is_signed(&attestation)) {
            sign(&mut attestation, key);
        }
        body.insert("attestation".to_owned(), attestation.into());
    }
    if let Some(key) = key {
        sign(&mut body, key);
    }
    Ok(body)
}

/// The URL of callbacks, where that of a server alone may have been given.
fn whole(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.trim_end_matches('/');
    match rest.contains(['/', '?', '#']) {
        true => url.to_owned(),
        false => format!("{}{CALLBACK_PATH}", url.trim_end_matches('/')),
    }
}

/// The path of a URL that is on a server.
fn path_at(url: &str, server: &str) -> Option<String> {
    let url = normalize(url);
    let path = url.strip_prefix(&normalize(server))?;
    path.starts_with('/').then(|| path.to_owned())
}

fn words(told: &Told) -> String {
    let signed = if told.signed { "yes" } else { "no" };
    let mut facts = vec![
        ("to", told.to.clone()),
        ("dispatch", told.dispatch_id.clone()),
        ("event", told.event_type.to_owned()),
        ("signed", signed.to_owned()),
    ];
    facts.extend(told.message.clone().map(|text| ("message", text)));
    render::facts("The server has heard it", &facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_alone_is_told_at_the_usual_path() {
        let usual = "https://a.example/api/v1/federation/callback";
        assert_eq!(whole("https://a.example"), usual);
        assert_eq!(whole("https://a.example//"), usual);
        for url in [
            "https://a.example/cb",
            "https://a.example/cb/",
            "https://a.example?x",
        ] {
            assert_eq!(whole(url), url);
        }
    }

    #[test]
    fn nobody_passes_for_the_own_server() {
        let own = "https://kite.example:7700";
        let at = |url| path_at(url, own);
        assert_eq!(
            at("HTTPS://KITE.example:7700/a/b?c").as_deref(),
            Some("/a/b?c")
        );
        for other in [
            "https://kite.example:77000/a",
            "https://kite.example:7700.evil.example/a",
            "https://kite.example:7700@evil.example/a",
            "https://x@kite.example:7700/a",
            "http://kite.example:7700/a",
            "https://kite.example:7700?/a",
            "https://kite.example:7700",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
    }
}

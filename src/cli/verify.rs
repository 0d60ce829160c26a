//! `kite verify`: is this the signature of this body? Offline.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::endpoints::{signing_secret, without_line_break};
use super::error::CommandError;
use super::exit::Exit;
use super::render;
use super::stdin;
use crate::base::clock::{Clock, rfc3339, unix_millis};
use crate::protocol::id::SourceSlug;
use crate::webhook::diagnosis::{Diagnosis, diagnose};
use crate::webhook::{self, Headers, Receipt, Request, SignatureFault, Taken};

/// The longest file that is read: more than any provider sends.
const FILE_MAX_BYTES: u64 = 100 * 1024 * 1024;

/// The last second of the year 9999, in Unix seconds: what RFC 3339 can write.
const LAST_SECOND: i64 = 253_402_300_799;

/// Check the signature of a webhook, and say what is wrong with it. Nothing is sent anywhere.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite verify --provider github --headers headers.txt --secret-file secret.txt body.json
  kite verify --provider stripe -H 'Stripe-Signature: t=1767225600,v1=5f0c' --at 1767225600 \\
    --signing-secret - body.json < secret.txt

The body must be what was received, byte for byte. Ends with 0 where the signature is right, otherwise with 1.")]
pub(super) struct VerifyArgs {
    /// Who sent it: github, linear, pagerduty, shopify, slack, stripe, twilio, or any other source.
    #[arg(long, value_name = "P")]
    provider: String,
    /// A header of the request, `Name: value`; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    header: Vec<String>,
    /// A file with the request's headers, one on a line, or as a JSON object.
    #[arg(long, value_name = "FILE")]
    headers: Option<String>,
    /// The secret; `-` reads it from stdin.
    #[arg(
        long,
        value_name = "-|SECRET",
        allow_hyphen_values = true,
        required_unless_present = "secret_file"
    )]
    signing_secret: Option<String>,
    /// A file that holds the secret.
    #[arg(long, value_name = "FILE", conflicts_with = "signing_secret")]
    secret_file: Option<String>,
    /// The address that was called, with its query: Twilio signs it.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// When it was received, in Unix seconds or as RFC 3339; otherwise now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The file that holds the body; `-` reads it from stdin.
    #[arg(value_name = "FILE|-")]
    body: String,
}

/// What a request with a right signature comes to.
#[derive(Serialize)]
struct Verified {
    verified: bool,
    r#type: String,
    source: String,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<String>,
}

pub(super) fn run(args: VerifyArgs, context: &Context) -> Result<Exit, CommandError> {
    check_stdin(&args)?;
    let source = SourceSlug::parse(&args.provider)?;
    let now = match &args.at {
        Some(at) => unix_seconds(at)?,
        None => Clock::system().unix_millis() / 1000,
    };
    let headers = headers(args.headers.as_deref(), &args.header)?;
    let secret = match (args.signing_secret, args.secret_file) {
        (Some(given), _) => signing_secret(given, context)?,
        (None, file) => without_line_break(&read_text(&file.unwrap_or_default())?),
    };
    let body = read(&args.body)?;
    let request = Request {
        slug: source.as_str(),
        headers: &headers,
        body: &body,
        url: args.url.as_deref(),
    };
    diagnose(&request, secret.as_bytes(), now).map_err(worded)?;
    let verified = verified(&request, now)?;
    context.out.show(&verified, |verified| {
        let mut facts = vec![
            ("type", verified.r#type.clone()),
            ("source", verified.source.clone()),
            ("summary", verified.summary.clone()),
        ];
        facts.extend(verified.delivery_id.clone().map(|id| ("delivery", id)));
        render::facts("The signature is right", &facts)
    })?;
    Ok(Exit::Done)
}

/// Stdin can be read once.
fn check_stdin(args: &VerifyArgs) -> Result<(), CommandError> {
    let secret = args.signing_secret.as_ref().or(args.secret_file.as_ref());
    let given = [Some(&args.body), secret, args.headers.as_ref()];
    match given
        .iter()
        .filter(|it| it.is_some_and(|it| it == "-"))
        .count()
    {
        0 | 1 => Ok(()),
        _ => {
            let words = "only one of body, secret and headers can come from stdin";
            Err(CommandError::usage(words)
                .with_hint("`--secret-file` reads the secret from a file"))
        }
    }
}

/// A signature that is not right, and what can be done.
fn worded(diagnosis: Diagnosis) -> CommandError {
    let error = CommandError::failed(diagnosis.to_string());
    if !diagnosis.findings.is_empty() {
        return error.with_hint(diagnosis.findings.join("; "));
    }
    match &diagnosis.fault {
        SignatureFault::Time(_) => {
            error.with_hint("the signature itself is right; `--at` checks it as of another time")
        }
        SignatureFault::Request(_) => error.with_hint("`--url` names the address that was called"),
        SignatureFault::Wrong(_) => error.with_hint(
            "the body must be what was received, byte for byte, and the secret that of this very endpoint",
        ),
        _ => error,
    }
}

/// What a server would make of the request.
fn verified(request: &Request<'_>, now: i64) -> Result<Verified, CommandError> {
    let receipt = Receipt {
        id: String::new(),
        time: rfc3339(now * 1000),
        hook_token: None,
        is_verified: true,
    };
    let taken = webhook::ingest(request, receipt).map_err(|fault| {
        CommandError::failed(format!(
            "the signature is right, but a server refuses the body: {fault}"
        ))
    })?;
    Ok(match taken {
        Taken::Event(ingested) => Verified {
            verified: true,
            summary: ingested
                .event
                .extension("kitesummary")
                .unwrap_or_default()
                .to_owned(),
            r#type: ingested.event.kind,
            source: ingested.event.source,
            delivery_id: ingested.delivery_id,
        },
        Taken::Challenge(_) => Verified {
            verified: true,
            summary: "a question for the address, which a server answers; no event".to_owned(),
            r#type: String::new(),
            source: String::new(),
            delivery_id: None,
        },
    })
}

fn unix_seconds(at: &str) -> Result<i64, CommandError> {
    let number = at.parse().ok();
    let number = number.filter(|seconds| (0..=LAST_SECOND).contains(seconds));
    let found = number.or_else(|| unix_millis(at).map(|millis| millis / 1000));
    found.ok_or_else(|| {
        CommandError::usage(format!(
            "`{at}` is no time: whole Unix seconds, or RFC 3339 such as 2026-01-31T12:00:00Z"
        ))
    })
}

fn headers(file: Option<&str>, given: &[String]) -> Result<Headers, CommandError> {
    let text = match file {
        Some(path) => read_text(path)?,
        None => String::new(),
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // An event's `kiteoriginalheaders`, as `jq` prints it.
    let unquoted: Option<String> = serde_json::from_str(text).ok();
    let text = unquoted.as_deref().unwrap_or(text);
    let mut pairs = match text.trim_start().starts_with('{') {
        true => headers_of_object(text)?,
        false => headers_of_lines(text)?,
    };
    for line in given {
        pairs.push(pair(line, || "`--header`".to_owned())?);
    }
    Ok(Headers::new(pairs))
}

/// What other programs keep: a value, or all those of a name.
fn headers_of_object(text: &str) -> Result<Vec<(String, String)>, CommandError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Values {
        One(String),
        Many(Vec<String>),
    }
    let object: BTreeMap<String, Values> = serde_json::from_str(text).map_err(|error| {
        CommandError::usage(format!(
            "the headers are no JSON object of strings: {error}"
        ))
    })?;
    let pairs = object.into_iter().flat_map(|(name, values)| {
        let values = match values {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        values.into_iter().map(move |value| (name.clone(), value))
    });
    Ok(pairs.collect())
}

/// A header on each line, also as `curl -v` and browsers show a request.
fn headers_of_lines(text: &str) -> Result<Vec<(String, String)>, CommandError> {
    let mut pairs = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // What `curl -v` says of itself and of the answer.
        if line.starts_with(['*', '<', '{', '}']) {
            continue;
        }
        let line = line.strip_prefix('>').unwrap_or(line).trim();
        // The request line, where somebody kept it, and what HTTP/2 has instead.
        let is_request = pairs.is_empty() && line.contains(" HTTP/");
        let is_pseudo = [":method:", ":path:", ":scheme:", ":authority:"]
            .iter()
            .any(|name| line.starts_with(name));
        if !is_request && !is_pseudo && !line.is_empty() {
            pairs.push(pair(line, || format!("line {number} of the headers"))?);
        }
    }
    Ok(pairs)
}

/// A line as name and value. What it says is not repeated: it may be the secret, given in the wrong place.
fn pair(line: &str, place: impl Fn() -> String) -> Result<(String, String), CommandError> {
    match line.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(CommandError::usage(format!(
            "{} is no header such as `Name: value`",
            place()
        ))),
    }
}

fn read_text(path: &str) -> Result<String, CommandError> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|_| CommandError::usage(format!("`{path}` is not UTF-8")))
}

/// The bytes of a file, or for `-` those of stdin.
fn read(path: &str) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    let result = match path {
        "-" => stdin::open("what is to be checked")
            .take(FILE_MAX_BYTES + 1)
            .read_to_end(&mut bytes),
        path => {
            File::open(path).and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes))
        }
    };
    result.map_err(|error| CommandError::usage(format!("cannot read `{path}`: {error}")))?;
    match bytes.len() as u64 > FILE_MAX_BYTES {
        true => Err(CommandError::usage(format!(
            "`{path}` is larger than {FILE_MAX_BYTES} bytes"
        ))),
        false => Ok(bytes),
    }
}

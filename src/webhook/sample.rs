//! Samples of what the providers post, for `kite trigger`.
//!
//! A sample is a plain file: headers, an empty line, the body as JSON. `$UUID`, `$HEX`, `$UNIX`, `$MILLIS`, `$TIME`,
//! `$SOURCE` and `$EVENT` in it are replaced, so that each post is a new one.

use std::borrow::Cow;

use crate::protocol::json::{self, Object};

use super::{Headers, payload};

/// A post that can be made at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Whose it is; empty for any application of the user's own.
    pub source: &'static str,
    /// What it tells of.
    pub event: &'static str,
    text: &'static str,
}

/// The files below `samples`, by their names.
macro_rules! samples {
    ($($source:literal: $($event:literal),+;)+) => {
        &[$($(Sample {
            source: $source,
            event: $event,
            text: include_str!(concat!("samples/", $source, "/", $event, ".http")),
        },)+)+]
    };
}

/// The samples of the providers; the first of each is the one that is meant without an event.
pub const SAMPLES: &[Sample] = samples! {
    "github": "push", "pull_request", "pull_request_review", "issues", "issue_comment", "release", "workflow_run",
        "check_run", "create", "delete", "ping";
    "linear": "issue.create", "issue.update", "comment.create";
    "pagerduty": "incident.triggered", "incident.acknowledged", "incident.resolved";
    "shopify": "orders.create", "orders.paid", "orders.cancelled", "products.update", "customers.create",
        "app.uninstalled";
    "slack": "message", "app_mention", "reaction_added", "slash_command", "block_actions";
    "stripe": "payment_intent.succeeded", "payment_intent.payment_failed", "charge.succeeded", "charge.refunded",
        "checkout.session.completed", "customer.created", "customer.subscription.created",
        "customer.subscription.updated", "customer.subscription.deleted", "invoice.paid", "invoice.payment_failed";
    "twilio": "message.received", "message.delivered", "call.ringing", "call.completed";
};

/// What applications of the user's own send: the event is whatever the user says.
const OWN: Sample = Sample {
    source: "",
    event: "sample",
    text: include_str!("samples/own/event.http"),
};

/// The longest name of an event, in characters.
pub const EVENT_MAX_CHARS: usize = 128;

/// Why there is no sample to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleFault {
    /// The provider has others.
    #[error("there is no sample `{event}` of `{source_slug}`; there are {}", names(.source_slug))]
    Unknown {
        /// The provider.
        source_slug: String,
        /// What was asked for.
        event: String,
    },
    /// No name for an event.
    #[error("an event's name is 1 to {EVENT_MAX_CHARS} of A-Z, a-z, 0-9, `.`, `_`, `-` and `/`")]
    Name,
    /// Fields that cannot be put into the sample.
    #[error(
        "`data` must be a JSON object: its members replace those of the sample, and null removes one"
    )]
    Data,
}

fn names(source: &str) -> String {
    let names: Vec<_> = of(source)
        .map(|sample| format!("`{}`", sample.event))
        .collect();
    names.join(", ")
}

/// The samples of a provider; none for other sources.
fn of(source: &str) -> impl Iterator<Item = &'static Sample> {
    SAMPLES.iter().filter(move |sample| sample.source == source)
}

/// What makes a post of a sample new.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// A UUID that was never used before.
    pub uuid: &'a str,
    /// Now, in Unix milliseconds.
    pub millis: i64,
    /// Now, RFC 3339.
    pub time: &'a str,
}

/// A post, not yet signed.
#[derive(Debug)]
pub struct Post {
    /// What it tells of.
    pub event: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: String,
}

/// Makes the post of a sample: that of an event, else the source's first one. Members of `data` replace those of the
/// body (RFC 7396).
pub fn post(
    source: &str,
    event: Option<&str>,
    data: Option<&str>,
    fresh: Fresh<'_>,
) -> Result<Post, SampleFault> {
    let sample = find(source, event)?;
    let event = event.unwrap_or(sample.event);
    let text = filled(sample.text, source, event, fresh);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let headers = Headers::new(head.lines().filter_map(|line| line.split_once(": ")));
    let body = match data {
        Some(data) if Object::parse(data).is_none() => return Err(SampleFault::Data),
        Some(data) => Cow::Owned(json::merge(body, data)),
        None => Cow::Borrowed(body),
    };
    let body = match payload::media_type(headers.get("content-type")).as_str() {
        payload::FORM => form(&body),
        _ => json::compact(&body),
    };
    Ok(Post {
        event: event.to_owned(),
        headers,
        body,
    })
}

fn find(source: &str, event: Option<&str>) -> Result<&'static Sample, SampleFault> {
    let mut samples = of(source).peekable();
    let Some(event) = event else {
        return Ok(samples.next().unwrap_or(&OWN));
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if !(1..=EVENT_MAX_CHARS).contains(&event.len()) || !event.bytes().all(is_plain) {
        return Err(SampleFault::Name);
    }
    if samples.peek().is_none() {
        return Ok(&OWN);
    }
    samples
        .find(|sample| sample.event == event)
        .ok_or_else(|| SampleFault::Unknown {
            source_slug: source.to_owned(),
            event: event.to_owned(),
        })
}

fn filled(text: &str, source: &str, event: &str, fresh: Fresh<'_>) -> String {
    // None of the values has a character that JSON would have to escape.
    text.replace("$UUID", fresh.uuid)
        .replace("$HEX", &fresh.uuid.replace('-', ""))
        .replace("$UNIX", &(fresh.millis / 1000).to_string())
        .replace("$MILLIS", &fresh.millis.to_string())
        .replace("$TIME", fresh.time)
        .replace("$SOURCE", source)
        .replace("$EVENT", event)
}

/// An object as a form: strings as they are, anything else as its JSON text.
fn form(object: &str) -> String {
    let Object(members) = Object::parse(object).unwrap_or_default();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &members {
        let text = serde_json::from_str::<Cow<'_, str>>(value.get());
        let text = text.unwrap_or_else(|_| Cow::Owned(json::compact(value.get())));
        form.append_pair(name, &text);
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::webhook::{Receipt, Request, Taken, ingest, words};

    const FRESH: Fresh<'_> = Fresh {
        uuid: "0190a0b0-0000-7000-8000-000000000001",
        millis: 1_767_225_600_123,
        time: "2026-01-01T00:00:00.123Z",
    };

    fn event_of(source: &str, post: &Post) -> crate::webhook::Ingested {
        let request = Request {
            slug: source,
            headers: &post.headers,
            body: post.body.as_bytes(),
            url: None,
        };
        let receipt = Receipt {
            id: "i".to_owned(),
            time: FRESH.time.to_owned(),
            hook_token: None,
            is_verified: true,
        };
        match ingest(&request, receipt).unwrap() {
            Taken::Event(event) => *event,
            Taken::Challenge(_) => panic!("a challenge is no sample"),
        }
    }

    #[test]
    fn every_file_is_a_sample() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/webhook/samples");
        let mut files = BTreeSet::new();
        for source in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            for file in fs::read_dir(source.path()).unwrap().map(Result::unwrap) {
                let source = source.file_name().into_string().unwrap();
                files.insert((source, file.file_name().into_string().unwrap()));
            }
        }
        files.remove(&("own".to_owned(), "event.http".to_owned()));
        let listed: BTreeSet<_> = SAMPLES
            .iter()
            .map(|sample| (sample.source.to_owned(), format!("{}.http", sample.event)))
            .collect();
        assert_eq!(files, listed);
    }

    #[test]
    fn every_sample_is_the_event_that_it_is_named_after() {
        for sample in SAMPLES {
            let post = post(sample.source, Some(sample.event), None, FRESH).unwrap();
            let ingested = event_of(sample.source, &post);
            let event = ingested.event;
            let kind = format!("com.{}.{}", sample.source, words::for_type(sample.event));
            assert_eq!(event.kind, kind);
            let summary = event.extension("kitesummary").unwrap();
            for missing in ["unknown", "someone", " event"] {
                assert!(!summary.contains(missing), "{summary}");
            }
            assert!(!event.to_text().contains('$'), "{}", event.to_text());
            assert!(ingested.delivery_id.is_some(), "{kind} can be known again");
        }
    }

    #[test]
    fn members_of_data_replace_those_of_the_sample() {
        let data = r#"{"data":{"object":{"amount":1.50,"customer":null,"currency":"eur"}}}"#;
        let post = post("stripe", None, Some(data), FRESH).unwrap();
        assert_eq!(post.event, "payment_intent.succeeded");
        assert!(post.body.contains(r#""amount":1.50,"#), "{}", post.body);
        assert!(post.body.contains(r#""currency":"eur""#), "{}", post.body);
        assert!(!post.body.contains("customer"), "{}", post.body);
        assert!(
            post.body.contains(r#""created":1767225600"#),
            "{}",
            post.body
        );
    }

    #[test]
    fn forms_take_data_as_well() {
        let data = r#"{"Body":"50 % & more"}"#;
        let post = post("twilio", None, Some(data), FRESH).unwrap();
        assert!(post.body.contains("Body=50+%25+%26+more"), "{}", post.body);
    }

    #[test]
    fn a_source_of_the_users_own_has_any_event() {
        let post = post("my-app", Some("order/created"), None, FRESH).unwrap();
        assert!(
            post.body.contains(r#""event":"order/created""#),
            "{}",
            post.body
        );
        assert_eq!(event_of("my-app", &post).event.kind, "com.my-app.event");
    }

    #[test]
    fn what_is_no_sample_is_refused_with_what_there_is() {
        let refused = |event: &str, data| post("linear", Some(event), data, FRESH).unwrap_err();
        let unknown = refused("issue.remove", None).to_string();
        assert!(
            unknown.contains("`issue.create`, `issue.update`"),
            "{unknown}"
        );
        for name in ["", "a b", "\u{1b}", "a\"", &"x".repeat(129)] {
            assert_eq!(refused(name, None), SampleFault::Name, "{name}");
        }
        for data in ["[]", "1", "{", ""] {
            assert_eq!(refused("issue.create", Some(data)), SampleFault::Data);
        }
    }
}

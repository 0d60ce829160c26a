//! Slack: events, interactions and slash commands (spec 9, 10.1, 10.3).

use super::signature::{Mac, SignatureFault, check_time, required, wrong_unless};
use super::{Description, Provider, Reply, Request, SignatureHeaders, View, words};

pub(super) const PROVIDER: Provider = Provider {
    slug: "slack",
    reply: Reply::Ok,
    header: HEADER,
    verify,
    sign,
    describe,
    delivery_id,
    challenge,
    ..Provider::PLAIN
};

const HEADER: &str = "X-Slack-Signature";
const TIME_HEADER: &str = "X-Slack-Request-Timestamp";

fn mac(request: &Request<'_>, secret: &[u8], time: &str) -> Mac {
    Mac::sha256(secret, &[b"v0:", time.as_bytes(), b":", request.body])
}

fn verify(request: &Request<'_>, secret: &[u8], now: i64) -> Result<(), SignatureFault> {
    let value = required(request, HEADER)?;
    let time = required(request, TIME_HEADER)?;
    let digits = value.strip_prefix("v0=").ok_or(SignatureFault::Malformed {
        header: HEADER,
        what: "does not begin with `v0=`",
    })?;
    wrong_unless(mac(request, secret, time).is_hex(digits), HEADER)?;
    check_time(time, TIME_HEADER, now)
}

fn sign(request: &Request<'_>, secret: &[u8], now: i64) -> SignatureHeaders {
    let time = now.to_string();
    let digits = mac(request, secret, &time).to_hex();
    vec![(HEADER, format!("v0={digits}")), (TIME_HEADER, time)]
}

/// Calls `look` with what the post is about: the JSON in a form's field `payload`, else the body itself.
fn with_payload<T>(
    request: &Request<'_>,
    payload: &View<'_>,
    look: impl FnOnce(&View<'_>) -> T,
) -> T {
    let form = words::form_payload(request, payload);
    let form = form.as_deref().and_then(words::view);
    look(form.as_ref().unwrap_or(payload))
}

fn delivery_id(request: &Request<'_>, payload: &View<'_>) -> Option<String> {
    with_payload(request, payload, |payload| {
        payload
            .text("event_id")
            .or_else(|| payload.text("trigger_id"))
    })
}

/// The text that proves to Slack that the address is ours.
fn challenge(payload: &View<'_>) -> Option<String> {
    let is_asked = payload.text("type")? == "url_verification";
    is_asked.then(|| payload.text("challenge"))?
}

fn describe(request: &Request<'_>, payload: &View<'_>) -> Description {
    with_payload(request, payload, |payload| {
        let kind = payload.text("type");
        let is_callback = kind.as_deref() == Some("event_callback");
        let inner = payload.object("event").filter(|_| is_callback);
        let kind = match &inner {
            Some(event) => event.text("type"),
            None if is_callback => None,
            None if kind.is_none() && payload.text("command").is_some() => {
                Some("slash_command".to_owned())
            }
            None => kind,
        };
        let team = name(payload, "team");
        let team = words::for_source(team.as_deref()).map(|team| format!("/{team}"));
        Description {
            kind: format!("com.slack.{}", words::for_type_or_event(kind.as_ref())),
            source: format!("https://slack.com{}", team.unwrap_or_default()),
            summary: summary(kind, inner.as_ref().unwrap_or(payload)),
        }
    })
}

fn summary(kind: Option<String>, about: &View<'_>) -> String {
    let part = |word: &str, member: &str| {
        let name = name(about, member).filter(|name| !name.trim().is_empty());
        name.map_or_else(String::new, |name| format!(" {word} {}", name.trim()))
    };
    format!(
        "Slack {}{}{}",
        words::event(kind),
        part("from", "user"),
        part("in", "channel")
    )
}

/// The id of something that Slack names in three ways: `user`, `user.id` or `user_id`.
fn name(about: &View<'_>, member: &str) -> Option<String> {
    about
        .text(&format!("{member}_id"))
        .or_else(|| about.object(member)?.text("id"))
        .or_else(|| about.text(member))
}

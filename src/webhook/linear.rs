//! Linear (spec 9, 10.1, 10.3).

use super::signature::{Mac, SignatureFault, check_body_hex};
use super::{Description, Provider, Reply, Request, SignatureHeaders, View, words};

pub(super) const PROVIDER: Provider = Provider {
    slug: "linear",
    reply: Reply::Ok,
    header: HEADER,
    verify,
    sign,
    describe,
    delivery_id,
    ..Provider::PLAIN
};

const HEADER: &str = "Linear-Signature";

/// The body holds a time, too. It is not looked at: a delivery that comes again is known by its id.
fn verify(request: &Request<'_>, secret: &[u8], _now: i64) -> Result<(), SignatureFault> {
    check_body_hex(request, HEADER, "", secret)
}

fn sign(request: &Request<'_>, secret: &[u8], _now: i64) -> SignatureHeaders {
    vec![(HEADER, Mac::sha256(secret, &[request.body]).to_hex())]
}

fn delivery_id(request: &Request<'_>, _payload: &View<'_>) -> Option<String> {
    request.headers.get("linear-delivery").map(str::to_owned)
}

fn describe(_request: &Request<'_>, payload: &View<'_>) -> Description {
    let kind = payload.text("type");
    let action = payload.text("action");
    let data = payload.object("data").unwrap_or_default();
    let (identifier, title) = (data.text("identifier"), data.text("title"));
    let about = match (identifier, title) {
        (None, None) => String::new(),
        (identifier, title) => {
            format!(": {} {}", words::known(identifier), words::known(title))
        }
    };
    Description {
        kind: format!(
            "com.linear.{}.{}",
            words::for_type(&snake_case(kind.as_deref().unwrap_or_default())),
            words::for_type_or_event(action.as_ref())
        ),
        source: "https://linear.app".to_owned(),
        summary: format!(
            "Linear {} {}{about}",
            words::event(kind),
            words::event(action)
        ),
    }
}

/// An underscore before an upper-case letter that begins a word: behind a small letter or digit, or behind a capital and
/// before a small letter.
fn snake_case(text: &str) -> String {
    let chars: Vec<char> = text.trim().chars().collect();
    let mut snake = String::with_capacity(text.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let is_small_behind = chars.get(at + 1).is_some_and(|c| c.is_lowercase());
        let begins_word = before.is_some_and(|before| {
            before.is_lowercase()
                || before.is_ascii_digit()
                || before.is_uppercase() && is_small_behind
        });
        if c.is_uppercase() && begins_word {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_by_their_capitals() {
        let cases = [
            ("Issue", "issue"),
            ("ProjectUpdate", "project_update"),
            ("IssueSLA", "issue_sla"),
            ("SLAIssue", "sla_issue"),
            ("OAuth2Client", "o_auth2_client"),
            ("", ""),
        ];
        for (words, snake) in cases {
            assert_eq!(snake_case(words), snake, "{words}");
        }
    }
}

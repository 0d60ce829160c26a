//! Vectors of names, addresses, durations and one-line texts: input, and what becomes of it.

use kite::base::duration;
use kite::protocol::id::SourceSlug;
use kite::protocol::{address, agent, summary};
use serde::Deserialize;

use super::file::run;

/// A name; a null slug means that it is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slug {
    input: String,
    #[serde(deserialize_with = "Option::deserialize")]
    slug: Option<String>,
}

#[test]
fn vectors_agent_slugs() {
    run("agent_slugs", |case: Slug| {
        assert_eq!(agent::slug(&case.input), case.slug);
    });
}

#[test]
fn vectors_source_slugs() {
    run("source_slugs", |case: Slug| {
        let slug = SourceSlug::parse(&case.input).ok();
        assert_eq!(slug.as_ref().map(SourceSlug::as_str), case.slug.as_deref());
    });
}

/// One derivation; a null result means that it is refused.
#[derive(Deserialize)]
#[serde(untagged)]
enum Derivation {
    WebSocket(ServerAddress),
    HttpBase(WebSocketAddress),
    HookBase(HookAddress),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerAddress {
    server: String,
    ws: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebSocketAddress {
    ws: String,
    http_base: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookAddress {
    hook_base_of: String,
    http_base: Option<String>,
}

#[test]
fn vectors_urls() {
    run("urls", |case: Derivation| match case {
        Derivation::WebSocket(case) => assert_eq!(address::websocket(&case.server).ok(), case.ws),
        Derivation::HttpBase(case) => assert_eq!(address::http_base(&case.ws).ok(), case.http_base),
        Derivation::HookBase(case) => {
            assert_eq!(address::http_base(&case.hook_base_of).ok(), case.http_base);
        }
    });
}

/// A duration; null seconds mean that it is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Duration {
    input: String,
    #[serde(deserialize_with = "Option::deserialize")]
    seconds: Option<u64>,
}

#[test]
fn vectors_durations() {
    run("durations", |case: Duration| {
        let duration = duration::parse(&case.input).ok();
        assert_eq!(duration.map(|duration| duration.as_secs()), case.seconds);
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    what: What,
    input: String,
    output: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Summary,
    Preview,
}

#[test]
fn vectors_summaries() {
    run("summaries", |case: Summary| {
        let output = match case.what {
            What::Summary => summary::one_line(&case.input),
            What::Preview => summary::preview(&case.input),
        };
        assert_eq!(output, case.output);
    });
}

//! What operations need, by hand: the description is held against it. It also has the pages for people, which are not
//! described, and the faces of OpenIntent, which are opened by keys and by signatures.

use serde_json::{Value, json};

/// The description, with what it leaves out in its form.
pub(super) fn completed(mut document: Value) -> Value {
    for (method, path, needs) in ROWS {
        let described = &mut document["paths"][path][method];
        let is_there = !described.is_null();
        let permission = described["x-kite-permission"].as_str().map(str::to_owned);
        match (permission, *needs) {
            (Some(said), word) if !word.is_empty() => {
                assert_eq!(said, word, "what `{method} {path}` needs");
            }
            (_, "") if is_there => {}
            (_, "") => *described = json!({"security": []}),
            (_, word) => {
                *described = json!({"security": [{"key": []}], "x-kite-permission": word});
            }
        }
    }
    document
}

const ROWS: &[(&str, &str, &str)] = &[
    ("get", "/api/v1/agents", "read"),
    ("get", "/api/v1/agents/{id}", "read"),
    ("put", "/api/v1/agents/{id}", "write"),
    ("post", "/api/v1/agents/messages", "write"),
    ("get", "/api/v1/events", "read"),
    ("post", "/api/v1/events", "write"),
    ("get", "/api/v1/events/{id}", "read"),
    ("get", "/api/v1/keys", "read"),
    ("post", "/api/v1/keys", "admin"),
    ("delete", "/api/v1/keys/{id}", "admin"),
    ("get", "/api/v1/hooks", "read"),
    ("post", "/api/v1/hooks", "write"),
    ("delete", "/api/v1/hooks/{id}", "write"),
    ("post", "/api/v1/hooks/{source}/secret", "write"),
    ("post", "/api/v1/hooks/{source}/trigger", "write"),
    ("get", "/api/v1/stats", "read"),
    ("get", "/api/federation/status", "admin"),
    ("get", "/api/federation/peers", "admin"),
    ("post", "/api/federation/peers", "admin"),
    ("get", "/api/federation/peers/{id}", "admin"),
    ("patch", "/api/federation/peers/{id}", "admin"),
    ("delete", "/api/federation/peers/{id}", "admin"),
    ("post", "/api/federation/peers/discover", "admin"),
    ("post", "/api/federation/peers/{id}/test", "admin"),
    ("get", "/api/federation/tokens", "admin"),
    ("post", "/api/federation/tokens", "admin"),
    ("delete", "/api/federation/tokens/{id}", "admin"),
    ("get", "/api/federation/invites", "admin"),
    ("post", "/api/federation/invites", "admin"),
    ("delete", "/api/federation/invites/{id}", "admin"),
    ("post", "/api/federation/join", "admin"),
    ("get", "/api/federation/trace", "admin"),
    ("get", "/api/federation/outbox", "admin"),
    ("get", "/api/federation/deliveries", "admin"),
    ("get", "/api/federation/dead-letters", "admin"),
    ("post", "/api/federation/dead-letters/replay", "admin"),
    ("get", "/api/federation/dead-letters/{id}", "admin"),
    ("delete", "/api/federation/dead-letters/{id}", "admin"),
    ("post", "/api/federation/dead-letters/{id}/replay", "admin"),
    ("get", "/api/v1/federation/status", "read"),
    ("get", "/api/v1/federation/agents", "read"),
    ("post", "/api/v1/federation/dispatch", "write"),
    ("get", "/api/openintent/trust", "admin"),
    ("put", "/api/openintent/trust/policy", "admin"),
    ("put", "/api/openintent/trust/servers", "admin"),
    ("delete", "/api/openintent/trust/servers", "admin"),
    ("get", "/api/openintent/dispatches", "read"),
    ("get", "/api/openintent/dispatches/{id}", "read"),
    ("get", "/api/openintent/intents", "read"),
    ("post", "/api/openintent/intents", "write"),
    ("get", "/api/openintent/intents/{id}", "read"),
    ("post", "/api/openintent/intents/{id}/{verb}", "write"),
    ("post", "/api/v1/federation/receive", ""),
    ("post", "/api/v1/federation/callback", ""),
    ("post", "/hooks/{team}/kite", ""),
    ("post", "/hooks/{team}/kite/discover", ""),
    ("post", "/hooks/{team}/{source}", ""),
    ("post", "/hooks/{team}/{source}/{token}", ""),
    ("post", "/api/federation/invites/redeem", ""),
    ("post", "/api/federation/invites/test", ""),
    ("post", "/api/auth/device-code", ""),
    ("post", "/api/auth/device-token", ""),
    ("get", "/healthz", ""),
    ("get", "/readyz", ""),
    ("get", "/health", ""),
    ("get", "/metrics", ""),
    ("get", "/activate", ""),
    ("get", "/activate.css", ""),
    ("post", "/activate", ""),
    ("get", "/.well-known/openintent-federation.json", ""),
    ("get", "/.well-known/did.json", ""),
];

//! The judgement on each operation: how it is asked for a thing of a team's. What has no judgement fails.

use super::estate::Thing;

/// One way to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Whose name stands in place of `{it}`.
    pub(super) thing: Option<Thing>,
    /// The values of the path's parameters, in order.
    pub(super) values: &'static [&'static str],
    /// What stands behind the `?`.
    pub(super) query: &'static str,
    /// The body; empty for none.
    pub(super) body: &'static str,
    /// Whether it is no JSON of the usual kind.
    pub(super) content_type: &'static str,
}

const JSON: &str = "application/json";

const PLAIN: Sample = Sample {
    thing: None,
    values: &[],
    query: "",
    body: "",
    content_type: JSON,
};

/// About no thing of anybody's.
const fn plain(body: &'static str) -> Sample {
    Sample { body, ..PLAIN }
}

/// About the thing that the path names.
const fn named(thing: Thing, body: &'static str) -> Sample {
    Sample {
        thing: Some(thing),
        values: &["{it}"],
        body,
        ..PLAIN
    }
}

/// About the thing that the query names.
const fn asked(thing: Thing, query: &'static str) -> Sample {
    Sample {
        thing: Some(thing),
        query,
        ..PLAIN
    }
}

/// About the thing that the body names.
const fn said(thing: Thing, body: &'static str) -> Sample {
    Sample {
        thing: Some(thing),
        body,
        ..PLAIN
    }
}

/// At the door of a team: what is posted there names the team and one of its sources.
const fn door(values: &'static [&'static str]) -> Sample {
    Sample {
        thing: Some(Thing::Source),
        values,
        body: r#"{"note": 1}"#,
        ..PLAIN
    }
}

/// How an operation is asked; `None` where nobody has judged it yet.
pub(super) fn samples(operation: &str) -> Option<Vec<Sample>> {
    use Thing::{
        Agent, Dispatch, Endpoint, Event, Intent, Invite, Key, Letter, Peer, Server, Source, Token,
    };
    Some(match operation {
        // The team's own lists: nothing of anybody else's is in them.
        "GET /api/v1/agents"
        | "GET /api/v1/keys"
        | "GET /api/v1/hooks"
        | "GET /api/v1/stats"
        | "GET /api/v1/federation/status"
        | "GET /api/v1/federation/agents"
        | "GET /api/federation/status"
        | "GET /api/federation/peers"
        | "GET /api/federation/tokens"
        | "GET /api/federation/invites"
        | "GET /api/openintent/trust" => vec![PLAIN],
        "GET /api/v1/events" => vec![
            PLAIN,
            asked(Agent, "scope=agent_to:{it}"),
            asked(Source, "after_seq=0&scope=source:{it}"),
        ],
        "GET /api/federation/outbox" | "GET /api/federation/dead-letters" => vec![
            PLAIN,
            asked(Peer, "peer_id={it}"),
            asked(Event, "event_id={it}"),
        ],
        "GET /api/federation/deliveries" => vec![
            PLAIN,
            asked(Peer, "peer_id={it}"),
            asked(Event, "event_id={it}"),
        ],
        "GET /api/federation/trace" => vec![asked(Event, "event_id={it}")],
        "GET /api/openintent/intents" => vec![PLAIN, asked(Agent, "agent={it}")],
        "GET /api/openintent/dispatches" => vec![PLAIN, asked(Agent, "agent={it}")],

        // Things by their names.
        "GET /api/v1/agents/{}" => vec![named(Agent, "")],
        "PUT /api/v1/agents/{}" => vec![named(Agent, r#"{"name": "Renamed"}"#)],
        "GET /api/v1/events/{}" => vec![named(Event, "")],
        "DELETE /api/v1/keys/{}" => vec![named(Key, "")],
        "DELETE /api/v1/hooks/{}" => vec![named(Endpoint, "")],
        "POST /api/v1/hooks/{}/secret" => {
            vec![named(Source, r#"{"webhook_secret": "another"}"#)]
        }
        "POST /api/v1/hooks/{}/trigger" => vec![named(Source, "{}")],
        "GET /api/federation/peers/{}" | "DELETE /api/federation/peers/{}" => {
            vec![named(Peer, "")]
        }
        "PATCH /api/federation/peers/{}" => vec![named(Peer, r#"{"name": "renamed"}"#)],
        "POST /api/federation/peers/{}/test" => vec![named(Peer, "")],
        "POST /api/federation/peers/discover" => {
            vec![said(Peer, r#"{"peer_id": "{it}"}"#)]
        }
        "DELETE /api/federation/tokens/{}" => vec![named(Token, "")],
        "DELETE /api/federation/invites/{}" => vec![named(Invite, "")],
        "GET /api/federation/dead-letters/{}"
        | "DELETE /api/federation/dead-letters/{}"
        | "POST /api/federation/dead-letters/{}/replay" => vec![named(Letter, "")],
        "POST /api/federation/dead-letters/replay" => {
            vec![said(Peer, r#"{"peer_id": "{it}"}"#)]
        }
        "GET /api/openintent/dispatches/{}" => vec![named(Dispatch, "")],
        "GET /api/openintent/intents/{}" => vec![named(Intent, "")],
        "POST /api/openintent/intents/{}/{}" => {
            let verb = |values, body| Sample {
                values,
                ..named(Intent, body)
            };
            vec![
                verb(&["{it}", "accept"], "{}"),
                verb(&["{it}", "progress"], r#"{"state_delta": {"a": 1}}"#),
                verb(&["{it}", "complete"], "{}"),
                verb(&["{it}", "fail"], r#"{"error": "no"}"#),
            ]
        }
        "DELETE /api/openintent/trust/servers" => vec![asked(Server, "url={it}")],

        // What makes things of the caller's own team, or names what only looks like another's.
        "POST /api/v1/agents/messages" => {
            vec![said(Agent, r#"{"from": "a", "to": "{it}", "body": "b"}"#)]
        }
        "POST /api/v1/events" => vec![Sample {
            content_type: "application/cloudevents+json",
            ..said(
                Event,
                r#"{"specversion": "1.0", "type": "com.note", "source": "https://heron", "id": "{it}"}"#,
            )
        }],
        "POST /api/v1/keys" => vec![plain(r#"{"name": "a key"}"#)],
        "POST /api/v1/hooks" => vec![said(Source, r#"{"source": "{it}"}"#)],
        "POST /api/federation/peers" => vec![plain(
            r#"{"peer_instance_id": "another", "peer_hook_url": "https://another.invalid/hooks/t/kite"}"#,
        )],
        "POST /api/federation/tokens" => vec![plain(r#"{"label": "a label"}"#)],
        "POST /api/federation/invites" => vec![plain("{}")],
        "POST /api/federation/join" => vec![plain(r#"{"code": "no code"}"#)],
        "PUT /api/openintent/trust/policy" => vec![plain(r#"{"trust_policy": "allowlist"}"#)],
        "PUT /api/openintent/trust/servers" => vec![said(Server, r#"{"url": "{it}"}"#)],
        "POST /api/openintent/intents" => {
            vec![said(Agent, r#"{"agent_id": "{it}", "title": "Do"}"#)]
        }
        "POST /api/v1/federation/dispatch" => vec![said(
            Intent,
            r#"{"intent_id": "{it}", "intent_title": "Do", "target_server": "https://nobody.invalid"}"#,
        )],

        // What an API key does not open.
        "POST /api/v1/federation/callback" => vec![said(
            Dispatch,
            r#"{"dispatch_id": "{it}", "event_type": "completed", "state_delta": {}}"#,
        )],
        "POST /api/v1/federation/receive" => vec![plain("{}")],
        "POST /hooks/{}/kite" | "POST /hooks/{}/kite/discover" => vec![door(&["heron"])],
        "POST /hooks/{}/{}" => vec![door(&["heron", "{it}"])],
        "POST /hooks/{}/{}/{}" => vec![door(&["heron", "{it}", "a-token"])],
        "POST /api/federation/invites/redeem" | "POST /api/federation/invites/test" => {
            vec![plain("{}")]
        }
        "POST /api/auth/device-code" => vec![PLAIN],
        "POST /api/auth/device-token" => vec![plain(r#"{"device_code": "0"}"#)],
        "GET /healthz"
        | "GET /readyz"
        | "GET /health"
        | "GET /metrics"
        | "GET /ws"
        | "GET /openapi.json"
        | "GET /asyncapi.yaml"
        | "GET /asyncapi.json"
        | "GET /activate"
        | "GET /activate.css"
        | "GET /.well-known/openintent-federation.json"
        | "GET /.well-known/did.json"
        | "GET /api/v1/webhook-config"
        | "GET /api/v1/bootstrap/x402"
        | "POST /api/v1/bootstrap/x402" => vec![PLAIN],
        "POST /activate" => vec![Sample {
            body: "code=ABCD-2345&decision=approve&permissions=read&expires=0&key=none",
            content_type: "application/x-www-form-urlencoded",
            ..PLAIN
        }],
        _ => return None,
    })
}

//! The calls over the WebSocket and their mirrors over REST: one meaning, two faces (spec 6, 7.3).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kite::base::random::uuid7;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::hooks::{Endpoint, call, try_call};
use crate::support::http::{Access, Answer, answer, escaped};
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};

/// What each permission may do, from the lowest to the highest.
const LADDER: [&str; 3] = ["read", "write", "admin"];

/// A method: what it needs, its mirror, and the members of its payload.
struct Call {
    method: &'static str,
    needs: &'static str,
    /// The mirror's method, path and status; none where there is no mirror.
    rest: Option<(Method, &'static str, u16)>,
    params: Params,
    /// All members of the payload.
    members: &'static [&'static str],
}

/// Parameters that make the call succeed on a team that has what `stage` makes.
enum Params {
    None,
    /// As they are.
    Are(fn() -> Value),
    /// `{"id"}` of an endpoint that `stage` made.
    Endpoint,
    /// `{"id"}` of a key that `stage` made.
    Key,
}

fn calls() -> Vec<Call> {
    vec![
        Call {
            method: "dashboard.stats",
            needs: "read",
            rest: Some((Method::GET, "/api/v1/stats", 200)),
            params: Params::None,
            members: &[
                "active_api_keys",
                "active_endpoints",
                "active_sources_limit",
                "quota",
                "limits",
                "current_key_permissions",
                "plan_name",
                "team_id",
                "webhooks_today",
            ],
        },
        Call {
            method: "hooks.list",
            needs: "read",
            rest: Some((Method::GET, "/api/v1/hooks", 200)),
            params: Params::None,
            members: &["hooks", "team_id"],
        },
        Call {
            method: "keys.list",
            needs: "read",
            rest: Some((Method::GET, "/api/v1/keys", 200)),
            params: Params::None,
            members: &["keys", "team_id"],
        },
        Call {
            method: "events.publish",
            needs: "write",
            rest: None,
            params: Params::Are(
                || json!({"events": [{"specversion": "1.0", "type": "com.acme.note"}]}),
            ),
            members: &["results", "status", "usage"],
        },
        Call {
            method: "events.recent",
            needs: "read",
            rest: None,
            params: Params::None,
            members: &["events"],
        },
        Call {
            method: "hooks.create",
            needs: "write",
            rest: Some((Method::POST, "/api/v1/hooks", 201)),
            params: Params::Are(|| json!({"source": "new-app", "webhook_secret": "x"})),
            members: &[
                "endpoint",
                "endpoint_with_token",
                "hook_token",
                "id",
                "source",
                "webhook_secret_configured",
            ],
        },
        Call {
            method: "hooks.create",
            needs: "write",
            rest: Some((Method::POST, "/api/v1/hooks", 201)),
            params: Params::Are(|| json!({"source": "github"})),
            members: &[
                "endpoint",
                "endpoint_with_token",
                "github_webhook_secret",
                "hook_token",
                "id",
                "source",
                "webhook_secret_configured",
            ],
        },
        Call {
            method: "hooks.rotate_secret",
            needs: "write",
            rest: Some((Method::POST, "/api/v1/hooks/{source}/secret", 200)),
            params: Params::Are(|| json!({"source": "my-app", "webhook_secret": "y"})),
            members: &["id", "source", "webhook_secret_configured"],
        },
        Call {
            method: "hooks.deactivate",
            needs: "write",
            rest: Some((Method::DELETE, "/api/v1/hooks/{id}", 200)),
            params: Params::Endpoint,
            members: &["active", "id"],
        },
        Call {
            method: "hooks.github.prepare_install",
            needs: "write",
            rest: None,
            params: Params::None,
            members: &[
                "endpoint_with_token",
                "github_webhook_secret",
                "id",
                "secret_rotated",
                "team_id",
            ],
        },
        Call {
            method: "keys.create",
            needs: "admin",
            rest: Some((Method::POST, "/api/v1/keys", 201)),
            params: Params::Are(|| json!({"name": "CI"})),
            members: &[
                "api_key",
                "created_at",
                "expires_at",
                "id",
                "key_prefix",
                "name",
                "permissions",
                "scopes",
            ],
        },
        Call {
            method: "keys.revoke",
            needs: "admin",
            rest: Some((Method::DELETE, "/api/v1/keys/{id}", 200)),
            params: Params::Key,
            members: &["id", "revoked"],
        },
    ]
}

/// A team with an endpoint and a key to lose.
struct Stage {
    team: Access,
    endpoint: Endpoint,
    spare_key: String,
}

impl Stage {
    async fn set(server: &Server) -> Self {
        let team = server.team(&format!("team-{}", uuid7()));
        Self {
            endpoint: Endpoint::create(&team, json!({"source": "my-app"})).await,
            spare_key: server.key_with(&team.team, &[]).0,
            team,
        }
    }

    fn params(&self, call: &Call) -> Value {
        match call.params {
            Params::None => json!({}),
            Params::Are(params) => params(),
            Params::Endpoint => json!({"id": self.endpoint.id}),
            Params::Key => json!({"id": self.spare_key}),
        }
    }
}

/// Calls the mirror: what stands in the path's braces is taken from the parameters.
async fn mirror(caller: &Access, call: &Call, params: &Value, query: &str) -> Option<Answer> {
    let (method, path, _) = call.rest.clone()?;
    let mut path = path.to_owned();
    for name in ["id", "source"] {
        let value = params[name].as_str().unwrap_or_default();
        path = path.replace(&format!("{{{name}}}"), &escaped(value));
    }
    let request = caller.request(method.clone(), &format!("{path}{query}"));
    let request = match method {
        Method::POST => request
            .header("content-type", "application/json")
            .body(params.to_string()),
        _ => request,
    };
    Some(answer(request).await)
}

fn members(object: &Value) -> BTreeSet<&str> {
    let object = object.as_object().unwrap_or_else(|| panic!("{object}"));
    object.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn each_call_has_the_same_members_on_both_faces() {
    let server = Server::start();
    for call in calls() {
        let expected: BTreeSet<_> = call.members.iter().copied().collect();
        let stage = Stage::set(&server).await;
        let params = stage.params(&call);
        let response = try_call(&stage.team, call.method, params.clone()).await;
        assert_eq!(response["ok"], true, "{}: {response}", call.method);
        assert_eq!(members(&response["payload"]), expected, "{}", call.method);

        let stage = Stage::set(&server).await;
        let params = stage.params(&call);
        let query = format!("?team_id={}", escaped(&stage.team.team));
        let Some(answer) = mirror(&stage.team, &call, &params, &query).await else {
            continue;
        };
        let (_, path, status) = call.rest.unwrap();
        let answer = answer.expect(status);
        assert_eq!(members(&answer), expected, "{path}");
    }
}

#[tokio::test]
async fn each_call_needs_its_permission_on_both_faces_and_no_more() {
    let server = Server::start();
    for call in calls() {
        let stage = Stage::set(&server).await;
        let params = stage.params(&call);
        let enough = LADDER.iter().position(|word| *word == call.needs).unwrap();
        for (step, word) in LADDER.iter().enumerate() {
            let caller = server.key(&stage.team.team, word);
            let response = try_call(&caller, call.method, params.clone()).await;
            let what = format!("{} with {word}: {response}", call.method);
            assert_eq!(response["ok"], step >= enough, "{what}");
            if step < enough {
                assert_eq!(response["payload"]["code"], "forbidden", "{what}");
                let sentence = response["payload"]["error"].as_str().unwrap();
                assert!(sentence.contains(call.needs), "{what}");
            }
            let Some(answer) = mirror(&caller, &call, &params, "").await else {
                continue;
            };
            let (_, path, status) = call.rest.clone().unwrap();
            if step < enough {
                answer.refused(403, "forbidden");
                assert_eq!(answer.json["error"], response["payload"]["error"], "{path}");
            } else {
                answer.expect(status);
            }
        }
        // A key that may do nothing, and one whose words mean nothing.
        let nothing = call_to_make_a_key(&stage.team, json!({"permissions": []})).await;
        if let Some(answer) = mirror(&nothing, &call, &params, "").await {
            answer.refused(403, "forbidden");
        }
        if let Some((method, path, _)) = call.rest {
            let path = path.replace("{id}", "x").replace("{source}", "x");
            let without = answer(stage.team.bare(method, &path)).await;
            without.refused(401, "unauthorized");
        }
    }
}

/// Makes a key over RPC and gives access with it.
async fn call_to_make_a_key(admin: &Access, params: Value) -> Access {
    let made = call(admin, "keys.create", params).await;
    admin.with_key(made["api_key"].as_str().unwrap())
}

#[tokio::test]
async fn each_mirror_refuses_another_teams_name() {
    let server = Server::start();
    let other = server.team("other");
    for call in calls() {
        let stage = Stage::set(&server).await;
        let params = stage.params(&call);
        let mut answers = Vec::new();
        for team in [other.team.as_str(), "no-such-team", ""] {
            let query = format!("?team_id={}", escaped(team));
            let Some(answer) = mirror(&stage.team, &call, &params, &query).await else {
                break;
            };
            answer.refused(403, "forbidden");
            answers.push(answer.text);
        }
        answers.dedup();
        assert!(answers.len() <= 1, "{answers:?}");
        let hooks = call_list(&stage.team, "hooks").await;
        assert_eq!(hooks.len(), 1, "{}", call.method);
        assert_eq!(hooks[0]["active"], true, "{}", call.method);
        let keys = call_list(&stage.team, "keys").await;
        assert_eq!(keys.len(), 2, "{}", call.method);
        assert!(keys.iter().all(|key| key["revoked"] == false));
    }
}

/// The members of `hooks.list` or `keys.list`.
async fn call_list(access: &Access, what: &str) -> Vec<Value> {
    let payload = call(access, &format!("{what}.list"), json!({})).await;
    assert_eq!(payload["team_id"], access.team);
    payload[what].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_another_team_has_is_nowhere() {
    let server = Server::start();
    let (theirs, mine) = (Stage::set(&server).await, Stage::set(&server).await);
    theirs
        .team
        .emit(&json!({"type": "t", "source": "s", "id": "e-1"}))
        .await;
    let nowhere = uuid7();
    for (method, path, id) in [
        ("hooks.deactivate", "/api/v1/hooks/", &theirs.endpoint.id),
        ("keys.revoke", "/api/v1/keys/", &theirs.spare_key),
    ] {
        let mut told = Vec::new();
        for id in [id, &nowhere] {
            let response = try_call(&mine.team, method, json!({"id": id})).await;
            assert_eq!(response["payload"]["code"], "not_found", "{response}");
            let sentence = response["payload"]["error"].as_str().unwrap().to_owned();
            let request = mine.team.request(Method::DELETE, &format!("{path}{id}"));
            let answer = answer(request).await;
            answer.refused(404, "not_found");
            assert_eq!(answer.json["error"], sentence);
            told.push(sentence.replace(id.as_str(), "…"));
        }
        assert_eq!(told[0], told[1], "{method} tells that it exists");
    }
    let (of_theirs, of_nobody) = (
        mine.team.get("/api/v1/events/e-1").await,
        mine.team.get("/api/v1/events/e-2").await,
    );
    of_theirs.refused(404, "not_found");
    assert_eq!(of_theirs.text, of_nobody.text.replace("e-2", "e-1"));
    // By its source an endpoint is only ever the team's own.
    let params = json!({"source": "new-app", "webhook_secret": "x"});
    call(&theirs.team, "hooks.create", params.clone()).await;
    let response = try_call(&mine.team, "hooks.rotate_secret", params).await;
    assert_eq!(response["payload"]["code"], "not_found", "{response}");

    let theirs_now = call_list(&theirs.team, "hooks").await;
    assert!(theirs_now.iter().all(|hook| hook["active"] == true));
    let theirs_now = call_list(&theirs.team, "keys").await;
    assert!(theirs_now.iter().all(|key| key["revoked"] == false));
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_named_on_both_faces() {
    let server = Server::start();
    let owner = server.owner();
    for (method, path, params) in [
        ("hooks.create", "/api/v1/hooks", json!({})),
        ("hooks.create", "/api/v1/hooks", json!({"source": 7})),
        ("hooks.create", "/api/v1/hooks", json!({"source": ""})),
        ("hooks.create", "/api/v1/hooks", json!({"source": "kite"})),
        ("hooks.create", "/api/v1/hooks", json!({"source": "a/b"})),
        (
            "hooks.create",
            "/api/v1/hooks",
            json!({"source": "a", "webhook_secret": ""}),
        ),
        (
            "hooks.create",
            "/api/v1/hooks",
            json!({"source": "a", "webhook_secret": 1}),
        ),
        ("hooks.create", "/api/v1/hooks", json!([])),
        ("hooks.create", "/api/v1/hooks", json!("a")),
        (
            "keys.create",
            "/api/v1/keys",
            json!({"permissions": ["root"]}),
        ),
        (
            "keys.create",
            "/api/v1/keys",
            json!({"permissions": "read"}),
        ),
        ("keys.create", "/api/v1/keys", json!({"scopes": ["github"]})),
        (
            "keys.create",
            "/api/v1/keys",
            json!({"scopes": ["source:"]}),
        ),
        (
            "keys.create",
            "/api/v1/keys",
            json!({"scopes": vec!["*"; 101]}),
        ),
        (
            "keys.create",
            "/api/v1/keys",
            json!({"expires_at": "2020-01-01T00:00:00Z"}),
        ),
        (
            "keys.create",
            "/api/v1/keys",
            json!({"expires_at": "tomorrow"}),
        ),
        ("keys.create", "/api/v1/keys", json!({"expires_at": 7})),
        ("keys.create", "/api/v1/keys", json!({"name": "a\u{0}b"})),
        (
            "keys.create",
            "/api/v1/keys",
            json!({"name": "x".repeat(257)}),
        ),
    ] {
        let response = try_call(&owner, method, params.clone()).await;
        assert_eq!(response["ok"], false, "{method} {params}: {response}");
        assert_eq!(
            response["payload"]["code"], "bad_params",
            "{params}: {response}"
        );
        let sentence = response["payload"]["error"].as_str().unwrap_or_default();
        assert!(!sentence.is_empty(), "{params}: {response}");
        let answer = owner.post(path, params.to_string()).await;
        assert_eq!(answer.status, 400, "{path} {params}: {answer:#?}");
        answer.refused(400, "bad_request");
    }
    for (method, params) in [
        ("hooks.deactivate", json!({})),
        ("hooks.deactivate", json!({"id": 1})),
        ("keys.revoke", json!({"id": null})),
        ("events.recent", json!({"limit": 0})),
        ("events.recent", json!({"limit": -1})),
        ("events.recent", json!({"limit": 1.5})),
        (
            "hooks.github.prepare_install",
            json!({"rotate_secret": "yes"}),
        ),
    ] {
        let response = try_call(&owner, method, params.clone()).await;
        assert_eq!(
            response["payload"]["code"], "bad_params",
            "{method} {params}: {response}"
        );
    }
    let response = try_call(&owner, "keys.Create", json!({})).await;
    assert_eq!(response["payload"]["code"], "unknown_method", "{response}");
    assert_eq!(
        call_list(&owner, "hooks").await.len(),
        0,
        "nothing was made"
    );
    assert_eq!(call_list(&owner, "keys").await.len(), 1, "nothing was made");
}

#[tokio::test]
async fn recent_events_are_the_newest_first_and_cut_to_their_limit() {
    let server = Server::start();
    let owner = server.owner();
    for n in 1..=120 {
        owner
            .emit(&json!({"type": "t", "source": "s", "data": n}))
            .await;
    }
    for (params, count) in [
        (json!({}), 100),
        (json!(null), 100),
        (json!({"limit": 3}), 3),
        (json!({"limit": 1_000_000}), 120),
    ] {
        let payload = call(&owner, "events.recent", params.clone()).await;
        let events = payload["events"].as_array().unwrap();
        let seqs: Vec<_> = events
            .iter()
            .map(|listed| listed["seq"].as_u64().unwrap())
            .collect();
        let expected: Vec<u64> = (121 - count..=120).rev().collect();
        assert_eq!(seqs, expected, "{params}");
        assert_eq!(members(&events[0]), ["created_at", "event", "seq"].into());
        assert_eq!(events[0]["event"]["kiteseq"], 120);
        if let Some(limit) = params["limit"].as_u64() {
            let page = owner.get(&format!("/api/v1/events?limit={limit}")).await;
            let page = page.expect(200);
            assert_eq!(
                page["events"], payload["events"],
                "the mirror says the same"
            );
            assert_eq!(
                (&page["oldest_available_seq"], &page["last_seq"]),
                (&json!(1), &json!(120))
            );
        }
    }
}

#[tokio::test]
async fn lists_and_counts_tell_what_there_is() {
    let server = Server::start();
    let owner = server.owner();
    let github = Endpoint::github(&owner).await;
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    call(&owner, "hooks.deactivate", json!({"id": app.id})).await;
    github.push("d-1", "{}").await.expect(202);
    github.push("d-1", "{}").await.expect(200);

    let stats = call(&owner, "dashboard.stats", json!({})).await;
    let expected = json!({
        "team_id": owner.team, "webhooks_today": 1, "active_endpoints": 1, "active_api_keys": 1,
        "current_key_permissions": stats["current_key_permissions"], "plan_name": null,
        "active_sources_limit": null, "quota": stats["quota"], "limits": stats["limits"],
    });
    assert_eq!(stats, expected);
    assert_eq!(
        (
            &stats["quota"]["events_used"],
            &stats["quota"]["events_limit"]
        ),
        (&json!(1), &json!(null))
    );
    assert_eq!(owner.get("/api/v1/stats").await.expect(200), stats);

    let hooks = call_list(&owner, "hooks").await;
    let told: Vec<_> = hooks
        .iter()
        .map(|hook| {
            let all = [
                "active",
                "created_at",
                "id",
                "source",
                "webhook_secret_configured",
            ];
            assert_eq!(members(hook), all.into());
            (
                hook["id"].as_str().unwrap(),
                hook["source"].as_str().unwrap(),
                hook["active"] == true,
                hook["webhook_secret_configured"] == true,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (github.id.as_str(), "github", true, true),
            (app.id.as_str(), "my-app", false, false)
        ]
    );
    let listed = owner.get("/api/v1/hooks").await.expect(200);
    assert_eq!(listed["hooks"], json!(hooks));

    let keys = call_list(&owner, "keys").await;
    assert_eq!(
        members(&keys[0]),
        [
            "created_at",
            "expires_at",
            "id",
            "key_prefix",
            "last_used_at",
            "name",
            "permissions",
            "revoked",
            "scopes"
        ]
        .into()
    );
    assert_eq!(owner.key.split('_').nth(1), keys[0]["key_prefix"].as_str());
    let listed = owner.get("/api/v1/keys").await.expect(200);
    assert_eq!(listed["keys"], json!(keys));
}

#[tokio::test]
async fn a_key_is_made_with_defaults_and_does_what_it_says() {
    let server = Server::start();
    let owner = server.owner();
    let plain = call(&owner, "keys.create", json!(null)).await;
    for (member, expected) in [
        ("name", json!(null)),
        ("scopes", json!(["*"])),
        ("permissions", json!(["read"])),
        ("expires_at", json!(null)),
    ] {
        assert_eq!(plain[member], expected, "`{member}` of {plain}");
    }
    let mut by_rest = owner.post("/api/v1/keys", "{}").await.expect(201);
    for member in ["id", "key_prefix", "api_key", "created_at"] {
        assert_ne!(by_rest[member], plain[member], "`{member}` is its own");
        by_rest[member] = plain[member].clone();
    }
    assert_eq!(by_rest, plain);

    let text = plain["api_key"].as_str().unwrap();
    assert_eq!(text.split('_').nth(1), plain["key_prefix"].as_str());
    let reader = owner.with_key(text);
    reader.get("/api/v1/stats").await.expect(200);
    reader
        .emit(&json!({"type": "t", "source": "s"}))
        .await
        .refused(403, "forbidden");

    let expires_at = (Timestamp::now() + Duration::from_secs(3600)).to_string();
    let params = json!({
        "name": "CI é", "scopes": ["source:github", "agent_to:a:b"],
        "permissions": ["read", "WRITE", "*"], "expires_at": expires_at,
    });
    let full = call(&owner, "keys.create", params.clone()).await;
    for member in ["name", "scopes", "permissions"] {
        assert_eq!(full[member], params[member], "`{member}`");
    }
    let time = |text: &Value| text.as_str().unwrap().parse::<Timestamp>().unwrap();
    let apart = time(&full["expires_at"]).duration_since(time(&params["expires_at"]));
    assert!(apart.abs().as_millis() < 1, "{apart:?}");
    let listed = call_list(&owner, "keys").await;
    let listed = listed.iter().find(|key| key["id"] == full["id"]).unwrap();
    for member in [
        "name",
        "scopes",
        "permissions",
        "expires_at",
        "created_at",
        "key_prefix",
    ] {
        assert_eq!(listed[member], full[member], "`{member}` in the list");
    }
}

#[tokio::test]
async fn revoking_a_key_ends_its_connections_and_calls_at_once() {
    let server = Server::start();
    let owner = server.owner();
    for by_rest in [false, true] {
        let made = call(&owner, "keys.create", json!({"permissions": ["write"]})).await;
        let id = made["id"].as_str().unwrap();
        let key = owner.with_key(made["api_key"].as_str().unwrap());
        let mut sockets = Vec::new();
        for name in ["a", "b", "c"] {
            sockets.push(Socket::connect(&key, &["*"], name).await.0);
        }
        let (mut bystander, _) = Socket::connect(&owner, &["*"], "bystander").await;

        let since = Instant::now();
        if by_rest {
            let request = owner.request(Method::DELETE, &format!("/api/v1/keys/{id}"));
            let revoked = answer(request).await.expect(200);
            assert_eq!(revoked, json!({"id": id, "revoked": true}));
        } else {
            let revoked = bystander.call("keys.revoke", json!({"id": id})).await;
            assert_eq!(revoked["payload"], json!({"id": id, "revoked": true}));
        }
        key.get("/api/v1/stats").await.refused(401, "unauthorized");
        key.emit(&json!({"type": "t", "source": "s"}))
            .await
            .refused(401, "unauthorized");
        for socket in &mut sockets {
            socket.expect_refusal(4001).await;
        }
        // The promise is two seconds; the rest is for a loaded machine.
        let took = since.elapsed();
        assert!(took < Duration::from_secs(4), "it took {took:?}");

        let mut socket = Socket::open(&key.ws_url).await;
        socket.send(&connect_frame(&key, &["*"], "a")).await;
        socket.expect_refusal(4001).await;
        bystander.expect_none().await;
        // Once more changes nothing; it is listed, and said to be revoked.
        call(&owner, "keys.revoke", json!({"id": id})).await;
        let keys = call_list(&owner, "keys").await;
        let listed = keys.iter().find(|key| key["id"] == id).unwrap();
        assert_eq!(listed["revoked"], true);
    }
    assert_eq!(owner.log().await.len(), 0);
}

#[tokio::test]
async fn a_key_may_revoke_itself() {
    let server = Server::start();
    let owner = server.owner();
    let made = call(&owner, "keys.create", json!({"permissions": ["admin"]})).await;
    let key = owner.with_key(made["api_key"].as_str().unwrap());
    let (mut socket, _) = Socket::connect(&key, &["*"], "own").await;
    let request = json!({
        "type": "request", "id": "r", "method": "keys.revoke", "params": {"id": made["id"]},
    });
    socket.send(&request).await;
    // The answer may be overtaken by what it answers to.
    let mut frame = socket.next().await;
    if frame["type"] == "response" {
        assert_eq!(frame["ok"], true, "{frame}");
        frame = socket.next().await;
    }
    assert_eq!(
        (&frame["type"], &frame["code"]),
        (&json!("error"), &json!(4001))
    );
    socket.expect_close(4001).await;
    key.get("/api/v1/stats").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_key_that_was_made_to_expire_expires() {
    let server = Server::start();
    let owner = server.owner();
    let expires_at = (Timestamp::now() + Duration::from_secs(3)).to_string();
    let params = json!({"expires_at": expires_at});
    let key = call_to_make_a_key(&owner, params).await;
    let (mut socket, _) = Socket::connect(&key, &["*"], "c").await;
    key.get("/api/v1/stats").await.expect(200);
    let before = call(&owner, "dashboard.stats", json!({})).await;
    assert_eq!(before["active_api_keys"], 2);

    socket.expect_refusal(4001).await;
    let refused = eventually("the key has expired", || async {
        let answer = key.get("/api/v1/stats").await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    refused.refused(401, "unauthorized");
    let after = call(&owner, "dashboard.stats", json!({})).await;
    assert_eq!(after["active_api_keys"], 1);
    let keys = call_list(&owner, "keys").await;
    assert_eq!(keys[1]["revoked"], false, "expired is not revoked");
}

#[tokio::test]
async fn when_a_key_was_used_last_outlives_the_server() {
    let mut server = Server::start();
    let owner = server.owner();
    let used = call(&owner, "keys.create", json!({"name": "used"})).await;
    call(&owner, "keys.create", json!({"name": "unused"})).await;
    let before = Timestamp::now();
    let key = owner.with_key(used["api_key"].as_str().unwrap());
    key.get("/api/v1/stats").await.expect(200);
    server.stop();
    server.start_elsewhere();

    let keys = call_list(&server.owner(), "keys").await;
    let last_used = |name: &str| {
        let key = keys.iter().find(|key| key["name"] == name).unwrap();
        key["last_used_at"].clone()
    };
    assert_eq!(last_used("unused"), Value::Null);
    let time: Timestamp = last_used("used").as_str().unwrap().parse().unwrap();
    let apart = time.duration_since(before);
    assert!(
        apart.abs() < Duration::from_secs(60).try_into().unwrap(),
        "{apart:?}"
    );
}

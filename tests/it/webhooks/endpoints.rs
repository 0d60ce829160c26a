//! The life of an endpoint: made, made again, its secret rotated, deactivated.

use serde_json::json;

use super::PUSH;
use crate::support::hooks::{Endpoint, call, signature, try_call};
use crate::support::server::Server;

#[tokio::test]
async fn a_deactivated_endpoint_is_gone_for_those_who_could_post() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let github = Endpoint::github(&owner).await;
    for endpoint in [&app, &github] {
        let payload = call(&owner, "hooks.deactivate", json!({"id": endpoint.id})).await;
        assert_eq!(payload, json!({"id": endpoint.id, "active": false}));
    }
    app.post_with_token(&[], "x").await.refused(410, "gone");
    github.push("d-1", PUSH).await.refused(410, "gone");
    // Whether the body is any good does not matter to an endpoint that takes none.
    github.push("d-1", "{").await.refused(410, "gone");

    let wrong = format!("{}/khk_deadbeef_00000000000000000000000000000000", app.path);
    let refused = app.post(&wrong, &[], "x").await;
    refused.refused(401, "unauthorized");
    let nowhere = wrong.replace("my-app", "no-such-app");
    assert_eq!(refused.text, app.post(&nowhere, &[], "x").await.text);
    app.post(&app.path, &[], "x")
        .await
        .refused(401, "unauthorized");
    let wrong = signature("wrong", PUSH.as_bytes());
    github
        .post_from_github("d-1", &[("X-Hub-Signature-256", &wrong)], PUSH)
        .await
        .refused(401, "unauthorized");
    github
        .post_from_github("d-1", &[], PUSH)
        .await
        .refused(401, "unauthorized");
    assert_eq!(owner.log().await.len(), 0, "nothing was stored");

    let hooks = call(&owner, "hooks.list", json!({})).await;
    let hooks = hooks["hooks"].as_array().unwrap();
    assert_eq!(hooks.len(), 2, "it is still listed");
    assert!(hooks.iter().all(|hook| hook["active"] == false));
    let stats = call(&owner, "dashboard.stats", json!({})).await;
    assert_eq!(stats["active_endpoints"], 0);
    // Once more changes nothing.
    call(&owner, "hooks.deactivate", json!({"id": app.id})).await;
}

#[tokio::test]
async fn making_an_endpoint_again_gives_it_a_new_token_and_wakes_it_up() {
    let server = Server::start();
    let owner = server.owner();
    let first = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    first.post_with_token(&[], "x").await.expect(202);
    let second = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    assert_eq!((&second.id, &second.path), (&first.id, &first.path));
    assert_ne!(second.token, first.token);
    first
        .post_with_token(&[], "x")
        .await
        .refused(401, "unauthorized");
    second.post_with_token(&[], "x").await.expect(202);

    call(&owner, "hooks.deactivate", json!({"id": first.id})).await;
    let third = Endpoint::create(&owner, json!({"source": " My-App "})).await;
    assert_eq!(third.id, first.id);
    second
        .post_with_token(&[], "x")
        .await
        .refused(401, "unauthorized");
    third.post_with_token(&[], "x").await.expect(202);
    assert_eq!(owner.log().await.len(), 3);
}

#[tokio::test]
async fn a_rotated_secret_and_the_one_before_are_both_accepted() {
    let server = Server::start();
    let owner = server.owner();
    let params = json!({"source": "github", "webhook_secret": "first"});
    let github = Endpoint::create(&owner, params).await;
    let push = async |secret: &str, delivery: &str| {
        let signature = signature(secret, PUSH.as_bytes());
        let headers = [("X-Hub-Signature-256", signature.as_str())];
        github
            .post_from_github(delivery, &headers, PUSH)
            .await
            .status
    };
    assert_eq!(push("first", "1").await, 202);

    let rotated = call(
        &owner,
        "hooks.rotate_secret",
        json!({"source": "github", "webhook_secret": "second"}),
    )
    .await;
    let expected = json!({"id": github.id, "source": "github", "webhook_secret_configured": true});
    assert_eq!(rotated, expected);
    assert_eq!(push("first", "2").await, 202, "the old one, for a while");
    assert_eq!(push("second", "3").await, 202, "the new one");
    assert_eq!(push("third", "4").await, 401);
    // The hook token is the same.
    let signature = signature("second", PUSH.as_bytes());
    github
        .post_with_token(&[("X-Hub-Signature-256", &signature)], PUSH)
        .await
        .expect(202);

    let body = json!({"webhook_secret": "third"}).to_string();
    let again = owner.post("/api/v1/hooks/github/secret", body).await;
    assert_eq!(again.expect(200), expected);
    assert_eq!(push("first", "5").await, 401, "two rotations ago");
    assert_eq!(push("second", "6").await, 202);
    assert_eq!(push("third", "7").await, 202);

    for (params, code) in [
        (
            json!({"source": "github", "webhook_secret": ""}),
            "bad_params",
        ),
        (json!({"source": "github"}), "bad_params"),
        (
            json!({"source": "nothing", "webhook_secret": "x"}),
            "not_found",
        ),
        (
            json!({"source": "Bad Source", "webhook_secret": "x"}),
            "bad_params",
        ),
    ] {
        let response = try_call(&owner, "hooks.rotate_secret", params.clone()).await;
        assert_eq!(response["payload"]["code"], code, "{params}: {response}");
    }
    assert_eq!(push("", "8").await, 401);
}

#[tokio::test]
async fn an_endpoint_without_a_secret_can_get_one() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    app.post_with_token(&[], "x").await.expect(202);
    let params = json!({"source": "my-app", "webhook_secret": "s"});
    call(&owner, "hooks.rotate_secret", params).await;
    app.post_with_token(&[], "x")
        .await
        .refused(401, "unauthorized");
    let signature = signature("s", b"x");
    app.post(&app.path, &[("X-Kite-Signature", &signature)], "x")
        .await
        .expect(202);
    let log = owner.log().await;
    let verified: Vec<_> = log
        .iter()
        .map(|listed| &listed["event"]["kiteverified"])
        .collect();
    assert_eq!(verified, [&json!(false), &json!(true)]);
}

#[tokio::test]
async fn preparing_an_install_breaks_no_address_that_was_handed_out() {
    let server = Server::start();
    let owner = server.owner();
    let prepare = async |rotate: bool| {
        let params = json!({"rotate_secret": rotate});
        call(&owner, "hooks.github.prepare_install", params).await
    };
    let first = prepare(false).await;
    assert_eq!(first["secret_rotated"], true, "a secret was made");
    assert_eq!(first["team_id"], owner.team);
    let secret = first["github_webhook_secret"].as_str().unwrap();
    assert_eq!(secret.len(), 64);
    assert!(secret.bytes().all(|byte| byte.is_ascii_hexdigit()));

    let mut second = prepare(false).await;
    assert_eq!(second["secret_rotated"], false);
    second["secret_rotated"] = true.into();
    assert_eq!(second, first, "everything else is the same");

    let third = prepare(true).await;
    assert_eq!(third["secret_rotated"], true);
    assert_ne!(
        third["github_webhook_secret"],
        first["github_webhook_secret"]
    );
    for member in ["id", "endpoint_with_token"] {
        assert_eq!(third[member], first[member], "`{member}`");
    }
    let fourth = call(&owner, "hooks.github.prepare_install", json!(null)).await;
    assert_eq!(fourth["secret_rotated"], false);
    assert_eq!(
        fourth["github_webhook_secret"],
        third["github_webhook_secret"]
    );

    // It is the token of the endpoint, and its secret.
    let made = Endpoint::github(&owner).await;
    let after = prepare(false).await;
    assert_eq!(after["endpoint_with_token"], made.path_with_token());
    assert_eq!(after["github_webhook_secret"], made.secret);
    let signature = signature(&made.secret, PUSH.as_bytes());
    let path = after["endpoint_with_token"].as_str().unwrap();
    made.post(path, &[("X-Hub-Signature-256", &signature)], PUSH)
        .await
        .expect(202);
}

#[tokio::test]
async fn installs_that_are_prepared_at_once_get_the_same_address() {
    let server = Server::start();
    for round in 0..5 {
        let team = server.team(&format!("team-{round}"));
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let team = team.clone();
                tokio::spawn(
                    async move { call(&team, "hooks.github.prepare_install", json!({})).await },
                )
            })
            .collect();
        let mut addresses = Vec::new();
        for call in calls {
            addresses.push(call.await.unwrap()["endpoint_with_token"].clone());
        }
        addresses.dedup();
        assert_eq!(addresses.len(), 1, "all but one of {addresses:?} are dead");
    }
}

#[tokio::test]
async fn a_secret_that_can_check_nothing_is_refused() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(
        &owner,
        json!({"source": "my-app", "webhook_secret": "good"}),
    )
    .await;
    for secret in ["", "whsec_", "whpk_", "whpk_AAAA", "whpk_!"] {
        for (method, source) in [("hooks.create", "other"), ("hooks.rotate_secret", "my-app")] {
            let params = json!({"source": source, "webhook_secret": secret});
            let refused = try_call(&owner, method, params).await;
            assert_eq!(refused["payload"]["code"], "bad_params", "{refused}");
        }
    }
    let signature = signature("good", b"{}");
    app.post(&app.path, &[("X-Kite-Signature", &signature)], "{}")
        .await
        .expect(202);
}

//! Who may post, and what a post becomes.

use reqwest::Method;
use serde_json::{Value, json};

use super::PUSH;
use crate::support::hooks::{Endpoint, hmac_sha256_hex, signature};
use crate::support::http::{Answer, answer};
use crate::support::server::Server;
use crate::support::socket::Socket;

#[tokio::test]
async fn a_signed_push_streams_with_its_data_byte_for_byte() {
    let server = Server::start();
    let owner = server.owner();
    let github = Endpoint::github(&owner).await;
    let (mut listener, _) = Socket::connect(&owner, &["source:github"], "listener").await;

    let accepted = github.push("d-1", PUSH).await;
    assert_eq!(accepted.status, 202, "{accepted:#?}");
    assert_eq!(accepted.json["status"], "accepted");
    let id = accepted.json["id"].as_str().unwrap();
    assert_eq!(accepted.headers["x-kite-event-id"], id);

    let frame = listener.next_text().await;
    assert!(frame.contains(&format!(r#""data":{PUSH}"#)), "{frame}");
    let frame: Value = serde_json::from_str(&frame).unwrap();
    let event = &frame["event"];
    for (member, expected) in [
        ("id", json!(id)),
        ("type", json!("com.github.push")),
        ("source", json!("https://github.com/acme/app")),
        ("datacontenttype", json!("application/json")),
        ("kitesource", json!("github")),
        ("kiteverified", json!(true)),
        ("kiteseq", json!(1)),
        (
            "kitesummary",
            json!("ada pushed 1 commit to main in acme/app"),
        ),
    ] {
        assert_eq!(event[member], expected, "`{member}` of {event}");
    }
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time(&event["time"]) <= time(&accepted.json["created_at"]));
    let listed = owner.get("/api/v1/events?after_seq=0").await.text;
    assert!(listed.contains(&format!(r#""data":{PUSH}"#)), "{listed}");
}

#[tokio::test]
async fn a_push_whose_signature_proves_nothing_is_refused_and_not_stored() {
    let server = Server::start();
    let owner = server.owner();
    let github = Endpoint::github(&owner).await;
    let body = PUSH.as_bytes();
    let good = signature(&github.secret, body);
    let digits = good.strip_prefix("sha256=").unwrap();
    let of_another_body = signature(&github.secret, b"{}");
    let refused: &[(&str, Vec<(&str, String)>)] = &[
        ("missing", vec![]),
        (
            "of another secret",
            vec![("X-Hub-Signature-256", signature("wrong", body))],
        ),
        (
            "of an empty secret",
            vec![("X-Hub-Signature-256", signature("", body))],
        ),
        (
            "of another body",
            vec![("X-Hub-Signature-256", of_another_body)],
        ),
        (
            "truncated",
            vec![("X-Hub-Signature-256", good[..good.len() - 2].to_owned())],
        ),
        (
            "truncated within a byte",
            vec![("X-Hub-Signature-256", good[..good.len() - 1].to_owned())],
        ),
        (
            "of no digits",
            vec![("X-Hub-Signature-256", "sha256=".to_owned())],
        ),
        ("empty", vec![("X-Hub-Signature-256", String::new())]),
        (
            "without its prefix",
            vec![("X-Hub-Signature-256", digits.to_owned())],
        ),
        (
            "with a prefix in upper case",
            vec![("X-Hub-Signature-256", format!("SHA256={digits}"))],
        ),
        (
            "with more behind it",
            vec![("X-Hub-Signature-256", format!("{good}00"))],
        ),
        (
            "written twice",
            vec![("X-Hub-Signature-256", format!("{good}{digits}"))],
        ),
        (
            "as a list",
            vec![("X-Hub-Signature-256", format!("{good}, {good}"))],
        ),
        (
            "in two headers",
            vec![
                ("X-Hub-Signature-256", good.clone()),
                ("X-Hub-Signature-256", good.clone()),
            ],
        ),
        (
            "good and bad",
            vec![
                ("X-Hub-Signature-256", good.clone()),
                ("X-Hub-Signature-256", signature("wrong", body)),
            ],
        ),
        (
            "SHA-1 only",
            vec![("X-Hub-Signature", format!("sha1={}", &digits[..40]))],
        ),
        (
            "in the header of SHA-1",
            vec![("X-Hub-Signature", good.clone())],
        ),
        (
            "in the header of the user's own applications",
            vec![("X-Kite-Signature", good.clone())],
        ),
    ];
    for (what, headers) in refused {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = github.post_from_github("d-1", &headers, body).await;
        assert_eq!(answer.status, 401, "a signature {what}: {answer:#?}");
        answer.refused(401, "unauthorized");
    }
    // The token alone is not enough where there is a secret.
    let with_token = github
        .post_with_token(
            &[("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "d-1")],
            body,
        )
        .await;
    with_token.refused(401, "unauthorized");
    assert_eq!(owner.log().await.len(), 0, "nothing was stored");

    let upper = format!("sha256={}", digits.to_uppercase());
    github
        .post_from_github("d-1", &[("X-Hub-Signature-256", &upper)], body)
        .await
        .expect(202);
    assert_eq!(owner.log().await.len(), 1, "the delivery is still new");
}

#[tokio::test]
async fn an_own_application_signs_with_either_header_and_with_both_rightly() {
    let server = Server::start();
    let owner = server.owner();
    let params = json!({"source": "my-app", "webhook_secret": "s3cret"});
    let app = Endpoint::create(&owner, params).await;
    let body = br#"{"n":1}"#;
    let (good, bad) = (
        signature("s3cret", body),
        format!("sha256={}", hmac_sha256_hex(b"other", body)),
    );
    for (kite, hub, status) in [
        (Some(&good), None, 202),
        (None, Some(&good), 202),
        (Some(&good), Some(&good), 202),
        (Some(&good), Some(&bad), 401),
        (Some(&bad), Some(&good), 401),
        (Some(&bad), None, 401),
        (None, None, 401),
    ] {
        let headers = [("X-Kite-Signature", kite), ("X-Hub-Signature-256", hub)];
        let headers: Vec<_> = headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.as_str())))
            .collect();
        let answer = app.post(&app.path, &headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:#?}");
    }
    let log = owner.log().await;
    assert_eq!(log.len(), 3, "without an id nothing is a duplicate");
    assert!(
        log.iter()
            .all(|listed| listed["event"]["kiteverified"] == true)
    );
}

#[tokio::test]
async fn the_same_delivery_is_stored_once() {
    let server = Server::start();
    let (red, blue) = (server.team("red"), server.team("blue"));
    let github = Endpoint::github(&red).await;
    let first = github.push("d-1", PUSH).await.expect(202);
    let again = github.push("d-1", PUSH).await;
    assert_eq!(
        again.headers["x-kite-event-id"],
        first["id"].as_str().unwrap()
    );
    assert_eq!(
        again.expect(200),
        json!({"status": "duplicate_ignored", "id": first["id"]})
    );
    // The delivery's id says what is the same, not the body.
    github.push("d-1", "{}").await.expect(200);
    github.push("d-2", PUSH).await.expect(202);
    github.push("", PUSH).await.expect(202);
    github.push("", PUSH).await.expect(202);
    assert_eq!(red.log().await.len(), 4);

    // Neither another team's delivery nor another source's is the same one.
    Endpoint::github(&blue)
        .await
        .push("d-1", PUSH)
        .await
        .expect(202);
    let app = Endpoint::create(&red, json!({"source": "my-app"})).await;
    for status in [202, 200] {
        app.post_with_token(&[("Idempotency-Key", "d-1")], "x")
            .await
            .expect(status);
    }
}

#[tokio::test]
async fn the_same_delivery_fifty_times_at_once_is_stored_once() {
    const POSTS: usize = 50;
    let server = Server::start();
    let owner = server.owner();
    let github = Endpoint::github(&owner).await;
    let posts: Vec<_> = (0..POSTS)
        .map(|_| {
            let github = github.clone();
            tokio::spawn(async move { github.push("d-1", PUSH).await })
        })
        .collect();
    let mut answers = Vec::new();
    for post in posts {
        answers.push(post.await.unwrap());
    }
    let (stored, duplicates): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 202);
    assert_eq!((stored.len(), duplicates.len()), (1, POSTS - 1));
    for duplicate in duplicates {
        let expected = json!({"status": "duplicate_ignored", "id": stored[0].json["id"]});
        assert_eq!(duplicate.expect(200), expected);
    }
    let log = owner.log().await;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0]["event"]["id"], stored[0].json["id"]);
}

/// All of an answer that could tell something: its headers without the time of day, and the number of the request.
fn whole(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.text.clone())
}

#[tokio::test]
async fn whether_a_team_a_source_or_a_token_exists_is_not_told() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let signed = Endpoint::github(&owner).await;
    let unknown = "khk_deadbeef_00000000000000000000000000000000";
    let prefix = app.token.rsplit_once('_').unwrap().0;
    let near = format!("{prefix}_00000000000000000000000000000000");
    let team = &owner.team;
    let json_body = "{}";
    let mut answers = Vec::new();
    for path in [
        // The address is wrong.
        format!("/hooks/no-such-team/my-app/{}", app.token),
        format!("/hooks/{team}/no-such-app/{}", app.token),
        format!("/hooks/no-such-team/github/{}", signed.token),
        format!("/hooks/no-such-team/my-app/{unknown}"),
        "/hooks/no-such-team/github".to_owned(),
        format!("/hooks/%00/my-app/{}", app.token),
        format!("/hooks/{team}/Not%20a%20slug/{}", app.token),
        format!("/hooks/{team}/kite/{}", app.token),
        // The token is wrong.
        format!("{}/{unknown}", app.path),
        format!("{}/{near}", app.path),
        format!("{}/{}", app.path, signed.token),
        format!("{}/{}", app.path, owner.key),
        format!("{}/nonsense", app.path),
        format!("{}/{unknown}", signed.path),
        // There is none.
        app.path.clone(),
        signed.path.clone(),
    ] {
        let answer = app
            .post(&path, &[("Content-Type", "application/json")], json_body)
            .await;
        answers.push((path, answer));
    }
    for token in [unknown, &near, &signed.token, &owner.key, "nonsense"] {
        let bearer = format!("Bearer {token}");
        let answer = app
            .post(&app.path, &[("Authorization", &bearer)], json_body)
            .await;
        answers.push((bearer, answer));
    }
    // A right token beside a wrong one is wrong.
    let bearer = format!("Bearer {unknown}");
    let differing = app
        .post_with_token(&[("Authorization", &bearer)], json_body)
        .await;
    answers.push(("two tokens".to_owned(), differing));
    let wrong = signature("wrong", b"{}");
    let unsigned = signed
        .post_from_github("d-1", &[("X-Hub-Signature-256", &wrong)], json_body)
        .await;
    answers.push(("a wrong signature".to_owned(), unsigned));

    let expected = whole(&answers[0].1);
    assert_eq!(expected.0, 401);
    assert_eq!(answers[0].1.json["error"], "invalid hook token");
    for (what, answer) in &answers {
        assert_eq!(whole(answer), expected, "{what} can be told apart");
    }

    // Nor does the size of a body tell, nor its form.
    let large = "x".repeat(300_000);
    let (here, nowhere) = (
        app.post(&app.path, &[], large.clone()).await,
        app.post("/hooks/no-such-team/my-app", &[], large).await,
    );
    assert_eq!(here.status, 413);
    assert_eq!(whole(&here), whole(&nowhere));
    let packed = &[("Content-Encoding", "gzip")];
    let (here, nowhere) = (
        app.post(&app.path, packed, json_body).await,
        app.post("/hooks/no-such-team/my-app", packed, json_body)
            .await,
    );
    assert_eq!(here.status, 415);
    assert_eq!(whole(&here), whole(&nowhere));
    assert_eq!(owner.log().await.len(), 0);
}

#[tokio::test]
async fn an_endpoint_takes_posts_only() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        for path in [app.path.clone(), app.path_with_token()] {
            let refused = answer(owner.bare(method.clone(), &path)).await;
            refused.refused(405, "method_not_allowed");
        }
    }
    let scheme = format!("bEARER {}", app.token);
    app.post(&app.path, &[("Authorization", &scheme)], "x")
        .await
        .expect(202);
}

//! Who is kept out: strangers, impostors, other teams, addresses inside.

use std::net::TcpListener;

use kite::protocol::base64url::Base64Url;
use kite::protocol::identity::InstanceKey;
use kite::protocol::invite::{Invite, InviteSecret};
use kite::protocol::redemption::{Redeemed, Redemption, TEST_PATH, TestRequest};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    INVITES, PEERS, REDEEM, code, connect, goes, invited, join, open, opened, peers,
    works_both_ways,
};
use crate::support::http::{Access, Answer, answer};
use crate::support::scripted::{Reply, Scripted};
use crate::support::server::Server;

const HOOK: &str = "http://127.0.0.1:9/hooks/t/kite";

fn key(seed: u8) -> InstanceKey {
    InstanceKey::from_seed(&[seed; 32]).unwrap()
}

/// What somebody with a code of their own making would send.
fn redemption(secret: &InviteSecret, inviter: &str, key: &InstanceKey) -> Redemption {
    let unsigned = Redemption {
        secret: secret.clone(),
        instance_id: "joiner".parse().unwrap(),
        identity_key: Base64Url([0; 32]),
        hook_url: HOOK.to_owned(),
        outbound_token: "an-outbound-token".to_owned(),
        inbound_token: "an-inbound-token".to_owned(),
        proof: Base64Url([0; 64]),
    };
    unsigned.sign(inviter, key).unwrap()
}

/// Posts without any key.
async fn post(access: &Access, path: &str, body: &impl serde::Serialize) -> Answer {
    let request = access.bare(Method::POST, path);
    let request = request.header("content-type", "application/json");
    answer(request.body(serde_json::to_string(body).unwrap())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_was_used_opens_nothing_to_another() {
    let (a, b, c) = (open("kite-a"), open("kite-b"), open("kite-c"));
    let code = code(&a.owner()).await;
    works_both_ways(&join(&b.owner(), &code).await.expect(200));
    join(&c.owner(), &code).await.refused(409, "invite_used");
    assert!(peers(&c.owner()).await.is_empty());
    let [one] = &peers(&a.owner()).await[..] else {
        panic!("one peer")
    };
    assert_eq!(one["peer_instance_id"], "kite-b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_have_expired_were_taken_back_or_are_wrong_are_told_apart() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    let expired = code(&at_a).await;
    a.sql("UPDATE invites SET expires_at = 1 RETURNING id");
    join(&at_b, &expired).await.refused(410, "invite_expired");
    let revoked = invited(&at_a, json!({})).await;
    let path = format!("{INVITES}/{}", revoked["id"].as_str().unwrap());
    answer(at_a.request(Method::DELETE, &path))
        .await
        .expect(200);
    let revoked = revoked["code"].as_str().unwrap();
    join(&at_b, revoked).await.refused(404, "invite_unknown");
    let mut wrong = opened(&code(&at_a).await);
    wrong.secret = InviteSecret::of([7; 32]);
    join(&at_b, &wrong.to_code())
        .await
        .refused(404, "invite_unknown");
    let changed = revoked.replace("kinv_", "kinv_A");
    join(&at_b, &changed).await.refused(400, "bad_request");
    join(&at_b, "kinv_").await.refused(400, "bad_request");
    assert!(peers(&at_a).await.is_empty() && peers(&at_b).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_secrets_is_soon_told_nothing_any_more() {
    let a = open("kite-a");
    let access = a.owner();
    let invite = opened(&code(&access).await);
    let mut last = None;
    for guess in 0..=100u8 {
        let secret = InviteSecret::of([guess; 32]);
        let body = redemption(&secret, &invite.fingerprint, &key(1));
        let refused = post(&access, REDEEM, &body).await;
        last = Some(refused.status);
        if refused.status != 404 {
            break;
        }
        refused.refused(404, "invite_unknown");
    }
    assert_eq!(last, Some(429));
    // Whoever has it gets in all the same.
    let body = redemption(&invite.secret, &invite.fingerprint, &key(1));
    post(&access, REDEEM, &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_proved_or_makes_no_sense_opens_nothing() {
    let a = open("kite-a");
    let access = a.owner();
    let invite = opened(&code(&access).await);
    let good = redemption(&invite.secret, &invite.fingerprint, &key(1));
    // Made for somebody else, who passes it on.
    let passed_on = redemption(&invite.secret, "SHA256:of-somebody-else", &key(1));
    let mut of_another = good.clone();
    of_another.identity_key = Base64Url(key(2).public());
    for unproved in [passed_on, of_another] {
        let refused = post(&access, REDEEM, &unproved).await;
        refused.refused(401, "unauthorized");
    }
    let signed = |change: &dyn Fn(&mut Redemption)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed.sign(&invite.fingerprint, &key(1)).unwrap()
    };
    let itself = signed(&|it| it.instance_id = "kite-a".parse().unwrap());
    post(&access, REDEEM, &itself)
        .await
        .refused(409, "conflict");
    for bad in [
        signed(&|it| it.outbound_token = "short".to_owned()),
        signed(&|it| it.outbound_token = it.inbound_token.clone()),
    ] {
        post(&access, REDEEM, &bad)
            .await
            .refused(400, "bad_request");
    }
    for url in [
        "http://10.0.0.7/hooks/t/kite",
        "ftp://x",
        "https://u:p@x.example/",
        "",
    ] {
        let inside = signed(&|it| it.hook_url = url.to_owned());
        let refused = post(&access, REDEEM, &inside).await;
        refused.refused(422, "unprocessable");
    }
    let mut broken = serde_json::to_value(&good).unwrap();
    broken["hook_url"] = json!("http://127.0.0.1:9/\nx");
    post(&access, REDEEM, &broken)
        .await
        .refused(400, "bad_request");
    let large = json!({"secret": "x".repeat(20_000)});
    post(&access, REDEEM, &large)
        .await
        .refused(413, "too_large");
    post(&access, REDEEM, &json!([]))
        .await
        .refused(400, "bad_request");
    assert!(peers(&access).await.is_empty());
    post(&access, REDEEM, &good).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_is_made_for_who_has_redeemed_the_invitation_alone() {
    let a = open("kite-a");
    let access = a.owner();
    let invite = opened(&code(&access).await);
    let ask = |seed: u8| TestRequest::signed(invite.secret.clone(), &key(seed)).unwrap();
    let refused = post(&access, TEST_PATH, &ask(1)).await;
    refused.refused(404, "invite_unknown");
    let body = redemption(&invite.secret, &invite.fingerprint, &key(1));
    post(&access, REDEEM, &body).await.expect(200);
    let tested = post(&access, TEST_PATH, &ask(1)).await.expect(200);
    assert_eq!(
        tested["status_code"],
        Value::Null,
        "nobody is there: {tested}"
    );
    post(&access, TEST_PATH, &ask(2))
        .await
        .refused(409, "invite_used");
    let mut forged = ask(2);
    forged.identity_key = Base64Url(key(1).public());
    post(&access, TEST_PATH, &forged)
        .await
        .refused(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_joined_keeps_few_tests_waiting_for_a_hook_that_never_answers() {
    let a = open("kite-a");
    let access = a.owner();
    let invite = opened(&code(&access).await);
    // Its kernel takes connections, and nobody answers them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook_url = format!("http://{}/hooks/t/kite", silent.local_addr().unwrap());
    let body = Redemption {
        hook_url,
        ..redemption(&invite.secret, &invite.fingerprint, &key(1))
    };
    let body = body.sign(&invite.fingerprint, &key(1)).unwrap();
    post(&access, REDEEM, &body).await.expect(200);
    let request = TestRequest::signed(invite.secret.clone(), &key(1)).unwrap();
    let mut asked = JoinSet::new();
    for _ in 0..17 {
        let (access, request) = (a.owner(), request.clone());
        asked.spawn(async move { post(&access, TEST_PATH, &request).await });
    }
    let first = asked.join_next().await.unwrap().unwrap();
    first.refused(503, "unavailable");
}

/// A server that answers a redemption with this.
fn answering(redeemed: &Redeemed) -> Scripted {
    let text = serde_json::to_string(redeemed).unwrap();
    Scripted::start(&[Reply::With(200, Box::leak(text.into_boxed_str()))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_who_answers_is_noticed() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let access = b.owner();
    let invite = opened(&code(&a.owner()).await);
    let answer = |id: &str, identity: [u8; 32]| Redeemed {
        instance_id: id.parse().unwrap(),
        identity_key: Base64Url(identity),
        hook_url: HOOK.to_owned(),
        scopes: vec!["*".to_owned()],
        proof: Base64Url([0; 64]),
    };
    // One with a key of its own, which it proves to have; one that names the right key and cannot sign with it.
    let asked = redemption(&invite.secret, &invite.fingerprint, &key(1));
    let own = answer("kite-a", [0; 32]).sign(&asked, &key(9)).unwrap();
    let real_key = {
        let body = redemption(
            &opened(&code(&a.owner()).await).secret,
            &invite.fingerprint,
            &key(5),
        );
        let redeemed = post(&a.owner(), REDEEM, &body).await.expect(200);
        serde_json::from_value::<Redeemed>(redeemed)
            .unwrap()
            .identity_key
            .0
    };
    for impostor in [own, answer("kite-a", real_key), answer("kite-x", real_key)] {
        let server = answering(&impostor);
        let lured = Invite {
            url: server.url.parse().unwrap(),
            ..invite.clone()
        };
        let refused = join(&access, &lured.to_code()).await;
        refused.refused(502, "peer_mismatch");
        assert!(
            refused.text.contains("somebody else answers at"),
            "{refused:#?}"
        );
        assert!(refused.text.contains(&server.url), "{refused:#?}");
    }
    assert!(peers(&access).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inviter_that_may_not_call_the_joiner_says_which_switch_allows_it() {
    let (closed, b) = (
        Server::start_with(&["--instance-id", "kite-a"]),
        open("kite-b"),
    );
    let code = code(&closed.owner()).await;
    let refused = join(&b.owner(), &code).await;
    refused.refused(422, "unprocessable");
    assert!(refused.text.contains("the joiner's hook"), "{refused:#?}");
    assert!(
        refused.text.contains("--allow-insecure-peers"),
        "{refused:#?}"
    );
    assert!(peers(&closed.owner()).await.is_empty());
    let listed = closed.owner().get(INVITES).await.expect(200);
    assert_eq!(
        listed[0]["redeemed_at"],
        Value::Null,
        "it can be tried again"
    );
    // The other way round the joiner's own guard refuses, and nobody is asked.
    let code = super::code(&b.owner()).await;
    let refused = join(&closed.owner(), &code).await;
    refused.refused(422, "unprocessable");
    assert!(
        refused.text.contains("the address of the invitation"),
        "{refused:#?}"
    );
    assert!(peers(&b.owner()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_does_not_take_over_a_peer_that_was_added_by_hand() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    let by_hand =
        json!({"peer_instance_id": "kite-b", "peer_hook_url": "https://b.invalid/hooks/t/kite"});
    let made = at_a.post(PEERS, by_hand.to_string()).await.expect(201);
    let refused = join(&at_b, &code(&at_a).await).await;
    refused.refused(409, "conflict");
    assert!(
        refused.text.contains("remove that peer first"),
        "{refused:#?}"
    );
    assert!(peers(&at_b).await.is_empty());
    assert_eq!(peers(&at_a).await[0]["updated_at"], made["updated_at"]);
    // The joiner's own is not taken over either, and nothing is redeemed.
    let refused = join(&at_a, &code(&at_b).await).await;
    refused.refused(409, "conflict");
    assert!(refused.text.contains("added by hand"), "{refused:#?}");
    assert!(peers(&at_b).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn teams_are_walls() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, rival) = (a.owner(), a.fresh_team("rival"));
    let made = invited(&at_a, json!({})).await;
    assert_eq!(rival.get(INVITES).await.expect(200), json!([]));
    let path = format!("{INVITES}/{}", made["id"].as_str().unwrap());
    let gone = answer(rival.request(Method::DELETE, &path)).await;
    gone.refused(404, "not_found");
    let writer = a.key(&at_a.team, "read,write");
    writer.get(INVITES).await.refused(403, "forbidden");
    writer.post(INVITES, "{}").await.refused(403, "forbidden");
    join(&writer, made["code"].as_str().unwrap())
        .await
        .refused(403, "forbidden");

    let (one, other) = (b.owner(), b.fresh_team("other"));
    connect(&at_a, &one).await;
    // Another team of the joiner has the same key, and must not take over what goes to the first.
    let refused = join(&other, &code(&at_a).await).await;
    refused.refused(409, "conflict");
    assert!(refused.text.contains("another team"), "{refused:#?}");
    assert!(peers(&other).await.is_empty());
    goes(&at_a, &one, "still").await;
    connect(&rival, &other).await;
    goes(&rival, &other, "beside").await;
    assert!(
        !other
            .log()
            .await
            .iter()
            .any(|it| it["event"]["id"] == "still")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_that_cannot_be_are_refused_and_open_invitations_have_a_bound() {
    let a = open("kite-a");
    let access = a.owner();
    for bad in [
        json!({"expires_in_secs": 59}),
        json!({"expires_in_secs": 604_801}),
        json!({"expires_in_secs": -1}),
        json!({"scopes": ["source:github"]}),
        json!({"scopes": "*"}),
        json!({"name": ""}),
        json!({"name": "a\u{7}"}),
        json!([]),
    ] {
        let refused = access.post(INVITES, bad.to_string()).await;
        refused.refused(400, "bad_request");
    }
    let made = invited(
        &access,
        json!({"expires_in_secs": 604_800, "scopes": ["x"], "name": "b"}),
    )
    .await;
    assert_eq!(
        (&made["scopes"], &made["name"]),
        (&json!(["x"]), &json!("b"))
    );
    for _ in 1..100 {
        invited(&access, json!({})).await;
    }
    let over = access.post(INVITES, "{}").await;
    over.refused(422, "unprocessable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_is_in_no_log_and_in_no_list() {
    let debug = ["--instance-id", "kite-a", "--allow-insecure-peers", "-vv"];
    let (a, b) = (Server::start_with(&debug), open("kite-b"));
    let code = code(&a.owner()).await;
    join(&b.owner(), &code).await.expect(200);
    join(&b.owner(), &code).await.expect(200);
    let listed = a.owner().get(INVITES).await.expect(200).to_string();
    let secret = opened(&code).secret.reveal();
    for told in [listed, a.log(), b.log()] {
        assert!(
            !told.contains(secret.as_str()) && !told.contains(&code[5..]),
            "{told}"
        );
        assert!(!told.contains("kfd_"), "{told}");
    }
    assert!(
        a.log().contains("an invitation was redeemed"),
        "{}",
        a.log()
    );
}

//! What the page shows, to whom, and what its buttons do.

use serde_json::json;

use super::{PAGES, Site, Visitor, between, location, note};
use crate::support::eventually;
use crate::support::http::{Answer, answer};
use crate::support::server::Server;

fn is_sealed(answer: &Answer, what: &str) {
    let header = |name: &str| {
        let value = answer.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    };
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{what}: {policy}"
    );
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(header(name), value, "{what}");
    }
    for part in [
        "style=",
        "onclick",
        "<style",
        "javascript:",
        "https://",
        "http://",
    ] {
        assert!(!answer.text.contains(part), "{what} has `{part}`");
    }
}

#[tokio::test]
async fn each_answer_is_sealed_and_refers_to_nothing_outside() {
    let site = Site::start();
    site.peer(&site.owner, "b").await;
    let letter = site.letter(&site.owner, &note("e-1")).await;
    let stranger = Visitor::of(&site.owner);
    let visitor = Visitor::signed_in(&site.owner).await;
    for path in [
        "/console",
        "/console/sign-in",
        "/console/nowhere",
        "/console/live",
        "/console/console.css",
        "/console/console.js",
    ] {
        is_sealed(&stranger.get(path).await, path);
    }
    is_sealed(&stranger.try_key("nonsense").await, "a wrong key");
    is_sealed(
        &visitor.submit("/console/peers", &[("pause", "x")]).await,
        "no peer",
    );
    let one = format!("/console/dead-letters/{letter}");
    let discard = format!("{one}/discard");
    for path in PAGES
        .iter()
        .copied()
        .chain([one.as_str(), &discard, "/console/dead-letters/x"])
    {
        is_sealed(&visitor.get(path).await, path);
    }
}

#[tokio::test]
async fn the_page_says_how_each_peer_does() {
    let site = Site::start();
    let owner = &site.owner;
    let visitor = Visitor::signed_in(owner).await;
    let empty = visitor.sees("/console").await;
    assert!(
        empty.contains("kite-a") && empty.contains(&owner.team),
        "{empty}"
    );
    assert!(empty.contains("kite federation invite"), "{empty}");
    let id = site.peer(owner, "b").await;
    let page = visitor.sees("/console").await;
    assert!(page.contains("Ready: nothing was delivered yet"), "{page}");
    site.letter(owner, &note("e-1")).await;
    let page = eventually("the letter is counted", async || {
        let page = visitor.sees("/console").await;
        page.contains("<strong>1</strong> dead letter<")
            .then_some(page)
    })
    .await;
    let card = between(&page, "<article", "</article>");
    assert!(card.contains("Nothing was delivered yet, and"), "{card}");
    assert!(
        card.contains("role=\"img\" aria-label=\"Backlog")
            || card.contains("No backlog was measured"),
        "{card}"
    );
    assert!(
        card.contains(&format!("/console/dead-letters?peer={id}")),
        "{card}"
    );

    let paused = visitor.submit("/console/peers", &[("pause", &id)]).await;
    assert_eq!(location(&paused), "/console?done=paused");
    let page = visitor.sees(location(&paused)).await;
    assert!(page.contains("Paused: what is for it waits"), "{page}");
    // The page that was open before knows nothing of it.
    let late = visitor.submit("/console/peers", &[("pause", &id)]).await;
    assert_eq!(late.status, 409);
    let resumed = visitor.submit("/console/peers", &[("resume", &id)]).await;
    assert_eq!(location(&resumed), "/console?done=resumed");
    let path = format!("/api/federation/peers/{id}");
    assert_eq!(owner.get(&path).await.expect(200)["status"], "active");
    // Whoever was revoked meanwhile stays so.
    let request = owner.request(reqwest::Method::PATCH, &path);
    let request = request.header("content-type", "application/json");
    answer(request.body("{\"status\":\"revoked\"}"))
        .await
        .expect(200);
    let late = visitor.submit("/console/peers", &[("resume", &id)]).await;
    assert_eq!(late.status, 409);
    assert_eq!(owner.get(&path).await.expect(200)["status"], "revoked");
}

#[tokio::test]
async fn a_dead_letter_is_understood_and_replayed() {
    let site = Site::start();
    let owner = &site.owner;
    site.peer(owner, "b").await;
    let letter = site.letter(owner, &note("e-1")).await;
    let visitor = Visitor::signed_in(owner).await;
    let list = visitor.sees("/console/dead-letters").await;
    assert!(
        list.contains(&format!("href=\"/console/dead-letters/{letter}\"")),
        "{list}"
    );
    let page = visitor
        .sees(&format!("/console/dead-letters/{letter}"))
        .await;
    assert!(
        page.contains("400") && page.contains("com.demo.note"),
        "{page}"
    );
    // The payload as it was sent, number and all.
    assert!(page.contains("&quot;n&quot;: 1.5"), "{page}");
    site.mend();
    let replayed = visitor
        .submit(&format!("/console/dead-letters/{letter}/replay"), &[])
        .await;
    let said = visitor.sees(location(&replayed)).await;
    assert!(said.contains("one event is on its way again"), "{said}");
    site.hook.wait(2);
    eventually("the attempt is listed", async || {
        let page = visitor.sees("/console/deliveries?event=e-1").await;
        page.contains("taken</span> (202)").then_some(())
    })
    .await;
    let gone = visitor
        .get(&format!("/console/dead-letters/{letter}"))
        .await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn all_letters_to_a_peer_are_replayed_and_others_stay() {
    let site = Site::start();
    let owner = &site.owner;
    let (b, _) = (site.peer(owner, "b").await, site.peer(owner, "c").await);
    for id in ["e-1", "e-2"] {
        site.letter(owner, &note(id)).await;
    }
    eventually("both peers have refused both", async || {
        let letters = owner.get("/api/federation/dead-letters").await.expect(200);
        (letters.as_array().unwrap().len() == 4).then_some(())
    })
    .await;
    let visitor = Visitor::signed_in(owner).await;
    site.mend();
    let replayed = visitor
        .submit("/console/dead-letters/replay", &[("peer", &b)])
        .await;
    let said = visitor.sees(location(&replayed)).await;
    assert!(said.contains("2 events are on their way again"), "{said}");
    let left = owner.get("/api/federation/dead-letters").await.expect(200);
    let left = left.as_array().unwrap();
    assert!(left.len() == 2 && left.iter().all(|letter| letter["peer_id"] != b.as_str()));
    let again = visitor
        .submit("/console/dead-letters/replay", &[("peer", &b)])
        .await;
    assert_eq!(again.status, 409);
    let rest = visitor
        .submit("/console/dead-letters/replay", &[("peer", "")])
        .await;
    assert!(location(&rest).contains("count=2"));
}

#[tokio::test]
async fn a_letter_is_discarded_once_that_was_asked_again() {
    let site = Site::start();
    let owner = &site.owner;
    site.peer(owner, "b").await;
    let letter = site.letter(owner, &note("e-1")).await;
    let visitor = Visitor::signed_in(owner).await;
    let path = format!("/console/dead-letters/{letter}/discard");
    let asked = visitor.sees(&path).await;
    assert!(
        asked.contains("cannot be undone") && asked.contains("Keep it"),
        "{asked}"
    );
    let letters = owner.get("/api/federation/dead-letters").await.expect(200);
    assert_eq!(letters.as_array().unwrap().len(), 1, "asking does nothing");
    let done = visitor.submit(&path, &[]).await;
    assert!(visitor.sees(location(&done)).await.contains("Discarded"));
    let letters = owner.get("/api/federation/dead-letters").await.expect(200);
    assert_eq!(letters, json!([]));
    assert_eq!(visitor.submit(&path, &[]).await.status, 404);
}

#[tokio::test]
async fn a_team_sees_nothing_of_another_and_cannot_touch_it() {
    let site = Site::start();
    let (owner, rival) = (&site.owner, site.server.team("rival"));
    let peer = site.peer(owner, "hidden-peer").await;
    let letter = site.letter(owner, &note("hidden-event")).await;
    let visitor = Visitor::signed_in(&rival).await;
    for path in PAGES {
        let page = visitor.sees(path).await;
        for hidden in ["hidden-peer", "hidden-event", &peer, &letter] {
            assert!(!page.contains(hidden), "{path} shows {hidden}");
        }
    }
    for path in ["/console/deliveries", "/console/dead-letters"] {
        let page = visitor
            .sees(&format!("{path}?peer={peer}&event=hidden-event"))
            .await;
        assert!(
            !page.contains("hidden-peer") && !page.contains("com.demo.note"),
            "{page}"
        );
    }
    let one = format!("/console/dead-letters/{letter}");
    let theirs = visitor.get(&one).await;
    let nobodys = visitor
        .get("/console/dead-letters/00000000-0000-7000-8000-000000000000:1")
        .await;
    assert_eq!((theirs.status, nobodys.status), (404, 404));
    assert!(!theirs.text.contains("hidden"));
    for (path, fields) in [
        (format!("{one}/replay"), [("x", "")]),
        (format!("{one}/discard"), [("x", "")]),
        (
            "/console/dead-letters/replay".to_owned(),
            [("peer", peer.as_str())],
        ),
        ("/console/peers".to_owned(), [("pause", peer.as_str())]),
    ] {
        let refused = visitor.submit(&path, &fields).await;
        assert_eq!(refused.status, 404, "{path}: {refused:#?}");
    }
    assert_eq!(visitor.get(&format!("{one}/discard")).await.status, 404);
    let letters = owner.get("/api/federation/dead-letters").await.expect(200);
    assert_eq!(letters[0]["id"], letter.as_str());
}

#[tokio::test]
async fn what_comes_from_outside_is_text_and_nothing_else() {
    let site = Site::start();
    let owner = &site.owner;
    let script = "<script>alert(1)</script><img src=x onerror='a'>\"&";
    site.peer(owner, &format!("b{script}")).await;
    let event = json!({"id": format!("e{script}"), "source": script, "type": format!("t{script}"),
        "data": {"text": format!("{script}\u{202e}\u{1b}"), script: script}});
    let letter = site.letter(owner, &event).await;
    let body = json!({"name": format!("k{script}"), "permissions": ["read"]});
    owner
        .post("/api/v1/keys", body.to_string())
        .await
        .expect(201);
    let visitor = Visitor::signed_in(owner).await;
    let one = format!("/console/dead-letters/{letter}");
    let discard = format!("{one}/discard");
    let asked = format!(
        "/console/deliveries?event={}&peer={}",
        super::escaped(script),
        super::escaped(script)
    );
    let mut shown = 0;
    for path in PAGES
        .iter()
        .copied()
        .chain([one.as_str(), &discard, &asked])
    {
        let page = visitor.sees(path).await;
        assert!(
            !page.contains("<script>") && !page.contains("<img"),
            "{path}: {page}"
        );
        assert!(!page.contains(['\u{202e}', '\u{1b}']), "{path}");
        shown += usize::from(page.contains("&lt;script&gt;alert(1)"));
    }
    assert!(shown >= 7, "{shown}");
    let page = visitor.sees(&one).await;
    assert!(
        page.contains("\\u{202e}"),
        "one sees what turns the text round: {page}"
    );
}

#[tokio::test]
async fn endpoints_and_keys_are_listed_without_their_secrets() {
    let server = Server::start();
    let owner = server.owner();
    let made = owner
        .post("/api/v1/hooks", "{\"source\":\"github\"}")
        .await
        .expect(201);
    server.key(&owner.team, "read");
    let visitor = Visitor::signed_in(&owner).await;
    let page = visitor.sees("/console/endpoints").await;
    assert!(
        page.contains(made["endpoint"].as_str().unwrap()) && page.contains("configured"),
        "{page}"
    );
    for secret in ["hook_token", "github_webhook_secret"] {
        assert!(!page.contains(made[secret].as_str().unwrap()), "{secret}");
    }
    let page = visitor.sees("/console/keys").await;
    assert_eq!(page.matches("<tr role=\"row\"><td").count(), 2, "{page}");
    assert!(page.contains("you are signed in with it"), "{page}");
}

#[tokio::test]
async fn many_letters_come_in_pages() {
    let site = Site::start();
    let owner = &site.owner;
    site.peer(owner, "b").await;
    for number in 0..60 {
        owner.emit(&note(&format!("e-{number}"))).await.expect(202);
    }
    eventually("all are dead letters", async || {
        let letters = owner
            .get("/api/federation/dead-letters?limit=100")
            .await
            .expect(200);
        (letters.as_array().unwrap().len() == 60).then_some(())
    })
    .await;
    let visitor = Visitor::signed_in(owner).await;
    let rows = |page: &str| page.matches("<tr role=\"row\"><td").count();
    let first = visitor.sees("/console/dead-letters").await;
    assert_eq!(rows(&first), 50);
    assert!(
        first.contains("<a href=\"/console/dead-letters?page=2\">Older</a>"),
        "{first}"
    );
    let second = visitor.sees("/console/dead-letters?page=2").await;
    assert_eq!(rows(&second), 10);
    assert!(second.contains("Newer</a>") && !second.contains("Older</a>"));
}

#[tokio::test]
async fn strange_addresses_are_refused_and_break_nothing() {
    let server = Server::start();
    let visitor = Visitor::signed_in(&server.owner()).await;
    for (path, status) in [
        ("/console/dead-letters/x", 404),
        ("/console/dead-letters/a:b", 404),
        ("/console/dead-letters/%00:1", 400),
        ("/console/deliveries?event=%00", 400),
        ("/console/deliveries?page=99999999999999999999", 200),
        ("/console/dead-letters/%ff", 400),
        ("/console/", 303),
        ("/console/x/y", 404),
    ] {
        let page = visitor.get(path).await;
        assert_eq!(page.status, status, "{path}: {page:#?}");
    }
    let long = "x".repeat(20_000);
    let refused = visitor.submit("/console/peers", &[("pause", &long)]).await;
    assert_eq!(refused.status, 413);
}

//! Who gets in, and for how long.

use std::time::Instant;

use reqwest::Method;

use super::{PAGES, Site, Visitor, location, note};
use crate::support::cli::Person;
use crate::support::http::answer;
use crate::support::server::Server;
use crate::support::{GLANCE, PATIENCE, eventually};

#[tokio::test]
async fn an_admin_key_opens_the_page_and_is_never_in_it() {
    let server = Server::start();
    let owner = server.owner();
    let mut visitor = Visitor::of(&owner);
    for path in PAGES {
        let to = visitor.get(path).await;
        assert!(location(&to).starts_with("/console/sign-in"), "{path}");
    }
    let to = visitor.get("/console/deliveries?event=a%26b").await;
    let form = visitor.sees(location(&to)).await;
    assert!(
        form.contains("value=\"/console/deliveries?event=a%26b\""),
        "{form}"
    );
    let fields = [("key", owner.key.as_str()), ("next", "/console/keys")];
    let signed_in = answer(visitor.form("/console/sign-in", &fields)).await;
    assert_eq!(location(&signed_in), "/console/keys");
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in [
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/console",
        "; Max-Age=43200",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "it is not over TLS: {cookie}");
    visitor.keep_cookie(&signed_in);
    let secret = owner.key.rsplit('_').next().unwrap();
    for path in PAGES {
        let page = visitor.sees(path).await;
        assert!(
            !page.contains(&owner.key) && !page.contains(secret),
            "{path}"
        );
    }
    assert!(!cookie.contains(secret));
    // Whoever is in is led on.
    let again = visitor.get("/console/sign-in?next=/console/keys").await;
    assert_eq!(location(&again), "/console/keys");
}

#[tokio::test]
async fn no_other_key_opens_it() {
    let server = Server::start();
    let owner = server.owner();
    let visitor = Visitor::of(&owner);
    let wrong = format!("{}0", owner.key);
    let (read, write) = (
        server.key(&owner.team, "read"),
        server.key(&owner.team, "read,write"),
    );
    for key in ["", "nonsense", &wrong, &read.key, &write.key] {
        let refused = visitor.try_key(key).await;
        assert_eq!(refused.status, 401, "{refused:#?}");
        assert!(refused.text.contains("That is no admin key of this server"));
        assert!(!refused.headers.contains_key("set-cookie"));
        assert!(key.is_empty() || !refused.text.contains(key));
    }
    // A cookie of somebody's own making.
    let mut forger = Visitor::signed_in(&owner).await;
    let cookie = forger.cookie.clone().unwrap();
    let (name, value) = cookie.split_once('=').unwrap();
    let mut bytes = value.as_bytes().to_vec();
    bytes[20] = if bytes[20] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(bytes).unwrap();
    for value in ["", "x", "AAAA", &changed, &value[..value.len() - 4]] {
        forger.cookie = Some(format!("{name}={value}"));
        assert!(!forger.is_in().await, "{value}");
    }
}

#[tokio::test]
async fn too_many_wrong_keys_have_to_wait_and_a_right_one_has_not() {
    let server = Server::start();
    let owner = server.owner();
    let visitor = Visitor::of(&owner);
    let mut statuses = Vec::new();
    // As many again: the minute that they are counted in may end meanwhile.
    for _ in 0..202 {
        statuses.push(visitor.try_key("nonsense").await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(visitor.try_key(&owner.key).await.status, 303);
}

#[tokio::test]
async fn a_revoked_key_ends_its_session_and_no_other() {
    let server = Server::start();
    let owner = server.owner();
    let (id, second) = server.key_with(&owner.team, &["--permissions", "admin"]);
    let (first, second) = (
        Visitor::signed_in(&owner).await,
        Visitor::signed_in(&second).await,
    );
    assert!(second.is_in().await);
    let path = format!("/api/v1/keys/{id}");
    answer(owner.request(Method::DELETE, &path))
        .await
        .expect(200);
    // The server that revoked it knows at once.
    assert!(!second.is_in().await);
    let late = second.submit("/console/peers", &[("pause", "x")]).await;
    // Not back to where only forms are sent.
    assert_eq!(location(&late), "/console/sign-in");
    assert!(first.is_in().await);
}

#[tokio::test]
async fn a_key_that_another_process_revokes_ends_its_session() {
    let server = Server::start();
    let owner = server.owner();
    let (id, second) = server.key_with(&owner.team, &["--permissions", "admin"]);
    let second = Visitor::signed_in(&second).await;
    server.admin(&["keys", "revoke", &id]);
    eventually("the session has ended", async || {
        (!second.is_in().await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn signing_out_takes_the_cookie_away() {
    let server = Server::start();
    let visitor = Visitor::signed_in(&server.owner()).await;
    let out = visitor.submit("/console/sign-out", &[]).await;
    assert_eq!(location(&out), "/console/sign-in");
    let cookie = out.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("=; ") && cookie.contains("Max-Age=0"),
        "{cookie}"
    );
}

#[tokio::test]
async fn two_instances_on_one_machine_have_a_cookie_each() {
    let (a, b) = (Server::start(), Server::start());
    let (at_a, at_b) = (
        Visitor::signed_in(&a.owner()).await,
        Visitor::signed_in(&b.owner()).await,
    );
    // A browser sends both to both.
    let both = format!(
        "{}; {}",
        at_a.cookie.clone().unwrap(),
        at_b.cookie.clone().unwrap()
    );
    for mut visitor in [at_a, at_b] {
        visitor.cookie = Some(both.clone());
        assert!(visitor.is_in().await);
    }
}

#[tokio::test]
async fn a_session_outlives_a_restart() {
    let mut server = Server::start();
    let visitor = Visitor::signed_in(&server.owner()).await;
    server.kill();
    server.start_again();
    assert!(visitor.is_in().await);
}

#[tokio::test]
async fn over_https_the_cookie_is_for_https_alone() {
    let server = Server::start_with(&["--public-url", "https://kite.example"]);
    let visitor = Visitor::of(&server.owner());
    let signed_in = visitor.try_key(&server.owner().key).await;
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_server_can_go_without_the_page() {
    let server = Server::start_with(&["--console=false"]);
    let visitor = Visitor::of(&server.owner());
    for path in [
        "/console",
        "/console/sign-in",
        "/console/live",
        "/console/console.js",
    ] {
        visitor.get(path).await.refused(404, "not_found");
    }
}

#[test]
fn a_server_says_which_instance_it_is_and_where_its_page_is() {
    let person = Person::new();
    let start = |more: &[&str]| {
        let data = person.home().join("server");
        let data = data.to_str().unwrap();
        let base = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--instance-id",
            "kite-a",
            "--data-dir",
            data,
        ];
        let process = person.kite(&[&base, more].concat()).start();
        let deadline = Instant::now() + PATIENCE;
        while !process.stderr().contains("Ctrl-C ends it") {
            assert!(Instant::now() < deadline, "{}", process.said());
            std::thread::sleep(GLANCE);
        }
        process.signal("TERM");
        process.end().stderr
    };
    let said = start(&[]);
    assert!(
        said.contains("instance: kite-a\nconsole: http://127.0.0.1:"),
        "{said}"
    );
    let said = start(&["--console=false"]);
    assert!(
        said.contains("instance: kite-a\n") && !said.contains("/console"),
        "{said}"
    );
}

#[tokio::test]
async fn no_other_site_can_press_a_button() {
    let site = Site::start();
    let owner = &site.owner;
    let peer = site.peer(owner, "b").await;
    let letter = site.letter(owner, &note("e-1")).await;
    let visitor = Visitor::signed_in(owner).await;
    let one = format!("/console/dead-letters/{letter}");
    let deeds = [
        ("/console/peers".to_owned(), ("pause", peer.as_str())),
        (
            "/console/dead-letters/replay".to_owned(),
            ("peer", peer.as_str()),
        ),
        (format!("{one}/replay"), ("x", "")),
        (format!("{one}/discard"), ("x", "")),
        ("/console/sign-out".to_owned(), ("x", "")),
    ];
    site.mend();
    for (path, field) in &deeds {
        let token = ("token", visitor.token.as_str());
        // From elsewhere, with everything that only a page of ours knows.
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let foreign = visitor.form(path, &[*field, token]).header(name, value);
            let refused = answer(foreign).await;
            assert_eq!(refused.status, 403, "{path} {name}: {refused:#?}");
        }
        // Without the token, or with that of another session.
        let other = Visitor::signed_in(owner).await;
        assert_ne!(other.token, visitor.token);
        for token in ["", "x", &other.token] {
            let unbound = visitor.form(path, &[*field, ("token", token)]);
            let refused = answer(unbound).await;
            assert_eq!(refused.status, 403, "{path}: {refused:#?}");
        }
        // With the method of a link.
        let linked = visitor.get(path).await;
        assert!(!linked.headers.contains_key("set-cookie"), "{path}");
    }
    let foreign = visitor.form("/console/sign-in", &[("key", &owner.key)]);
    let foreign = answer(foreign.header("origin", "https://evil.example")).await;
    assert_eq!(foreign.status, 403);
    // Nothing has happened.
    let peers = owner.get("/api/federation/peers").await.expect(200);
    assert_eq!(peers[0]["status"], "active");
    let letters = owner.get("/api/federation/dead-letters").await.expect(200);
    assert_eq!(letters[0]["id"], letter.as_str());
    assert_eq!(site.hook.got().len(), 1);
}

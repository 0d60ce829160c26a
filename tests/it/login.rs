//! The device login: `kite login`, the page where a person decides, and what strangers try on both.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::http::{Answer, answer};
use crate::support::login::{
    Device, approve, decide, expire, form, page, poll, shown_line, waiting,
};
use crate::support::scripted::{Reply, Scripted};
use crate::support::server::Server;

/// What is stored for whoever has logged in.
fn is_logged_in(person: &Person) -> bool {
    let kept = person.home().join("config");
    let holds_key = |path: std::path::PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("kite_"))
    };
    std::fs::read_dir(kept).is_ok_and(|mut files| files.any(|file| holds_key(file.unwrap().path())))
}

#[tokio::test]
async fn a_person_logs_in_on_the_page_and_works_with_the_key() {
    let server = Server::start();
    let owner = server.owner();
    let person = Person::new();
    let (process, code) = waiting(&person, server.url(), &["--no-browser"]);
    assert!(
        process
            .stderr()
            .contains(&format!("Open {}/activate?code={code}\n", server.url())),
        "{}",
        process.said()
    );
    let choices = [("permissions", "read,write,admin"), ("expires", "30")];
    let approved = decide(&owner, &code, &choices).await;
    assert_eq!(approved.status, 200, "{approved:#?}");

    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains("team: default"), "{ended:#?}");
    assert!(
        !ended.stdout.contains("kite_") && !ended.stderr.contains("kite_"),
        "the key is not shown: {ended:#?}"
    );
    person
        .kite(&["status"])
        .stdout_has("read, write, admin")
        .succeeds();
    person
        .kite(&["agent", "send", "--from", "a", "--to", "b", "hello"])
        .succeeds();
    let keys = person.kite(&["keys", "list", "--json"]).succeeds().stdout;
    let mut keys = keys
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let made = keys.find(|key| key["name"] == "device login").unwrap();
    let time = |name: &str| made[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let life = time("expires_at").duration_since(time("created_at"));
    let days = life.as_secs_f64() / (24.0 * 3600.0);
    assert!((29.9..30.1).contains(&days), "{made}");
}

#[tokio::test]
async fn the_code_is_shown_under_quiet_and_the_key_may_do_what_was_chosen() {
    let server = Server::start();
    let person = Person::new();
    let (process, code) = waiting(&person, server.url(), &["-q"]);
    decide(&server.owner(), &code, &[("permissions", "read")]).await;
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let status = person.kite(&["status", "--json"]).succeeds().json();
    assert_eq!(status["current_key_permissions"], json!(["read"]));
    person
        .kite(&["agent", "send", "--from", "a", "--to", "b", "hello"])
        .exits(4);
}

#[tokio::test]
async fn under_json_the_code_is_a_line_and_the_login_an_object() {
    let server = Server::start();
    let person = Person::new();
    let process = person
        .kite(&["login", "--json", "--server", server.url()])
        .start();
    let line = shown_line(&process);
    assert_eq!(line["event"], "login");
    assert_eq!(line["expires_in"], 900);
    let code = line["user_code"].as_str().unwrap();
    assert_eq!(
        line["verification_url"],
        format!("{}/activate?code={code}", server.url())
    );
    approve(&server.owner(), code).await;
    let ended = process.end();
    let answer = ended.json();
    assert_eq!(answer["server"], server.url());
    assert_eq!(answer["team_id"], "default");
    for line in ended.stderr.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "stderr carries JSON lines: {ended:#?}");
    }
}

#[tokio::test]
async fn a_login_that_is_denied_ends_with_4_and_an_expired_one_with_8() {
    let server = Server::start();
    let (denied, expired) = (Person::new(), Person::new());
    let (no, no_code) = waiting(&denied, server.url(), &[]);
    let (late, late_code) = waiting(&expired, server.url(), &[]);
    decide(&server.owner(), &no_code, &[("decision", "deny")]).await;
    expire(&server, &late_code);
    for (process, person, code, words) in [
        (no, denied, 4, "the login was denied"),
        (late, expired, 8, "the code has expired"),
    ] {
        let ended = process.end();
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert!(ended.stderr.contains(words), "{ended:#?}");
        assert!(ended.stderr.contains("hint:"), "{ended:#?}");
        assert!(!is_logged_in(&person));
    }
}

#[tokio::test]
async fn a_login_that_is_interrupted_stores_nothing() {
    let server = Server::start();
    let person = Person::new();
    let (process, code) = waiting(&person, server.url(), &[]);
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert!(ended.stderr.contains("nothing was stored"), "{ended:#?}");
    approve(&server.owner(), &code).await;
    assert!(!is_logged_in(&person));
    person.kite(&["status"]).exits(4);
}

const CODE: Reply = Reply::With(
    200,
    r#"{"device_code":"d","user_code":"ABCD-2345","expires_in":900,"interval":1}"#,
);
const PENDING: Reply = Reply::With(400, r#"{"error":"authorization_pending"}"#);
const GRANTED: Reply = Reply::With(
    200,
    r#"{"api_key":"kite_0a1b2c3d_00112233445566778899aabbccddeeff","team_id":"acme"}"#,
);

#[test]
fn what_is_lost_on_the_way_is_asked_again() {
    let server = Scripted::start(&[
        CODE,
        Reply::Lost,
        Reply::With(502, "<html>bad gateway</html>"),
        Reply::With(200, "surprise"),
        PENDING,
        GRANTED,
    ]);
    let person = Person::new();
    person
        .kite(&["login", "--server", &server.url])
        .stdout_has("team: acme")
        .stderr_has(&format!("{}/activate", server.url))
        .succeeds();
    let lines: Vec<_> = server.calls().into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines[0], "POST /api/auth/device-code HTTP/1.1");
    assert_eq!(lines[1..], ["POST /api/auth/device-token HTTP/1.1"; 5]);
    assert!(is_logged_in(&person));
}

#[test]
fn slow_down_lengthens_the_interval_for_good() {
    let slow_down = Reply::With(400, r#"{"error":"slow_down"}"#);
    let server = Scripted::start(&[CODE, PENDING, slow_down, PENDING, GRANTED]);
    let person = Person::new();
    person.kite(&["login", "--server", &server.url]).succeeds();
    let times: Vec<_> = server.calls().into_iter().map(|(time, _)| time).collect();
    let waits: Vec<_> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    assert!(
        waits[..2].iter().all(|wait| (0.9..5.0).contains(wait)),
        "{waits:?}"
    );
    assert!(waits[2..].iter().all(|wait| *wait >= 5.9), "{waits:?}");
    assert_eq!(waits.len(), 4);
}

#[test]
fn an_unknown_word_ends_the_login_with_that_word() {
    let odd = Reply::With(400, r#"{"error":"out_of_tea"}"#);
    let server = Scripted::start(&[CODE, odd]);
    let person = Person::new();
    person
        .kite(&["login", "--server", &server.url])
        .stderr_has("the server ended the login: out_of_tea")
        .exits(1);
    assert!(!is_logged_in(&person));
}

#[test]
fn a_code_that_nobody_decides_ends_when_the_server_said() {
    let code = r#"{"device_code":"d","user_code":"ABCD-2345","expires_in":3,"interval":1}"#;
    let server = Scripted::start(&[Reply::With(200, code), PENDING, PENDING, PENDING, GRANTED]);
    let person = Person::new();
    person
        .kite(&["login", "--server", &server.url])
        .stderr_has("the code has expired")
        .exits(8);
    assert!(!is_logged_in(&person));
}

#[test]
fn a_server_without_a_login_page_leaves_the_way_with_a_token() {
    let server = Scripted::start(&[]);
    Person::new()
        .kite(&["login", "--server", &server.url])
        .stderr_has("the server offers no login page")
        .stderr_has("--with-token")
        .exits(1);
}

#[tokio::test]
async fn the_key_is_granted_once() {
    let server = Server::start();
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    assert_eq!(device.word().await, "authorization_pending");
    approve(&owner, &device.user_code).await;
    let granted = device.poll().await.expect(200);
    assert_eq!(granted["team_id"], "default");
    assert_eq!(device.word().await, "expired_token");
    assert_eq!(
        poll(&owner, &device.user_code).await.json["error"],
        "expired_token"
    );
}

#[tokio::test]
async fn a_code_is_good_for_one_decision_however_it_is_typed() {
    let server = Server::start();
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    let typed = format!(" {} ", device.user_code.to_lowercase());
    let shown = page(&owner, &typed).await;
    assert_eq!(shown.status, 200, "{shown:#?}");
    assert!(shown.text.contains(&device.user_code), "{shown:#?}");
    approve(&owner, &typed).await;
    for wrong in [
        device.user_code.as_str(),
        "ABCD-0000",
        "<b>",
        "\u{7f}\u{1f980}",
    ] {
        for answer in [page(&owner, wrong).await, decide(&owner, wrong, &[]).await] {
            assert_eq!(answer.status, 404, "{wrong}: {answer:#?}");
            assert!(answer.text.contains("No device waits"), "{answer:#?}");
        }
    }
    let first = owner.bare(Method::GET, "/activate");
    assert!(answer(first).await.text.contains("name=\"code\""));
}

#[tokio::test]
async fn only_an_admin_key_of_this_server_decides() {
    let (server, other) = (Server::start(), Server::start());
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    let reader = server.key("default", "read,write");
    for key in ["", "nonsense", &reader.key, &other.owner().key] {
        for decision in ["approve", "deny"] {
            let changes = [("key", key), ("decision", decision)];
            let refused = decide(&owner, &device.user_code, &changes).await;
            assert_eq!(refused.status, 401, "{key} {decision}: {refused:#?}");
            assert!(refused.text.contains("no admin key"), "{refused:#?}");
            assert!(key.is_empty() || !refused.text.contains(key));
        }
    }
    assert_eq!(device.word().await, "authorization_pending");
    assert!(server.key_file().exists());

    for changes in [
        [("permissions", "read,write,admin,more")],
        [("expires", "36500")],
        [("decision", "perhaps")],
    ] {
        let refused = decide(&owner, &device.user_code, &changes).await;
        assert_eq!(refused.status, 400, "{refused:#?}");
    }
    approve(&owner, &device.user_code).await;
}

#[tokio::test]
async fn the_key_belongs_to_the_team_of_who_approves() {
    let server = Server::start();
    let acme = server.team("acme");
    let device = Device::begin(&server.owner()).await;
    approve(&acme, &device.user_code).await;
    assert_eq!(device.poll().await.expect(200)["team_id"], acme.team);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let server = Server::start();
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "http://127.0.0.1:1"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = form(&owner, &device.user_code, &[]).header(name, value);
        let refused = answer(request).await;
        assert_eq!(refused.status, 403, "{name} {value}: {refused:#?}");
    }
    assert_eq!(device.word().await, "authorization_pending");
    let own = form(&owner, &device.user_code, &[])
        .header("origin", server.url())
        .header("sec-fetch-site", "same-origin");
    assert_eq!(answer(own).await.status, 200);
}

#[tokio::test]
async fn behind_a_proxy_the_own_site_is_that_of_the_public_address() {
    let server = Server::start_with(&["--public-url", "https://kite.example.com"]);
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    for (origin, status) in [
        ("https://kite.example.com.evil.example", 403),
        ("http://kite.example.com", 403),
        ("https://kite.example.com", 200),
    ] {
        let request = form(&owner, &device.user_code, &[]).header("origin", origin);
        let answer = answer(request).await;
        assert_eq!(answer.status, status, "{origin}: {answer:#?}");
    }
}

#[tokio::test]
async fn guessing_codes_is_stopped_and_a_right_one_still_works() {
    let server = Server::start();
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    // The count begins anew with each minute on the clock: one may end on the way.
    let mut answers = Vec::new();
    while answers.len() < 250 && answers.last() != Some(&429) {
        answers.push(page(&owner, "ABCD-0000").await.status);
    }
    assert_eq!(answers.pop(), Some(429));
    assert!(answers.len() >= 100, "{}", answers.len());
    assert!(answers.iter().all(|status| *status == 404));
    assert_eq!(page(&owner, &device.user_code).await.status, 200);
    approve(&owner, &device.user_code).await;
    device.poll().await.expect(200);
}

fn has_headers(answer: &Answer) {
    let header = |name: &str| {
        let value = answer.headers.get(name);
        value
            .unwrap_or_else(|| panic!("no {name}: {answer:#?}"))
            .to_str()
            .unwrap()
            .to_owned()
    };
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        // Nothing to other sites. With `no-referrer` a browser says of the page's own form that its origin is `null`.
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(header(name), value, "{answer:#?}");
    }
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn each_answer_of_the_page_is_sealed_and_refers_to_nothing_outside() {
    let server = Server::start();
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    let code = device.user_code.as_str();
    let style = answer(owner.bare(Method::GET, "/activate.css")).await;
    has_headers(&style);
    assert!(!style.text.contains("url(") && !style.text.contains("@import"));
    let foreign = form(&owner, code, &[]).header("origin", "https://evil.example");
    for page in [
        answer(owner.bare(Method::GET, "/activate")).await,
        page(&owner, code).await,
        page(&owner, "ABCD-0000").await,
        decide(&owner, code, &[("key", "nonsense")]).await,
        decide(&owner, code, &[("expires", "nonsense")]).await,
        answer(foreign).await,
        decide(&owner, code, &[]).await,
    ] {
        has_headers(&page);
        assert!(
            !page.text.contains("//") && !page.text.contains("<script"),
            "{page:#?}"
        );
        assert!(page.text.starts_with("<!doctype html>"), "{page:#?}");
    }
}

#[tokio::test]
async fn a_program_cannot_write_into_the_page_with_its_name() {
    let server = Server::start();
    let owner = server.owner();
    let name = "</dd><script>alert(1)</script><img src=x onerror='a'>\"&";
    let device = Device::calling_itself(&owner, name).await;
    let shown = page(&owner, &device.user_code).await.text;
    assert!(
        !shown.contains("<script") && !shown.contains("<img"),
        "{shown}"
    );
    assert!(shown.contains("&lt;script&gt;alert(1)"), "{shown}");

    let long = Device::calling_itself(&owner, &"n".repeat(2000)).await;
    let shown = page(&owner, &long.user_code).await.text;
    assert!(shown.contains(&"n".repeat(80)) && !shown.contains(&"n".repeat(81)));
}

#[tokio::test]
async fn an_approval_removes_the_file_of_the_first_key() {
    let server = Server::start();
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    decide(&owner, &device.user_code, &[("decision", "deny")]).await;
    assert!(server.key_file().exists(), "a denial leaves it");
    let device = Device::begin(&owner).await;
    let said = decide(&owner, &device.user_code, &[]).await.text;
    assert!(said.contains("first key was removed"), "{said}");
    assert!(!server.key_file().exists());
    let device = Device::begin(&owner).await;
    let said = decide(&owner, &device.user_code, &[]).await.text;
    assert!(
        said.contains("Approved") && !said.contains("removed"),
        "{said}"
    );
}

#[tokio::test]
async fn a_login_outlives_a_restart_of_the_server() {
    let mut server = Server::start();
    let person = Person::new();
    let (process, code) = waiting(&person, server.url(), &[]);
    server.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.start_again();
    approve(&server.owner(), &code).await;
    assert_eq!(process.end().code, Some(0));
    person.kite(&["status"]).succeeds();
}

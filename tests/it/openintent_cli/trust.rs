//! Whom a team trusts: what the server's file says, what commands say, and that both outlive a restart.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::http::{Access, answer};
use crate::support::server::Server;

const TRUST: &str = "/api/openintent/trust";

/// A server whose file says this.
fn configured(dir: &tempfile::TempDir, toml: &str) -> Server {
    let path = dir.path().join("kite.toml");
    std::fs::write(&path, toml).unwrap();
    Server::start_with(&["--config", path.to_str().unwrap()])
}

const FILE: &str = r#"
[openintent]
trust_policy = "open"
[[openintent.peers]]
url = "https://Filed.example/"
relationship = "upstream"
api_key = "of-the-file"
[[openintent.peers]]
url = "https://other.example"
team = "other"
"#;

async fn call(access: &Access, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let request = access.request(method, &format!("{TRUST}{path}"));
    let request = request.header("content-type", "application/json");
    let answer = answer(request.body(body.to_string())).await;
    (answer.status, answer.json)
}

async fn put(access: &Access, body: Value) -> (u16, Value) {
    call(access, Method::PUT, "/servers", &body).await
}

/// The URLs that a team trusts, each with where its entry comes from.
async fn servers(access: &Access) -> Vec<(String, String)> {
    let trust = access.get(TRUST).await.expect(200);
    let word = |server: &Value, name: &str| server[name].as_str().unwrap().to_owned();
    let servers = trust["servers"].as_array().unwrap().iter();
    servers
        .map(|it| (word(it, "url"), word(it, "source")))
        .collect()
}

#[tokio::test]
async fn a_command_wins_over_the_file_and_gives_way_to_it_when_it_is_taken_back() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut server = configured(&dir, FILE);
    let owner = server.owner();
    let trust = owner.get(TRUST).await.expect(200);
    assert_eq!(trust["trust_policy"], "open");
    assert_eq!(trust["policy_source"], "configuration");
    let filed = json!({"url": "https://Filed.example/", "relationship": "upstream", "trust_policy": null,
        "did": null, "has_api_key": true, "source": "configuration", "created_at": null});
    assert_eq!(trust["servers"], json!([filed]));

    let said = json!({"url": "https://filed.example:443", "relationship": "downstream",
        "trust_policy": "trustless", "did": "did:web:filed.example%3A8443"});
    let (status, shown) = put(&owner, said.clone()).await;
    assert_eq!(status, 200, "{shown}");
    for (name, value) in said.as_object().unwrap() {
        assert_eq!(&shown[name], value);
    }
    assert_eq!(
        (&shown["has_api_key"], &shown["source"]),
        (&json!(false), &json!("command"))
    );
    assert!(shown["created_at"].is_string());
    let only = vec![("https://filed.example:443".to_owned(), "command".to_owned())];
    assert_eq!(servers(&owner).await, only);

    server.stop();
    server.start_elsewhere();
    let owner = server.owner();
    assert_eq!(servers(&owner).await, only);
    let gone = "/servers?url=https%3A%2F%2FFILED.example%2F";
    let (status, shown) = call(&owner, Method::DELETE, gone, &json!(null)).await;
    assert_eq!(
        (status, &shown["source"]),
        (200, &json!("command")),
        "{shown}"
    );
    let trust = owner.get(TRUST).await.expect(200);
    assert_eq!(trust["servers"], json!([filed]));
    let (status, refused) = call(&owner, Method::DELETE, gone, &json!(null)).await;
    assert_eq!((status, &refused["code"]), (409, &json!("conflict")));
    assert!(refused["error"].as_str().unwrap().contains("configuration"));
}

#[tokio::test]
async fn the_policy_can_be_set_and_goes_back_to_the_configured_one() {
    let dir = tempfile::TempDir::new().unwrap();
    let server = configured(&dir, FILE);
    let owner = server.owner();
    let set = async |body: Value| {
        let (status, shown) = call(&owner, Method::PUT, "/policy", &body).await;
        (
            status,
            shown["trust_policy"].clone(),
            shown["policy_source"].clone(),
        )
    };
    let command = json!("command");
    assert_eq!(
        set(json!({"trust_policy": "allowlist"})).await,
        (200, json!("allowlist"), command)
    );
    let configured = (200, json!("open"), json!("configuration"));
    assert_eq!(set(json!({"trust_policy": null})).await, configured);
    for bad in [
        json!({}),
        json!({"trust_policy": "closed"}),
        json!({"trust_policy": 1}),
    ] {
        assert_eq!(set(bad).await.0, 400);
    }
}

#[tokio::test]
async fn what_cannot_be_trusted_is_refused_and_changes_nothing() {
    let server = Server::start();
    let owner = server.owner();
    let url = "https://b.example";
    for (bad, name) in [
        (json!({}), "url"),
        (json!({"url": "b.example"}), "url"),
        (json!({"url": "https://10.0.0.1"}), "url"),
        (json!({"url": "http://localhost:7700"}), "url"),
        (json!({"url": "https://kite.internal"}), "url"),
        (json!({"url": "https://172.32.0.1"}), "url"),
        (json!({"url": "https://user@b.example"}), "url"),
        (json!({"url": "https://b.example/?x=1"}), "url"),
        (
            json!({"url": url, "relationship": "friend"}),
            "relationship",
        ),
        (json!({"url": url, "trust_policy": "Open"}), "trust_policy"),
        (json!({"url": url, "did": "did:key:z6Mk"}), "did"),
        (json!({"url": url, "api_key": "a b"}), "api_key"),
        (json!({"url": url, "api_key": ""}), "api_key"),
        (json!({"url": 1}), "url"),
    ] {
        let (status, refused) = put(&owner, bad.clone()).await;
        assert_eq!(status, 400, "{bad}: {refused}");
        let why = refused["error"].as_str().unwrap();
        assert!(why.starts_with(&format!("`{name}`")), "{bad}: {why}");
    }
    assert!(servers(&owner).await.is_empty());
    for path in ["/servers", "/servers?url=https%3A%2F%2Fnobody.example"] {
        let (status, _) = call(&owner, Method::DELETE, path, &json!(null)).await;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
}

#[tokio::test]
async fn the_switches_of_the_operator_let_inner_servers_be_trusted() {
    let server = Server::start_with(&["--allow-insecure-peers"]);
    let owner = server.owner();
    for (url, expected) in [
        ("http://127.0.0.1:7700", 200),
        ("http://localhost:7700", 200),
        ("https://10.0.0.1", 400),
        ("http://169.254.169.254", 400),
    ] {
        assert_eq!(put(&owner, json!({"url": url})).await.0, expected, "{url}");
    }
}

#[tokio::test]
async fn a_key_is_kept_sealed_and_shown_to_nobody() {
    let server = Server::start_on_files(&[]);
    let owner = server.owner();
    let secret = "hush-7d1f";
    let body = json!({"url": "https://b.example", "api_key": secret});
    let (status, shown) = put(&owner, body).await;
    assert_eq!((status, &shown["has_api_key"]), (200, &json!(true)));
    let trust = owner.get(TRUST).await;
    assert!(!trust.text.contains(secret) && !shown.to_string().contains(secret));
    assert!(!server.log().contains(secret));
    for file in ["kite.db", "kite.db-wal"] {
        let bytes = std::fs::read(server.data_dir().join(file)).unwrap_or_default();
        let has_it = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!has_it, "{file}");
    }
}

#[tokio::test]
async fn teams_trust_for_themselves_and_admins_alone_say_whom() {
    let dir = tempfile::TempDir::new().unwrap();
    let server = configured(&dir, FILE);
    let (owner, other) = (server.owner(), server.team("other"));
    assert_eq!(
        put(&owner, json!({"url": "https://b.example"})).await.0,
        200
    );
    let filed = (
        "https://other.example".to_owned(),
        "configuration".to_owned(),
    );
    assert_eq!(servers(&other).await, [filed]);
    let writer = server.key("other", "read,write");
    writer.get(TRUST).await.refused(403, "forbidden");
    let (status, _) = put(&writer, json!({"url": "https://c.example"})).await;
    assert_eq!(status, 403);
}

#[test]
fn the_verbs_say_what_they_did() {
    let dir = tempfile::TempDir::new().unwrap();
    let server = configured(&dir, FILE);
    let person = Person::at(&server);
    let trust = |args: &[&str]| person.kite(&[&["openintent", "trust"], args].concat());
    trust(&["list"])
        .stdout_has("https://Filed.example/  upstream")
        .stderr_has("the trust policy is open, as the server's configuration says")
        .succeeds();
    trust(&[
        "add",
        "https://filed.example",
        "--api-key",
        "-",
        "--trust-policy",
        "allowlist",
    ])
    .stdin("key-7d1f\n")
    .stdout_has("Trusting https://filed.example")
    .stdout_has("API key: kept")
    .stdout_lacks("key-7d1f")
    .stderr_lacks("key-7d1f")
    .succeeds();
    let listed = trust(&["list", "--json"]).succeeds().json();
    assert_eq!(listed["source"], "command");
    assert_eq!(listed["has_api_key"], true);
    trust(&["remove", "https://filed.example/"])
        .stdout_has("Removed https://filed.example")
        .stderr_has("counts again")
        .succeeds();
    trust(&["remove", "https://filed.example"])
        .stderr_has("kite serve --config")
        .exits(1);
    trust(&["remove", "https://nobody.example"])
        .stderr_has("trust list")
        .exits(3);
    trust(&["policy", "trustless"])
        .stdout_has("trustless, as a command")
        .succeeds();
    let shown = trust(&["policy", "--json"]).succeeds().json();
    assert_eq!(
        shown,
        json!({"trust_policy": "trustless", "policy_source": "command"})
    );
    trust(&["policy", "default"])
        .stdout_has("open, as the server's")
        .succeeds();
    trust(&["policy", "closed"])
        .stderr_has("`open`, `allowlist` or `trustless`")
        .exits(2);
    trust(&["add", "https://10.0.0.1"])
        .stderr_has("`url`")
        .exits(2);
}

#[test]
fn a_bad_file_is_refused_by_place_and_shows_no_key() {
    let dir = tempfile::TempDir::new().unwrap();
    let refusal = |toml: &str| {
        let path = dir.path().join("kite.toml");
        std::fs::write(&path, toml).unwrap();
        Person::new()
            .kite(&["serve", "--config", path.to_str().unwrap()])
            .stdout("")
            .exits(2)
            .stderr
    };
    let second = format!("{FILE}[[openintent.peers]]\nurl = \"https://10.0.0.1\"\n");
    let why = refusal(&second);
    assert!(
        why.contains("`openintent.peers[2].url` cannot be used"),
        "{why}"
    );
    let open_quote = "[[openintent.peers]]\nurl = \"https://a.example\"\napi_key = \"hush-7d1f\n";
    let why = refusal(open_quote);
    assert!(why.contains("line 3") && !why.contains("hush"), "{why}");
}

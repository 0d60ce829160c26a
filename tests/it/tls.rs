//! A server that speaks TLS itself: from login to event, renewed certificates, handshakes that do not end, bad files.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::authority::{Authority, Identity};
use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::http::Access;
use crate::support::server::Server;

/// A server with a certificate for 127.0.0.1.
struct Secure {
    server: Server,
    authority: Authority,
    dir: TempDir,
}

fn cert(dir: &Path) -> PathBuf {
    dir.join("cert.pem")
}

fn key(dir: &Path) -> PathBuf {
    dir.join("key.pem")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Puts an identity in place of the old one, as programs that renew certificates do it.
fn install(identity: &Identity, dir: &Path) {
    for (path, pem) in [
        (cert(dir), &identity.certificate),
        (key(dir), &identity.key),
    ] {
        let fresh = path.with_extension("new");
        fs::write(&fresh, pem).unwrap();
        fs::rename(&fresh, &path).unwrap();
    }
}

impl Secure {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(more: &[&str]) -> Self {
        let (authority, dir) = (Authority::new(), TempDir::new().unwrap());
        install(&authority.identify("127.0.0.1"), dir.path());
        authority.write(dir.path());
        let (cert, key) = (cert(dir.path()), key(dir.path()));
        let flags = ["--tls-cert", text(&cert), "--tls-key", text(&key)];
        Self {
            server: Server::start_with(&[&flags, more].concat()),
            authority,
            dir,
        }
    }

    fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    fn owner(&self) -> Access {
        self.server.owner()
    }

    fn address(&self) -> String {
        self.server.url().trim_start_matches("https://").to_owned()
    }

    /// A client that trusts one authority, whichever the server's is.
    fn client(authority: &Path) -> Client {
        let pem = fs::read(authority).unwrap();
        Client::builder()
            .no_proxy()
            .tls_certs_only([Certificate::from_pem(&pem).unwrap()])
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap()
    }

    /// Whether it is ready, as somebody sees it who trusts this authority.
    async fn is_ready(&self, authority: &Path) -> bool {
        let url = format!("{}/readyz", self.server.url());
        let answer = Self::client(authority).get(url).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }
}

#[test]
fn everything_works_over_tls_with_the_ca_of_the_server() {
    let secure = Secure::start();
    let owner = secure.owner();
    assert!(owner.url.starts_with("https://127.0.0.1:"), "{}", owner.url);
    assert!(
        owner.ws_url.starts_with("wss://127.0.0.1:"),
        "{}",
        owner.ws_url
    );
    let (person, ca) = (Person::new(), secure.ca_file());
    let with_ca = |args: &[&str]| person.kite(&[args, &["--ca-file", text(&ca)]].concat());
    with_ca(&["login", "--server", &owner.url, "--with-token"])
        .stdin(owner.key.clone())
        .succeeds();
    with_ca(&["agent", "register", "--name", "beta"]).succeeds();
    with_ca(&["agent", "send", "--to", "beta", "over tls"]).succeeds();
    with_ca(&["agent", "listen", "--count", "1", "--timeout", "10s"])
        .stdout_has("over tls")
        .succeeds();
    // Who does not trust that CA sends nothing.
    person
        .kite(&["agent", "send", "--to", "beta", "x"])
        .exits(5);
}

#[tokio::test]
async fn a_device_login_over_tls_names_a_page_over_tls() {
    let secure = Secure::start();
    let url = format!("{}/api/auth/device-code", secure.server.url());
    let answer = Secure::client(&secure.ca_file()).post(url).json(&json!({}));
    let answer = answer.send().await.unwrap().text().await.unwrap();
    let begun: Value = serde_json::from_str(&answer).unwrap();
    let page = begun["verification_url"].as_str().unwrap();
    let here = format!("https://{}/", secure.address());
    assert!(page.starts_with(&here), "{page}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let secure = Secure::start();
    let old_ca = secure.ca_file();
    assert!(secure.is_ready(&old_ca).await);
    // From another authority, so that a client tells the two apart.
    let (authority, elsewhere) = (Authority::new(), TempDir::new().unwrap());
    let new_ca = authority.write(elsewhere.path());
    install(&authority.identify("127.0.0.1"), secure.dir.path());
    let look = async || secure.is_ready(&new_ca).await.then_some(());
    eventually("the new certificate is shown", look).await;
    assert!(!secure.is_ready(&old_ca).await);
}

#[tokio::test]
async fn a_hangup_has_the_certificate_read_at_once_and_a_bad_one_is_not_taken() {
    let secure = Secure::start();
    let (authority, elsewhere) = (Authority::new(), TempDir::new().unwrap());
    let new_ca = authority.write(elsewhere.path());
    fs::write(key(secure.dir.path()), "no key").unwrap();
    secure.server.hang_up();
    secure
        .server
        .waits_to_say("SIGHUP: the old certificate stays");
    assert!(secure.is_ready(&secure.ca_file()).await);
    install(&authority.identify("127.0.0.1"), secure.dir.path());
    secure.server.hang_up();
    let said = "SIGHUP: the certificate was read again";
    secure.server.waits_to_say(said);
    assert!(secure.is_ready(&new_ca).await);
}

#[tokio::test]
async fn a_broken_renewal_leaves_the_old_certificate_and_says_so_once() {
    let secure = Secure::start();
    let ca = secure.ca_file();
    let sentence = "the renewed certificate cannot be used";
    let other_key = secure.authority.identify("127.0.0.1").key;
    fs::write(key(secure.dir.path()), other_key).unwrap();
    let look = async || {
        assert!(secure.is_ready(&ca).await, "the old one is shown");
        secure.server.log().contains(sentence).then_some(())
    };
    eventually("the server has noticed", look).await;
    // The right pair mends it.
    install(&secure.authority.identify("127.0.0.1"), secure.dir.path());
    let look = async || {
        assert!(secure.is_ready(&ca).await);
        let log = secure.server.log();
        log.contains("the certificate was renewed").then_some(())
    };
    eventually("the right pair is taken", look).await;
    assert_eq!(
        secure.server.log().matches(sentence).count(),
        2,
        "once, and once that it is over"
    );
}

#[tokio::test]
async fn handshakes_that_do_not_end_hold_up_nobody_and_are_ended() {
    let secure = Secure::start_with(&["--max-connections", "9"]);
    let mut stuck: Vec<TcpStream> = (0..8)
        .map(|_| TcpStream::connect(secure.address()).unwrap())
        .collect();
    // Half of a record's head.
    for stream in &mut stuck {
        stream.write_all(&[22, 3, 1]).unwrap();
    }
    assert!(secure.is_ready(&secure.ca_file()).await);
    // One more, and all places are taken until the server gives up on them.
    stuck.push(TcpStream::connect(secure.address()).unwrap());
    assert!(secure.is_ready(&secure.ca_file()).await);
    for mut stream in stuck {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let ended = stream.read(&mut [0; 100]);
        assert!(matches!(ended, Ok(0)), "{ended:?}");
    }
}

#[test]
fn who_speaks_plain_http_to_it_gets_no_answer() {
    let secure = Secure::start();
    let mut stream = TcpStream::connect(secure.address()).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut said = Vec::new();
    // It may end with a reset.
    let _ = stream.read_to_end(&mut said);
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1 200"));
}

#[test]
fn files_that_cannot_be_used_are_named_and_nothing_is_made() {
    let (person, dir, authority) = (Person::new(), TempDir::new().unwrap(), Authority::new());
    install(&authority.identify("127.0.0.1"), dir.path());
    let (cert, key) = (cert(dir.path()), key(dir.path()));
    let other = dir.path().join("other.pem");
    fs::write(&other, authority.identify("127.0.0.1").key).unwrap();
    let missing = dir.path().join("missing.pem");
    let data = dir.path().join("data");
    let serve = |more: &[&str]| {
        let base = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            text(&data),
        ];
        person.kite(&[&base, more].concat())
    };
    for (chain, secret, part) in [
        (&missing, &key, "missing.pem`: No such file"),
        (&cert, &missing, "missing.pem`: No such file"),
        (&key, &key, "key.pem` holds no PEM certificate"),
        (&cert, &cert, "cert.pem` holds no PEM private key"),
        (&cert, &other, "does not belong to the certificate"),
    ] {
        serve(&["--tls-cert", text(chain), "--tls-key", text(secret)])
            .stderr_has(part)
            .stderr_has("hint:")
            .exits(1);
    }
    serve(&["--tls-cert", text(&cert)])
        .stderr_has("`--tls-key`")
        .exits(2);
    serve(&["--tls-key", text(&key)])
        .stderr_has("`--tls-cert`")
        .exits(2);
    serve(&["--ca-file", text(&missing)])
        .stderr_has("missing.pem")
        .exits(2);
    assert!(!data.exists());
}

#[tokio::test]
async fn switches_that_widen_what_is_called_are_said_at_every_start() {
    let said = "is on: the server may call more than public addresses over https";
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("kite.toml");
    fs::write(&file, "[outbound]\nallow_plain_http = true\n").unwrap();
    let mut server = Server::start_with(&[
        "--config",
        text(&file),
        "--allow-insecure-peers",
        "--allow-private-networks",
    ]);
    for _ in 0..2 {
        for switch in [
            "allow_insecure_peers",
            "allow_private_networks",
            "allow_plain_http",
        ] {
            let line = format!("`{switch}` {said}");
            let look = async || server.log().contains(&line).then_some(());
            eventually("the server has said so", look).await;
        }
        server.stop();
        server.start_elsewhere();
    }
}

#[test]
fn the_identity_of_an_instance_is_made_once_and_sealed() {
    let mut server = Server::start_on_files(&[]);
    let length = "SELECT CAST(length(identity_key) AS TEXT) FROM instance";
    // A nonce of 12 bytes, 64 hex digits, a tag of 16.
    assert_eq!(server.sql(length), (12 + 64 + 16).to_string());
    let hex = "SELECT lower(hex(identity_key)) FROM instance";
    let first = server.sql(hex);
    server.stop();
    server.start_elsewhere();
    assert_eq!(server.sql(hex), first);
}

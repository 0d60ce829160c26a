//! The proxy itself, with the shipped configuration: only the addresses are the test's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kite::base::random;
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{program, root};
use crate::support::authority::{Authority, Identity};
use crate::support::cli::{Person, clean, split};
use crate::support::hooks::{Endpoint, signature};
use crate::support::http::{Answer, answer};
use crate::support::postgres::Cluster;
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::{GLANCE, PATIENCE, eventually};

/// As large as GitHub's bodies may be.
const GITHUB_MAX_BYTES: usize = 25 * 1024 * 1024;

/// How often another port is tried.
const ATTEMPTS_MAX: u32 = 5;

/// A port below those that the system gives out by itself: what others were given does not collide with it.
fn port() -> u16 {
    20_000 + u16::from_be_bytes(random::bytes()) % 12_000
}

/// The proxy before two nodes.
struct Proxy {
    dir: TempDir,
    process: Process,
    http: u16,
    https: u16,
    client: Client,
}

impl Proxy {
    /// Starts it, with a certificate for `localhost` made on the spot.
    fn before(nodes: [&str; 2]) -> Self {
        let dir = TempDir::new().unwrap();
        certify(dir.path());
        let certificate = fs::read(dir.path().join("ca.pem")).unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([Certificate::from_pem(&certificate).unwrap()])
            .redirect(Policy::none())
            // A fresh connection each: on one that was used before, a fault may also be said by closing it.
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        for _ in 0..ATTEMPTS_MAX {
            let (http, https) = (port(), port());
            let mut command = haproxy(&dir, nodes);
            command
                .env("HTTP_BIND", format!("127.0.0.1:{http}"))
                .env("HTTPS_BIND", format!("127.0.0.1:{https}"))
                // In the foreground, as one process.
                .arg("-db");
            let process = Process::start("haproxy", command, None);
            if listens(&process, https) {
                return Self {
                    dir,
                    process,
                    http,
                    https,
                    client,
                };
            }
        }
        panic!("the proxy found no free port");
    }

    /// Where clients find it.
    fn url(&self) -> String {
        format!("https://localhost:{}", self.https)
    }

    /// The CA that clients have to trust.
    fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Begins a login, which needs no key: a POST that any node answers.
    async fn begin_login(&self) -> Answer {
        let url = format!("{}/api/auth/device-code", self.url());
        answer(self.client.post(url)).await
    }

    async fn begin_logins(&self, count: u32) {
        for _ in 0..count {
            self.begin_login().await.expect(200);
        }
    }
}

/// Waits until the proxy listens; false when somebody else has the port.
fn listens(process: &Process, port: u16) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if process.stderr().contains("cannot bind") {
            return false;
        }
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        assert!(
            Instant::now() < deadline,
            "the proxy does not listen; {}",
            process.said()
        );
        std::thread::sleep(GLANCE);
    }
}

/// Makes `tls.pem` for `localhost`, and `ca.pem` for those who are to trust it.
fn certify(dir: &Path) {
    let authority = Authority::new();
    authority.write(dir);
    let Identity { certificate, key } = authority.identify("localhost");
    fs::write(dir.join("tls.pem"), certificate + &key).unwrap();
}

/// The proxy with the shipped configuration, for these nodes.
fn haproxy(dir: &TempDir, nodes: [&str; 2]) -> Command {
    let mut command = clean(program("haproxy", "haproxy").to_str().unwrap(), dir.path());
    command
        .env("NODE_1", nodes[0])
        .env("NODE_2", nodes[1])
        .env("TLS_PEM", dir.path().join("tls.pem"))
        .arg("-f")
        .arg(root().join("deploy/haproxy.cfg"));
    command
}

/// Where a server listens, without the scheme.
fn address(server: &Server) -> &str {
    server.url().trim_start_matches("http://")
}

#[test]
fn the_proxy_takes_its_configuration_without_a_warning() {
    let dir = TempDir::new().unwrap();
    certify(dir.path());
    let mut command = haproxy(&dir, ["127.0.0.1:7701", "127.0.0.1:7702"]);
    // A warning counts as an error.
    command.args(["-c", "-dW"]);
    let ended = Process::start("haproxy -c", command, None).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[tokio::test]
async fn requests_are_answered_while_one_node_is_away() {
    let mut nodes = [Server::start(), Server::start()];
    let proxy = Proxy::before([address(&nodes[0]), address(&nodes[1])]);
    proxy.begin_logins(4).await;
    for node in ["nodes/kite-1", "nodes/kite-2"] {
        proxy.process.wait_to_say(node);
    }

    // The proxy does not know it yet: what cannot be sent to one node goes to the other.
    nodes[1].kill();
    proxy.begin_logins(4).await;
    proxy.process.wait_to_say("nodes/kite-2 is DOWN");
    nodes[1].start_again();
    proxy.process.wait_to_say("nodes/kite-2 is UP");

    nodes[0].stop();
    proxy.begin_logins(4).await;

    nodes[1].stop();
    let refused = proxy.begin_login().await;
    refused.refused(503, "unavailable");
    assert_eq!(refused.headers[RETRY_AFTER], "1");
    assert_eq!(refused.json["retry_after_secs"], 1);
}

/// A node that says it is ready and dies over every other request; the methods of those.
async fn dying_node() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let methods = Arc::<Mutex<Vec<String>>>::default();
    let seen = methods.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let head = head(stream).await;
            if let Some((method, _)) = head.split_once(' ') {
                seen.lock().unwrap().push(method.to_owned());
            }
        }
    });
    (address, methods)
}

/// The head of a request that gets no answer; of the proxy's own question, which does, nothing.
async fn head(mut stream: TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    let head = String::from_utf8(head).unwrap();
    if head.starts_with("GET /readyz ") {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        // The proxy may have had enough after the first line.
        stream.write_all(answer).await.ok();
        return String::new();
    }
    head
}

#[tokio::test]
async fn what_a_node_took_without_an_answer_is_repeated_only_if_that_does_nothing_twice() {
    let server = Server::start();
    let (dying, methods) = dying_node().await;
    let proxy = Proxy::before([&dying, address(&server)]);
    let mut faults = 0;
    for _ in 0..4 {
        let url = format!("{}/healthz", proxy.url());
        answer(proxy.client.get(url)).await.expect(200);
        let begun = proxy.begin_login().await;
        if begun.status != 200 {
            begun.refused(502, "unavailable");
            faults += 1;
        }
    }
    let methods = methods.lock().unwrap();
    let seen = |method: &str| methods.iter().filter(|seen| *seen == method).count();
    assert!(seen("GET") > 0 && seen("POST") > 0, "{methods:?}");
    assert_eq!(seen("POST"), faults);
}

#[tokio::test]
async fn a_listener_and_a_large_post_pass_the_proxy() {
    let server = Server::start();
    // Nobody listens there, and nobody else gets the port.
    let away = TcpSocket::new_v4().unwrap();
    away.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = away.local_addr().unwrap().to_string();
    let proxy = Proxy::before([&nobody, address(&server)]);
    let ca_file = proxy.ca_file();
    let ca_file = ["--ca-file", ca_file.to_str().unwrap()];
    let owner = server.owner();
    let person = Person::new();
    let kite = |args: &[&str]| person.kite(&[&ca_file[..], args].concat());
    kite(&["login", "--server", &proxy.url(), "--with-token"])
        .stdin(format!("{}\n", owner.key))
        .succeeds();
    kite(&["agent", "register", "--name", "alpha"]).succeeds();
    let mut messages = person.listening(&[&ca_file[..], &["agent", "listen"]].concat());
    kite(&["agent", "send", "--to", "alpha", "hello"]).succeeds();
    let line = messages.line();
    assert!(split(&line).1.ends_with("→ alpha: hello"), "{line}");

    let mut events =
        person.listening(&[&ca_file[..], &["stream", "--json", "--source", "github"]].concat());
    let github = Endpoint::github(&owner).await;
    let mut body = vec![b'x'; GITHUB_MAX_BYTES];
    body[..6].copy_from_slice(b"{\"a\":\"");
    body[GITHUB_MAX_BYTES - 2..].copy_from_slice(b"\"}");
    let post = proxy
        .client
        .post(format!("{}{}", proxy.url(), github.path))
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", "push")
        .header("X-GitHub-Delivery", "d-1")
        .header("X-Hub-Signature-256", signature(&github.secret, &body));
    answer(post.body(body)).await.expect(202);
    let event = events.line();
    assert!(event.len() > GITHUB_MAX_BYTES, "{} bytes", event.len());
}

/// Two agents behind the proxy: one listens, one sends, and each node dies and returns in between.
#[tokio::test]
async fn a_listener_hears_everything_in_one_order_while_either_node_dies_and_returns() {
    let first = Server::start_on(&Cluster::shared().database());
    let second = first.another_node();
    let mut nodes = [first, second];
    let proxy = Proxy::before([address(&nodes[0]), address(&nodes[1])]);
    let ca_file = proxy.ca_file();
    let person = Person::new();
    let kite =
        |args: &[&str]| person.kite(&[&["--ca-file", ca_file.to_str().unwrap()], args].concat());
    kite(&["login", "--server", &proxy.url(), "--with-token"])
        .stdin(format!("{}\n", nodes[0].owner().key))
        .succeeds();
    kite(&["agent", "register", "--name", "alpha"]).succeeds();
    let listen = ["--ca-file", ca_file.to_str().unwrap(), "agent", "listen"];
    let mut messages = person.listening(&listen);
    let mut sent = Vec::new();
    for dying in [0, 1, 0, 1] {
        for dead in [false, true] {
            if dead {
                nodes[dying].kill();
            }
            for _ in 0..3 {
                let body = format!("message {}", sent.len());
                kite(&["agent", "send", "--to", "alpha", &body]).succeeds();
                sent.push(body);
            }
        }
        proxy
            .process
            .wait_to_say(&format!("nodes/kite-{} is DOWN", dying + 1));
        nodes[dying].start_again();
        answers_well(&nodes[dying]).await;
    }
    for body in &sent {
        let line = messages.line();
        assert!(
            line.ends_with(&format!(": {body}")),
            "`{line}` is not `{body}`"
        );
    }
    let log = nodes[0].owner().log().await;
    assert_eq!(log.len(), sent.len(), "each message is stored once");
}

/// Waits until a node is ready again.
async fn answers_well(node: &Server) {
    let owner = node.owner();
    eventually("the node is ready", || async {
        let health = answer(owner.bare(Method::GET, "/readyz")).await;
        (health.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_proxy_leads_to_tls_and_does_not_log_tokens() {
    let server = Server::start();
    let proxy = Proxy::before([address(&server), address(&server)]);
    let app = Endpoint::create(&server.owner(), serde_json::json!({"source": "my-app"})).await;
    let path = app.path_with_token();
    let plain = format!("http://127.0.0.1:{}{path}", proxy.http);
    let sent_on = answer(proxy.client.request(Method::POST, plain)).await;
    assert_eq!(sent_on.status, 308, "{sent_on:#?}");
    let target = sent_on.headers[LOCATION].to_str().unwrap();
    assert!(target.starts_with("https://127.0.0.1"), "{target}");

    let post = proxy.client.post(format!("{}{path}", proxy.url()));
    answer(post.body("{}")).await.expect(202);
    proxy.process.wait_to_say("POST /hooks 202");
    let log = proxy.process.stderr();
    assert!(!log.contains(&app.token), "{log}");
}

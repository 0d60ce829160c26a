//! The way out against servers of the tests' own: what goes through, what is refused, how faults are told apart.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

use super::{Answer, Dial, DialFault, Limits, Resolver, retry_after};
use crate::protocol::outbound::{Outbound, Refusal};
use crate::protocol::peer_url::PeerUrl;

const LIMITS: Limits = Limits {
    whole: Duration::from_secs(30),
    body_max_bytes: 1000,
};

const EMPTY: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// Answers from a list; the last one again and again.
#[derive(Default)]
struct Listed {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Listed {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolver for Listed {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        match answers.len() {
            0 => Err(io::Error::other("no such name")),
            1 => Ok(answers[0].clone()),
            _ => Ok(answers.pop_front().unwrap()),
        }
    }
}

/// What a server says, in bytes; nothing more comes on a connection whose reply is not complete.
type Reply = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A server that writes down what it hears. It ends with its runtime.
struct Other {
    address: SocketAddr,
    ca_file: PathBuf,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

/// How a server's certificate is wrong.
#[derive(Clone, Copy, PartialEq)]
enum Certificate {
    Good,
    Expired,
    OfAnother,
}

impl Other {
    async fn start(certificate: Certificate, reply: &'static [u8]) -> Self {
        Self::saying(certificate, Arc::new(|_| reply.to_vec()), None).await
    }

    /// With a barrier, an answer waits until so many requests have come.
    async fn saying(certificate: Certificate, reply: Reply, together: Option<usize>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, issuer.pem()).unwrap();
        let tls = acceptor(&issuer, certificate);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = Self {
            address: listener.local_addr().unwrap(),
            ca_file,
            heard: Arc::default(),
            connections: Arc::default(),
            _dir: dir,
        };
        let barrier = together.map(|count| Arc::new(Barrier::new(count)));
        let (heard, connections) = (other.heard.clone(), other.connections.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (tls, heard, reply) = (tls.clone(), heard.clone(), reply.clone());
                let barrier = barrier.clone();
                tokio::spawn(async move {
                    // Who does not trust it goes away.
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(stream, &heard, &reply, barrier).await;
                    }
                });
            }
        });
        other
    }

    fn url(&self, host: &str) -> PeerUrl {
        let text = format!(
            "https://{host}:{}/hooks/t/s3cret?q=s3cret",
            self.address.port()
        );
        text.parse().unwrap()
    }

    /// A way to it, for which names of this machine are allowed.
    fn dial(&self, resolver: Arc<Listed>) -> Dial {
        let outbound = Outbound {
            allow_insecure_peers: true,
            ..Outbound::default()
        };
        Dial::with_resolver(outbound, Some(&self.ca_file), resolver).unwrap()
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn acceptor(issuer: &CertifiedIssuer<'static, KeyPair>, certificate: Certificate) -> TlsAcceptor {
    let name = match certificate {
        Certificate::OfAnother => "other.example",
        _ => "kite.example",
    };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if certificate == Certificate::Expired {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    }
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers requests until the other side goes or a reply ends the connection.
async fn talk(
    mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    heard: &Mutex<Vec<String>>,
    reply: &Reply,
    barrier: Option<Arc<Barrier>>,
) {
    let mut read = Vec::new();
    loop {
        let Some(request) = take_request(&mut read) else {
            let mut part = [0; 4096];
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return,
                Ok(count) => read.extend_from_slice(&part[..count]),
            }
            continue;
        };
        heard.lock().unwrap().push(request.clone());
        if let Some(barrier) = &barrier {
            barrier.wait().await;
        }
        let said = reply(&request);
        if stream.write_all(&said).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        let head = String::from_utf8_lossy(&said).to_ascii_lowercase();
        if head.contains("connection: close") {
            // A rude server: no goodbye of TLS.
            return;
        }
    }
}

/// A request that came whole, head and body.
fn take_request(read: &mut Vec<u8>) -> Option<String> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let end = end + length.map_or(0, |length| length.parse::<usize>().unwrap());
    (read.len() >= end).then(|| String::from_utf8(read.drain(..end).collect()).unwrap())
}

async fn post(dial: &Dial, url: &PeerUrl) -> Result<Answer, DialFault> {
    let headers = [("authorization", "Bearer s3cret".to_owned())];
    let posted = dial
        .post(url, &headers, Bytes::from_static(b"{}"), LIMITS)
        .await;
    if let Err(fault) = &posted {
        let told = format!("{fault} {fault:?}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    posted
}

#[tokio::test]
async fn a_post_arrives_as_it_was_given_and_the_answer_comes_back() {
    let reply = b"HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno";
    let other = Other::start(Certificate::Good, reply).await;
    let dial = other.dial(Listed::new(&[&["127.0.0.1"]]));
    let answer = post(&dial, &other.url("kite.example")).await.unwrap();
    assert_eq!(
        answer,
        Answer {
            status: 429,
            retry_after: Some(Duration::from_secs(7)),
            body: Bytes::from_static(b"no"),
            is_cut: false,
        }
    );
    let heard = other.heard().remove(0).to_ascii_lowercase();
    assert!(
        heard.starts_with("post /hooks/t/s3cret?q=s3cret http/1.1\r\n"),
        "{heard}"
    );
    let host = format!("\r\nhost: kite.example:{}\r\n", other.address.port());
    for part in [&host, "\r\nauthorization: bearer s3cret\r\n", "\r\n\r\n{}"] {
        assert!(heard.contains(part), "{heard}");
    }
    assert!(!heard.contains("accept-encoding"), "{heard}");
    let got = dial.get(&other.url("kite.example"), &[], LIMITS).await;
    assert_eq!(got.unwrap().status, 429);
    assert!(other.heard()[1].starts_with("GET /hooks"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let reply =
        b"HTTP/1.1 307 Go\r\nlocation: https://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let other = Other::start(Certificate::Good, reply).await;
    let resolver = Listed::new(&[&["127.0.0.1"]]);
    let dial = other.dial(resolver.clone());
    let answer = post(&dial, &other.url("kite.example")).await.unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!((other.heard().len(), resolver.asked()), (1, 1));
}

#[tokio::test]
async fn an_address_is_never_asked_of_a_resolver_and_never_called_when_it_is_inside() {
    let other = Other::start(Certificate::Good, EMPTY).await;
    let resolver = Listed::new(&[&["8.8.8.8"]]);
    let dial = Dial::with_resolver(Outbound::default(), None, resolver.clone()).unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let fault = post(&dial, &other.url(host)).await.unwrap_err();
        assert!(
            matches!(fault, DialFault::Refused(Refusal::Loopback { .. })),
            "{fault:?}"
        );
    }
    for host in [
        "10.0.0.1",
        "169.254.169.254",
        "[::ffff:127.0.0.1]",
        "[fd00:ec2::254]",
    ] {
        let fault = post(&dial, &other.url(host)).await.unwrap_err();
        assert!(matches!(fault, DialFault::Refused(_)), "{fault:?}");
    }
    assert_eq!((resolver.asked(), other.connections()), (0, 0));
}

#[tokio::test]
async fn a_name_is_refused_if_any_of_its_addresses_is() {
    let other = Other::start(Certificate::Good, EMPTY).await;
    for answer in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["127.0.0.1", "8.8.8.8"],
        &["2606:4700::1111", "::ffff:127.0.0.1"],
        &[
            "8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9", "8.8.8.1", "8.8.8.2", "8.8.8.3", "8.8.8.4",
            "10.0.0.1",
        ],
    ] {
        let resolver = Listed::new(&[answer]);
        let outbound = Outbound::default();
        let dial = Dial::with_resolver(outbound, Some(&other.ca_file), resolver).unwrap();
        let fault = post(&dial, &other.url("kite.example")).await.unwrap_err();
        assert!(
            matches!(fault, DialFault::Refused(_)),
            "{answer:?} {fault:?}"
        );
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_name_that_turns_inside_is_refused_at_the_next_connection() {
    let reply = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    let other = Other::start(Certificate::Good, reply).await;
    let resolver = Listed::new(&[&["127.0.0.1"], &["10.0.0.1"], &["169.254.169.254"], &[]]);
    let dial = other.dial(resolver.clone());
    let url = other.url("kite.example");
    assert_eq!(post(&dial, &url).await.unwrap().status, 204);
    // One look-up for a connection: none that could answer something else between judging and connecting.
    assert_eq!(resolver.asked(), 1);
    let fault = post(&dial, &url).await.unwrap_err();
    assert!(
        matches!(&fault, DialFault::Refused(Refusal::Private { host }) if host == "kite.example"),
        "{fault:?}"
    );
    let fault = post(&dial, &url).await.unwrap_err();
    assert!(
        matches!(fault, DialFault::Refused(Refusal::Never { .. })),
        "{fault:?}"
    );
    let fault = post(&dial, &url).await.unwrap_err();
    assert!(matches!(fault, DialFault::Name(_)), "{fault:?}");
    assert_eq!((resolver.asked(), other.connections()), (4, 1));
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_a_fault_of_its_own() {
    let other = Other::start(Certificate::Good, EMPTY).await;
    let fault = post(&other.dial(Listed::new(&[])), &other.url("kite.example")).await;
    let fault = fault.unwrap_err();
    assert!(matches!(fault, DialFault::Name(_)), "{fault:?}");
    let words = "the name `kite.example` has no address: no such name";
    assert_eq!(fault.to_string(), words);
}

#[tokio::test]
async fn a_certificate_that_does_not_prove_it_is_told_in_words() {
    for (certificate, part) in [
        (Certificate::Expired, "its certificate has expired"),
        (
            Certificate::OfAnother,
            "its certificate is for another name",
        ),
    ] {
        let other = Other::start(certificate, EMPTY).await;
        let dial = other.dial(Listed::new(&[&["127.0.0.1"]]));
        let fault = post(&dial, &other.url("kite.example")).await.unwrap_err();
        assert!(matches!(fault, DialFault::Tls { .. }), "{fault:?}");
        assert!(fault.to_string().ends_with(part), "{fault}");
        assert_eq!(other.heard().len(), 0);
    }
    let (other, stranger) = (
        Other::start(Certificate::Good, EMPTY).await,
        Other::start(Certificate::Good, EMPTY).await,
    );
    let dial = stranger.dial(Listed::new(&[&["127.0.0.1"]]));
    let fault = post(&dial, &other.url("kite.example")).await.unwrap_err();
    assert!(fault.to_string().contains("`--ca-file`"), "{fault}");
}

#[tokio::test]
async fn no_more_of_an_answer_is_read_than_is_wanted_and_nothing_is_unpacked() {
    let endless: Reply = Arc::new(|_| {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 900000000000\r\n\r\n";
        [head.as_bytes(), &[b'x'; 100_000]].concat()
    });
    let other = Other::saying(Certificate::Good, endless, None).await;
    let dial = other.dial(Listed::new(&[&["127.0.0.1"]]));
    let answer = post(&dial, &other.url("kite.example")).await.unwrap();
    assert!(answer.is_cut);
    assert_eq!(answer.body, vec![b'x'; LIMITS.body_max_bytes]);
}

#[tokio::test]
async fn silence_a_break_and_a_closed_port_are_told_apart() {
    let silent = Other::start(Certificate::Good, b"").await;
    let dial = silent.dial(Listed::new(&[&["127.0.0.1"]]));
    let soon = Limits {
        whole: Duration::from_millis(300),
        ..LIMITS
    };
    let fault = dial.get(&silent.url("kite.example"), &[], soon).await;
    assert!(matches!(fault, Err(DialFault::Timeout { .. })), "{fault:?}");

    let reply = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\nab";
    let broken = Other::start(Certificate::Good, reply).await;
    let dial = broken.dial(Listed::new(&[&["127.0.0.1"]]));
    let fault = post(&dial, &broken.url("kite.example")).await.unwrap_err();
    assert!(matches!(fault, DialFault::Broken { .. }), "{fault:?}");

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url: PeerUrl = format!("https://kite.example:{port}/").parse().unwrap();
    let fault = post(&dial, &url).await.unwrap_err();
    assert!(matches!(fault, DialFault::Connect { .. }), "{fault:?}");
    assert!(fault.to_string().contains("refused"), "{fault}");
    assert!(!fault.to_string().contains("client error"), "{fault}");
}

#[tokio::test]
async fn sixty_four_posts_at_a_time_use_their_connections_again() {
    let reply: Reply = Arc::new(|_| EMPTY.to_vec());
    let other = Other::saying(Certificate::Good, reply, Some(64)).await;
    let dial = other.dial(Listed::new(&[&["127.0.0.1"]]));
    let url = other.url("kite.example");
    for _ in 0..3 {
        let posts = (0..64).map(|_| post(&dial, &url));
        let answers = futures_util::future::try_join_all(posts).await.unwrap();
        assert!(answers.iter().all(|answer| answer.status == 204));
    }
    assert_eq!(other.connections(), 64);
}

#[tokio::test]
async fn plain_http_goes_to_this_machine_only_when_it_is_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = [0; 4096];
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(EMPTY).await;
        }
    });
    let url: PeerUrl = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let outbound = Outbound {
        allow_insecure_peers: true,
        ..Outbound::default()
    };
    let dial = Dial::new(outbound, None).unwrap();
    assert_eq!(post(&dial, &url).await.unwrap().status, 204);
    let dial = Dial::new(Outbound::default(), None).unwrap();
    let fault = post(&dial, &url).await.unwrap_err();
    assert!(matches!(fault, DialFault::Refused(_)), "{fault:?}");
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_told_at_once_and_a_bad_header_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Dial::new(Outbound::default(), Some(&dir.path().join("none.pem"))).is_err());
    let other = Other::start(Certificate::Good, EMPTY).await;
    let dial = other.dial(Listed::new(&[&["127.0.0.1"]]));
    let headers = [("x-token", "a\r\nx-other: s3cret".to_owned())];
    let fault = dial
        .post(&other.url("kite.example"), &headers, Bytes::new(), LIMITS)
        .await;
    let fault = fault.unwrap_err();
    assert!(matches!(fault, DialFault::Header("x-token")), "{fault:?}");
    assert_eq!(other.connections(), 0);
}

#[test]
fn a_wait_is_a_number_or_a_date_against_the_answers_own() {
    let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    for (wanted, date, expected) in [
        ("7", None, Some(7)),
        (" 120 ", None, Some(120)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", now, Some(60)),
        ("Sun, 06 Nov 1994 08:40:00 GMT", now, Some(0)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", None, None),
        ("soon", now, None),
        ("-1", now, None),
        ("99999999999999999999", now, None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, wanted.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        let expected = expected.map(Duration::from_secs);
        assert_eq!(retry_after(&headers), expected, "{wanted}");
    }
}

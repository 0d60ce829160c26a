//! Peers whose name stands for something else than it did: for nothing, or for an address inside.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kite::base::clock::Clock;
use kite::federation::{Dial, Paperclip, Resolver};
use kite::protocol::outbound::Outbound;

use super::hook::{Hook, Reply};
use super::library::{Home, Library};
use super::site::Site;
use crate::support::eventually;

/// Answers from a list; the last one again and again. An empty answer is a name that nobody knows.
struct Listed(Mutex<VecDeque<Vec<IpAddr>>>);

impl Listed {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect())))
    }
}

#[async_trait]
impl Resolver for Listed {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(host, "kite.example");
        let mut answers = self.0.lock().unwrap();
        let answer = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        };
        match answer.is_empty() {
            true => Err(io::Error::other("no such name")),
            false => Ok(answer),
        }
    }
}

/// An instance that may call this machine, and a hook at `kite.example`, which is what these answers say. No connection is
/// used twice.
async fn instance(answers: &[&[&str]]) -> (Library, Hook) {
    let site = Site::new();
    let close = b"HTTP/1.1 202 So\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let identity = site.authority.identify("kite.example");
    let hook = Hook::start(&identity, |_, _, _| Reply::Breaks(close.to_vec())).await;
    let outbound = Outbound {
        allow_insecure_peers: true,
        ..Outbound::default()
    };
    let dial = Dial::with_resolver(outbound, Some(&site.ca_file()), Listed::new(answers)).unwrap();
    let instance = Home::new().await.start(Clock::system(), dial).await;
    instance
        .add(&hook.url("t").replace("localhost", "kite.example"))
        .await;
    (instance, hook)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_gone_delays_its_peer_until_it_is_back() {
    let (instance, hook) = instance(&[&[], &["127.0.0.1"]]).await;
    instance.emit("e-1").await;
    let failed = instance
        .until("the name is gone", |it| it.state.failures == 1)
        .await;
    let error = failed.state.last_error.unwrap();
    assert_eq!(
        error,
        "the name `kite.example` has no address: no such name"
    );
    let row = instance.rows().await.remove(0);
    assert_eq!(row.last_error.as_ref(), Some(&error));
    instance.until("it has arrived", |it| it.backlog == 0).await;
    assert_eq!(hook.counts("t")["e-1"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_turns_inside_after_the_registration_is_not_called_any_more() {
    for inside in [
        &["10.0.0.1"][..],
        &["169.254.169.254"],
        &["127.0.0.1", "192.168.0.1"],
        &["::ffff:127.0.0.1"],
        &["fd00:ec2::254"],
        &["100.100.100.200"],
    ] {
        let (instance, hook) = instance(&[&["127.0.0.1"], inside]).await;
        instance.emit("e-1").await;
        instance
            .until("the first has arrived", |it| it.backlog == 0)
            .await;
        let connections = hook.connections();
        for nth in 2..=7 {
            instance.emit(&format!("e-{nth}")).await;
        }
        let left = instance
            .until("it is left alone", |it| it.state.failures >= 5)
            .await;
        assert_eq!((left.backlog, left.dead), (6, 0), "{inside:?}");
        let error = left.state.last_error.unwrap();
        assert!(error.contains("kite.example"), "{error}");
        for ip in inside {
            // What the name stands for inside is nobody's business.
            assert!(!error.contains(ip), "{error}");
        }
        assert_eq!(hook.connections(), connections, "{inside:?}");
        assert_eq!(hook.counts("t").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paperclip_whose_name_turns_out_to_be_inside_is_not_called() {
    let outbound = Outbound::default();
    let paperclip = Paperclip::new("https://kite.example", None, &outbound).unwrap();
    let dial = Dial::with_resolver(outbound, None, Listed::new(&[&["10.0.0.1"]])).unwrap();
    let home = Home::new().await;
    let instance = home
        .start_beside(Some(paperclip), Clock::system(), dial)
        .await;
    // Its peer is made beside all else.
    let look = async || instance.store.paperclips().await.unwrap().pop();
    eventually("the team has its Paperclip", look).await;
    instance.tell("m-1").await;
    let refused = instance
        .until("it was refused", |it| it.state.failures > 0)
        .await;
    assert_eq!((refused.backlog, refused.dead), (1, 0));
    let error = refused.state.last_error.unwrap();
    assert!(error.contains("kite.example"), "{error}");
    assert!(error.contains("--allow-private-networks"), "{error}");
    assert!(!error.contains("10.0.0.1"), "{error}");
}

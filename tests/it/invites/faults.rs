//! Servers that are killed while they connect, and crowds that want to use one invitation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{JOIN, code, goes, join, open, peers, works_both_ways};
use crate::support::eventually;
use crate::support::http::{Access, try_answer};
use crate::support::postgres::Cluster;
use crate::support::relay::{Fate, Relay};
use crate::support::server::Server;

/// Two instances; the answers of the first to the second are held back, as long as that is wanted.
struct Pair {
    a: Server,
    b: Server,
    relay: Relay,
    holds: Arc<AtomicBool>,
}

impl Pair {
    async fn start(joiner: Server) -> Self {
        let holds = Arc::new(AtomicBool::new(true));
        let held = holds.clone();
        let relay = Relay::to("http://127.0.0.1:1", move |_| {
            match held.load(Ordering::Relaxed) {
                true => Fate::Held,
                false => Fate::Passed,
            }
        })
        .await;
        let flags = [
            "--instance-id",
            "kite-a",
            "--allow-insecure-peers",
            "--public-url",
            &relay.url,
        ];
        let a = Server::start_with(&flags);
        relay.lead_to(a.url());
        Self {
            a,
            b: joiner,
            relay,
            holds,
        }
    }

    /// Joins, which nobody is to wait for.
    fn join_in_vain(&self, code: &str) -> JoinHandle<()> {
        let (access, draft) = (self.b.owner(), json!({"code": code}).to_string());
        let request = access.request(reqwest::Method::POST, JOIN);
        let request = request
            .header("content-type", "application/json")
            .body(draft);
        tokio::spawn(async move {
            if let Ok(answer) = try_answer(request).await {
                assert_ne!(answer.status, 200, "{answer:#?}");
            }
        })
    }

    async fn is_asked(&self) {
        let was_asked = async || (!self.relay.posts().is_empty()).then_some(());
        eventually("the inviter is asked", was_asked).await;
    }

    async fn has_redeemed(&self) {
        let has_answered = async || (self.relay.answered(200) > 0).then_some(());
        eventually("the invitation is redeemed", has_answered).await;
    }

    /// Joins with the same code, which works: there is one connection, and events go both ways.
    async fn is_connected_by(&self, code: &str) {
        self.holds.store(false, Ordering::Relaxed);
        self.relay.lead_to(self.a.url());
        let (at_a, at_b) = (self.a.owner(), self.b.owner());
        works_both_ways(&join(&at_b, code).await.expect(200));
        assert_eq!(peers(&at_a).await.len(), 1);
        assert_eq!(peers(&at_b).await.len(), 1);
        goes(&at_a, &at_b, "there").await;
        goes(&at_b, &at_a, "back").await;
    }
}

async fn joiner_is_killed(joiner: Server) {
    let mut pair = Pair::start(joiner).await;
    let code = code(&pair.a.owner()).await;
    let joining = pair.join_in_vain(&code);
    pair.has_redeemed().await;
    pair.b.kill();
    joining.await.unwrap();
    pair.relay.cut();
    pair.b.start_again();
    assert_eq!(peers(&pair.a.owner()).await.len(), 1, "it was redeemed");
    assert!(peers(&pair.b.owner()).await.is_empty(), "and not stored");
    pair.is_connected_by(&code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joiner_that_is_killed_before_it_has_the_answer_joins_again_with_the_same_code() {
    joiner_is_killed(open("kite-b")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joiner_on_postgresql_that_is_killed_before_it_has_the_answer_joins_again_too() {
    joiner_is_killed(on_postgresql("kite-b")).await;
}

fn on_postgresql(id: &str) -> Server {
    let flags = ["--instance-id", id, "--allow-insecure-peers"];
    Server::start_on_with(&Cluster::shared().database(), &flags)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joiner_that_is_killed_and_comes_back_elsewhere_is_reached_where_it_is() {
    let mut pair = Pair::start(open("kite-b")).await;
    let code = code(&pair.a.owner()).await;
    let joining = pair.join_in_vain(&code);
    pair.has_redeemed().await;
    pair.b.kill();
    joining.await.unwrap();
    pair.relay.cut();
    pair.b.start_elsewhere();
    pair.is_connected_by(&code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inviter_that_is_killed_before_its_answer_is_out_is_asked_again_with_the_same_code() {
    let mut pair = Pair::start(open("kite-b")).await;
    let code = code(&pair.a.owner()).await;
    let joining = pair.join_in_vain(&code);
    pair.has_redeemed().await;
    pair.a.kill();
    pair.relay.cut();
    joining.await.unwrap();
    assert!(peers(&pair.b.owner()).await.is_empty());
    pair.a.start_again();
    assert_eq!(peers(&pair.a.owner()).await.len(), 1, "it was redeemed");
    pair.is_connected_by(&code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inviter_that_is_killed_before_it_has_judged_is_asked_again_with_the_same_code() {
    let mut pair = Pair::start(open("kite-b")).await;
    let code = code(&pair.a.owner()).await;
    pair.a.freeze();
    let joining = pair.join_in_vain(&code);
    pair.is_asked().await;
    pair.a.kill();
    pair.relay.cut();
    joining.await.unwrap();
    pair.a.start_again();
    assert!(
        peers(&pair.a.owner()).await.is_empty(),
        "nothing was redeemed"
    );
    pair.is_connected_by(&code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_crowds_with_one_code_one_instance_gets_in() {
    const EACH: usize = 5;
    let (a, b, c) = (open("kite-a"), open("kite-b"), on_postgresql("kite-c"));
    let (at_a, at_b, at_c) = (a.owner(), b.owner(), c.owner());
    let code = code(&at_a).await;
    let crowd = (0..EACH).flat_map(|_| [("kite-b", &at_b), ("kite-c", &at_c)]);
    let joins = crowd.map(async |(id, access)| (id, join(access, &code).await));
    let joined = join_all(joins).await;
    let [peer] = &peers(&at_a).await[..] else {
        panic!("one peer: {joined:#?}")
    };
    let winner = peer["peer_instance_id"].as_str().unwrap();
    for (id, answer) in joined {
        match id == winner {
            true => works_both_ways(&answer.expect(200)),
            false => answer.refused(409, "invite_used"),
        }
    }
    let (at_winner, at_loser) = match winner {
        "kite-b" => (&at_b, &at_c),
        _ => (&at_c, &at_b),
    };
    assert_eq!(peers(at_winner).await.len(), 1);
    assert!(peers(at_loser).await.is_empty());
    goes(&at_a, at_winner, "there").await;
    goes(at_winner, &at_a, "back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_join_at_the_same_moment_come_to_one_connection() {
    const EACH: usize = 3;
    let (a, b) = (on_postgresql("kite-a"), on_postgresql("kite-b"));
    let (other_a, other_b) = (a.another_node(), b.another_node());
    let places: [Access; 4] = [a.owner(), other_a.owner(), b.owner(), other_b.owner()];
    let [at_a, at_other_a, at_b, at_other_b] = &places;
    let code = code(at_a).await;
    let crowd = (0..EACH).flat_map(|_| [at_b, at_other_b]);
    let joins = crowd.map(async |access| join(access, &code).await);
    for joined in join_all(joins).await {
        works_both_ways(&joined.expect(200));
    }
    for place in &places {
        assert_eq!(peers(place).await.len(), 1);
    }
    goes(at_a, at_b, "there").await;
    goes(at_other_a, at_other_b, "there too").await;
    goes(at_b, at_a, "back").await;
    goes(at_other_b, at_other_a, "back too").await;
}

//! Several nodes on one database: whatever happens to one of them, all of them tell the same log (promises 1 to 3).

use std::time::Duration;

use kite::protocol::error::REPLACED;
use serde_json::json;

use crate::support::chance::{Dice, number};
use crate::support::eventually;
use crate::support::hooks::{Endpoint, call};
use crate::support::load::{Listener, Load, Nodes, settle};
use crate::support::postgres::Cluster;
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};

const ROUNDS: u64 = 10;
const SENDERS: usize = 4;

/// A kill comes after this many answers at most.
const ANSWERS_MAX: u64 = 60;

/// How long a node stands still: longer than senders wait, so that they go to the other node with what this one has taken.
const FREEZE: Duration = Duration::from_secs(7);

fn two_nodes() -> [Server; 2] {
    let first = Server::start_on(&Cluster::shared().database());
    let second = first.another_node();
    [first, second]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_killed_in_turns_lose_nothing_and_keep_one_order() {
    let rounds = number("KITE_CRASH_ROUNDS_POSTGRES", ROUNDS);
    let mut dice = Dice::new();
    let mut servers = two_nodes();
    let nodes = Nodes::new(&[&servers[0], &servers[1]]);
    // One that has to move at the first kill, one that has not.
    let moved = Listener::start(&nodes, "moved", 0).await;
    let stayed = Listener::start(&nodes, "stayed", 1).await;
    let load = Load::start(&nodes, SENDERS, 0);
    for node in (0..2).cycle().take(usize::try_from(rounds).unwrap()) {
        let answers = 1 + usize::try_from(dice.below(ANSWERS_MAX)).unwrap();
        load.acknowledges(answers).await;
        nodes.kill_and_restart(node, &mut servers[node]);
    }
    load.acknowledges(SENDERS).await;
    settle(&servers[0].owner(), load, &[&moved, &stayed]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_lose_their_connections_to_the_database_lose_nothing_else() {
    let database = Cluster::shared().database();
    let first = Server::start_on(&database);
    let servers = [first.another_node(), first];
    let nodes = Nodes::new(&[&servers[0], &servers[1]]);
    let listeners = [
        Listener::start(&nodes, "one", 0).await,
        Listener::start(&nodes, "two", 1).await,
    ];
    let load = Load::start(&nodes, SENDERS, 0);
    for round in 0..ROUNDS {
        load.acknowledges(SENDERS * 5).await;
        // In the middle of appends, and every second time only those that carry the news.
        let whose = if round % 2 == 0 { "%" } else { "%pg_notify%" };
        Cluster::shared().sql_in(
            &database,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'kite' AND datname = current_database() AND query LIKE '{whose}'"
            ),
        );
    }
    load.acknowledges(SENDERS * 5).await;
    let [one, two] = &listeners;
    settle(&servers[0].owner(), load, &[one, two]).await;
    for listener in &listeners {
        assert_eq!(listener.hearings().len(), 1, "its connection stood");
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_on_one_node_loses_its_connections_on_all() {
    let [first, second] = two_nodes();
    let (id, access) = second.key_with("default", &["--permissions", "read"]);
    let (mut socket, _) = Socket::connect(&access, &["*"], "listener").await;
    access.get("/api/v1/events").await.expect(200);
    call(&first.owner(), "keys.revoke", json!({"id": id})).await;
    socket.expect_refusal(4001).await;
    access
        .get("/api/v1/events")
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn an_endpoint_that_ends_on_one_node_ends_on_all() {
    let [first, second] = two_nodes();
    let made = Endpoint::create(&first.owner(), json!({"source": "my-app"})).await;
    let on_second = Endpoint {
        access: second.owner(),
        ..made.clone()
    };
    on_second.post_with_token(&[], "x").await.expect(202);
    call(&first.owner(), "hooks.deactivate", json!({"id": made.id})).await;
    eventually("the other node knows", || async {
        let status = on_second.post_with_token(&[], "x").await.status;
        (status != 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_two_nodes_that_prepare_the_same_hook_both_hand_out_the_same() {
    let [first, second] = two_nodes();
    let [one, two] = [first.owner(), second.owner()];
    let prepare = |access| call(access, "hooks.github.prepare_install", json!({}));
    let (one, two) = tokio::join!(prepare(&one), prepare(&two));
    for member in ["endpoint_with_token", "github_webhook_secret"] {
        assert_eq!(one[member], two[member]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_takes_nothing_back_and_lets_go_of_clients_that_have_moved() {
    // What the client acknowledges: in peace, to the node that stands still, to the other one.
    const IN_PEACE: u64 = 10;
    const IN_VAIN: u64 = 40;
    const AT_LAST: u64 = 20;
    let [frozen, other] = two_nodes();
    let nodes = Nodes::new(&[&frozen, &other]);
    let bystander = Listener::start(&nodes, "bystander", 1).await;
    let (mut old, _) = Socket::connect(&frozen.owner(), &["*"], "mover").await;
    let load = Load::start(&nodes, SENDERS, 0);
    for seq in 1..=IN_VAIN {
        assert_eq!(old.next_event().await["seq"], seq);
        if seq == IN_PEACE {
            old.ack(seq).await;
        }
    }

    frozen.freeze();
    old.ack(IN_VAIN).await;
    let (mut new, connected) = Socket::connect(&other.owner(), &["*"], "mover").await;
    let resumed = connected["last_seq"].as_u64().unwrap();
    assert!(resumed <= IN_PEACE, "{connected}");
    for seq in resumed + 1..=AT_LAST {
        assert_eq!(new.next_event().await["seq"], seq);
    }
    new.ack(AT_LAST).await;
    // Senders that wait for the frozen node give up in the end; then all go to the other one.
    nodes.withdraw(0);
    load.acknowledges(SENDERS * 10).await;
    tokio::time::sleep(FREEZE).await;
    frozen.thaw();

    expect_replaced(old).await;
    let log = settle(&other.owner(), load, &[&bystander]).await;
    new.cut();
    // Each node writes down first what it still knows of the client, then looks where it is.
    for node in [&other, &frozen] {
        let (mut socket, connected) = Socket::connect(&node.owner(), &["*"], "mover").await;
        assert_eq!(connected["last_seq"], AT_LAST);
        for entry in log.iter().skip(usize::try_from(AT_LAST).unwrap()) {
            assert_eq!(socket.next_event().await["seq"], entry.seq);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_given_up_takes_nothing_from_the_one_that_came_after_it() {
    let mut cluster = Cluster::start();
    let one = Server::start_on(&cluster.database());
    let other = one.another_node();
    for node in [&one, &other] {
        // The key is known to both from here on.
        Socket::connect(&node.owner(), &[], "").await.0.cut();
    }
    cluster.freeze();
    let mut live = Vec::new();
    for (number, node) in [&one, &other].into_iter().cycle().take(12).enumerate() {
        let frame = |node: &Server| connect_frame(&node.owner(), &["*"], &format!("c{number}"));
        let mut given_up = Socket::open(&one.owner().ws_url).await;
        given_up.send(&frame(&one)).await;
        // It may have got as far as the database.
        tokio::time::sleep(Duration::from_millis(30)).await;
        given_up.cut();
        let mut socket = Socket::open(&node.owner().ws_url).await;
        socket.send(&frame(node)).await;
        live.push(socket);
    }
    cluster.thaw();
    for socket in &mut live {
        let first = socket.next().await;
        assert_eq!(first["type"], "connected", "{first}");
        assert_eq!(socket.next().await["type"], "quota_snapshot");
    }
    for socket in &mut live {
        socket.expect_none().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_that_is_wrong_hides_nothing() {
    let database = Cluster::shared().database();
    let node = Server::start_on(&database);
    let access = node.owner();
    let (mut listener, _) = Socket::connect(&access, &["*"], "listener").await;
    let news = json!({"appended": [access.team, 1_000_000]}).to_string();
    let tell = format!("SELECT pg_notify('kite_' || 'public'::regnamespace::oid, '{news}')");
    for seq in 1..=3 {
        Cluster::shared().sql_in(&database, &tell);
        listener.expect_none().await;
        access.tell("alpha", "beta", "hello").await;
        assert_eq!(listener.next_event().await["seq"], seq);
    }
    listener.cut();
    Cluster::shared().sql_in(&database, &tell);
    access.tell("alpha", "beta", "hello").await;
    let (mut listener, _) = Socket::connect(&access, &["*"], "listener").await;
    for seq in 1..=4 {
        assert_eq!(listener.next_event().await["seq"], seq);
    }
}

/// Reads what was under way, then the farewell.
async fn expect_replaced(mut socket: Socket) {
    let farewell = loop {
        let frame = socket.next().await;
        if frame["type"] != "event" {
            break frame;
        }
    };
    let replaced = json!({"type": "error", "code": 4002, "message": REPLACED});
    assert_eq!(farewell, replaced);
    socket.expect_close(4002).await;
}

//! Instances that forward to each other in circles, under load from all of them.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::SENDERS;
use crate::support::account::Entry;
use crate::support::chance::number;
use crate::support::copy::check_copy;
use crate::support::instance::{Instance, UNLIMITED, befriend, link};
use crate::support::load::Load;

/// How many events go into a mesh, all instances together.
const EVENTS: u64 = 240;

async fn start(names: &[&str]) -> Vec<Instance> {
    let mut instances = Vec::new();
    for name in names {
        instances.push(Instance::start(name).await);
    }
    instances
}

async fn befriend_all(instances: &[Instance]) {
    for (number, one) in instances.iter().enumerate() {
        for other in &instances[number + 1..] {
            befriend(one, other).await;
        }
    }
}

/// What a flood came to.
struct Flood {
    /// How many events each instance has.
    events: usize,
    /// How often each of them was posted, all instances together.
    posts: BTreeMap<String, usize>,
    /// How often one was not sent to where it had been, all instances together.
    drops: usize,
}

/// Sends events to all instances at once, and checks that each has each event once and has settled it with each of so many
/// peers.
async fn flood(instances: &[Instance], peers: usize) -> Flood {
    let events = usize::try_from(number("KITE_CRASH_FEDERATION_EVENTS", EVENTS)).unwrap();
    let start = |instance: &Instance| Load::start(&instance.nodes, SENDERS, 0);
    let loads: Vec<_> = instances.iter().map(start).collect();
    join_all(
        loads
            .iter()
            .map(|load| load.acknowledges(events / instances.len())),
    )
    .await;
    let mut acknowledged = Vec::new();
    for load in loads {
        acknowledged.extend(load.stop().await.acknowledged_ids());
    }
    for instance in instances {
        instance.has(acknowledged.len()).await;
    }
    // What one has sent on, another one may have to send on.
    for _ in instances {
        for instance in instances {
            instance.is_drained().await;
        }
    }
    let mut logs: Vec<Vec<Entry>> = Vec::new();
    for instance in instances {
        logs.push(instance.log().await);
    }
    let all: Vec<&[Entry]> = logs.iter().map(Vec::as_slice).collect();
    let mut flood = Flood {
        events: logs[0].len(),
        posts: BTreeMap::new(),
        drops: 0,
    };
    for (instance, log) in instances.iter().zip(&logs) {
        check_copy(log, &all).unwrap_or_else(|fault| panic!("{}: {fault}", instance.name));
        for (id, times) in instance.relay.times() {
            *flood.posts.entry(id).or_default() += times;
        }
        flood.drops += instance.has_delivered_each_once(peers).await;
    }
    for id in acknowledged {
        assert!(flood.posts.contains_key(&id), "{id} was lost");
    }
    let (events, posts, drops) = (
        flood.events,
        flood.posts.values().sum::<usize>(),
        flood.drops,
    );
    eprintln!("{events} events, {posts} posts, {drops} drops");
    flood
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_ring_each_event_goes_round_and_is_not_sent_home() {
    let ring = start(&["a", "b", "c"]).await;
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        link(&ring[from], &ring[to], UNLIMITED).await;
    }
    let flood = flood(&ring, 1).await;
    let twice = |times: &usize| *times == 2;
    assert!(flood.posts.values().all(twice), "{:?}", flood.posts);
    assert_eq!(flood.drops, flood.events);
}

/// Meshes in which everybody is everybody's peer.
async fn is_flooded_once(names: &[&str]) {
    let mesh = start(names).await;
    befriend_all(&mesh).await;
    let others = names.len() - 1;
    let flood = flood(&mesh, others).await;
    let most = flood.posts.values().max().copied();
    assert!(most <= Some(names.len() * others), "{:?}", flood.posts);
    // Each but the first knows at least where it got it from.
    assert!(flood.drops >= flood.events * others, "{}", flood.drops);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_triangle_each_instance_has_each_event_once() {
    is_flooded_once(&["a", "b", "c"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_mesh_of_four_each_instance_has_each_event_once() {
    is_flooded_once(&["a", "b", "c", "d"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_triangle_each_instance_has_each_event_once_though_one_of_them_is_killed() {
    const KILLS: usize = 4;
    let mut mesh = start(&["a", "b", "c"]).await;
    befriend_all(&mesh).await;
    let start = |instance: &Instance| Load::start(&instance.nodes, SENDERS, 0);
    let loads: Vec<_> = mesh.iter().map(start).collect();
    for kill in 0..KILLS {
        join_all(loads.iter().map(|load| load.acknowledges(SENDERS * 5))).await;
        mesh[kill % 3].kill_and_revive();
    }
    let mut acknowledged = Vec::new();
    for load in loads {
        load.acknowledges(SENDERS).await;
        acknowledged.extend(load.stop().await.acknowledged_ids());
    }
    for instance in &mesh {
        instance.has(acknowledged.len()).await;
    }
    for _ in &mesh {
        for instance in &mesh {
            instance.is_drained().await;
        }
    }
    let mut logs = Vec::new();
    for instance in &mesh {
        logs.push(instance.log().await);
        instance.has_delivered_each_once(2).await;
    }
    let all: Vec<&[Entry]> = logs.iter().map(Vec::as_slice).collect();
    for log in &logs {
        check_copy(log, &all).unwrap();
    }
    let stored: Vec<_> = logs[0].iter().map(|entry| &entry.id).collect();
    let lost = acknowledged.iter().find(|id| !stored.contains(id));
    assert_eq!(lost, None);
}

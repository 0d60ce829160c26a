//! How far an event goes from instance to instance: no further than the limit, never twice to one, whatever it says of itself.

use kite::protocol::event::Event;
use kite::protocol::forward::{Destination, Provenance, Transit, TypeScopes};
use serde_json::{Value, json};

use super::site::Site;
use crate::support::hooks::signature;

/// Sends an event along a chain of instances that all have this limit; how many forwards it made.
fn travelled(mut event: Event, max_hops: u64) -> u64 {
    let scopes = TypeScopes::parse(vec!["*".to_owned()]).unwrap();
    for at in 0..100 {
        let (here, next) = (format!("instance-{at}"), format!("instance-{}", at + 1));
        let destination = Destination {
            instance_id: &next,
            scopes: &scopes,
            max_hops,
        };
        let judged = Transit::of(&event).judge(&event.kind, &here, destination);
        if judged.unwrap().is_err() {
            return at;
        }
        let provenance = Provenance::of(&event).unwrap();
        // As it is written and read on the way.
        let sent = provenance.forward(&event, &here.parse().unwrap()).to_text();
        event = Event::parse(&sent).unwrap();
        let there = Provenance::of(&event).unwrap();
        assert_eq!(
            there.refuse(&next, max_hops),
            None,
            "what may be sent is taken: {sent}"
        );
        assert_eq!(there.hops, at + 1);
    }
    panic!("it goes on without an end");
}

fn event(members: &Value) -> Event {
    let mut event = json!({"specversion": "1.0", "id": "i", "source": "s", "type": "t"});
    event
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    Event::parse(&event.to_string()).unwrap()
}

#[test]
fn an_event_goes_as_far_as_the_limit_says_for_each_limit_from_1_to_16() {
    for max_hops in 1..=16 {
        assert_eq!(travelled(event(&json!({})), max_hops), max_hops);
    }
}

#[test]
fn who_lies_about_the_hops_or_the_chain_gains_nothing() {
    let chain = |length: usize| {
        let links: Vec<String> = (0..length).map(|n| format!("liar-{n}")).collect();
        serde_json::to_string(&links).unwrap()
    };
    for max_hops in 1..=16_usize {
        for length in 0..=max_hops + 2 {
            for hops in 0..=max_hops + 2 {
                let members = json!({"kitefedchain": chain(length), "kitefedhops": hops});
                let declined = Provenance::of(&event(&members)).unwrap();
                let declined = declined.decline("t", &["b", "a"], max_hops as u64);
                // The greater of the two counts.
                let is_far = length.max(hops) >= max_hops;
                assert_eq!(declined.is_some(), is_far, "{max_hops} {length} {hops}");
            }
        }
    }
    let far = json!({"kitefedchain": "[]", "kitefedhops": i32::MAX});
    assert_eq!(travelled(event(&far), 16), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_ring_of_three_each_has_each_event_once() {
    let site = Site::new();
    let instances = ["a", "b", "c"].map(|id| site.secure_instance(id));
    for (nth, instance) in instances.iter().enumerate() {
        instance.connect(&instances[(nth + 1) % 3], 16).await;
    }
    for instance in &instances {
        for nth in 0..5 {
            instance.emit(&format!("{}-{nth}", instance.id)).await;
        }
    }
    for instance in &instances {
        instance.has(15).await;
    }
    // All that was to be forwarded was answered: nothing more can come.
    for instance in &instances {
        for other in instances.iter().filter(|other| other.id != instance.id) {
            instance
                .until(&other.id, "has all", |health| health["backlog"] == 0)
                .await;
        }
    }
    for instance in &instances {
        let mut ids = instance.ids().await;
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), instance.ids().await.len()), (15, 15));
        for listed in instance.owner.log().await {
            let event = &listed["event"];
            let chain: Vec<String> =
                serde_json::from_str(event["kitefedchain"].as_str().unwrap_or("[]")).unwrap();
            assert!(!chain.contains(&instance.id), "{event}");
            let origin = event["id"].as_str().unwrap().split('-').next();
            assert_eq!(
                chain.first().map(String::as_str),
                origin.filter(|it| *it != instance.id)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_three_ends_at_the_limit_and_says_where_it_ended() {
    let site = Site::new();
    let [a, b, c] = ["a", "b", "c"].map(|id| site.secure_instance(id));
    // From b to c nothing may have come from elsewhere.
    a.connect(&b, 3).await;
    b.connect(&c, 1).await;
    a.emit("of-a").await;
    b.has(1).await;
    b.emit("of-b").await;
    assert_eq!(c.has(1).await, ["of-b"]);
    b.until("c", "has all", |health| health["backlog"] == 0)
        .await;
    assert_eq!(c.ids().await, ["of-b"]);
    let peers = b.owner.get("/api/federation/peers").await.expect(200);
    let peers = peers.as_array().unwrap();
    let of = |name: &str| peers.iter().find(|peer| peer["name"] == name).unwrap();
    let dropped = |rows: Vec<Value>| -> Vec<Value> {
        rows.into_iter().filter(|row| row["attempt"] == 0).collect()
    };
    let to_c = dropped(b.attempts(of("c")).await);
    assert_eq!(to_c.len(), 1, "{to_c:?}");
    assert_eq!(to_c[0]["event_id"], "of-a");
    assert!(
        to_c[0]["error"]
            .as_str()
            .unwrap()
            .contains("1 is the limit"),
        "{to_c:?}"
    );
    let to_a = dropped(b.attempts(of("a")).await);
    assert_eq!(to_a.len(), 1, "{to_a:?}");
    assert!(
        to_a[0]["error"]
            .as_str()
            .unwrap()
            .contains("`a` is in its chain"),
        "{to_a:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_chain_was_cut_off_on_the_way_comes_home_as_a_duplicate() {
    let site = Site::new();
    let liar = site.hook(|_, _, _| super::hook::Reply::status(202)).await;
    let a = site.secure_instance("a");
    let peer = a.add("liar", &liar.url("liar")).await;
    let token = peer["inbound_token"].as_str().unwrap();
    a.emit("e-1").await;
    liar.has_come("liar", 1).await;
    let heard = liar.events("liar").remove(0);
    assert_eq!(heard["kitefedchain"], r#"["a"]"#);
    let post = async |changed: &Value| {
        let body = changed.to_string();
        let path = format!("/hooks/{}/kite", a.owner.team);
        let request = a.owner.bare(reqwest::Method::POST, &path);
        let request = request
            .header("Authorization", format!("Bearer {token}"))
            .header("X-Kite-Signature", signature(token, body.as_bytes()))
            .header("Content-Type", "application/cloudevents+json");
        crate::support::http::answer(request.body(body)).await
    };
    // As it came: a loop.
    assert_eq!(post(&heard).await.expect(200)["status"], "loop_dropped");
    let lies = [
        json!({"kitefedorigin": "liar", "kitefedchain": "[\"liar\"]", "kitefedhops": 1}),
        json!({"kitefedorigin": "x", "kitefedchain": "[]", "kitefedhops": 0}),
        json!({"kitefedorigin": null, "kitefedchain": null, "kitefedhops": null}),
        json!({"kitefedorigin": "A", "kitefedchain": "[\"A\"]", "kitefedhops": "1"}),
    ];
    for lie in lies {
        let mut event = heard.clone();
        let members = event.as_object_mut().unwrap();
        for (name, value) in lie.as_object().unwrap() {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        assert_eq!(
            post(&event).await.expect(200)["status"],
            "duplicate_ignored",
            "{lie}"
        );
    }
    for lie in [
        json!({"kitefedhops": -1}),
        json!({"kitefedhops": "-1"}),
        json!({"kitefedhops": 1.5}),
        json!({"kitefedchain": "liar"}),
        json!({"kitefedchain": "[1]"}),
        json!({"kitefedchain": ["liar"]}),
        json!({"kitefedchain": "{}"}),
    ] {
        let mut event = heard.clone();
        event["id"] = "e-new".into();
        event
            .as_object_mut()
            .unwrap()
            .extend(lie.as_object().unwrap().clone());
        post(&event).await.refused(400, "bad_request");
    }
    assert_eq!(a.ids().await, ["e-1"]);
    assert_eq!(liar.counts("liar"), [("e-1".to_owned(), 1)].into());
}

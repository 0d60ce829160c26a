//! The peer that stands for Paperclip: one to a team, and messages for agents of this instance alone go to it.

use kite::protocol::event::Event;
use kite::protocol::federation::{PeerKind, PeerStatus};
use kite::store::Store;
use kite::store::federation::{InboundToken, NewPeer, PEERS_MAX, PeerRecord};
use kite::store::record::NewEvent;
use serde_json::{Value, json};

use super::super::{event, id, postgres, sqlite};
use super::{append, draft, exists, peer, set_status};

contract! {
    messages_for_agents_of_this_instance_go_to_paperclip_and_nothing_else_does,
    a_team_has_one_paperclip_beside_its_peers,
    teams_are_asked_for_until_they_have_one,
}

fn paperclip(team: &str) -> NewPeer {
    NewPeer {
        team: id(team),
        id: format!("id-of-paperclip-of-{team}"),
        kind: PeerKind::Paperclip,
        scopes: super::scopes(&["com.kite.agent.message"]),
        outbound_token: Vec::new(),
        inbound: InboundToken {
            index: [0; 32],
            hash: String::new(),
        },
        ..draft("paperclip")
    }
}

async fn create(store: &dyn Store, team: &str) -> PeerRecord {
    store.create_peer(paperclip(team)).await.unwrap()
}

fn message(name: &str, more: &Value) -> NewEvent {
    let mut text = json!({"specversion": "1.0", "id": name, "source": "s", "type": "com.kite.agent.message",
        "data": {"from": "a", "to": "b", "body": "x"}});
    let members = more.as_object().unwrap().clone();
    text.as_object_mut().unwrap().extend(members);
    let event = Event::parse(&text.to_string()).unwrap();
    NewEvent::new(id("acme"), &event, 5, None)
}

async fn messages_for_agents_of_this_instance_go_to_paperclip_and_nothing_else_does(
    store: &dyn Store,
) {
    let (b, to) = (peer(store, "b").await, create(store, "acme").await);
    let chain = r#"["x","y","z","paperclip","instance-paperclip"]"#;
    let events = vec![
        message("plain", &json!({})),
        message(
            "from afar",
            &json!({"kitefedchain": chain, "kitefedhops": 5}),
        ),
        message("for b", &json!({"kitetoinstance": "instance-b"})),
        message(
            "for it as a peer",
            &json!({"kitetoinstance": "instance-paperclip"}),
        ),
        message("for nobody", &json!({"data": {"body": "x"}})),
        event("acme", "note", 5),
    ];
    let stored = append(store, events).await;
    let forwards: Vec<_> = stored.into_iter().map(|it| it.forwards).collect();
    let (b, to) = (b.number, to.number);
    let expected = [vec![b, to], vec![to], vec![b], vec![], vec![b], vec![b]];
    assert_eq!(forwards, expected);
    let told = super::deliveries(store).await;
    assert!(
        told.iter().all(|it| it.peer_id == "id-of-b"),
        "what does not go to Paperclip is no drop: {told:?}"
    );
}

async fn a_team_has_one_paperclip_beside_its_peers(store: &dyn Store) {
    for n in 0..PEERS_MAX {
        peer(store, &format!("p{n}")).await;
    }
    let first = create(store, "acme").await;
    let second = NewPeer {
        id: "second".to_owned(),
        name: "second".to_owned(),
        instance_id: "second".to_owned(),
        ..paperclip("acme")
    };
    let what = exists(store.create_peer(second.clone()).await);
    assert_eq!(what, "the team's Paperclip");
    set_status(store, &first, PeerStatus::Deleted).await;
    store.create_peer(second).await.unwrap();
}

async fn teams_are_asked_for_until_they_have_one(store: &dyn Store) {
    peer(store, "b").await;
    let without = async || store.teams_without_paperclip().await.unwrap();
    assert_eq!(without().await, [id("acme"), id("rival")]);
    let first = create(store, "acme").await;
    assert_eq!(without().await, [id("rival")]);
    let second = create(store, "rival").await;
    assert!(without().await.is_empty());
    let all = store.paperclips().await.unwrap();
    assert_eq!(all, [first.clone(), second]);
    set_status(store, &first, PeerStatus::Revoked).await;
    assert!(without().await.is_empty(), "a revoked one is there");
    set_status(store, &first, PeerStatus::Deleted).await;
    assert_eq!(without().await, [id("acme")]);
    assert_eq!(store.paperclips().await.unwrap().len(), 1);
}

//! A team that has one of everything, several times, and a neighbour that has nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Access, Answer, answer, escaped};
use crate::support::openintent::{Node, address};
use crate::support::party::Party;
use crate::support::receiver::Receiver;
use crate::support::server::Server;

/// A word that stands in all names that the team has chosen. Nobody else may read it.
pub(super) const MARK: &str = "heron";

/// A word that stands in the data of its events alone.
pub(super) const PLUMAGE: &str = "plumage";

/// How many there are of each thing: one to look at, and some that are used up.
const SPARES: usize = 8;

/// What a team can have, by what it is called in paths, queries and bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Agent,
    Event,
    Key,
    /// An endpoint, by its id.
    Endpoint,
    /// An endpoint, by its source.
    Source,
    Peer,
    Token,
    Invite,
    Letter,
    Intent,
    Dispatch,
    /// A server that is trusted, by its URL.
    Server,
}

/// The team and its things.
pub(super) struct Estate {
    node: Node,
    /// The team's admin.
    pub(super) owner: Access,
    /// The neighbour's.
    pub(super) other: Access,
    /// What a webhook of the team shows.
    pub(super) hook_token: String,
    things: Vec<(Thing, Vec<String>)>,
    _party: Party,
    _refusing: Receiver,
}

/// What the owner sees of everything.
pub(super) type Seen = Vec<(&'static str, Value)>;

/// Where servers are trusted.
const SERVERS: &str = "/api/openintent/trust/servers";

/// What shows all that a team has.
const LISTS: [&str; 16] = [
    "/api/v1/agents",
    "/api/v1/events?after_seq=0&limit=1000",
    "/api/v1/hooks",
    "/api/v1/keys",
    "/api/v1/stats",
    "/api/v1/federation/agents",
    "/api/v1/federation/status",
    "/api/federation/dead-letters?limit=1000",
    "/api/federation/deliveries?limit=1000",
    "/api/federation/invites",
    "/api/federation/outbox?limit=1000",
    "/api/federation/peers",
    "/api/federation/tokens",
    "/api/openintent/dispatches",
    "/api/openintent/intents",
    "/api/openintent/trust",
];

impl Estate {
    /// A server with the team on it. Callers speak through a proxy, so that each can come from an address of its own.
    pub(super) async fn found() -> Self {
        let (party, refusing) = (Party::start(), Receiver::answering(|_| Some(400)));
        let address = address();
        let url = format!("http://{address}");
        let more = [
            "--public-url",
            &url,
            "--allow-insecure-peers",
            "--trusted-proxies",
            "127.0.0.0/8",
        ];
        let node = Node::start_with(&address, &url, "enabled = true\n", &more);
        let (owner, other) = (node.server.team(MARK), node.server.team("wren"));
        let mut estate = Self {
            node,
            owner,
            other,
            hook_token: String::new(),
            things: Vec::new(),
            _party: party,
            _refusing: refusing,
        };
        estate.settle().await;
        estate
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        &self.node.server
    }

    /// Calls with the key of the team's admin.
    pub(super) async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = self.owner.request(method, path);
        let request = request.header("x-api-key", &self.owner.key);
        let request = request.header("content-type", "application/json");
        answer(request.body(body.to_owned())).await
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        let method = match path {
            SERVERS => Method::PUT,
            _ => Method::POST,
        };
        let made = self.ask(method, path, &body.to_string()).await;
        assert!([200, 201, 202].contains(&made.status), "{path}: {made:#?}");
        made.json
    }

    /// Makes as many of a thing as there have to be: each path and body, and the member of the answer that names it.
    async fn several(
        &mut self,
        thing: Thing,
        member: &str,
        draft: impl Fn(usize) -> (&'static str, Value),
    ) {
        let mut names = Vec::new();
        for number in 0..SPARES {
            let (path, body) = draft(number);
            let made = self.make(path, body).await;
            names.push(made[member].as_str().unwrap().to_owned());
        }
        self.things.push((thing, names));
    }

    async fn settle(&mut self) {
        let hook = self._refusing.url.clone();
        let peer = |name: String, scope: &str| {
            let body = json!({"peer_instance_id": name, "peer_hook_url": hook, "scopes": [scope]});
            ("/api/federation/peers", body)
        };
        self.several(Thing::Peer, "id", |n| match n {
            0 => peer(format!("heron-peer-{n}"), "com.heron.forwarded"),
            _ => peer(format!("heron-peer-{n}"), "com.never"),
        })
        .await;
        let agents = (0..SPARES).map(|n| format!("heron-agent-{n}"));
        let agents: Vec<String> = agents.collect();
        for agent in &agents {
            let path = format!("/api/v1/agents/{agent}");
            let named = r#"{"name": "Heron"}"#;
            self.ask(Method::PUT, &path, named).await.expect(200);
        }
        self.things.push((Thing::Agent, agents));
        self.several(Thing::Key, "id", |n| {
            ("/api/v1/keys", json!({"name": format!("heron key {n}")}))
        })
        .await;
        self.several(Thing::Endpoint, "id", |n| {
            ("/api/v1/hooks", json!({"source": format!("heron-app-{n}")}))
        })
        .await;
        self.several(Thing::Source, "source", |n| {
            let source = format!("heron-source-{n}");
            (
                "/api/v1/hooks",
                json!({"source": source, "webhook_secret": "s"}),
            )
        })
        .await;
        let door = json!({"source": "heron-door"});
        let door = self.make("/api/v1/hooks", door).await;
        self.hook_token = door["hook_token"].as_str().unwrap().to_owned();
        self.several(Thing::Token, "id", |n| {
            let label = json!({"label": format!("heron token {n}")});
            ("/api/federation/tokens", label)
        })
        .await;
        self.several(Thing::Invite, "id", |n| {
            let name = json!({"name": format!("heron invite {n}")});
            ("/api/federation/invites", name)
        })
        .await;
        self.several(Thing::Server, "url", |n| {
            let url = json!({"url": format!("https://heron-{n}.invalid")});
            (SERVERS, url)
        })
        .await;
        self.several(Thing::Event, "id", |n| {
            ("/api/v1/events", event(&format!("heron-event-{n}")))
        })
        .await;
        self.exchange().await;
        self.give_up().await;
    }

    /// Intents for the team's agents, and some for another server.
    async fn exchange(&mut self) {
        self.several(Thing::Intent, "intent_id", |n| {
            let intent = json!({"agent_id": "heron-agent-0", "assigned_by": "heron-boss",
                "title": format!("heron work {n}"), "description": PLUMAGE});
            ("/api/openintent/intents", intent)
        })
        .await;
        let url = self._party.url.clone();
        let trusted = json!({"url": url});
        self.make(SERVERS, trusted).await;
        self.several(Thing::Dispatch, "dispatch_id", |n| {
            let order = json!({"intent_id": format!("heron-intent-{n}"), "intent_title": PLUMAGE,
                "target_server": url});
            ("/api/v1/federation/dispatch", order)
        })
        .await;
        let path = "/api/openintent/dispatches";
        eventually("all dispatches are delivered", async || {
            let listed = self.ask(Method::GET, path, "").await.expect(200);
            let listed = listed["dispatches"].as_array().unwrap().clone();
            let there = listed.iter().filter(|it| it["status"] == "delivered");
            (there.count() == SPARES).then_some(())
        })
        .await;
    }

    /// Events that their peer refuses.
    async fn give_up(&mut self) {
        for number in 0..SPARES {
            let mut event = event(&format!("heron-letter-{number}"));
            event["type"] = "com.heron.forwarded".into();
            self.make("/api/v1/events", event).await;
        }
        let path = "/api/federation/dead-letters";
        let letters = eventually("all letters are there", async || {
            let listed = self.ask(Method::GET, path, "").await.expect(200);
            let listed = listed.as_array().unwrap().clone();
            (listed.len() == SPARES).then_some(listed)
        })
        .await;
        let ids = letters
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned());
        self.things.push((Thing::Letter, ids.collect()));
    }

    fn named(&mut self, thing: Thing) -> &mut Vec<String> {
        let found = self.things.iter_mut().find(|(own, _)| *own == thing);
        &mut found.expect("there are some of each").1
    }

    /// The name of one that stays.
    pub(super) fn first(&self, thing: Thing) -> &str {
        let found = self.things.iter().find(|(own, _)| *own == thing);
        &found.expect("there are some of each").1[0]
    }

    /// The name of one that is used up.
    pub(super) fn take(&mut self, thing: Thing) -> String {
        let names = self.named(thing);
        assert!(names.len() > 1, "there are too few spares of {thing:?}");
        names.pop().expect("there are two")
    }

    /// All that the team has, as its admin sees it.
    pub(super) async fn seen(&self) -> Seen {
        let mut seen = Vec::new();
        for path in LISTS {
            let mut list = self.ask(Method::GET, path, "").await.expect(200);
            still(&mut list);
            seen.push((path, list));
        }
        seen
    }
}

/// An event of the team's.
fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "type": "com.heron", "source": "https://heron", "id": id,
        "data": {"body": PLUMAGE}})
}

/// Takes out what changes by looking.
fn still(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("last_used_at");
            members.remove("last_seen_at");
            members.values_mut().for_each(still);
        }
        Value::Array(items) => items.iter_mut().for_each(still),
        _ => {}
    }
}

/// The name of a thing of the same kind that nobody has.
pub(super) fn nobodys(name: &str) -> String {
    match name.contains(MARK) {
        true => name.replace(MARK, "egret"),
        // The first digits of an id are of the time: this one lies far ahead.
        false => format!("f{}", &name[1..]),
    }
}

/// A name as it stands in a path or query.
pub(super) fn in_path(name: &str) -> String {
    escaped(name)
}

//! Other instances, as a server sees them: a peer in its database, and posts signed by code of the tests' own.

use std::sync::Arc;

use kite::base::random::{bytes, uuid7};
use kite::federation::FederationToken;
use kite::protocol::federation::{PeerKind, PeerStatus};
use kite::protocol::forward::TypeScopes;
use kite::store::Store;
use kite::store::federation::{DeliveryFilter, InboundToken, NewPeer, PeerRecord, PeerUpdate};
use kite::store::record::Millis;
use kite::store::seal::Sealer;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::hooks::signature;
use super::http::{Access, Answer, answer};
use super::server::Server;

/// A peer that sends to a team, and gets nothing from it.
pub(crate) struct Peer {
    /// The server and the team that it sends to.
    pub(crate) access: Access,
    /// The token that it shows.
    pub(crate) token: String,
    /// What stands for it there.
    pub(crate) record: PeerRecord,
    pub(crate) store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
}

impl Peer {
    /// Makes a peer of the team.
    pub(crate) async fn create(server: &Server, access: &Access) -> Self {
        Self::create_with(server, access, &fresh_token(), |_| {}).await
    }

    /// Makes a peer with this token, and what else is said of it.
    pub(crate) async fn create_with(
        server: &Server,
        access: &Access,
        token: &str,
        more: impl FnOnce(&mut NewPeer),
    ) -> Self {
        let sealer = Arc::new(server.sealer());
        let id = uuid7();
        let mut peer = NewPeer {
            team: access.team.parse().unwrap(),
            name: format!("peer {id}"),
            instance_id: format!("instance of {id}"),
            hook_url: "https://peer.invalid/hooks/t/kite".to_owned(),
            scopes: TypeScopes::parse(Vec::new()).unwrap(),
            max_hops: 3,
            rate_limit_per_sec: 100_000,
            outbound_token: sealer.seal(&PeerRecord::place(&id), "unused").unwrap(),
            inbound: hashed(&sealer, token).await,
            now: now(),
            id,
            identity_key: None,
            kind: PeerKind::Kite,
            discovery: false,
        };
        more(&mut peer);
        let store = server.store().await;
        let record = store.create_peer(peer).await.unwrap();
        Self {
            access: access.clone(),
            token: token.to_owned(),
            record,
            store,
            sealer,
        }
    }

    /// The same one at another door.
    pub(crate) fn at(&self, access: &Access) -> Self {
        Self {
            access: access.clone(),
            token: self.token.clone(),
            record: self.record.clone(),
            store: self.store.clone(),
            sealer: self.sealer.clone(),
        }
    }

    /// Changes it.
    pub(crate) async fn update(&self, update: PeerUpdate) {
        let (team, id) = (self.record.team.clone(), self.record.id.clone());
        let updated = self.store.update_peer(team, id, update, now()).await;
        updated.unwrap();
    }

    pub(crate) async fn set_status(&self, status: PeerStatus) {
        self.update(PeerUpdate {
            status: Some(status),
            ..PeerUpdate::default()
        })
        .await;
    }

    /// A change that gives it another token and leaves the one before for so many milliseconds; and the token.
    pub(crate) async fn replacement(&self, overlap: Millis) -> (PeerUpdate, String) {
        let token = fresh_token();
        let update = PeerUpdate {
            inbound: Some((hashed(&self.sealer, &token).await, now() + overlap)),
            ..PeerUpdate::default()
        };
        (update, token)
    }

    /// The path that it posts to.
    pub(crate) fn path(&self) -> String {
        format!("/hooks/{}/kite", self.access.team)
    }

    /// Posts an event.
    pub(crate) async fn send(&self, event: &Value) -> Answer {
        self.post(event.to_string()).await
    }

    /// Posts a body.
    pub(crate) async fn post(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.post_with(&self.token, body).await
    }

    /// Posts a body with another token.
    pub(crate) async fn post_with(&self, token: &str, body: impl Into<Vec<u8>>) -> Answer {
        let body = body.into();
        let signature = signature(token, &body);
        answer(self.request(token, &signature).body(body)).await
    }

    /// A post that lacks its body.
    pub(crate) fn request(&self, token: &str, signature: &str) -> RequestBuilder {
        self.access
            .bare(Method::POST, &self.path())
            .header("Authorization", format!("Bearer {token}"))
            .header("X-Kite-Signature", signature)
            .header("Content-Type", "application/cloudevents+json")
    }

    /// What is recorded of it, newest first: event ids and reasons.
    pub(crate) async fn drops(&self) -> Vec<(String, String)> {
        let filter = DeliveryFilter {
            peer_id: Some(self.record.id.clone()),
            limit: 1000,
            ..DeliveryFilter::default()
        };
        let entries = self.store.deliveries(self.record.team.clone(), filter);
        let entries = entries.await.unwrap().into_iter();
        let drops = entries.filter(|entry| entry.attempt == 0);
        drops
            .map(|entry| (entry.event_id, entry.error.unwrap_or_default()))
            .collect()
    }
}

/// An event that an instance forwards as its first.
pub(crate) fn forwarded(id: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "https://elsewhere.example",
        "type": "com.example.note",
        "time": "2026-01-01T00:00:00Z",
        "data": {"n": 1},
        "kitefedorigin": "elsewhere",
        "kitefedchain": "[\"elsewhere\"]",
        "kitefedhops": 1,
    })
}

/// A token that nobody else has.
pub(crate) fn fresh_token() -> String {
    FederationToken::mint(&bytes()).reveal().to_owned()
}

/// The present time of servers.
pub(crate) fn now() -> Millis {
    kite::base::clock::Clock::system().unix_millis()
}

async fn hashed(sealer: &Arc<Sealer>, token: &str) -> InboundToken {
    let (sealer, token) = (sealer.clone(), FederationToken::parse(token).unwrap());
    let hashing = tokio::task::spawn_blocking(move || token.inbound(&sealer));
    hashing.await.unwrap().unwrap()
}

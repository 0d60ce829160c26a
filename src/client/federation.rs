//! The REST calls about other instances (spec 14.1).

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::Serialize;

use super::ClientError;
use super::api::{Answer, Api, escape};
use crate::protocol::discovery::Discovery;
use crate::protocol::federation::{
    DeliveryRow, FederationToken, OutboxRow, OutboxStatus, Peer, PeerChange, PeerCreated,
    PeerDraft, PeerHealth, PeerTest,
};
use crate::protocol::invite::{InviteCreated, InviteDraft, InviteShown, JoinDraft, Joined};
use crate::protocol::trace::EventTrace;

/// How long a join may take: the server asks the other one up to three times, and then tries both directions, twice where
/// one does not work.
const JOIN_LIMIT: Duration = Duration::from_secs(90);

/// Which forwards, attempts or dead letters to list. What is missing does not narrow.
#[derive(Debug, Clone, Default)]
pub struct ForwardsQuery {
    /// With a status.
    pub status: Option<OutboxStatus>,
    /// Answered with an HTTP status; of attempts alone.
    pub status_code: Option<u16>,
    /// To a peer, by its id.
    pub peer_id: Option<String>,
    /// With one of these types, as patterns.
    pub types: Vec<String>,
    /// With an event.
    pub event_id: Option<String>,
    /// Stored, or of attempts made, at this time or later, RFC 3339.
    pub since: Option<String>,
    /// Earlier than this, likewise.
    pub before: Option<String>,
    /// With an error that has this in it.
    pub error: Option<String>,
    /// Of dead letters, those behind this one, in an order that stays; `0` for all of them.
    pub after: Option<String>,
    /// At most this many.
    pub limit: Option<u64>,
}

impl ForwardsQuery {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let status = self.status.map(|status| status.word().to_owned());
        let pairs = [
            ("status", status),
            ("status_code", self.status_code.map(|code| code.to_string())),
            ("peer_id", self.peer_id.clone()),
            ("event_id", self.event_id.clone()),
            ("since", self.since.clone()),
            ("before", self.before.clone()),
            ("error", self.error.clone()),
            ("after", self.after.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        let given = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let types = self.types.iter().map(|pattern| ("type", pattern.clone()));
        given.chain(types).collect()
    }
}

/// Which peer a call is about, if not all.
#[derive(Serialize)]
struct Which<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_id: Option<&'a str>,
}

impl Api {
    /// `GET /api/federation/peers`: oldest first.
    pub async fn peers(&self) -> Result<Vec<Peer>, ClientError> {
        self.call(self.about_peers(Method::GET, "peers", &[])).await
    }

    /// `POST /api/federation/peers`. Not repeated: whether a lost one was made, the list says.
    pub async fn add_peer(&self, draft: &PeerDraft) -> Result<Answer<PeerCreated>, ClientError> {
        let request = self.about_peers(Method::POST, "peers", &[]);
        self.answer(request.json(draft)).await
    }

    /// `PATCH /api/federation/peers/{id}`.
    pub async fn change_peer(
        &self,
        id: &str,
        change: &PeerChange,
    ) -> Result<Answer<Peer>, ClientError> {
        let path = format!("peers/{}", escape(id));
        let request = self.about_peers(Method::PATCH, &path, &[]);
        self.answer(request.json(change)).await
    }

    /// `DELETE /api/federation/peers/{id}`.
    pub async fn remove_peer(&self, id: &str) -> Result<Answer<Peer>, ClientError> {
        let path = format!("peers/{}", escape(id));
        self.answer(self.about_peers(Method::DELETE, &path, &[]))
            .await
    }

    /// `POST /api/federation/peers/{id}/test`.
    pub async fn test_peer(&self, id: &str) -> Result<Answer<PeerTest>, ClientError> {
        let path = format!("peers/{}/test", escape(id));
        self.answer(self.about_peers(Method::POST, &path, &[]))
            .await
    }

    /// `POST /api/federation/peers/discover`: asks one peer, by its id, or all that take part.
    pub async fn discover(&self, peer_id: Option<&str>) -> Result<Discovery, ClientError> {
        let request = self.about_peers(Method::POST, "peers/discover", &[]);
        self.call(request.json(&Which { peer_id })).await
    }

    /// `GET /api/federation/status`.
    pub async fn federation_status(&self) -> Result<Vec<PeerHealth>, ClientError> {
        self.call(self.about_peers(Method::GET, "status", &[]))
            .await
    }

    /// `GET /api/federation/trace`.
    pub async fn trace(&self, event_id: &str) -> Result<Answer<EventTrace>, ClientError> {
        let pairs = [("event_id", event_id.to_owned())];
        self.answer(self.about_peers(Method::GET, "trace", &pairs))
            .await
    }

    /// `GET /api/federation/tokens`.
    pub async fn federation_tokens(&self) -> Result<Vec<FederationToken>, ClientError> {
        self.call(self.about_peers(Method::GET, "tokens", &[]))
            .await
    }

    /// `POST /api/federation/tokens`.
    pub async fn create_federation_token(
        &self,
        label: &str,
    ) -> Result<Answer<FederationToken>, ClientError> {
        #[derive(Serialize)]
        struct Draft<'a> {
            label: &'a str,
        }
        let request = self.about_peers(Method::POST, "tokens", &[]);
        self.answer(request.json(&Draft { label })).await
    }

    /// `DELETE /api/federation/tokens/{id}`.
    pub async fn revoke_federation_token(
        &self,
        id: &str,
    ) -> Result<Answer<FederationToken>, ClientError> {
        let path = format!("tokens/{}", escape(id));
        self.answer(self.about_peers(Method::DELETE, &path, &[]))
            .await
    }

    /// `GET /api/federation/invites`: oldest first.
    pub async fn invites(&self) -> Result<Vec<InviteShown>, ClientError> {
        self.call(self.about_peers(Method::GET, "invites", &[]))
            .await
    }

    /// `POST /api/federation/invites`. Not repeated: a lost one opens nothing to anybody.
    pub async fn invite(&self, draft: &InviteDraft) -> Result<Answer<InviteCreated>, ClientError> {
        let request = self.about_peers(Method::POST, "invites", &[]);
        self.answer(request.json(draft)).await
    }

    /// `DELETE /api/federation/invites/{id}`.
    pub async fn revoke_invite(&self, id: &str) -> Result<Answer<InviteShown>, ClientError> {
        let path = format!("invites/{}", escape(id));
        self.answer(self.about_peers(Method::DELETE, &path, &[]))
            .await
    }

    /// `POST /api/federation/join`. The same again comes to the same connection.
    pub async fn join(&self, draft: &JoinDraft) -> Result<Answer<Joined>, ClientError> {
        let request = self.about_peers(Method::POST, "join", &[]);
        self.answer(request.timeout(JOIN_LIMIT).json(draft)).await
    }

    /// `GET /api/federation/outbox`.
    pub async fn outbox(&self, query: &ForwardsQuery) -> Result<Vec<OutboxRow>, ClientError> {
        self.call(self.about_peers(Method::GET, "outbox", &query.pairs()))
            .await
    }

    /// `GET /api/federation/deliveries`: newest first.
    pub async fn deliveries(&self, query: &ForwardsQuery) -> Result<Vec<DeliveryRow>, ClientError> {
        self.call(self.about_peers(Method::GET, "deliveries", &query.pairs()))
            .await
    }

    /// `GET /api/federation/dead-letters`: newest first.
    pub async fn dead_letters(&self, query: &ForwardsQuery) -> Result<Vec<OutboxRow>, ClientError> {
        self.call(self.about_peers(Method::GET, "dead-letters", &query.pairs()))
            .await
    }

    /// `GET /api/federation/dead-letters/{id}`: the text has the event beside what is read.
    pub async fn dead_letter(&self, id: &str) -> Result<Answer<OutboxRow>, ClientError> {
        let path = format!("dead-letters/{}", escape(id));
        self.answer(self.about_peers(Method::GET, &path, &[])).await
    }

    /// `POST /api/federation/dead-letters/{id}/replay`.
    pub async fn replay_letter(&self, id: &str) -> Result<Answer<OutboxRow>, ClientError> {
        let path = format!("dead-letters/{}/replay", escape(id));
        self.answer(self.about_peers(Method::POST, &path, &[]))
            .await
    }

    /// `DELETE /api/federation/dead-letters/{id}`.
    pub async fn discard_letter(&self, id: &str) -> Result<Answer<OutboxRow>, ClientError> {
        let path = format!("dead-letters/{}", escape(id));
        self.answer(self.about_peers(Method::DELETE, &path, &[]))
            .await
    }

    fn about_peers(&self, method: Method, path: &str, pairs: &[(&str, String)]) -> RequestBuilder {
        self.request_at(method, &format!("api/federation/{path}"), pairs)
    }
}

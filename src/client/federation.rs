//! The REST calls about other instances (spec 14.1).

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::Serialize;

use super::ClientError;
use super::api::{Answer, Api, escape};
use crate::protocol::discovery::Discovery;
use crate::protocol::federation::{
    DeliveryRow, FederationToken, OutboxRow, OutboxStatus, Peer, PeerChange, PeerCreated,
    PeerDraft, PeerHealth, PeerTest, Replayed,
};
use crate::protocol::invite::{InviteCreated, InviteDraft, InviteShown, JoinDraft, Joined};

/// How long a join may take: the server asks the other one up to three times, and then tries both directions, twice where
/// one does not work.
const JOIN_LIMIT: Duration = Duration::from_secs(90);

/// Which forwards, attempts or dead letters to list. What is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct ForwardsQuery {
    /// With a status.
    pub status: Option<OutboxStatus>,
    /// To a peer, by its id.
    pub peer_id: Option<String>,
    /// With an event.
    pub event_id: Option<String>,
    /// At most this many.
    pub limit: Option<u64>,
}

impl ForwardsQuery {
    fn pairs(&self) -> Vec<(&str, String)> {
        let status = self.status.map(|status| status.word().to_owned());
        let pairs = [
            ("status", status),
            ("peer_id", self.peer_id.clone()),
            ("event_id", self.event_id.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        let given = pairs.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
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

    /// `POST /api/federation/dead-letters/replay`: those to a peer, by its id, or all.
    pub async fn replay_letters(
        &self,
        peer_id: Option<&str>,
    ) -> Result<Answer<Replayed>, ClientError> {
        let request = self.about_peers(Method::POST, "dead-letters/replay", &[]);
        self.answer(request.json(&Which { peer_id })).await
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

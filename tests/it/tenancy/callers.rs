//! Who calls: every kind of key, and none.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::document::Needs;
use super::estate::Estate;
use crate::support::http::Access;
use crate::support::peers::fresh_token;

/// What a caller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    None,
    Garbage,
    /// A key that looks like one of the team's, and has another secret.
    Forged,
    Revoked,
    Expired,
    /// What a peer of the team shows at its door.
    FederationToken,
    /// What a webhook of the team shows at its door.
    HookToken,
    Read,
    Write,
    Admin,
    /// Reads and writes, and sees messages to nobody alone.
    Narrow,
    OtherRead,
    OtherWrite,
    OtherAdmin,
    /// The other team's admin, who says that the team is meant: in the query.
    OtherInQuery,
    /// Likewise in a header.
    OtherInHeader,
}

impl Kind {
    pub(super) const ALL: [Self; 16] = [
        Self::None,
        Self::Garbage,
        Self::Forged,
        Self::Revoked,
        Self::Expired,
        Self::FederationToken,
        Self::HookToken,
        Self::Read,
        Self::Write,
        Self::Admin,
        Self::Narrow,
        Self::OtherRead,
        Self::OtherWrite,
        Self::OtherAdmin,
        Self::OtherInQuery,
        Self::OtherInHeader,
    ];

    /// What it is called in the table.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Garbage => "garbage",
            Self::Forged => "forged",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::FederationToken => "federation token",
            Self::HookToken => "hook token",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Narrow => "narrow",
            Self::OtherRead => "other read",
            Self::OtherWrite => "other write",
            Self::OtherAdmin => "other admin",
            Self::OtherInQuery => "other, query",
            Self::OtherInHeader => "other, header",
        }
    }

    /// What a live key of it allows; `None` where it is none.
    pub(super) fn allows(self) -> Option<Needs> {
        match self {
            Self::None
            | Self::Garbage
            | Self::Forged
            | Self::Revoked
            | Self::Expired
            | Self::FederationToken
            | Self::HookToken => None,
            Self::Read | Self::OtherRead => Some(Needs::Read),
            Self::Write | Self::Narrow | Self::OtherWrite => Some(Needs::Write),
            Self::Admin | Self::OtherAdmin | Self::OtherInQuery | Self::OtherInHeader => {
                Some(Needs::Admin)
            }
        }
    }

    /// Whether it is of the team that the things belong to.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::Admin | Self::Narrow)
    }

    /// Whether it claims to be of a team that it is not of.
    pub(super) fn names_another(self) -> bool {
        matches!(self, Self::OtherInQuery | Self::OtherInHeader)
    }
}

/// All keys, by kind.
pub(super) struct Callers {
    keys: Vec<(Kind, String)>,
    owner: String,
}

impl Callers {
    /// Makes them for an estate and its neighbour.
    pub(super) async fn of(estate: &Estate) -> Self {
        let (server, owner, other) = (estate.server(), &estate.owner, &estate.other);
        let make = |access: &Access, permissions: &str| server.key(&access.team, permissions).key;
        let narrow = server.key_with(
            &owner.team,
            &[
                "--permissions",
                "read,write",
                "--scopes",
                "agent_to:nobody-at-all",
            ],
        );
        let (id, revoked) = server.key_with(&owner.team, &["--permissions", "read,write,admin"]);
        estate
            .ask(Method::DELETE, &format!("/api/v1/keys/{id}"), "")
            .await
            .expect(200);
        let (id, expired) = server.key_with(&owner.team, &["--permissions", "read,write,admin"]);
        // Nobody has used it yet, so nobody remembers it as it was.
        server.sql(&format!(
            "UPDATE keys SET expires_at = 1 WHERE id = '{id}' RETURNING id"
        ));
        let (prefix, _) = owner.key.rsplit_once('_').unwrap();
        let forged = format!("{prefix}_{}", "0".repeat(32));
        let token = fresh_token();
        let peer = json!({"peer_instance_id": "heron-sender", "inbound_token": token,
            "peer_hook_url": "https://heron.invalid/hooks/t/kite", "scopes": ["com.never"]});
        estate
            .ask(Method::POST, "/api/federation/peers", &peer.to_string())
            .await
            .expect(201);
        let keys = Kind::ALL.map(|kind| {
            let key = match kind {
                Kind::None => String::new(),
                Kind::Garbage => "garbage".to_owned(),
                Kind::Forged => forged.clone(),
                Kind::Revoked => revoked.key.clone(),
                Kind::Expired => expired.key.clone(),
                Kind::FederationToken => token.clone(),
                Kind::HookToken => estate.hook_token.clone(),
                Kind::Read => make(owner, "read"),
                Kind::Write => make(owner, "read,write"),
                Kind::Admin => owner.key.clone(),
                Kind::Narrow => narrow.1.key.clone(),
                Kind::OtherRead => make(other, "read"),
                Kind::OtherWrite => make(other, "read,write"),
                Kind::OtherAdmin | Kind::OtherInQuery | Kind::OtherInHeader => other.key.clone(),
            };
            (kind, key)
        });
        Self {
            keys: keys.into(),
            owner: owner.team.clone(),
        }
    }

    /// The key of a kind.
    pub(super) fn key(&self, kind: Kind) -> &str {
        let found = self.keys.iter().find(|(own, _)| *own == kind);
        &found.expect("there is one of each").1
    }

    /// A path as a kind asks for it.
    pub(super) fn path(&self, kind: Kind, path: &str) -> String {
        let mark = if path.contains('?') { '&' } else { '?' };
        match kind {
            Kind::OtherInQuery => format!("{path}{mark}team_id={}", self.owner),
            _ => path.to_owned(),
        }
    }

    /// What a kind shows: in each place where a key can stand.
    pub(super) fn show(&self, kind: Kind, request: RequestBuilder) -> RequestBuilder {
        let key = self.key(kind);
        let request = match kind {
            Kind::None => request,
            _ => request
                .header("authorization", format!("Bearer {key}"))
                .header("x-api-key", key),
        };
        match kind {
            Kind::OtherInHeader => request.header("x-team-id", &self.owner),
            _ => request,
        }
    }
}

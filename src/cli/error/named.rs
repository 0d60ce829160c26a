//! The errors that verbs find themselves: each sentence stands here once, with its remedy.

use super::client::LOGIN_HINT;
use super::{CommandError, Kind};
use crate::cli::gh::GhFailure;
use crate::cli::text::visible;
use crate::client::{ClientError, Refusal};
use crate::protocol::invite::InviteFault;

impl CommandError {
    /// A message that was not sent: the status and the server's words (spec 19.3).
    pub fn send_failed(refusal: &Refusal) -> Self {
        let worded = Self::from(refusal.clone());
        let kind = match refusal.status {
            401..=403 | 429 => worded.kind,
            _ => Kind::Failed,
        };
        let text = visible(&refusal.text);
        let message = format!("send failed ({}): {text}", refusal.status);
        Self {
            kind,
            message,
            ..worded
        }
    }

    /// A message of which nobody knows whether it was sent, or which was not.
    pub fn not_sent(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::send_failed(&refusal),
            ClientError::Lost { .. } => Self::from(error).context("the message may have been sent"),
            error => Self::from(error).context("send failed"),
        }
    }

    /// The event that a message answers cannot be had, so nobody knows whom the answer is for.
    pub fn no_answered_event(id: &str, refusal: &Refusal) -> Self {
        let id = visible(id);
        let missing = format!("there is no event `{id}` on the server that could be answered");
        match refusal.status {
            403 => Self::from(refusal.clone())
                .context(&format!("cannot read the event `{id}`"))
                .with_hint("the key needs `read`; or `--to` names whom the answer is for"),
            404 | 405 => Self::new(Kind::NotFound, missing).with_hint(
                "`kite logs` shows the ids of those there are; or `--to` names whom the answer is for",
            ),
            _ => Self::from(refusal.clone()).context(&format!("cannot read the event `{id}`")),
        }
    }

    /// The event that a message answers is none.
    pub fn not_answerable(id: &str, why: &str) -> Self {
        let (id, why) = (visible(id), visible(why));
        Self::failed(format!(
            "the event `{id}` is no message that could be answered: {why}"
        ))
        .with_hint("`--to` names whom the answer is for")
    }

    /// There is no identity to send or listen as (spec 19.3).
    pub fn no_agent() -> Self {
        let message = "No agent registered. Run kite agent register first.";
        Self::new(Kind::NotLoggedIn, message)
            .with_hint("`kite agent register --name NAME` makes an identity")
    }

    /// `--since` where the server has no path to read the log by (spec 7.3).
    pub fn no_history() -> Self {
        Self::new(Kind::NotFound, "the server keeps no readable history")
            .with_hint("leave out `--since`: a listener still resumes where it was, and `kite logs` shows the newest events")
    }

    /// There is no endpoint for a source.
    pub fn no_endpoint(source: &str) -> Self {
        let message = format!("there is no endpoint for the source `{source}`");
        Self::new(Kind::NotFound, message).with_hint("`kite endpoints list` shows those there are")
    }

    /// The server has no paths for other instances.
    pub fn no_federation() -> Self {
        Self::new(Kind::NotFound, "the server does not manage other instances")
            .with_hint("it is too old, or the hosted service; `kite serve` runs one that does, and `--server` names it")
    }

    /// A text that is no invitation.
    pub fn bad_invite(fault: InviteFault) -> Self {
        Self::usage(fault.to_string()).with_hint(
            "give the whole code, from `kinv_` to its end; `kite federation invite` on the other side makes a new one",
        )
    }

    /// An invitation that did not become a connection.
    pub fn join_failed(error: ClientError) -> Self {
        let ClientError::Refused(refusal) = error else {
            return error.into();
        };
        let failed = |kind| Self::new(kind, visible(&refusal.text));
        let again = "who invites makes a new one: `kite federation invite`";
        match refusal.code.as_deref() {
            Some("invite_unknown") => failed(Kind::NotFound).with_hint(again),
            Some("invite_expired" | "invite_used") => failed(Kind::Failed).with_hint(again),
            Some("peer_unreachable") => failed(Kind::Unreachable).with_hint(
                "the code says where the other server is: it must run, and be reached from this server; \
                 `--public-url` over there gives codes another address. The same code can be tried again",
            ),
            Some("peer_unsupported") => failed(Kind::Failed).with_hint(
                "the other side may be older, or its `--public-url` wrong; `kite federation peers add` connects \
                 without an invitation",
            ),
            Some("peer_mismatch") => failed(Kind::Failed).with_hint(
                "nothing was connected here; ask who invited you whether the address is right, and for a new code",
            ),
            Some("unprocessable") => failed(Kind::NotPermitted).with_hint(
                "if the other side refuses this server's address: `kite serve --public-url https://…` here says where \
                 others reach it",
            ),
            // A server without this path.
            Some("not_found") | None if refusal.is_unserved() => Self::no_federation(),
            _ => refusal.into(),
        }
    }

    /// Nothing is known of an event.
    pub fn no_trace(event_id: &str) -> Self {
        let message = format!("nothing is known of an event `{}`", visible(event_id));
        Self::new(Kind::NotFound, message).with_hint(
            "`kite logs --json` shows the ids there are, and `kite status` whose log it is; what is old was removed",
        )
    }

    /// There is no such peer.
    pub fn no_peer(named: &str) -> Self {
        let message = format!("there is no peer `{}`", visible(named));
        Self::new(Kind::NotFound, message)
            .with_hint("`kite federation peers list` shows those there are")
    }

    /// `gh` may not manage the hooks of a repository.
    pub fn gh_denied(failure: &GhFailure) -> Self {
        let words = failure.words();
        let message = format!("`gh` may not manage the hooks: {}", visible(&words));
        Self::new(Kind::NotPermitted, message).with_hint("`gh auth refresh -s admin:repo_hook` lets it; its user must be an admin of the repository")
    }

    /// Another connection took the client id.
    pub fn replaced() -> Self {
        let message = "replaced by a newer connection with the same client id";
        Self::new(Kind::Replaced, message)
            .with_hint("another process listens with this client id; give one of them its own with `--client-id`")
    }

    /// The WebSocket was closed with error 4001.
    pub fn denied(message: &str) -> Self {
        let message = format!("the server refused the key: {}", visible(message));
        Self::new(Kind::NotPermitted, message).with_hint(LOGIN_HINT)
    }

    /// The WebSocket was closed with error 4002.
    pub fn rejected(message: &str) -> Self {
        Self::failed(format!(
            "the server does not understand this client: {}",
            visible(message)
        ))
        .with_hint("one of the two may be too old")
    }
}

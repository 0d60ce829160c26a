//! Whom a message is for, where that may be an agent of another instance (spec 14.1).

use axum::http::StatusCode;

use super::error::ApiError;
use super::state::App;
use crate::protocol::agent::{Message, MessageFault, ReceivedMessage, at_peer};
use crate::protocol::error::ErrorCode;
use crate::protocol::event::{AGENT_MESSAGE, Event, TO_INSTANCE};
use crate::protocol::federation::{PeerKind, PeerStatus};
use crate::protocol::id::{AgentId, TeamId};
use crate::store::StoreError;
use crate::store::federation::PeerRecord;

/// A receiver, as the answer to its sender names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipient {
    /// The agent.
    pub(super) to: String,
    /// The instance that it is on, where its sender has named that.
    pub(super) to_instance: Option<String>,
}

impl Recipient {
    /// One that was not taken apart.
    pub(super) fn whole(to: String) -> Self {
        let to_instance = None;
        Self { to, to_instance }
    }
}

/// A message for `agent@peer` becomes one for that agent at that peer, or here where the instance's own id is named. One
/// for anybody else stays as it is, and costs no look at the peers where there is no `@`.
///
/// A peer that is revoked between this look and the append gets nothing, as it would have lost what waited for it.
///
/// # Errors
/// When there is no agent before the `@`, or nothing of the kind goes to that peer.
pub(super) async fn direct(
    app: &App,
    team: &TeamId,
    message: Message,
) -> Result<(Message, Recipient), ApiError> {
    let whole = message.to.to_string();
    let Some((agent, named)) = at_peer(&whole) else {
        return Ok((message, Recipient::whole(whole)));
    };
    let peers = app.store.peers(team.clone()).await?;
    let instance = match peers.iter().find(|peer| goes_by(peer, named)) {
        Some(peer) => {
            check_takes_messages(peer)?;
            Some(peer.instance_id.clone())
        }
        None if named == app.instance_id => None,
        None => return Ok((message, Recipient::whole(whole))),
    };
    let agent: AgentId = agent
        .parse()
        .map_err(|why| MessageFault::Name { member: "to", why })?;
    let recipient = Recipient {
        to: agent.to_string(),
        to_instance: Some(instance.clone().unwrap_or_else(|| named.to_owned())),
    };
    Ok((message.redirect(agent, instance), recipient))
}

/// Whether a team calls a peer by this word. No two of its peers go by the same.
fn goes_by(peer: &PeerRecord, named: &str) -> bool {
    peer.kind == PeerKind::Kite && (peer.name == named || peer.instance_id == named)
}

/// Refuses what the peer would never get. What a paused one gets waits for it.
fn check_takes_messages(peer: &PeerRecord) -> Result<(), ApiError> {
    let name = &peer.name;
    let why = if peer.status == PeerStatus::Revoked {
        format!(
            "the peer `{name}` is revoked and gets nothing: `kite federation peers resume {name}` takes it up again"
        )
    } else if !peer.scopes.match_type(AGENT_MESSAGE) {
        format!(
            "the scopes of the peer `{name}` do not name `{AGENT_MESSAGE}`, so it gets no messages: `kite federation \
             peers update {name} --scope …` gives it other scopes"
        )
    } else {
        return Ok(());
    };
    Err(ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unprocessable,
        why,
    ))
}

/// Whom a stored message is for, so that a repeat is answered as the first was, whatever became of the peer meanwhile;
/// `None` when it is gone. `asked` is the receiver as the repeat names it.
pub(super) async fn of_stored(
    app: &App,
    team: &TeamId,
    id: &str,
    asked: &str,
) -> Result<Option<Recipient>, StoreError> {
    let found = app.store.find_events(team.clone(), id.to_owned()).await?;
    let recipient = |text: &str| {
        let event = Event::parse(text).ok()?;
        let to = ReceivedMessage::from_event(&event)?.to;
        let to_instance = event.extension(TO_INSTANCE).map(str::to_owned);
        // Who was named with this instance has nothing there.
        let is_own = to_instance.is_none() && to != asked;
        let to_instance = to_instance.or_else(|| is_own.then(|| app.instance_id.clone()));
        Some(Recipient { to, to_instance })
    };
    Ok(found.iter().find_map(|stored| recipient(&stored.text)))
}

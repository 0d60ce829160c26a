//! Agents: their messages and their register (spec 7.3, 13).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::call::{Call, Read, Write};
use super::description::{Operation, Routes};
use super::door::not_admitted;
use super::error::{ApiError, json};
use super::limit::Sender;
use super::path::Path;
use super::recipient::{self, Recipient};
use super::state::App;
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::protocol::agent::{Message, MessageRequest};
use crate::protocol::api::{AGENT_NAME_MAX_CHARS, Agent, AgentList, AgentUpdate, MessageAccepted};
use crate::protocol::error::ErrorCode;
use crate::protocol::event::dedup_key;
use crate::protocol::id::{AgentId, TeamId, check_text};
use crate::protocol::json;
use crate::protocol::permission::Permission;
use crate::protocol::schema::Word;
use crate::store::StoreError;
use crate::store::record::{AgentRecord, Dedup, KeyRecord, NewEvent, Origin, Outcome};

/// What is served of them.
pub(super) fn routes() -> Routes {
    let send = Operation::post(
        "/api/v1/agents/messages",
        "send_message",
        "Sends a message to an agent.",
    )
    .under("agents")
    .needs(Permission::Write)
    .header::<Word<IDEMPOTENCY_KEY_MAX_BYTES>>(
        "Idempotency-Key",
        "Sent again with the same word and body, the message is stored once.",
    )
    .takes::<MessageRequest>()
    .gives::<MessageAccepted>(StatusCode::CREATED, "It is stored.")
    .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
    .refuses(StatusCode::NOT_FOUND, "The team is gone.")
    .refuses(
        StatusCode::CONFLICT,
        "The `Idempotency-Key` was used for another message.",
    )
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "It cannot go to the peer that it names.",
    );
    let list = Operation::get(
        "/api/v1/agents",
        "list_agents",
        "The agents that have registered.",
    )
    .under("agents")
    .needs(Permission::Read)
    .gives::<AgentList>(StatusCode::OK, "The agents by id.");
    let register = Operation::put(
        "/api/v1/agents/{id}",
        "register_agent",
        "Registers an agent, or renews its entry.",
    )
    .under("agents")
    .needs(Permission::Write)
    .part::<AgentId>("id", "What messages are addressed to.")
    .takes::<AgentUpdate>()
    .gives::<Agent>(StatusCode::OK, "Its entry.");
    let show_one = Operation::get("/api/v1/agents/{id}", "get_agent", "One agent.")
        .under("agents")
        .needs(Permission::Read)
        .part::<AgentId>("id", "What messages are addressed to.")
        .gives::<Agent>(StatusCode::OK, "Its entry.")
        .refuses(StatusCode::NOT_FOUND, "The team has no such agent.");
    Routes::new()
        .add(send, self::send)
        .add(list, self::list)
        .add(register, put)
        .add(show_one, show)
}

/// The longest `Idempotency-Key`, in bytes.
const IDEMPOTENCY_KEY_MAX_BYTES: usize = 256;

/// `POST /api/v1/agents/messages`: stores a message for an agent.
pub(super) async fn send(
    State(app): State<Arc<App>>,
    mut call: Call<Write>,
) -> Result<Response, ApiError> {
    let sent = call.body(&app).await?;
    let Call { key, parts, .. } = call;
    let now = app.clock.unix_millis();
    let sender = Sender::of(&parts, &key.team, Some(&key.prefix));
    app.rates.admit(&sender, 1, now)?;
    let message = Message::parse(json::text(&sent)?)?;
    let dedup = idempotency(&parts.headers, &key, &sent)?;

    let (from, asked) = (message.from.to_string(), message.to.to_string());
    let new_id = random::uuid7();
    let (mut recipient, outcome, usage) = match recipient::direct(&app, &key.team, message).await {
        Ok((message, recipient)) => {
            let event = message.into_event(new_id.clone(), rfc3339(now));
            let new = NewEvent::new(key.team.clone(), &event, now, dedup).by(Origin::Message);
            let (outcome, usage) = app.log.append(new).await?;
            (recipient, outcome, usage)
        }
        // Its peer takes nothing by now: what was accepted before stays accepted.
        Err(refusal) => {
            let outcome = first_of(&app, &key.team, dedup).await?.ok_or(refusal)?;
            let (usage, _) = app.log.usage(&key.team).await?;
            (Recipient::whole(asked.clone()), outcome, usage)
        }
    };
    let (id, created_at) = match outcome {
        Outcome::Stored(_) => (new_id, now),
        Outcome::Duplicate {
            id,
            created_at,
            same: true,
        } => {
            let first = recipient::of_stored(&app, &key.team, &id, &asked).await?;
            recipient = first.unwrap_or(recipient);
            (id, created_at)
        }
        Outcome::Duplicate { same: false, .. } => {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                ErrorCode::Conflict,
                "this `Idempotency-Key` was used for another message",
            ));
        }
        Outcome::Exhausted => return Err(ApiError::exhausted(usage)),
        Outcome::NotAdmitted => return Err(not_admitted()),
        Outcome::Stale | Outcome::NoTeam => return Err(ApiError::not_found("the team is gone")),
    };
    let accepted = MessageAccepted {
        id,
        created_at: rfc3339(created_at),
        from,
        to: recipient.to,
        to_instance: recipient.to_instance,
        usage,
    };
    Ok(json(StatusCode::CREATED, &accepted))
}

/// What became of the message that was sent with an `Idempotency-Key` before.
async fn first_of(
    app: &App,
    team: &TeamId,
    dedup: Option<Dedup>,
) -> Result<Option<Outcome>, StoreError> {
    match dedup {
        Some(dedup) => app.store.first_of(team.clone(), dedup).await,
        None => Ok(None),
    }
}

/// What an `Idempotency-Key` makes the same again: the same API key with the same word. The body's digest tells a repeat
/// from a mistake.
fn idempotency(
    headers: &HeaderMap,
    key: &KeyRecord,
    sent: &[u8],
) -> Result<Option<Dedup>, ApiError> {
    let Some(word) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let word = word.to_str().unwrap_or_default();
    if word.is_empty() || word.len() > IDEMPOTENCY_KEY_MAX_BYTES {
        return Err(ApiError::bad_request(format!(
            "`Idempotency-Key` must be 1 to {IDEMPOTENCY_KEY_MAX_BYTES} printable ASCII characters"
        )));
    }
    Ok(Some(Dedup {
        key: dedup_key("idempotency-key", &[&key.id, word]),
        fingerprint: Some(Sha256::digest(sent).into()),
    }))
}

/// `PUT /api/v1/agents/{id}`: registers an agent or renews its entry.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    mut call: Call<Write>,
) -> Result<Response, ApiError> {
    let id: AgentId = id.parse()?;
    let update: AgentUpdate = call.json(&app).await?;
    if let Some(name) = &update.name {
        check_text("the agent's name", name, AGENT_NAME_MAX_CHARS)?;
    }
    let now = app.clock.unix_millis();
    let record = app
        .store
        .put_agent(call.key.team.clone(), id, update.name, now)
        .await?;
    Ok(json(StatusCode::OK, &agent(record)))
}

/// `GET /api/v1/agents`: the team's agents.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let agents = app.store.agents(call.key.team.clone()).await?;
    let agents = agents.into_iter().map(agent).collect();
    Ok(json(StatusCode::OK, &AgentList { agents }))
}

/// `GET /api/v1/agents/{id}`: one agent of the team.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let id: AgentId = id.parse()?;
    let found = app
        .store
        .find_agent(call.key.team.clone(), id.clone())
        .await?;
    let found = found.ok_or_else(|| ApiError::not_found(format!("there is no agent `{id}`")))?;
    Ok(json(StatusCode::OK, &agent(found)))
}

fn agent(record: AgentRecord) -> Agent {
    Agent {
        id: record.id.to_string(),
        name: record.name,
        created_at: rfc3339(record.created_at),
        last_seen_at: record.last_seen_at.map(rfc3339),
    }
}

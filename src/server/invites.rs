//! Invitations: make, list, take back (spec 14.1). All of it is for admin keys. [`super::redeem`] is where others come
//! with one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::call::{Admin, Call};
use super::description::{Operation, Routes};
use super::error::{ApiError, json};
use super::login::base;
use super::path::Path;
use super::peer_body::{NAME_MAX_CHARS, parse, scopes};
use super::state::App;
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::protocol::error::ErrorCode;
use crate::protocol::id::check_name;
use crate::protocol::identity::fingerprint;
use crate::protocol::invite::{
    self, INVITE_SECS, INVITE_SECS_MAX, INVITE_SECS_MIN, Invite, InviteCreated, InviteDraft,
    InviteSecret, InviteShown,
};
use crate::protocol::permission::Permission;
use crate::store::invites::{INVITES_MAX, InviteRecord};
use crate::store::record::Millis;

/// What is served of them.
pub(super) fn routes() -> Routes {
    let under = |operation: Operation| operation.under("invitations").needs(Permission::Admin);
    let list = under(Operation::get(
        "/api/federation/invites",
        "list_invites",
        "The team's invitations.",
    ))
    .gives::<Vec<InviteShown>>(StatusCode::OK, "The invitations, without their codes.");
    let create = under(Operation::post(
        "/api/federation/invites",
        "create_invite",
        "Invites another instance to become a peer.",
    ))
    .takes::<InviteDraft>()
    .gives::<InviteCreated>(StatusCode::CREATED, "The code, shown this once.")
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "As many wait as may, or the server does not know where others find it.",
    );
    let take_back = under(Operation::delete(
        "/api/federation/invites/{id}",
        "remove_invite",
        "Takes an invitation back. A peer that came of it stays.",
    ))
    .part::<String>("id", "The invitation's id.")
    .gives::<InviteShown>(StatusCode::OK, "What it was.")
    .refuses(StatusCode::NOT_FOUND, "The team has no such invitation.");
    Routes::new()
        .add(list, get_all)
        .add(create, post)
        .add(take_back, delete)
}

fn shown(record: InviteRecord) -> InviteShown {
    let redeemed = record.redeemed;
    InviteShown {
        id: record.id,
        name: record.name,
        scopes: record.scopes.patterns().to_vec(),
        created_at: rfc3339(record.created_at),
        expires_at: rfc3339(record.expires_at),
        redeemed_at: redeemed.as_ref().map(|redeemed| rfc3339(redeemed.at)),
        peer_id: redeemed.map(|redeemed| redeemed.peer_id),
    }
}

/// `GET /api/federation/invites`.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let records = app.store.invites(call.key.team.clone()).await?;
    let invites: Vec<_> = records.into_iter().map(shown).collect();
    Ok(json(StatusCode::OK, &invites))
}

/// `POST /api/federation/invites`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let draft: InviteDraft = parse(&call.body(&app).await?)?;
    if let Some(name) = &draft.name {
        check_name("`name`", name, NAME_MAX_CHARS)?;
    }
    let scopes = scopes(draft.scopes.unwrap_or_else(|| vec!["*".to_owned()]))?;
    let life = life(draft.expires_in_secs.unwrap_or(INVITE_SECS))?;
    let url = base(&app, &call.parts);
    let url = invite::base(&url).ok_or_else(|| {
        unprocessable(format!(
            "`{url}` cannot stand in an invitation: `kite serve --public-url` says where others find this server"
        ))
    })?;
    let invite = Invite {
        url,
        instance_id: app.instance_id.parse()?,
        fingerprint: fingerprint(&app.identity.public()),
        secret: InviteSecret::of(random::bytes()),
    };
    let now = app.clock.unix_millis();
    let record = InviteRecord {
        id: random::uuid7(),
        team: call.key.team.clone(),
        digest: invite.secret.digest(),
        name: draft.name,
        scopes,
        created_at: now,
        expires_at: now.saturating_add(life),
        redeemed: None,
    };
    if !app.store.create_invite(record.clone()).await? {
        return Err(unprocessable(format!(
            "{INVITES_MAX} invitations of the team wait to be redeemed, which is the most there can be: take some back"
        )));
    }
    tracing::info!(team = %record.team, invite = record.id, "an invitation was made");
    let shown = shown(record);
    let created = InviteCreated {
        id: shown.id,
        code: invite.to_code().to_string(),
        expires_at: shown.expires_at,
        scopes: shown.scopes,
        name: shown.name,
    };
    Ok(json(StatusCode::CREATED, &created))
}

/// `DELETE /api/federation/invites/{id}`: takes one back. A peer that came of it stays.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let removed = app.store.remove_invite(call.key.team.clone(), id).await?;
    Ok(json(StatusCode::OK, &shown(removed)))
}

/// For how long one can be redeemed.
fn life(secs: u64) -> Result<Millis, ApiError> {
    match (INVITE_SECS_MIN..=INVITE_SECS_MAX).contains(&secs) {
        true => Ok(Millis::try_from(secs * 1000).unwrap_or(Millis::MAX)),
        false => Err(ApiError::bad_request(format!(
            "`expires_in_secs` is {secs}: it must be from {INVITE_SECS_MIN} to {INVITE_SECS_MAX}"
        ))),
    }
}

fn unprocessable(text: String) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unprocessable,
        text,
    )
}

//! Device login: a program without a key asks, a person with an admin key decides (spec 4, RFC 8628).
//!
//! The person's side is the page in [`super::activate`].

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::bootstrap::new_key;
use super::description::{Operation, Routes};
use super::error::{ApiError, json};
use super::listen::Peer;
use super::{body, state::App};
use crate::base::random;
use crate::protocol::address;
use crate::protocol::login::{DeviceCode, DeviceTokenRequest, Granted, LoginError};
use crate::protocol::scope::Scopes;
use crate::store::record::{Millis, PendingLogin, Poll};

/// What is served of it to programs.
pub(super) fn routes() -> Routes {
    let begin = Operation::post(
        "/api/auth/device-code",
        "begin_login",
        "Begins a login: a person agrees to it at an address.",
    )
    .under("login")
    .gives::<DeviceCode>(StatusCode::OK, "The codes, and where the person goes.")
    .refuses(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many logins were begun, or wait for a decision.",
    );
    let poll = Operation::post(
        "/api/auth/device-token",
        "poll_login",
        "Asks whether the person has agreed.",
    )
    .under("login")
    .takes::<DeviceTokenRequest>()
    .gives::<Granted>(StatusCode::OK, "The key, shown this once.")
    .gives::<LoginError>(
        StatusCode::BAD_REQUEST,
        "`authorization_pending`, `slow_down` or `expired_token`; or what is wrong with the body.",
    )
    .gives::<LoginError>(
        StatusCode::FORBIDDEN,
        "`access_denied`: the person has refused.",
    );
    Routes::new().add(begin, self::begin).add(poll, self::poll)
}

/// How long a login can be decided and fetched.
const LIFE_MILLIS: Millis = 15 * 60 * 1000;

/// How long a device leaves between two polls, in seconds.
const INTERVAL_SECS: u64 = 5;

/// How many logins an address may begin in a minute.
const BEGINS_MAX: u32 = 20;

/// How much of a program's name for itself is shown, in characters.
const CLIENT_MAX_CHARS: usize = 80;

/// Letters and digits that nobody takes for another: no I, O, 0, 1.
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const DIGITS: &[u8] = b"23456789";

/// `POST /api/auth/device-code`: begins a login.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let now = app.clock.unix_millis();
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    app.logins_begun.count(peer, now, BEGINS_MAX)?;

    let device_code = device_code();
    let login = PendingLogin {
        user_code: user_code(),
        created_at: now,
        expires_at: now + LIFE_MILLIS,
        peer: peer.map(|peer| peer.to_string()).unwrap_or_default(),
        client: client(&parts),
        interval_secs: INTERVAL_SECS,
    };
    let user_code = login.user_code.clone();
    if !app.store.begin_login(login, digest(&device_code)).await? {
        return Err(ApiError::rate_limited(
            "too many logins wait for a decision",
            60,
        ));
    }
    let base = base(&app, &parts);
    let answer = DeviceCode {
        device_code,
        verification_url: format!("{base}/activate?code={user_code}"),
        user_code,
        ws_url: address::websocket(&base).ok(),
        expires_in: u64::try_from(LIFE_MILLIS / 1000).unwrap_or_default(),
        interval: INTERVAL_SECS,
    };
    Ok(json(StatusCode::OK, &answer))
}

fn device_code() -> String {
    let random: [u8; 32] = random::bytes();
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn user_code() -> String {
    let random: [u8; 8] = random::bytes();
    let pick = |set: &[u8], byte: u8| char::from(set[usize::from(byte) % set.len()]);
    let letters: String = random[..4]
        .iter()
        .map(|byte| pick(LETTERS, *byte))
        .collect();
    let digits: String = random[4..].iter().map(|byte| pick(DIGITS, *byte)).collect();
    format!("{letters}-{digits}")
}

fn digest(device_code: &str) -> [u8; 32] {
    Sha256::digest(device_code.as_bytes()).into()
}

/// What the program calls itself.
fn client(parts: &Parts) -> String {
    let agent = parts.headers.get(header::USER_AGENT);
    let text = agent
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or("unknown");
    text.chars().take(CLIENT_MAX_CHARS).collect()
}

/// Where others find this server, such as a person's browser: the public address, else the one that the caller used.
pub(super) fn base(app: &App, parts: &Parts) -> String {
    let used = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let scheme = if app.is_tls { "https" } else { "http" };
    let used = used.and_then(|host| address::http_base(&format!("{scheme}://{host}")).ok());
    app.public_url.clone().or(used).unwrap_or_default()
}

/// `POST /api/auth/device-token`: asks whether it was let in.
pub(super) async fn poll(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let DeviceTokenRequest { device_code } = body::read_json(&app, &parts, sent).await?;
    let now = app.clock.unix_millis();
    let grant = match app.store.poll_login(digest(&device_code), now).await? {
        Poll::Granted(grant) => grant,
        Poll::Waits => return Ok(refused(StatusCode::BAD_REQUEST, "authorization_pending")),
        Poll::TooFast => return Ok(refused(StatusCode::BAD_REQUEST, "slow_down")),
        Poll::Unknown => return Ok(refused(StatusCode::BAD_REQUEST, "expired_token")),
        Poll::Denied => return Ok(refused(StatusCode::FORBIDDEN, "access_denied")),
    };
    let name = Some("device login".to_owned());
    let (key, mut record) = new_key(
        grant.team.clone(),
        name,
        grant.permissions,
        Scopes::all(),
        now,
    );
    record.expires_at = grant.key_expires_at;
    app.store.create_key(record).await?;
    let granted = Granted {
        api_key: key.reveal().to_owned(),
        team_id: grant.team.to_string(),
    };
    Ok(json(StatusCode::OK, &granted))
}

fn refused(status: StatusCode, error: &str) -> Response {
    json(
        status,
        &LoginError {
            error: error.to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_codes_hold_nothing_that_can_be_misread() {
        for _ in 0..100 {
            let code = user_code();
            let (letters, digits) = code.split_once('-').unwrap();
            assert_eq!((letters.len(), digits.len()), (4, 4));
            assert!(!code.contains(['I', 'O', '0', '1']), "{code}");
        }
    }
}

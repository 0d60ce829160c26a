//! Who looks at the page: a sealed cookie that names an admin key, which is looked up again for each request.
//!
//! Nothing is stored of a session. What ends its key, or takes the key's permission, ends it; the key itself is neither in
//! the cookie nor in any page.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::page::{Refusal, redirect};
use super::{HOME, sign_in};
use crate::protocol::permission::Permission;
use crate::server::activate::is_own_form;
use crate::server::body;
use crate::server::error::ApiError;
use crate::server::state::App;
use crate::store::StoreError;
use crate::store::record::{KeyRecord, Millis};

/// How long somebody stays signed in.
const LENGTH_MILLIS: Millis = 12 * 60 * 60 * 1000;

/// What the cookie is sealed for.
const PLACE: &str = "console session";

/// How large a form may be: the longest holds a key and an address of this page.
pub(super) const FORM_MAX_BYTES: usize = 8 * 1024;

/// The hidden field that binds a form to its session.
pub(super) const TOKEN_FIELD: &str = "token";

/// What the cookie holds.
#[derive(Serialize, Deserialize)]
struct Ticket {
    key_id: String,
    /// The public part, which keys are found by.
    key_prefix: String,
    until: Millis,
}

/// Somebody who is signed in.
pub(super) struct Session {
    /// The admin key.
    pub(super) key: Arc<KeyRecord>,
    /// What its forms have to bring.
    pub(super) token: String,
    until: Millis,
}

impl Session {
    /// The cookie of a new session.
    pub(super) fn begin(app: &App, key: &KeyRecord) -> Result<String, StoreError> {
        let ticket = Ticket {
            key_id: key.id.clone(),
            key_prefix: key.prefix.clone(),
            until: app.clock.unix_millis() + LENGTH_MILLIS,
        };
        // A plain value: it always serialises.
        let ticket = serde_json::to_string(&ticket).unwrap_or_default();
        let sealed = app.sealer.seal(PLACE, &ticket)?;
        Ok(cookie(app, &URL_SAFE_NO_PAD.encode(sealed), LENGTH_MILLIS))
    }

    /// The cookie that ends one.
    pub(super) fn end(app: &App) -> String {
        cookie(app, "", 0)
    }

    /// The session of a request, if it has one that stands.
    pub(super) async fn find(app: &App, parts: &Parts) -> Result<Option<Self>, StoreError> {
        let name = cookie_name(app);
        let sent = parts.headers.get_all(header::COOKIE).iter();
        let sent = sent.filter_map(|line| line.to_str().ok());
        let mut values = sent
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(sent, _)| *sent == name)
            .map(|(_, value)| value);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let opened = URL_SAFE_NO_PAD.decode(value).ok();
        let opened = opened.and_then(|sealed| app.sealer.open(PLACE, &sealed).ok());
        let ticket = opened.and_then(|text| serde_json::from_str::<Ticket>(text.reveal()).ok());
        let Some(ticket) = ticket.filter(|ticket| app.clock.unix_millis() < ticket.until) else {
            return Ok(None);
        };
        let key = app.access.live_key(&ticket.key_prefix).await?;
        let is_good = |key: &Arc<KeyRecord>| {
            key.id == ticket.key_id && key.permissions.allow(Permission::Admin)
        };
        Ok(key.filter(is_good).map(|key| Self {
            key,
            token: token(app, value),
            until: ticket.until,
        }))
    }

    /// Whether it still stands.
    pub(super) async fn stands(&self, app: &App) -> Result<bool, StoreError> {
        let key = app.access.live_key(&self.key.prefix).await?;
        let is_good = key
            .is_some_and(|key| key.id == self.key.id && key.permissions.allow(Permission::Admin));
        Ok(is_good && app.clock.unix_millis() < self.until)
    }
}

/// Browsers tell servers apart by their host and not by their port: two instances on one machine have two cookies.
fn cookie_name(app: &App) -> String {
    let index = app.sealer.index(&format!("console of {}", app.instance_id));
    format!("kite_console_{}", hex(&index[..4]))
}

fn cookie(app: &App, value: &str, millis: Millis) -> String {
    let public = app.public_url.as_deref().unwrap_or_default();
    let secure = match app.is_tls || public.starts_with("https:") {
        true => "; Secure",
        false => "",
    };
    let (name, secs) = (cookie_name(app), millis / 1000);
    format!("{name}={value}; Path=/console; Max-Age={secs}; HttpOnly; SameSite=Strict{secure}")
}

/// Another site knows neither the cookie nor the server's key.
fn token(app: &App, cookie: &str) -> String {
    hex(&app.sealer.index(&format!("console form {cookie}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl FromRequestParts<Arc<App>> for Session {
    type Rejection = Response;

    /// Whoever is not signed in is led to where they can, and back.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        // Nothing that is stored is called that, and PostgreSQL cannot even be asked.
        if parts.uri.to_string().contains("%00") {
            let text = "the address has a null character in it: leave out `%00`";
            return Err(Refusal::from(ApiError::bad_request(text)).into_response());
        }
        let found = Self::find(app, parts).await.map_err(|error| {
            let refusal: Refusal = ApiError::from(error).into();
            refusal.into_response()
        })?;
        // What a form is sent to is no page that one could be led back to.
        let wanted = || match parts.method.is_safe() {
            true => super::asked_for(&parts.uri),
            false => HOME.to_owned(),
        };
        found.ok_or_else(|| redirect(&sign_in::address(&wanted())))
    }
}

/// A form that somebody who is signed in sent from a page of this server.
pub(super) struct Act {
    /// Who sent it.
    pub(super) session: Session,
    fields: Fields,
}

impl Act {
    /// The value of a field; empty where there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name)
    }
}

impl FromRequest<Arc<App>> for Act {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, sent) = request.into_parts();
        let refused = |error: ApiError| Refusal::from(error).into_response();
        let fields = Fields::read(app, &parts, sent).await.map_err(refused)?;
        let session = Session::from_request_parts(&mut parts, app).await?;
        let is_bound = fields
            .get(TOKEN_FIELD)
            .as_bytes()
            .ct_eq(session.token.as_bytes());
        if !bool::from(is_bound) {
            let text = "This form is from before you signed in. Open its page again.";
            return Err(refused(ApiError::forbidden(text)));
        }
        Ok(Self { session, fields })
    }
}

/// The fields of a form of ours.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads them; 403 where another site sent them.
    pub(super) async fn read(
        app: &App,
        parts: &Parts,
        sent: axum::body::Body,
    ) -> Result<Self, ApiError> {
        if !is_own_form(parts, app.public_url.as_deref()) {
            return Err(ApiError::forbidden("This form was sent from another site."));
        }
        let sent = body::read(app, parts, sent, FORM_MAX_BYTES).await?;
        let fields = url::form_urlencoded::parse(&sent);
        Ok(Self(fields.into_owned().collect()))
    }

    /// The value of a field; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }
}

//! `/activate`: the page on which a person decides about a device login.
//!
//! It has no script, no cookie and nothing from elsewhere. The admin key is typed for each decision, so there is no
//! standing permission that another site could make use of.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::{body, query, state::App};
use crate::base::clock::rfc3339;
use crate::protocol::address;
use crate::protocol::permission::{Permission, Permissions};
use crate::store::record::{Grant, KeyRecord, Millis, PendingLogin};

const CSS: &str = include_str!("activate.css");

const DAY_MILLIS: Millis = 24 * 60 * 60 * 1000;

/// What the person can let the program do: the value of the form, and its words.
const PERMISSIONS: &[(&str, &str)] = &[
    ("read,write", "read and write: listen and send"),
    ("read", "read: listen only"),
    ("read,write,admin", "admin: everything, also keys"),
];

/// How long the key can work, in days; 0 is without an end.
const EXPIRIES: &[(&str, &str)] = &[
    ("0", "until it is revoked"),
    ("1", "1 day"),
    ("30", "30 days"),
    ("90", "90 days"),
];

/// Sent with every page (and the style).
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    // Other sites learn nothing. `no-referrer` would make browsers send the form itself with `Origin: null`.
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
];

fn with_headers(mut response: Response, content_type: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

fn page(status: StatusCode, content: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>kite: activate a device</title><link rel=\"stylesheet\" href=\"/activate.css\"></head>\
         <body><main><h1>Activate a device</h1>{content}</main></body></html>\n"
    );
    with_headers((status, html).into_response(), "text/html; charset=utf-8")
}

fn message(status: StatusCode, class: &str, text: &str) -> Response {
    let text = escape(text);
    page(
        status,
        &format!(
            "<p class=\"{class}\" role=\"status\">{text}</p><p><a href=\"/activate\">Enter another code</a></p>"
        ),
    )
}

/// A text as HTML, also within an attribute.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if c.is_control() => html.push('\u{fffd}'),
            c => html.push(c),
        }
    }
    html
}

/// `GET /activate.css`.
pub(super) async fn style() -> Response {
    with_headers(CSS.into_response(), "text/css; charset=utf-8")
}

/// `GET /activate`: asks for the code, or shows who waits under it.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let Some(code) = query(&parts, "code").pop().filter(|code| !code.is_empty()) else {
        return Ok(page(StatusCode::OK, &code_form()));
    };
    match find(&app, &parts, &code).await? {
        Ok(login) => Ok(page(
            StatusCode::OK,
            &decision_form(&login, &Decision::default(), None),
        )),
        Err(refused) => Ok(refused),
    }
}

/// The login that waits under a code, as a person types it; or the page that says there is none.
async fn find(
    app: &App,
    parts: &Parts,
    code: &str,
) -> Result<Result<PendingLogin, Response>, ApiError> {
    // PostgreSQL cannot be asked for a null character.
    let code = code.trim().replace('\0', "").to_uppercase();
    let code: String = code.chars().take(16).collect();
    let found = app
        .store
        .pending_login(code, app.clock.unix_millis())
        .await?;
    Ok(match found {
        Some(login) => Ok(login),
        None => {
            // Every wrong code counts: 100 a minute would take decades for one that waits.
            let wrong = app
                .access
                .failed(parts, ApiError::not_found("no such code"));
            let status = wrong.status();
            let text = match status {
                StatusCode::TOO_MANY_REQUESTS => "Too many attempts. Try again in a minute.",
                _ => "No device waits under this code. Codes live 15 minutes and work once.",
            };
            Err(message(status, "bad", text))
        }
    })
}

fn code_form() -> String {
    "<form method=\"get\" action=\"/activate\"><label for=\"code\">The code that the device shows</label>\
     <input id=\"code\" name=\"code\" required autofocus autocomplete=\"off\" autocapitalize=\"characters\" \
     spellcheck=\"false\" placeholder=\"ABCD-2345\" maxlength=\"16\"><button>Continue</button></form>"
        .to_owned()
}

fn options(options: &[(&str, &str)], chosen: &str) -> String {
    options
        .iter()
        .map(|(value, words)| {
            let selected = if *value == chosen { " selected" } else { "" };
            format!("<option value=\"{value}\"{selected}>{words}</option>")
        })
        .collect()
}

/// A time for people: a minute is exact enough to know one's own login by.
fn minute(time: Millis) -> String {
    let time = rfc3339(time);
    let (date, clock) = time.split_once('T').unwrap_or((&time, ""));
    format!("{date} {} UTC", clock.get(..5).unwrap_or_default())
}

/// The form; after a fault with the choices that were made, so that nobody grants more than they chose.
fn decision_form(login: &PendingLogin, chosen: &Decision, fault: Option<&str>) -> String {
    let fault = fault.map(|fault| format!("<p class=\"bad\" role=\"alert\">{}</p>", escape(fault)));
    format!(
        "{fault}<p>Only go on if you began this login yourself and the device shows this code.</p>\
         <dl><dt>Code</dt><dd><strong>{code}</strong></dd><dt>Asked from</dt><dd>{peer}</dd>\
         <dt>Program</dt><dd>{client}</dd><dt>Asked at</dt><dd>{time}</dd></dl>\
         <form method=\"post\" action=\"/activate\"><input type=\"hidden\" name=\"code\" value=\"{code}\">\
         <label for=\"permissions\">It may</label><select id=\"permissions\" name=\"permissions\">{permissions}</select>\
         <label for=\"expires\">For how long</label><select id=\"expires\" name=\"expires\">{expiries}</select>\
         <label for=\"key\">Your admin key</label><input id=\"key\" name=\"key\" type=\"password\" required autofocus \
         autocomplete=\"off\" spellcheck=\"false\" aria-describedby=\"about-key\">\
         <p id=\"about-key\">It begins with <code>kite_</code>. The server's first start says in which file one is kept.</p>\
         <div class=\"buttons\"><button name=\"decision\" value=\"approve\">Approve</button>\
         <button name=\"decision\" value=\"deny\" class=\"deny\">Deny</button></div></form>",
        fault = fault.unwrap_or_default(),
        code = escape(&login.user_code),
        peer = escape(&login.peer),
        client = escape(&login.client),
        time = minute(login.created_at),
        permissions = options(PERMISSIONS, &chosen.permissions),
        expiries = options(EXPIRIES, &chosen.expires),
    )
}

/// What the form sends.
#[derive(Default)]
struct Decision {
    code: String,
    key: String,
    permissions: String,
    expires: String,
    decision: String,
}

impl Decision {
    fn read(sent: &[u8]) -> Self {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(sent) {
            let field = match name.as_ref() {
                "code" => &mut read.code,
                "key" => &mut read.key,
                "permissions" => &mut read.permissions,
                "expires" => &mut read.expires,
                "decision" => &mut read.decision,
                _ => continue,
            };
            *field = value.into_owned();
        }
        read
    }

    /// What is granted; `None` when it is denied.
    fn grant(&self, admin: &KeyRecord, now: Millis) -> Result<Option<Grant>, ApiError> {
        let is_offered = |offers: &[(&str, &str)], value: &str| {
            offers.iter().any(|(offered, _)| *offered == value)
        };
        match self.decision.as_str() {
            "deny" => return Ok(None),
            "approve" => {}
            _ => return Err(ApiError::bad_request("The form is incomplete.")),
        }
        if !is_offered(PERMISSIONS, &self.permissions) || !is_offered(EXPIRIES, &self.expires) {
            return Err(ApiError::bad_request("The form is incomplete."));
        }
        let days: Millis = self.expires.parse().unwrap_or_default();
        Ok(Some(Grant {
            team: admin.team.clone(),
            permissions: self.permissions.split(',').collect::<Permissions>(),
            key_expires_at: (days > 0).then(|| now + days * DAY_MILLIS),
        }))
    }
}

/// `POST /activate`: the decision.
pub(super) async fn decide(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    if !is_own_form(&parts, app.public_url.as_deref()) {
        return Ok(message(
            StatusCode::FORBIDDEN,
            "bad",
            "This form was sent from another site.",
        ));
    }
    let sent = body::read(&app, &parts, sent, app.max_body_bytes).await?;
    let decision = Decision::read(&sent);
    let login = match find(&app, &parts, &decision.code).await? {
        Ok(login) => login,
        Err(refused) => return Ok(refused),
    };
    let admin = match app.access.key(decision.key.trim()).await? {
        Some(key) if key.permissions.allow(Permission::Admin) => key,
        _ => {
            let refusal = ApiError::unauthorized("That is no admin key of this server.");
            let refusal = app.access.failed(&parts, refusal);
            return Ok(page(
                refusal.status(),
                &decision_form(&login, &decision, Some(refusal.text())),
            ));
        }
    };
    let now = app.clock.unix_millis();
    let grant = match decision.grant(&admin, now) {
        Ok(grant) => grant,
        Err(refusal) => return Ok(message(refusal.status(), "bad", refusal.text())),
    };
    let is_granted = grant.is_some();
    if !app.store.decide_login(login.user_code, grant, now).await? {
        return Ok(message(
            StatusCode::CONFLICT,
            "bad",
            "Somebody has decided already.",
        ));
    }
    if !is_granted {
        return Ok(message(
            StatusCode::OK,
            "good",
            "Denied. The device gets nothing.",
        ));
    }
    let mut text = format!(
        "Approved for the team {}. The device logs in within a few seconds; you can close this page.",
        admin.team
    );
    if app.forget_bootstrap_key() {
        text.push_str(
            " The file that kept the first key was removed: keep your admin key where it is safe. Should it get lost, \
             kite admin keys create --permissions admin makes another on the server's machine.",
        );
    }
    Ok(message(StatusCode::OK, "good", &text))
}

/// Browsers say where a form comes from: the host that they asked, or the public address where something in between asks
/// for another. Programs that say nothing hold the key anyway.
pub(super) fn is_own_form(parts: &Parts, public_url: Option<&str>) -> bool {
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let site_is_own =
        header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin_is_own = match (header("origin"), header("host")) {
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, of)| of == host)
                || public_url.is_some_and(|own| address::origin(own).is_ok_and(|own| own == origin))
        }
        _ => true,
    };
    site_is_own && origin_is_own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_calls_itself_is_text_and_nothing_else() {
        let login = PendingLogin {
            user_code: "ABCD-2345".to_owned(),
            created_at: 0,
            expires_at: 1,
            peer: "127.0.0.1".to_owned(),
            client: "<script>alert('x')</script>\"&\u{1b}".to_owned(),
            interval_secs: 5,
        };
        let html = decision_form(&login, &Decision::default(), Some("<b>"));
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains('\u{1b}'));
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    }
}

//! `/console/sign-in` and `/console/sign-out`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::html::Html;
use super::page::{Refusal, bare, redirect};
use super::session::{Act, Fields, Session};
use super::{HOME, encoded};
use crate::protocol::permission::Permission;
use crate::server::error::ApiError;
use crate::server::query;
use crate::server::state::App;

/// Where somebody signs in who wants to see an address of this page.
pub(super) fn address(wanted: &str) -> String {
    match wanted == HOME {
        true => format!("{HOME}/sign-in"),
        false => format!("{HOME}/sign-in?next={}", encoded(wanted)),
    }
}

/// The longest address that somebody is led back to, in bytes.
const NEXT_MAX_BYTES: usize = 1024;

/// Where to go then: an address of this page and of nobody else.
fn next(wanted: Option<&str>) -> &str {
    let is_ours = |wanted: &&str| {
        let rest = wanted.strip_prefix(HOME);
        let is_page = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        let is_plain = wanted
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        is_page && is_plain && wanted.len() <= NEXT_MAX_BYTES
    };
    wanted.filter(is_ours).unwrap_or(HOME)
}

fn form(status: StatusCode, next: &str, fault: Option<&str>) -> Response {
    let fault = fault.map_or_else(Html::default, |fault| {
        Html::of("<p class=\"bad\" role=\"alert\">{}</p>", &[&fault])
    });
    let content = Html::of(
        "<h1>Sign in</h1>{}\
         <form method=\"post\" action=\"/console/sign-in\" class=\"sign-in\">\
         <input type=\"hidden\" name=\"next\" value=\"{}\">\
         <label for=\"key\">Your admin key</label>\
         <input id=\"key\" name=\"key\" type=\"password\" required autofocus autocomplete=\"off\" spellcheck=\"false\" \
         aria-describedby=\"about-key\">\
         <p id=\"about-key\">It begins with <code>kite_</code>. The server's first start says in which file one is kept.</p>\
         <button id=\"sign-in\">Sign in</button></form>",
        &[&fault, &next],
    );
    bare(status, "Sign in", content)
}

/// `GET /console/sign-in`.
pub(super) async fn show(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Refusal> {
    let wanted = query(&parts, "next").pop();
    let next = next(wanted.as_deref());
    Ok(match Session::find(&app, &parts).await? {
        Some(_) => redirect(next),
        None => form(StatusCode::OK, next, None),
    })
}

/// `POST /console/sign-in`.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let (parts, sent) = request.into_parts();
    let fields = Fields::read(&app, &parts, sent).await?;
    let next = next(Some(fields.get("next")));
    let key = app.access.key(fields.get("key").trim()).await?;
    let Some(key) = key.filter(|key| key.permissions.allow(Permission::Admin)) else {
        let refusal = ApiError::unauthorized("That is no admin key of this server.");
        let refusal = app.access.failed(&parts, refusal);
        return Ok(form(refusal.status(), next, Some(refusal.text())));
    };
    let cookie = Session::begin(&app, &key)?;
    Ok(with_cookie(redirect(next), &cookie))
}

/// `POST /console/sign-out`.
pub(super) async fn end(State(app): State<Arc<App>>, _: Act) -> Response {
    with_cookie(redirect(&address(HOME)), &Session::end(&app))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(mut cookie) = HeaderValue::from_str(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_signs_in_is_led_to_this_page_alone() {
        for ours in [
            "/console",
            "/console/keys",
            "/console?x=%20",
            "/console/a:b",
        ] {
            assert_eq!(next(Some(ours)), ours);
        }
        for not in [
            "",
            "/",
            "/consoles",
            "//evil.example",
            "https://evil.example/console",
            "/console\\..",
            "/console/\r\nx: y",
            "/console/é",
        ] {
            assert_eq!(next(Some(not)), HOME, "{not}");
        }
        assert_eq!(next(Some(&format!("/console?{}", "x".repeat(2_000)))), HOME);
    }
}

//! What every page has: its head, where one can go, and what browsers are told to refuse.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::HOME;
use super::html::Html;
use super::session::{Session, TOKEN_FIELD};
use crate::server::error::ApiError;

const CSS: &str = include_str!("console.css");
const JS: &str = include_str!("console.js");
const ICON: &str = include_str!("icon.svg");

/// Sent with everything.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    // Other sites learn nothing. `no-referrer` would make browsers send the forms themselves with `Origin: null`.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// The pages that one can go to from each, with their words.
const PAGES: &[(&str, &str)] = &[
    ("/console", "Peers"),
    ("/console/deliveries", "Deliveries"),
    ("/console/dead-letters", "Dead letters"),
    ("/console/endpoints", "Endpoints"),
    ("/console/keys", "Keys"),
];

/// An answer with the headers that everything has.
pub(super) fn guarded(mut response: Response, content_type: &'static str) -> Response {
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

fn html(status: StatusCode, html: Html) -> Response {
    guarded(
        (status, html.into_text()).into_response(),
        "text/html; charset=utf-8",
    )
}

/// `GET /console/console.css`.
pub(super) async fn style() -> Response {
    guarded(CSS.into_response(), "text/css; charset=utf-8")
}

/// `GET /console/console.js`.
pub(super) async fn script() -> Response {
    guarded(JS.into_response(), "text/javascript; charset=utf-8")
}

/// `GET /console/icon.svg`.
pub(super) async fn icon() -> Response {
    guarded(ICON.into_response(), "image/svg+xml")
}

/// Leads to another address of this server.
pub(super) fn redirect(to: &str) -> Response {
    let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static(HOME));
    let mut response = guarded(
        StatusCode::SEE_OTHER.into_response(),
        "text/html; charset=utf-8",
    );
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn head(title: &str) -> Html {
    Html::of(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{} · kite</title><link rel=\"icon\" href=\"/console/icon.svg\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"/console/console.css\">\
         <script src=\"/console/console.js\" defer></script></head>",
        &[&title],
    )
}

/// A page for whoever is not signed in.
pub(super) fn bare(status: StatusCode, title: &'static str, content: Html) -> Response {
    html(
        status,
        Html::of(
            "{}<body class=\"bare\"><main id=\"main\">{}</main></body></html>\n",
            &[&head(title), &content],
        ),
    )
}

/// A page for somebody who is signed in. `place` is the address of the one of [`PAGES`] that it belongs to.
pub(super) fn page(session: &Session, place: &str, title: &str, content: Html) -> Response {
    let links = PAGES.iter().map(|(address, words)| {
        let current = match *address == place {
            true => Html::of(" aria-current=\"page\"", &[]),
            false => Html::default(),
        };
        Html::of(
            "<li><a href=\"{}\"{}>{}</a></li>",
            &[address, &current, words],
        )
    });
    let links: Html = links.collect();
    let body = Html::of(
        "<body><a class=\"skip\" href=\"#main\">Skip to the content</a>\
         <header><p class=\"brand\">kite</p><nav aria-label=\"Pages\"><ul>{}</ul></nav>\
         <form method=\"post\" action=\"/console/sign-out\">{}<button id=\"sign-out\" class=\"quiet\">Sign out</button>\
         </form></header><main id=\"main\" tabindex=\"-1\"><h1>{}</h1>{}</main></body></html>\n",
        &[&links, &token(session), &title, &content],
    );
    html(StatusCode::OK, Html::of("{}{}", &[&head(title), &body]))
}

/// The field that each form has to have.
pub(super) fn token(session: &Session) -> Html {
    Html::of(
        "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
        &[&TOKEN_FIELD, &session.token],
    )
}

/// What somebody is told who came back after a deed.
pub(super) fn said(words: &str) -> Html {
    Html::of("<p class=\"good\" role=\"status\">{}</p>", &[&words])
}

/// A request that was refused or failed, as a page.
pub(super) struct Refusal(ApiError);

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = self.0.text();
        let content = Html::of(
            "<h1>That did not work</h1><p class=\"bad\" role=\"alert\">{}</p><p><a href=\"/console\">To the peers</a></p>",
            &[&text],
        );
        bare(self.0.status(), "That did not work", content)
    }
}

/// Nothing is at an address below `/console`.
pub(super) async fn nothing_here() -> Refusal {
    ApiError::not_found("there is nothing at this address").into()
}

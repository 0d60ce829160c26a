//! Every page and form of the console, for whoever is no admin of the team.

use std::collections::BTreeSet;
use std::fs;

use reqwest::redirect::Policy;
use reqwest::{Client, Method};

use super::callers::{Callers, Kind};
use super::estate::{Estate, MARK, PLUMAGE, Thing, in_path, nobodys};
use crate::support::http::{Access, Answer, answer, escaped};

/// What a page or form is about, and the fields that a form sends.
type Judged = (Method, &'static str, Option<Thing>, &'static str);

/// All below `/console`; what `src/server/console/mod.rs` routes and is not here fails.
const PAGES: &[Judged] = &[
    (Method::GET, "/", None, ""),
    (Method::GET, "/deliveries", None, ""),
    (Method::GET, "/deliveries?peer={it}", Some(Thing::Peer), ""),
    (Method::GET, "/dead-letters", None, ""),
    (
        Method::GET,
        "/dead-letters?peer={it}",
        Some(Thing::Peer),
        "",
    ),
    (Method::GET, "/dead-letters/{it}", Some(Thing::Letter), ""),
    (
        Method::GET,
        "/dead-letters/{it}/discard",
        Some(Thing::Letter),
        "",
    ),
    (Method::GET, "/endpoints", None, ""),
    (Method::GET, "/keys", None, ""),
    (Method::GET, "/live", None, ""),
    (
        Method::POST,
        "/peers",
        Some(Thing::Peer),
        "pause={it}&resume=",
    ),
    (
        Method::POST,
        "/dead-letters/replay",
        Some(Thing::Peer),
        "peer={it}",
    ),
    (
        Method::POST,
        "/dead-letters/{it}/replay",
        Some(Thing::Letter),
        "",
    ),
    (
        Method::POST,
        "/dead-letters/{it}/discard",
        Some(Thing::Letter),
        "",
    ),
];

/// What shows nothing of a team's.
const OPEN: &[&str] = &[
    "/sign-in",
    "/sign-out",
    "/console.css",
    "/console.js",
    "/icon.svg",
];

#[test]
fn each_page_of_the_console_is_judged() {
    let routes = fs::read_to_string("src/server/console/mod.rs").unwrap();
    let routed: BTreeSet<&str> = routes
        .split(".route(")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1))
        .collect();
    assert!(routed.len() > 10, "{routed:?}");
    let bare = |path: &'static str| {
        let path = path.split('?').next().unwrap();
        path.replace("{it}", "{id}")
    };
    let judged: BTreeSet<String> = PAGES
        .iter()
        .map(|(_, path, ..)| bare(path))
        .chain(OPEN.iter().map(|path| (*path).to_owned()))
        .collect();
    let judged: BTreeSet<&str> = judged.iter().map(String::as_str).collect();
    assert_eq!(judged, routed);
}

/// A browser with one cookie.
struct Browser {
    client: Client,
    url: String,
    cookie: String,
    token: String,
}

impl Browser {
    fn new(url: &str, cookie: &str) -> Self {
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only(Vec::new())
            .redirect(Policy::none())
            .build()
            .unwrap();
        Self {
            client,
            url: url.to_owned(),
            cookie: cookie.to_owned(),
            token: String::new(),
        }
    }

    async fn ask(&self, method: Method, path: &str, fields: &str) -> Answer {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.url))
            .header("cookie", &self.cookie);
        let request = match method {
            Method::POST => request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(format!("{fields}&token={}", self.token)),
            _ => request,
        };
        answer(request).await
    }

    async fn sign_in(access: &Access, key: &str) -> Result<Self, Answer> {
        let mut browser = Self::new(&access.url, "");
        let fields = format!("key={}", escaped(key));
        let answer = browser.ask(Method::POST, "/console/sign-in", &fields).await;
        if answer.status != 303 {
            return Err(answer);
        }
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        let page = browser.ask(Method::GET, "/console", "").await.text;
        let token = page.split("name=\"token\" value=\"").nth(1).unwrap();
        browser.token = token.split('"').next().unwrap().to_owned();
        Ok(browser)
    }
}

#[tokio::test]
async fn nobody_but_a_teams_admin_sees_or_does_anything_of_it_on_the_console() {
    let estate = Estate::found().await;
    let callers = Callers::of(&estate).await;
    let before = estate.seen().await;
    for kind in Kind::ALL {
        let signed_in = Browser::sign_in(&estate.owner, callers.key(kind)).await;
        let is_admin = kind.allows() == Some(super::document::Needs::Admin);
        match signed_in {
            Ok(_) => assert!(is_admin, "{} signs in", kind.word()),
            Err(answer) => {
                assert!(!is_admin, "{}: {answer:#?}", kind.word());
                let cookie = answer.headers.get("set-cookie");
                assert_eq!(cookie, None, "{}", kind.word());
            }
        }
    }
    let other = Browser::sign_in(&estate.other, &estate.other.key)
        .await
        .unwrap();
    let own = Browser::sign_in(&estate.owner, &estate.owner.key)
        .await
        .unwrap();
    let mut turned = other.cookie.clone();
    let last = turned.pop().unwrap();
    turned.push(if last == 'A' { 'B' } else { 'A' });
    let (name, _) = other.cookie.split_once('=').unwrap();
    let strangers = [
        String::new(),
        format!("{name}=garbage"),
        format!("{name}="),
        format!("{name}={}", estate.owner.key),
        turned,
    ];
    let mut faults = Vec::new();
    for (method, path, thing, fields) in PAGES {
        let it = thing.map_or("", |thing| estate.first(thing));
        let nobody = match it {
            "" => String::new(),
            it => nobodys(it),
        };
        let asked = async |browser: &Browser, it: &str| {
            let path = format!("/console{}", path.replace("{it}", &in_path(it)));
            let path = path.trim_end_matches('/');
            let fields = fields.replace("{it}", &in_path(it));
            browser.ask(method.clone(), path, &fields).await
        };
        for cookie in &strangers {
            let mut stranger = Browser::new(&estate.owner.url, cookie);
            // Also with a token that was made for somebody.
            stranger.token.clone_from(&other.token);
            let answer = asked(&stranger, it).await;
            let is_out = match *path {
                "/live" => answer.status == 401,
                _ => {
                    answer.status == 303
                        && answer.headers["location"]
                            .to_str()
                            .unwrap()
                            .contains("sign-in")
                }
            };
            if !is_out || answer.text.contains(MARK) || answer.text.contains(PLUMAGE) {
                faults.push(format!("{method} {path} with `{cookie}`: {answer:#?}"));
            }
        }
        // One that never ends is looked at by `tests/it/console/stream.rs`.
        if *path == "/live" {
            continue;
        }
        let (of_team, of_nobody) = (asked(&other, it).await, asked(&other, &nobody).await);
        let plain = |answer: &Answer, it: &str| {
            let location = answer.headers.get("location");
            let location = location.map_or("", |it| it.to_str().unwrap());
            let text = format!("{location} {}", answer.text);
            match it {
                "" => text,
                it => text.replace(it, "").replace(&in_path(it), ""),
            }
        };
        let (said, expected) = (plain(&of_team, it), plain(&of_nobody, &nobody));
        if (of_team.status, &said) != (of_nobody.status, &expected) {
            faults.push(format!(
                "{method} {path}: {of_team:#?} is not {of_nobody:#?}"
            ));
        }
        if of_team.status >= 500 || said.contains(MARK) || said.contains(PLUMAGE) {
            faults.push(format!("{method} {path}: {of_team:#?}"));
        }
        // A form that was made for another session.
        if *method == Method::POST {
            let mut posing = Browser::new(&estate.owner.url, &own.cookie);
            posing.token.clone_from(&other.token);
            let answer = asked(&posing, it).await;
            if answer.status != 403 {
                faults.push(format!("{method} {path} with another's token: {answer:#?}"));
            }
        } else {
            let answer = asked(&own, it).await;
            if answer.status != 200 {
                faults.push(format!("{method} {path} of the team itself: {answer:#?}"));
            }
        }
    }
    let after = estate.seen().await;
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        if before != after {
            faults.push(format!("{path}: {before} became {after}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

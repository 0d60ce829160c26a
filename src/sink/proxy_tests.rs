//! What a local server gets to see of an event.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::target::{Heard, Reply, Target};
use super::*;
use crate::webhook::cloudevents::{Mode, recognise};

const NOW: i64 = 1_700_000_000;
const LIMIT: Duration = Duration::from_secs(10);

/// An event with these members beside the required ones.
fn item(members: Value) -> Item {
    let mut event = json!({"specversion": "1.0", "id": "i", "source": "s", "type": "t"});
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    Item::read(7, "team".to_owned(), event.to_string()).unwrap()
}

/// An event with these headers of its request.
fn with_headers(original: Value, members: Value) -> Item {
    let mut members = members;
    members["kiteoriginalheaders"] = original.to_string().into();
    item(members)
}

/// The headers that go out for an event.
fn sent(item: &Item) -> HeaderMap {
    headers(item, &item.source_name())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

fn proxy(target: &Target) -> Proxy {
    let routes = Routes {
        default: Some(target.url.clone()),
        ..Routes::default()
    };
    Proxy::new(routes, LIMIT, None, Clock::fixed(NOW * 1000)).unwrap()
}

/// What arrives when an event is posted.
async fn arrives(item: &Item) -> Heard {
    let target = Target::new(&[Reply::status(200)]).await;
    let posted = proxy(&target).post(item).await;
    assert!(matches!(posted.outcome, Outcome::Delivered), "{posted:?}");
    target.heard().remove(0)
}

#[test]
fn json_is_posted_to_the_byte() {
    for data in [
        r#"{"b": 1.0,  "a":1e2,"big":12345678901234567890123,"z":"\u00e9é\/","a":-0}"#,
        "[1 ,\n\t2]",
        "\"text\"",
        "null",
        "1.50",
    ] {
        let text = format!(
            r#"{{"specversion":"1.0","id":"i","source":"s","type":"t","data":{data},"datacontenttype":"application/json"}}"#
        );
        let item = Item::read(1, "t".to_owned(), text).unwrap();
        assert_eq!(body(&item.event), data.as_bytes());
    }
}

#[test]
fn the_body_that_was_kept_goes_before_what_was_made_of_it() {
    let form = b"payload=%7B%7D&a=1+2\r\n\0\xff";
    let kept = STANDARD.encode(form);
    let event = item(json!({"kiterawbody": kept, "data": {"payload": "{}", "a": "1 2"}}));
    assert_eq!(body(&event.event), &form[..]);
    let empty = item(json!({"kiterawbody": "", "data": null}));
    assert_eq!(body(&empty.event), "");
    let broken = item(json!({"kiterawbody": "?", "data": {"a": 1}}));
    assert_eq!(body(&broken.event), r#"{"a":1}"#);
}

#[test]
fn bytes_and_text_are_posted_as_what_they_are() {
    let of = |members| body(&item(members).event);
    assert_eq!(of(json!({"data_base64": "/wA="})), &[0xff, 0][..]);
    let text = |kind: &str| json!({"datacontenttype": kind, "data": "a \"b\"\né"});
    assert_eq!(of(text("text/plain; charset=utf-8")), "a \"b\"\né");
    assert_eq!(of(text("application/json")), r#""a \"b\"\né""#);
    assert_eq!(of(json!({"data": "a"})), r#""a""#);
    // Under whatever name, what is no string is JSON.
    let object = json!({"datacontenttype": "text/plain", "data": {"a": 1}});
    assert_eq!(of(object), r#"{"a":1}"#);
    assert_eq!(of(json!({})), "");
}

#[test]
fn headers_of_the_provider_arrive_and_those_of_its_connection_do_not() {
    let original = json!({
        "x-github-event": "push", "X-Hub-Signature-256": "sha256=00", "user-agent": "GitHub-Hookshot/1",
        "x-latin": "caf\u{e9}", "x-bad": "a\r\nx-smuggled: 1", "bad name": "1", "x-nul": "\0", "": "1",
        "Connection": "close, X-Hop", "x-hop": "1", "keep-alive": "1", "te": "1", "trailer": "x", "upgrade": "h2c",
        "transfer-encoding": "chunked", "content-length": "7", "host": "example.com", "expect": "100-continue",
        "proxy-authorization": "1", "proxy-connection": "1", "Authorization": "Bearer x", "cookie": "a=b",
        "set-cookie": "a", "accept-encoding": "gzip", "x-forwarded-for": "1", "forwarded": "1", "x-real-ip": "1",
        "cf-ray": "1", "x-api-key": "1", "x-gitlab-token": "1", "my-secret": "1",
        "x-kite-event-id": "forged", "ce-id": "forged", "ce-time": "forged",
    });
    let sent = sent(&with_headers(original, json!({})));
    let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "ce-id",
            "ce-source",
            "ce-specversion",
            "ce-type",
            "content-type",
            "user-agent",
            "x-github-event",
            "x-hub-signature-256",
            "x-kite-event-id",
            "x-kite-event-type",
            "x-kite-source",
            "x-kite-team-id",
            "x-latin",
        ]
    );
    for (name, value) in [
        ("x-hub-signature-256", "sha256=00"),
        ("user-agent", "GitHub-Hookshot/1"),
        ("x-kite-event-id", "i"),
        ("x-kite-event-type", "t"),
        ("x-kite-source", "unknown"),
        ("x-kite-team-id", "team"),
        ("ce-specversion", "1.0"),
        ("ce-id", "i"),
        ("ce-source", "s"),
        ("ce-type", "t"),
    ] {
        assert_eq!(header(&sent, name), Some(value), "{name}");
    }
    assert_eq!(sent["x-latin"].as_bytes(), "café".as_bytes());
}

#[test]
fn headers_that_cannot_be_read_leave_those_of_kite() {
    for original in [json!("no object"), json!({"a": 1}), json!([]), json!(null)] {
        let sent = sent(&with_headers(original, json!({})));
        assert_eq!(header(&sent, "x-kite-event-id"), Some("i"));
        assert_eq!(header(&sent, "content-type"), Some("application/json"));
    }
}

#[test]
fn a_content_type_is_that_of_what_is_posted() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let of = |original: Option<&str>, declared: Option<&str>, more: Value| {
        let mut members = more;
        if let Some(declared) = declared {
            members["datacontenttype"] = declared.into();
        }
        let original = original.map_or(json!({}), |text| json!({"content-type": text}));
        let sent = sent(&with_headers(original, members));
        header(&sent, "content-type").unwrap().to_owned()
    };
    let json = Some("application/json");
    let data = || json!({"data": {"a": 1}});
    let kept = || json!({"data": {"a": "1"}, "kiterawbody": "YT0x"});
    assert_eq!(of(None, None, data()), "application/json");
    assert_eq!(of(None, Some("text/csv"), data()), "text/csv");
    let github = "application/vnd.github+json; a=b";
    assert_eq!(of(Some(github), json, data()), github);
    assert_eq!(of(Some(FORM), json, kept()), FORM);
    // The form is too long to be kept: what is posted is what was made of it.
    assert_eq!(of(Some(FORM), json, data()), "application/json");
    let structured = Some("Application/CloudEvents+json; charset=utf-8");
    assert_eq!(of(structured, json, data()), "application/json");
    assert_eq!(of(structured, None, data()), "application/json");
    let xml = Some("text/xml");
    assert_eq!(of(xml, xml, json!({"data": "<a/>"})), "text/xml");
}

#[tokio::test]
async fn what_arrives_has_one_length_one_host_and_the_exact_body() {
    let original =
        json!({"content-type": "text/plain", "content-length": "99", "host": "example.com"});
    let kept = STANDARD.encode(" a\r\n ");
    let heard = arrives(&with_headers(
        original,
        json!({"kiterawbody": kept, "data": "x"}),
    ))
    .await;
    assert_eq!(heard.body, b" a\r\n ");
    let all = |name: &str| {
        let values = heard.headers.iter().filter(|(own, _)| own == name);
        values.count()
    };
    assert_eq!((all("content-length"), all("host")), (1, 1));
    assert!(heard.header("host").unwrap().starts_with("127.0.0.1:"));
    assert_eq!(heard.header("content-type").unwrap(), "text/plain");
    // Nothing that a client adds on its own would pass for the provider's.
    assert_eq!(heard.header("accept-encoding"), None);
}

#[tokio::test]
async fn an_event_goes_the_way_of_its_source_and_the_rest_the_default_way() {
    let (github, rest) = (
        Target::new(&[Reply::status(200)]).await,
        Target::new(&[Reply::status(200)]).await,
    );
    let mut routes = Routes {
        by_source: [("github".to_owned(), github.url.clone())].into(),
        default: Some(rest.url.clone()),
    };
    let proxy = |routes: &Routes| Proxy::new(routes.clone(), LIMIT, None, Clock::fixed(0)).unwrap();
    let both = proxy(&routes);
    both.post(&item(json!({"kitesource": "GitHub"}))).await;
    both.post(&item(json!({"type": "com.github.push"}))).await;
    both.post(&item(json!({"type": "com.stripe.charge"}))).await;
    assert_eq!((github.heard().len(), rest.heard().len()), (2, 1));

    routes.default = None;
    let posted = proxy(&routes)
        .post(&item(json!({"kitesource": "stripe"})))
        .await;
    assert!(matches!(posted.outcome, Outcome::Hopeless(why) if why.contains("`stripe`")));
    assert!(posted.target.is_none() && posted.status.is_none());
    assert_eq!(rest.heard().len(), 1);
}

#[tokio::test]
async fn a_signed_post_verifies_over_the_body_that_arrives() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let original =
        json!({"webhook-id": "theirs", "webhook-signature": "v1,theirs", "webhook-timestamp": "1"});
    for id in ["i", "é \"%\u{202e}"] {
        let event = with_headers(original.clone(), json!({"id": id, "data": {"a": 1.0}}));
        let target = Target::new(&[Reply::status(200)]).await;
        let secret = Secret::from(SECRET.to_owned());
        proxy(&target).signing(secret).unwrap().post(&event).await;
        let heard = target.heard().remove(0);
        let headers = heard.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value).into_owned();
            (name.clone(), value)
        });
        let request = webhook::Request {
            slug: "any",
            headers: &webhook::Headers::new(headers),
            body: &heard.body,
            url: None,
        };
        let secrets: [&[u8]; 1] = [SECRET.as_bytes()];
        assert_eq!(webhook::verify(&request, &secrets, NOW), Ok(()));
        assert!(webhook::verify(&request, &[&b"whsec_AAAA"[..]], NOW).is_err());
    }
}

#[test]
fn nothing_is_signed_with_what_is_no_secret() {
    for secret in ["", "whsec_", "whpk_AAAA", "whsec_?"] {
        let proxy = Proxy::new(Routes::default(), LIMIT, None, Clock::fixed(0)).unwrap();
        let secret = Secret::from(secret.to_owned());
        assert!(proxy.signing(secret).is_err());
    }
}

proptest! {
    #[test]
    fn a_receiver_of_cloudevents_reads_what_was_sent(
        id in "\\PC{1,40}", source in "\\PC{1,40}", kind in "\\PC{1,40}", data in "\\PC{0,40}",
    ) {
        let item = item(json!({
            "id": id, "source": source, "type": kind, "time": "2026-01-02T03:04:05Z",
            "datacontenttype": "application/json", "data": [data],
        }));
        let sent = sent(&item);
        let lines = sent.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let Ok(Mode::Binary(binary)) = recognise(lines) else {
            panic!("not binary");
        };
        let read = binary.read(&body(&item.event)).unwrap();
        let read = read.complete(|| "minted".to_owned(), || "filled".to_owned());
        prop_assert_eq!(read.id, id);
        prop_assert_eq!(read.source, source);
        prop_assert_eq!(read.kind, kind);
        prop_assert_eq!(read.time, item.event.time.clone());
        let Some((Data::Json(read), Data::Json(own))) = read.data.zip(item.event.data.clone()) else {
            panic!("no data");
        };
        prop_assert_eq!(read.get(), own.get());
    }

    #[test]
    fn whatever_the_event_no_dropped_header_goes_out(
        names in proptest::collection::vec(
            "(?i)(x-)?(api-key|token|secret|[a-z]{1,9})|host|connection|cookie|te|expect|upgrade|proxy-[a-z]{1,9}|cf-ray|content-length|transfer-encoding|authorization|x-forwarded-[a-z]{1,5}|\\PC{0,5}|.{0,5}",
            0..12,
        ),
        values in proptest::collection::vec("[ -~]{0,12}|(?s).{0,12}", 12),
        hop in "[a-z]{1,3}",
        id in "\\PC{1,12}",
        declared in proptest::option::of("\\PC{1,12}"),
        raw in proptest::option::of("[ -~]{0,12}"),
        secret in proptest::bool::ANY,
    ) {
        let mut original = json!({"connection": format!("close,{}", hop.to_uppercase())});
        original[&hop] = "1".into();
        for (name, value) in names.iter().zip(&values) {
            original[name] = value.as_str().into();
        }
        let mut members = json!({"id": id, "data": values});
        members["datacontenttype"] = declared.map_or(Value::Null, Value::from);
        members["kiterawbody"] = raw.map_or(Value::Null, Value::from);
        // A name that stands twice, or another `connection`, may win over ours.
        let is_ours = !names.iter().any(|name| name.eq_ignore_ascii_case("connection"));
        let original = original.to_string().replace(|c: char| c.is_control(), "");
        members["kiteoriginalheaders"] = original.into();
        let item = item(members);
        let mut sent = sent(&item);
        if secret {
            let proxy = Proxy::new(Routes::default(), LIMIT, None, Clock::fixed(0)).unwrap();
            let secret = Secret::from("whsec_AAAA".to_owned());
            let body = body(&item.event);
            proxy.sign(&mut sent, &item.event.id, &body, &secret);
            prop_assert!(sent.contains_key("webhook-signature"));
        }
        for name in sent.keys() {
            let name = name.as_str();
            prop_assert!(headers::is_kept(name), "{}", name);
            prop_assert!(!name.starts_with("proxy-"), "{}", name);
            prop_assert!(!is_ours || name != hop, "{}", name);
        }
        prop_assert!(sent.contains_key(CONTENT_TYPE) && sent.contains_key("ce-id"));
    }
}

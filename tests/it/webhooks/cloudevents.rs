//! CloudEvents in all three modes, by a hook and with a key, also as the CloudEvents SDK sends them.

use cloudevents::event::SpecVersion;
use cloudevents::message::{
    BinaryDeserializer, BinarySerializer, MessageAttributeValue, Result as SdkResult,
};
use cloudevents::{AttributesReader, Event, EventBuilder, EventBuilderV10};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::hooks::Endpoint;
use crate::support::http::{Access, Answer, answer};
use crate::support::server::Server;

const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";
const BATCH: &str = "application/cloudevents-batch+json";

/// The two ways in: by a hook, and with a key.
struct Doors {
    owner: Access,
    hook: String,
}

impl Doors {
    async fn of(owner: &Access) -> Self {
        let app = Endpoint::create(owner, json!({"source": "my-app"})).await;
        Self {
            owner: owner.clone(),
            hook: app.path_with_token(),
        }
    }

    /// A post to each, with the `kitesource` that the event gets there.
    fn posts(&self) -> [(&'static str, RequestBuilder); 2] {
        [
            ("my-app", self.owner.bare(Method::POST, &self.hook)),
            ("api", self.owner.request(Method::POST, "/api/v1/events")),
        ]
    }

    /// The newest event of the log.
    async fn newest(&self) -> Value {
        self.owner.log().await.pop().unwrap()["event"].clone()
    }
}

async fn post(request: RequestBuilder, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter();
    let request = headers.fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    answer(request.body(body.to_owned())).await
}

#[tokio::test]
async fn the_same_event_comes_in_by_every_mode_and_every_door() {
    let server = Server::start();
    let doors = Doors::of(&server.owner()).await;
    let data = r#"{"b": 1.0, "a": 12345678901234567890123456789, "b": 2}"#;
    let event = format!(
        r#"{{"specversion":"1.0","type":"com.acme.note","source":"/a b","id":"ID","subject":"café","time":"2026-01-31T12:00:00Z","weight":"3","datacontenttype":"application/json","data":{data}}}"#
    );
    let attributes = |id: &'static str| {
        [
            ("Content-Type", "application/json"),
            ("CE-SpecVersion", "1.0"),
            ("ce-type", "com.acme.note"),
            ("ce-source", "\"/a b\""),
            ("ce-id", id),
            ("Ce-Subject", "caf%C3%A9"),
            ("ce-time", "2026-01-31T12:00:00Z"),
            ("ce-weight", "3"),
        ]
    };
    for (number, mode) in ["structured", "binary", "batch"].into_iter().enumerate() {
        for (kitesource, request) in doors.posts() {
            let id: &'static str = format!("{mode}-{kitesource}").leak();
            let text = event.replace("ID", id);
            let answer = match mode {
                "structured" => post(request, &[("Content-Type", STRUCTURED)], &text).await,
                "binary" => post(request, &attributes(id), data).await,
                _ => post(request, &[("Content-Type", BATCH)], &format!("[{text}]")).await,
            };
            let answered = answer.expect(202);
            let answered = match mode {
                "batch" => answered["results"][0].clone(),
                _ => answered,
            };
            assert_eq!(
                (&answered["status"], &answered["id"]),
                (&json!("accepted"), &json!(id))
            );
            let seq = number * 2 + usize::from(kitesource == "api");
            let page = doors
                .owner
                .get(&format!("/api/v1/events?after_seq={seq}"))
                .await;
            assert!(page.text.contains(data), "{mode}: {}", page.text);
            let stored = &page.json["events"][0]["event"];
            for (name, value) in [
                ("type", "com.acme.note"),
                ("source", "/a b"),
                ("id", id),
                ("subject", "café"),
                ("time", "2026-01-31T12:00:00Z"),
                ("weight", "3"),
                ("datacontenttype", "application/json"),
                ("kitesource", kitesource),
            ] {
                assert_eq!(stored[name], value, "{mode} {kitesource}: `{name}`");
            }
            assert_eq!(stored["kiteverified"], false);
            let keeps_headers = stored.get("kiteoriginalheaders").is_some();
            assert_eq!(keeps_headers, kitesource == "my-app");
            assert!(stored.get("kiterawbody").is_none());
        }
    }
}

#[tokio::test]
async fn of_a_batch_each_event_is_answered_for_and_counted() {
    let server = Server::start_with(&[
        "--team-rate-limit",
        "6",
        "--rate-window-secs",
        "3600",
        "--events-limit",
        "3",
    ]);
    let owner = server.owner();
    let doors = Doors::of(&owner).await;
    let event = |id: &str| json!({"specversion": "1.0", "type": "t", "source": "s", "id": id});
    let send = async |events: Value| {
        let [_, (_, request)] = doors.posts();
        post(request, &[("Content-Type", BATCH)], &events.to_string()).await
    };
    let nameless = json!({"specversion": "1.0", "type": "t"});
    let answer = send(json!([event("a"), event("a"), nameless]))
        .await
        .expect(202);
    assert_eq!(answer["status"], "accepted");
    let told: Vec<_> = answer["results"].as_array().unwrap().iter().collect();
    let status = |place: usize| told[place]["status"].as_str().unwrap();
    assert_eq!(
        (status(0), status(1), status(2)),
        ("accepted", "duplicate_ignored", "accepted")
    );
    assert_eq!((&told[0]["id"], &told[1]["id"]), (&json!("a"), &json!("a")));
    assert_eq!(answer["usage"]["events_used"], 2);
    let log = owner.log().await;
    assert_eq!(log[1]["event"]["id"], told[2]["id"]);
    assert_eq!(log[1]["event"]["source"], "https://api");

    let answer = send(json!([event("b"), event("c")])).await.expect(202);
    assert_eq!(answer["results"][0]["status"], "accepted");
    assert_eq!(answer["results"][1]["status"], "quota_exhausted");
    let used_up = send(json!([event("d")])).await;
    used_up.refused(402, "payment_required");
    assert_eq!(used_up.json["usage"]["events_used"], 3);
    // That was the sixth event of the window.
    let [_, (_, request)] = doors.posts();
    let limited = post(
        request,
        &[("Content-Type", BATCH)],
        &json!([event("e")]).to_string(),
    )
    .await;
    limited.refused(429, "rate_limited");
}

#[tokio::test]
async fn binary_mode_takes_every_kind_of_body() {
    let server = Server::start();
    let doors = Doors::of(&server.owner()).await;
    let mut number = 0;
    for (content_type, body, member, expected) in [
        ("text/plain", "hello", "data", json!("hello")),
        (
            "application/x-www-form-urlencoded",
            "a=1&a=2",
            "data",
            json!("a=1&a=2"),
        ),
        ("image/png", "hi", "data_base64", json!("aGk=")),
        ("application/acme+json", "[1]", "data", json!([1])),
        ("application/json", "", "data", Value::Null),
    ] {
        for (_, request) in doors.posts() {
            number += 1;
            let id = number.to_string();
            let headers = [
                ("Content-Type", content_type),
                ("ce-specversion", "1.0"),
                ("ce-type", "t"),
                ("ce-id", &id),
            ];
            post(request, &headers, body).await.expect(202);
            let event = doors.newest().await;
            assert_eq!(event[member], expected, "{content_type}");
            assert_eq!(event["datacontenttype"], content_type);
            let has = |name: &str| event.get(name).is_some();
            assert!(!(has("data") && has("data_base64")), "{event}");
            assert_eq!(has("data") || has("data_base64"), !body.is_empty());
        }
    }
}

#[tokio::test]
async fn a_signature_covers_the_body_of_every_mode() {
    let server = Server::start();
    let owner = server.owner();
    let secret = json!({"source": "my-app", "webhook_secret": "s3cret"});
    let app = Endpoint::create(&owner, secret).await;
    let event = r#"{"specversion":"1.0","type":"t","id":"ID"}"#;
    for (content_type, body) in [
        (STRUCTURED, event.replace("ID", "1")),
        (BATCH, format!("[{}]", event.replace("ID", "2"))),
        ("application/json", "{}".to_owned()),
    ] {
        let signature = crate::support::hooks::signature("s3cret", body.as_bytes());
        let headers = [
            ("Content-Type", content_type),
            ("ce-specversion", "1.0"),
            ("ce-type", "t"),
            ("X-Kite-Signature", &signature),
        ];
        app.post(&app.path, &headers, body.clone())
            .await
            .expect(202);
        let unsigned = app.post(&app.path, &headers[..3], body).await;
        unsigned.refused(401, "unauthorized");
    }
    let log = owner.log().await;
    assert_eq!(log.len(), 3);
    assert!(log.iter().all(|it| it["event"]["kiteverified"] == true));
}

/// A request that the SDK fills, as its own bindings do with theirs.
struct Outgoing(RequestBuilder);

impl Outgoing {
    fn with(self, name: &str, value: &MessageAttributeValue) -> Self {
        Self(self.0.header(name, value.to_string()))
    }
}

impl BinarySerializer<RequestBuilder> for Outgoing {
    fn set_spec_version(self, version: SpecVersion) -> SdkResult<Self> {
        Ok(Self(self.0.header("ce-specversion", version.to_string())))
    }

    fn set_attribute(self, name: &str, value: MessageAttributeValue) -> SdkResult<Self> {
        Ok(match name {
            "datacontenttype" => self.with("content-type", &value),
            _ => self.with(&format!("ce-{name}"), &value),
        })
    }

    fn set_extension(self, name: &str, value: MessageAttributeValue) -> SdkResult<Self> {
        Ok(self.with(&format!("ce-{name}"), &value))
    }

    fn end_with_data(self, bytes: Vec<u8>) -> SdkResult<RequestBuilder> {
        Ok(self.0.body(bytes))
    }

    fn end(self) -> SdkResult<RequestBuilder> {
        Ok(self.0)
    }
}

fn of_the_sdk(id: String) -> EventBuilderV10 {
    EventBuilderV10::new()
        .id(id)
        .ty("com.acme.note")
        .source("https://acme.example/notes")
        .subject("note-7")
        .time("2026-01-31T12:00:00Z")
        .extension("weight", "heavy")
}

fn built(builder: EventBuilderV10) -> Event {
    builder.build().expect("the SDK makes an event")
}

/// The event as it left the server, without what the server adds.
fn as_sent(listed: &Value) -> Event {
    let mut event = listed["event"].clone();
    let members = event.as_object_mut().unwrap();
    members.retain(|name, _| !name.starts_with("kite"));
    serde_json::from_value(event).expect("the SDK reads it")
}

#[tokio::test]
async fn what_the_sdk_sends_the_sdk_reads_again() {
    let server = Server::start();
    let owner = server.owner();
    let doors = Doors::of(&owner).await;
    let mut sent = Vec::new();
    for mode in ["structured", "binary", "batch"] {
        for (kitesource, request) in doors.posts() {
            let id = |kind: &str| format!("{mode}-{kitesource}-{kind}");
            let events = vec![
                built(of_the_sdk(id("json")).data("application/json", json!({"a": [1, 2.5]}))),
                built(of_the_sdk(id("text")).data("text/plain", "hello".to_owned())),
                built(of_the_sdk(id("bytes")).data("image/png", vec![0u8, 255])),
                built(of_the_sdk(id("none"))),
            ];
            if mode == "batch" {
                let body = serde_json::to_string(&events).unwrap();
                post(request, &[("Content-Type", BATCH)], &body)
                    .await
                    .expect(202);
                sent.extend(events);
                continue;
            }
            for event in events {
                let request = request.try_clone().unwrap();
                let accepted = match mode {
                    "structured" => {
                        let body = serde_json::to_string(&event).unwrap();
                        post(request, &[("Content-Type", STRUCTURED)], &body).await
                    }
                    _ => {
                        let filled = event.clone().deserialize_binary(Outgoing(request));
                        answer(filled.expect("the SDK fills it")).await
                    }
                };
                assert_eq!(accepted.expect(202)["id"], event.id());
                sent.push(event);
            }
        }
    }
    let log = owner.log().await;
    let read: Vec<Event> = log.iter().map(as_sent).collect();
    assert_eq!(read.len(), 24);
    for (read, sent) in read.iter().zip(&sent) {
        assert_eq!(read, sent);
    }
}

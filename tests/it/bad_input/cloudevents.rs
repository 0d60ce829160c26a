//! CloudEvents that are malformed in one of the three modes, and requests that only look like them.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::hooks::{Endpoint, signature};
use crate::support::http::{Access, Answer, answer};
use crate::support::server::Server;

const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
const BINARY: [(&str, &str); 3] = [
    ("ce-specversion", "1.0"),
    ("ce-type", "t"),
    ("ce-source", "s"),
];

/// Posts to a hook and with a key. Both must say the same, which is returned.
struct Doors {
    owner: Access,
    hook: String,
}

impl Doors {
    async fn of(server: &Server) -> Self {
        let owner = server.owner();
        let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
        Self {
            owner,
            hook: app.path_with_token(),
        }
    }

    async fn post(&self, headers: &[(&str, &[u8])], body: &[u8]) -> Answer {
        let mut said: Vec<Answer> = Vec::new();
        for request in [
            self.owner.bare(Method::POST, &self.hook),
            self.owner.request(Method::POST, "/api/v1/events"),
        ] {
            let request = headers.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            });
            said.push(answer(request.body(body.to_vec())).await);
        }
        let (by_key, by_hook) = (said.pop().unwrap(), said.pop().unwrap());
        assert_eq!(
            (by_hook.status, &by_hook.json["error"]),
            (by_key.status, &by_key.json["error"])
        );
        by_key
    }

    async fn refuse(&self, headers: &[(&str, &str)], body: &[u8], status: u16, named: &str) {
        let lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        self.refuse_bytes(&lines, body, status, named).await;
    }

    async fn refuse_bytes(&self, headers: &[(&str, &[u8])], body: &[u8], status: u16, named: &str) {
        let answer = self.post(headers, body).await;
        let code = match status {
            400 => "bad_request",
            403 => "forbidden",
            413 => "too_large",
            415 => "unsupported_media_type",
            _ => panic!("{status} is not expected anywhere"),
        };
        answer.refused(status, code);
        let sentence = answer.json["error"].as_str().unwrap();
        assert!(
            sentence.contains(named),
            "{headers:?}: `{sentence}` does not name {named}"
        );
    }

    async fn expect_nothing_stored(&self) {
        assert_eq!(self.owner.log().await.len(), 0);
    }
}

fn event(id: usize) -> Value {
    json!({"specversion": "1.0", "type": "t", "source": "s", "id": id.to_string()})
}

#[tokio::test]
async fn a_batch_with_a_fault_says_where_and_stores_nothing() {
    let server = Server::start();
    let doors = Doors::of(&server).await;
    let good = event(1).to_string();
    let second = |event: &str| format!("[{good},{event}]");
    let many = Value::Array((0..101).map(event).collect()).to_string();
    for (body, status, named) in [
        ("[]".to_owned(), 400, "1 to 100"),
        (many, 400, "101"),
        (good.clone(), 400, "array"),
        ("null".to_owned(), 400, "array"),
        (String::new(), 400, "JSON"),
        (format!("[{good}"), 400, "JSON"),
        (format!("[{good}] []"), 400, "JSON"),
        (second(&format!("[{good}]")), 400, "event 2: "),
        (second("null"), 400, "event 2: "),
        (second("{}"), 400, "event 2: `specversion`"),
        (
            second(r#"{"specversion":"1.0","id":"1"}"#),
            400,
            "event 2: the attribute `type`",
        ),
        (
            second(&good.replace("1.0", "0.3")),
            400,
            "event 2: `specversion`",
        ),
        (
            second(r#"{"specversion":"1.0","type":"t","type":"t"}"#),
            400,
            "event 2: the attribute `type` is given twice",
        ),
        (
            second(r#"{"specversion":"1.0","type":"t","data":1e400}"#),
            400,
            "event 2: the number",
        ),
        (
            second(r#"{"specversion":"1.0","type":"t","data":"\ud800"}"#),
            400,
            "event 2: ",
        ),
        (
            second(r#"{"specversion":"1.0","type":"com.kite.agent.message"}"#),
            403,
            "event 2: the type",
        ),
        (
            second(r#"{"specversion":"1.0","type":"kite.subscription.x"}"#),
            403,
            "nothing was stored",
        ),
    ] {
        doors.refuse(&[BATCH], body.as_bytes(), status, named).await;
    }
    let nested = format!("[{good}").repeat(2000);
    doors.refuse(&[BATCH], nested.as_bytes(), 400, "JSON").await;
    doors.refuse(&[BATCH], b"[\"\xff\"]", 400, "UTF-8").await;
    let mut large = event(1);
    large["data"] = "x".repeat(262_144).into();
    let large = format!("[{large}]");
    doors
        .refuse(&[BATCH], large.as_bytes(), 413, "262144")
        .await;
    doors.expect_nothing_stored().await;
}

#[tokio::test]
async fn a_batch_of_the_largest_size_passes() {
    let server = Server::start();
    let doors = Doors::of(&server).await;
    let full = Value::Array((0..100).map(event).collect()).to_string();
    let answer = doors.owner.request(Method::POST, "/api/v1/events");
    let answer = crate::support::http::answer(answer.header(BATCH.0, BATCH.1).body(full)).await;
    assert_eq!(answer.expect(202)["results"].as_array().unwrap().len(), 100);
    assert_eq!(doors.owner.log().await.len(), 100);
}

#[tokio::test]
async fn binary_mode_refuses_what_json_would_refuse() {
    let server = Server::start();
    let doors = Doors::of(&server).await;
    for (header, named) in [
        (("ce-my-ext", "x"), "`my-ext`"),
        (("Ce-My_Ext", "x"), "`my_ext`"),
        (("ce-", "x"), "extension name"),
        (("ce-data", "x"), "`data`"),
        (("ce-data_base64", "x"), "`data_base64`"),
        (("ce-type", "t"), "`type` is given twice"),
        (("CE-Source", "s"), "`source` is given twice"),
        (("ce-time", "yesterday"), "`time`"),
        (("ce-time", "1970-01-01"), "`time`"),
        (("ce-subject", "%FF"), "`ce-subject`"),
        (("ce-subject", "%ED%A0%80"), "`ce-subject`"),
        (("ce-subject", "\"x"), "`ce-subject`"),
        (("ce-subject", "a%0Ab"), "control"),
        (("ce-subject", "a%00b"), "control"),
        (("ce-id", "%7F"), "control"),
        (("content-encoding", "gzip"), "compressed"),
    ] {
        let headers = [&BINARY[..], &[header]].concat();
        let status = if header.0 == "content-encoding" {
            415
        } else {
            400
        };
        doors.refuse(&headers, b"{}", status, named).await;
    }
    let long = "x".repeat(4097);
    let headers = [&BINARY[..], &[("ce-id", long.as_str())]].concat();
    doors.refuse(&headers, b"", 400, "`id` is longer").await;
    let name = format!("ce-{}", "a".repeat(65));
    let headers = [&BINARY[..], &[(name.as_str(), "x")]].concat();
    doors.refuse(&headers, b"", 400, "1 to 64").await;
    for (headers, named) in [
        (vec![("ce-specversion", "1.0")], "`type`"),
        (vec![("ce-specversion", "1.0"), ("ce-type", "")], "`type`"),
        (
            vec![("ce-specversion", "0.3"), ("ce-type", "t")],
            "`specversion`",
        ),
        (
            vec![("ce-specversion", ""), ("ce-type", "t")],
            "`specversion`",
        ),
    ] {
        doors.refuse(&headers, b"{}", 400, named).await;
    }
    for kind in [
        "com.kite.agent.message",
        "kite.subscription.quota_exhausted",
    ] {
        let headers = [("ce-specversion", "1.0"), ("ce-type", kind)];
        doors.refuse(&headers, b"{}", 403, "reserved").await;
    }
    let raw: Vec<(&str, &[u8])> = BINARY
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .chain([("ce-subject", &b"\xff"[..])])
        .collect();
    doors.refuse_bytes(&raw, b"{}", 400, "`ce-subject`").await;
    doors.expect_nothing_stored().await;
}

#[tokio::test]
async fn an_attribute_with_the_hook_token_is_refused_in_every_mode() {
    let server = Server::start();
    let owner = server.owner();
    let open = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let signed = json!({"source": "signed", "webhook_secret": "a secret"});
    let signed = Endpoint::create(&owner, signed).await;
    for endpoint in [&open, &signed] {
        let refuse = async |mode: &[(&str, &str)], body: &str, named: &str| {
            let signature = signature("a secret", body.as_bytes());
            let headers = [mode, &[("X-Kite-Signature", &signature)]].concat();
            let path = match endpoint.secret.is_empty() {
                true => endpoint.path_with_token(),
                false => endpoint.path.clone(),
            };
            let answer = endpoint.post(&path, &headers, body.to_owned()).await;
            answer.refused(400, "bad_request");
            let sentence = answer.json["error"].as_str().unwrap();
            let expected = format!("the attribute `{named}` holds the hook token");
            assert!(sentence.contains(&expected), "{sentence}");
        };
        let holder = format!("https://kite.example{}", endpoint.path_with_token());
        for name in [
            "id",
            "source",
            "type",
            "subject",
            "dataschema",
            "ext",
            "kitesummary",
        ] {
            let mut event = event(1);
            event[name] = holder.as_str().into();
            let structured = [("Content-Type", "application/cloudevents+json")];
            refuse(&structured, &event.to_string(), name).await;
            let batch = json!([{"specversion": "1.0", "type": "t"}, event]);
            refuse(&[BATCH], &batch.to_string(), name).await;
            let header = format!("ce-{name}");
            let mut binary = BINARY.to_vec();
            binary.retain(|(given, _)| *given != header);
            binary.push((&header, &holder));
            refuse(&binary, "", name).await;
        }
        let kind = format!("text/plain; x={}", endpoint.token);
        let binary = [&BINARY[..], &[("Content-Type", &kind)]].concat();
        refuse(&binary, "", "datacontenttype").await;
    }
    assert_eq!(owner.log().await.len(), 0);
}

#[tokio::test]
async fn the_body_of_binary_mode_is_judged_by_its_type() {
    let server = Server::start();
    let doors = Doors::of(&server).await;
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let headers = [&BINARY[..], &[("content-type", "application/json")]].concat();
    for (body, named) in [
        (b"{".to_vec(), "JSON"),
        (b" ".to_vec(), "JSON"),
        (b"\"\xff\"".to_vec(), "UTF-8"),
        (b"[1e400]".to_vec(), "1e400"),
        (br#""\ud800""#.to_vec(), "surrogate"),
        (nested(121), "120"),
    ] {
        doors.refuse(&headers, &body, 400, named).await;
    }
    for two in ["text/plain", "application/json; charset=utf-8"] {
        let headers = [&headers[..], &[("ce-datacontenttype", two)]].concat();
        doors
            .refuse(&headers, b"{}", 400, "ce-datacontenttype")
            .await;
    }
    let large = vec![b'x'; 262_145];
    doors.refuse(&BINARY, &large, 413, "262144").await;
    doors.expect_nothing_stored().await;

    let kept = r#"{"n":123456789012345678901234567890.10,"a":1,"a":1E+2}"#;
    for body in [nested(120), kept.as_bytes().to_vec()] {
        let lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        assert_eq!(doors.post(&lines, &body).await.status, 202);
    }
    let page = doors.owner.get("/api/v1/events?limit=1").await;
    assert!(page.text.contains(kept), "{}", page.text);
    for listed in doors.owner.log().await {
        let id = listed["event"]["id"].as_str().unwrap();
        let shown = doors.owner.get(&format!("/api/v1/events/{id}")).await;
        assert_eq!(shown.status, 200, "{shown:#?}");
    }
}

#[tokio::test]
async fn what_a_request_carries_is_said_once_and_in_a_form_that_is_read() {
    let server = Server::start();
    let doors = Doors::of(&server).await;
    let event = event(1).to_string();
    for other in [
        "application/cloudevents+xml",
        "application/cloudevents",
        "application/cloudevents-batch+xml",
        "application/cloudevents+avro; charset=utf-8",
    ] {
        let headers = [&BINARY[..], &[("content-type", other)]].concat();
        let body = event.as_bytes();
        doors
            .refuse(&headers, body, 415, "application/cloudevents+json")
            .await;
        doors
            .refuse(&[("content-type", other)], body, 415, "is not read")
            .await;
    }
    for first in ["application/json", "application/cloudevents+json", BATCH.1] {
        let headers = [("content-type", first), ("content-type", first)];
        doors
            .refuse(&headers, event.as_bytes(), 400, "given twice")
            .await;
    }
    let packed = [BATCH, ("content-encoding", "gzip")];
    doors.refuse(&packed, b"[]", 415, "compressed").await;
    doors.expect_nothing_stored().await;
}

/// Sends the head of a request as it stands here; the status of the answer.
async fn raw_status(server: &Server, head: &str) -> String {
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has heard enough answers before it has read all.
    stream.write_all(head.as_bytes()).await.ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_flood_of_headers_is_refused_and_the_server_lives() {
    let server = Server::start();
    let doors = Doors::of(&server).await;
    let head = |headers: &str| {
        format!(
            "POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\nce-specversion: 1.0\r\nce-type: t\r\n{headers}\r\n{{}}",
            doors.hook
        )
    };
    let many: String = (0..5000)
        .map(|number| format!("ce-x{number}: 1\r\n"))
        .collect();
    let huge = format!("ce-id: {}\r\n", "x".repeat(1024 * 1024));
    let twins = "ce-type: t\r\n".repeat(5000);
    for headers in [many, huge, twins] {
        let status = raw_status(&server, &head(&headers)).await;
        assert!(status.starts_with('4'), "`{status}`");
    }
    doors.expect_nothing_stored().await;
    assert_eq!(raw_status(&server, &head("ce-id: 1\r\n")).await, "202");
}

//! Bodies: what is no JSON, what is too large, what is very large, and what `data` does not show.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::support::PATIENCE;
use crate::support::hooks::{Endpoint, try_call};
use crate::support::server::Server;
use crate::support::socket::Socket;

const BODY_MAX_BYTES: usize = 262_144;
const GITHUB_MAX_BYTES: usize = 25 * 1024 * 1024;

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test]
async fn what_is_declared_json_and_is_not_is_refused_and_not_stored() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let github = Endpoint::github(&owner).await;
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let bodies: Vec<Vec<u8>> = vec![
        b"{".to_vec(),
        b"hello".to_vec(),
        b"{\"a\":1} {}".to_vec(),
        b"{'a':1}".to_vec(),
        b"NaN".to_vec(),
        b"[1,]".to_vec(),
        b"a=1&b=2".to_vec(),
        b"   ".to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        b"{\"a\":\"\xed\xa0\x80\"}".to_vec(),
        nested(121),
        b"{\"a\":1e400}".to_vec(),
        b"{\"a\":-1e400}".to_vec(),
        br#"{"a":"\ud800"}"#.to_vec(),
        br#"{"\udc00\ud800":1}"#.to_vec(),
        b"{\"a\":\"\0\"}".to_vec(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        for kind in [
            "application/json",
            "application/json; charset=utf-8",
            "APPLICATION/JSON",
            "application/vnd.acme+json",
        ] {
            let answer = app
                .post_with_token(&[("Content-Type", kind)], body.clone())
                .await;
            assert_eq!(answer.status, 400, "{kind} {shown}: {answer:#?}");
            answer.refused(400, "bad_request");
        }
        let signed = github.push("d-1", body).await;
        assert_eq!(signed.status, 400, "{shown}: {signed:#?}");
    }
    assert_eq!(owner.log().await.len(), 0, "nothing was stored");

    app.post_with_token(&[JSON], nested(120)).await.expect(202);
    app.post_with_token(&[JSON], "1e308").await.expect(202);
    // A delivery that was refused is new when it comes again.
    github.push("d-1", "{}").await.expect(202);
}

/// Posts a body in chunks, without `Content-Length`; the status and the body of the answer.
async fn post_in_chunks(endpoint: &Endpoint, bytes: usize, is_ended: bool) -> (u16, Value) {
    let mut chunks = Vec::new();
    for part in vec![b'x'; bytes].chunks(50_000) {
        let size = format!("{:x}\r\n", part.len());
        chunks.extend([size.as_bytes(), part, b"\r\n"].concat());
    }
    if is_ended {
        chunks.extend(b"0\r\n\r\n");
    }
    post_raw(endpoint, "Transfer-Encoding: chunked", &chunks).await
}

/// Posts bytes with this header about them, whether they fit it or not; the status and the body of the answer.
async fn post_raw(endpoint: &Endpoint, header: &str, bytes: &[u8]) -> (u16, Value) {
    let url = Url::parse(&endpoint.access.url).unwrap();
    let address = (url.host_str().unwrap(), url.port().unwrap());
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n",
        endpoint.path_with_token()
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, tcp.read_to_end(&mut answer))
        .await
        .expect("the server answers")
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn a_body_in_chunks_has_the_same_limit() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let (status, answer) = post_in_chunks(&app, BODY_MAX_BYTES, true).await;
    assert_eq!(status, 202, "{answer}");
    // The second never says that it is over.
    for is_ended in [true, false] {
        let (status, answer) = post_in_chunks(&app, BODY_MAX_BYTES + 1, is_ended).await;
        assert_eq!(status, 413, "{answer}");
        assert_eq!(answer["max_bytes"], BODY_MAX_BYTES);
        assert_eq!(answer["code"], "too_large");
    }
    assert_eq!(owner.log().await.len(), 1);
}

#[tokio::test]
async fn the_largest_push_of_github_streams_whole() {
    let server = Server::start();
    let owner = server.owner();
    let github = Endpoint::github(&owner).await;
    // Clients take frames of 16 MiB, and so does this one.
    let (mut listener, _) = Socket::connect(&owner, &["*"], "listener").await;
    let body = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));

    let declared = format!("Content-Length: {}", GITHUB_MAX_BYTES + 1);
    let (status, answer) = post_raw(&github, &declared, b"\"x").await;
    assert_eq!(status, 413, "{answer}");
    assert_eq!(answer["max_bytes"], GITHUB_MAX_BYTES);

    let largest = body(GITHUB_MAX_BYTES);
    github.push("d-1", largest.clone()).await.expect(202);
    github.push("d-2", "{}").await.expect(202);
    let frame = listener.next_text().await;
    assert!(
        frame.contains(&format!(r#""data":{largest}"#)),
        "the data of a large event is not what was sent: {} bytes",
        frame.len()
    );
    assert_eq!(listener.next_event().await["seq"], 2);
    assert_eq!(owner.log().await.len(), 2);
}

#[tokio::test]
async fn an_endpoint_may_have_a_limit_of_its_own() {
    let server = Server::start();
    let owner = server.owner();
    let small = json!({"source": "small", "max_body_bytes": 1000});
    let large = json!({"source": "large", "max_body_bytes": 1_000_000});
    for (params, limit) in [(small, 1000), (large, 1_000_000)] {
        let source = params["source"].clone();
        // Making it again with no word about the limit leaves the limit.
        Endpoint::create(&owner, params).await;
        let endpoint = Endpoint::create(&owner, json!({"source": source})).await;
        endpoint
            .post_with_token(&[], "x".repeat(limit))
            .await
            .expect(202);
        let too_large = endpoint.post_with_token(&[], "x".repeat(limit + 1)).await;
        too_large.refused(413, "too_large");
        assert_eq!(too_large.json["max_bytes"], limit);
    }
    for limit in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("1000"),
        json!(u64::MAX),
    ] {
        let params = json!({"source": "my-app", "max_body_bytes": limit});
        let response = try_call(&owner, "hooks.create", params).await;
        assert_eq!(response["payload"]["code"], "bad_params", "{response}");
    }
    assert_eq!(owner.log().await.len(), 2);
}

#[tokio::test]
async fn the_servers_limit_is_that_of_the_users_own_sources() {
    for limit in [1000, 400_000] {
        let server = Server::start_with(&["--max-body-bytes", &limit.to_string()]);
        let owner = server.owner();
        let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
        let github = Endpoint::github(&owner).await;
        app.post_with_token(&[], "x".repeat(limit))
            .await
            .expect(202);
        let too_large = app.post_with_token(&[], "x".repeat(limit + 1)).await;
        too_large.refused(413, "too_large");
        assert_eq!(too_large.json["max_bytes"], limit);
        let push = format!("\"{}\"", "x".repeat(2 * limit));
        github.push("d-1", push).await.expect(202);
    }
}

#[tokio::test]
async fn the_raw_body_is_kept_where_data_is_not_the_body() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let form = "application/x-www-form-urlencoded";
    let long = format!("a={}", "x".repeat(64 * 1024));
    let event =
        r#"{"specversion":"1.0","id":"1","source":"s","type":"t","kiterawbody":"eA==","data": 1 }"#;
    let posts: Vec<(&str, &[u8], Option<Value>, bool)> = vec![
        ("application/json", b"{\"a\": 1}", None, false),
        ("application/json", b" {\"a\": 1}", None, true),
        ("application/json", b"{\"a\": 1}\n", None, true),
        ("application/json", b"", Some(json!(null)), true),
        (form, b"b=2&a=1", Some(json!({"b": "2", "a": "1"})), true),
        (form, &long.as_bytes()[..64 * 1024], None, true),
        (form, long.as_bytes(), None, false),
        (
            "text/plain",
            b"hello \"you\"",
            Some(json!("hello \"you\"")),
            true,
        ),
        ("application/xml", b"<a/>", Some(json!("<a/>")), true),
        ("application/octet-stream", b"\x00\xff", None, false),
        (
            "application/cloudevents+json",
            event.as_bytes(),
            Some(json!(1)),
            false,
        ),
    ];
    let count = posts.len();
    for (kind, body, data, has_raw) in posts {
        let answer = app
            .post_with_token(&[("Content-Type", kind)], body)
            .await
            .expect(202);
        let path = format!("/api/v1/events/{}", answer["id"].as_str().unwrap());
        let listed = owner.get(&path).await.expect(200);
        let event = &listed["event"];
        let shown = String::from_utf8_lossy(&body[..body.len().min(99)]);
        if let Some(data) = data {
            assert_eq!(event["data"], data, "{kind} {shown}");
        }
        let raw = has_raw.then(|| json!(STANDARD.encode(body)));
        assert_eq!(event.get("kiterawbody"), raw.as_ref(), "{kind} {shown}");
        if kind == "application/octet-stream" {
            assert_eq!(event["data_base64"], STANDARD.encode(body));
            assert_eq!(event.get("data"), None);
        }
    }
    assert_eq!(owner.log().await.len(), count);
}

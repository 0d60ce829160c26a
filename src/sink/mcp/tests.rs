use serde_json::{Value, json};
use tokio::io::duplex;

use super::*;

fn item(seq: u64, source: &str, kind: &str) -> Item {
    let text = format!(
        r#"{{"specversion":"1.0","id":"e{seq}","source":"{source}","type":"{kind}","data":{{"n":1.0}}}}"#
    );
    Item::read(seq, "team".to_owned(), text).unwrap()
}

/// A server with so many events.
fn server(count: u64) -> Mcp {
    Mcp::new(200).with((1..=count).map(|seq| item(seq, "https://github.com/a", "com.github.push")))
}

/// What a server answers to all this, until the end of its input.
async fn said(server: &Mcp, input: impl AsRef<[u8]>) -> String {
    let mut output = Vec::new();
    server.serve(input.as_ref(), &mut output).await.unwrap();
    String::from_utf8(output).unwrap()
}

async fn answers(server: &Mcp, input: impl AsRef<[u8]>) -> Vec<Value> {
    let said = said(server, input).await;
    assert!(said.is_empty() || said.ends_with('\n'));
    let read = |line: &str| serde_json::from_str(line).unwrap();
    said.lines().map(read).collect()
}

/// The one answer to a call.
async fn call(server: &Mcp, method: &str, params: Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let mut answers = answers(server, request.to_string()).await;
    assert_eq!(answers.len(), 1);
    let answer = answers.remove(0);
    assert_eq!(
        (&answer["jsonrpc"], &answer["id"]),
        (&json!("2.0"), &json!(7))
    );
    answer
}

/// The text that a tool answers with, and whether it is an error.
async fn tool(server: &Mcp, name: &str, arguments: Value) -> (String, bool) {
    let answer = call(
        server,
        "tools/call",
        json!({"name": name, "arguments": arguments}),
    )
    .await;
    let result = &answer["result"];
    assert_eq!(result["content"][0]["type"], "text", "{answer}");
    let text = result["content"][0]["text"].as_str().unwrap().to_owned();
    (text, result["isError"].as_bool().unwrap())
}

fn ids(text: &str) -> Vec<String> {
    let events: Vec<Value> = serde_json::from_str(text).unwrap();
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    events.iter().map(id).collect()
}

async fn code(input: impl AsRef<[u8]>) -> i64 {
    let answers = answers(&server(0), input).await;
    assert_eq!((answers.len(), &answers[0]["id"]), (1, &Value::Null));
    answers[0]["error"]["code"].as_i64().unwrap()
}

#[tokio::test]
async fn a_client_walks_through_line_by_line_while_events_come() {
    let server = server(1);
    let (client, here) = duplex(1024);
    let (input, output) = tokio::io::split(here);
    let walk = async {
        let (reading, mut writing) = tokio::io::split(client);
        let mut reading = BufReader::new(reading).lines();
        let hello = "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-03-26\"}}\r\n\r\n";
        writing.write_all(hello.as_bytes()).await.unwrap();
        let answer: Value =
            serde_json::from_str(&reading.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], "a");
        assert_eq!(answer["result"]["protocolVersion"], "2025-03-26");
        assert_eq!(answer["result"]["serverInfo"]["name"], "kite");
        let ready = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
        writing.write_all(ready.as_bytes()).await.unwrap();
        let delivered = server.deliver(&item(2, "s", "t")).await;
        assert!(matches!(delivered, Outcome::Delivered));
        let call = "{\"jsonrpc\":\"2.0\",\"id\":1.0,\"method\":\"tools/call\",\"params\":{\"name\":\"list_events\"}}\n";
        writing.write_all(call.as_bytes()).await.unwrap();
        let line = reading.next_line().await.unwrap().unwrap();
        // The id is the client's own text.
        assert!(line.starts_with(r#"{"jsonrpc":"2.0","id":1.0,"#), "{line}");
        let answer: Value = serde_json::from_str(&line).unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(ids(text), ["e2", "e1"]);
        writing.shutdown().await.unwrap();
        assert_eq!(reading.next_line().await.unwrap(), None);
    };
    // The end of its input ends the server, and its output with it.
    let serve = async {
        let mut output = output;
        let ended = server.serve(input, &mut output).await;
        output.shutdown().await.unwrap();
        ended
    };
    let (_, ended) = tokio::join!(walk, serve);
    ended.unwrap();
}

#[tokio::test]
async fn a_version_that_is_not_known_gets_the_oldest() {
    for (asked, got) in [
        (json!("2024-11-05"), "2024-11-05"),
        (json!("2025-06-18"), "2025-06-18"),
        (json!("2099-01-01"), "2024-11-05"),
        (json!(7), "2024-11-05"),
    ] {
        let answer = call(&server(0), "initialize", json!({"protocolVersion": asked})).await;
        assert_eq!(answer["result"]["protocolVersion"], got);
    }
}

#[tokio::test]
async fn notifications_and_answers_get_no_answer() {
    let silent = [
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","method":"what/ever"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
        "  \t",
        "",
    ];
    assert_eq!(said(&server(1), silent.join("\n")).await, "");
}

#[tokio::test]
async fn the_tools_say_what_they_take() {
    let answer = call(&server(0), "tools/list", json!({})).await;
    let tools = answer["result"]["tools"].as_array().unwrap();
    let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["list_events", "get_event"]);
    assert!(
        tools
            .iter()
            .all(|tool| tool["inputSchema"]["type"] == "object")
    );
    assert_eq!(tools[1]["inputSchema"]["required"], json!(["id"]));
    assert_eq!(
        call(&server(0), "ping", json!({})).await["result"],
        json!({})
    );
}

#[tokio::test]
async fn events_are_listed_newest_first_and_filtered_as_everywhere() {
    let server = server(120).with([item(121, "https://stripe.com", "com.stripe.paid")]);
    let (text, is_error) = tool(&server, "list_events", json!({})).await;
    assert!(!is_error && ids(&text).len() == 20);
    assert_eq!(ids(&text)[..2], ["e121", "e120"]);
    assert!(text.contains(r#""data":{"n":1.0}"#), "{text}");
    for (arguments, count) in [
        (json!({"limit": 1}), 1),
        (json!({"limit": 1000}), 100),
        (
            json!({"limit": 100, "source": "github", "type": "push"}),
            100,
        ),
        (json!({"source": "stripe"}), 1),
        (json!({"source": "github", "type": "paid"}), 0),
        (
            json!({"source": "", "type": null, "limit": null, "more": 1}),
            20,
        ),
    ] {
        let (text, is_error) = tool(&server, "list_events", arguments.clone()).await;
        assert_eq!((ids(&text).len(), is_error), (count, false), "{arguments}");
    }
}

#[tokio::test]
async fn an_event_comes_whole_by_its_id() {
    let server = server(3);
    let (text, is_error) = tool(&server, "get_event", json!({"id": "e2"})).await;
    assert!(!is_error);
    assert_eq!(text, item(2, "https://github.com/a", "com.github.push").raw);
}

#[tokio::test]
async fn what_a_model_asks_wrongly_it_can_read() {
    for (name, arguments, part) in [
        ("get_event", json!({"id": "nothing"}), "`nothing`"),
        ("get_event", json!({}), "id"),
        ("list_events", json!({"limit": "many"}), "many"),
        ("list_events", json!({"limit": 0}), "from 1 to 100"),
        ("list_events", json!({"limit": -1}), "-1"),
        ("list_events", json!({"source": 1}), "string"),
    ] {
        let (text, is_error) = tool(&server(1), name, arguments.clone()).await;
        assert!(is_error && text.contains(part), "{arguments}: {text}");
    }
}

#[tokio::test]
async fn what_a_client_asks_wrongly_has_its_code() {
    for (method, params, code) in [
        ("no/such", json!({}), -32601),
        ("notifications/initialized", json!({}), -32601),
        ("tools/call", json!({"name": "delete_everything"}), -32602),
        ("tools/call", json!({}), -32602),
        ("tools/call", json!([]), -32602),
        (
            "tools/call",
            json!({"name": "list_events", "arguments": []}),
            -32602,
        ),
        ("resources/read", json!({}), -32602),
        (
            "resources/read",
            json!({"uri": "file:///etc/passwd"}),
            -32002,
        ),
    ] {
        let answer = call(&server(1), method, params.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{method} {params}");
    }
}

#[tokio::test]
async fn the_recent_events_are_a_resource() {
    let server = server(60);
    let answer = call(&server, "resources/list", json!({})).await;
    let resources = &answer["result"]["resources"];
    assert_eq!(resources[0]["uri"], "kite://events/recent");
    let params = json!({"uri": "kite://events/recent"});
    let answer = call(&server, "resources/read", params).await;
    let contents = &answer["result"]["contents"][0];
    assert_eq!(contents["mimeType"], "application/json");
    let ids = ids(contents["text"].as_str().unwrap());
    assert_eq!((ids.len(), ids[0].as_str()), (50, "e60"));
}

#[tokio::test]
async fn what_is_no_request_is_told_so_and_the_next_one_is_served() {
    for (input, expected) in [
        (&b"{"[..], -32700),
        (b"\xff\xfe", -32700),
        (b"nonsense", -32700),
        (br#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#, -32700),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (b"[]", -32600),
        (b"1", -32600),
        (b"{}", -32600),
        (br#"{"id":1,"method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":1,"method":1}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, -32600),
    ] {
        assert_eq!(code(input).await, expected, "{}", input.escape_ascii());
    }
    let deep = "[".repeat(100_000);
    assert_eq!(code(&deep).await, -32700);
    let then = format!("{deep}\n{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}}");
    assert_eq!(answers(&server(0), then).await[1]["id"], 2);
}

#[tokio::test]
async fn a_line_without_an_end_is_not_kept() {
    let mut input = vec![b'x'; 3 * LINE_MAX_BYTES];
    assert_eq!(code(&input).await, -32600);
    input.extend_from_slice(b"\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n");
    let both = answers(&server(0), input).await;
    assert_eq!((both.len(), &both[1]["id"]), (2, &json!(2)));
    // One that is just short enough is read.
    let padding = " ".repeat(LINE_MAX_BYTES - 41);
    let fits = format!("{{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}}{padding}\n");
    assert_eq!(answers(&server(0), fits).await[0]["id"], 3);
}

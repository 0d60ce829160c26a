//! What `/openapi.json` says of OpenIntent, held against the vectors: what they call valid is valid by its schemas, and what
//! the reader refuses is not, where JSON Schema can say so.

use kite::openintent::json::Json;
use serde_json::Value;

use super::file::{list, member, read, text_of};
use crate::support::openintent::Node;
use crate::support::schemas::{DRAFT_2020_12, Schemas};

/// The document of a server, with nothing to judge yet.
pub(super) async fn schemas(node: &Node) -> Schemas {
    let answer = node.get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    Schemas::of(answer.json, DRAFT_2020_12)
}

/// Where the document says what is done at a path.
fn operation(method: &str, path: &str) -> String {
    let path = path.replace('/', "~1");
    format!("/paths/{path}/{}", method.to_lowercase())
}

/// Notes a request and its answer, where the document knows the operation. The body of a request is what it should be unless
/// it was refused for its members.
pub(super) fn note(schemas: &mut Schemas, case: &Value, status: u16, body: &Value) {
    let request = &case["request"];
    let text = |name: &str| request[name].as_str().unwrap();
    let operation = operation(text("method"), text("path"));
    if !schemas.has(&operation) {
        assert_eq!(status, 405, "{operation} is not described");
        return;
    }
    let name = case["name"].as_str().unwrap();
    if let Some(sent) = request.get("body") {
        let at = format!("{operation}/requestBody/content/application~1json/schema");
        // Who shows no key is told nothing of the members.
        if status != 401 {
            schemas.case(&format!("{name}, sent"), &at, sent, status != 422);
        }
    }
    let at = format!("{operation}/responses/{status}/content/application~1json/schema");
    schemas.is(&format!("{name}, answered"), &at, body);
}

#[tokio::test]
async fn models_of_the_vectors_are_what_the_document_says() {
    let Some(file) = read("models", &["roundtrip", "constructed"]) else {
        return;
    };
    let node = Node::start("enabled = false\n");
    let mut schemas = schemas(&node).await;
    let serde = |json: &Json| -> Value { serde_json::from_str(&json.to_string()).unwrap() };
    for (at, case) in list(&file, "roundtrip").iter().enumerate() {
        let model = text_of(case, "model");
        let name = format!("roundtrip {at} of {model}");
        let (input, written) = (member(case, "input"), member(case, "required"));
        let is_refused = written.get("raises").is_some();
        for (component, value) in [
            (format!("{model}Request"), input),
            (model.to_owned(), if is_refused { input } else { written }),
        ] {
            let at = format!("/components/schemas/{component}");
            if schemas.has(&at) {
                schemas.case(&name, &at, &serde(value), !is_refused);
            }
        }
        // What has a face of its own, and there has to name a dispatch.
        let face = match model {
            "FederationCallback" => "callback",
            "FederationEnvelope" => "receive",
            _ => continue,
        };
        let operation = operation("POST", &format!("/api/v1/federation/{face}"));
        let at = format!("{operation}/requestBody/content/application~1json/schema");
        let has = |member: &str| input.get(member).is_some_and(|it| !it.is_null());
        let is_whole = has("dispatch_id") && (face == "callback" || has("intent_title"));
        schemas.case(&name, &at, &serde(input), is_whole && !is_refused);
    }
    for (at, case) in list(&file, "constructed").iter().enumerate() {
        let model = text_of(case, "model");
        let place = format!("/components/schemas/{model}");
        if schemas.has(&place) {
            let wire = serde(member(case, "wire"));
            schemas.is(&format!("constructed {at} of {model}"), &place, &wire);
        }
    }
    assert!(schemas.judge() > 40);
}

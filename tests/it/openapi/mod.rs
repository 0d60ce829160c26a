//! `/openapi.json`: whether it is true, and whether others can work with it.

mod client;
mod document;
mod fuzz;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::python::python;
use crate::support::server::Server;

/// The document of a server.
async fn document(server: &Server) -> Value {
    server.owner().get("/openapi.json").await.expect(200)
}

/// One of the programs that it is tried with, with what they need around them.
fn program(name: &str, home: &Path) -> Command {
    let mut command = python("openapi", &format!("openapi/{name}"), home);
    command.env(
        "PYTHONPATH",
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/openapi"),
    );
    command
}

/// Each operation with its method and path.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap();
            item.iter()
                .map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
        .collect()
}

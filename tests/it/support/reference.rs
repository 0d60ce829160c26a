//! The reference implementation of OpenIntent: its server as it ships, and what its package says of something.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::PATIENCE;
use super::process::Process;
use super::python;

/// The key that the reference server takes.
pub(crate) const REFERENCE_KEY: &str = "reference-key";

/// Where servers of these tests listen: the package's own check of URLs lets this loopback address through, and none that
/// is better known.
pub(crate) const HOST: &str = "127.0.0.2";

/// A running reference server. It ends with this value.
pub(crate) struct Reference {
    process: Process,
    /// Its URL.
    pub(crate) url: String,
    /// Its DID, as it spells it.
    pub(crate) did: String,
    /// Its public key, as it writes it.
    pub(crate) public_key: String,
    _home: TempDir,
}

/// A request that was posted to a reference server.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Posted {
    /// The path.
    pub(crate) path: String,
    /// Names in lower case, and values.
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    /// The body, exactly.
    pub(crate) body: String,
}

impl Reference {
    /// Starts one that trusts these, under this policy.
    pub(crate) fn start(policy: &str, peers: &[&str]) -> Self {
        let home = TempDir::new().unwrap();
        let settings = json!({
            "dir": home.path(),
            "host": HOST,
            "api_keys": [REFERENCE_KEY],
            "policy": policy,
            "peers": peers,
            "agents": [
                {"id": "agent-public", "visibility": "public", "capabilities": ["research"]},
                {"id": "agent-unlisted", "visibility": "unlisted", "capabilities": []},
                {"id": "agent-private", "visibility": "private", "capabilities": []},
            ],
            "recorded": true,
        });
        let mut command = python("reference.py", home.path());
        command.arg(settings.to_string());
        let mut process = Process::start("the reference server", command, None);
        // Loading it takes seconds where many tests start at the same time.
        let line = process.next_line(3 * PATIENCE);
        let line = line.unwrap_or_else(|| panic!("no reference server; {}", process.said()));
        let said: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        Self {
            url: text("url"),
            did: text("did"),
            public_key: text("public_key"),
            process,
            _home: home,
        }
    }

    /// What was posted to a path so far.
    pub(crate) async fn posted(&self, path: &str) -> Vec<Posted> {
        let mut all: Vec<Posted> = serde_json::from_value(self.asked("/recorded").await).unwrap();
        all.retain(|posted| posted.path == path);
        all
    }

    /// How it says that a dispatch of its own stands: `active`, `delivered` or `failed`.
    pub(crate) async fn dispatch_status(&self, id: &str) -> String {
        let dispatches = self.asked("/dispatches").await;
        let status = dispatches[id]["status"].as_str();
        status
            .unwrap_or_else(|| panic!("no dispatch `{id}` in {dispatches}"))
            .to_owned()
    }

    async fn asked(&self, path: &str) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}{path}", self.url)).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{error}; {}", self.process.said()));
        answer.json().await.unwrap()
    }
}

/// What the package makes of an order: `sdk.py` says which there are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// It returned this, of a class with this name.
    Returned(Value, String),
    /// It raised an exception of this class, for an answer with this status.
    Raised(String, Option<u16>),
}

impl Said {
    /// What was returned, which something has to be.
    pub(crate) fn value(&self) -> &Value {
        match self {
            Self::Returned(value, _) => value,
            Self::Raised(..) => panic!("the package raised {self:?}"),
        }
    }

    /// The text that was returned.
    pub(crate) fn text(&self) -> &str {
        let text = self.value().as_str();
        text.unwrap_or_else(|| panic!("no text: {self:?}"))
    }
}

/// Has the package carry out orders, one after the other.
pub(crate) fn sdk(orders: &[Value]) -> Vec<Said> {
    let home = TempDir::new().unwrap();
    let command = python("sdk.py", home.path());
    let stdin = Value::from(orders).to_string().into_bytes();
    let ended = Process::start("the published package", command, Some(stdin)).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let answers: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answers.len(), orders.len());
    answers.into_iter().map(read).collect()
}

fn read(mut answer: Value) -> Said {
    match answer["raised"].as_str() {
        Some(class) => {
            let status = answer["status"].as_u64();
            Said::Raised(class.to_owned(), status.map(|status| status as u16))
        }
        None => {
            let class = answer["type"].as_str().unwrap().to_owned();
            Said::Returned(answer["returned"].take(), class)
        }
    }
}

/// One of the project's programs for it.
fn python(program: &str, home: &Path) -> Command {
    let program = format!("openintent/{program}");
    match std::env::var_os("KITE_OPENINTENT_PYTHON").filter(|name| !name.is_empty()) {
        Some(python) => python::python_of(python.into(), &program, home),
        None => python::python("openintent", &program, home),
    }
}

//! Where events go to, as a manifest says it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::faults::Wrong;
use super::fields::Fields;
use crate::base::duration;
use crate::sink::scoring::Importance;

/// How long a command may take that says nothing else (spec 17).
pub const EXEC_TIMEOUT: Duration = Duration::from_secs(60);

/// How many events an MCP server holds that says nothing else, or 0.
const BUFFER_SIZE: usize = 100;

/// The most events that an MCP server may be asked to hold: they are in memory.
const BUFFER_SIZE_MAX: u64 = 100_000;

const KINDS: &str = "`stdout`, `proxy`, `socket`, `exec`, `mcp_server` or `paperclip`";
const URL: &str = "an http or https URL such as http://localhost:3000";
const BUFFER: &str = "a count of at most 100000";
const NO_BATCH: &str = "`false`: events are handed to the command one at a time";
pub(super) const IMPORTANCE: &str = "`low`, `normal`, `high` or `critical`";

/// A sink, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkEntry {
    /// Which one, with its settings.
    #[serde(flatten)]
    pub kind: SinkSpec,
    /// The least importance that it takes; none: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importance: Option<Importance>,
}

/// Where events go to. Written in the form of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SinkSpec {
    /// The standard output.
    Stdout {
        /// Whole events instead of a line for people.
        json: bool,
    },
    /// A web server.
    Proxy {
        /// Its URL, of http or https.
        target: String,
    },
    /// The readers of a Unix socket.
    Socket {
        /// Where it is.
        path: PathBuf,
    },
    /// A command, once for each event. `batch` is accepted when it is false, and not kept.
    Exec {
        /// What the shell is given.
        command: String,
        /// How long it may take; never zero.
        #[serde(serialize_with = "duration::serialize")]
        timeout: Duration,
    },
    /// A server of the Model Context Protocol on standard input and output.
    McpServer {
        /// How many events it holds; never zero.
        buffer_size: usize,
    },
    /// Paperclip.
    Paperclip {
        /// Its URL, of http or https.
        api_url: String,
        /// The company.
        company_id: String,
        /// The agent to wake; none: the company's own webhook.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent_id: Option<String>,
    },
}

/// Reads the fields of a sink.
pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<SinkEntry> {
    let is_http = |text: &str| text == r#""http""#;
    let proxy = "use `proxy`, and `target` for its `url`";
    fields.older("type", "type", is_http, proxy);
    let importance = fields.parsed("importance", IMPORTANCE, |text| text.parse().ok());
    fields.require(&["type"]);
    let Some(reader) = fields.parsed("type", KINDS, |kind| reader(&kind)) else {
        fields.ignore_rest();
        return None;
    };
    let kind = reader(fields)?;
    Some(SinkEntry { kind, importance })
}

type Reader = fn(&mut Fields<'_, '_>) -> Option<SinkSpec>;

fn reader(kind: &str) -> Option<Reader> {
    Some(match kind {
        "stdout" => stdout,
        "proxy" => proxy,
        "socket" => socket,
        "exec" => exec,
        "mcp_server" => mcp_server,
        "paperclip" => paperclip,
        _ => return None,
    })
}

fn stdout(fields: &mut Fields<'_, '_>) -> Option<SinkSpec> {
    let json = fields.flag("json");
    Some(SinkSpec::Stdout { json })
}

fn proxy(fields: &mut Fields<'_, '_>) -> Option<SinkSpec> {
    fields.older("url", "target", |_| true, "use `target`");
    fields.require(&["target"]);
    fields.refuse("target", "target", names_a_user, Wrong::UserInfo);
    let target = fields.parsed("target", URL, http_url)?;
    Some(SinkSpec::Proxy { target })
}

fn socket(fields: &mut Fields<'_, '_>) -> Option<SinkSpec> {
    fields.require(&["path"]);
    let path = fields.filled("path")?.into();
    Some(SinkSpec::Socket { path })
}

fn exec(fields: &mut Fields<'_, '_>) -> Option<SinkSpec> {
    fields.require(&["command"]);
    let command = fields.filled("command");
    let timeout = fields.limit("timeout").unwrap_or(EXEC_TIMEOUT);
    let _ = fields.read("batch", NO_BATCH, |text| (text == "false").then_some(()));
    Some(SinkSpec::Exec {
        command: command?,
        timeout,
    })
}

fn mcp_server(fields: &mut Fields<'_, '_>) -> Option<SinkSpec> {
    let given = fields.count("buffer_size", BUFFER, BUFFER_SIZE_MAX);
    let given = given.and_then(|size| usize::try_from(size).ok());
    let buffer_size = given.filter(|size| *size > 0).unwrap_or(BUFFER_SIZE);
    Some(SinkSpec::McpServer { buffer_size })
}

fn paperclip(fields: &mut Fields<'_, '_>) -> Option<SinkSpec> {
    fields.require(&["api_url", "company_id"]);
    fields.refuse("api_url", "api_url", names_a_user, Wrong::UserInfo);
    let api_url = fields.parsed("api_url", URL, http_url);
    let company_id = fields.filled("company_id");
    let agent_id = fields.filled("agent_id");
    Some(SinkSpec::Paperclip {
        api_url: api_url?,
        company_id: company_id?,
        agent_id,
    })
}

/// Whether a field holds a URL with a name or a password: addresses are printed and kept, secrets are not.
fn names_a_user(text: &str) -> bool {
    let url = serde_json::from_str::<Url>(text);
    url.is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// A text that is a URL of http or https.
fn http_url(text: String) -> Option<String> {
    let url = Url::parse(&text).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_http.then_some(text)
}

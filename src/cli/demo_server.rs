//! The throw-away server of `kite demo`: a process of its own, so that it can be killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::error::CommandError;
use crate::client::Server;
use crate::config::settings;

/// A server in a directory that goes away with it.
pub(super) struct DemoServer {
    child: Child,
    dir: TempDir,
    address: String,
    /// Where it is, and the key that opens it.
    pub(super) server: Server,
}

impl DemoServer {
    /// Starts a server with nothing in it.
    pub(super) fn start() -> Result<Self, CommandError> {
        let dir = TempDir::with_prefix("kite-demo-")
            .map_err(|error| CommandError::failed(format!("cannot make a directory: {error}")))?;
        let (child, said) = launch(&dir, "127.0.0.1:0")?;
        let member = |name: &str| said.iter().find_map(|line| line[name].as_str());
        let (Some(url), Some(ws_url), Some(key)) =
            (member("url"), member("ws_url"), member("api_key"))
        else {
            return Err(CommandError::failed("the server did not say where it is"));
        };
        Ok(Self {
            child,
            dir,
            address: url.trim_start_matches("http://").to_owned(),
            server: Server {
                http_base: url.to_owned(),
                ws_url: ws_url.to_owned(),
                key: settings::api_key(key, "the first start".to_owned())?,
                ca_file: None,
            },
        })
    }

    /// Kills the server as a power cut would.
    pub(super) fn kill(&mut self) {
        // One that has ended by itself is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again where it was, with what it had.
    pub(super) fn restart(&mut self) -> Result<(), CommandError> {
        self.child = launch(&self.dir, &self.address)?.0;
        Ok(())
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the process and waits until it listens; answers what it said until then.
fn launch(dir: &TempDir, address: &str) -> Result<(Child, Vec<Value>), CommandError> {
    let fault = |what: String| CommandError::failed(format!("the server did not start: {what}"));
    let program = std::env::current_exe().map_err(|error| fault(error.to_string()))?;
    let mut command = Command::new(program);
    command
        .args(["serve", "--json", "--listen", address, "--data-dir"])
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // What the person has set is for their own server.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KITE_") {
            command.env_remove(name);
        }
    }
    let mut child = command.spawn().map_err(|error| fault(error.to_string()))?;
    let mut said = Vec::new();
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        let line = line.map_err(|error| fault(error.to_string()))?;
        let line: Value = serde_json::from_str(&line).map_err(|error| fault(error.to_string()))?;
        let is_listening = line["event"] == "listening";
        said.push(line);
        if is_listening {
            return Ok((child, said));
        }
    }
    // It said nothing more: it has ended, or is about to.
    let _ = child.kill();
    let _ = child.wait();
    Err(fault("it ended at once; `kite serve` says why".to_owned()))
}

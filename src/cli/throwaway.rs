//! Servers that nobody keeps, for `kite demo` and `kite bench`: processes of their own, in directories that go away.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::error::CommandError;
use crate::client::Server;
use crate::config::settings;

/// How many connections such a server takes: whoever started it knows how many there will be.
const CONNECTIONS_MAX: &str = "1000000";

/// A kite server in a directory that goes away with it.
pub(super) struct Throwaway {
    child: Child,
    dir: TempDir,
    database: Option<String>,
    address: String,
    more: &'static [&'static str],
    /// What it calls itself.
    pub(super) instance_id: String,
    /// Where it is, and the key that opens it.
    pub(super) server: Server,
}

impl Throwaway {
    /// Starts a server with nothing in it: below a directory, on an empty database of one's own where one is named.
    pub(super) fn start(
        below: Option<&Path>,
        database: Option<&str>,
    ) -> Result<Self, CommandError> {
        Self::start_with(below, database, &[])
    }

    /// As [`Throwaway::start`], with more arguments.
    pub(super) fn start_with(
        below: Option<&Path>,
        database: Option<&str>,
        more: &'static [&'static str],
    ) -> Result<Self, CommandError> {
        let dir = directory(below)?;
        let arguments = arguments(&dir, "127.0.0.1:0", more);
        let (child, said) = launch(&arguments, database)?;
        let mut started = Started(Some(child));
        let member = |name: &str| said.iter().find_map(|line| line[name].as_str());
        let (Some(url), Some(ws_url)) = (member("url"), member("ws_url")) else {
            return Err(CommandError::failed("the server did not say where it is"));
        };
        let Some(key) = member("api_key") else {
            let message = "the database is in use already: its first key was given out before";
            return Err(CommandError::failed(message).with_hint("give an empty one"));
        };
        let server = Server {
            http_base: url.to_owned(),
            ws_url: ws_url.to_owned(),
            key: settings::api_key(key, "the first start".to_owned())?,
            ca_file: None,
        };
        let Some(child) = started.0.take() else {
            return Err(CommandError::failed("the server did not start"));
        };
        Ok(Self {
            child,
            dir,
            database: database.map(str::to_owned),
            address: url.trim_start_matches("http://").to_owned(),
            more,
            instance_id: member("instance_id").unwrap_or_default().to_owned(),
            server,
        })
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the server as a power cut would.
    pub(super) fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts it again where it was, with what it had.
    pub(super) fn restart(&mut self) -> Result<(), CommandError> {
        let arguments = arguments(&self.dir, &self.address, self.more);
        self.child = launch(&arguments, self.database.as_deref())?.0;
        Ok(())
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process that ends with this value unless it is taken out.
struct Started(Option<Child>);

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    // One that has ended by itself is what was wanted.
    let _ = child.kill();
    let _ = child.wait();
}

/// The bare server of `kite bench`, in a directory that goes away with it.
pub(super) struct BareServer {
    child: Child,
    _dir: TempDir,
    /// Where it is.
    pub(super) http_base: String,
}

impl BareServer {
    /// Starts it.
    pub(super) fn start(below: Option<&Path>) -> Result<Self, CommandError> {
        let dir = directory(below)?;
        let mut arguments: Vec<OsString> = ["bench", "bare", "--json", "--data-dir"]
            .map(OsString::from)
            .into();
        arguments.push(dir.path().into());
        let (child, said) = launch(&arguments, None)?;
        let url = said.iter().find_map(|line| line["url"].as_str());
        Ok(Self {
            child,
            _dir: dir,
            http_base: url.unwrap_or_default().to_owned(),
        })
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A directory that goes away with the value, below another one or where the system keeps such things.
pub(super) fn directory(below: Option<&Path>) -> Result<TempDir, CommandError> {
    let made = match below {
        Some(below) => TempDir::with_prefix_in("kite-", below),
        None => TempDir::with_prefix("kite-"),
    };
    made.map_err(|error| CommandError::failed(format!("cannot make a directory: {error}")))
}

/// What the person has set is for their own server.
pub(super) fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KITE_") {
            command.env_remove(name);
        }
    }
}

fn arguments(dir: &TempDir, address: &str, more: &[&str]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["serve", "--json", "--until-stdin-ends", "--listen", address]
            .map(OsString::from)
            .into();
    arguments.extend(["--max-connections", CONNECTIONS_MAX, "--data-dir"].map(OsString::from));
    arguments.push(dir.path().into());
    arguments.extend(more.iter().map(OsString::from));
    arguments
}

/// Starts a process of this program and waits until it listens; answers what it said until then. It ends when its stdin
/// does, so it outlives nobody.
fn launch(
    arguments: &[OsString],
    database: Option<&str>,
) -> Result<(Child, Vec<Value>), CommandError> {
    let fault = |what: String| CommandError::failed(format!("the server did not start: {what}"));
    let program = std::env::current_exe().map_err(|error| fault(error.to_string()))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    without_settings(&mut command);
    // Not an argument: its password is nothing for the list of processes.
    command.envs(database.map(|database| ("KITE_DATABASE_URL", database)));
    let mut child = command.spawn().map_err(|error| fault(error.to_string()))?;
    let stdout = child.stdout.take();
    let mut started = Started(Some(child));
    let mut said = Vec::new();
    for line in stdout
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        let line = line.map_err(|error| fault(error.to_string()))?;
        let line: Value = serde_json::from_str(&line).map_err(|error| fault(error.to_string()))?;
        let is_listening = line["event"] == "listening";
        said.push(line);
        if let (true, Some(child)) = (is_listening, started.0.take_if(|_| is_listening)) {
            return Ok((child, said));
        }
    }
    // It said nothing more: it has ended, or is about to.
    Err(fault("it ended at once; `kite serve` says why".to_owned()))
}

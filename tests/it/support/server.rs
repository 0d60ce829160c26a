//! A server of the test's own: the real binary, a random port, a temporary data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kite::base::random::uuid7;
use serde_json::Value;
use tempfile::TempDir;

use super::cli::{KITE, clean};
use super::http::Access;
use super::process::Process;

/// A running `kite serve`, or one that was stopped and can be started again on its directory.
pub(crate) struct Server {
    home: Arc<TempDir>,
    process: Option<Process>,
    /// What the last start printed.
    url: String,
    ws_url: String,
    /// The key that the first start printed, its team and the file it is kept in.
    first_key: String,
    first_team: String,
    key_file: PathBuf,
}

impl Server {
    /// Starts a server on an empty directory.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server on an empty directory, with more to say on its command line.
    pub(crate) fn start_with(more: &[&str]) -> Self {
        let home = Arc::new(TempDir::new().unwrap());
        let mut process = launch(home.path(), "127.0.0.1:0", more);
        let bootstrap = announcement(&mut process, "bootstrap");
        let listening = announcement(&mut process, "listening");
        Self {
            home,
            process: Some(process),
            url: text(&listening, "url"),
            ws_url: text(&listening, "ws_url"),
            first_key: text(&bootstrap, "api_key"),
            first_team: text(&bootstrap, "team_id"),
            key_file: PathBuf::from(text(&bootstrap, "key_file")),
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("the server runs").kill();
    }

    /// Ends it with SIGTERM, which must drain and exit 0.
    pub(crate) fn stop(&mut self) {
        let process = self.process.take().expect("the server runs");
        process.signal("TERM");
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "a drained server exits 0: {ended:#?}");
    }

    /// Starts it again on the same directory and the same port, for clients that come back by themselves.
    pub(crate) fn start_again(&mut self) {
        let listen = self.url.trim_start_matches("http://").to_owned();
        self.resume(&listen);
    }

    /// Starts it again on the same directory and whatever port is free.
    pub(crate) fn start_elsewhere(&mut self) {
        self.resume("127.0.0.1:0");
    }

    fn resume(&mut self, listen: &str) {
        assert!(self.process.is_none(), "the server runs already");
        let mut process = launch(self.home.path(), listen, &[]);
        let listening = announcement(&mut process, "listening");
        self.url = text(&listening, "url");
        self.ws_url = text(&listening, "ws_url");
        self.process = Some(process);
    }

    /// The admin key that the first start made, and where to use it.
    pub(crate) fn owner(&self) -> Access {
        self.access(&self.first_team, &self.first_key)
    }

    /// Makes the team with this id, and an admin key of it.
    pub(crate) fn team(&self, name: &str) -> Access {
        let made = self.admin(&["teams", "create", name]);
        self.access(&text(&made, "team_id"), &text(&made, "api_key"))
    }

    /// Makes a team whose id begins with this and is nobody else's.
    pub(crate) fn fresh_team(&self, name: &str) -> Access {
        self.team(&format!("{name} {}", uuid7()))
    }

    /// Makes a key of a team with these permissions, separated by commas.
    pub(crate) fn key(&self, team: &str, permissions: &str) -> Access {
        self.key_with(team, &["--permissions", permissions]).1
    }

    /// Makes a key of a team with more to say about it; its id comes with it.
    pub(crate) fn key_with(&self, team: &str, more: &[&str]) -> (String, Access) {
        let made =
            self.admin(&[&["keys", "create", "--team", team, "--name", "test"], more].concat());
        (
            text(&made, "id"),
            self.access(team, &text(&made, "api_key")),
        )
    }

    /// Runs `kite admin` on the server's directory, beside the running server.
    pub(crate) fn admin(&self, args: &[&str]) -> Value {
        let mut command = clean(KITE, self.home.path());
        command
            .args(["admin", "--data-dir"])
            .arg(self.data_dir())
            .args(args)
            .arg("--json");
        let ended = Process::start(&format!("kite admin {}", args.join(" ")), command, None).end();
        assert_eq!(ended.code, Some(0), "kite admin {args:?}: {ended:#?}");
        ended.json()
    }

    fn access(&self, team: &str, key: &str) -> Access {
        Access::new(&self.url, &self.ws_url, team, key)
    }

    /// Where it listens, as an HTTP address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it keeps its things.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.path().join("server")
    }

    /// The file that the first key is kept in.
    pub(crate) fn key_file(&self) -> &Path {
        &self.key_file
    }

    /// What the running server has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().expect("the server runs").stderr()
    }

    /// What the running server has said, for a failure's text.
    pub(crate) fn said(&self) -> String {
        self.process.as_ref().map(Process::said).unwrap_or_default()
    }
}

fn launch(home: &Path, listen: &str, more: &[&str]) -> Process {
    let mut command = clean(KITE, home);
    command
        .args(["serve", "--json", "--listen", listen, "--data-dir"])
        .arg(home.join("server"))
        .args(more);
    Process::start("kite serve", command, None)
}

/// The next line that `serve --json` prints, which must announce this.
fn announcement(process: &mut Process, event: &str) -> Value {
    let line = process.line();
    let object: Value = serde_json::from_str(&line)
        .unwrap_or_else(|error| panic!("`{line}` is no JSON ({error}); {}", process.said()));
    assert_eq!(
        object["event"],
        event,
        "unexpected announcement; {}",
        process.said()
    );
    object
}

fn text(object: &Value, member: &str) -> String {
    let found = object[member].as_str();
    found
        .unwrap_or_else(|| panic!("no text `{member}` in {object}"))
        .to_owned()
}

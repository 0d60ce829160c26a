//! The two servers that are measured. Each ends with its value.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load;

/// The key that the reference server takes.
pub const KEY: &str = "bench-key";

/// A program that says where it listens in lines of JSON.
struct Program {
    child: Child,
    lines: Receiver<String>,
    home: TempDir,
}

impl Program {
    fn start(mut command: Command, home: TempDir) -> Self {
        let log = fs::File::create(home.path().join("log")).unwrap();
        let mut child = command
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = mpsc::channel();
        thread::spawn(move || {
            // Read to the end, also when nobody wants it: a log that nobody reads would stop who writes it.
            for line in stdout.lines().map_while(Result::ok) {
                if line.starts_with('{') {
                    said.send(line).ok();
                }
            }
        });
        Self { child, lines, home }
    }

    fn object(&mut self) -> Value {
        let line = self.lines.recv();
        let log = || fs::read_to_string(self.home.path().join("log")).unwrap();
        serde_json::from_str(&line.unwrap_or_else(|_| panic!("{}", log()))).unwrap()
    }
}

impl Program {
    /// How long it has had a processor, all its threads together.
    fn processor(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(path).unwrap();
        // Behind the name, which is in brackets and may hold anything; ticks are hundredths of a second.
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .map(|it| it.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(10 * ticks)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The published server as it ships: one process, its log on, everything in memory.
pub struct Reference {
    program: Program,
    url: String,
}

impl Reference {
    /// Starts one that trusts this server.
    pub fn start(trusted: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var_os("KITE_OPENINTENT_PYTHON").map_or_else(
            || root.join("target/python/openintent/bin/python"),
            PathBuf::from,
        );
        let home = TempDir::new().unwrap();
        let settings = json!({
            "dir": home.path(), "host": "127.0.0.2", "api_keys": [KEY], "policy": "allowlist",
            "peers": [trusted], "agents": [], "recorded": false,
        });
        let mut command = Command::new(python);
        command
            .arg(root.join("tests/it/openintent/reference.py"))
            .arg(settings.to_string());
        let mut program = Program::start(command, home);
        let url = program.object()["url"].as_str().unwrap().to_owned();
        Self { program, url }
    }

    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// How long it has had a processor.
    pub fn processor(&self) -> Duration {
        self.program.processor()
    }
}

/// `kite serve` on an empty directory.
pub struct Kite {
    program: Program,
    pub url: String,
    key: String,
}

impl Kite {
    /// Starts one that trusts these servers.
    pub fn start(trusted: &[&str]) -> Self {
        let named = std::env::var_os("KITE_BIN");
        let kite = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_kite").into());
        // Free a moment ago: nobody else is told of it.
        let address = TcpListener::bind("127.0.0.2:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let home = TempDir::new().unwrap();
        let peers = trusted
            .iter()
            .map(|url| format!("[[openintent.peers]]\nurl = \"{url}\"\n"));
        let settings = home.path().join("kite.toml");
        fs::write(&settings, peers.collect::<String>()).unwrap();
        let url = format!("http://{address}");
        let mut command = Command::new(kite);
        command
            .args([
                "serve",
                "--json",
                "--allow-insecure-peers",
                "--public-url",
                &url,
            ])
            .args(["--listen", &address.to_string(), "--data-dir"])
            .arg(home.path().join("data"))
            .arg("--config")
            .arg(settings);
        let mut program = Program::start(command, home);
        let key = program.object()["api_key"].as_str().unwrap().to_owned();
        assert_eq!(program.object()["event"], "listening");
        Self { program, url, key }
    }

    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// How long it has had a processor.
    pub fn processor(&self) -> Duration {
        self.program.processor()
    }

    /// How many intents it says that it has taken.
    pub fn received(&self) -> u64 {
        let status = load::get(self.address(), &self.key, "/api/v1/federation/status");
        let status: Value = serde_json::from_str(&status).unwrap();
        status["total_received"].as_u64().unwrap()
    }
}

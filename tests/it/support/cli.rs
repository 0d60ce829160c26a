//! The command line as people use it: each with a home of their own, and no run without an end.
//!
//! ```ignore
//! beta.kite(&["agent", "send", "--to", "agent-alpha", "hello"])
//!     .stdout_has("Sent agent message")
//!     .succeeds();
//! ```

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::http::Access;
use super::process::{Ended, Process};
use super::server::Server;
use super::{GLANCE, PATIENCE};

/// The program under test.
pub(crate) const KITE: &str = env!("CARGO_BIN_EXE_kite");

/// An environment with nothing in it but a home: what the tests' own environment holds does not reach the program.
pub(crate) fn clean(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("KITE_CONFIG_DIR", home.join("config"))
        .env("KITE_DATA_DIR", home.join("data"))
        .current_dir(home);
    command
}

/// Somebody at a terminal: a home with a configuration, and nothing shared with anybody else.
pub(crate) struct Person {
    home: TempDir,
}

impl Person {
    /// Somebody who has never used kite.
    pub(crate) fn new() -> Self {
        Self {
            home: TempDir::new().unwrap(),
        }
    }

    /// Somebody who has logged in to the server with its first key.
    pub(crate) fn at(server: &Server) -> Self {
        Self::with(&server.owner())
    }

    /// Somebody who has logged in with this key.
    pub(crate) fn with(access: &Access) -> Self {
        let person = Self::new();
        person.log_in(access);
        person
    }

    /// Somebody who has logged in and is the agent of this name.
    pub(crate) fn agent(access: &Access, name: &str) -> Self {
        let person = Self::with(access);
        person
            .kite(&["agent", "register", "--name", name])
            .succeeds();
        person
    }

    /// Logs in, as a script does: the key comes on stdin.
    pub(crate) fn log_in(&self, access: &Access) {
        self.kite(&["login", "--server", &access.url, "--with-token"])
            .stdin(format!("{}\n", access.key))
            .succeeds();
    }

    /// A command of theirs.
    pub(crate) fn kite(&self, args: &[&str]) -> Kite {
        let mut command = clean(KITE, self.home());
        command.args(args);
        Kite::new(format!("kite {}", args.join(" ")), command)
    }

    /// Starts `kite agent listen`, which is connected when this returns.
    pub(crate) fn listen(&self) -> Process {
        self.listening(&["agent", "listen"])
    }

    /// Starts a command that listens, which is connected when this returns.
    pub(crate) fn listening(&self, args: &[&str]) -> Process {
        let ready = self.home().join("ready");
        let process = self
            .kite(&[args, &["--ready-file", ready.to_str().unwrap()]].concat())
            .start();
        let deadline = Instant::now() + PATIENCE;
        while !ready.exists() {
            assert!(
                Instant::now() < deadline,
                "`kite {}` never gets ready; {}",
                args.join(" "),
                process.said()
            );
            thread::sleep(GLANCE);
        }
        // The next listener in this home has to make it again.
        fs::remove_file(ready).unwrap();
        process
    }

    /// A line of theirs for the shell, in which `kite` is the program under test.
    pub(crate) fn shell(&self, line: &str) -> Kite {
        let mut command = clean("bash", self.home());
        command.env("PATH", path_to_kite()).args(["-c", line]);
        Kite::new(line.to_owned(), command)
    }

    /// What opens a terminal of theirs, on a machine where nothing is set up: `script`, which is told what to run in it.
    pub(crate) fn terminal(&self) -> Command {
        let mut command = clean("script", self.home());
        command
            .env_remove("KITE_CONFIG_DIR")
            .env_remove("KITE_DATA_DIR")
            .env("PATH", path_to_kite())
            .env("TERM", "xterm");
        command
    }

    /// Their home directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Their configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.home().join("config/config.toml")
    }

    /// Writes their configuration file as if by hand.
    pub(crate) fn write_config(&self, text: &str) {
        fs::create_dir_all(self.config_file().parent().unwrap()).unwrap();
        fs::write(self.config_file(), text).unwrap();
    }
}

/// A `PATH` on which `kite` is the program under test.
fn path_to_kite() -> OsString {
    let mut path = OsString::from(Path::new(KITE).parent().unwrap());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// Splits a listener's line `[id] rest`.
pub(crate) fn split(line: &str) -> (&str, &str) {
    line.strip_prefix('[')
        .and_then(|line| line.split_once("] "))
        .unwrap_or_else(|| panic!("`{line}` does not begin with `[id] `"))
}

/// One run of the program: what it is given, and what it is expected to say.
pub(crate) struct Kite {
    line: String,
    command: Command,
    stdin: Option<Vec<u8>>,
    expected: Vec<Expected>,
}

enum Expected {
    Stdout(String),
    StdoutHas(String),
    StdoutLacks(String),
    StderrHas(String),
    StderrLacks(String),
}

impl Kite {
    fn new(line: String, command: Command) -> Self {
        Self {
            line,
            command,
            stdin: None,
            expected: Vec::new(),
        }
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it something to read.
    pub(crate) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Expects exactly this on stdout.
    pub(crate) fn stdout(self, text: &str) -> Self {
        self.expect(Expected::Stdout(text.to_owned()))
    }

    /// Expects this somewhere on stdout.
    pub(crate) fn stdout_has(self, part: &str) -> Self {
        self.expect(Expected::StdoutHas(part.to_owned()))
    }

    /// Expects this nowhere on stdout.
    pub(crate) fn stdout_lacks(self, part: &str) -> Self {
        self.expect(Expected::StdoutLacks(part.to_owned()))
    }

    /// Expects this somewhere on stderr.
    pub(crate) fn stderr_has(self, part: &str) -> Self {
        self.expect(Expected::StderrHas(part.to_owned()))
    }

    /// Expects this nowhere on stderr.
    pub(crate) fn stderr_lacks(self, part: &str) -> Self {
        self.expect(Expected::StderrLacks(part.to_owned()))
    }

    fn expect(mut self, expected: Expected) -> Self {
        self.expected.push(expected);
        self
    }

    /// Runs it and expects exit code 0.
    pub(crate) fn succeeds(self) -> Ended {
        self.exits(0)
    }

    /// Runs it and expects this exit code.
    pub(crate) fn exits(self, code: i32) -> Ended {
        let process = Process::start(&self.line, self.command, self.stdin);
        let ended = process.end();
        let context = format!("{}\n{ended:#?}", self.line);
        assert_eq!(ended.code, Some(code), "exit code of {context}");
        for expected in &self.expected {
            match expected {
                Expected::Stdout(text) => assert_eq!(&ended.stdout, text, "stdout of {context}"),
                Expected::StdoutHas(part) => {
                    assert!(
                        ended.stdout.contains(part),
                        "`{part}` on stdout of {context}"
                    );
                }
                Expected::StdoutLacks(part) => {
                    assert!(
                        !ended.stdout.contains(part),
                        "no `{part}` on stdout of {context}"
                    );
                }
                Expected::StderrHas(part) => {
                    assert!(
                        ended.stderr.contains(part),
                        "`{part}` on stderr of {context}"
                    );
                }
                Expected::StderrLacks(part) => {
                    assert!(
                        !ended.stderr.contains(part),
                        "no `{part}` on stderr of {context}"
                    );
                }
            }
        }
        ended
    }

    /// Starts it and lets it run.
    pub(crate) fn start(self) -> Process {
        Process::start(&self.line, self.command, self.stdin)
    }
}

impl Ended {
    /// Stdout as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is no JSON value ({error}): {self:#?}"))
    }

    /// The error that `--json` puts on stderr.
    pub(crate) fn json_error(&self) -> Value {
        let objects = self
            .stderr
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut errors = objects.filter_map(|object| object.get("error").cloned());
        errors
            .next_back()
            .unwrap_or_else(|| panic!("no error on stderr: {self:#?}"))
    }
}

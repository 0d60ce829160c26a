//! A PostgreSQL of the tests' own, started from the system's programs. It ends with the value that stands for it, and with
//! the test program, however that ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use kite::base::random;

use super::authority::Identity;
use super::free_port;

/// Starts the server, obeys orders, cleans up: a process of its own, so that the cleaning up survives the test program.
const SUPERVISOR: &str = include_str!("postgres.sh");

/// A running PostgreSQL, or one that was stopped and can be started again.
pub(crate) struct Cluster {
    programs: PathBuf,
    port: u16,
    password: String,
    supervisor: Child,
    /// None once the cluster is to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// The one for tests that leave it running.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of the test's own.
    pub(crate) fn start() -> Self {
        Self::launch(&[])
    }

    /// One of the test's own that speaks TLS.
    pub(crate) fn start_with_tls(identity: &Identity) -> Self {
        Self::launch(&[
            ("TLS_CERTIFICATE", &identity.certificate),
            ("TLS_KEY", &identity.key),
        ])
    }

    fn launch(more: &[(&str, &str)]) -> Self {
        let programs = programs();
        let port = free_port("127.0.0.1");
        let password = hex(random::bytes::<16>());
        let mut supervisor = as_ordinary_user("sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(&programs)
            .arg(port.to_string())
            .env("PGPASSWORD", &password)
            .envs(more.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What is typed at the terminal to end the tests is not for it: the end of stdin is.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut cluster = Self {
            programs,
            port,
            password,
            orders: supervisor.stdin.take(),
            answers: BufReader::new(supervisor.stdout.take().unwrap()),
            supervisor,
        };
        cluster.expect("start");
        cluster
    }

    /// Makes a database; its address, which has a password in it.
    pub(crate) fn database(&self) -> String {
        let name = format!("test_{}", hex(random::bytes::<8>()));
        self.sql(&format!("CREATE DATABASE {name} TEMPLATE template0"));
        format!(
            "postgres://kite:{}@127.0.0.1:{}/{name}",
            self.password, self.port
        )
    }

    /// Runs a statement as the superuser; its first column, unadorned.
    pub(crate) fn sql(&self, statement: &str) -> String {
        self.run("postgres", statement)
    }

    /// As [`Cluster::sql`], in the database with this address.
    pub(crate) fn sql_in(&self, url: &str, statement: &str) -> String {
        let name = url.rsplit('/').next().expect("an address has a name");
        self.run(name, statement)
    }

    fn run(&self, database: &str, statement: &str) -> String {
        let ended = clean(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--username", "kite", "--dbname", database])
            .args(["--command", statement])
            .env("PGPASSWORD", &self.password)
            .output()
            .unwrap();
        assert!(ended.status.success(), "`{statement}`: {ended:?}");
        String::from_utf8(ended.stdout).unwrap().trim().to_owned()
    }

    /// Ends it as an operator does: its clients are cut off, what they committed is written.
    pub(crate) fn stop(&mut self) {
        self.order("stop");
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.order("crash");
    }

    /// Starts it again on the same port.
    pub(crate) fn start_again(&mut self) {
        self.order("start");
    }

    /// Halts it in the middle of whatever it does: connections stand, and no answer comes.
    pub(crate) fn freeze(&mut self) {
        self.order("freeze");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&mut self) {
        self.order("thaw");
    }

    fn order(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("the cluster has not ended");
        writeln!(orders, "{order}").unwrap();
        self.expect(order);
    }

    fn expect(&mut self, answer: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), answer, "PostgreSQL did not {answer}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.orders = None;
        // It ends by itself, and there is nothing to do if it has.
        self.supervisor.wait().ok();
    }
}

/// The directory of PostgreSQL's programs: where the `postgres` of the PATH is, else Debian's newest.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        // A link in a general directory stands beside none of the others.
        .filter_map(|dir| fs::canonicalize(dir.join("postgres")).ok())
        .filter_map(|program| program.parent().map(Path::to_owned));
    let mut debian: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .collect();
    debian.sort();
    let has_all = |dir: &PathBuf| {
        ["initdb", "pg_isready", "postgres", "psql"]
            .iter()
            .all(|program| dir.join(program).exists())
    };
    on_path
        .chain(debian.into_iter().rev().map(|(_, dir)| dir))
        .find(has_all)
        .expect("the tests need PostgreSQL: `apt-get install postgresql` on Debian, or `postgres` and `psql` in one directory of the PATH")
}

/// A program with nothing of the tests' environment but what finds programs and temporary files.
fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir("/");
    for name in ["PATH", "TMPDIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}

/// A program as somebody other than root, as whom PostgreSQL refuses to run.
fn as_ordinary_user(program: &str) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return clean(program);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |user: &str| {
        let mut lines = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        let line = lines.find(|line| line[0] == user)?;
        Some((line[2].to_owned(), line[3].to_owned()))
    };
    let (user, group) = ids("postgres")
        .or_else(|| ids("nobody"))
        .expect("root's tests need a user `postgres` or `nobody` to run PostgreSQL as");
    let mut command = clean("setpriv");
    command
        .args(["--reuid", &user, "--regid", &group, "--clear-groups", "--"])
        .arg(program);
    command
}

fn hex<const N: usize>(bytes: [u8; N]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_cluster_that_was_stopped_or_killed_goes_on_with_what_it_had() {
    let mut cluster = Cluster::start();
    cluster.sql("CREATE TABLE kept (word text)");
    for word in ["calm", "crash"] {
        cluster.sql(&format!("INSERT INTO kept VALUES ('{word}')"));
        match word {
            "calm" => cluster.stop(),
            _ => cluster.kill(),
        }
        cluster.start_again();
        assert_eq!(cluster.sql("SELECT max(word) FROM kept"), word);
    }
    assert_eq!(cluster.sql("SHOW fsync"), "on");
}

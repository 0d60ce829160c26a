//! A server of the test's own: the real binary, a random port, a temporary data directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kite::base::random::uuid7;
use kite::store::seal::{KEY_LEN, Sealer};
use kite::store::{Address, Role, Store, open};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;
use super::cli::{KITE, clean};
use super::http::Access;
use super::postgres::Cluster;
use super::process::Process;

/// What every start of a server finds around it.
#[derive(Clone, Default)]
struct Surroundings {
    /// Variables: the address of a database has a password in it, which no command line may show.
    variables: Vec<(&'static str, String)>,
    /// The largest file that it can write, in KiB.
    file_max_kib: Option<u64>,
    /// What else its command line says.
    flags: Vec<String>,
    /// Where it listens first; any port where nothing is said.
    listen: Option<String>,
}

impl Surroundings {
    /// A directory, or with `KITE_TEST_ON=postgres` in the environment a PostgreSQL.
    fn usual() -> Self {
        match std::env::var("KITE_TEST_ON").as_deref() {
            Ok("postgres") => Self::of_database(&Cluster::shared().database()),
            Ok(other) => panic!("KITE_TEST_ON is `{other}`: it can be `postgres`, or missing"),
            Err(_) => Self::default(),
        }
    }

    fn of_database(address: &str) -> Self {
        let variables = vec![
            ("KITE_DATABASE_URL", address.to_owned()),
            // What nodes of one database share.
            ("KITE_SECRET_KEY", uuid7().replace('-', "")),
        ];
        Self {
            variables,
            ..Self::default()
        }
    }
}

/// A running `kite serve`, or one that was stopped and can be started again on its directory.
pub(crate) struct Server {
    home: Arc<TempDir>,
    surroundings: Surroundings,
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

    /// Starts a server on an empty directory, with more to say on its command line. With `KITE_TEST_ON=postgres` in the
    /// environment it keeps its data in PostgreSQL all the same.
    pub(crate) fn start_with(more: &[&str]) -> Self {
        Self::first(Surroundings::usual().with(more))
    }

    /// Starts a server on an empty directory at this address, which others know already.
    pub(crate) fn start_at(address: &str, more: &[&str]) -> Self {
        let mut surroundings = Surroundings::usual().with(more);
        surroundings.listen = Some(address.to_owned());
        Self::first(surroundings)
    }

    /// Starts a server on an empty directory that keeps its data there, for tests that look at its files.
    pub(crate) fn start_on_files(more: &[&str]) -> Self {
        Self::first(Surroundings::default().with(more))
    }

    /// Starts a server on an empty database, which is given by its address.
    pub(crate) fn start_on(database: &str) -> Self {
        Self::start_on_with(database, &[])
    }

    /// Starts a server on an empty database, with more to say on its command line; its other nodes say the same.
    pub(crate) fn start_on_with(database: &str, more: &[&str]) -> Self {
        Self::first(Surroundings::of_database(database).with(more))
    }

    /// Starts a server on an empty directory whose files cannot grow beyond this, as on a full disk.
    pub(crate) fn start_on_small_disk(file_max_kib: u64) -> Self {
        let surroundings = Surroundings {
            file_max_kib: Some(file_max_kib),
            ..Surroundings::default()
        };
        Self::first(surroundings)
    }

    /// Starts another node on this one's database.
    pub(crate) fn another_node(&self) -> Self {
        let mut node = Self {
            home: Arc::new(TempDir::new().unwrap()),
            surroundings: self.surroundings.clone(),
            process: None,
            url: String::new(),
            ws_url: String::new(),
            first_key: self.first_key.clone(),
            first_team: self.first_team.clone(),
            key_file: self.key_file.clone(),
        };
        node.start_elsewhere();
        node
    }

    fn first(surroundings: Surroundings) -> Self {
        let home = Arc::new(TempDir::new().unwrap());
        let listen = surroundings.listen.as_deref().unwrap_or("127.0.0.1:0");
        let mut process = surroundings.launch(home.path(), listen);
        let bootstrap = announcement(&mut process, "bootstrap");
        let listening = announcement(&mut process, "listening");
        Self {
            home,
            surroundings,
            process: Some(process),
            url: text(&listening, "url"),
            ws_url: text(&listening, "ws_url"),
            first_key: text(&bootstrap, "api_key"),
            first_team: text(&bootstrap, "team_id"),
            key_file: PathBuf::from(text(&bootstrap, "key_file")),
        }
    }

    /// Says something else on its command line from its next start on.
    pub(crate) fn say(&mut self, flags: &[&str]) {
        self.surroundings = std::mem::take(&mut self.surroundings).with(flags);
    }

    /// Runs a statement on its database, beside it; the first column of the row that it returns.
    pub(crate) fn sql(&self, statement: &str) -> String {
        if let Some((_, url)) = self.surroundings.variables.first() {
            return Cluster::shared().sql_in(url, statement);
        }
        let database = Connection::open(self.data_dir().join("kite.db")).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        database.query_row(statement, [], |row| row.get(0)).unwrap()
    }

    /// Its database, opened beside it.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        let address = match self.surroundings.variables.first() {
            Some((_, url)) => url.parse().unwrap(),
            None => Address::Sqlite(self.data_dir().join("kite.db")),
        };
        open(&address, Role::Visitor).await.unwrap()
    }

    /// What seals its secrets, and knows tokens that have no public part.
    pub(crate) fn sealer(&self) -> Sealer {
        let given = self.surroundings.variables.iter();
        let mut given = given.filter(|(name, _)| *name == "KITE_SECRET_KEY");
        let key = match given.next() {
            Some((_, key)) => key.as_bytes().to_vec(),
            None => {
                let digits = fs::read_to_string(self.data_dir().join("secret.key")).unwrap();
                let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
                (0..KEY_LEN).map(|n| byte(2 * n)).collect()
            }
        };
        Sealer::new(&key.try_into().unwrap()).unwrap()
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

    /// Sends it SIGHUP, as `systemctl reload` does.
    pub(crate) fn hang_up(&self) {
        self.running().signal("HUP");
    }

    /// Waits until it has said `part` on stderr.
    pub(crate) fn waits_to_say(&self, part: &str) {
        self.running().wait_to_say(part);
    }

    /// Halts it in the middle of whatever it does, as a machine that stands still.
    pub(crate) fn freeze(&self) {
        self.running().signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.running().signal("CONT");
    }

    /// Lets its files grow again.
    pub(crate) fn make_room(&mut self) {
        self.surroundings.file_max_kib = None;
        let id = self.running().id().to_string();
        let raised = Command::new("prlimit")
            .args(["--pid", &id, "--fsize=unlimited:"])
            .status()
            .expect("the tests need `prlimit` of util-linux");
        assert!(raised.success());
    }

    /// How much memory it holds, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running().id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("no memory in {status}"))
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }

    /// Starts it again on the same directory and the same port, for clients that come back by themselves.
    pub(crate) fn start_again(&mut self) {
        let listen = self.url.split_once("://").unwrap().1.to_owned();
        self.resume(&listen);
    }

    /// Starts it again on the same directory and whatever port is free.
    pub(crate) fn start_elsewhere(&mut self) {
        self.resume("127.0.0.1:0");
    }

    fn resume(&mut self, listen: &str) {
        assert!(self.process.is_none(), "the server runs already");
        let mut process = self.surroundings.launch(self.home.path(), listen);
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
            .envs(self.surroundings.variables.iter().cloned())
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
        self.running().stderr()
    }

    /// What the running server has said, for a failure's text.
    pub(crate) fn said(&self) -> String {
        self.process.as_ref().map(Process::said).unwrap_or_default()
    }
}

impl Surroundings {
    fn with(mut self, flags: &[&str]) -> Self {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self
    }

    fn launch(&self, home: &Path, listen: &str) -> Process {
        let mut command = match self.file_max_kib {
            None => clean(KITE, home),
            Some(kib) => in_small_files(kib, home),
        };
        command
            .envs(self.variables.iter().cloned())
            .args(["serve", "--json", "--listen", listen, "--data-dir"])
            .arg(home.join("server"))
            .args(&self.flags);
        Process::start("kite serve", command, None)
    }
}

/// The program with a limit on the size of its files; it can be raised later. A write beyond it fails, as on a full disk,
/// since the signal that would come instead is ignored.
fn in_small_files(max_kib: u64, home: &Path) -> Command {
    let mut command = clean("sh", home);
    // The shell counts in blocks of 512 bytes.
    let limited = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$@\"", 2 * max_kib);
    command.args(["-c", &limited, "sh", KITE]);
    command
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

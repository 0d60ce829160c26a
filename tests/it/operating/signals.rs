//! SIGHUP, and what a supervisor is told (`sd_notify(3)`).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use kite::base::random::uuid7;
use tempfile::TempDir;

use crate::support::cli::{KITE, clean};
use crate::support::process::Process;
use crate::support::server::Server;

/// Somebody who listens for how a service is.
struct Supervisor {
    dir: TempDir,
    socket: UnixDatagram,
    name: String,
}

impl Supervisor {
    fn at_a_file() -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self::new(dir, socket, path.to_str().unwrap().to_owned())
    }

    fn at_a_name() -> Self {
        let name = format!("kite-test-{}", uuid7());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Self::new(TempDir::new().unwrap(), socket, format!("@{name}"))
    }

    fn new(dir: TempDir, socket: UnixDatagram, name: String) -> Self {
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self { dir, socket, name }
    }

    /// Starts a server under its eyes.
    fn start(&self, more: &[(&str, &str)]) -> Process {
        let mut command = clean(KITE, self.dir.path());
        command
            .env("NOTIFY_SOCKET", &self.name)
            .envs(more.iter().copied())
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.dir.path().join("data"));
        Process::start("kite serve", command, None)
    }

    /// The next thing that it is told.
    fn told(&self) -> String {
        let mut buffer = [0; 512];
        let length = self
            .socket
            .recv(&mut buffer)
            .expect("nothing more was told");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
}

#[test]
fn closing_the_terminal_that_a_server_runs_in_ends_it() {
    let supervisor = Supervisor::at_a_file();
    let mut command = clean("script", supervisor.dir.path());
    command
        .env("NOTIFY_SOCKET", &supervisor.name)
        .args(["--quiet", "--flush", "--command"])
        .arg(format!(
            "exec {KITE} serve --listen 127.0.0.1:0 --data-dir data"
        ))
        .arg("/dev/null");
    let terminal = Process::start("a terminal", command, None);
    assert_eq!(supervisor.told(), "READY=1");
    terminal.signal("KILL");
    assert_eq!(supervisor.told(), "STOPPING=1");
}

#[test]
fn a_supervisor_hears_when_the_server_is_ready_reads_again_and_ends() {
    for supervisor in [Supervisor::at_a_file(), Supervisor::at_a_name()] {
        let process = supervisor.start(&[]);
        assert_eq!(supervisor.told(), "READY=1");
        for _ in 0..2 {
            process.signal("HUP");
            let told = supervisor.told();
            let micros = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
            let micros: Option<u64> = micros.and_then(|text| text.parse().ok());
            assert!(micros.is_some_and(|it| it > 0), "{told}");
            assert_eq!(supervisor.told(), "READY=1");
        }
        process.signal("TERM");
        assert_eq!(supervisor.told(), "STOPPING=1");
        assert_eq!(process.end().code, Some(0));
    }
}

#[test]
fn a_watchdog_is_fed_by_the_process_that_it_watches() {
    let supervisor = Supervisor::at_a_file();
    let process = supervisor.start(&[("WATCHDOG_USEC", "200000")]);
    let told = [(); 4].map(|()| supervisor.told());
    assert_eq!(told, ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
    process.kill();

    let supervisor = Supervisor::at_a_file();
    let process = supervisor.start(&[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
    assert_eq!(supervisor.told(), "READY=1");
    process.signal("TERM");
    assert_eq!(supervisor.told(), "STOPPING=1");
    process.end();
}

#[tokio::test]
async fn a_server_that_is_hung_up_on_goes_on() {
    let server = Server::start();
    for _ in 0..3 {
        server.hang_up();
    }
    server.waits_to_say("SIGHUP: there is no certificate to read again");
    server.owner().get("/readyz").await.expect(200);
}

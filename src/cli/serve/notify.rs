//! What a supervisor such as systemd is told: that the server serves, reads its certificate again, ends, and is well
//! (`sd_notify(3)`). Where nobody wants to know, nothing is sent.

use std::time::Duration;

use crate::config::Environment;
use crate::server::Handle;

/// Tells the supervisor, if there is one.
pub(super) struct Notifier {
    /// A path, or behind `@` a name that is no file.
    socket: Option<String>,
    /// How often it wants to hear that the server is well.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The notifier that the environment asks for.
    pub(super) fn of(environment: &Environment) -> Self {
        let socket = environment.notify_socket.clone();
        let micros = environment.watchdog_usec.as_ref();
        let micros = micros.and_then(|text| text.trim().parse().ok());
        let is_ours = environment
            .watchdog_pid
            .as_ref()
            .is_none_or(|pid| pid.trim() == std::process::id().to_string());
        Self {
            watchdog: micros
                .filter(|micros| is_ours && *micros > 0)
                .map(Duration::from_micros),
            socket,
        }
    }

    /// The server serves.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// It reads again what it can; [`Notifier::ready`] ends that.
    pub(super) fn reloading(&self) {
        #[cfg(unix)]
        {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
        }
    }

    /// It ends, and finishes what was taken.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says twice in each interval that the server is well, as long as it is. Never ends.
    pub(super) async fn keep_watch(&self, handle: &Handle) {
        let Some(interval) = self.watchdog else {
            return std::future::pending().await;
        };
        loop {
            handle.probe().await;
            self.tell("WATCHDOG=1");
            tokio::time::sleep(interval / 2).await;
        }
    }

    fn tell(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = send(socket, state) {
            tracing::warn!(%error, "the supervisor was not told `{}`", state.replace('\n', " "));
        }
    }
}

#[cfg(target_os = "linux")]
fn send(socket: &str, state: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let own = UnixDatagram::unbound()?;
    // A supervisor that does not read holds nobody up.
    own.set_nonblocking(true)?;
    own.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(not(target_os = "linux"))]
fn send(_socket: &str, _state: &str) -> std::io::Result<()> {
    Ok(())
}

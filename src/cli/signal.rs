//! What a program is told from outside, as something to wait for: SIGINT, SIGTERM and SIGHUP, and the end of its stdin.

use std::io::Read;

use tokio::sync::oneshot;

use super::error::CommandError;

/// Waits for somebody to interrupt the program. From its making on, the signals no longer kill at once.
pub struct Interrupt {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Interrupt {
    /// Takes the signals over. Needs the runtime.
    pub fn new() -> Result<Self, CommandError> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let fault = |error| CommandError::failed(format!("cannot watch for signals: {error}"));
            let interrupt = signal(SignalKind::interrupt()).map_err(fault)?;
            let terminate = signal(SignalKind::terminate()).map_err(fault)?;
            Ok(Self {
                signals: [interrupt, terminate],
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub async fn wait(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for SIGHUP. From its making on, that signal no longer kills.
#[cfg(feature = "server")]
pub struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

#[cfg(feature = "server")]
impl Hangup {
    /// Takes the signal over. Needs the runtime.
    pub fn new() -> Result<Self, CommandError> {
        Ok(Self {
            #[cfg(unix)]
            signal: {
                use tokio::signal::unix::{SignalKind, signal};
                let fault =
                    |error| CommandError::failed(format!("cannot watch for signals: {error}"));
                signal(SignalKind::hangup()).map_err(fault)?
            },
        })
    }

    /// Waits for the next one. Where there is no such signal, for ever.
    pub async fn wait(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Waits until stdin ends, as it does when the process at its other end is gone, however that ended.
pub async fn stdin_ended() {
    let (end, ended) = oneshot::channel::<()>();
    // A thread that nobody waits for: a read of stdin cannot be given up, and must not hold up the end of the program.
    let reader = std::thread::Builder::new().spawn(move || {
        let mut buffer = [0; 64];
        // What cannot be read has ended too.
        while std::io::stdin()
            .read(&mut buffer)
            .is_ok_and(|read| read > 0)
        {}
        drop(end);
    });
    match reader {
        // Nothing is ever sent.
        Ok(_) => drop(ended.await),
        Err(_) => std::future::pending().await,
    }
}

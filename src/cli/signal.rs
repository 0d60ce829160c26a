//! SIGINT and SIGTERM, as something to wait for.

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

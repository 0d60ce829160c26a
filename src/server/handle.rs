//! What can be asked of a server from outside while it runs.

use std::sync::{Arc, Weak};

use super::state::App;
use super::tls::{Certificate, TlsFileFault};

/// A running server. It does not keep it running.
pub struct Handle {
    pub(super) app: Weak<App>,
    pub(super) certificate: Option<Arc<Certificate>>,
}

/// What was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// The certificate.
    Certificate,
    /// There is nothing that can be.
    Nothing,
}

impl Handle {
    /// Reads the certificate again, at once. Connections that stand keep the one that they began with.
    ///
    /// # Errors
    /// When the files cannot be used: the certificate that was in use stays.
    pub async fn reload(&self) -> Result<Reloaded, TlsFileFault> {
        match &self.certificate {
            Some(certificate) => certificate.reload().await.map(|()| Reloaded::Certificate),
            None => Ok(Reloaded::Nothing),
        }
    }

    /// Waits until what stores events answers, whatever it answers: an outage of the database is not one of the server.
    /// A server that ends by itself has answered too.
    pub async fn probe(&self) {
        if let Some(app) = self.app.upgrade() {
            app.log.probe().await;
        }
    }
}

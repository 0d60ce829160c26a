//! Why a call came to no answer. The words never hold a header, a path or a query: those may be secret.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use super::resolver::NameFault;
use crate::base::http::cause;
use crate::base::tls::TlsError;
use crate::protocol::outbound::Refusal;

/// Why a call came to no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DialFault {
    /// The guard refuses the address. Nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The name has no address. Nothing was sent.
    #[error("{0}")]
    Name(String),
    /// No connection came about. Nothing was sent.
    #[error("no connection to `{host}`: {why}")]
    Connect {
        /// The host.
        host: String,
        /// The system's reason.
        why: String,
    },
    /// The other side did not prove to be who it should be. Nothing was sent.
    #[error("no TLS connection to `{host}`: {why}")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// It took too long. The request may have arrived.
    #[error("`{host}` did not answer within {} s", limit.as_secs_f32())]
    Timeout {
        /// The host.
        host: String,
        /// The limit of the whole call.
        limit: Duration,
    },
    /// The connection broke before the answer was whole. The request may have arrived.
    #[error("the answer of `{host}` broke off: {why}")]
    Broken {
        /// The host.
        host: String,
        /// What happened.
        why: String,
    },
    /// A header cannot be sent: its value has characters that end a line.
    #[error("the header `{0}` has characters in it that no header may have")]
    Header(&'static str),
    /// This machine cannot make TLS connections.
    #[error(transparent)]
    Setup(#[from] TlsError),
}

impl DialFault {
    /// Whether the guard said no: nobody was asked.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// What became of a call to a host, which had this limit.
    pub(super) fn of(error: reqwest::Error, host: &str, limit: Duration) -> Self {
        let error = error.without_url();
        let host = host.to_owned();
        match find::<NameFault>(&error) {
            Some(NameFault::Refused(refusal)) => return Self::Refused(refusal.clone()),
            Some(unknown @ NameFault::Unknown { .. }) => return Self::Name(unknown.to_string()),
            None => {}
        }
        if let Some(fault) = find::<rustls::Error>(&error) {
            let why = words(fault);
            return Self::Tls { host, why };
        }
        // While connecting, too: the shorter limit of that is inside of this one.
        if error.is_timeout() && !error.is_connect() {
            return Self::Timeout { host, limit };
        }
        let why = cause(&error);
        match error.is_connect() {
            true => Self::Connect { host, why },
            false => Self::Broken { host, why },
        }
    }
}

/// The first of a chain of causes that is of a type.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What an IO error holds is not among its causes.
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        at = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

fn words(fault: &rustls::Error) -> String {
    use rustls::Error::InvalidCertificate;
    match fault {
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not valid yet".to_owned(),
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name".to_owned(),
        // Two CAs may have one name: then the signature is what does not fit.
        InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate is from nobody who is trusted here; `--ca-file` names a CA to trust too"
                .to_owned()
        }
        InvalidCertificate(CertificateError::Revoked) => {
            "its certificate was revoked".to_owned()
        }
        other => other.to_string(),
    }
}

//! Whom to trust: the platform's verifier, plus one CA file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// Why a configuration cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TlsError {
    /// The file of the CA to trust cannot be used.
    #[error("cannot read the CA file `{path}`: {why}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The platform's own roots cannot be used.
    #[error("cannot set up TLS: {0}")]
    Setup(String),
}

/// The configuration for connections to `address`. Loading the system's roots takes tens of milliseconds, so plain
/// addresses get a configuration that trusts nobody.
pub fn config(address_is_tls: bool, ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let fault = |error: rustls::Error| TlsError::Setup(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(fault)?;
    if !address_is_tls {
        let nobody = RootCertStore::empty();
        return Ok(builder.with_root_certificates(nobody).with_no_client_auth());
    }
    let extra = ca_file.map(read_ca).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(extra, provider).map_err(fault)?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |why: String| TlsError::CaFile {
        path: path.to_owned(),
        why,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| fault(error.to_string()))?;
    if certificates.is_empty() {
        return Err(fault("it holds no PEM certificate".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_is_read_only_for_tls_and_must_hold_a_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(config(false, Some(&path)).is_ok());
        let missing = config(true, Some(&path)).unwrap_err();
        assert!(missing.to_string().contains("ca.pem"));
        std::fs::write(&path, "nothing\n").unwrap();
        assert!(matches!(
            config(true, Some(&path)),
            Err(TlsError::CaFile { .. })
        ));
    }
}

//! The certificate that the server shows: read at the start, and again when its files have changed, so that a renewal
//! needs no restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::base::outage::Outage;

/// How often the files are looked at, at most: two calls of the system every so often cost nothing, and nobody waits
/// longer for a renewed certificate.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Where the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain in PEM: the server's own certificate first.
    pub cert: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Why the certificate cannot be used. Shows nothing of what the files hold.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileFault {
    /// A file cannot be read.
    #[error("cannot read `{}`: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// A file begins as PEM and does not go on so.
    #[error("`{}` is broken PEM", .0.display())]
    Broken(PathBuf),
    /// There is no certificate in it.
    #[error("`{}` holds no PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in it.
    #[error("`{}` holds no PEM private key; an encrypted one cannot be used", .0.display())]
    NoKey(PathBuf),
    /// The two do not belong together.
    #[error("the key `{}` does not belong to the certificate `{}`", .0.key.display(), .0.cert.display())]
    Mismatch(TlsFiles),
    /// TLS does not take them.
    #[error("`{}` cannot be used: {why}", .files.cert.display())]
    Unusable {
        /// The files.
        files: TlsFiles,
        /// What is wrong.
        why: rustls::Error,
    },
}

/// The certificate in use.
pub(super) struct Certificate {
    files: TlsFiles,
    state: Mutex<State>,
}

struct State {
    config: Arc<ServerConfig>,
    /// What the files looked like when `config` was made of them.
    stamp: [Stamp; 2],
    looked_at: Instant,
    outage: Outage,
}

/// What tells a file from its successor. None when it cannot be looked at.
type Stamp = Option<(SystemTime, u64)>;

impl Certificate {
    /// Reads the files.
    pub(super) fn read(files: TlsFiles) -> Result<Self, TlsFileFault> {
        let stamp = stamps(&files);
        let state = State {
            config: Arc::new(config(&files)?),
            stamp,
            looked_at: Instant::now(),
            outage: Outage::new("the renewed certificate cannot be used, the old one stays"),
        };
        Ok(Self {
            files,
            state: Mutex::new(state),
        })
    }

    /// What takes handshakes, with the newest certificate that can be used.
    pub(super) async fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        if self.is_due() {
            let own = self.clone();
            // A panic there was reported by the runtime; the old certificate is still good.
            let _ = tokio::task::spawn_blocking(move || own.look()).await;
        }
        TlsAcceptor::from(self.state().config.clone())
    }

    /// Whether it is time to look again; says so to one caller.
    fn is_due(&self) -> bool {
        let mut state = self.state();
        let is_due = state.looked_at.elapsed() >= LOOK_INTERVAL;
        if is_due {
            state.looked_at = Instant::now();
        }
        is_due
    }

    /// Reads the files now, whether they look changed or not.
    pub(super) async fn reload(self: &Arc<Self>) -> Result<(), TlsFileFault> {
        let own = self.clone();
        // A panic there was reported by the runtime; the old certificate is still good.
        let read = tokio::task::spawn_blocking(move || own.take_up(stamps(&own.files))).await;
        read.unwrap_or(Ok(()))
    }

    /// Takes up files that have changed. Those that cannot be used are tried again, since certificate and key come one
    /// after the other.
    fn look(&self) {
        let stamp = stamps(&self.files);
        if self.state().stamp == stamp {
            return;
        }
        if self.take_up(stamp).is_ok() {
            tracing::info!("the certificate was renewed");
        }
    }

    /// Takes up what the files hold; where that cannot be used, the old certificate stays.
    fn take_up(&self, stamp: [Stamp; 2]) -> Result<(), TlsFileFault> {
        let read = config(&self.files);
        let mut state = self.state();
        state.outage.note(read.as_ref().err());
        state.config = Arc::new(read?);
        state.stamp = stamp;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    [&files.cert, &files.key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn config(files: &TlsFiles) -> Result<ServerConfig, TlsFileFault> {
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(error, &files.cert, TlsFileFault::NoCertificate))?;
    if chain.is_empty() {
        return Err(TlsFileFault::NoCertificate(files.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| fault(error, &files.key, TlsFileFault::NoKey))?;
    let unusable = |why| match why {
        rustls::Error::InconsistentKeys(_) => TlsFileFault::Mismatch(files.clone()),
        why => TlsFileFault::Unusable {
            files: files.clone(),
            why,
        },
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn fault(error: pem::Error, path: &Path, nothing: fn(PathBuf) -> TlsFileFault) -> TlsFileFault {
    let path = path.to_owned();
    match error {
        pem::Error::Io(why) => TlsFileFault::Unreadable { path, why },
        pem::Error::NoItemsFound => nothing(path),
        _ => TlsFileFault::Broken(path),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn files(&self) -> TlsFiles {
            TlsFiles {
                cert: self.0.path().join("cert.pem"),
                key: self.0.path().join("key.pem"),
            }
        }

        /// Writes a new pair; the certificate's length tells it from others.
        fn write(&self, name: &str) -> (String, String) {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let cert = params.self_signed(&key).unwrap().pem();
            fs::write(self.files().cert, &cert).unwrap();
            fs::write(self.files().key, key.serialize_pem()).unwrap();
            (cert, key.serialize_pem())
        }
    }

    #[test]
    fn a_pair_that_cannot_be_used_is_told_by_its_fault() {
        let dir = Dir(tempfile::tempdir().unwrap());
        let files = dir.files();
        let refusal = || match Certificate::read(files.clone()) {
            Ok(_) => panic!("it was taken"),
            Err(fault) => fault.to_string(),
        };
        assert!(
            refusal().contains("cert.pem`: No such file"),
            "{}",
            refusal()
        );
        let (cert, key) = dir.write("a.example");
        assert!(Certificate::read(files.clone()).is_ok());
        fs::write(&files.cert, "nothing\n").unwrap();
        assert!(refusal().ends_with("cert.pem` holds no PEM certificate"));
        fs::write(&files.cert, &cert[..cert.len() / 2]).unwrap();
        assert!(refusal().ends_with("cert.pem` is broken PEM"));
        fs::write(&files.cert, &cert).unwrap();
        fs::write(&files.key, &cert).unwrap();
        assert!(refusal().contains("key.pem` holds no PEM private key"));
        fs::remove_file(&files.key).unwrap();
        assert!(refusal().contains("key.pem`: No such file"));
        dir.write("b.example");
        fs::write(&files.key, &key).unwrap();
        assert!(refusal().contains("does not belong to the certificate"));
    }

    #[test]
    fn a_renewed_pair_is_taken_up_and_half_of_one_is_not() {
        let dir = Dir(tempfile::tempdir().unwrap());
        dir.write("a.example");
        let certificate = Certificate::read(dir.files()).unwrap();
        let first = certificate.state().config.clone();
        let is_first = || Arc::ptr_eq(&first, &certificate.state().config);
        certificate.look();
        assert!(is_first());
        let old_key = fs::read(dir.files().key).unwrap();
        dir.write("a-longer-name.example");
        let new_key = fs::read(dir.files().key).unwrap();
        fs::write(dir.files().key, old_key).unwrap();
        certificate.look();
        assert!(is_first());
        assert!(certificate.state().outage.is_on());
        fs::write(dir.files().key, new_key).unwrap();
        certificate.look();
        assert!(!is_first());
        assert!(!certificate.state().outage.is_on());
        fs::remove_file(dir.files().cert).unwrap();
        certificate.look();
        assert!(certificate.state().outage.is_on());
    }

    #[test]
    fn the_files_are_looked_at_once_in_a_while() {
        let dir = Dir(tempfile::tempdir().unwrap());
        dir.write("a.example");
        let certificate = Certificate::read(dir.files()).unwrap();
        assert!(!certificate.is_due());
        let earlier = Instant::now().checked_sub(LOOK_INTERVAL).unwrap();
        certificate.state().looked_at = earlier;
        assert!(certificate.is_due());
        assert!(!certificate.is_due());
    }
}

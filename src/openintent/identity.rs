//! Who a server is to others: a URL, a DID and a key pair (spec 6.1).

use aws_lc_rs::encoding::{AsBigEndian as _, Curve25519SeedBin};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::did::{DidFault, did_document, did_of_url};
use super::json::Json;
use super::signature::verify_text;
use crate::protocol::identity::{BadSeed, IDENTITY_KEY_LEN, InstanceKey};

/// How a key file in PEM begins. Others hold other kinds of keys, or encrypted ones.
const PEM_HEADER: &[u8] = b"-----BEGIN PRIVATE KEY-----";

/// Why there is no identity. Shows nothing of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// The URL makes no DID.
    #[error("the server's URL makes no DID: {0}")]
    Url(#[from] DidFault),
    /// The seed makes no key pair.
    #[error(transparent)]
    Seed(#[from] BadSeed),
    /// A key file is neither of the two kinds.
    #[error(
        "the key file holds {0} bytes that are neither {IDENTITY_KEY_LEN} raw bytes nor an unencrypted PKCS#8 key in PEM"
    )]
    FileKind(usize),
    /// A key file begins as PEM, and holds no Ed25519 key.
    #[error("the key file holds no PKCS#8 key of Ed25519")]
    FilePem,
}

/// A server's cryptographic identity.
///
/// ```
/// use kite::openintent::identity::ServerIdentity;
///
/// // The seed is 32 bytes of chance, or what a key file holds.
/// let identity = ServerIdentity::from_seed("https://api.example.com", None, &[7; 32]).unwrap();
/// assert_eq!(identity.did(), "did:web:api.example.com");
/// assert_eq!(identity.public_key().len(), 44);
///
/// let signature = identity.sign(b"hello");
/// assert!(identity.verify(b"hello", &signature));
/// assert!(!identity.verify(b"hallo", &signature));
/// ```
#[derive(Debug)]
pub struct ServerIdentity {
    server_url: String,
    did: String,
    key: InstanceKey,
}

impl ServerIdentity {
    /// The identity of a server with the key of this seed. Without a DID it goes by the one of its URL.
    ///
    /// # Errors
    /// When the URL makes no DID, or the seed no key.
    pub fn from_seed(
        server_url: &str,
        did: Option<&str>,
        seed: &[u8; IDENTITY_KEY_LEN],
    ) -> Result<Self, IdentityFault> {
        let did = match did {
            Some(did) => did.to_owned(),
            None => did_of_url(server_url)?,
        };
        Ok(Self {
            server_url: server_url.to_owned(),
            did,
            key: InstanceKey::from_seed(seed)?,
        })
    }

    /// The identity of a server with the key of a file: see [`seed_of_file`].
    ///
    /// # Errors
    /// As [`Self::from_seed`], and when the bytes are no key file.
    pub fn from_file_bytes(
        server_url: &str,
        did: Option<&str>,
        bytes: &[u8],
    ) -> Result<Self, IdentityFault> {
        Self::from_seed(server_url, did, &*seed_of_file(bytes)?)
    }

    /// The URL that others call the server by.
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// What others know it as.
    pub fn did(&self) -> &str {
        &self.did
    }

    /// The key pair.
    pub fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// The public key as standard base64.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.key.public())
    }

    /// The DID document of a server that has this key alone (spec 6.4).
    pub fn did_document(&self) -> Json {
        did_document(&self.did, &self.server_url, &[(1, self.key.public())])
    }

    /// Signs bytes; the signature is standard base64.
    pub fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.key.sign(message))
    }

    /// Whether this is the identity's signature of these bytes.
    pub fn verify(&self, message: &[u8], signature: &str) -> bool {
        verify_text(message, signature, &[self.key.public()]).is_ok()
    }
}

/// The seed that a key file holds: exactly 32 raw bytes, as the SDK writes them, or a PKCS#8 key of Ed25519 in PEM, as other
/// tools do. The SDK takes the first 32 bytes of anything, which makes a wrong key of a PEM file.
///
/// # Errors
/// When it is neither.
pub fn seed_of_file(bytes: &[u8]) -> Result<Zeroizing<[u8; IDENTITY_KEY_LEN]>, IdentityFault> {
    if let Ok(raw) = bytes.try_into() {
        return Ok(Zeroizing::new(raw));
    }
    if !bytes.starts_with(PEM_HEADER) {
        return Err(IdentityFault::FileKind(bytes.len()));
    }
    let der = PrivatePkcs8KeyDer::from_pem_slice(bytes).map_err(|_| IdentityFault::FilePem)?;
    let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der());
    let seed = pair.ok().and_then(|pair| pair.seed().ok());
    let seed: Option<Curve25519SeedBin<'static>> = seed.and_then(|seed| seed.as_be_bytes().ok());
    let seed = seed.and_then(|seed| seed.as_ref().try_into().ok());
    seed.map(Zeroizing::new).ok_or(IdentityFault::FilePem)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9421, B.1.4: test-key-ed25519.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n\
        -----END PRIVATE KEY-----\n";
    const URL: &str = "https://host.example";

    #[test]
    fn a_key_file_is_raw_or_pem_and_nothing_else() {
        let identity = ServerIdentity::from_file_bytes(URL, None, PEM.as_bytes()).unwrap();
        let public = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
        assert_eq!(identity.public_key(), public);
        let seed = seed_of_file(PEM.as_bytes()).unwrap();
        let raw = ServerIdentity::from_file_bytes(URL, None, seed.as_slice()).unwrap();
        assert_eq!(raw.public_key(), public);

        let with_newline = [seed.as_slice(), b"\n"].concat();
        let encrypted = PEM.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let indented = format!(" {PEM}");
        let files = [b"".as_slice(), &seed[..31], &with_newline];
        for file in files
            .into_iter()
            .chain([encrypted.as_bytes(), indented.as_bytes()])
        {
            let fault = IdentityFault::FileKind(file.len());
            assert_eq!(seed_of_file(file).unwrap_err(), fault);
        }
        // X25519 (RFC 8410: 1.3.101.110) instead of Ed25519, a key cut short, and no end.
        let x25519 = PEM.replace("K2Vw", "K2Vu");
        let cut = PEM.replace("fSnF", "");
        let open = PEM.replace("-----END PRIVATE KEY-----\n", "");
        for file in [x25519, cut, open] {
            assert_eq!(
                seed_of_file(file.as_bytes()).unwrap_err(),
                IdentityFault::FilePem
            );
        }
    }

    #[test]
    fn a_chosen_did_stands_and_another_is_made_of_the_url() {
        let chosen = ServerIdentity::from_seed("http://[::1]:1", Some("did:web:x"), &[1; 32]);
        assert_eq!(chosen.unwrap().did(), "did:web:x");
        let made = ServerIdentity::from_seed("http://host.example:8000", None, &[1; 32]).unwrap();
        assert_eq!(made.did(), "did:web:host.example%3A8000");
        assert!(ServerIdentity::from_seed("host.example", None, &[1; 32]).is_err());
        assert!(!format!("{made:?}").contains("1, 1, 1"));
    }
}

//! Standard Webhooks: the scheme of many sources, recognised by its headers or by the secret (spec 9).

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::signature::{Mac, SignatureFault, check_time, required, wrong_unless};
use super::{Request, SignatureHeaders};

/// The delivery's id; it is signed.
pub(super) const ID: &str = "webhook-id";
const TIME: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// What a shared secret begins with; base64 of the key's bytes follows.
const SHARED: &str = "whsec_";

/// What a public key begins with; base64 of its 32 bytes follows.
const PUBLIC: &str = "whpk_";

/// Whether a request carries the scheme's headers.
pub(super) fn is_sent_by(request: &Request<'_>) -> bool {
    [ID, TIME, SIGNATURE]
        .iter()
        .all(|name| request.headers.has(name))
}

/// Whether a secret is made for the scheme.
pub(super) fn is_meant_by(secret: &[u8]) -> bool {
    secret.starts_with(SHARED.as_bytes()) || is_public(secret)
}

/// Whether a secret is none: anybody may know a public key.
pub(super) fn is_public(secret: &[u8]) -> bool {
    secret.starts_with(PUBLIC.as_bytes())
}

/// Whether a secret can check anything: a prefix alone is as empty as nothing, in whatever scheme, and a public key has to
/// be one.
pub(super) fn check_secret(secret: &[u8]) -> Result<(), SignatureFault> {
    if secret.is_empty() || secret == SHARED.as_bytes() {
        return Err(SignatureFault::NoSecret);
    }
    match is_public(secret) {
        true => Key::parse(secret).map(drop),
        false => Ok(()),
    }
}

/// What signatures are checked with.
enum Key {
    /// `v1`: HMAC-SHA256.
    Shared(Vec<u8>),
    /// `v1a`: Ed25519.
    Public(Vec<u8>),
}

impl Key {
    fn parse(secret: &[u8]) -> Result<Self, SignatureFault> {
        let (is_public, base64) = match secret.strip_prefix(PUBLIC.as_bytes()) {
            Some(key) => (true, key),
            None => (
                false,
                secret.strip_prefix(SHARED.as_bytes()).unwrap_or(secret),
            ),
        };
        let bytes = STANDARD.decode(base64).map_err(|_| {
            SignatureFault::Secret("Standard Webhooks takes base64, mostly behind `whsec_`")
        })?;
        match (is_public, bytes.len()) {
            (_, 0) => Err(SignatureFault::NoSecret),
            (true, 32) => Ok(Self::Public(bytes)),
            (true, _) => Err(SignatureFault::Secret(
                "behind `whpk_` stands base64 of 32 bytes, an Ed25519 public key",
            )),
            (false, _) => Ok(Self::Shared(bytes)),
        }
    }

    fn version(&self) -> &'static str {
        match self {
            Self::Shared(_) => "v1,",
            Self::Public(_) => "v1a,",
        }
    }
}

/// One good signature in the list suffices.
pub(super) fn verify(request: &Request<'_>, secret: &[u8], now: i64) -> Result<(), SignatureFault> {
    let id = required(request, ID)?;
    let time = required(request, TIME)?;
    let given = required(request, SIGNATURE)?;
    let key = Key::parse(secret)?;
    let mut given = given
        .split(' ')
        .filter_map(|entry| entry.strip_prefix(key.version()))
        .peekable();
    given.peek().ok_or(SignatureFault::Malformed {
        header: SIGNATURE,
        what: match key {
            Key::Shared(_) => "has no signature `v1,`",
            Key::Public(_) => "has no signature `v1a,`",
        },
    })?;
    let head = [id.as_bytes(), b".", time.as_bytes(), b"."];
    let is_right = match &key {
        Key::Shared(key) => {
            let mac = Mac::sha256(key, &[head[0], head[1], head[2], head[3], request.body]);
            given.any(|base64| mac.is_base64(base64))
        }
        Key::Public(key) => {
            let mut message = head.concat();
            message.extend_from_slice(request.body);
            let key = UnparsedPublicKey::new(&ED25519, key);
            given.take(SIGNATURES_MAX).any(|base64| {
                STANDARD
                    .decode(base64)
                    .is_ok_and(|signature| key.verify(&message, &signature).is_ok())
            })
        }
    };
    wrong_unless(is_right, SIGNATURE)?;
    check_time(time, TIME, now)
}

/// Signs a delivery with a shared secret; nothing can be signed with a public key.
pub(super) fn sign(
    id: &str,
    body: &[u8],
    secret: &[u8],
    now: i64,
) -> Result<SignatureHeaders, SignatureFault> {
    let Key::Shared(key) = Key::parse(secret)? else {
        return Err(SignatureFault::Secret(
            "`whpk_` is a public key, which signs nothing",
        ));
    };
    let time = now.to_string();
    let head = [id.as_bytes(), b".", time.as_bytes(), b"."];
    let mac = Mac::sha256(&key, &[head[0], head[1], head[2], head[3], body]);
    let signature = format!("v1,{}", mac.to_base64());
    Ok(vec![
        (ID, id.to_owned()),
        (TIME, time),
        (SIGNATURE, signature),
    ])
}

/// How many signatures are tried where each costs a computation of its own: senders change keys one at a time.
const SIGNATURES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{self, Headers};

    /// The example of the scheme's own description.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const GOOD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const NOW: i64 = 1_614_265_330;

    fn check(signature: &str, secret: &str, now: i64) -> Result<(), SignatureFault> {
        let headers = Headers::new([
            (ID, "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            (TIME, "1614265330"),
            (SIGNATURE, signature),
        ]);
        let request = Request {
            slug: "my-app",
            headers: &headers,
            body: BODY,
            url: None,
        };
        webhook::verify(&request, &[secret.as_bytes()], now)
    }

    #[test]
    fn the_published_example_is_accepted_within_its_time() {
        assert_eq!(check(GOOD, SECRET, NOW), Ok(()));
        assert_eq!(check(GOOD, SECRET, NOW + 300), Ok(()));
        assert_eq!(
            check(GOOD, SECRET, NOW + 301),
            Err(SignatureFault::Time(301))
        );
        assert_eq!(
            check(GOOD, SECRET, NOW - 301),
            Err(SignatureFault::Time(-301))
        );
    }

    #[test]
    fn one_good_signature_in_the_list_suffices_and_no_other_is_taken_for_it() {
        let among_others = format!("v1a,AAAA v1,AAAA {GOOD} v2,x");
        assert_eq!(check(&among_others, SECRET, NOW), Ok(()));
        for wrong in [
            GOOD.replace("v1,", "v1a,"),
            GOOD.replace("v1,", "V1,"),
            GOOD.replace("v1,", ""),
            GOOD[..GOOD.len() - 1].to_owned(),
            format!("{GOOD},"),
            String::new(),
        ] {
            assert!(check(&wrong, SECRET, NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_prefix_of_the_secret_may_be_left_out() {
        assert_eq!(check(GOOD, &SECRET["whsec_".len()..], NOW), Ok(()));
    }

    #[test]
    fn what_is_signed_is_what_the_published_example_says() {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = sign(id, BODY, SECRET.as_bytes(), NOW).unwrap();
        let texts: Vec<&str> = signed.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, [id, "1614265330", GOOD]);
        let public = format!("whpk_{}", STANDARD.encode([1; 32]));
        assert!(sign(id, BODY, public.as_bytes(), NOW).is_err());
    }

    #[test]
    fn unusable_secrets_are_named() {
        for secret in ["whsec_!", "whpk_AAAA", "whsec_", "not base64"] {
            let fault = check(GOOD, secret, NOW).unwrap_err();
            let is_named = matches!(fault, SignatureFault::Secret(_) | SignatureFault::NoSecret);
            assert!(is_named, "{secret}: {fault:?}");
        }
    }
}

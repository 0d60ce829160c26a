//! Bytes of a known length as JSON carries them: base64url without padding (RFC 4648, section 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// So many bytes, written as base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Base64Url<const N: usize>(pub [u8; N]);

/// A text that does not hold so many bytes. Says nothing of the text: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be {0} bytes in base64url without padding")]
pub struct Base64UrlFault(usize);

impl<const N: usize> TryFrom<String> for Base64Url<N> {
    type Error = Base64UrlFault;

    fn try_from(text: String) -> Result<Self, Base64UrlFault> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(Base64UrlFault(N))
    }
}

impl<const N: usize> From<Base64Url<N>> for String {
    fn from(bytes: Base64Url<N>) -> String {
        URL_SAFE_NO_PAD.encode(bytes.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_read_back_and_nothing_else_does(bytes: [u8; 32], other in "[A-Za-z0-9_=+/-]{0,50}") {
            let text = String::from(Base64Url(bytes));
            prop_assert_eq!(Base64Url::try_from(text.clone()), Ok(Base64Url(bytes)));
            prop_assert!(Base64Url::<31>::try_from(text).is_err());
            if let Ok(read) = Base64Url::<32>::try_from(other.clone()) {
                prop_assert_eq!(String::from(read), other);
            }
        }
    }
}

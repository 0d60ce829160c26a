//! The seeds of the instance's signing keys, as the store keeps them: sealed for their number.

use zeroize::Zeroizing;

use crate::protocol::identity::IDENTITY_KEY_LEN;
use crate::store::StoreError;
use crate::store::openintent::SigningKeyRecord;
use crate::store::seal::Sealer;

/// Seals the seed of a key.
///
/// # Errors
/// When the cryptography does not take it.
pub fn seal_seed(
    sealer: &Sealer,
    number: u32,
    seed: &[u8; IDENTITY_KEY_LEN],
) -> Result<Vec<u8>, StoreError> {
    let digits = seed.iter().map(|byte| format!("{byte:02x}"));
    let hex = Zeroizing::new(digits.collect::<String>());
    sealer.seal(&SigningKeyRecord::place(number), &hex)
}

/// Opens the seed of a key.
///
/// # Errors
/// When it was sealed with another secret key, or holds no seed.
pub fn open_seed(
    sealer: &Sealer,
    key: &SigningKeyRecord,
) -> Result<Zeroizing<[u8; IDENTITY_KEY_LEN]>, StoreError> {
    let hex = sealer.open(&SigningKeyRecord::place(key.number), &key.seed)?;
    let hex = hex.reveal();
    let mut seed = Zeroizing::new([0; IDENTITY_KEY_LEN]);
    let digit = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    for (byte, at) in seed.iter_mut().zip((0..).step_by(2)) {
        *byte = digit(at).ok_or_else(broken)?;
    }
    match hex.len() == 2 * IDENTITY_KEY_LEN {
        true => Ok(seed),
        false => Err(broken()),
    }
}

fn broken() -> StoreError {
    StoreError::Failed("a stored signing key is broken".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixtures::sealer;

    #[test]
    fn a_seed_opens_under_its_number_alone() {
        let seed = core::array::from_fn(|at| u8::try_from(at * 7 % 256).unwrap());
        let mut key = SigningKeyRecord {
            number: 2,
            seed: seal_seed(&sealer(), 2, &seed).unwrap(),
            created_at: 1,
            retires_at: None,
        };
        assert_eq!(*open_seed(&sealer(), &key).unwrap(), seed);
        key.number = 3;
        assert!(open_seed(&sealer(), &key).is_err());
        key.seed = sealer().seal(&SigningKeyRecord::place(3), "abc").unwrap();
        assert!(open_seed(&sealer(), &key).is_err());
    }
}

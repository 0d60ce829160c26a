//! The keys that this instance signs with as a server of OpenIntent: the same on all its nodes, sealed at rest, and
//! rotated with an overlap (spec 6.1, 6.5).

use std::sync::{Arc, PoisonError, RwLock};

use super::seed::{open_seed, seal_seed};
use crate::base::clock::Clock;
use crate::base::random;
use crate::protocol::identity::{IDENTITY_KEY_LEN, InstanceKey};
use crate::store::openintent::SigningKeyRecord;
use crate::store::record::Millis;
use crate::store::seal::Sealer;
use crate::store::{Store, StoreError};

/// For how long a new key is only published. Whoever has fetched our document just before it came does not ask again for a
/// few seconds (spec 6.5), and would refuse what it signs.
const HELD_BACK: Millis = 10_000;

/// The keys, as far as they are published.
#[derive(Debug)]
pub struct Keys(Vec<SigningKey>);

/// One of them.
#[derive(Debug)]
pub struct SigningKey {
    /// Counts from 1.
    pub number: u32,
    /// The pair.
    pub key: InstanceKey,
    created_at: Millis,
    retires_at: Option<Millis>,
}

impl Keys {
    /// The one that signs at a time: the newest that the others had time to hear of. Where all are young the oldest, which
    /// was known first.
    pub fn signing(&self, now: Millis) -> &SigningKey {
        let mut published = self.0.iter().filter(|key| key.counts(now)).rev();
        let oldest = published.clone().next_back();
        let heard_of = published.find(|key| key.created_at <= now - HELD_BACK);
        // There is always one: none is kept without.
        heard_of.or(oldest).unwrap_or_else(|| self.newest())
    }

    #[expect(clippy::indexing_slicing, reason = "`opened` keeps no empty ring")]
    fn newest(&self) -> &SigningKey {
        &self.0[self.0.len() - 1]
    }

    /// The public halves that count at a time, by number.
    pub fn published(&self, now: Millis) -> Vec<(u32, [u8; IDENTITY_KEY_LEN])> {
        let published = self.0.iter().filter(|key| key.counts(now));
        published
            .map(|key| (key.number, key.key.public()))
            .collect()
    }
}

impl SigningKey {
    /// Whether it is published at a time.
    fn counts(&self, now: Millis) -> bool {
        self.retires_at.is_none_or(|until| now < until)
    }
}

/// The instance's keys as they are now.
pub struct Ring {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    clock: Clock,
    keys: RwLock<Arc<Keys>>,
}

impl Ring {
    /// Reads the keys; makes the first one where there is none.
    ///
    /// # Errors
    /// When the store does not give them, or they cannot be opened with this server's secret key.
    pub async fn open(
        store: Arc<dyn Store>,
        sealer: Arc<Sealer>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let now = clock.unix_millis();
        let mut records = store.signing_keys(now).await?;
        if records.is_empty() {
            let first = SigningKeyRecord {
                number: 1,
                seed: seal_seed(&sealer, 1, &random::bytes())?,
                created_at: now,
                retires_at: None,
            };
            records = store.add_signing_key(first, now).await?;
        }
        let keys = RwLock::new(Arc::new(opened(&records, &sealer)?));
        Ok(Self {
            store,
            sealer,
            clock,
            keys,
        })
    }

    /// The keys.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads them again.
    ///
    /// # Errors
    /// As [`Ring::open`]. What was known stays then.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let records = self.store.signing_keys(self.clock.unix_millis()).await?;
        let keys = Arc::new(opened(&records, &self.sealer)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

fn opened(records: &[SigningKeyRecord], sealer: &Sealer) -> Result<Keys, StoreError> {
    let mut keys = Vec::with_capacity(records.len());
    for record in records {
        let key = InstanceKey::from_seed(&*open_seed(sealer, record)?)
            .map_err(|fault| StoreError::Failed(fault.to_string()))?;
        keys.push(SigningKey {
            number: record.number,
            key,
            created_at: record.created_at,
            retires_at: record.retires_at,
        });
    }
    match keys.is_empty() {
        true => Err(StoreError::Failed(
            "the instance has no signing key".to_owned(),
        )),
        false => Ok(Keys(keys)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32, created_at: Millis, retires_at: Option<Millis>) -> SigningKey {
        let seed = [u8::try_from(number).unwrap(); IDENTITY_KEY_LEN];
        SigningKey {
            number,
            key: InstanceKey::from_seed(&seed).unwrap(),
            created_at,
            retires_at,
        }
    }

    #[test]
    fn a_new_key_signs_once_others_could_hear_of_it() {
        let keys = Keys(vec![key(1, 0, Some(100_000)), key(2, 50_000, None)]);
        let signs = |now| keys.signing(now).number;
        let published = |now| keys.published(now).len();
        assert_eq!((signs(59_999), published(59_999)), (1, 2));
        assert_eq!((signs(60_000), published(60_000)), (2, 2));
        assert_eq!((signs(100_000), published(100_000)), (2, 1));
        let first = Keys(vec![key(1, 50_000, None)]);
        assert_eq!(first.signing(50_000).number, 1, "there is no other");
        let at_once = Keys(vec![key(1, 0, Some(50_000)), key(2, 50_000, None)]);
        assert_eq!(at_once.signing(50_001).number, 2, "nothing else counts");
        let young = Keys(vec![key(1, 49_000, Some(100_000)), key(2, 50_000, None)]);
        assert_eq!(young.signing(50_001).number, 1, "it was known first");
    }
}

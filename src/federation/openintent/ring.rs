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

/// The keys, as far as they are published.
#[derive(Debug)]
pub struct Keys {
    /// The number of the one that signs.
    pub number: u32,
    /// The one that signs.
    pub signing: InstanceKey,
    /// The public halves of all, by number, and until when they count.
    public: Vec<(u32, [u8; IDENTITY_KEY_LEN], Option<Millis>)>,
}

impl Keys {
    /// The public halves that count at a time, by number.
    pub fn published(&self, now: Millis) -> Vec<(u32, [u8; IDENTITY_KEY_LEN])> {
        let counts = |until: &Option<Millis>| until.is_none_or(|until| now < until);
        let public = self.public.iter().filter(|(_, _, until)| counts(until));
        public.map(|(number, key, _)| (*number, *key)).collect()
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
    let none = || StoreError::Failed("the instance has no signing key".to_owned());
    let mut signing = None;
    let mut public = Vec::with_capacity(records.len());
    for record in records {
        let key = InstanceKey::from_seed(&*open_seed(sealer, record)?)
            .map_err(|fault| StoreError::Failed(fault.to_string()))?;
        public.push((record.number, key.public(), record.retires_at));
        // They come by number, and the highest one signs.
        signing = Some((record.number, key));
    }
    let (number, signing) = signing.ok_or_else(none)?;
    Ok(Keys {
        number,
        signing,
        public,
    })
}

//! What the database says of the events that were sent.

use tokio_postgres::Row;

use super::changes::STALE;
use crate::protocol::id::Seq;
use crate::store::Result;
use crate::store::postgres::{column, unsigned};
use crate::store::record::{Millis, NewEvent, Outcome};

/// What the database says of an event.
#[derive(Clone)]
pub(super) enum Found {
    Stored(Seq),
    Refused,
    Stale,
    Known {
        id: String,
        created_at: Millis,
        fingerprint: Option<Vec<u8>>,
        /// Whether it is the same one, where the database has compared them.
        same: Option<bool>,
    },
}

impl Found {
    pub(super) fn in_row(row: &Row) -> Result<Self> {
        match column::<Option<i64>>(row, 1)? {
            Some(STALE) => return Ok(Self::Stale),
            Some(seq) => return Ok(Self::Stored(unsigned(seq))),
            None => {}
        }
        let Some(id) = column(row, 2)? else {
            return Ok(Self::Refused);
        };
        Ok(Self::Known {
            id,
            created_at: column(row, 3)?,
            fingerprint: column(row, 4)?,
            same: column(row, 5)?,
        })
    }

    /// How an event is known that was stored just now.
    pub(super) fn again(event: &NewEvent, fingerprint: Option<[u8; 32]>) -> Self {
        Self::Known {
            id: event.id.clone(),
            created_at: event.created_at,
            fingerprint: fingerprint.map(|digest| digest.to_vec()),
            same: None,
        }
    }

    pub(super) fn outcome(&self, event: &NewEvent) -> Outcome {
        match self {
            Self::Stored(seq) => Outcome::Stored(*seq),
            Self::Refused if event.turn.is_some() => Outcome::known(event),
            Self::Refused => Outcome::Exhausted,
            Self::Stale => Outcome::Stale,
            Self::Known {
                id,
                created_at,
                fingerprint,
                same,
            } => {
                let given = event.name().and_then(|dedup| dedup.fingerprint);
                let is_alike = fingerprint.as_deref() == given.as_ref().map(|digest| &digest[..]);
                Outcome::Duplicate {
                    id: id.clone(),
                    created_at: *created_at,
                    same: same.unwrap_or(is_alike),
                }
            }
        }
    }
}

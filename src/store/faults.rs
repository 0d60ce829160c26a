//! How often the database has failed since the program started. Errors are made where no store is at hand, and a server
//! has one database: so these numbers are of the whole program.

use super::StoreError;
use crate::base::meter::Counter;

static FAULTS: Faults = Faults {
    away: Counter::new(),
    unwritable: Counter::new(),
    failed: Counter::new(),
};

struct Faults {
    away: Counter,
    unwritable: Counter,
    failed: Counter,
}

/// How often operations failed, by what was wrong.
pub fn counts() -> [(&'static str, u64); 3] {
    [
        ("away", FAULTS.away.get()),
        ("unwritable", FAULTS.unwritable.get()),
        ("failed", FAULTS.failed.get()),
    ]
}

/// Counts an error of the database.
pub(super) fn noted(error: StoreError) -> StoreError {
    match &error {
        StoreError::Away(_) | StoreError::Unknown(_) => FAULTS.away.one(),
        StoreError::Unwritable(_) => FAULTS.unwritable.one(),
        StoreError::Failed(_) => FAULTS.failed.one(),
        _ => {}
    }
    error
}

//! Values as PostgreSQL has them.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::protocol::id::Seq;
use crate::store::{Result, StoreError};

/// A column of a row.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T> {
    Ok(row.try_get(index)?)
}

/// A stored text that has to parse.
pub(super) fn parsed<T, E: std::fmt::Display>(
    text: String,
    parse: impl FnOnce(String) -> std::result::Result<T, E>,
) -> Result<T> {
    parse(text).map_err(|error| StoreError::Failed(format!("a stored text is broken: {error}")))
}

/// A stored digest. One of another length is nobody's.
pub(super) fn digest(row: &Row, index: usize) -> Result<[u8; 32]> {
    let bytes: &[u8] = column(row, index)?;
    Ok(bytes.try_into().unwrap_or_default())
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}

/// An error where nothing was found to change.
pub(super) fn found(changed: u64, what: impl FnOnce() -> String) -> Result<()> {
    match changed {
        0 => Err(StoreError::NotFound(what())),
        _ => Ok(()),
    }
}

/// A `seq` or count as PostgreSQL's signed integer.
pub(super) fn signed(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A count or `seq` that was stored.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn count(max: usize) -> i64 {
    signed(max as u64)
}

pub(super) fn removed(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// A text that PostgreSQL can take: what a peer answers, and what somebody asks for, may have anything in it.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

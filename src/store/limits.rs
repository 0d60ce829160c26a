//! Limits that every database keeps in the same way.

use crate::protocol::id::Seq;

/// How much text a page holds at most (one event more than that at the worst): it is in memory once per reader.
pub(super) const PAGE_MAX_BYTES: usize = 1024 * 1024;

/// How many events a page looks at, so that a reader whose filter matches little gives way to others.
pub(super) const PAGE_MAX_SCANNED: usize = 4096;

/// How much text a listing of the newest events holds at most, likewise.
pub(super) const RECENT_MAX_BYTES: usize = 4 * 1024 * 1024;

/// How many events are handed to somebody who follows, at a time.
pub(super) const FOLLOW_MAX_EVENTS: usize = 512;

/// The highest seq: SQLite packs it into 40 bits. A million events a second for twelve days, or a thousand for 34 years.
pub(super) const MAX_SEQ: Seq = (1 << 40) - 1;

/// How many device logins may wait at a time: what strangers can make the database keep.
pub(super) const LOGINS_MAX: i64 = 1000;

/// By how much the interval grows when somebody polls too fast (RFC 8628, 3.5), in seconds.
pub(super) const SLOW_DOWN_SECS: u64 = 5;

/// How much text the forwards hold that are read at a time (one event more than that at the worst).
pub(super) const WORK_MAX_BYTES: usize = 2 * 1024 * 1024;

/// How many events with one id are looked at, where a peer brings it or somebody asks for it: senders choose ids.
pub(super) const NAMESAKES_MAX: i64 = 64;

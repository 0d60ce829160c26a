//! The dead letters of the client before this one: files `dlq/<source>/<event id>.json` (spec 18).

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, named_params};
use serde_json::Value;

use super::super::Item;
use super::file::{File, number};
use super::{QueueFault, Status};
use crate::protocol::event::Extension;
use crate::protocol::json;

/// How many files one transaction takes in.
const BATCH_FILES: usize = 100;

/// The largest file that is read: an event of the largest size with what was written round it.
const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What an import found.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many dead letters are in the queue now that were not.
    pub count: u64,
    /// The files that stayed, each with why.
    pub left: Vec<(PathBuf, String)>,
}

/// A dead letter.
struct Letter {
    item: Item,
    why: String,
    /// When it came, in Unix seconds, where the file says so.
    created_at: Option<i64>,
}

impl File {
    /// Takes the letters in as failed entries; a file goes when its entry is on the disk. What is known is not changed.
    pub(super) fn import(&mut self, directory: &Path, now: i64) -> Result<Imported, QueueFault> {
        let mut imported = Imported::default();
        let files = files(directory, &mut imported.left);
        self.set_safety(true)?;
        for batch in files.chunks(BATCH_FILES) {
            let mut done = Vec::new();
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            for path in batch {
                match read(path) {
                    Ok(letter) => {
                        imported.count += put(&transaction, &letter, now / 1000)?;
                        done.push(path);
                    }
                    Err(why) => imported.left.push((path.clone(), why)),
                }
            }
            transaction.commit()?;
            for path in done {
                if let Err(error) = fs::remove_file(path) {
                    let why = format!("it is in the queue, and cannot be removed: {error}");
                    imported.left.push((path.clone(), why));
                }
            }
        }
        remove_empty(directory);
        Ok(imported)
    }
}

/// The files of the letters, in a fixed order.
fn files(directory: &Path, left: &mut Vec<(PathBuf, String)>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for source in entries(directory, left) {
        let is_json = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
        files.extend(entries(&source, left).into_iter().filter(is_json));
    }
    files
}

/// What a directory holds; nothing, where it is not there or is none.
fn entries(directory: &Path, left: &mut Vec<(PathBuf, String)>) -> Vec<PathBuf> {
    let found = match fs::read_dir(directory) {
        Ok(found) => found,
        Err(error) => {
            use io::ErrorKind::{NotADirectory, NotFound};
            if !matches!(error.kind(), NotFound | NotADirectory) {
                left.push((directory.to_owned(), error.to_string()));
            }
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Reads a file: a CloudEvent, or an object with one as its member `event`.
fn read(path: &Path) -> Result<Letter, String> {
    let text = text(path).map_err(|error| error.to_string())?;
    json::check_object(&text).map_err(|fault| fault.to_string())?;
    let item = |raw: &str| Item::read(0, String::new(), raw.to_owned());
    let (item, around) = match item(&text) {
        Ok(item) => (item, Value::Null),
        Err(fault) => match member(&text, "event") {
            Some(event) => (
                item(event).map_err(|fault| fault.to_string())?,
                beside(&text),
            ),
            None => return Err(fault.to_string()),
        },
    };
    Ok(Letter::of(item, &around))
}

fn text(path: &Path) -> io::Result<String> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    fs::File::open(path)?
        .take(FILE_MAX_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// The text of a member, as it stands.
fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let json::Object(members) = json::Object::parse(text)?;
    let found = members.into_iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.get())
}

/// What an object says beside the event.
fn beside(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

impl Letter {
    fn of(mut item: Item, around: &Value) -> Self {
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| around[*name].as_str());
            found.map(str::to_owned)
        };
        let kiteseq = match item.event.extensions.get("kiteseq") {
            Some(Extension::Number(seq)) => u64::try_from(*seq).ok(),
            _ => None,
        };
        // Numbers of the old import went below zero; an event without a number has none.
        item.seq = kiteseq.or_else(|| around["seq"].as_u64()).unwrap_or(0);
        item.team = text(&["team_id"]).unwrap_or_default();
        Self {
            why: text(&["error", "failure_reason", "reason"])
                .unwrap_or_else(|| "a dead letter of an older kite".to_owned()),
            created_at: around["created_at"].as_i64(),
            item,
        }
    }
}

/// Adds a letter, unless it is known; how many that makes.
fn put(connection: &Connection, letter: &Letter, now: i64) -> Result<u64, QueueFault> {
    const PUT: &str = "
        INSERT OR IGNORE INTO entries (server, team_id, consumer, seq, event_id, source, event_type, raw_payload, status,
            failure_reason, attempts, created_at, settled_at)
        VALUES ('', :team_id, '', :seq, :event_id, :source, :event_type, :raw, :status, :why, 0, :created_at, :now)";
    let item = &letter.item;
    let added = connection.prepare_cached(PUT)?.execute(named_params! {
        ":team_id": item.team,
        ":seq": number(item.seq),
        ":event_id": item.event.id,
        ":source": item.source_name(),
        ":event_type": item.event.kind,
        ":raw": item.raw,
        ":status": Status::Failed.as_str(),
        ":why": letter.why,
        ":created_at": letter.created_at.unwrap_or(now),
        ":now": now,
    })?;
    Ok(added as u64)
}

/// Takes the directories away that hold nothing any more.
fn remove_empty(directory: &Path) {
    for source in entries(directory, &mut Vec::new()) {
        // One that is not empty stays.
        let _ = fs::remove_dir(source);
    }
    let _ = fs::remove_dir(directory);
}

//! Everything durable as one stream of rows, in the same words for every database: what backups, restores and checks are
//! made of.
//!
//! A database turns itself into rows (*export*) and rows into itself (*import*). The stream is pulled: no more than a few
//! pages of it are in memory, however large the database is.

mod tables;

use tokio::sync::mpsc;

pub(super) use self::tables::*;
use super::{Result, StoreError};

/// How much a page of rows holds at most (one row more than that at the worst).
const PAGE_MAX_BYTES: usize = 1024 * 1024;

/// How many rows a page holds at most.
const PAGE_MAX_ROWS: usize = 512;

/// How many pages wait for whoever takes them.
const PAGES_MAX: usize = 2;

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row of a table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) table: &'static Table,
    /// One per column of the table.
    pub(super) values: Vec<Value>,
}

impl Row {
    /// An integer of the row; 0 where there is none.
    pub(super) fn integer(&self, column: &str) -> i64 {
        match self.value(column) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }

    /// A count or number of the row.
    pub(super) fn number(&self, column: &str) -> u64 {
        u64::try_from(self.integer(column)).unwrap_or(0)
    }

    /// A text of the row; empty where there is none.
    pub(super) fn text(&self, column: &str) -> &str {
        match self.value(column) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// Bytes of the row; none where there are none.
    pub(super) fn bytes(&self, column: &str) -> &[u8] {
        match self.value(column) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    /// Puts an integer into the row.
    pub(super) fn put(&mut self, column: &str, number: i64) {
        let place = self.table.place(column);
        if let Some(value) = place.and_then(|place| self.values.get_mut(place)) {
            *value = Value::Integer(number);
        }
    }

    fn value(&self, column: &str) -> Option<&Value> {
        self.values.get(self.table.place(column)?)
    }

    fn size(&self) -> usize {
        let size = |value: &Value| match value {
            Value::Null | Value::Integer(_) => 0,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        };
        self.values.iter().map(size).sum()
    }
}

/// What goes through a stream. A stream that just stops was cut off.
enum Part {
    Page(Vec<Row>),
    Failure(StoreError),
    End,
}

/// What happens to each row on its way.
type Change = Box<dyn FnMut(&mut Row) + Send>;

/// Where the rows of a stream come out.
pub(super) struct Rows {
    parts: mpsc::Receiver<Part>,
    change: Option<Change>,
}

/// Where they go in.
pub(super) struct Inlet {
    parts: mpsc::Sender<Part>,
    page: Vec<Row>,
    page_bytes: usize,
}

/// Makes a stream of rows.
pub(super) fn stream() -> (Inlet, Rows) {
    let (sender, receiver) = mpsc::channel(PAGES_MAX);
    let inlet = Inlet {
        parts: sender,
        page: Vec::new(),
        page_bytes: 0,
    };
    let rows = Rows {
        parts: receiver,
        change: None,
    };
    (inlet, rows)
}

impl Inlet {
    /// Adds a row. Waits while nobody takes what is there.
    pub(super) async fn put(&mut self, row: Row) -> Result<()> {
        match self.filled_by(row) {
            Some(page) => self.send(page).await,
            None => Ok(()),
        }
    }

    /// As [`Inlet::put`], for a thread that may wait.
    pub(super) fn put_blocking(&mut self, row: Row) -> Result<()> {
        match self.filled_by(row) {
            Some(page) => {
                let sent = self.parts.blocking_send(page);
                sent.map_err(|_| StoreError::Closed)
            }
            None => Ok(()),
        }
    }

    /// Ends the stream with the result of making it.
    pub(super) async fn end(mut self, made: Result<()>) {
        for part in self.last_parts(made) {
            // Nobody is left who wants to know.
            let _ = self.send(part).await;
        }
    }

    /// As [`Inlet::end`], for a thread that may wait.
    pub(super) fn end_blocking(mut self, made: Result<()>) {
        for part in self.last_parts(made) {
            // As above.
            let _ = self.parts.blocking_send(part);
        }
    }

    async fn send(&self, part: Part) -> Result<()> {
        let sent = self.parts.send(part).await;
        sent.map_err(|_| StoreError::Closed)
    }

    fn filled_by(&mut self, row: Row) -> Option<Part> {
        self.page_bytes += row.size();
        self.page.push(row);
        let is_full = self.page.len() >= PAGE_MAX_ROWS || self.page_bytes >= PAGE_MAX_BYTES;
        is_full.then(|| self.page())
    }

    fn page(&mut self) -> Part {
        self.page_bytes = 0;
        Part::Page(std::mem::take(&mut self.page))
    }

    fn last_parts(&mut self, made: Result<()>) -> [Part; 2] {
        let last = match made {
            Ok(()) => Part::End,
            Err(error) => Part::Failure(error),
        };
        [self.page(), last]
    }
}

impl Rows {
    /// The same rows, each changed on its way.
    pub(super) fn changed(self, change: impl FnMut(&mut Row) + Send + 'static) -> Self {
        Self {
            change: Some(Box::new(change)),
            ..self
        }
    }

    /// The next rows; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>> {
        let part = self.parts.recv().await;
        self.opened(part)
    }

    /// As [`Rows::next`], for a thread that may wait.
    pub(super) fn next_blocking(&mut self) -> Result<Option<Vec<Row>>> {
        let part = self.parts.blocking_recv();
        self.opened(part)
    }

    fn opened(&mut self, part: Option<Part>) -> Result<Option<Vec<Row>>> {
        match part {
            Some(Part::Page(mut page)) => {
                if let Some(change) = &mut self.change {
                    page.iter_mut().for_each(change);
                }
                Ok(Some(page))
            }
            Some(Part::Failure(error)) => Err(error),
            Some(Part::End) => Ok(None),
            None => Err(StoreError::Failed("reading it was cut off".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(words: &str) -> Row {
        Row {
            table: &DAMAGE,
            values: vec![Value::Text(words.to_owned())],
        }
    }

    #[test]
    fn a_stream_without_its_end_is_an_error() {
        let (mut inlet, mut rows) = stream();
        inlet.put_blocking(row("a")).unwrap();
        inlet.end_blocking(Ok(()));
        assert_eq!(rows.next_blocking().unwrap().unwrap().len(), 1);
        assert!(rows.next_blocking().unwrap().is_none());

        let (inlet, mut rows) = stream();
        drop(inlet);
        assert!(rows.next_blocking().is_err());
    }

    #[test]
    fn a_page_is_full_by_rows_and_by_bytes() {
        let (mut inlet, _rows) = stream();
        assert!(inlet.filled_by(row("a")).is_none());
        let large = "x".repeat(PAGE_MAX_BYTES);
        assert!(inlet.filled_by(row(&large)).is_some());
        assert!(inlet.page.is_empty() && inlet.page_bytes == 0);
    }
}

//! A server of the Model Context Protocol, at which a program asks for the newest events (spec 17).
//!
//! Events are kept in memory, so delivered means that they can be asked for. Whoever runs it keeps each event in the
//! local queue before it is acknowledged, and fills a new one with those of the run before ([`Mcp::with`]): then an acknowledged event
//! outlives the program.

mod ring;
mod rpc;
mod tools;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::io::{AsyncWriteExt, BufReader};

use super::{Item, Outcome, Sink};
use ring::Ring;

pub use ring::BUFFER_SIZE;

/// The longest request, in bytes: the methods here take a few words.
pub const LINE_MAX_BYTES: usize = 1024 * 1024;

/// The server.
pub struct Mcp {
    ring: Mutex<Ring>,
}

impl Mcp {
    /// A server that keeps so many events; 0 stands for [`BUFFER_SIZE`].
    pub fn new(buffer_size: usize) -> Self {
        Self {
            ring: Mutex::new(Ring::new(buffer_size)),
        }
    }

    /// The same with events of an earlier run, the oldest first.
    pub fn with(self, items: impl IntoIterator<Item = Item>) -> Self {
        for item in items {
            self.put(item);
        }
        self
    }

    /// Answers what is asked on `input`, one request per line, until it ends. Nothing else is written to `output`.
    ///
    /// # Errors
    ///
    /// When one of the two breaks.
    pub async fn serve(
        &self,
        input: impl AsyncRead + Unpin,
        mut output: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut input = BufReader::new(input);
        while let Some(line) = next_line(&mut input).await? {
            let answer = match line {
                Line::Whole(line) if line.trim_ascii().is_empty() => continue,
                Line::Whole(line) => rpc::answer(&line, &self.newest()),
                Line::TooLong => Some(rpc::too_long()),
            };
            if let Some(mut answer) = answer {
                answer.push('\n');
                output.write_all(answer.as_bytes()).await?;
                output.flush().await?;
            }
        }
        Ok(())
    }

    fn put(&self, item: Item) {
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(item);
    }

    fn newest(&self) -> Vec<Arc<Item>> {
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .newest()
    }
}

#[async_trait]
impl Sink for Mcp {
    async fn deliver(&self, item: &Item) -> Outcome {
        self.put(item.clone());
        Outcome::Delivered
    }
}

/// What came up to a line break.
enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// Reads a line without keeping more than one may have; `None` at the end.
async fn next_line(input: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    if !read_part(input, &mut line).await? {
        return Ok(None);
    }
    if line.len() <= LINE_MAX_BYTES || line.ends_with(b"\n") {
        return Ok(Some(Line::Whole(line)));
    }
    while !line.ends_with(b"\n") && read_part(input, &mut line).await? {}
    Ok(Some(Line::TooLong))
}

/// Reads up to a line break, or as much as shows that a line is too long; `false` at the end.
async fn read_part(
    input: &mut (impl AsyncBufRead + Unpin),
    part: &mut Vec<u8>,
) -> io::Result<bool> {
    part.clear();
    let mut bounded = input.take(LINE_MAX_BYTES as u64 + 1);
    Ok(bounded.read_until(b'\n', part).await? > 0)
}

#[cfg(test)]
mod tests;

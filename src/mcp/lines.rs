//! The wire: a JSON-RPC message per line, in both directions. What cannot be read gets an answer that says so, where the
//! SDK's own transport would stay silent and leave its client waiting.

use std::future::Future;
use std::io;
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::RoleServer;
use rmcp::transport::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::protocol::json;

/// The longest message, in bytes: somewhat more than the largest body that a server takes.
pub(super) const LINE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// How many messages may wait to be written. A client that does not read holds up what it is told.
const WRITES_WAITING_MAX: usize = 16;

/// How long the last words may take. A client that reads nothing does not hold up the end.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;

/// Lines from one stream, lines to another.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    /// What has come of the next line. Reading it may be left alone at any moment.
    line: Vec<u8>,
    /// Whether the rest of the line is thrown away: it was too long.
    is_skipping: bool,
    /// What is still to be said of a line that was none.
    refusal: Option<Value>,
    output: Option<mpsc::Sender<String>>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

/// What the input gives.
enum Read {
    Line(Vec<u8>),
    TooLong,
    End,
}

impl<R: AsyncRead + Send + Unpin> Lines<R> {
    /// Reads `input` and writes to `output`. Needs the runtime.
    pub(super) fn new(input: R, output: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, lines) = mpsc::channel(WRITES_WAITING_MAX);
        Self {
            input: BufReader::new(input),
            line: Vec::new(),
            is_skipping: false,
            refusal: None,
            output: Some(sender),
            writer: Some(tokio::spawn(write(lines, output))),
        }
    }

    async fn read(&mut self) -> Read {
        loop {
            let Ok(available) = self.input.fill_buf().await else {
                // What cannot be read has ended too.
                return Read::End;
            };
            if available.is_empty() {
                // What has no end of line was not finished: its client is gone.
                return Read::End;
            }
            let end = memchr::memchr(b'\n', available);
            let piece = &available[..end.unwrap_or(available.len())];
            let is_too_long = self.line.len() + piece.len() > LINE_MAX_BYTES;
            if !self.is_skipping && !is_too_long {
                self.line.extend_from_slice(piece);
            }
            let taken = end.map_or(available.len(), |end| end + 1);
            self.input.consume(taken);
            if is_too_long && !self.is_skipping {
                self.line = Vec::new();
                self.is_skipping = end.is_none();
                return Read::TooLong;
            }
            if end.is_some() {
                match self.is_skipping {
                    true => self.is_skipping = false,
                    false => return Read::Line(std::mem::take(&mut self.line)),
                }
            }
        }
    }

    /// Writes the refusal that is owed. It may be left alone at any moment.
    async fn refuse(&mut self) {
        while self.refusal.is_some() {
            let permit = match &self.output {
                Some(output) => output.reserve().await.ok(),
                None => None,
            };
            let refusal = self.refusal.take();
            if let (Some(permit), Some(refusal)) = (permit, refusal) {
                permit.send(refusal.to_string());
            }
        }
    }
}

async fn write(
    mut lines: mpsc::Receiver<String>,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

/// Reads a line; what is to be said of one that is none. An empty one is nothing.
fn parse(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, Value> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Ok(None);
    }
    let text = json::text(line).and_then(json::check);
    let text = text.map_err(|fault| refusal(&Value::Null, PARSE_ERROR, &fault.to_string()))?;
    serde_json::from_str(text.get()).map(Some).map_err(|_| {
        let value: Value = serde_json::from_str(text.get()).unwrap_or_default();
        let why = match &value {
            Value::Array(_) => "batches are not taken",
            Value::Object(members) if members.get("jsonrpc") != Some(&json!("2.0")) => {
                "`jsonrpc` must be `2.0`"
            }
            Value::Object(members) if !members.contains_key("method") => "`method` is missing",
            Value::Object(_) => "this is no request of JSON-RPC 2.0",
            _ => "a request is an object",
        };
        let id = value
            .get("id")
            .filter(|id| id.is_string() || id.is_number());
        refusal(id.unwrap_or(&Value::Null), INVALID_REQUEST, why)
    })
}

fn refusal(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

fn too_long() -> Value {
    let message = format!("a message may have {LINE_MAX_BYTES} bytes");
    refusal(&Value::Null, INVALID_REQUEST, &message)
}

impl<R: AsyncRead + Send + Unpin> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = self.output.clone();
        async move {
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            let line = serde_json::to_string(&message).map_err(io::Error::other)?;
            let output = output.ok_or_else(gone)?;
            output.send(line).await.map_err(|_| gone())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            self.refuse().await;
            match self.read().await {
                Read::End => return None,
                Read::TooLong => self.refusal = Some(too_long()),
                Read::Line(line) => match parse(&line) {
                    Ok(Some(message)) => return Some(message),
                    Ok(None) => {}
                    Err(refusal) => self.refusal = Some(refusal),
                },
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output = None;
        let Some(mut writer) = self.writer.take() else {
            return Ok(());
        };
        match timeout(CLOSE_LIMIT, &mut writer).await {
            Ok(written) => written.unwrap_or(Ok(())),
            Err(_) => {
                writer.abort();
                let why = "the client reads nothing";
                Err(io::Error::new(io::ErrorKind::TimedOut, why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> (Value, i64, String) {
        let refusal = parse(line.as_bytes()).unwrap_err();
        let error = &refusal["error"];
        let message = error["message"].as_str().unwrap().to_owned();
        (
            refusal["id"].clone(),
            error["code"].as_i64().unwrap(),
            message,
        )
    }

    #[test]
    fn what_is_no_request_is_told_why() {
        let (id, code, _) = refused("{");
        assert_eq!((id, code), (Value::Null, PARSE_ERROR.into()));
        assert_eq!(refused("[]").2, "batches are not taken");
        assert_eq!(refused("7").2, "a request is an object");
        let (id, code, why) = refused(r#"{"id":3,"method":"ping"}"#);
        assert_eq!((id, code), (json!(3), INVALID_REQUEST.into()));
        assert!(why.contains("`jsonrpc`"));
        assert!(
            refused(r#"{"jsonrpc":"2.0","id":"a"}"#)
                .2
                .contains("`method`")
        );
        assert!(parse(b"\r").unwrap().is_none());
        assert!(
            parse(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
                .unwrap()
                .is_some()
        );
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_refused_and_the_next_one_read() {
        let long = "x".repeat(LINE_MAX_BYTES + 1);
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let input = format!("{long}\n{ping}\n{ping}");
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let mut lines = Lines::new(io::Cursor::new(input), theirs);
        assert!(lines.receive().await.is_some());
        assert!(lines.receive().await.is_none(), "the last one has no end");
        Transport::close(&mut lines).await.unwrap();
        let mut said = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut ours, &mut said)
            .await
            .unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("may have"), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_does_not_hold_up_the_end() {
        let (_ours, theirs) = tokio::io::duplex(16);
        let mut lines = Lines::new(io::Cursor::new("[]\n"), theirs);
        assert!(lines.receive().await.is_none());
        let closed = Transport::close(&mut lines).await;
        assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

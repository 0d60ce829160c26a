//! An HTTP server that answers as a test has written it down, one connection after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// One answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    /// A status and a body.
    With(u16, &'static str),
    /// The connection ends without one.
    Lost,
}

/// The server. Its thread waits for connections as long as the tests run.
pub(crate) struct Scripted {
    /// Its HTTP base.
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Scripted {
    /// Starts a server with these answers; behind the last one everything is 404.
    pub(crate) fn start(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let replies = replies.to_vec();
        let heard = Arc::clone(&calls);
        thread::spawn(move || {
            let mut replies = replies.into_iter();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(line) = read_request(&stream) else {
                    continue;
                };
                heard.lock().unwrap().push((Instant::now(), line));
                if let Reply::With(status, body) = replies.next().unwrap_or(Reply::With(404, "")) {
                    let length = body.len();
                    // The program may have ended.
                    write!(
                        stream,
                        "HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                    )
                    .ok();
                }
            }
        });
        Self { url, calls }
    }

    /// When each request came, and its first line.
    pub(crate) fn calls(&self) -> Vec<(Instant, String)> {
        self.calls.lock().unwrap().clone()
    }
}

/// Reads one request; its first line.
fn read_request(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(first.trim_end().to_owned())
}

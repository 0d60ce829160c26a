//! A local server that behaves as a test wants, byte by byte.

use std::sync::{Arc, Mutex};

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Says these bytes and hangs up.
    Say(Vec<u8>),
    /// Says these bytes and keeps the connection for the next request.
    Keep(Vec<u8>),
    /// Hangs up without a word.
    HangUp,
    /// Says these bytes, then nothing, and hangs up never.
    Stall(Vec<u8>),
    /// Says the first bytes, then the second ones for ever.
    Endless(Vec<u8>, Vec<u8>),
}

impl Reply {
    pub(super) fn say(text: &str) -> Self {
        Self::Say(text.as_bytes().to_vec())
    }

    /// A status and no more.
    pub(super) fn status(status: u16) -> Self {
        Self::say(&format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"))
    }
}

/// The server. It ends with this value.
pub(super) struct Target {
    pub(super) url: Url,
    heard: Arc<Mutex<Vec<Heard>>>,
    serving: JoinHandle<()>,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// In the order in which they came, with names in lower case.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

impl Target {
    /// Starts a server with these replies to the requests that come; the last one is for all that follow.
    pub(super) async fn new(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let script = Script {
            replies: replies.to_vec(),
            heard: Arc::clone(&heard),
        };
        Self {
            url: url.parse().unwrap(),
            heard,
            serving: tokio::spawn(script.serve(listener)),
        }
    }

    /// Everything that came.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Clone)]
struct Script {
    replies: Vec<Reply>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Script {
    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().talk(stream));
        }
    }

    async fn talk(self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            let number = {
                let mut heard = self.heard.lock().unwrap();
                heard.push(request);
                heard.len() - 1
            };
            let reply = &self.replies[number.min(self.replies.len() - 1)];
            match reply {
                Reply::Say(bytes) => return drop(stream.write_all(bytes).await),
                Reply::Keep(bytes) => drop(stream.write_all(bytes).await),
                Reply::HangUp => return,
                Reply::Stall(bytes) => {
                    let _ = stream.write_all(bytes).await;
                    // It ends when the other side does.
                    let _ = stream.read(&mut [0]).await;
                    return;
                }
                Reply::Endless(first, more) => {
                    let _ = stream.write_all(first).await;
                    while stream.write_all(more).await.is_ok() {}
                    return;
                }
            }
        }
    }
}

/// Reads one request; none when the other side has gone.
async fn read(stream: &mut TcpStream) -> Option<Heard> {
    let mut bytes = Vec::new();
    let end = loop {
        let found = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        match found {
            Some(end) => break end,
            None if stream.read_buf(&mut bytes).await.ok()? == 0 => return None,
            None => {}
        }
    };
    let mut body = bytes.split_off(end + 4);
    let headers = headers(&bytes[..end]);
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| {
        String::from_utf8_lossy(value).parse().unwrap()
    });
    while body.len() < length {
        stream.read_buf(&mut body).await.ok()?;
    }
    Some(Heard { headers, body })
}

fn headers(head: &[u8]) -> Vec<(String, Vec<u8>)> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let pair = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        (name, line[colon + 1..].trim_ascii().to_vec())
    };
    lines.map(pair).collect()
}

//! Posting over one connection that is kept, with as little work as it takes: one write, one read. An HTTP library does
//! twice the work for each request, which is then missing for the server beside it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{BenchError, SILENCE_LIMIT, Target};
use crate::client::connect::{Connector, Pipe};

/// How much of a refusal is said.
const REFUSAL_MAX_BYTES: usize = 300;

/// The largest answer that is read.
const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// How much is read at a time: most answers are smaller.
const READ_BYTES: usize = 2 * 1024;

/// What came back.
#[derive(Debug)]
pub(super) enum Posted {
    /// It was accepted.
    Accepted,
    /// It was not: status and text.
    Refused(String),
}

/// Opens posters to one path of a target, for bodies of one size.
#[derive(Clone)]
pub(super) struct Post {
    connector: Connector,
    head: String,
}

/// A connection to post on.
pub(super) struct Poster {
    post: Post,
    pipe: Box<dyn Pipe>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Post {
    /// Prepares for posts to a path of the target, with its key.
    pub(super) fn to(target: &Target, path: &str, size: usize) -> Result<Self, BenchError> {
        let authorization = target
            .authorization()
            .map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
        let mut post = Self::open_to(target, path, &authorization, size)?;
        post.head.push_str("\r\n");
        Ok(post)
    }

    /// As [`Post::to`], with these headers instead. The head stays open: what is posted begins with the rest of it.
    pub(super) fn open_to(
        target: &Target,
        path: &str,
        headers: &str,
        size: usize,
    ) -> Result<Self, BenchError> {
        let connector = target.http()?;
        let (host, port) = connector.host_and_port();
        let host = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{headers}Content-Length: {size}\r\n"
        );
        Ok(Self { connector, head })
    }

    /// Opens a connection.
    pub(super) async fn open(&self) -> Result<Poster, BenchError> {
        Ok(Poster {
            pipe: self.connector.open_pipe().await?,
            request: self.head.clone().into_bytes(),
            answer: Vec::with_capacity(READ_BYTES),
            post: self.clone(),
        })
    }
}

impl Poster {
    /// Posts a body, which has the size that was prepared for, and waits for the answer. After an `Err` the connection
    /// is of no use any more.
    pub(super) async fn post(&mut self, body: &[u8]) -> Result<Posted, String> {
        self.request.truncate(self.post.head.len());
        self.request.extend_from_slice(body);
        let posting = async {
            let written = self.pipe.write_all(&self.request).await;
            written.map_err(|error| error.to_string())?;
            let flushed = self.pipe.flush().await;
            flushed.map_err(|error| error.to_string())?;
            self.read().await
        };
        let answered = timeout(SILENCE_LIMIT, posting).await;
        answered.unwrap_or_else(|_| Err("no answer came in time".to_owned()))
    }

    /// Opens the connection anew.
    pub(super) async fn reopen(&mut self) -> Result<(), BenchError> {
        *self = self.post.open().await?;
        Ok(())
    }

    async fn read(&mut self) -> Result<Posted, String> {
        self.answer.clear();
        loop {
            if let Some(head) = Head::read(&self.answer)? {
                let end = head.bytes + head.body_bytes;
                if self.answer.len() >= end {
                    return Ok(head.judge(&self.answer[head.bytes..end]));
                }
            }
            if self.answer.len() > ANSWER_MAX_BYTES {
                return Err("the answer is too large".to_owned());
            }
            self.answer.reserve(READ_BYTES);
            match self.pipe.read_buf(&mut self.answer).await {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
}

impl Head {
    /// Reads a head (RFC 9112); `None` while it is not all there.
    fn read(answer: &[u8]) -> Result<Option<Self>, String> {
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let no_http = || "the answer is no HTTP/1.1".to_owned();
        let head = std::str::from_utf8(&answer[..end]).map_err(|_| no_http())?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(no_http)?;
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .filter(|length| *length <= ANSWER_MAX_BYTES)
            .ok_or("the answer does not say how long it is, or is too long")?;
        Ok(Some(Self {
            status,
            bytes: end + 4,
            body_bytes: length,
        }))
    }

    fn judge(&self, body: &[u8]) -> Posted {
        if (200..300).contains(&self.status) {
            return Posted::Accepted;
        }
        let body = String::from_utf8_lossy(&body[..body.len().min(REFUSAL_MAX_BYTES)]);
        Posted::Refused(format!("{}: {}", self.status, body.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_all_of_its_head_is_there() {
        let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nX: y\r\n\r\n{}";
        for end in 0..answer.len() - 2 {
            assert_eq!(Head::read(&answer[..end]), Ok(None));
        }
        let head = Head::read(answer).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes), (202, 2));
        assert_eq!(&answer[head.bytes..], b"{}");
        assert!(matches!(head.judge(b"{}"), Posted::Accepted));
    }

    #[test]
    fn what_is_no_answer_is_told_apart_from_a_refusal() {
        for wrong in [
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n",
            "SSH-2.0\r\n\r\n",
        ] {
            assert!(Head::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let refused = "HTTP/1.1 429 Too Many\r\nContent-Length: 5\r\n\r\nlater";
        let head = Head::read(refused.as_bytes()).unwrap().unwrap();
        let Posted::Refused(why) = head.judge(b"later") else {
            panic!("429 is a refusal");
        };
        assert_eq!(why, "429: later");
    }
}

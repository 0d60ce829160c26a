//! Posts intents over connections that are kept, a thread each, and none posts before its last answer came. Anything but
//! an acceptance ends the measurement.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What came of a load.
pub struct Outcome {
    /// All that was posted.
    pub posted: u64,
    /// What was taken of it within the time that counts.
    pub taken: u64,
    pub took: Duration,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.taken as f64 / self.took.as_secs_f64()
    }
}

/// Posts what is made on the spot, with a key, until the time is over. What is taken in the first quarter does not count.
pub fn for_a_while(
    address: &str,
    key: &str,
    connections: usize,
    length: Duration,
    intent: &(impl Fn(u64) -> String + Sync),
) -> Outcome {
    let (next, taken, is_over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut poster = Poster::open(address, &format!("X-API-Key: {key}\r\n"));
                while !is_over.load(Ordering::Relaxed) {
                    poster.post(&intent(next.fetch_add(1, Ordering::Relaxed)));
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(length / 4);
        let (before, start) = (taken.load(Ordering::Relaxed), Instant::now());
        thread::sleep(length);
        let outcome = Outcome {
            posted: taken.load(Ordering::Relaxed),
            taken: taken.load(Ordering::Relaxed) - before,
            took: start.elapsed(),
        };
        is_over.store(true, Ordering::Relaxed);
        outcome
    })
}

/// Posts all of these without a key.
pub fn all(address: &str, connections: usize, intents: &[String]) -> Outcome {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut poster = Poster::open(address, "");
                while let Some(intent) = intents.get(next.fetch_add(1, Ordering::Relaxed)) {
                    poster.post(intent);
                }
            });
        }
    });
    Outcome {
        posted: intents.len() as u64,
        taken: intents.len() as u64,
        took: start.elapsed(),
    }
}

/// The body of what a server shows on a path to whoever has this key.
pub fn get(address: &str, key: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

struct Poster {
    head: String,
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    request: String,
    line: String,
    body: Vec<u8>,
}

impl Poster {
    fn open(address: &str, headers: &str) -> Self {
        let writer = TcpStream::connect(address).unwrap();
        writer.set_nodelay(true).unwrap();
        Self {
            head: format!(
                "POST /api/v1/federation/receive HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{headers}"
            ),
            reader: BufReader::new(writer.try_clone().unwrap()),
            writer,
            request: String::new(),
            line: String::new(),
            body: Vec::new(),
        }
    }

    fn post(&mut self, intent: &str) {
        self.request.clear();
        self.request.push_str(&self.head);
        self.request
            .push_str(&format!("Content-Length: {}\r\n\r\n{intent}", intent.len()));
        self.writer.write_all(self.request.as_bytes()).unwrap();
        self.read_line();
        let is_good = self.line.starts_with("HTTP/1.1 200 ");
        let status = self.line.clone();
        let mut length = 0;
        while !self.line.trim().is_empty() {
            self.read_line();
            let (name, value) = self.line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        self.body.resize(length, 0);
        self.reader.read_exact(&mut self.body).unwrap();
        let body = String::from_utf8_lossy(&self.body);
        assert!(
            is_good && body.contains(r#""accepted":true"#),
            "{status}{body}"
        );
    }

    fn read_line(&mut self) {
        self.line.clear();
        self.reader.read_line(&mut self.line).unwrap();
        assert!(
            !self.line.is_empty(),
            "the server has closed the connection"
        );
    }
}

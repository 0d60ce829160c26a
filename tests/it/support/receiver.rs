//! A local program that webhooks are handed to: it writes down what comes and answers as a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    /// The path that was asked for.
    pub(crate) path: String,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, exactly.
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// A header that has to be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        &found
            .unwrap_or_else(|| panic!("no `{name}` in {self:#?}"))
            .1
    }

    /// The id of the event that it is about.
    pub(crate) fn id(&self) -> &str {
        self.header("x-kite-event-id")
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// A status, a header and a body.
    This(u16, Option<(&'static str, String)>, String),
    /// Nothing, for longer than anybody waits, on a connection that stays.
    Nothing,
    /// The connection ends.
    Farewell,
}

impl Says {
    /// A status and a body.
    pub(crate) fn with(status: u16, body: &str) -> Self {
        Self::This(status, None, body.to_owned())
    }
}

type Answers = dyn Fn(&Got) -> Says + Send + Sync;

#[derive(Default)]
struct Book {
    got: Mutex<Vec<Got>>,
    grew: Condvar,
    is_over: AtomicBool,
}

impl Book {
    fn wait_for_the_end(&self) {
        let got = self.got.lock().unwrap();
        let is_on = |_: &mut Vec<Got>| !self.is_over.load(Ordering::Relaxed);
        drop(self.grew.wait_while(got, is_on).unwrap());
    }
}

/// The program. It ends with this value.
pub(crate) struct Receiver {
    /// Where it listens.
    pub(crate) url: String,
    address: SocketAddr,
    book: Arc<Book>,
    listening: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Starts one that takes everything.
    pub(crate) fn start() -> Self {
        Self::answering(|_| Some(200))
    }

    /// Starts one that answers like this.
    pub(crate) fn answering(answers: impl Fn(&Got) -> Option<u16> + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), answers)
    }

    /// Starts one at this address.
    pub(crate) fn at(
        address: SocketAddr,
        answers: impl Fn(&Got) -> Option<u16> + Send + Sync + 'static,
    ) -> Self {
        Self::replying(address, move |got| Some((answers(got)?, String::new())))
    }

    /// Starts one at this address that answers with a status and a body, or ends the connection.
    pub(crate) fn replying(
        address: SocketAddr,
        answers: impl Fn(&Got) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Self {
        Self::saying(address, move |got| match answers(got) {
            Some((status, body)) => Says::This(status, None, body),
            None => Says::Farewell,
        })
    }

    /// Starts one at this address that does this.
    pub(crate) fn saying(
        address: SocketAddr,
        answers: impl Fn(&Got) -> Says + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let book = Arc::<Book>::default();
        let writer = Arc::clone(&book);
        let answers: Arc<Answers> = Arc::new(answers);
        let listening = thread::spawn(move || {
            for stream in listener.incoming() {
                if writer.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (book, answers) = (Arc::clone(&writer), Arc::clone(&answers));
                thread::spawn(move || talk(&stream.unwrap(), &book, &*answers));
            }
        });
        Self {
            url: format!("http://{address}/hook"),
            address,
            book,
            listening: Some(listening),
        }
    }

    /// An address at which nobody listens yet, and the URL there.
    pub(crate) fn nowhere() -> (SocketAddr, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (address, format!("http://{address}/hook"))
    }

    /// Everything that came so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.book.got.lock().unwrap().clone()
    }

    /// The ids of the events that came so far, in their order.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.got().iter().map(|got| got.id().to_owned()).collect()
    }

    /// Waits until so many requests have come; all that came.
    pub(crate) fn wait(&self, count: usize) -> Vec<Got> {
        self.wait_within(PATIENCE, count);
        self.got()
    }

    /// Waits until so many requests have come, this long at most.
    pub(crate) fn wait_within(&self, limit: Duration, count: usize) {
        let deadline = Instant::now() + limit;
        let mut got = self.book.got.lock().unwrap();
        while got.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} came", got.len());
            got = self.book.grew.wait_timeout(got, left).unwrap().0;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.book.is_over.store(true, Ordering::Relaxed);
        self.book.grew.notify_all();
        // Whoever waits for connections has to look up once.
        TcpStream::connect(self.address).ok();
        if let Some(listening) = self.listening.take() {
            // Then the address is free for the next.
            listening.join().ok();
        }
    }
}

/// Serves one connection until either side has enough.
fn talk(stream: &TcpStream, book: &Book, answers: &Answers) {
    let mut reader = BufReader::new(stream);
    while let Some(got) = read(&mut reader) {
        if book.is_over.load(Ordering::Relaxed) {
            return;
        }
        book.got.lock().unwrap().push(got.clone());
        book.grew.notify_all();
        let (status, header, body) = match answers(&got) {
            Says::This(status, header, body) => (status, header, body),
            Says::Nothing => return book.wait_for_the_end(),
            Says::Farewell => return,
        };
        let header = header.map(|(name, value)| format!("{name}: {value}\r\n"));
        let answer = format!(
            "HTTP/1.1 {status} Received\r\n{}content-length: {}\r\n\r\n{body}",
            header.unwrap_or_default(),
            body.len()
        );
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Got> {
    let mut line = || {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Got {
        path,
        headers,
        body,
    })
}

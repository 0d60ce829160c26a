use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket, and what it says of its readers.
struct Stand {
    socket: Socket,
    path: PathBuf,
    visits: UnboundedReceiver<(Visit, usize)>,
    _dir: TempDir,
}

impl Stand {
    fn new() -> Self {
        Self::within(PATIENCE)
    }

    fn within(limit: Duration) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("sock");
        let (tell, visits) = unbounded_channel();
        let hear = Arc::new(move |visit, count| tell.send((visit, count)).unwrap_or_default());
        Self {
            socket: Socket::open_within(&path, hear, limit).unwrap(),
            path,
            visits,
            _dir: dir,
        }
    }

    async fn hears(&mut self, visit: Visit, count: usize) {
        let heard = timeout(PATIENCE, self.visits.recv()).await;
        assert_eq!(heard, Ok(Some((visit, count))));
    }

    /// A reader that has been taken in, the first, the second and so on.
    async fn reader(&mut self, number: usize) -> UnixStream {
        let reader = UnixStream::connect(&self.path).unwrap();
        reader.set_read_timeout(Some(PATIENCE)).unwrap();
        self.hears(Visit::Came, number).await;
        reader
    }
}

fn item(id: &str, data: &str) -> Item {
    let text = format!(
        "{{\"specversion\": \"1.0\",\r\n \"id\":\"{id}\",\"source\":\"s\", \"type\":\"t\", \"data\": {data}}}"
    );
    Item::read(1, "team".to_owned(), text).unwrap()
}

/// An event that no buffer between two programs holds.
fn large(id: &str) -> Item {
    item(id, &format!("\"{}\"", "x".repeat(4 << 20)))
}

fn is_delivered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Delivered)
}

fn line(reader: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    line
}

/// Reads to the end, on a thread of its own.
fn read_all(mut reader: UnixStream) -> JoinHandle<String> {
    tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    })
}

fn open(path: &Path) -> Result<Socket, SocketFault> {
    Socket::open(path, Arc::new(|_, _| {}))
}

#[tokio::test]
async fn every_reader_gets_the_event_on_one_line_token_by_token() {
    let mut stand = Stand::new();
    let (first, second) = (stand.reader(1).await, stand.reader(2).await);
    let item = item("é b", r#"{ "z": 1.0, "a" : [ 1e2, "\u00e9  \n" ] }"#);
    assert!(is_delivered(&stand.socket.deliver(&item).await));
    let text = r#"{"specversion":"1.0","id":"é b","source":"s","type":"t","data":{"z":1.0,"a":[1e2,"\u00e9  \n"]}}"#;
    assert_eq!(line(&first), format!("{text}\n"));
    assert_eq!(line(&second), format!("{text}\n"));
}

#[tokio::test]
async fn what_enrichment_made_is_what_readers_get() {
    let mut stand = Stand::new();
    let reader = stand.reader(1).await;
    let item = item("1", "{}").enriched_by("{\n\"b\": 1}".to_owned());
    assert!(is_delivered(&stand.socket.deliver(&item).await));
    assert_eq!(line(&reader), "{\"b\":1}\n");
}

#[tokio::test]
async fn without_a_reader_nobody_is_reached_until_one_comes() {
    let mut stand = Stand::new();
    let outcome = stand.socket.deliver(&item("1", "1")).await;
    assert!(matches!(outcome, Outcome::Unreachable(why) if why == "no reader"));
    let _reader = stand.reader(1).await;
    timeout(PATIENCE, stand.socket.changed()).await.unwrap();
    assert!(is_delivered(&stand.socket.deliver(&item("1", "1")).await));
}

#[tokio::test]
async fn a_reader_that_left_is_noticed_before_the_next_event() {
    let mut stand = Stand::new();
    drop(stand.reader(1).await);
    stand.hears(Visit::Left, 0).await;
    let outcome = stand.socket.deliver(&item("1", "1")).await;
    assert!(matches!(outcome, Outcome::Unreachable(_)));
}

#[tokio::test]
async fn a_reader_that_has_closed_its_own_side_still_reads_and_still_leaves() {
    let mut stand = Stand::new();
    let reader = stand.reader(1).await;
    reader.shutdown(Shutdown::Write).unwrap();
    // The other one shows that the end of its words was seen.
    drop(stand.reader(2).await);
    stand.hears(Visit::Left, 1).await;
    assert!(is_delivered(&stand.socket.deliver(&item("1", "1")).await));
    assert!(line(&reader).contains(r#""id":"1""#));
    drop(reader);
    stand.hears(Visit::Left, 0).await;
}

#[tokio::test]
async fn what_a_reader_sends_means_nothing_and_holds_nobody_up() {
    let mut stand = Stand::new();
    let reader = stand.reader(1).await;
    let mut sending = reader.try_clone().unwrap();
    let sending = thread::spawn(move || sending.write_all(&vec![b'\n'; 4 << 20]));
    while !sending.is_finished() {
        sleep(Duration::from_millis(1)).await;
    }
    sending.join().unwrap().unwrap();
    assert!(is_delivered(&stand.socket.deliver(&item("1", "1")).await));
    assert!(line(&reader).contains(r#""id":"1""#));
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_and_the_others_have_everything() {
    let mut stand = Stand::within(Duration::from_millis(200));
    let slow = stand.reader(1).await;
    let fast = read_all(stand.reader(2).await);
    assert!(is_delivered(&stand.socket.deliver(&large("1")).await));
    stand.hears(Visit::TooSlow, 1).await;
    assert!(is_delivered(&stand.socket.deliver(&item("2", "2")).await));
    drop(stand);
    let read = fast.await.unwrap();
    assert_eq!(read.lines().count(), 2);
    assert!(read.ends_with("\"data\":2}\n"));
    // It has what fitted, and an end.
    let cut = read_all(slow).await.unwrap();
    assert!(cut.len() < 4 << 20);
}

#[tokio::test]
async fn an_event_that_nobody_took_whole_is_not_delivered() {
    let mut stand = Stand::within(Duration::from_millis(100));
    let _slow = stand.reader(1).await;
    let outcome = stand.socket.deliver(&large("1")).await;
    assert!(matches!(outcome, Outcome::Unreachable(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_delivery_that_is_left_alone_cuts_no_line_in_two() {
    let mut stand = Stand::new();
    let reader = stand.reader(1).await;
    let first = large("1");
    let delivering = stand.socket.deliver(&first);
    assert!(
        timeout(Duration::from_millis(20), delivering)
            .await
            .is_err()
    );
    let reading = read_all(reader);
    for id in ["1", "2"] {
        assert!(is_delivered(&stand.socket.deliver(&item(id, "0")).await));
    }
    drop(stand);
    let read = reading.await.unwrap();
    let ids: Vec<String> = read
        .lines()
        .map(|line| Item::read(1, String::new(), line.to_owned()).unwrap())
        .map(|item| item.event.id)
        .collect();
    assert_eq!(ids, ["1", "1", "2"]);
}

#[tokio::test]
async fn there_are_only_so_many_readers() {
    let mut stand = Stand::new();
    let mut readers = Vec::new();
    for number in 1..=READERS_MAX {
        readers.push(stand.reader(number).await);
    }
    let refused = UnixStream::connect(&stand.path).unwrap();
    stand.hears(Visit::TurnedAway, READERS_MAX).await;
    assert_eq!(line(&refused), "");
    assert!(is_delivered(&stand.socket.deliver(&item("1", "1")).await));
    assert!(readers.iter().all(|reader| line(reader).ends_with("1}\n")));
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone_and_goes_in_the_end() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sock");
    let socket = open(&path).unwrap();
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    // Nothing else is left beside it.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    drop(socket);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_took_the_place_of_the_socket_stays() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sock");
    let socket = open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "other").unwrap();
    drop(socket);
    assert_eq!(fs::read_to_string(&path).unwrap(), "other");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _socket = open(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_socket_that_a_program_has_stays_and_its_readers_hear_nothing() {
    let mut stand = Stand::new();
    let fault = open(&stand.path).err().unwrap();
    assert!(matches!(fault, SocketFault::InUse(_)), "{fault}");
    let _reader = stand.reader(1).await;
    let dir = TempDir::new().unwrap();
    for (name, fault) in [("stream", "in use"), ("datagram", "in use")] {
        let path = dir.path().join(name);
        let _stream = (name == "stream").then(|| UnixListener::bind(&path).unwrap());
        let _datagram = (name == "datagram").then(|| UnixDatagram::bind(&path).unwrap());
        assert!(open(&path).err().unwrap().to_string().contains(fault));
        assert!(path.exists());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn what_is_no_socket_stays_and_a_link_is_not_followed() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "kept").unwrap();
    fs::create_dir(at("dir")).unwrap();
    drop(UnixListener::bind(at("left-over")).unwrap());
    symlink(at("left-over"), at("link")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    for name in ["file", "dir", "link", "dangling"] {
        let fault = open(&at(name)).err().unwrap();
        assert!(matches!(fault, SocketFault::NoSocket(_)), "{name}: {fault}");
        assert!(fault.to_string().contains(name));
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "kept");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
}

#[tokio::test]
async fn a_place_where_no_socket_can_be_is_named() {
    let dir = TempDir::new().unwrap();
    let fault = open(&dir.path().join("x".repeat(120))).err().unwrap();
    assert!(matches!(fault, SocketFault::TooLong(_)), "{fault}");
    let nowhere = dir.path().join("no/sock");
    let fault = open(&nowhere).err().unwrap();
    let path = nowhere.display().to_string();
    assert!(fault.to_string().contains(&path), "{fault}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

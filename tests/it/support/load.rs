//! A workload that lives through whatever happens to the nodes: senders that keep a book, listeners that acknowledge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::account::{Book, Entry, Hearing, check_hearings, check_log};
use super::http::{Access, Answer, try_answer};
use super::server::Server;
use super::socket::{Socket, connect_frame};
use super::{GLANCE, PATIENCE};

/// How long a sender waits for an answer before it counts as one that never came: a node may stand still.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Where nodes are at present; none while they are away. A node that comes back has another address.
pub(crate) struct Nodes(watch::Sender<Vec<Option<Access>>>);

impl Nodes {
    /// These servers, by number.
    pub(crate) fn new(servers: &[&Server]) -> Self {
        let places = servers.iter().map(|server| Some(server.owner()));
        Self(watch::Sender::new(places.collect()))
    }

    /// Kills a node and starts it again, at another address.
    pub(crate) fn kill_and_restart(&self, node: usize, server: &mut Server) {
        // Nobody is to go on knocking at an address that another test's server may get.
        self.withdraw(node);
        server.kill();
        server.start_elsewhere();
        self.announce(node, server);
    }

    /// Tells where a node is now.
    pub(crate) fn announce(&self, node: usize, server: &Server) {
        self.0
            .send_modify(|places| places[node] = Some(server.owner()));
    }

    /// Follows them wherever they go.
    pub(crate) fn follow(&self) -> Follower {
        Follower(self.0.subscribe())
    }

    /// Sends nobody else to a node. Who is there stays.
    pub(crate) fn withdraw(&self, node: usize) {
        self.0.send_modify(|places| places[node] = None);
    }
}

/// Somebody who comes back to nodes that come and go.
pub(crate) struct Follower(watch::Receiver<Vec<Option<Access>>>);

impl Follower {
    /// The first node that is there, once there is one.
    pub(crate) async fn place(&mut self) -> Access {
        reach(&mut self.0, 0).await.1
    }

    /// Makes a request of whatever node is there until one answers with this status: one that is ending answers with a
    /// refusal or not at all.
    pub(crate) async fn insist(
        &mut self,
        status: u16,
        request: impl Fn(&Access) -> RequestBuilder,
    ) -> Answer {
        loop {
            let place = self.place().await;
            let answered = try_answer(request(&place).timeout(ANSWER_LIMIT)).await;
            match answered {
                Ok(answer) if answer.status == status => return answer,
                Ok(answer) if answer.status != 503 => panic!("{answer:#?}"),
                _ => sleep(GLANCE).await,
            }
        }
    }
}

/// The first node from this one on that is there, once there is one.
async fn reach(places: &mut watch::Receiver<Vec<Option<Access>>>, from: usize) -> (usize, Access) {
    let there = |places: &Vec<Option<Access>>| {
        let count = places.len();
        (from..from + count).find_map(|node| Some((node % count, places[node % count].clone()?)))
    };
    let found = places.wait_for(|places| there(places).is_some()).await;
    there(&found.expect("the nodes outlive their load")).expect("it was there")
}

/// Senders at work. They end with this value.
pub(crate) struct Load {
    book: Arc<watch::Sender<Book>>,
    stopping: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts senders of values, each with so much more to carry. They take turns with the nodes; every second one says a
    /// value again, under the same `Idempotency-Key`, until it is acknowledged.
    pub(crate) fn start(nodes: &Nodes, senders: usize, filler_bytes: usize) -> Self {
        let book = Arc::new(watch::Sender::new(Book::default()));
        let stopping = Arc::new(AtomicBool::new(false));
        let sender = |number: usize| Sender {
            name: format!("s{number}"),
            insists: number % 2 == 1,
            filler: "x".repeat(filler_bytes),
            places: nodes.0.subscribe(),
            next_node: number,
            book: Arc::clone(&book),
            stopping: Arc::clone(&stopping),
        };
        let senders = (0..senders).map(|number| tokio::spawn(sender(number).run()));
        Self {
            senders: senders.collect(),
            book,
            stopping,
        }
    }

    /// Waits until so many more values are acknowledged.
    pub(crate) async fn acknowledges(&self, more: usize) {
        let count = |book: &Book| book.acknowledged() as u64;
        self.wait("acknowledged", count, more as u64).await;
    }

    /// Waits until so many more values are refused for the moment; what the last refusal says.
    pub(crate) async fn is_refused(&self, more: u64) -> String {
        self.wait("refused", Book::refused, more).await;
        self.book.borrow().last_refusal().to_owned()
    }

    /// Waits as long as there is progress.
    async fn wait(&self, what: &str, count: impl Fn(&Book) -> u64, more: u64) {
        let mut book = self.book.subscribe();
        let goal = count(&self.book.borrow()) + more;
        loop {
            let so_far = count(&book.borrow_and_update());
            if so_far >= goal {
                return;
            }
            let grows = book.wait_for(|book| count(book) > so_far);
            if timeout(PATIENCE, grows).await.is_err() {
                panic!("no more values are {what}: {}", *self.book.borrow());
            }
        }
    }

    /// Lets every sender finish what it has in hand; what they did.
    pub(crate) async fn stop(mut self) -> Book {
        self.stopping.store(true, Ordering::Relaxed);
        for sender in self.senders.drain(..) {
            let ended = timeout(PATIENCE, sender).await;
            ended.expect("a sender gets an answer or none").unwrap();
        }
        self.book.borrow().clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.senders.iter().for_each(JoinHandle::abort);
    }
}

struct Sender {
    name: String,
    insists: bool,
    filler: String,
    places: watch::Receiver<Vec<Option<Access>>>,
    next_node: usize,
    book: Arc<watch::Sender<Book>>,
    stopping: Arc<AtomicBool>,
}

impl Sender {
    async fn run(mut self) {
        while !self.is_stopping() {
            let mut number = 0;
            self.book
                .send_modify(|book| number = book.try_next(&self.name));
            while !self.attempt(number).await {
                sleep(GLANCE).await;
                if !self.insists || self.is_stopping() {
                    break;
                }
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Sends a value to the next node; whether it was acknowledged.
    async fn attempt(&mut self, number: u64) -> bool {
        let (node, access) = reach(&mut self.places, self.next_node).await;
        self.next_node = node + 1;
        let value = format!("{}-{number}", self.name);
        let message =
            json!({"from": self.name, "to": "agent-alpha", "body": value, "payload": self.filler});
        let mut request = access
            .request(Method::POST, "/api/v1/agents/messages")
            .header(CONTENT_TYPE, "application/json")
            .timeout(ANSWER_LIMIT)
            .body(message.to_string());
        if self.insists {
            request = request.header("idempotency-key", value);
        }
        match try_answer(request).await {
            Ok(answer) => self.note(number, &answer),
            Err(_) => false,
        }
    }

    fn note(&self, number: u64, answer: &Answer) -> bool {
        let text = |member: &str| answer.json[member].as_str();
        let is_passing = answer.headers.contains_key(RETRY_AFTER);
        self.book.send_modify(|book| {
            match (answer.status, text("id"), text("code"), text("error")) {
                (201, Some(id), _, _) => book.acknowledge(&self.name, number, id),
                (503, _, Some("unavailable"), Some(why)) if is_passing => book.refuse(why),
                _ => book.blame(format!("{answer:?}")),
            }
        });
        answer.status == 201
    }
}

/// A listener to everything, with a cursor, that acknowledges all that it hears and comes back whenever its connection
/// ends. It ends with this value.
pub(crate) struct Listener {
    hearings: Arc<watch::Sender<Vec<Hearing>>>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Connects to a node, later to the next that is there; connected when this returns.
    pub(crate) async fn start(nodes: &Nodes, client_id: &str, node: usize) -> Self {
        let hearings = Arc::new(watch::Sender::new(Vec::new()));
        let task = listen(
            nodes.0.subscribe(),
            client_id.to_owned(),
            node,
            Arc::clone(&hearings),
        );
        let listener = Self {
            hearings,
            task: tokio::spawn(task),
        };
        listener
            .wait("connected", |hearings| !hearings.is_empty())
            .await;
        listener
    }

    /// The highest number that it has heard.
    pub(crate) fn end(&self) -> u64 {
        end(&self.hearings.borrow())
    }

    /// Waits until it has heard the log up to a number.
    pub(crate) async fn hears(&self, seq: u64) {
        let reaches = |hearings: &[Hearing]| end(hearings) >= seq;
        self.wait(&format!("at {seq}"), reaches).await;
    }

    /// What each of its connections heard so far.
    pub(crate) fn hearings(&self) -> Vec<Hearing> {
        self.hearings.borrow().clone()
    }

    /// Waits as long as there is progress.
    async fn wait(&self, what: &str, is_so: impl Fn(&[Hearing]) -> bool) {
        let mut hearings = self.hearings.subscribe();
        while !is_so(&hearings.borrow_and_update()) {
            let changed = timeout(PATIENCE, hearings.changed()).await;
            if changed.is_err() {
                let ends: Vec<_> = hearings.borrow().iter().map(Hearing::end).collect();
                panic!("the listener is not {what}; its connections came to {ends:?}");
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn end(hearings: &[Hearing]) -> u64 {
    hearings.iter().map(Hearing::end).max().unwrap_or(0)
}

async fn listen(
    mut places: watch::Receiver<Vec<Option<Access>>>,
    client_id: String,
    mut next_node: usize,
    hearings: Arc<watch::Sender<Vec<Hearing>>>,
) {
    loop {
        let (node, access) = reach(&mut places, next_node).await;
        next_node = node + 1;
        // However it ended, the next one goes on behind it.
        let _ended = hear(&access, &client_id, &hearings).await;
        sleep(GLANCE).await;
    }
}

/// Listens on one connection until it ends; `None` is its end at any stage.
async fn hear(
    access: &Access,
    client_id: &str,
    hearings: &watch::Sender<Vec<Hearing>>,
) -> Option<()> {
    let mut socket = Socket::try_open(&access.ws_url).await?;
    let hello = connect_frame(access, &["*"], client_id).to_string();
    socket.send_message(hello.into()).await.ok()?;
    let connected = socket.frame_or_end().await?;
    let resumed = connected["last_seq"].as_u64()?;
    hearings.send_modify(|hearings| hearings.push(Hearing::begin(resumed)));
    loop {
        let entry = Entry::read(&socket.next_event_or_end().await?);
        let seq = entry.seq;
        hearings.send_modify(|hearings| {
            let hearing = hearings.last_mut().expect("one was begun");
            hearing.heard.push(entry);
            // Before it goes: an ack that arrives counts, whether or not anybody learns of it.
            hearing.acked = seq;
        });
        socket.try_ack(seq).await.ok()?;
    }
}

/// Ends a load and settles the account: the log is what was acknowledged, and every listener heard all of it.
pub(crate) async fn settle(access: &Access, load: Load, listeners: &[&Listener]) -> Vec<Entry> {
    let book = load.stop().await;
    let log: Vec<_> = access.log().await.iter().map(Entry::read).collect();
    check_log(&book, &log).unwrap();
    for listener in listeners {
        listener.hears(log.len() as u64).await;
        check_hearings(&listener.hearings(), &log).unwrap();
    }
    eprintln!("{book}, {} in the log", log.len());
    log
}

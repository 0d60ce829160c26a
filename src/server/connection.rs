//! A connection: what happens on it, one thing after the other.
//!
//! One loop: one `select!` yields one input, one `match` acts on it. Events come from the log until the session has
//! caught up, then from a subscription; a subscription that ends because the session was too slow leads back to the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::json;
use serde_json::value::to_raw_value;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};

use super::limit::Sender;
use super::registry::{Presence, Told};
use super::rpc;
use super::session::{Hello, Refusal, Session, Wish};
use super::socket::{End, Socket, binary, feed, first_text, in_time, send, write};
use super::state::App;
use crate::base::clock::{month, rfc3339};
use crate::base::random;
use crate::log::{Delivery, Subscription};
use crate::protocol::api::Usage;
use crate::protocol::error::{CloseCode, REPLACED};
use crate::protocol::frame::{BillingBlock, QuotaSnapshot, Request, ServerFrame, event_frame};
use crate::protocol::id::{ClientId, Seq};
use crate::protocol::permission::Permission;
use crate::protocol::scope::Filter;
use crate::store::StoreError;
use crate::store::record::{Cursor, Hold, KeyRecord, Millis, Page, Stretch};

/// How long a client may take until its `connect` (spec 5.3).
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How often a client is pinged (spec 5.6).
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a connection may be silent: three pings (spec 5.6).
const SILENCE_LIMIT: Duration = Duration::from_secs(90);

/// How many live events go into one flush.
const BURST_MAX: usize = 64;

/// How many calls of one connection are answered at the same time.
const CALLS_MAX: usize = 16;

/// How long calls that are under way may take when the server ends.
const LAST_CALLS_LIMIT: Duration = Duration::from_secs(5);

/// How far from the end of the log a session subscribes. Under load the end moves on while a page is read: what comes
/// meanwhile waits in the subscription.
const NEARLY_THERE: Seq = 64;

/// How long a session waits before it reads the log again, when the database is away.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Who counts and blocks: the server itself (spec 15).
const PROVIDER: &str = "self_hosted";

/// How many events a page of the log brings.
const PAGE_MAX_EVENTS: usize = 256;

/// The handshake: from the first frame to `connected` and what belongs to it (spec 5.4).
pub(super) async fn greet(
    app: &Arc<App>,
    peer: Option<IpAddr>,
    socket: &mut Socket,
) -> Result<Connection, End> {
    let (hello, key) = admit(app, socket).await?;
    let team = key.team.clone();
    let client = match hello.client {
        Some(client) => client,
        None => random::uuid7()
            .parse()
            .map_err(|_| Refusal::new(CloseCode::InvalidMessage, "no client id"))?,
    };
    let filter = Arc::new(Filter {
        requested: hello.scopes,
        allowed: key.scopes.clone(),
    });
    let mut early = None;
    // One that has gone by now must not replace the one that came after it.
    while early.is_none()
        && let Some(frame) = socket.next().now_or_never()
    {
        keep(frame, &mut early)?;
    }
    app.meters.sessions.one();
    let presence = app
        .registry
        .enter(team.clone(), client.clone(), key.clone());
    let (start, hold) = if filter.requested.is_empty() {
        // Calls only: nothing is delivered, so there is no place to keep.
        (app.log.head(&team).await?, None)
    } else {
        let digest = filter.digest();
        let opening = app.log.open_cursor(&team, &client, digest);
        let (cursor, number) = while_wanted(opening, &presence, socket, &mut early).await?;
        presence.hold(number);
        let hold = Hold {
            team: team.clone(),
            client: client.clone(),
            number,
        };
        (cursor.resume(&digest), Some(hold))
    };

    let connected = ServerFrame::Connected {
        last_seq: start,
        client_id: client.to_string(),
    };
    feed(socket, connected.to_text().into()).await?;
    let mut session = Session::new(filter, start);
    let pruned = app.log.bounds(&team).await?.pruned;
    if start < pruned {
        feed(socket, expired(start, pruned).to_text().into()).await?;
        session.looked_to(pruned);
    }
    let (usage, period_end) = app.log.usage(&team).await?;
    feed(socket, snapshot(usage, period_end).to_text().into()).await?;
    let mut connection = Connection {
        app: app.clone(),
        peer,
        key,
        client,
        hold,
        session,
        presence,
        early,
        live: None,
        target: 0,
        retry_at: None,
        calls: FuturesUnordered::new(),
        heard: Instant::now(),
        is_blocked: false,
    };
    connection.tell_block(socket).await?;
    Ok(connection)
}

/// What a client says of itself, and its key, if it may listen.
async fn admit(app: &App, socket: &mut Socket) -> Result<(Hello, Arc<KeyRecord>), End> {
    let hello = timeout(CONNECT_LIMIT, first_text(socket))
        .await
        .map_err(|_| {
            Refusal::new(CloseCode::InvalidMessage, "no `connect` frame came in time")
        })??;
    let hello = Hello::parse(&hello)?;
    let key = app
        .access
        .key(hello.token.reveal())
        .await?
        .ok_or_else(Refusal::auth)?;
    match hello.admits(&key) && key.permissions.allow(Permission::Read) {
        true => Ok((hello, key)),
        false => Err(Refusal::auth().into()),
    }
}

/// Opens a cursor for a client that is there and was not replaced. One that has lost its patience comes again, and the
/// opening of its old connection must not take the cursor from the new one. What it says meanwhile is kept.
async fn while_wanted<T>(
    opening: impl Future<Output = Result<T, StoreError>>,
    presence: &Presence,
    socket: &mut Socket,
    early: &mut Option<Message>,
) -> Result<T, End> {
    let mut opening = std::pin::pin!(opening);
    loop {
        let frame = tokio::select! {
            biased;
            opened = &mut opening => return Ok(opened?),
            told = presence.told() => match ended_by(told) {
                Some(end) => return Err(end),
                None => continue,
            },
            frame = socket.next(), if early.is_none() => frame,
        };
        keep(frame, early)?;
    }
}

/// Keeps what a client says before it is its turn; an error when it has gone.
fn keep(frame: Option<Result<Message, WsError>>, early: &mut Option<Message>) -> Result<(), End> {
    match frame {
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
        Some(Ok(Message::Close(_))) | None => Err(End::Gone),
        Some(Ok(message)) => {
            *early = Some(message);
            Ok(())
        }
        Some(Err(error)) => Err(error.into()),
    }
}

/// That a client's place in the log is gone (spec 15).
fn expired(position: Seq, pruned: Seq) -> ServerFrame {
    let oldest = pruned + 1;
    ServerFrame::CursorExpired {
        oldest_available_seq: oldest,
        message: format!("cursor {position} is older than the oldest stored event {oldest}"),
    }
}

fn snapshot(usage: Usage, period_end: Millis) -> ServerFrame {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    ServerFrame::QuotaSnapshot(QuotaSnapshot {
        provider: PROVIDER.to_owned(),
        events_used: signed(usage.events_used),
        events_limit: signed(usage.events_limit),
        current_period_end: rfc3339(period_end),
    })
}

/// That events are refused until the period ends (spec 15).
fn block(period_end: Millis) -> ServerFrame {
    let action = json!({"resets_at": rfc3339(period_end)});
    ServerFrame::BillingBlock(BillingBlock {
        provider: PROVIDER.to_owned(),
        reason: "quota_exhausted".to_owned(),
        retryable: true,
        // A plain text in an object: it always serialises.
        action: to_raw_value(&action).unwrap_or_default(),
    })
}

/// How what a connection was told ends it, if it does.
fn ended_by(told: Told) -> Option<End> {
    match told {
        Told::Replaced => Some(Refusal::new(CloseCode::InvalidMessage, REPLACED).into()),
        Told::KeyEnded => Some(Refusal::auth().into()),
        Told::Ending => Some(End::Ending),
        Told::QuotaTurned => None,
    }
}

/// A connection that was let in.
pub(super) struct Connection {
    app: Arc<App>,
    peer: Option<IpAddr>,
    pub(super) key: Arc<KeyRecord>,
    pub(super) client: ClientId,
    /// Its hold of the cursor; none when it only makes calls.
    hold: Option<Hold>,
    session: Session,
    presence: Presence,
    /// What the client said before it was let in.
    early: Option<Message>,
    /// Live events; none while the session reads the log.
    live: Option<Subscription>,
    /// Up to here the log is to be read before the next look at `live`.
    target: Seq,
    /// When to read the log again after the database was away.
    retry_at: Option<Instant>,
    /// Calls that are being answered.
    calls: FuturesUnordered<BoxFuture<'static, ServerFrame>>,
    heard: Instant,
    /// Whether the client was told that the quota is used up.
    is_blocked: bool,
}

/// One thing that happened.
enum Input {
    Frame(Option<Result<Message, WsError>>),
    Live(Option<Delivery>),
    /// There is something to read in the log.
    Behind,
    /// A call was answered.
    Answer(ServerFrame),
    Tick,
    Told(Told),
}

impl Connection {
    /// Runs until there is a reason to end.
    pub(super) async fn run(&mut self, socket: &mut Socket) -> End {
        let mut ping = tokio::time::interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        loop {
            let early = self
                .early
                .take()
                .map(|message| Input::Frame(Some(Ok(message))));
            let input = tokio::select! {
                biased;
                Some(early) = std::future::ready(early) => early,
                told = self.presence.told() => Input::Told(told),
                _ = ping.tick() => Input::Tick,
                Some(answer) = self.calls.next() => Input::Answer(answer),
                // With enough calls under way, the next ones wait in the socket.
                frame = socket.next(), if self.calls.len() < CALLS_MAX => Input::Frame(frame),
                event = next_event(&mut self.live, &self.session, self.target, self.retry_at) => event,
            };
            let done = match input {
                Input::Frame(frame) => self.frame(frame, socket).await,
                Input::Live(Some(delivery)) => self.deliver(delivery, socket).await,
                Input::Live(None) => self.fall_behind(),
                Input::Behind => self.read_log(socket).await,
                Input::Answer(answer) => send(socket, answer.to_text()).await,
                Input::Tick => self.tick(socket).await,
                Input::Told(told) => match ended_by(told) {
                    Some(end) => Err(end),
                    None => self.tell_block(socket).await,
                },
            };
            if let Err(end) = done {
                if matches!(end, End::Ending) {
                    self.finish_calls(socket).await;
                }
                return end;
            }
        }
    }

    /// Answers what was taken: who hears nothing sends its events again.
    async fn finish_calls(&mut self, socket: &mut Socket) {
        let answers = async {
            while let Some(answer) = self.calls.next().await {
                if send(socket, answer.to_text()).await.is_err() {
                    return;
                }
            }
        };
        // What takes longer stays without an answer.
        let _ = timeout(LAST_CALLS_LIMIT, answers).await;
    }

    async fn frame(
        &mut self,
        frame: Option<Result<Message, WsError>>,
        socket: &mut Socket,
    ) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            // The library answers pings by itself.
            Some(Ok(Message::Ping(_))) => return in_time(socket.flush()).await,
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(binary().into()),
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
            Some(Err(error)) => return Err(error.into()),
        };
        let acked = self.session.acked();
        let now = self.app.clock.unix_millis() / 1000;
        match self.session.receive(&text, now, !self.calls.is_empty())? {
            Wish::Nothing => {
                self.look_up();
                let moved = self.session.acknowledged(acked);
                self.keep(moved);
            }
            Wish::Call(request) => self.begin(request, socket).await?,
            Wish::BadCall { id, why } => {
                let response = rpc::malformed(id, &why);
                send(socket, response.to_text()).await?;
            }
        }
        Ok(())
    }

    /// Begins a call. It waits where the disk cannot take more; what ends the connection does not wait for that.
    async fn begin(&mut self, request: Request, socket: &mut Socket) -> Result<(), End> {
        let sender = Sender {
            peer: self.peer,
            team: &self.key.team,
            key: Some(&self.key.prefix),
        };
        let mut has_turned = false;
        let answer = {
            let mut begun = std::pin::pin!(rpc::begin(&self.app, &sender, &self.key, request));
            loop {
                let told = tokio::select! {
                    biased;
                    answer = &mut begun => break answer,
                    told = self.presence.told() => told,
                };
                match ended_by(told) {
                    Some(end) => return Err(end),
                    None => has_turned = true,
                }
            }
        };
        self.calls.push(answer);
        match has_turned {
            true => self.tell_block(socket).await,
            false => Ok(()),
        }
    }

    /// Sends a live event and those that wait behind it, then flushes once.
    async fn deliver(&mut self, first: Delivery, socket: &mut Socket) -> Result<(), End> {
        let mut next = Some(first);
        let mut sent = 0;
        for _ in 0..BURST_MAX {
            let Some(delivery) = next else { break };
            if self.session.send(delivery.seq) {
                feed(socket, delivery.frame).await?;
                sent += 1;
            }
            next = self.live.as_mut().and_then(Subscription::try_next);
        }
        // Taken from the queue but not fed: it goes with the next burst's first.
        if let Some(delivery) = next
            && self.session.send(delivery.seq)
        {
            feed(socket, delivery.frame).await?;
            sent += 1;
        }
        self.app.meters.sent_live.add(sent);
        in_time(socket.flush()).await
    }

    /// The subscription ended because its queue was full: the log has the rest.
    fn fall_behind(&mut self) -> Result<(), End> {
        self.live = None;
        Ok(())
    }

    /// Sends a page of the log, or subscribes where there is little left to read.
    async fn read_log(&mut self, socket: &mut Socket) -> Result<(), End> {
        let page = match self.next_page().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(()),
            // The connection outlives an outage of the database.
            Err(error) if error.is_outage() => {
                self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.retry_at = None;
        let position = self.session.position();
        if position < page.pruned {
            // It read so slowly that retention came by.
            feed(socket, expired(position, page.pruned).to_text().into()).await?;
            self.session.looked_to(page.pruned);
        }
        self.app.meters.replay_reads.one();
        let mut sent = 0;
        for event in page.events {
            if self.session.send(event.seq) {
                let frame = event_frame(event.seq, &event.text);
                feed(socket, frame.into()).await?;
                sent += 1;
            }
        }
        self.app.meters.sent_from_log.add(sent);
        self.session.looked_to(page.scanned_to);
        in_time(socket.flush()).await
    }

    /// The next page of the log; none after subscribing.
    async fn next_page(&mut self) -> Result<Option<Page>, StoreError> {
        if self.session.position() >= self.target {
            let head = self.app.log.head(&self.key.team).await?;
            if head.saturating_sub(self.session.position()) <= NEARLY_THERE {
                let live = self
                    .app
                    .log
                    .subscribe(&self.key.team, &self.session.filter)
                    .await?;
                self.target = live.head;
                self.live = Some(live);
                return Ok(None);
            }
            self.target = head;
        }
        let stretch = Stretch {
            team: self.key.team.clone(),
            after: self.session.position(),
            through: self.target,
            filter: self.session.filter.clone(),
            max_events: PAGE_MAX_EVENTS,
        };
        Ok(Some(self.app.log.read(stretch).await?))
    }

    /// Tells the client once that the quota is used up, and flushes.
    async fn tell_block(&mut self, socket: &mut Socket) -> Result<(), End> {
        let is_exhausted = self.app.log.is_exhausted(&self.key.team);
        if is_exhausted && !self.is_blocked {
            let (_, period_end) = month(self.app.clock.unix_millis());
            feed(socket, block(period_end).to_text().into()).await?;
        }
        self.is_blocked = is_exhausted;
        in_time(socket.flush()).await
    }

    async fn tick(&mut self, socket: &mut Socket) -> Result<(), End> {
        if self.heard.elapsed() > SILENCE_LIMIT {
            return Err(End::Gone);
        }
        self.note_progress();
        write(socket, Message::Ping(Bytes::new())).await
    }

    /// Takes note of how far the live queue shows that the log was looked at.
    fn look_up(&mut self) {
        if self.session.position() < self.target {
            return;
        }
        if let Some(head) = self.live.as_ref().and_then(Subscription::caught_up_to) {
            self.session.looked_to(head);
        }
    }

    /// Writes down where the client is, also when nothing was acknowledged: a quiet agent does not fall behind.
    pub(super) fn note_progress(&mut self) {
        self.look_up();
        let moved = self.session.progress();
        self.keep(moved);
    }

    fn keep(&self, moved: Option<Cursor>) {
        if let (Some(cursor), Some(hold)) = (moved, &self.hold) {
            self.app.log.move_cursor(hold, cursor);
        }
    }
}

/// The next live event, or that there is something to read first.
async fn next_event(
    live: &mut Option<Subscription>,
    session: &Session,
    target: Seq,
    retry_at: Option<Instant>,
) -> Input {
    if session.filter.requested.is_empty() {
        // Calls only: no event will ever come.
        return std::future::pending().await;
    }
    match live {
        Some(live) if session.position() >= target => Input::Live(live.next().await),
        _ => {
            if let Some(time) = retry_at {
                tokio::time::sleep_until(time).await;
            }
            Input::Behind
        }
    }
}

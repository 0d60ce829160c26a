//! The agent's mailbox: what waits behind its cursor, and the cursor's way forward.
//!
//! Nothing is kept here between two calls. The server's cursor says what was acknowledged and its log what is behind that,
//! so a restart forgets nothing, and a mailbox of any size costs a page of memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answers::{Acked, Inbox, Message};
use super::arguments;
use super::fault::Fault;
use super::host::{Access, Mailbox};
use crate::base::clock::Clock;
use crate::client::api::EventsQuery;
use crate::client::{
    ClientError, Delivery, End, Flow, Notice, Receiver, Session, Subscription, Timing, post_box,
};
use crate::protocol::id::Seq;
use crate::protocol::scope::Scope;

/// How much text one answer has, in characters: what a model reads at once. One message is given however long it is.
const ANSWER_MAX_CHARS: usize = 40_000;

/// How long an acknowledgement may take to reach the server, all messages before it included.
const ACK_LIMIT: Duration = Duration::from_secs(60);

/// How often an acknowledgement is given, and the server asked whether it has kept it, and how long is waited in between.
/// The server may take 200 ms to write it (spec 5.5); asking opens the cursor anew, and what was not written under the
/// opening before is not written any more.
const ACK_TRIES: u32 = 10;
const ACK_PAUSE: Duration = Duration::from_millis(100);

/// Opens the cursor of the agent, one connection at a time: the server closes the older one.
pub(super) struct Cursor {
    turn: Semaphore,
}

impl Cursor {
    pub(super) fn new() -> Self {
        Self {
            turn: Semaphore::new(1),
        }
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turn.acquire().await.ok()
    }

    /// Up to where the agent's messages are acknowledged. From the first look on nothing that is sent to it is missed.
    pub(super) async fn position(&self, access: &Access) -> Result<Seq, Fault> {
        let _turn = self.turn().await;
        let mut session = session(access)?;
        Ok(session.stand().await?.last_seq)
    }

    /// What waits in the mailbox; for how long one is waited for where there is nothing is said in `args`.
    pub(super) async fn inbox(
        &self,
        access: &Access,
        args: &arguments::Inbox,
    ) -> Result<Inbox, Fault> {
        let found = self.look(access, args).await?;
        if !found.messages.is_empty() || args.wait_secs == 0 {
            return Ok(found);
        }
        let deadline = Instant::now() + Duration::from_secs(args.wait_secs.into());
        let agent = &access.mailbox()?.agent;
        let (postman, mut post_box) = post_box::open(&access.server, access.team.clone(), agent)?;
        let waiting = async {
            let deaf = |why| Fault::Deaf {
                why,
                is_unsent: false,
            };
            post_box.stands().await.map_err(deaf)?;
            loop {
                // What came before the box stood is found by the look.
                let found = self.look(access, args).await?;
                if !found.messages.is_empty() {
                    return Ok(found);
                }
                if timeout_at(deadline, post_box.next()).await.is_err() {
                    return Ok(found);
                }
            }
        };
        tokio::select! {
            biased;
            fault = postman.run() => Err(fault.into()),
            found = waiting => found,
        }
    }

    async fn look(&self, access: &Access, args: &arguments::Inbox) -> Result<Inbox, Fault> {
        let mailbox = access.mailbox()?;
        let position = self.position(access).await?;
        let after_seq = args.after_seq.unwrap_or(0).max(position);
        let mut query = EventsQuery {
            limit: Some(args.limit.into()),
            after_seq: Some(after_seq),
            scopes: vec![scope(mailbox)],
            since: None,
        };
        let api = access.api()?;
        let (page, searched_to) = loop {
            let page = api.events(&query).await.map_err(Fault::Log)?;
            let searched_to = page.next_after_seq.unwrap_or(page.last_seq);
            let is_over = searched_to >= page.last_seq || Some(searched_to) <= query.after_seq;
            if is_over || !page.events.is_empty() {
                break (page, searched_to);
            }
            // A server looks through so much of its log in one call, and found nothing.
            query.after_seq = Some(searched_to);
        };
        let (last_seq, oldest) = (page.last_seq, page.oldest_available_seq);
        let mut messages: Vec<Message> = Vec::new();
        let mut chars = 0;
        let mut is_full = false;
        for listed in page.events {
            let message = Message::of(&Delivery::listed(listed));
            chars += message.weight();
            if chars > ANSWER_MAX_CHARS && !messages.is_empty() {
                is_full = true;
                break;
            }
            messages.push(message);
        }
        let next_after_seq = match messages.last() {
            Some(last) if is_full => Some(last.seq),
            _ => Some(searched_to).filter(|searched| *searched < last_seq),
        };
        Ok(Inbox {
            agent: mailbox.agent.to_string(),
            note: note(mailbox, position, oldest),
            messages,
            next_after_seq,
        })
    }

    /// Acknowledges the message with this number, and all before it.
    pub(super) async fn ack(&self, access: &Access, seq: Seq) -> Result<Acked, Fault> {
        self.check_message(access, seq).await?;
        for tried in 1..=ACK_TRIES {
            self.bring_to(access, seq).await?;
            let position = self.position(access).await?;
            if position >= seq {
                return Ok(Acked {
                    acknowledged_through: position,
                });
            }
            sleep(ACK_PAUSE * tried).await;
        }
        Err(Fault::NotKept(seq))
    }

    /// That the number is that of a message to the agent: another one would be a mistake, and might pass over messages
    /// that nobody has seen.
    async fn check_message(&self, access: &Access, seq: Seq) -> Result<(), Fault> {
        let query = EventsQuery {
            limit: Some(1),
            after_seq: Some(seq.saturating_sub(1)),
            scopes: vec![scope(access.mailbox()?)],
            since: None,
        };
        let page = access.api()?.events(&query).await.map_err(Fault::Log)?;
        match page.events.first().map(|listed| listed.seq) {
            Some(found) if found == seq => Ok(()),
            _ => Err(Fault::NoSuchMessage(seq)),
        }
    }

    /// Takes what the server sends up to this number: it takes an acknowledgement of nothing that it has not sent.
    async fn bring_to(&self, access: &Access, seq: Seq) -> Result<(), Fault> {
        let _turn = self.turn().await;
        let mut session = session(access)?;
        let settled = Arc::new(Notify::new());
        let mut taker = UpTo {
            seq,
            settled: Arc::clone(&settled),
            away: None,
        };
        let stop = async { timeout(ACK_LIMIT, settled.notified()).await.is_ok() };
        let lost = |why: &str| ClientError::Lost {
            server: access.server.http_base.clone(),
            why: why.to_owned(),
        };
        let fault = match session.run(&mut taker, stop).await {
            // The second: the cursor was further already.
            End::Enough | End::Receiver(Beyond) => return Ok(()),
            End::Stopped(true) => match taker.away {
                Some(why) => lost(&why),
                None => return Ok(()),
            },
            End::Stopped(false) => lost("it took too long"),
            End::Replaced => lost("another process took the agent's mailbox meanwhile"),
            End::Denied(message) => ClientError::Denied(message),
            End::Rejected(message) => ClientError::Rejected(message),
        };
        Err(fault.into())
    }
}

fn scope(mailbox: &Mailbox) -> Scope {
    Scope::AgentTo(mailbox.agent.to_string())
}

fn session(access: &Access) -> Result<Session, Fault> {
    let mailbox = access.mailbox()?;
    let subscription = Subscription {
        team: access.team.clone(),
        scopes: vec![scope(mailbox)],
        client_id: Some(mailbox.client_id.clone()),
    };
    let clock = Clock::system();
    Ok(Session::new(
        &access.server,
        subscription,
        Timing::default(),
        clock,
    )?)
}

fn note(mailbox: &Mailbox, position: Seq, oldest: Seq) -> Option<String> {
    let mut notes = Vec::new();
    if mailbox.is_fresh {
        notes.push(format!(
            "another process on this machine has the mailbox of `{}`: this one began when this server started",
            mailbox.agent
        ));
    }
    if position > 0 && oldest > position.saturating_add(1) {
        notes.push(format!(
            "the server no longer has the events {} to {}: messages among them are lost",
            position + 1,
            oldest - 1
        ));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Takes events up to one, and none beyond.
struct UpTo {
    seq: Seq,
    settled: Arc<Notify>,
    away: Option<String>,
}

/// An event beyond the one that was to be acknowledged.
#[derive(Debug)]
struct Beyond;

impl Receiver for UpTo {
    type Error = Beyond;

    async fn take(&mut self, delivery: Delivery) -> Result<Flow, Beyond> {
        match delivery.seq.cmp(&self.seq) {
            std::cmp::Ordering::Less => Ok(Flow::Continue),
            std::cmp::Ordering::Equal => Ok(Flow::Stop),
            std::cmp::Ordering::Greater => Err(Beyond),
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            // It was acknowledged before.
            Notice::Ready { last_seq, .. } if last_seq >= self.seq => self.settled.notify_one(),
            // Whoever asked may ask again.
            Notice::Reconnecting { why, .. } => {
                self.away = Some(why);
                self.settled.notify_one();
            }
            _ => {}
        }
    }
}

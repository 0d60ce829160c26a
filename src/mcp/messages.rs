//! Sending a message, and waiting for its reply.

use std::time::Duration;

use tokio::time::timeout;

use super::answers::{Message, Reply, Sent};
use super::arguments::{SendMessage, WaitForReply};
use super::fault::Fault;
use super::host::Access;
use crate::base::random;
use crate::client::history::{History, Start};
use crate::client::post_box::{self, PostBox};
use crate::client::{Api, ClientError, Delivery, Letter};
use crate::protocol::agent::{self, MessageRequest, at_peer};
use crate::protocol::event::Event;
use crate::protocol::id::Seq;
use crate::protocol::scope::Scope;

/// Sends a message; with `wait_secs` it listens first, and gives the reply too.
pub(super) async fn send(access: &Access, args: SendMessage) -> Result<Sent, Fault> {
    let agent = &access.mailbox()?.agent;
    let api = access.api()?;
    let wait = Duration::from_secs(args.wait_secs.into());
    let request = request(args, agent.as_str(), &api).await?;
    if wait.is_zero() {
        return post(&api, &request).await;
    }
    let (postman, mut post_box) = post_box::open(&access.server, access.team.clone(), agent)?;
    let waiting = async {
        stands(&mut post_box, true).await?;
        let mut sent = post(&api, &request).await?;
        let thread = request.thread_id.as_deref().unwrap_or_default();
        let reply = post_box.reply(&sent.id, thread, agent.as_str());
        match timeout(wait, reply).await {
            Ok((_, delivery)) => sent.reply = Some(Message::of(&delivery)),
            Err(_) => add(&mut sent.note, no_reply(wait, &sent.id)),
        }
        Ok(sent)
    };
    tokio::select! {
        biased;
        fault = postman.run() => Err(fault.into()),
        sent = waiting => sent,
    }
}

/// Waits for the reply to a message that was sent before: one that came already is found in the log.
pub(super) async fn wait_for_reply(access: &Access, args: WaitForReply) -> Result<Reply, Fault> {
    let agent = &access.mailbox()?.agent;
    let api = access.api()?;
    let wait = Duration::from_secs(args.wait_secs.into());
    let sent = Question::find(&api, args.event_id, agent.as_str()).await?;
    if let Some(reply) = sent.answered(&api).await? {
        return Ok(Reply::of(&reply));
    }
    let none = || Reply {
        reply: None,
        note: Some(no_reply(wait, &sent.id)),
    };
    if wait.is_zero() {
        return Ok(none());
    }
    let (postman, mut post_box) = post_box::open(&access.server, access.team.clone(), agent)?;
    let waiting = async {
        stands(&mut post_box, false).await?;
        // What came between the first look and the listening.
        if let Some(reply) = sent.answered(&api).await? {
            return Ok(Reply::of(&reply));
        }
        let reply = post_box.reply(&sent.id, &sent.thread, agent.as_str());
        let reply = timeout(wait, reply).await;
        Ok(reply.map_or_else(|_| none(), |(_, delivery)| Reply::of(&delivery)))
    };
    tokio::select! {
        biased;
        fault = postman.run() => Err(fault.into()),
        reply = waiting => reply,
    }
}

impl Reply {
    fn of(delivery: &Delivery) -> Self {
        Self {
            reply: Some(Message::of(delivery)),
            note: None,
        }
    }
}

/// A message that was sent, and may have been answered.
struct Question {
    seq: Seq,
    id: String,
    thread: String,
    asker: String,
}

impl Question {
    async fn find(api: &Api, id: String, asker: &str) -> Result<Self, Fault> {
        let found = match api.event(&id).await {
            Err(ClientError::Refused(refusal)) if refusal.is_unserved() => {
                return Err(Fault::NoEvent(id));
            }
            found => found?,
        };
        let (seq, letter) = (found.seq, read(&id, found.event.get())?);
        if letter.from != asker || letter.instance.is_some() {
            let why = format!(
                "it was sent by `{}`, and you are `{asker}`",
                letter.reply_address()
            );
            return Err(Fault::NotAMessage { id, why });
        }
        Ok(Self {
            seq,
            id,
            thread: letter.thread_id.unwrap_or_default(),
            asker: letter.from,
        })
    }

    /// The first answer in the log.
    async fn answered(&self, api: &Api) -> Result<Option<Delivery>, Fault> {
        let behind = Start::Seq(self.seq.saturating_add(1));
        let mut history = History::new(behind, vec![Scope::AgentTo(self.asker.clone())]);
        while let Some(page) = history.next_page(api).await.map_err(Fault::Log)? {
            for delivery in page.into_iter().map(Delivery::listed) {
                let letter = delivery.event.as_ref().ok().map(Letter::read);
                if let Some(Ok(letter)) = letter
                    && letter.answers(&self.id, &self.thread, &self.asker)
                {
                    return Ok(Some(delivery));
                }
            }
        }
        Ok(None)
    }
}

fn no_reply(wait: Duration, id: &str) -> String {
    let secs = wait.as_secs();
    format!("no reply came within {secs} s; `wait_for_reply` with `event_id` {id} goes on waiting")
}

fn add(note: &mut Option<String>, words: String) {
    *note = Some(match note.take() {
        Some(before) => format!("{before}; {words}"),
        None => words,
    });
}

async fn stands(post_box: &mut PostBox, is_unsent: bool) -> Result<(), Fault> {
    let stands = post_box.stands().await;
    stands.map_err(|why| Fault::Deaf { why, is_unsent })
}

/// The message, for whom it is and in which conversation: where that was not said, as the one that it answers has it.
async fn request(args: SendMessage, from: &str, api: &Api) -> Result<MessageRequest, Fault> {
    let (to, thread) = match (args.to, &args.reply_to_id) {
        (None, Some(id)) => {
            let letter = answered(api, id).await?;
            (letter.reply_address(), args.thread_id.or(letter.thread_id))
        }
        (to, _) => (to.unwrap_or_default(), args.thread_id),
    };
    // A reply that names only the conversation can be told apart if nobody else uses it.
    let thread = thread.or_else(|| (args.wait_secs > 0).then(random::uuid7));
    let request = MessageRequest {
        from: Some(from.to_owned()),
        to: Some(to),
        body: Some(args.body),
        payload: args.payload,
        thread_id: thread,
        reply_to_id: args.reply_to_id,
        ..MessageRequest::default()
    };
    agent::Message::new(request.clone()).map_err(|fault| Fault::Arguments(fault.to_string()))?;
    Ok(request)
}

/// The message that is answered.
async fn answered(api: &Api, id: &str) -> Result<Letter, Fault> {
    match api.event(id).await {
        Ok(found) => read(id, found.event.get()),
        Err(ClientError::Refused(refusal)) => Err(Fault::Unanswerable {
            id: id.to_owned(),
            refusal,
        }),
        Err(error) => Err(error.into()),
    }
}

fn read(id: &str, event: &str) -> Result<Letter, Fault> {
    let event = Event::parse(event).map_err(|fault| fault.to_string());
    let letter = event.and_then(|event| Letter::read(&event).map_err(|fault| fault.to_string()));
    letter.map_err(|why| Fault::NotAMessage {
        id: id.to_owned(),
        why,
    })
}

async fn post(api: &Api, request: &MessageRequest) -> Result<Sent, Fault> {
    let idempotency_key = random::uuid7();
    let answer = api.send_message(request, &idempotency_key).await;
    let answer = answer.map_err(Fault::NotSent)?.value;
    let to = request.to.clone().unwrap_or_default();
    let unknown_peer = at_peer(&to).filter(|_| answer.to_instance.is_none());
    let note = unknown_peer.map(|(_, peer)| {
        format!(
            "the server knows no peer `{peer}`: the message is for an agent of its own that is called `{to}`"
        )
    });
    Ok(Sent {
        id: answer.id,
        from: request.from.clone().unwrap_or_default(),
        to,
        thread_id: request.thread_id.clone(),
        reply: None,
        note,
    })
}

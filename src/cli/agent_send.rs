//! `kite agent send`: one message, and with `--wait` its reply.

use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::agent::acting;
use super::context::{Context, block_on, team};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::render;
use super::signal::Interrupt;
use super::stdin;
use super::text::visible;
use crate::base::{duration, random};
use crate::client::post_box::{self, PostBox};
use crate::client::{Api, ClientError, Letter, Sent};
use crate::config::Settings;
use crate::protocol::agent::{Message, MessageRequest, at_peer};
use crate::protocol::event::Event;
use crate::protocol::id::AgentId;

/// Send a message to an agent.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite agent send --to reviewer 'please look at #12'
  git diff | kite agent send --to reviewer --wait=5m -
  kite agent send --to reviewer@b --wait 'is #12 ready?'
  kite agent send --reply-to 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f 'yes'

reviewer@b is the agent `reviewer` of the peer `b`: its name, or the id of its
instance. `kite federation peers list` shows the peers. With --reply-to alone
the message goes to the sender of that event, wherever that is, and stays in its
conversation.

From stdin one line break at the end is left out.")]
pub(super) struct SendArgs {
    /// The agent that the message is for; AGENT@PEER is one of another instance.
    #[arg(long, value_name = "ID", required_unless_present = "reply_to")]
    to: Option<AgentId>,
    /// The sender; otherwise that of KITE_AGENT_ID or of this profile.
    #[arg(long, value_name = "ID")]
    from: Option<AgentId>,
    /// The conversation that it belongs to.
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// The event that it answers; without --to it goes to the sender of that.
    #[arg(long, value_name = "EVENT")]
    reply_to: Option<String>,
    /// Wait for a reply and print it; exit 8 when none comes in time.
    #[arg(long, value_name = "DUR", num_args = 0..=1, require_equals = true,
          default_missing_value = "60s", value_parser = duration::parse)]
    wait: Option<Duration>,
    /// The text; `-` reads it from stdin.
    body: String,
}

pub(super) fn run(args: SendArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let from = acting(args.from.clone(), &settings)?;
    let wait = args.wait;
    let body = body(&args)?;
    block_on(async {
        let mut interrupt = Interrupt::new()?;
        let api = context.api(&settings)?;
        let target = tokio::select! {
            biased;
            target = target(&args, &api) => target?,
            () = interrupt.wait() => {
                let message = "interrupted before the message was sent";
                return Err(CommandError::new(Kind::Interrupted, message));
            }
        };
        let request = request(args, &from, target, body)?;
        let mut errand = Errand {
            api,
            interrupt,
            context,
            request,
            from,
        };
        match wait {
            None => errand.post().await.map(|_| Exit::Done),
            Some(wait) => errand.converse(&settings, wait).await,
        }
    })
}

/// Whom a message is for, and in which conversation.
struct Target {
    to: String,
    thread: Option<String>,
}

/// What was said of the receiver; where nothing was, the sender of the message that is answered.
async fn target(args: &SendArgs, api: &Api) -> Result<Target, CommandError> {
    let thread = args.thread.clone();
    match (&args.to, &args.reply_to) {
        (None, Some(event)) => {
            let letter = answered(api, event).await?;
            Ok(Target {
                to: letter.reply_address(),
                thread: thread.or(letter.thread_id),
            })
        }
        (to, _) => Ok(Target {
            to: to.clone().map(String::from).unwrap_or_default(),
            thread,
        }),
    }
}

/// The message that is answered.
async fn answered(api: &Api, id: &str) -> Result<Letter, CommandError> {
    let found = api.event(id).await.map_err(|error| match error {
        ClientError::Refused(refusal) => CommandError::no_answered_event(id, &refusal),
        error => error.into(),
    })?;
    let letter = match Event::parse(found.event.get()) {
        Ok(event) => Letter::read(&event).map_err(|fault| fault.to_string()),
        Err(fault) => Err(fault.to_string()),
    };
    letter.map_err(|why| CommandError::not_answerable(id, &why))
}

fn request(
    args: SendArgs,
    from: &AgentId,
    target: Target,
    body: String,
) -> Result<MessageRequest, CommandError> {
    // A reply that names only the conversation can be told apart if nobody else uses it.
    let thread = target.thread.or_else(|| args.wait.map(|_| random::uuid7()));
    let request = MessageRequest {
        from: Some(from.to_string()),
        to: Some(target.to),
        body: Some(body),
        thread_id: thread,
        reply_to_id: args.reply_to,
        ..MessageRequest::default()
    };
    Message::new(request.clone()).map_err(|fault| CommandError::usage(fault.to_string()))?;
    Ok(request)
}

fn body(args: &SendArgs) -> Result<String, CommandError> {
    match args.body.as_str() {
        "-" => stdin_body(),
        body => Ok(body.to_owned()),
    }
}

fn stdin_body() -> Result<String, CommandError> {
    let mut body = stdin::text("the message")?;
    if body.ends_with('\n') {
        body.pop();
        if body.ends_with('\r') {
            body.pop();
        }
    }
    Ok(body)
}

/// A message on its way.
struct Errand<'a> {
    context: &'a Context,
    api: Api,
    interrupt: Interrupt,
    request: MessageRequest,
    from: AgentId,
}

impl Errand<'_> {
    /// Sends the message, prints the answer and returns the event's id.
    async fn post(&mut self) -> Result<String, CommandError> {
        let idempotency_key = random::uuid7();
        let sending = self.api.send_message(&self.request, &idempotency_key);
        let answer = tokio::select! {
            biased;
            answer = sending => answer.map_err(CommandError::not_sent)?,
            () = self.interrupt.wait() => {
                return Err(CommandError::new(
                    Kind::Interrupted,
                    "interrupted while sending; the message may have been sent",
                ));
            }
        };
        let Sent { id, to_instance } = answer.value;
        match self.context.out.json {
            true => self.context.out.object(&answer.text)?,
            false => self.context.out.line(&self.sent_words(&id))?,
        }
        if to_instance.is_none() {
            self.doubt();
        }
        Ok(id)
    }

    /// Says so when the server did not take the receiver for one of another instance, though that seems to be meant.
    fn doubt(&self) {
        let to = self.request.to.as_deref().unwrap_or_default();
        if let Some((_, peer)) = at_peer(to) {
            let (to, peer) = (visible(to), visible(peer));
            self.context.out.warn(&format!(
                "the server knows no peer `{peer}`: the message is for an agent of its own that is called `{to}`; \
                 `kite federation peers list` shows the peers, and `kite federation invite` connects another one"
            ));
        }
    }

    fn sent_words(&self, id: &str) -> String {
        let to = self.request.to.as_deref().unwrap_or_default();
        format!(
            "Sent agent message\n  from: {}\n  to: {}\n  id: {}",
            self.from,
            visible(to),
            visible(id)
        )
    }

    /// Listens, then sends, then waits for the reply.
    async fn converse(
        &mut self,
        settings: &Settings,
        wait: Duration,
    ) -> Result<Exit, CommandError> {
        let server = self.context.server(settings)?;
        let team = team(settings, &server).await?;
        let (postman, post_box) = post_box::open(&server, team, &self.from)?;
        tokio::select! {
            biased;
            fault = postman.run() => Err(fault.into()),
            result = self.ask(post_box, wait) => result,
        }
    }

    async fn ask(&mut self, mut post_box: PostBox, wait: Duration) -> Result<Exit, CommandError> {
        let stands = tokio::select! {
            biased;
            () = self.interrupt.wait() => {
                let message = "interrupted before the message was sent";
                return Err(CommandError::new(Kind::Interrupted, message));
            }
            stands = post_box.stands() => stands,
        };
        if let Err(why) = stands {
            let message = format!("cannot listen for the reply, so nothing was sent: {why}");
            return Err(CommandError::new(Kind::Unreachable, message));
        }
        let id = self.post().await?;
        let thread = self.request.thread_id.as_deref().unwrap_or_default();
        let reply = post_box.reply(&id, thread, self.from.as_str());
        let spinner = self.context.out.spinner("waiting for the reply");
        let waited = tokio::select! {
            biased;
            reply = timeout(wait, reply) => reply.ok(),
            () = self.interrupt.wait() => {
                let message = format!("interrupted while waiting for the reply to `{id}`, which was sent");
                return Err(CommandError::new(Kind::Interrupted, message));
            }
        };
        drop(spinner);
        let Some((letter, delivery)) = waited else {
            let message = format!("no reply within {} s", wait.as_secs());
            return Err(
                CommandError::new(Kind::NothingCame, message).with_hint(format!(
                    "the message was sent as `{id}`; `kite agent listen` shows what comes later"
                )),
            );
        };
        match self.context.out.json {
            true => self.context.out.object(&delivery.text)?,
            false => self.context.out.line(&render::letter(&letter))?,
        }
        Ok(Exit::Done)
    }
}

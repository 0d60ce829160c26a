//! `kite demo`: everything on one screen, on a throw-away server that is killed in the middle.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use clap::Args;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::context::{Context, block_on};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::output::Output;
use super::signal::Interrupt;
use super::text::visible;
use super::throwaway::Throwaway;
use crate::base::clock::Clock;
use crate::base::random;
use crate::client::api::EventsQuery;
use crate::client::rpc::Caller;
use crate::client::{
    Api, ClientError, Delivery, End, Flow, Letter, Notice, Receiver, Server, Session, Subscription,
    Timing, http,
};
use crate::protocol::agent::MessageRequest;
use crate::protocol::event::Extension;
use crate::protocol::id::TeamId;
use crate::protocol::rpc::HooksCreate;
use crate::protocol::scope::Scope;

const ALPHA: &str = "agent-alpha";
const BETA: &str = "agent-beta";

/// How many messages are on their way while the server is killed.
const STORM: usize = 20;

/// How long any step may take.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// How long to leave between two tries to reach the server that was killed.
const TRY_AGAIN: Duration = Duration::from_millis(50);

const PUSH: &str = r#"{"ref":"refs/heads/main","pusher":{"name":"ada"},"repository":{"full_name":"acme/app"},"commits":[{"id":"1"}]}"#;

/// Show everything on one screen, on a throw-away server.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite demo

Two agents talk, a webhook comes in, the server is killed and started again. Nothing of yours is used or changed.")]
pub(super) struct DemoArgs {}

/// What the demo has shown.
#[derive(Serialize)]
struct Shown {
    events: usize,
    lost: usize,
    twice: usize,
    kills: u32,
    elapsed_ms: u128,
}

pub(super) fn run(_: DemoArgs, context: &Context) -> Result<Exit, CommandError> {
    block_on(demo(&context.out))
}

async fn demo(out: &Output) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let mut interrupt = Interrupt::new()?;
    let server = Throwaway::start(None, None)?;
    say(
        out,
        &format!("a throw-away server runs on {}", server.server.http_base),
    )?;
    let (alpha, alpha_inbox) = listener(&server.server, Scope::AgentTo(ALPHA.to_owned()))?;
    let (beta, beta_inbox) = listener(&server.server, Scope::AgentTo(BETA.to_owned()))?;
    let (all, all_inbox) = listener(&server.server, Scope::All)?;
    let mut story = Story {
        out,
        api: Api::new(&server.server, None)?,
        server,
        alpha: alpha_inbox,
        beta: beta_inbox,
        all: all_inbox,
    };
    let events = tokio::select! {
        biased;
        // On the way out the server is killed and its directory removed.
        () = interrupt.wait() => {
            return Err(CommandError::new(Kind::Interrupted, "interrupted; nothing is left of the demo"));
        }
        events = story.tell() => events?,
        end = alpha.listen() => return Err(end),
        end = beta.listen() => return Err(end),
        end = all.listen() => return Err(end),
    };
    let shown = Shown {
        events,
        lost: 0,
        twice: 0,
        kills: 1,
        elapsed_ms: began.elapsed().as_millis(),
    };
    // The steps were said as they happened; what remains is what to type next.
    out.show(&shown, |_| {
        "That server is gone, and its files with it. Your own:\n\
         \x20 kite serve                            run a server\n\
         \x20 kite login --server URL               log in to it\n\
         \x20 kite agent register --name NAME       take a name\n\
         \x20 kite agent listen                     hear what is sent to it\n\
         \x20 kite endpoints create --source github take webhooks in, and `kite stream` to see them"
            .to_owned()
    })?;
    Ok(Exit::Done)
}

fn say(out: &Output, words: &str) -> Result<(), CommandError> {
    if !out.json {
        out.step(words)?;
    }
    Ok(())
}

/// A session and where its events go.
struct Listening {
    session: Session,
    passer: Passer,
}

/// What a listener has received.
struct Inbox {
    events: mpsc::UnboundedReceiver<Delivery>,
    ready: mpsc::UnboundedReceiver<()>,
}

/// Passes events on. The demo bounds how many there are.
struct Passer {
    events: mpsc::UnboundedSender<Delivery>,
    ready: mpsc::UnboundedSender<()>,
}

impl Receiver for Passer {
    type Error = Infallible;

    async fn take(&mut self, delivery: Delivery) -> Result<Flow, Infallible> {
        // Nobody reads any more when the demo is over.
        Ok(self
            .events
            .send(delivery)
            .map_or(Flow::Stop, |()| Flow::Continue))
    }

    fn notice(&mut self, notice: Notice) {
        if let Notice::Ready { .. } = notice {
            // Likewise.
            let _ = self.ready.send(());
        }
    }
}

fn team() -> Result<TeamId, CommandError> {
    Ok("default".parse()?)
}

fn listener(server: &Server, scope: Scope) -> Result<(Listening, Inbox), CommandError> {
    let subscription = Subscription {
        team: team()?,
        scopes: vec![scope],
        client_id: None,
    };
    let timing = Timing {
        wait_min: TRY_AGAIN,
        wait_max: TRY_AGAIN * 4,
        ..Timing::default()
    };
    let session = Session::new(server, subscription, timing, Clock::system())?;
    let (events, received) = mpsc::unbounded_channel();
    let (ready, stands) = mpsc::unbounded_channel();
    let passer = Passer { events, ready };
    let inbox = Inbox {
        events: received,
        ready: stands,
    };
    Ok((Listening { session, passer }, inbox))
}

impl Listening {
    /// Listens until something is wrong.
    async fn listen(mut self) -> CommandError {
        let never = std::future::pending::<Infallible>();
        match self.session.run(&mut self.passer, never).await {
            End::Denied(message) => CommandError::denied(&message),
            End::Rejected(message) => CommandError::rejected(&message),
            End::Replaced => CommandError::replaced(),
            End::Enough => CommandError::failed("a listener ended early"),
            End::Stopped(never) | End::Receiver(never) => match never {},
        }
    }
}

impl Inbox {
    async fn stands(&mut self) -> Result<(), CommandError> {
        let ready = timeout(STEP_LIMIT, self.ready.recv()).await;
        ready
            .ok()
            .flatten()
            .ok_or_else(|| late("a listener did not connect"))
    }

    async fn next(&mut self) -> Result<Delivery, CommandError> {
        let event = timeout(STEP_LIMIT, self.events.recv()).await;
        event
            .ok()
            .flatten()
            .ok_or_else(|| late("an event did not arrive"))
    }

    /// The next event, which has to be this message.
    async fn letter(&mut self, body: &str) -> Result<Letter, CommandError> {
        let delivery = self.next().await?;
        let letter = delivery
            .event
            .as_ref()
            .ok()
            .and_then(|event| Letter::read(event).ok());
        letter.filter(|letter| letter.body == body).ok_or_else(|| {
            CommandError::failed(format!("something else arrived: {}", delivery.text))
        })
    }
}

fn late(what: &str) -> CommandError {
    CommandError::failed(format!("{what} within {} s", STEP_LIMIT.as_secs()))
}

struct Story<'a> {
    out: &'a Output,
    server: Throwaway,
    api: Api,
    alpha: Inbox,
    beta: Inbox,
    all: Inbox,
}

impl Story<'_> {
    /// Tells the whole story; answers how many events the log holds.
    async fn tell(&mut self) -> Result<usize, CommandError> {
        self.alpha.stands().await?;
        self.beta.stands().await?;
        self.all.stands().await?;
        say(self.out, &format!("{ALPHA} and {BETA} listen"))?;
        self.converse().await?;
        self.webhook().await?;
        self.storm().await?;
        self.account(3 + STORM).await
    }

    async fn send(&self, message: &MessageRequest) -> Result<String, CommandError> {
        let key = random::uuid7();
        let began = Instant::now();
        loop {
            match self.api.send_message(message, &key).await {
                Ok(sent) => return Ok(sent.value.id),
                // The same key again: whatever was stored is not stored twice.
                Err(ClientError::Unreachable { .. } | ClientError::Lost { .. })
                    if began.elapsed() < STEP_LIMIT =>
                {
                    sleep(TRY_AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn converse(&mut self) -> Result<(), CommandError> {
        let thread = random::uuid7();
        let question = "Numbers are in. Shall I publish?";
        let began = Instant::now();
        let asked = self
            .send(&message(BETA, ALPHA, question, Some(&thread), None))
            .await?;
        self.alpha.letter(question).await?;
        let took = began.elapsed().as_secs_f64() * 1000.0;
        say(
            self.out,
            &format!(
                "{BETA} → {ALPHA}: {question}  (there in {took:.1} ms, on disk before it was answered)"
            ),
        )?;

        let answer = "Yes, go ahead.";
        let reply = message(ALPHA, BETA, answer, Some(&thread), Some(&asked));
        self.send(&reply).await?;
        let heard = self.beta.letter(answer).await?;
        if heard.reply_to_id.as_deref() != Some(asked.as_str()) {
            return Err(CommandError::failed("the reply lost its thread"));
        }
        say(
            self.out,
            &format!("{ALPHA} → {BETA}: {answer}  (a reply, in the same thread)"),
        )?;
        // The log's own listener has seen both.
        self.all.letter(question).await?;
        self.all.letter(answer).await?;
        Ok(())
    }

    async fn webhook(&mut self) -> Result<(), CommandError> {
        let mut caller = Caller::open(&self.server.server, &team()?).await?;
        let params = HooksCreate {
            source: "github".to_owned(),
            webhook_secret: None,
            max_body_bytes: None,
        };
        let hook = caller.create_hook(&params).await?.value;
        caller.close().await;
        let secret = hook.github_webhook_secret.unwrap_or_default();
        let base = &self.server.server.http_base;
        let posted = http::client(base, None)?
            .post(format!("{base}{}", hook.endpoint))
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", random::uuid7())
            .header(
                "x-hub-signature-256",
                format!("sha256={}", sign(&secret, PUSH)),
            )
            .body(PUSH)
            .send()
            .await
            .map_err(|error| {
                CommandError::failed(format!("the webhook was not posted: {error}"))
            })?;
        if posted.status() != 202 {
            return Err(CommandError::failed(format!(
                "the webhook was refused: {}",
                posted.status()
            )));
        }
        let delivery = self.all.next().await?;
        let event = delivery
            .event
            .map_err(|fault| CommandError::failed(fault.to_string()))?;
        if event.extensions.get("kiteverified") != Some(&Extension::Flag(true)) {
            return Err(CommandError::failed(
                "the webhook's signature was not checked",
            ));
        }
        let summary = visible(event.extension("kitesummary").unwrap_or_default()).into_owned();
        say(
            self.out,
            &format!("{}: {summary}  (its signature was checked)", event.kind),
        )
    }

    /// Messages keep coming while the server is killed and started again.
    async fn storm(&mut self) -> Result<(), CommandError> {
        for n in 1..=STORM {
            if n == STORM / 2 {
                self.server.kill();
                say(
                    self.out,
                    &format!(
                        "the server was killed after {} of {STORM} messages …",
                        n - 1
                    ),
                )?;
                self.server.restart()?;
            }
            self.send(&message(BETA, ALPHA, &format!("message {n}"), None, None))
                .await?;
        }
        for n in 1..=STORM {
            let body = format!("message {n}");
            self.alpha.letter(&body).await?;
            self.all.letter(&body).await?;
        }
        say(
            self.out,
            &format!("… and started again: all {STORM} arrived, in order, none lost, none twice"),
        )
    }

    /// Reads the log back: every number once, from the first to the last.
    async fn account(&self, expected: usize) -> Result<usize, CommandError> {
        let query = EventsQuery {
            limit: Some(1000),
            after_seq: Some(0),
            ..EventsQuery::default()
        };
        let page = self.api.events(&query).await?;
        let seqs: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
        if !seqs.iter().copied().eq(1..=expected as u64) {
            return Err(CommandError::failed(format!(
                "the log is not what it should be: {seqs:?}"
            )));
        }
        say(
            self.out,
            &format!("the log holds {expected} events, numbered 1 to {expected} without a gap"),
        )?;
        Ok(expected)
    }
}

fn message(
    from: &str,
    to: &str,
    body: &str,
    thread: Option<&str>,
    reply_to: Option<&str>,
) -> MessageRequest {
    MessageRequest {
        from: Some(from.to_owned()),
        to: Some(to.to_owned()),
        body: Some(body.to_owned()),
        thread_id: thread.map(str::to_owned),
        reply_to_id: reply_to.map(str::to_owned),
        ..MessageRequest::default()
    }
}

/// A signature as GitHub makes it.
fn sign(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

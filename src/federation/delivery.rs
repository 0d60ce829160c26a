//! One attempt: an event and a peer into a post, and an answer into what became of it.
//!
//! This is the one place where it matters what a peer is: all else of the outbox treats them alike.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::dial::{Answer, Dial, DialFault, Limits};
use super::hook::Hook;
use super::openintent::{Errand, ErrandTarget, shown_key};
use super::paperclip::Paperclip;
use super::works::Works;
use crate::protocol::event::Event;
use crate::protocol::federation::PeerKind;
use crate::protocol::id::InstanceId;
use crate::protocol::peer_url::PeerUrl;
use crate::protocol::summary::is_hidden;
use crate::protocol::undeliverable::Undeliverable;
use crate::store::federation::PeerRecord;

/// What one post may take (spec 14.2), and how much of the answer is read: enough for the reason of a refusal.
pub(super) const LIMITS: Limits = Limits {
    whole: Duration::from_secs(15),
    body_max_bytes: 4096,
};

/// How much of a peer's answer is kept with a failure, in characters.
pub(super) const EXCERPT_MAX_CHARS: usize = 200;

/// Where a peer's events go.
#[derive(Debug)]
pub(super) enum Target {
    /// Another instance.
    Hook(Hook),
    /// The Paperclip of this one.
    Paperclip(Arc<Paperclip>),
    /// A server of OpenIntent.
    OpenIntent(ErrandTarget),
}

/// A post.
pub(super) struct Request {
    pub(super) url: PeerUrl,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// The message that it is for an agent, who may not be there.
    pub(super) message: Option<Undeliverable>,
    /// The dispatch that it is, whose answer tells something.
    pub(super) errand: Option<Errand>,
}

/// Why an event is not posted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unposted {
    /// It never can be.
    Ever(String),
    /// What is needed for it cannot be had now.
    Now(String),
}

impl From<String> for Unposted {
    fn from(why: String) -> Self {
        Self::Ever(why)
    }
}

impl Target {
    /// What a peer's record and the settings say, or why it cannot be used.
    pub(super) fn of(peer: &PeerRecord, works: &Works) -> Result<Self, String> {
        match peer.kind {
            PeerKind::Kite => Hook::of(peer, works.dial.outbound(), &works.sealer).map(Self::Hook),
            PeerKind::OpenIntent => {
                let node = works.openintent.clone();
                let target = |node| Self::OpenIntent(ErrandTarget::new(node, peer.team.clone()));
                node.map(target).ok_or_else(|| {
                    "OpenIntent is off on this node: give all nodes the same settings".to_owned()
                })
            }
            PeerKind::Paperclip => works.paperclip.clone().map(Self::Paperclip).ok_or_else(|| {
                "this node has no `KITE_PAPERCLIP_API_URL`: give all nodes the same settings"
                    .to_owned()
            }),
        }
    }

    /// The post of a stored event.
    pub(super) async fn request(
        &self,
        text: &str,
        own_id: &InstanceId,
    ) -> Result<Request, Unposted> {
        let event = Event::parse(text).map_err(|fault| fault.to_string())?;
        match self {
            Self::OpenIntent(target) => target.request(&event).await,
            Self::Hook(hook) => Ok(hook.request(&event, own_id)?),
            Self::Paperclip(paperclip) => Ok(paperclip.request(&event)?),
        }
    }

    /// What an answer, or the lack of one, means. `headers` went with the post: no secret of theirs gets into the words.
    pub(super) fn judge(
        &self,
        answer: Result<&Answer, &DialFault>,
        headers: &[(&'static str, String)],
    ) -> Attempted {
        match self {
            Self::Hook(hook) => hook.judge(answer),
            Self::Paperclip(paperclip) => paperclip.judge(answer),
            Self::OpenIntent(target) => target.judge(answer, shown_key(headers)),
        }
    }

    /// What one post may take.
    pub(super) fn limits(&self) -> Limits {
        match self {
            Self::OpenIntent(target) => target.limits(),
            _ => LIMITS,
        }
    }

    /// The way out.
    pub(super) fn dial<'a>(&'a self, works: &'a Works) -> &'a Dial {
        match self {
            Self::OpenIntent(target) => target.dial(),
            _ => &works.dial,
        }
    }

    /// How old an event may be that is still tried.
    pub(super) fn max_age(&self, works: &Works) -> Duration {
        match self {
            Self::OpenIntent(target) => target.age_max().min(works.max_age),
            _ => works.max_age,
        }
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempted {
    /// The peer has the event.
    Delivered,
    /// The peer does not want this event, ever. Why.
    EventRefused(String),
    /// It is a message for an agent who is not there. Why that is known.
    AgentMissing(String),
    /// The peer, or the way to it, failed: the same event may get through later.
    PeerFailed {
        /// What went wrong.
        error: String,
        /// For how long the peer asks to be left alone.
        asked: Option<Duration>,
    },
}

impl Attempted {
    /// A failure that nobody said how long to wait after.
    pub(super) fn failed(error: String) -> Self {
        Self::PeerFailed { error, asked: None }
    }

    /// What went wrong.
    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::EventRefused(error)
            | Self::AgentMissing(error)
            | Self::PeerFailed { error, .. } => Some(error),
        }
    }
}

/// What an answer, or the lack of one, means; `words` says it for a status.
///
/// 400, 413, 415 and 422 are about the event. All else that is no success is about the peer: also what the spec does not
/// name (405, 406, 409, …), since a row that waits can still be delivered and a dead one needs a hand.
pub(super) fn judge(
    answer: Result<&Answer, &DialFault>,
    secret: &str,
    words: fn(u16) -> &'static str,
) -> Attempted {
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => return Attempted::failed(fault.to_string()),
    };
    let status = answer.status;
    let says = excerpt(&answer.body, secret);
    let error = format!("{} ({status}){says}", words(status));
    match status {
        200..=299 => Attempted::Delivered,
        400 | 413 | 415 | 422 => Attempted::EventRefused(error),
        _ => Attempted::PeerFailed {
            error,
            asked: answer.retry_after,
        },
    }
}

/// What a peer said, for behind our own words; see [`said`].
pub(super) fn excerpt(body: &[u8], secret: &str) -> String {
    said(&String::from_utf8_lossy(body), &[secret], EXCERPT_MAX_CHARS)
}

/// What the other side said, for behind our own words: on one line, not too long, and without what it was shown, which a
/// badly made one might send back.
pub(super) fn said(text: &str, secrets: &[&str], max_chars: usize) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let text = secrets.fold(text.to_owned(), |text, secret| {
        text.replace(secret, "(token)")
    });
    let clean: String = text
        .split(|it: char| it.is_whitespace() || is_hidden(it))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let mut chars = clean.chars();
    let mut said: String = chars.by_ref().take(max_chars).collect();
    if chars.next().is_some() {
        said.push('…');
    }
    match said.is_empty() {
        true => said,
        false => format!(": {said}"),
    }
}

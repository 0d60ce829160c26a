//! Waiting for what becomes of a dispatch: each news of it is said, until nothing more follows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::context::{Context, team};
use super::super::error::CommandError;
use super::super::output::Output;
use super::dispatches::known;
use super::patience::is_passing;
use super::usage;
use crate::base::clock::Clock;
use crate::client::api::Answer;
use crate::client::{Api, Delivery, Flow, Notice, Receiver, Session, Subscription, Timing};
use crate::config::Settings;
use crate::openintent::json::Json;
use crate::openintent::model::DispatchState;
use crate::openintent::work::DispatchShown;
use crate::protocol::id::AgentId;
use crate::protocol::scope::Scope;

/// How often it is looked whether something has become of a dispatch. Messages make it sooner.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The longest piece of a state that is shown as news, in characters.
const NEWS_MAX_CHARS: usize = 400;

/// Waits for the end of a dispatch, for so long; what was last seen of it.
///
/// # Errors
/// When the server tells nothing of it, now or ever.
pub(super) async fn end_of(
    id: &str,
    limit: Duration,
    api: &Api,
    out: Output,
    bell: &Notify,
) -> Result<Option<Answer<DispatchShown>>, CommandError> {
    // A limit that the clock cannot hold is none.
    let deadline = Instant::now().checked_add(limit);
    let mut seen: Option<Answer<DispatchShown>> = None;
    let mut is_away = false;
    loop {
        match api.dispatch_shown(id).await {
            Ok(now) => {
                let before = seen.as_ref().map(|seen| &seen.value);
                tell(before.unwrap_or(&DispatchShown::default()), &now.value, out);
                if now.value.status.is_final() {
                    return Ok(Some(now));
                }
                (seen, is_away) = (Some(now), false);
            }
            Err(error) if is_passing(&error) => {
                if !is_away {
                    let words = format!("{error}; looking again");
                    out.event("away", &words, &[("why", error.to_string().into())]);
                }
                is_away = true;
            }
            Err(error) => return known(id, Err(error)),
        }
        let out_of_time = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = out_of_time => return Ok(seen),
            () = bell.notified() => {}
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

/// Rings whenever an agent gets a message, for as long as it is let; it never ends by itself. Where nobody can be
/// listened for, nothing rings.
pub(super) async fn ring(
    agent: Option<&AgentId>,
    bell: Arc<Notify>,
    context: &Context,
    settings: &Settings,
) -> Infallible {
    if let Some(agent) = agent {
        // Whoever does not listen looks all the same.
        if let Err(error) = listen(agent, bell, context, settings).await {
            tracing::debug!(error = error.message(), "no messages");
        }
    }
    std::future::pending().await
}

async fn listen(
    agent: &AgentId,
    bell: Arc<Notify>,
    context: &Context,
    settings: &Settings,
) -> Result<(), CommandError> {
    let server = context.server(settings)?;
    let subscription = Subscription {
        team: team(settings, &server).await?,
        scopes: vec![Scope::AgentTo(agent.to_string())],
        client_id: None,
    };
    let mut session = Session::new(&server, subscription, Timing::default(), Clock::system())?;
    let never = std::future::pending::<Infallible>();
    session.run(&mut Bell(bell), never).await;
    Ok(())
}

/// Says that something came, not what.
struct Bell(Arc<Notify>);

impl Receiver for Bell {
    type Error = Infallible;

    async fn take(&mut self, _: Delivery) -> Result<Flow, Infallible> {
        self.0.notify_one();
        Ok(Flow::Continue)
    }

    fn notice(&mut self, _: Notice) {}
}

/// Says what is new of a dispatch, one line for each.
fn tell(before: &DispatchShown, now: &DispatchShown, out: Output) {
    for (name, words, value) in news(before, now) {
        // What was read as JSON reads again.
        let value = serde_json::from_str(&value.to_string()).unwrap_or_default();
        let id = now.dispatch_id.as_str();
        out.event(name, &words, &[("dispatch_id", id.into()), (name, value)]);
    }
}

/// What is new: the name of the member, a line for people, and the member.
fn news(before: &DispatchShown, now: &DispatchShown) -> Vec<(&'static str, String, Json)> {
    let mut news = Vec::new();
    if now.status != before.status {
        news.push(("status", status(now), now.status.into()));
    }
    // Said by whoever works on it as long as it works; what it ends with is the end's, and why it is not delivered is told
    // with that.
    if let Some(message) = &now.message
        && now.message != before.message
        && !now.status.is_final()
        && now.status != DispatchState::Undelivered
    {
        news.push(("message", clipped(message), message.as_str().into()));
    }
    if now.state != before.state {
        let state = Json::from(now.state.clone());
        news.push(("state", clipped(&format!("state: {state}")), state));
    }
    if now.usage != before.usage {
        let words = format!("used: {}", usage::words(&now.usage));
        news.push(("usage", clipped(&words), now.usage.clone().into()));
    }
    if let Some(warning) = &now.budget_warning
        && now.budget_warning != before.budget_warning
    {
        let words = format!("most of the budget is used: {warning}");
        news.push(("budget_warning", clipped(&words), warning.clone()));
    }
    news
}

fn status(now: &DispatchShown) -> String {
    let server = &now.target_server;
    match now.status {
        DispatchState::Queued => "on its way".to_owned(),
        DispatchState::Undelivered => {
            let why = now
                .message
                .as_deref()
                .map_or(String::new(), |why| format!(": {why}"));
            let words = clipped(&format!("`{server}` has not taken it{why}"));
            format!("{words}; `kite federation dead-letters replay` tries again")
        }
        DispatchState::Delivered => match &now.remote_intent_id {
            Some(id) => format!("`{server}` has taken it, as `{id}`"),
            None => format!("`{server}` has taken it"),
        },
        DispatchState::Rejected => format!("`{server}` does not want it"),
        DispatchState::Completed => "completed".to_owned(),
        DispatchState::Failed => "failed".to_owned(),
    }
}

fn clipped(text: &str) -> String {
    match text.chars().nth(NEWS_MAX_CHARS) {
        None => text.to_owned(),
        Some(_) => text.chars().take(NEWS_MAX_CHARS).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openintent::json::Object;

    fn lines(before: &DispatchShown, now: &DispatchShown) -> Vec<String> {
        let news = news(before, now).into_iter();
        news.map(|(_, words, _)| words).collect()
    }

    #[test]
    fn only_what_is_new_is_said() {
        let queued = DispatchShown::default();
        assert!(lines(&queued, &queued).is_empty());
        let working = DispatchShown {
            status: DispatchState::Delivered,
            target_server: "https://b.example".to_owned(),
            remote_intent_id: Some("fed-1".to_owned()),
            message: Some("half of it".to_owned()),
            state: Object::from([("rows".to_owned(), Json::from(7))]),
            ..queued.clone()
        };
        let wanted = [
            "`https://b.example` has taken it, as `fed-1`",
            "half of it",
            "state: {\"rows\":7}",
        ];
        assert_eq!(lines(&queued, &working), wanted);
        assert!(lines(&working, &working).is_empty());
        let ended = DispatchShown {
            status: DispatchState::Failed,
            message: Some("no data".to_owned()),
            usage: Object::from([("llm_tokens".to_owned(), Json::from(9))]),
            budget_warning: Some(Json::from(true)),
            ..working.clone()
        };
        let wanted = [
            "failed",
            "used: llm_tokens=9",
            "most of the budget is used: true",
        ];
        assert_eq!(lines(&working, &ended), wanted);
    }

    #[test]
    fn a_long_state_is_cut() {
        let now = DispatchShown {
            state: Object::from([("text".to_owned(), Json::from("x".repeat(9_000)))]),
            ..DispatchShown::default()
        };
        let lines = lines(&DispatchShown::default(), &now);
        assert_eq!(lines[0].chars().count(), NEWS_MAX_CHARS + 1);
    }
}

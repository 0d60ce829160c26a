//! `events.publish`: many events in one request, many requests under way on one connection.

use futures_util::future::{BoxFuture, FutureExt};

use super::error::ApiError;
use super::events::{API_SOURCE, Door};
use super::limit::Sender;
use super::state::App;
use crate::log::Submitted;
use crate::protocol::event::{EventDraft, EventFault};
use crate::protocol::id::SourceSlug;
use crate::protocol::permission::Permission;
use crate::protocol::rpc::{
    EventsPublish, PUBLISH_MAX_EVENTS, PublishResult, PublishStatus, Published,
};
use crate::store::record::{KeyRecord, NewEvent, Outcome};

/// Hands the events of a request over to the log. The future that is answered waits for their commit: until it is
/// there, nothing else of the connection has to wait, and what it sends next comes behind these.
pub(super) async fn submit(
    app: &App,
    sender: &Sender<'_>,
    key: &KeyRecord,
    params: EventsPublish<'_>,
) -> Result<BoxFuture<'static, Result<Published, ApiError>>, ApiError> {
    key.require(Permission::Write)?;
    let count = params.events.len();
    if !(1..=PUBLISH_MAX_EVENTS).contains(&count) {
        return Err(ApiError::bad_request(format!(
            "`events` must have 1 to {PUBLISH_MAX_EVENTS} events, and has {count}"
        )));
    }
    let now = app.clock.unix_millis();
    app.rates.admit(sender, count, now)?;
    let source = params.source.as_deref().unwrap_or(API_SOURCE);
    let door = Door {
        team: key.team.clone(),
        source: &SourceSlug::parse(source)?,
        is_verified: false,
        original_headers: None,
    };
    let mut ids = Vec::with_capacity(count);
    let mut events = Vec::with_capacity(count);
    for (place, text) in params.events.into_iter().enumerate() {
        // The whole frame was checked as JSON when it came in.
        let draft = EventDraft::parse_checked(text).map_err(|fault| at(place, fault))?;
        let (event, dedup) = door.admit(draft, now).map_err(|fault| at(place, fault))?;
        let new = NewEvent::new(key.team.clone(), &event, now, dedup);
        ids.push(event.id);
        events.push(new);
    }
    let submitted = app.log.submit(events).await?;
    Ok(published(submitted, ids).boxed())
}

/// Says which event of a request has a fault.
fn at(place: usize, fault: EventFault) -> ApiError {
    let text = format!("event {}: {fault}; nothing was stored", place + 1);
    let refused = ApiError::from(fault);
    ApiError::new(refused.status(), refused.code(), text)
}

/// The answer, once the events are stored.
async fn published(submitted: Submitted, ids: Vec<String>) -> Result<Published, ApiError> {
    let appended = submitted.appended().await?;
    let (_, usage) = appended
        .last()
        .ok_or_else(|| ApiError::bad_request("`events` is empty"))?;
    let usage = *usage;
    let is_refused = |(outcome, _): &(Outcome, _)| *outcome == Outcome::Exhausted;
    if appended.iter().all(is_refused) {
        return Err(ApiError::exhausted(usage));
    }
    let results = ids.into_iter().zip(appended).map(|(own, (outcome, _))| {
        let (id, status) = match outcome {
            Outcome::Stored(_) => (own, PublishStatus::Accepted),
            Outcome::Duplicate { id, .. } => (id, PublishStatus::DuplicateIgnored),
            Outcome::Exhausted => (own, PublishStatus::QuotaExhausted),
            Outcome::NoTeam => return Err(ApiError::not_found("the team is gone")),
        };
        Ok(PublishResult { id, status })
    });
    Ok(Published {
        status: "accepted".to_owned(),
        results: results.collect::<Result<_, _>>()?,
        usage,
    })
}

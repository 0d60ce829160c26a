//! `events.publish`: many events in one request, many requests under way on one connection.

use futures_util::future::{BoxFuture, FutureExt};

use super::door::{Admitted, Door, published};
use super::error::ApiError;
use super::events::API_SOURCE;
use super::limit::Sender;
use super::state::App;
use crate::protocol::event::EventDraft;
use crate::protocol::id::SourceSlug;
use crate::protocol::permission::Permission;
use crate::protocol::rpc::{EventsPublish, PUBLISH_MAX_EVENTS, Published};
use crate::store::record::KeyRecord;

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
        hook_token: None,
        original_headers: None,
    };
    // The whole frame was checked as JSON when it came in, and allows an event no more depth than any event has.
    let drafts = params.events.into_iter().map(EventDraft::parse_checked);
    let Admitted { ids, events } = door.admit_all(drafts, now)?;
    let submitted = app.log.submit(events).await?;
    Ok(published(submitted, ids).boxed())
}

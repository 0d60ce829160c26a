//! CloudEvents on their way into the log, in whatever form they came (spec 11).

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::error::{ApiError, json};
use super::limit::Sender;
use super::state::App;
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::log::Submitted;
use crate::protocol::api::{EventAnswer, PublishStatus};
use crate::protocol::event::{Event, EventDraft, EventFault, Extension};
use crate::protocol::id::{SourceSlug, TeamId};
use crate::protocol::json;
use crate::protocol::rpc::{PublishResult, Published};
use crate::protocol::token::{Token, TokenKind};
use crate::store::record::{Dedup, KeyHash, Millis, NewEvent, Origin, Outcome};
use crate::webhook::cloudevents::{self, Mode};

/// By what door a CloudEvent came in, and what the server says of it.
pub(super) struct Door<'a> {
    /// Whose log.
    pub(super) team: TeamId,
    /// The endpoint's slug.
    pub(super) source: &'a SourceSlug,
    /// Whether a signature was checked.
    pub(super) is_verified: bool,
    /// What knows the endpoint's token, where it came by one: no attribute may hold it.
    pub(super) hook_token: Option<&'a KeyHash>,
    /// The request's headers, where they are kept.
    pub(super) original_headers: Option<String>,
}

/// Events that are ready for the log, and their ids in the same order.
pub(super) struct Admitted {
    /// The ids.
    pub(super) ids: Vec<String>,
    /// The events.
    pub(super) events: Vec<NewEvent>,
}

impl Door<'_> {
    /// Readies an event for the log. What makes it the same one again comes with it.
    fn admit(&self, draft: EventDraft, now: Millis) -> Result<(Event, Option<Dedup>), EventFault> {
        // An id that we make up here is new every time: there is nothing to recognise.
        let is_named = draft.id.is_some();
        let mut event = draft.complete(random::uuid7, || format!("https://{}", self.source));
        event.admit(self.source.as_str(), self.is_verified)?;
        if let Some(holder) = event.attribute_that(|text| self.has_hook_token(text)) {
            return Err(EventFault::HookToken(holder.to_owned()));
        }
        if let Some(headers) = &self.original_headers {
            let headers = Extension::Text(headers.clone());
            event
                .extensions
                .insert("kiteoriginalheaders".to_owned(), headers);
        }
        event.time.get_or_insert_with(|| rfc3339(now));
        let dedup = is_named.then(|| Dedup {
            key: event.dedup_key(),
            fingerprint: None,
        });
        Ok((event, dedup))
    }

    /// Only endpoints have tokens of their own.
    fn origin(&self) -> Origin {
        match self.hook_token {
            Some(_) => Origin::Webhook,
            None => Origin::Api,
        }
    }

    fn has_hook_token(&self, text: &str) -> bool {
        self.hook_token.is_some_and(|hash| {
            Token::found_in(text, TokenKind::HookToken).any(|token| hash.matches(&token))
        })
    }

    /// Readies all events of a request, or says which one has a fault.
    pub(super) fn admit_all(
        &self,
        drafts: impl ExactSizeIterator<Item = Result<EventDraft, EventFault>>,
        now: Millis,
    ) -> Result<Admitted, ApiError> {
        let mut admitted = Admitted {
            ids: Vec::with_capacity(drafts.len()),
            events: Vec::with_capacity(drafts.len()),
        };
        for (place, draft) in drafts.enumerate() {
            let (event, dedup) = draft
                .and_then(|draft| self.admit(draft, now))
                .map_err(|fault| at(place, fault))?;
            let new = NewEvent::new(self.team.clone(), &event, now, dedup).by(self.origin());
            admitted.ids.push(event.id);
            admitted.events.push(new);
        }
        Ok(admitted)
    }

    /// Stores what a request carries and answers for it. One event was counted for its sender's rates already.
    pub(super) async fn take(
        self,
        app: &App,
        sender: &Sender<'_>,
        mode: Mode<'_>,
        sent: &[u8],
    ) -> Result<Response, ApiError> {
        let now = app.clock.unix_millis();
        let draft = match mode {
            Mode::Structured => EventDraft::parse(json::text(sent)?)?,
            Mode::Binary(binary) => binary.read(sent)?,
            Mode::Batch => return self.take_batch(app, sender, sent, now).await,
            Mode::None(_) => return Err(unread()),
        };
        let (event, dedup) = self.admit(draft, now)?;
        let origin = self.origin();
        let new = NewEvent::new(self.team, &event, now, dedup).by(origin);
        Ok(answered(store(app, new).await?))
    }

    async fn take_batch(
        self,
        app: &App,
        sender: &Sender<'_>,
        sent: &[u8],
        now: Millis,
    ) -> Result<Response, ApiError> {
        let events = cloudevents::batch(sent)?;
        app.rates.admit(sender, events.len() - 1, now)?;
        let drafts = events.iter().map(|text| EventDraft::parse(text.get()));
        let Admitted { ids, events } = self.admit_all(drafts, now)?;
        let submitted = app.log.submit(events).await?;
        Ok(json(
            StatusCode::ACCEPTED,
            &published(submitted, ids).await?,
        ))
    }
}

/// The lines of a request's headers.
pub(super) fn header_lines(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn unread() -> ApiError {
    ApiError::unsupported(
        "send a CloudEvent with `Content-Type: application/cloudevents+json`, a batch with `application/cloudevents-batch+json`, or binary mode with `ce-` headers",
    )
}

/// Says which event of a request has a fault.
fn at(place: usize, fault: EventFault) -> ApiError {
    let text = format!("event {}: {fault}; nothing was stored", place + 1);
    let refused = ApiError::from(fault);
    ApiError::new(refused.status(), refused.code(), text)
}

/// Stores an event.
pub(super) async fn store(app: &App, new: NewEvent) -> Result<EventAnswer, ApiError> {
    let (id, created_at) = (new.id.clone(), rfc3339(new.created_at));
    let (outcome, usage) = app.log.append(new).await?;
    match outcome {
        Outcome::Stored(_) => Ok(EventAnswer::Accepted {
            id,
            created_at,
            usage,
        }),
        Outcome::Duplicate { id, .. } => Ok(EventAnswer::DuplicateIgnored { id }),
        Outcome::Exhausted => Err(ApiError::exhausted(usage)),
        Outcome::NotAdmitted => Err(not_admitted()),
        Outcome::Stale | Outcome::NoTeam => Err(ApiError::not_found("the team is gone")),
    }
}

/// A peer that was let in, and may not be any more by the time its event would be stored.
pub(super) fn not_admitted() -> ApiError {
    ApiError::forbidden("the peer was paused or revoked, or its token was replaced")
}

/// Answers for an event that was stored (spec 8).
pub(super) fn answered(answer: EventAnswer) -> Response {
    let (status, id) = match &answer {
        EventAnswer::Accepted { id, .. } => (StatusCode::ACCEPTED, id),
        EventAnswer::DuplicateIgnored { id } => (StatusCode::OK, id),
    };
    let mut response = json(status, &answer);
    // An id with characters that no header can hold stands in the body alone.
    if let Ok(id) = HeaderValue::from_str(id) {
        let name = HeaderName::from_static("x-kite-event-id");
        response.headers_mut().insert(name, id);
    }
    response
}

/// The answer to several events, once they are stored.
pub(super) async fn published(
    submitted: Submitted,
    ids: Vec<String>,
) -> Result<Published, ApiError> {
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
            Outcome::NotAdmitted => return Err(not_admitted()),
            Outcome::Stale | Outcome::NoTeam => {
                return Err(ApiError::not_found("the team is gone"));
            }
        };
        Ok(PublishResult { id, status })
    });
    Ok(Published {
        status: "accepted".to_owned(),
        results: results.collect::<Result<_, _>>()?,
        usage,
    })
}

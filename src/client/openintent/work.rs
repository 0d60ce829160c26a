//! The calls about work on intents: what agents say of intents that came in, and what became of those that went out. They
//! go to the own server alone.

use std::path::Path;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};

use super::super::api::{Answer, Api, escape};
use super::super::{ClientError, http};
use super::text;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DispatchState, IntentStatus, ModelFault};
use crate::openintent::work::{Assignment, DispatchShown, IntentShown, Verb, WorkReport};

/// Which intents, or which dispatches, to list: those with a status `S`, newest first.
#[derive(Debug, Clone, Default)]
pub struct WorkQuery<S> {
    /// With a status.
    pub status: Option<S>,
    /// Of an agent: that does an intent, or that sent a dispatch.
    pub agent: Option<String>,
    /// At most this many.
    pub limit: Option<u64>,
    /// Behind the end of another list.
    pub before: Option<String>,
}

/// A piece of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkPage<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the list goes on, if it does: [`WorkQuery::before`] takes it.
    pub next: Option<String>,
}

impl<S: Copy> WorkQuery<S> {
    fn pairs(&self, word: impl Fn(S) -> &'static str) -> Vec<(&'static str, String)> {
        let pairs = [
            ("status", self.status.map(|status| word(status).to_owned())),
            ("agent", self.agent.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("before", self.before.clone()),
        ];
        let given = pairs.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

impl Api {
    /// `GET /api/openintent/intents`.
    ///
    /// # Errors
    /// As every call.
    pub async fn intents(
        &self,
        query: &WorkQuery<IntentStatus>,
    ) -> Result<WorkPage<IntentShown>, ClientError> {
        let pairs = query.pairs(IntentStatus::word);
        let request = self.request_at(Method::GET, INTENTS_PATH, &pairs);
        let read = |answer: &Json| page(answer, "intents", IntentShown::from_json);
        Ok(self.read(request, read).await?.value)
    }

    /// `GET /api/openintent/intents/{id}`.
    ///
    /// # Errors
    /// As every call.
    pub async fn intent(&self, id: &str) -> Result<Answer<IntentShown>, ClientError> {
        let path = format!("{INTENTS_PATH}/{}", escape(id));
        self.read(self.request_at(Method::GET, &path, &[]), intent)
            .await
    }

    /// `POST /api/openintent/intents`: an intent for an own agent. With an idempotency key it may be sent again.
    ///
    /// # Errors
    /// As every call.
    pub async fn assign(
        &self,
        assignment: &Assignment,
    ) -> Result<Answer<IntentShown>, ClientError> {
        let request = self.request_at(Method::POST, INTENTS_PATH, &[]);
        self.read(carrying(request, &assignment.to_json()), intent)
            .await
    }

    /// `POST /api/openintent/intents/{id}/{verb}`. With an idempotency key it may be sent again.
    ///
    /// # Errors
    /// As every call.
    pub async fn report(
        &self,
        id: &str,
        verb: Verb,
        report: &WorkReport,
    ) -> Result<Answer<IntentShown>, ClientError> {
        let path = format!("{INTENTS_PATH}/{}/{}", escape(id), verb.word());
        let request = self.request_at(Method::POST, &path, &[]);
        self.read(carrying(request, &report.to_json()), intent)
            .await
    }

    /// `GET /api/openintent/dispatches`.
    ///
    /// # Errors
    /// As every call.
    pub async fn dispatches(
        &self,
        query: &WorkQuery<DispatchState>,
    ) -> Result<WorkPage<DispatchShown>, ClientError> {
        let pairs = query.pairs(DispatchState::word);
        let request = self.request_at(Method::GET, DISPATCHES_PATH, &pairs);
        let read = |answer: &Json| page(answer, "dispatches", DispatchShown::from_json);
        Ok(self.read(request, read).await?.value)
    }

    /// `GET /api/openintent/dispatches/{id}`.
    ///
    /// # Errors
    /// As every call.
    pub async fn dispatch_shown(&self, id: &str) -> Result<Answer<DispatchShown>, ClientError> {
        let path = format!("{DISPATCHES_PATH}/{}", escape(id));
        let request = self.request_at(Method::GET, &path, &[]);
        let read = |answer: &Json| DispatchShown::from_json(answer).map_err(|it| it.to_string());
        self.read(request, read).await
    }

    /// Posts a callback to a path of the own server, with its key; the text of the answer.
    ///
    /// # Errors
    /// As every call.
    pub async fn call_back(&self, path: &str, callback: &Object) -> Result<String, ClientError> {
        let request = self.openintent(Method::POST, path);
        let request = carrying(request, &Json::from(callback.clone()));
        text(&self.server().http_base, request).await
    }
}

/// Posts a callback to a URL, whatever its path, and shows it no key; the text of the answer, which may be anything.
///
/// # Errors
/// When it cannot be reached, or answers with anything but success.
pub async fn call_back_to(
    url: &str,
    ca_file: Option<&Path>,
    callback: &Object,
) -> Result<String, ClientError> {
    let request = http::client(url, ca_file)?.post(url);
    text(url, carrying(request, &Json::from(callback.clone()))).await
}

/// Where intents are, and where dispatches are, in kite's own API.
const INTENTS_PATH: &str = "api/openintent/intents";
const DISPATCHES_PATH: &str = "api/openintent/dispatches";

/// A request with a body.
fn carrying(request: RequestBuilder, body: &Json) -> RequestBuilder {
    let request = request.header(CONTENT_TYPE, "application/json");
    request.body(body.to_string())
}

fn intent(answer: &Json) -> Result<IntentShown, String> {
    IntentShown::from_json(answer).map_err(|fault| fault.to_string())
}

/// A list in the member of this name, and where it goes on.
fn page<T>(
    answer: &Json,
    name: &str,
    row: impl Fn(&Json) -> Result<T, ModelFault>,
) -> Result<WorkPage<T>, String> {
    let list = answer.get(name).and_then(Json::as_array);
    let list = list.ok_or_else(|| format!("it has no list `{name}`"))?;
    let rows: Result<Vec<T>, ModelFault> = list.iter().map(row).collect();
    let next = answer.get("next").and_then(Json::as_str);
    Ok(WorkPage {
        rows: rows.map_err(|fault| fault.to_string())?,
        next: next.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_list_goes_on() {
        let read = |text: &str| page(&text.parse().unwrap(), "intents", IntentShown::from_json);
        let first = read(r#"{"intents":[{"intent_id":"i","status":"running"}],"next":"c"}"#);
        let first = first.unwrap();
        assert_eq!(first.rows[0].status, IntentStatus::Running);
        assert_eq!(first.next.as_deref(), Some("c"));
        assert_eq!(read(r#"{"intents":[]}"#).unwrap().next, None);
        assert!(read("[]").unwrap_err().contains("`intents`"));
        assert!(read(r#"{"intents":[{"status":"lost"}]}"#).is_err());
    }

    #[test]
    fn a_query_says_what_was_asked_and_nothing_more() {
        let all = WorkQuery::<DispatchState>::default();
        assert!(all.pairs(DispatchState::word).is_empty());
        let some = WorkQuery {
            status: Some(DispatchState::Undelivered),
            limit: Some(5),
            ..all
        };
        let wanted = [
            ("status", "undelivered".to_owned()),
            ("limit", "5".to_owned()),
        ];
        assert_eq!(some.pairs(DispatchState::word), wanted);
    }
}

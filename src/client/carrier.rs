//! Ways of bringing many events to a server, several requests at a time: calls over one WebSocket, batches over HTTP, or
//! event by event.

use std::collections::{BTreeMap, VecDeque};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::api::Results;
use super::http::CALL_LIMIT;
use super::publisher::Parcel;
use super::rpc::Caller;
use super::{Api, ClientError, Server};
use crate::protocol::api::PublishStatus;
use crate::protocol::id::TeamId;
use crate::protocol::rpc::EventsPublish;

/// How many requests are under way together.
const IN_FLIGHT_MAX: usize = 4;

/// A way to bring events to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// `events.publish`, in order.
    Calls,
    /// Batches over HTTP.
    Batches,
    /// One request for each event.
    Singles,
}

impl Route {
    /// How many events a request may have.
    pub(super) fn max_events(self) -> usize {
        match self {
            Self::Calls => 500,
            Self::Batches => 100,
            Self::Singles => 1,
        }
    }

    /// What to try where a server does not know this one.
    pub(super) fn next(self) -> Option<Self> {
        match self {
            Self::Calls => Some(Self::Batches),
            Self::Batches => Some(Self::Singles),
            Self::Singles => None,
        }
    }
}

/// Events that were sent together, and what became of each.
pub(super) struct Settled {
    /// The events.
    pub(super) batch: Vec<Parcel>,
    /// How they were sent.
    pub(super) route: Route,
    /// What was answered.
    pub(super) result: Result<Vec<PublishStatus>, ClientError>,
}

/// Requests that are under way.
pub(super) struct Carrier {
    server: Server,
    team: Option<TeamId>,
    api: Api,
    connection: Option<Connection>,
    posts: FuturesUnordered<BoxFuture<'static, Settled>>,
    /// Calls whose connection is gone, and why.
    lost: VecDeque<Settled>,
}

struct Connection {
    caller: Caller,
    calls: BTreeMap<u64, Vec<Parcel>>,
    /// When it was last known to live.
    heard: Instant,
}

impl Carrier {
    pub(super) fn new(server: &Server, team: Option<TeamId>) -> Result<Self, ClientError> {
        Ok(Self {
            server: server.clone(),
            api: Api::new(server, team.clone())?,
            team,
            connection: None,
            posts: FuturesUnordered::new(),
            lost: VecDeque::new(),
        })
    }

    /// The best way there may be.
    pub(super) fn first_route(&self) -> Route {
        match self.team {
            Some(_) => Route::Calls,
            // A call names its team.
            None => Route::Batches,
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.len() == 0
    }

    /// Whether one more request may be.
    pub(super) fn has_room(&self) -> bool {
        self.len() < IN_FLIGHT_MAX
    }

    fn len(&self) -> usize {
        let calls = self.connection.as_ref().map_or(0, |it| it.calls.len());
        calls + self.posts.len() + self.lost.len()
    }

    /// Readies a way. Over HTTP there is nothing to ready.
    pub(super) async fn open(&mut self, route: Route) -> Result<(), ClientError> {
        if let (Route::Calls, None, Some(team)) = (route, &self.connection, &self.team) {
            self.connection = Some(Connection {
                caller: Caller::open(&self.server, team).await?,
                calls: BTreeMap::new(),
                heard: Instant::now(),
            });
        }
        Ok(())
    }

    /// Whether a way is ready.
    pub(super) fn is_open(&self, route: Route) -> bool {
        route != Route::Calls || self.connection.is_some()
    }

    /// Sends events. What comes of them [`Carrier::settled`] tells, a failure to send them too.
    pub(super) async fn send(&mut self, batch: Vec<Parcel>, route: Route) {
        match route {
            Route::Calls => self.call(batch).await,
            Route::Batches | Route::Singles => {
                self.posts
                    .push(Box::pin(post(self.api.clone(), batch, route)));
            }
        }
    }

    async fn call(&mut self, batch: Vec<Parcel>) {
        let Some(connection) = &mut self.connection else {
            let error = self.closed("the connection is gone");
            return self.lost.push_back(lost(batch, error));
        };
        if connection.calls.is_empty() {
            connection.heard = Instant::now();
        }
        let events = batch.iter().filter_map(|parcel| {
            // The texts are events that were read before.
            serde_json::from_str::<&RawValue>(&parcel.text).ok()
        });
        let params = EventsPublish {
            events: events.collect(),
            source: None,
        };
        match connection.caller.begin_publish(&params).await {
            Ok(number) => {
                connection.calls.insert(number, batch);
            }
            Err(error) => {
                self.lost.push_back(lost(batch, error));
                self.disconnect("sending failed");
            }
        }
    }

    /// Waits for what became of a request. With nothing under way it waits on, and minds the connection. It may be given
    /// up at any moment.
    pub(super) async fn settled(&mut self) -> Settled {
        loop {
            if let Some(settled) = self.lost.pop_front() {
                return settled;
            }
            let Some(connection) = &mut self.connection else {
                match self.posts.next().await {
                    Some(settled) => return settled,
                    None => std::future::pending().await,
                }
            };
            let answered = tokio::select! {
                Some(settled) = self.posts.next() => return settled,
                answered = connection.answer() => answered,
            };
            match answered {
                Ok(Some(settled)) => return settled,
                Ok(None) => {}
                Err(error) => self.disconnect_with(error),
            }
        }
    }

    fn disconnect(&mut self, why: &str) {
        self.disconnect_with(self.closed(why));
    }

    /// Lets the connection go. The first of its calls is told why, the others that it is gone.
    fn disconnect_with(&mut self, error: ClientError) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let mut why = Some(error);
        for batch in connection.calls.into_values() {
            let error = why
                .take()
                .unwrap_or_else(|| self.closed("the connection is gone"));
            self.lost.push_back(lost(batch, error));
        }
    }

    fn closed(&self, why: &str) -> ClientError {
        ClientError::Lost {
            server: self.server.ws_url.clone(),
            why: why.to_owned(),
        }
    }

    /// Takes leave of the server.
    pub(super) async fn close(self) {
        if let Some(connection) = self.connection {
            connection.caller.close().await;
        }
    }
}

impl Connection {
    /// The next answer, if it is to a call that is waited for.
    async fn answer(&mut self) -> Result<Option<Settled>, ClientError> {
        let answered = match self.calls.is_empty() {
            true => self.caller.published().await?,
            false => timeout_at(self.heard + CALL_LIMIT, self.caller.published())
                .await
                .unwrap_or_else(|_| Err(self.caller.silent(CALL_LIMIT)))?,
        };
        self.heard = Instant::now();
        let (number, result) = answered;
        Ok(self.calls.remove(&number).map(|batch| Settled {
            batch,
            route: Route::Calls,
            result: result.map(statuses),
        }))
    }
}

fn lost(batch: Vec<Parcel>, error: ClientError) -> Settled {
    Settled {
        batch,
        route: Route::Calls,
        result: Err(error),
    }
}

fn statuses(answer: Results) -> Vec<PublishStatus> {
    answer.results.iter().map(|result| result.status).collect()
}

async fn post(api: Api, batch: Vec<Parcel>, route: Route) -> Settled {
    let texts: Vec<&str> = batch.iter().map(|parcel| parcel.text.as_str()).collect();
    let result = match (route, texts.as_slice()) {
        (Route::Singles, [event]) => api.post_event(event).await.map(|it| vec![it.status]),
        _ => api.post_batch(&texts).await.map(statuses),
    };
    Settled {
        batch,
        route,
        result,
    }
}

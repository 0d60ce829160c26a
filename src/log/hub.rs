//! Fan-out: who gets an event is looked up, its frame is built once.
//!
//! Subscribers that ask for agents alone are found by the agent's id; the others are grouped by identical filters, and
//! each group is tried once. A subscriber whose queue is full is dropped from the index: its queue ends, and it reads the
//! log from where it stopped. So nobody waits for a slow one, and memory stays bounded (promise 8).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::queue;
use crate::protocol::frame::event_frame;
use crate::protocol::id::{Seq, TeamId};
use crate::protocol::scope::Filter;
use crate::store::record::NewEvent;

/// An event as it goes to a socket.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its place in the log.
    pub seq: Seq,
    /// The text of the `event` frame. The WebSocket library's own shared text: made and checked once, then handed to any
    /// number of sockets without a copy.
    pub frame: Utf8Bytes,
}

/// All teams that anybody asked about.
#[derive(Default)]
pub(super) struct Hub {
    teams: Mutex<HashMap<TeamId, Arc<Team>>>,
}

#[derive(Default)]
struct Team {
    /// The highest number that was published. Outside the lock: sessions look at it with every acknowledgement.
    head: AtomicU64,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    next_subscriber: u64,
    /// Subscribers that ask for agents alone, under each agent.
    by_agent: HashMap<String, HashMap<u64, (Arc<Filter>, Queue)>>,
    /// All others, by what they ask for.
    by_filter: HashMap<Arc<Filter>, HashMap<u64, Queue>>,
}

/// The sending end of a subscriber's queue. A queue that leaves the index ends: its subscriber reads the log.
struct Queue(queue::Sender);

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The receiving end: events above [`Subscription::head`] that match, in order. Ends when the subscriber fell behind.
pub struct Subscription {
    /// Events up to here are to be read from the log.
    pub head: Seq,
    events: queue::Receiver,
    /// Removes the subscriber from the index when it goes.
    place: Place,
}

impl Subscription {
    /// The next event; `None` when the subscriber fell behind and has to read the log.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.events.next().await
    }

    /// The next event if one waits.
    pub fn try_next(&mut self) -> Option<Delivery> {
        self.events.try_next()
    }

    /// Up to here everything that matches has been taken, unless something waits or the subscriber fell behind.
    pub fn caught_up_to(&self) -> Option<Seq> {
        // The head first: what it counts was put into the queue before, or the queue was ended.
        let head = self.place.team.head.load(Ordering::Acquire);
        self.events.is_idle().then_some(head)
    }
}

/// A subscriber's place in the index.
struct Place {
    team: Arc<Team>,
    filter: Arc<Filter>,
    subscriber: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.team.index).remove(&self.filter, self.subscriber);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The index is changed in single steps: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// From where on a team's log has to be published up to a number, which may be wrong. Where nobody listens nothing
    /// has to be.
    pub(super) fn gap(&self, team: &TeamId, through: Seq) -> Option<Seq> {
        let team = lock(&self.teams).get(team)?.clone();
        let index = lock(&team.index);
        let head = team.head.load(Ordering::Acquire);
        (head < through && !index.is_empty()).then_some(head)
    }

    /// Gives up publishing up to a number: everybody finds it in the log.
    pub(super) fn skip(&self, team: &TeamId, through: Seq) {
        let team = self.team(team);
        let mut index = lock(&team.index);
        *index = Index {
            next_subscriber: index.next_subscriber,
            ..Index::default()
        };
        team.head.fetch_max(through, Ordering::AcqRel);
    }

    /// The teams that somebody listens to.
    pub(super) fn listened(&self) -> Vec<TeamId> {
        let teams: Vec<_> = {
            let teams = lock(&self.teams);
            let pair = |(id, team): (&TeamId, &Arc<Team>)| (id.clone(), team.clone());
            teams.iter().map(pair).collect()
        };
        let is_heard = |team: &Arc<Team>| !lock(&team.index).is_empty();
        let heard = teams.into_iter().filter(|(_, team)| is_heard(team));
        heard.map(|(id, _)| id).collect()
    }

    fn team(&self, team: &TeamId) -> Arc<Team> {
        let mut teams = lock(&self.teams);
        match teams.get(team) {
            Some(known) => known.clone(),
            None => teams.entry(team.clone()).or_default().clone(),
        }
    }

    /// Subscribes from the present head on, of a log that goes up to `last` at least.
    pub(super) fn subscribe(&self, team: &TeamId, filter: &Arc<Filter>, last: Seq) -> Subscription {
        let team = self.team(team);
        let (sender, receiver) = queue::queue();
        let mut index = lock(&team.index);
        if index.is_empty() {
            // Nobody waits for what lies between.
            team.head.fetch_max(last, Ordering::AcqRel);
        }
        let subscriber = index.insert(filter, &sender);
        // Under the lock: what is published from here on is in the queue.
        let head = team.head.load(Ordering::Acquire);
        drop(index);
        Subscription {
            head,
            events: receiver,
            place: Place {
                team,
                filter: filter.clone(),
                subscriber,
            },
        }
    }

    /// Gives an event to all whose filter it matches; once, and in the order of the numbers. Says whether that is done:
    /// an event behind one that was stored elsewhere has to wait for it.
    pub(super) fn publish(&self, event: &NewEvent, seq: Seq) -> bool {
        let team = self.team(&event.team);
        let mut index = lock(&team.index);
        let head = team.head.load(Ordering::Acquire);
        if seq <= head {
            return true;
        }
        if seq > head + 1 && !index.is_empty() {
            return false;
        }
        index.publish(event, seq);
        // Raised behind the queues: whoever sees this head finds the event there.
        team.head.store(seq, Ordering::Release);
        true
    }
}

impl Index {
    fn is_empty(&self) -> bool {
        self.by_agent.is_empty() && self.by_filter.is_empty()
    }

    fn insert(&mut self, filter: &Arc<Filter>, sender: &queue::Sender) -> u64 {
        let subscriber = self.next_subscriber;
        self.next_subscriber += 1;
        match filter.only_agents() {
            Some(agents) => {
                for agent in agents {
                    self.by_agent
                        .entry(agent.to_owned())
                        .or_default()
                        .insert(subscriber, (filter.clone(), Queue(sender.clone())));
                }
            }
            None => {
                self.by_filter
                    .entry(filter.clone())
                    .or_default()
                    .insert(subscriber, Queue(sender.clone()));
            }
        }
        subscriber
    }

    fn remove(&mut self, filter: &Arc<Filter>, subscriber: u64) {
        for agent in filter.only_agents().unwrap_or_default() {
            if let Some(places) = self.by_agent.get_mut(agent) {
                places.remove(&subscriber);
                if places.is_empty() {
                    self.by_agent.remove(agent);
                }
            }
        }
        if let Some(group) = self.by_filter.get_mut(filter) {
            group.remove(&subscriber);
            if group.is_empty() {
                self.by_filter.remove(filter);
            }
        }
    }

    fn publish(&mut self, event: &NewEvent, seq: Seq) {
        let header = event.header();
        let mut delivery: Option<Delivery> = None;
        let mut offer = |queue: &Queue| {
            let delivery = delivery.get_or_insert_with(|| Delivery {
                seq,
                frame: event_frame(seq, &event.text).into(),
            });
            queue.0.offer(delivery)
        };
        let mut behind: Vec<(Arc<Filter>, u64)> = Vec::new();
        if let Some(places) = event.agent_to.as_ref().and_then(|to| self.by_agent.get(to)) {
            for (subscriber, (filter, queue)) in places {
                if filter.allowed.match_any(&header) && !offer(queue) {
                    behind.push((filter.clone(), *subscriber));
                }
            }
        }
        for (filter, group) in &self.by_filter {
            if filter.matches(&header) {
                for (subscriber, queue) in group {
                    if !offer(queue) {
                        behind.push((filter.clone(), *subscriber));
                    }
                }
            }
        }
        for (filter, subscriber) in behind {
            self.remove(&filter, subscriber);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::queue::{QUEUE_MAX_BYTES, QUEUE_MAX_EVENTS};
    use crate::protocol::scope::Scopes;

    fn team() -> TeamId {
        "acme".parse().unwrap()
    }

    fn filter(scopes: &[&str]) -> Arc<Filter> {
        Arc::new(Filter {
            requested: Scopes::parse(scopes).unwrap(),
            allowed: Scopes::all(),
        })
    }

    fn message(to: &str) -> NewEvent {
        NewEvent {
            agent_to: Some(to.to_owned()),
            ..NewEvent::bare(
                team(),
                ["e", "com.kite.agent.message", "https://a"],
                0,
                "{\"id\":\"e\"}".to_owned(),
            )
        }
    }

    #[test]
    fn a_message_reaches_its_agent_and_those_who_take_everything_once() {
        let hub = Hub::default();
        let mut alpha = hub.subscribe(&team(), &filter(&["agent_to:alpha"]), 0);
        let mut beta = hub.subscribe(&team(), &filter(&["agent_to:beta"]), 0);
        let mut all = hub.subscribe(&team(), &filter(&["*", "type:kite"]), 0);
        hub.publish(&message("alpha"), 1);
        assert_eq!(alpha.try_next().unwrap().seq, 1);
        assert_eq!(all.try_next().unwrap().seq, 1);
        assert!(
            alpha.try_next().is_none() && beta.try_next().is_none() && all.try_next().is_none()
        );
    }

    #[test]
    fn receivers_share_one_frame() {
        let hub = Hub::default();
        let mut one = hub.subscribe(&team(), &filter(&["*"]), 0);
        let mut two = hub.subscribe(&team(), &filter(&["type:com"]), 0);
        hub.publish(&message("x"), 1);
        let (one, two) = (one.try_next().unwrap().frame, two.try_next().unwrap().frame);
        assert_eq!(one.as_ptr(), two.as_ptr());
    }

    #[tokio::test]
    async fn a_subscriber_that_stands_still_is_sent_to_the_log_and_delays_nobody() {
        let hub = Hub::default();
        let mut slow = hub.subscribe(&team(), &filter(&["agent_to:x"]), 0);
        let mut quick = hub.subscribe(&team(), &filter(&["*"]), 0);
        for seq in 1..=QUEUE_MAX_EVENTS as Seq + 1 {
            hub.publish(&message("x"), seq);
            assert_eq!(quick.try_next().unwrap().seq, seq);
        }
        for seq in 1..=QUEUE_MAX_EVENTS as Seq {
            assert_eq!(slow.next().await.unwrap().seq, seq);
        }
        assert!(slow.next().await.is_none());
        assert!(hub.subscribe(&team(), &filter(&["*"]), 0).head > slow.head);
    }

    #[test]
    fn bytes_in_a_queue_are_bounded_and_one_large_event_still_passes() {
        let hub = Hub::default();
        let mut one = hub.subscribe(&team(), &filter(&["*"]), 0);
        let mut large = message("x");
        large.text = format!("{{\"x\":\"{}\"}}", "y".repeat(QUEUE_MAX_BYTES));
        hub.publish(&large, 1);
        hub.publish(&large, 2);
        assert_eq!(one.try_next().unwrap().seq, 1);
        assert!(one.try_next().is_none());
    }

    #[test]
    fn an_event_waits_for_one_that_was_stored_elsewhere() {
        let hub = Hub::default();
        let mut one = hub.subscribe(&team(), &filter(&["*"]), 4);
        assert!(!hub.publish(&message("x"), 6));
        assert_eq!(one.caught_up_to(), Some(4));
        assert_eq!(hub.gap(&team(), 6), Some(4));
        assert!(hub.publish(&message("x"), 5) && hub.publish(&message("x"), 6));
        assert!(hub.publish(&message("x"), 6), "it is published already");
        let seqs = [one.try_next(), one.try_next()].map(|next| next.unwrap().seq);
        assert_eq!((seqs, one.try_next().is_none()), ([5, 6], true));
        assert_eq!(hub.gap(&team(), 6), None);
    }

    #[test]
    fn where_nobody_listens_nothing_has_to_be_read() {
        let hub = Hub::default();
        assert_eq!(hub.gap(&team(), 9), None);
        assert!(hub.publish(&message("x"), 12));
        assert!(hub.listened().is_empty());
        let one = hub.subscribe(&team(), &filter(&["*"]), 15);
        assert_eq!((one.head, hub.listened()), (15, vec![team()]));
    }

    #[tokio::test]
    async fn what_cannot_be_published_sends_everybody_to_the_log() {
        let hub = Hub::default();
        let mut one = hub.subscribe(&team(), &filter(&["*"]), 0);
        hub.publish(&message("x"), 1);
        hub.skip(&team(), 3);
        assert_eq!(one.next().await.unwrap().seq, 1);
        assert!(one.next().await.is_none());
        assert_eq!(one.caught_up_to(), None);
        assert_eq!(hub.subscribe(&team(), &filter(&["*"]), 0).head, 3);
    }

    #[test]
    fn nothing_is_left_behind_by_those_who_go() {
        let hub = Hub::default();
        drop(hub.subscribe(&team(), &filter(&["agent_to:x", "agent_to:y"]), 0));
        drop(hub.subscribe(&team(), &filter(&["*"]), 0));
        let team = hub.team(&team());
        let index = lock(&team.index);
        assert!(index.by_agent.is_empty() && index.by_filter.is_empty());
    }
}

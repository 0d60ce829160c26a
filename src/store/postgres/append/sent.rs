//! The events that are sent, and the parameters that they make.

use serde::Serialize;
use tokio_postgres::types::ToSql;

use super::statement::{Dealings, insertion};
use super::{changes, exchanges};
use crate::base::random;
use crate::store::Result;
use crate::store::federation::PeerNumber;
use crate::store::limits::NAMESAKES_MAX;
use crate::store::peers::Decision;
use crate::store::postgres::{json, signed};
use crate::store::record::{Batch, Dedup, Millis, NewEvent, QuotaTurn};

/// An event that is sent.
pub(super) struct Sent<'a> {
    pub(super) event: &'a NewEvent,
    /// The version of the peers that it was decided by.
    pub(super) version: i64,
    pub(super) decisions: Vec<Decision>,
}

/// A peer that an event does not go to, as the statement takes it.
#[derive(Serialize)]
struct Declined<'a> {
    peer: PeerNumber,
    id: String,
    reason: &'a str,
}

impl Sent<'_> {
    /// The peers that it goes to.
    pub(super) fn forwards(&self) -> Vec<PeerNumber> {
        let goes = |decision: &&Decision| decision.declined.is_none();
        let peers = self.decisions.iter().filter(goes);
        peers.map(|decision| decision.peer).collect()
    }

    /// The same as an array of PostgreSQL.
    fn forwards_text(&self) -> Option<String> {
        let peers: Vec<String> = self.forwards().iter().map(i64::to_string).collect();
        (!peers.is_empty()).then(|| format!("{{{}}}", peers.join(",")))
    }

    /// The peers that it does not go to, as JSON.
    fn declined_text(&self) -> Result<Option<String>> {
        let declined = self.decisions.iter().filter_map(|decision| {
            Some(Declined {
                peer: decision.peer,
                id: random::uuid7(),
                reason: decision.declined.as_deref()?,
            })
        });
        let declined: Vec<Declined<'_>> = declined.collect();
        match declined.is_empty() {
            true => Ok(None),
            false => json(&declined).map(Some),
        }
    }
}

/// The parameters of an insertion: each has a value per event, but for the month and the limit.
pub(super) struct Columns<'a> {
    teams: Vec<&'a str>,
    ids: Vec<&'a str>,
    kinds: Vec<&'a str>,
    sources: Vec<&'a str>,
    kitesources: Vec<Option<&'a str>>,
    agents_to: Vec<Option<&'a str>>,
    times: Vec<Millis>,
    texts: Vec<&'a str>,
    keys: Vec<Option<&'a [u8]>>,
    fingerprints: Vec<Option<&'a [u8]>>,
    month: &'a str,
    turns: Vec<Option<bool>>,
    events_limit: Option<i64>,
    versions: Vec<i64>,
    /// Where a team has peers, or had some.
    forwarding: Option<Forwarding>,
    exchanges: Option<exchanges::Columns<'a>>,
    changes: Option<changes::Columns<'a>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(sent: &[Sent<'a>], batch: &'a Batch) -> Result<Self> {
        let events = || sent.iter().map(|sent| sent.event);
        let texts = |of: fn(&NewEvent) -> &str| -> Vec<&str> { events().map(of).collect() };
        let options =
            |of: fn(&NewEvent) -> Option<&str>| -> Vec<Option<&str>> { events().map(of).collect() };
        let digests = |of: fn(&Dedup) -> Option<&[u8]>| -> Vec<Option<&[u8]>> {
            events().map(|event| event.name().and_then(of)).collect()
        };
        let changes = changes::Columns::of(events());
        Ok(Self {
            teams: texts(|event| event.team.as_str()),
            ids: texts(|event| &event.id),
            kinds: texts(|event| &event.kind),
            sources: texts(|event| &event.source),
            kitesources: options(|event| event.kitesource.as_deref()),
            agents_to: options(|event| event.agent_to.as_deref()),
            times: events().map(|event| event.created_at).collect(),
            texts: texts(|event| &event.text),
            keys: digests(|dedup| Some(&dedup.key)),
            fingerprints: digests(|dedup| dedup.fingerprint.as_ref().map(|digest| &digest[..])),
            month: &batch.month,
            turns: events()
                .map(|event| event.turn.map(|turn| turn == QuotaTurn::Exhausted))
                .collect(),
            events_limit: batch.events_limit.map(signed),
            versions: sent.iter().map(|sent| sent.version).collect(),
            forwarding: match sent.iter().any(|sent| sent.version != 0) {
                true => Some(Forwarding::of(sent)?),
                false => None,
            },
            exchanges: exchanges::Columns::of(events(), changes.is_some()),
            changes,
        })
    }

    /// The statement that takes them.
    pub(super) fn insertion(&self) -> String {
        let dealings = match (&self.changes, &self.exchanges) {
            (Some(_), _) => Dealings::Changes,
            (None, Some(_)) => Dealings::Exchanges,
            (None, None) => Dealings::None,
        };
        insertion(self.forwarding.is_some(), dealings)
    }

    /// In the order of that statement.
    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![
            &self.teams,
            &self.ids,
            &self.kinds,
            &self.sources,
            &self.kitesources,
            &self.agents_to,
            &self.times,
            &self.texts,
            &self.keys,
            &self.fingerprints,
            &self.month,
            &self.turns,
            &self.events_limit,
            &self.versions,
        ];
        values.extend(self.forwarding.iter().flat_map(Forwarding::values));
        values.extend(self.exchanges.iter().flat_map(|it| it.values()));
        values.extend(self.changes.iter().flat_map(|it| it.values()));
        values
    }
}

/// What else is known of each event where there are peers.
struct Forwarding {
    /// Whether a peer brings it.
    brought: Vec<bool>,
    /// Whether its key is its name.
    named: Vec<bool>,
    /// The peers that it goes to.
    peers: Vec<Option<String>>,
    /// Those that it does not go to.
    declined: Vec<Option<String>>,
}

impl Forwarding {
    fn of(sent: &[Sent<'_>]) -> Result<Self> {
        let is_named = |sent: &Sent<'_>| {
            let key = sent.event.name().map(|dedup| dedup.key);
            sent.version != 0 && key == Some(sent.event.name_key())
        };
        Ok(Self {
            brought: sent.iter().map(|it| it.event.pass.is_some()).collect(),
            named: sent.iter().map(is_named).collect(),
            peers: sent.iter().map(Sent::forwards_text).collect(),
            declined: sent
                .iter()
                .map(Sent::declined_text)
                .collect::<Result<_>>()?,
        })
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 5] {
        [
            &self.brought,
            &self.named,
            &self.peers,
            &self.declined,
            &NAMESAKES_MAX,
        ]
    }
}

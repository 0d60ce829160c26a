//! What an append adds for exchanges: how they are known again, and that they are kept together with their events.
//!
//! Two of a batch may share a key. Which of them the other repeats depends on what the database knows of both: the later
//! one is left for another round, which finds the earlier one there. The sums are those of [`crate::store::postgres::exchanges`].

use tokio_postgres::types::ToSql;

use crate::store::openintent::NewExchange;
use crate::store::postgres::storable;
use crate::store::record::{Millis, NewEvent};

/// How many parameters there are.
pub(super) const PARAMETERS: usize = 12;

/// The parts of the insertion; all of them empty where no event is an exchange.
#[derive(Default)]
pub(super) struct Parts {
    /// More parameters of the list of what is given.
    pub(super) values: String,
    /// Their names.
    pub(super) columns: &'static str,
    /// More of what is known: an exchange with the own key before one with the alias.
    pub(super) known: &'static str,
    /// A column that says whether one before it among what is not known shares a key.
    pub(super) is_repeat: &'static str,
    /// The condition that none does.
    pub(super) and_first: &'static str,
    /// Keeps what is new.
    pub(super) kept: &'static str,
}

impl Parts {
    /// The parts with parameters from a number on.
    pub(super) fn with(first: usize) -> Self {
        let types = [
            "bytea", "bytea", "text", "bytea", "text", "text", "text", "text", "text", "text",
            "bigint", "text",
        ];
        let value = |(at, kind): (usize, &str)| format!(", ${}::{kind}[]", first + at);
        Self {
            values: types.into_iter().enumerate().map(value).collect(),
            columns: ", own_key, alias_key, kind, digest, dispatch_id, party, local_id, state, message, record, entered_at,
                agent",
            known: "
                UNION ALL
                SELECT input.place, first.local_id, first.created_at, NULL,
                       first.own_key <> input.own_key OR first.digest = input.digest
                FROM input CROSS JOIN LATERAL (
                    SELECT * FROM (
                        SELECT exchanges.*, 0 AS rank FROM exchanges
                        WHERE exchanges.team + 0 = input.number AND exchanges.own_key = input.own_key
                        UNION ALL
                        SELECT exchanges.*, 1 FROM exchanges
                        WHERE exchanges.team + 0 = input.number AND exchanges.alias_key = input.alias_key
                    ) AS candidates ORDER BY rank LIMIT 1
                ) AS first
                WHERE input.own_key IS NOT NULL",
            is_repeat: ", own_key IS NOT NULL AND place > min(place) OVER (PARTITION BY number, own_key)
                OR alias_key IS NOT NULL AND place > min(place) OVER (PARTITION BY number, alias_key) AS is_repeat",
            and_first: " AND NOT is_repeat",
            kept: ", exchanged AS (
                INSERT INTO exchanges (team, own_key, alias_key, kind, digest, dispatch_id, party, local_id, state, message,
                                       record, created_at, updated_at, agent)
                SELECT number, own_key, alias_key, kind, digest, dispatch_id, party, local_id, state, message, record,
                       entered_at, entered_at, agent
                FROM fresh WHERE own_key IS NOT NULL)",
        }
    }
}

/// The parameters: each has a value per event.
pub(super) struct Columns<'a> {
    own_keys: Vec<Option<&'a [u8]>>,
    aliases: Vec<Option<&'a [u8]>>,
    kinds: Vec<Option<&'a str>>,
    digests: Vec<Option<&'a [u8]>>,
    dispatch_ids: Vec<Option<String>>,
    parties: Vec<Option<String>>,
    local_ids: Vec<Option<String>>,
    states: Vec<Option<&'a str>>,
    messages: Vec<Option<String>>,
    records: Vec<Option<&'a str>>,
    times: Vec<Option<Millis>>,
    agents: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    /// Those of some events; `None` where none is an exchange, unless they are needed.
    pub(super) fn of(
        events: impl Iterator<Item = &'a NewEvent> + Clone,
        is_needed: bool,
    ) -> Option<Self> {
        let exchanges = || events.clone().map(|event| event.exchange.as_deref());
        if !is_needed && exchanges().all(|exchange| exchange.is_none()) {
            return None;
        }
        Some(Self {
            own_keys: of_each(exchanges(), |it| &it.keys.own[..]),
            aliases: exchanges()
                .map(|it| it.and_then(|it| it.keys.alias.as_ref()).map(|key| &key[..]))
                .collect(),
            kinds: of_each(exchanges(), |it| it.kind.word()),
            digests: of_each(exchanges(), |it| &it.digest[..]),
            dispatch_ids: of_each(exchanges(), |it| storable(&it.dispatch_id)),
            parties: of_each(exchanges(), |it| storable(&it.party)),
            local_ids: of_each(exchanges(), |it| storable(&it.local_id)),
            states: of_each(exchanges(), |it| it.state.word()),
            messages: exchanges()
                .map(|it| it.and_then(|it| it.message.as_deref()).map(storable))
                .collect(),
            records: of_each(exchanges(), |it| it.record.as_str()),
            times: of_each(exchanges(), |it| it.now),
            agents: exchanges()
                .map(|it| it.and_then(|it| it.agent.as_deref()).map(storable))
                .collect(),
        })
    }

    /// In the order of [`Parts::with`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); PARAMETERS] {
        [
            &self.own_keys,
            &self.aliases,
            &self.kinds,
            &self.digests,
            &self.dispatch_ids,
            &self.parties,
            &self.local_ids,
            &self.states,
            &self.messages,
            &self.records,
            &self.times,
            &self.agents,
        ]
    }
}

fn of_each<'a, T>(
    exchanges: impl Iterator<Item = Option<&'a NewExchange>>,
    value: impl Fn(&'a NewExchange) -> T,
) -> Vec<Option<T>> {
    exchanges.map(|exchange| exchange.map(&value)).collect()
}

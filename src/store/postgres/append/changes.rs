//! What an append adds for changes of exchanges: which of them are stale, and that the events of one go together.
//!
//! A change is as fresh as the record that it was made from. Two of a batch may have been made from the same one: the later
//! is left for another round, which finds that the record is another one by then. What goes along with a change shares its
//! fate, whatever that is. Whoever changes a record has its team's lock, so versions are judged by what is there.

use tokio_postgres::types::ToSql;

use crate::store::openintent::{ExchangeChange, ExchangeState, ExchangeTurn};
use crate::store::record::NewEvent;

/// How many parameters there are.
const PARAMETERS: usize = 6;

/// The number in the result that says of an event that it is stale: no event has it.
pub(super) const STALE: i64 = 0;

/// The parts of the insertion; where no event changes anything, they say nothing.
pub(super) struct Parts {
    /// More parameters of the list of what is given.
    pub(super) values: String,
    /// Their names.
    pub(super) columns: &'static str,
    /// A column of what is given: the place of the change that the event belongs to.
    pub(super) leader: &'static str,
    /// What is stale.
    pub(super) stale: &'static str,
    /// The condition that it is not.
    pub(super) and_not_stale: &'static str,
    /// A column that says whether one before it among what is not known changes the same exchange.
    pub(super) is_second: &'static str,
    /// What leaves together those that belong together.
    pub(super) together: &'static str,
    /// What has all that is not known.
    pub(super) unseen: &'static str,
    /// The condition that it is not left for another round; `None` where that is not for this file to say.
    pub(super) and_first: Option<&'static str>,
    /// Who is stored whatever the quota.
    pub(super) or_exempt: &'static str,
    /// Writes down what has changed.
    pub(super) turned: &'static str,
    /// More of the result.
    pub(super) found: &'static str,
}

impl Parts {
    /// Those of a batch that changes nothing.
    pub(super) fn none() -> Self {
        Self {
            values: String::new(),
            columns: "",
            leader: "",
            stale: "",
            and_not_stale: "",
            is_second: "",
            together: "",
            unseen: "unseen",
            and_first: None,
            or_exempt: "",
            turned: "",
            found: "",
        }
    }

    /// The parts with parameters from a number on. They build on those of exchanges.
    pub(super) fn with(first: usize) -> Self {
        let types = ["bytea", "bigint", "bigint", "text", "text", "text"];
        let value = |(at, kind): (usize, &str)| format!(", ${}::{kind}[]", first + at);
        Self {
            values: types.into_iter().enumerate().map(value).collect(),
            columns: ", change_key, change_version, change_token, change_state, change_from, change_record",
            leader: ", min(place) FILTER (WHERE change_record IS NOT NULL)
                OVER (PARTITION BY teams.number, change_key, change_token) AS leader",
            stale: ", stale AS (
                SELECT input.place FROM input
                WHERE change_key IS NOT NULL AND NOT EXISTS (SELECT FROM known WHERE known.place = input.place)
                      AND (leader IS NULL OR leader > input.place
                           OR EXISTS (SELECT FROM known WHERE known.place = input.leader)
                           OR NOT EXISTS (SELECT FROM exchanges
                                          WHERE exchanges.team + 0 = input.number
                                                AND exchanges.own_key = input.change_key
                                                AND exchanges.version = input.change_version)))",
            and_not_stale: " AND NOT EXISTS (SELECT FROM stale WHERE stale.place = input.place)",
            is_second: ", leader IS NOT NULL AND leader > min(leader) OVER (PARTITION BY number, change_key) AS is_second",
            together: ", together AS (
                SELECT unseen.*, bool_or(is_repeat OR is_second) OVER (PARTITION BY coalesce(leader, place)) AS is_left
                FROM unseen)",
            unseen: "together",
            and_first: Some(" AND NOT is_left"),
            or_exempt: " OR change_key IS NOT NULL",
            turned: ", turned AS (
                UPDATE exchanges
                SET record = fresh.change_record,
                    version = exchanges.version + 1,
                    state = CASE WHEN exchanges.state = ANY (string_to_array(fresh.change_from, ','))
                            THEN fresh.change_state ELSE exchanges.state END,
                    updated_at = fresh.created_at
                FROM fresh
                WHERE fresh.change_record IS NOT NULL AND exchanges.team + 0 = fresh.number
                      AND exchanges.own_key = fresh.change_key)",
            found: "
                UNION ALL
                SELECT place, 0, NULL, NULL, NULL, NULL FROM stale",
        }
    }
}

/// The parameters: each has a value per event.
pub(super) struct Columns<'a> {
    own_keys: Vec<Option<&'a [u8]>>,
    versions: Vec<Option<i64>>,
    tokens: Vec<Option<i64>>,
    states: Vec<Option<&'a str>>,
    /// The states that those may follow, with commas between them.
    from: Vec<Option<String>>,
    records: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    /// Those of some events; `None` where none changes anything.
    pub(super) fn of(events: impl Iterator<Item = &'a NewEvent> + Clone) -> Option<Self> {
        let changes = || events.clone().map(|event| event.change.as_deref());
        if changes().all(|change| change.is_none()) {
            return None;
        }
        let turns = || changes().map(|change| change.and_then(|it| it.to.as_ref()));
        let states = || turns().map(|turn: Option<&ExchangeTurn>| turn.and_then(|it| it.state));
        let of_each = |value: fn(&ExchangeChange) -> i64| -> Vec<Option<i64>> {
            changes().map(|change| change.map(value)).collect()
        };
        Some(Self {
            own_keys: changes()
                .map(|change| change.map(|it| &it.own_key[..]))
                .collect(),
            versions: of_each(|change| change.version),
            tokens: of_each(|change| change.token),
            states: states().map(|it| it.map(ExchangeState::word)).collect(),
            from: states()
                .map(|it| it.map(|state| state.may_follow().join(",")))
                .collect(),
            records: turns()
                .map(|turn| turn.map(|it| it.record.as_str()))
                .collect(),
        })
    }

    /// In the order of [`Parts::with`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); PARAMETERS] {
        [
            &self.own_keys,
            &self.versions,
            &self.tokens,
            &self.states,
            &self.from,
            &self.records,
        ]
    }
}

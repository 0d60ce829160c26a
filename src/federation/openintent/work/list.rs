//! Which intents a team has.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::{OpenIntent, Refusal};
use super::{read, show};
use crate::openintent::model::IntentStatus;
use crate::openintent::work::IntentShown;
use crate::protocol::id::TeamId;
use crate::store::openintent::{ExchangeFilter, ExchangeKind, ExchangeRecord};
use crate::store::record::Millis;

/// How much text a page may have, and how many are read at once: intents may be large, and a page is held in memory.
const PAGE_MAX_BYTES: usize = 4 * 1024 * 1024;
const BATCH: u32 = 16;

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPlace(Millis, String);

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// What is on it, the newest first.
    pub items: Vec<T>,
    /// Where the next one begins, if there is one.
    pub next: Option<ListPlace>,
}

impl ListPlace {
    /// Reads a place.
    pub fn parse(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (at, id) = text.split_once(' ')?;
        // Nothing that is stored is called that, and PostgreSQL cannot even be asked.
        let is_name = !id.contains('\0');
        Some(Self(at.parse().ok()?, id.to_owned())).filter(|_| is_name)
    }

    /// When the last one before it came, and what it is called here.
    pub(in crate::federation::openintent) fn into_parts(self) -> (Millis, String) {
        (self.0, self.1)
    }
}

impl std::fmt::Display for ListPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{} {}", self.0, self.1)))
    }
}

impl schemars::JsonSchema for ListPlace {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ListPlace".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"})
    }
}

impl OpenIntent {
    /// A team's intents, the one that came last first: at most so many, and fewer where they are large.
    ///
    /// # Errors
    /// When the store does not give them.
    pub async fn intents(
        &self,
        team: &TeamId,
        status: Option<IntentStatus>,
        agent: Option<String>,
        before: Option<ListPlace>,
        max: usize,
    ) -> Result<Listed<IntentShown>, Refusal> {
        let filter = ExchangeFilter {
            kind: ExchangeKind::Intent,
            state: status.map(super::state_of),
            agent,
            before: before.map(ListPlace::into_parts),
            max: BATCH,
        };
        let now = self.clock.unix_millis();
        let page = self.page(team, filter, max).await?;
        let shown = page.items.iter().map(|record| {
            let (intent, status) = read(record)?;
            Ok(show::intent(record, &intent, status, now))
        });
        Ok(Listed {
            items: shown.collect::<Result<_, Refusal>>()?,
            next: page.next,
        })
    }

    /// A page of exchanges, within what a page may be.
    pub(in crate::federation::openintent) async fn page(
        &self,
        team: &TeamId,
        mut filter: ExchangeFilter,
        max: usize,
    ) -> Result<Listed<ExchangeRecord>, Refusal> {
        let mut items: Vec<ExchangeRecord> = Vec::new();
        let mut bytes = 0;
        filter.max = BATCH;
        loop {
            let batch = self.store.exchanges(team.clone(), filter.clone()).await?;
            let is_last = batch.len() < BATCH as usize;
            for record in batch {
                bytes += record.record.len();
                if items.len() >= max || (bytes > PAGE_MAX_BYTES && !items.is_empty()) {
                    let next = items.last().map(place_of);
                    return Ok(Listed { items, next });
                }
                items.push(record);
            }
            if is_last {
                return Ok(Listed { items, next: None });
            }
            filter.before = items.last().map(|it| (it.created_at, it.local_id.clone()));
        }
    }
}

fn place_of(record: &ExchangeRecord) -> ListPlace {
    ListPlace(record.created_at, record.local_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_told() {
        let place = ListPlace(1_767_225_600_000, "fed-a b-1".to_owned());
        assert_eq!(ListPlace::parse(&place.to_string()), Some(place));
        for wrong in ["", "!", "YQ", &ListPlace(1, "\0".to_owned()).to_string()] {
            assert_eq!(ListPlace::parse(wrong), None, "{wrong}");
        }
    }
}

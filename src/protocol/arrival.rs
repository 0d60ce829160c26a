//! An event that a peer forwards, as it comes in (spec 14.3).

use super::event::{Event, EventDraft, EventFault, Extension};
use super::forward::{Declined, HOPS, Provenance, ProvenanceFault};
use super::json::{self, JsonFault, MAX_DEPTH};

/// Why a body is no event that a peer may forward.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrivalFault {
    /// Not acceptable as JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// Not acceptable as a CloudEvent.
    #[error(transparent)]
    Event(#[from] EventFault),
    /// Nobody can say where it has been.
    #[error(transparent)]
    Provenance(#[from] ProvenanceFault),
    /// A peer posted the token in the event: whoever reads that could post too.
    #[error("the attribute `{0}` holds the token: whoever reads the event could post with it")]
    Token(String),
}

/// An event from a peer, readied for the log, with where it has been.
#[derive(Debug, Clone)]
pub struct Arrival {
    event: Event,
    provenance: Provenance,
}

impl Arrival {
    /// Reads a body that was posted with a token. The peer's own marks are replaced by this server's.
    ///
    /// # Errors
    /// When it is no complete CloudEvent: without an id and a source, nobody would know it again.
    pub fn read(body: &[u8], token: &str) -> Result<Self, ArrivalFault> {
        // The payload alone may be as deep as texts may be: one that was taken in elsewhere is taken here.
        let text = json::check_within(json::text(body)?, MAX_DEPTH + 1)?;
        let draft = EventDraft::parse_checked(text)?;
        if draft.id.is_none() {
            return Err(EventFault::Missing("id").into());
        }
        if draft.source.is_none() {
            return Err(EventFault::Missing("source").into());
        }
        let mut event = draft.complete(String::new, String::new);
        if let Some(holder) = event.attribute_that(|text| text.contains(token)) {
            return Err(ArrivalFault::Token(holder.to_owned()));
        }
        let provenance = Provenance::of(&event)?;
        event.admit_forwarded()?;
        if let Some(hops) = event.extensions.get_mut(HOPS) {
            // Some senders write it as text.
            *hops = Extension::Number(i64::try_from(provenance.hops).unwrap_or(i64::MAX));
        }
        Ok(Self { event, provenance })
    }

    /// The event as it is stored; `time` is missing where its sender gave none.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The same, to keep.
    pub fn into_event(self) -> Event {
        self.event
    }

    /// Why it is dropped; see [`Provenance::refuse`].
    pub fn refuse(&self, own_id: &str, max_hops: u64) -> Option<Declined> {
        self.provenance.refuse(own_id, max_hops)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::made_up;
    use super::*;

    const TOKEN: &str = "kfd_12ab34cd_0123456789abcdef0123456789abcdef";

    fn read(members: &str) -> Result<Event, ArrivalFault> {
        let body = format!(r#"{{"specversion":"1.0","id":"i","source":"s","type":"t"{members}}}"#);
        Arrival::read(body.as_bytes(), TOKEN).map(Arrival::into_event)
    }

    #[test]
    fn the_peers_marks_are_replaced_and_where_it_has_been_stays() {
        let event = read(
            r#","kiteseq":7,"kitesource":"github","kiteverified":false,"kitetoinstance":"b","kiterawbody":"eA==",
               "kiteoriginalheaders":"{}","kitefedorigin":"a","kitefedchain":"[\"a\"]","kitefedhops":"1",
               "kitesummary":"a\nb","weight":3,"data":{"b": 1.0}"#,
        );
        assert_eq!(
            event.unwrap().to_text(),
            r#"{"specversion":"1.0","id":"i","source":"s","type":"t","kitefedchain":"[\"a\"]","kitefedhops":1,"kitefedorigin":"a","kitesource":"kite","kitesummary":"a b","kiteverified":true,"weight":3,"data":{"b": 1.0}}"#
        );
        assert_eq!(
            read("").unwrap().extension("kitesummary"),
            Some("kite event")
        );
    }

    #[test]
    fn a_message_passes_and_another_instances_quota_does_not() {
        let kind = |kind: &str| {
            let body = format!(r#"{{"specversion":"1.0","id":"i","source":"s","type":"{kind}"}}"#);
            Arrival::read(body.as_bytes(), TOKEN).map(drop)
        };
        assert_eq!(kind("com.kite.agent.message"), Ok(()));
        assert_eq!(kind("com.kite.agent.message.undeliverable"), Ok(()));
        let quota = "kite.subscription.quota_exhausted";
        let reserved = EventFault::ReservedType(quota.to_owned());
        assert_eq!(kind(quota), Err(reserved.into()));
    }

    #[test]
    fn what_nobody_would_know_again_or_could_post_with_is_refused() {
        let body = |body: &str| Arrival::read(body.as_bytes(), TOKEN).map(drop);
        for (id, source, missing) in [("", "s", "id"), ("i", "", "source")] {
            let text =
                format!(r#"{{"specversion":"1.0","id":"{id}","source":"{source}","type":"t"}}"#);
            assert_eq!(body(&text), Err(EventFault::Missing(missing).into()));
        }
        let holds = read(&format!(r#","note":"my {TOKEN}""#)).map(drop);
        assert_eq!(holds, Err(ArrivalFault::Token("note".to_owned())));
        let chain = read(r#","kitefedchain":"b""#).map(drop);
        assert_eq!(chain, Err(ProvenanceFault::Chain.into()));
        assert!(matches!(
            body("[]"),
            Err(ArrivalFault::Event(_) | ArrivalFault::Json(_))
        ));
        let not_utf8 = Arrival::read(b"\xff", TOKEN).map(drop);
        assert!(matches!(not_utf8, Err(ArrivalFault::Json(_))));
    }

    #[test]
    fn a_payload_may_be_as_deep_as_any() {
        let deep = |depth| format!(r#","data":{}{}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(read(&deep(MAX_DEPTH)).is_ok());
        assert!(read(&deep(MAX_DEPTH + 1)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_a_peer_posts_is_an_event_or_a_fault(text in made_up::json()) {
            for text in [text.clone(), format!(r#"{{"specversion":"1.0","id":"i","source":"s","type":"t","data":{text}}}"#)] {
                if let Ok(arrival) = Arrival::read(text.as_bytes(), TOKEN) {
                    let kept = arrival.event().to_text();
                    prop_assert!(Event::parse(&kept).is_ok());
                }
            }
        }
    }
}

//! The keys of other servers: their DID documents, fetched through the guard and remembered for a while (spec 6.3 to 6.5,
//! 14.3).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::federation::dial::{Answer, Dial, DialFault, Limits};
use crate::openintent::did::DidDocument;
use crate::openintent::json::Json;
use crate::protocol::identity::IDENTITY_KEY_LEN;
use crate::protocol::peer_url::PeerUrl;

/// How long a document is believed.
const BELIEVED: Duration = Duration::from_secs(300);

/// How long a failure is remembered, and how long a document is not asked for again though no key of it fits.
const PAUSE: Duration = Duration::from_secs(5);

/// What fetching one may take.
const LIMITS: Limits = Limits {
    whole: Duration::from_secs(10),
    body_max_bytes: 256 * 1024,
};

/// For how long a server that is not there may be one that just starts, and how long to wait before it is asked again.
/// Together with [`LIMITS`] less than the 30 s that a caller waits.
const STARTING: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(250);

/// How many servers are remembered. Beyond it all are forgotten and asked again.
const SERVERS_MAX: usize = 10_000;

/// The keys of a server.
pub type PublicKeys = Arc<Vec<[u8; IDENTITY_KEY_LEN]>>;

/// What is known of other servers' keys.
pub struct Documents {
    dial: Arc<Dial>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    changes: AtomicU64,
}

/// One server.
#[derive(Default)]
struct Slot {
    /// Held by whoever fetches: one at a time.
    fetching: tokio::sync::Mutex<()>,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    at: Instant,
    outcome: Result<PublicKeys, String>,
}

impl Documents {
    /// Nothing is known yet.
    pub fn new(dial: Arc<Dial>) -> Self {
        Self {
            dial,
            slots: Mutex::default(),
            changes: AtomicU64::new(0),
        }
    }

    /// Goes up whenever some server's keys are others than before.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The keys of the server at a URL, whose document has one of these ids.
    ///
    /// # Errors
    /// Why they cannot be had, for the one who asks.
    pub async fn keys(&self, url: &str, dids: &[String]) -> Result<PublicKeys, String> {
        self.within(url, dids, BELIEVED).await
    }

    /// The same, when none of the known ones fits: they may have been rotated.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn newer_keys(&self, url: &str, dids: &[String]) -> Result<PublicKeys, String> {
        self.within(url, dids, PAUSE).await
    }

    async fn within(
        &self,
        url: &str,
        dids: &[String],
        age_max: Duration,
    ) -> Result<PublicKeys, String> {
        let slot = self.slot(url);
        if let Some(outcome) = slot.recent(age_max) {
            return outcome;
        }
        let _turn = slot.fetching.lock().await;
        // Somebody else may have fetched it meanwhile.
        if let Some(outcome) = slot.recent(age_max) {
            return outcome;
        }
        let outcome = self.fetch(url, dids).await.map(Arc::new);
        let old = slot.keep(Kept {
            at: Instant::now(),
            outcome: outcome.clone(),
        });
        let was = old.and_then(|old| old.outcome.ok());
        if was.is_some() && was != outcome.clone().ok() {
            self.changes.fetch_add(1, Ordering::Release);
        }
        outcome
    }

    /// Asks, and asks again where nobody is there or the way breaks off: a server that was just restarted sends at once
    /// what waited, and what is refused then is refused for good.
    async fn ask(
        &self,
        url: &PeerUrl,
        headers: &[(&'static str, String)],
    ) -> Result<Answer, DialFault> {
        let deadline = Instant::now() + STARTING;
        loop {
            let answer = self.dial.get(url, headers, LIMITS).await;
            let is_starting = match &answer {
                Ok(answer) => matches!(answer.status, 502..=504),
                Err(fault) => matches!(fault, DialFault::Connect { .. } | DialFault::Broken { .. }),
            };
            if !is_starting || Instant::now() + AGAIN > deadline {
                return answer;
            }
            sleep(AGAIN).await;
        }
    }

    fn slot(&self, url: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SERVERS_MAX && !slots.contains_key(url) {
            slots.clear();
        }
        slots.entry(url.to_owned()).or_default().clone()
    }

    async fn fetch(
        &self,
        url: &str,
        dids: &[String],
    ) -> Result<Vec<[u8; IDENTITY_KEY_LEN]>, String> {
        let address = format!("{}/.well-known/did.json", url.trim_end_matches('/'));
        let about = |why: String| format!("`{address}` cannot be used: {why}");
        let parsed = PeerUrl::parse(&address, self.dial.outbound());
        let parsed = parsed.map_err(|fault| about(fault.to_string()))?;
        let headers = [("accept", "application/json".to_owned())];
        let answer = self.ask(&parsed, &headers).await;
        let answer = answer.map_err(|fault| about(fault.to_string()))?;
        if answer.status != 200 {
            return Err(about(format!("it answers {}", answer.status)));
        }
        if answer.is_cut {
            return Err(about(format!(
                "it is larger than {} bytes",
                LIMITS.body_max_bytes
            )));
        }
        let document = Json::read(&answer.body).map_err(|fault| about(fault.to_string()))?;
        let document = DidDocument::read(&document).map_err(|fault| about(fault.to_string()))?;
        if !dids.contains(&document.id) {
            return Err(about(format!(
                "it is the document of `{}`, not of `{}`",
                document.id,
                dids.first().map_or("", String::as_str)
            )));
        }
        Ok(document.keys.into_iter().map(|key| key.public).collect())
    }
}

impl Slot {
    /// What is known, if it is young enough. A failure is forgotten sooner.
    fn recent(&self, age_max: Duration) -> Option<Result<PublicKeys, String>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref()?;
        let age_max = match kept.outcome {
            Ok(_) => age_max,
            Err(_) => age_max.min(PAUSE),
        };
        (kept.at.elapsed() < age_max).then(|| kept.outcome.clone())
    }

    fn keep(&self, new: Kept) -> Option<Kept> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(new)
    }
}

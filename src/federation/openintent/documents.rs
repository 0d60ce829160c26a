//! The keys of other servers: their DID documents, fetched through the guard and remembered for a while (spec 6.3 to 6.5,
//! 14.3).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::federation::dial::{Dial, Limits};
use crate::openintent::did::{DOCUMENT_PATH, DidDocument};
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
    kept: Mutex<Kept>,
}

/// What came of asking for a document.
#[derive(Default)]
struct Kept {
    /// The last one that could be read, and when it came.
    document: Option<(Instant, Arc<Document>)>,
    /// The last failure since.
    failure: Option<(Instant, String)>,
}

/// A document, whoever is asked about it: which ids a server may have is for each team to say.
#[derive(PartialEq, Eq)]
struct Document {
    id: String,
    keys: PublicKeys,
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
        if dids.is_empty() {
            return Err(format!(
                "`{url}` is no server: no document could be its own"
            ));
        }
        let document = self.document(url, age_max).await?;
        match dids.contains(&document.id) {
            true => Ok(document.keys.clone()),
            false => Err(about(
                url,
                &format!(
                    "it is the document of `{}`, not of `{}`",
                    document.id,
                    dids.first().map_or("", String::as_str)
                ),
            )),
        }
    }

    async fn document(&self, url: &str, age_max: Duration) -> Result<Arc<Document>, String> {
        let slot = self.slot(url);
        if let Some(known) = slot.recent(age_max) {
            return known;
        }
        let _turn = slot.fetching.lock().await;
        // Somebody else may have fetched it meanwhile.
        if let Some(known) = slot.recent(age_max) {
            return known;
        }
        let fetched = self.fetch(url).await.map(Arc::new);
        if slot.keep(&fetched) {
            self.changes.fetch_add(1, Ordering::Release);
        }
        match fetched {
            Ok(document) => Ok(document),
            // What was known stays true until its time is over, though nobody can be asked whether there is something newer.
            Err(why) => slot.believed(BELIEVED).ok_or(why),
        }
    }

    fn slot(&self, url: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SERVERS_MAX && !slots.contains_key(url) {
            slots.clear();
        }
        slots.entry(url.to_owned()).or_default().clone()
    }

    async fn fetch(&self, url: &str) -> Result<Document, String> {
        let about = |why: String| about(url, &why);
        let parsed = PeerUrl::parse(&address(url), self.dial.outbound());
        let parsed = parsed.map_err(|fault| about(fault.to_string()))?;
        let headers = [("accept", "application/json".to_owned())];
        let answer = self.dial.get(&parsed, &headers, LIMITS).await;
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
        Ok(Document {
            keys: Arc::new(document.public_keys()),
            id: document.id,
        })
    }
}

fn address(url: &str) -> String {
    format!("{}{DOCUMENT_PATH}", url.trim_end_matches('/'))
}

fn about(url: &str, why: &str) -> String {
    format!("`{}` cannot be used: {why}", address(url))
}

impl Slot {
    /// What is known, if it is young enough. Nobody is asked again so soon after a failure.
    fn recent(&self, age_max: Duration) -> Option<Result<Arc<Document>, String>> {
        if let Some(document) = self.believed(age_max) {
            return Some(Ok(document));
        }
        let failure = {
            let kept = self.kept();
            let (at, why) = kept.failure.as_ref()?;
            (at.elapsed() < PAUSE).then(|| why.clone())?
        };
        Some(self.believed(BELIEVED).ok_or(failure))
    }

    /// The document, if it came lately.
    fn believed(&self, age_max: Duration) -> Option<Arc<Document>> {
        let kept = self.kept();
        let (at, document) = kept.document.as_ref()?;
        (at.elapsed() < age_max).then(|| document.clone())
    }

    /// Keeps what came of asking. Answers whether the document is another one than before.
    fn keep(&self, fetched: &Result<Arc<Document>, String>) -> bool {
        let mut kept = self.kept();
        match fetched {
            Ok(document) => {
                kept.failure = None;
                let old = kept.document.replace((Instant::now(), document.clone()));
                old.is_some_and(|(_, old)| old != *document)
            }
            Err(why) => {
                kept.failure = Some((Instant::now(), why.clone()));
                false
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The id of the request that is being answered, for everything that is done on its behalf: it joins the answer, the
//! lines of the log and what the caller reports.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::random;

/// The longest id that is taken from somebody else.
const ID_MAX_BYTES: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// What names a request: letters, digits, `-`, `_` and `.`, and not many of them. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// An id that no other request has.
    pub fn fresh() -> Self {
        Self(random::uuid7().into())
    }

    /// An id that somebody else gave, if it is short and plain.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = (1..=ID_MAX_BYTES).contains(&text.len()) && text.bytes().all(is_plain);
        fits.then(|| Self(text.into()))
    }

    /// The id of the request on whose behalf this runs, if there is one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs something on behalf of this request. What it spawns runs for itself.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_somebody_else_is_short_and_plain() {
        for fine in ["a", "7f3c-01_x.Y", &"x".repeat(ID_MAX_BYTES)] {
            assert_eq!(RequestId::parse(fine).unwrap().as_str(), fine);
        }
        for other in [
            "",
            "a b",
            "a\nb",
            "a\"b",
            "ä",
            "a=b",
            &"x".repeat(ID_MAX_BYTES + 1),
        ] {
            assert_eq!(RequestId::parse(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn what_runs_for_a_request_knows_its_id() {
        let id = RequestId::fresh();
        let seen = id.clone().scope(async { RequestId::current() }).await;
        assert_eq!(seen, Some(id));
        assert_eq!(RequestId::current(), None);
    }
}

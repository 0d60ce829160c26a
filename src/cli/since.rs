//! `--since all|SEQ|DUR`: where a reading of the log begins.

use std::str::FromStr;
use std::time::Duration;

use crate::base::clock::{Clock, rfc3339};
use crate::base::duration;
use crate::client::history::Start;
use crate::protocol::id::Seq;

/// A beginning, as people type it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Since {
    All,
    Seq(Seq),
    Ago(Duration),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(seq));
        }
        duration::parse(text).map(Self::Ago).map_err(|_| {
            "use `all`, the number of an event, or how long ago, such as 30s, 5m, 24h or 7d"
                .to_owned()
        })
    }
}

impl Since {
    /// The same for a server.
    pub(super) fn start(&self, clock: &Clock) -> Start {
        match self {
            Self::All => Start::Oldest,
            Self::Seq(seq) => Start::Seq(*seq),
            Self::Ago(ago) => {
                let millis = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                let time = clock.unix_millis().saturating_sub(millis).max(0);
                Start::Time(rfc3339(time))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_all_a_number_or_a_time_ago() {
        let clock = Clock::fixed(60_000);
        let start = |text: &str| text.parse::<Since>().map(|since| since.start(&clock));
        assert_eq!(start("all"), Ok(Start::Oldest));
        assert_eq!(start("12"), Ok(Start::Seq(12)));
        assert_eq!(
            start("30s"),
            Ok(Start::Time("1970-01-01T00:00:30.000Z".to_owned()))
        );
        assert_eq!(
            start("7d"),
            Ok(Start::Time("1970-01-01T00:00:00.000Z".to_owned()))
        );
        assert!(start("yesterday").is_err());
    }
}

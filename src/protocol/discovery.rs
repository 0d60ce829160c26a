//! Which other instances an instance knows, as it tells a peer that asks, and as that one tells its users.

use serde::{Deserialize, Serialize};

use super::id::{IdError, InstanceId};
use super::json::{self, JsonFault};
use super::outbound::Outbound;
use super::peer_url::{PeerUrl, PeerUrlFault};

/// The last part of the address that is asked: it stands behind that of the peer's hook.
pub const DISCOVER: &str = "discover";

/// What an instance tells a peer: the answer to `POST /hooks/{team}/kite/discover`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Introduction {
    /// Who tells it.
    pub instance_id: String,
    /// Whom it knows, but for the one that asks.
    pub instances: Vec<Introduced>,
}

/// An instance that is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Introduced {
    /// Its id.
    pub instance_id: String,
    /// Where it is: scheme, host and port. Neither a team nor a token is in it.
    pub url: String,
}

/// Why an answer is no [`Introduction`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntroductionFault {
    /// Not acceptable as JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// A member that is missing or of the wrong type.
    #[error("{0}")]
    Malformed(String),
}

/// Why an instance that is told of is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntroducedFault {
    /// Nothing can be called that.
    #[error(transparent)]
    Id(#[from] IdError),
    /// It cannot be called there, or may not be.
    #[error(transparent)]
    Url(#[from] PeerUrlFault),
    /// There were too many before it.
    #[error("{0} are the most that are taken")]
    TooMany(usize),
}

/// What a peer told, as far as it can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Instances with ids that can be ids, at addresses that may be called.
    pub instances: Vec<Introduced>,
    /// How many more there were, and what was wrong with the first of them.
    pub left_out: Option<(usize, IntroducedFault)>,
}

impl Heard {
    /// Reads an answer that nobody vouches for, `max` instances at most. What is wrong with one of them does not take the
    /// others along.
    ///
    /// # Errors
    /// When it is no answer at all.
    pub fn read(body: &[u8], outbound: &Outbound, max: usize) -> Result<Self, IntroductionFault> {
        let text = json::text(body)?;
        json::check_object(text)?;
        let told: Introduction = serde_json::from_str(text)
            .map_err(|error| IntroductionFault::Malformed(error.to_string()))?;
        let mut heard = Self::default();
        for introduced in told.instances {
            let checked = match heard.instances.len() < max {
                true => introduced.checked(outbound),
                false => Err(IntroducedFault::TooMany(max)),
            };
            match checked {
                Ok(introduced) => heard.instances.push(introduced),
                Err(fault) => heard.left_out.get_or_insert((0, fault)).0 += 1,
            }
        }
        Ok(heard)
    }
}

impl Introduced {
    /// The same, with nothing but what it may have.
    fn checked(self, outbound: &Outbound) -> Result<Self, IntroducedFault> {
        let id: InstanceId = self.instance_id.parse()?;
        let url = PeerUrl::parse(&self.url, outbound)?;
        Ok(Self {
            instance_id: id.into(),
            url: url.origin(),
        })
    }
}

/// What was found: the answer to `POST /api/federation/peers/discover`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Discovery {
    /// The instance that has asked: what the others are to call it.
    pub own_instance_id: String,
    /// How many peers it has asked.
    pub asked: usize,
    /// The instances that they know, by id.
    pub instances: Vec<Discovered>,
    /// How many more there were than are shown.
    pub left_out: usize,
    /// Which peers told nothing, or something that cannot be used.
    pub failures: Vec<DiscoveryFailure>,
}

/// An instance that a peer knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Discovered {
    /// Its id, as is said of it.
    pub instance_id: String,
    /// Where it is, as is said of it.
    pub url: String,
    /// The peers that say so, by name.
    pub known_by: Vec<String>,
    /// Whether it is a peer already.
    pub connected: bool,
}

/// A peer that was asked in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiscoveryFailure {
    /// Its name.
    pub peer: String,
    /// Why.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::made_up;
    use super::*;

    fn read(body: &str) -> Result<Heard, IntroductionFault> {
        Heard::read(body.as_bytes(), &Outbound::default(), 3)
    }

    fn told(instances: &[(&str, &str)]) -> Heard {
        let introduced = |(id, url): &(&str, &str)| Introduced {
            instance_id: (*id).to_owned(),
            url: (*url).to_owned(),
        };
        let told = Introduction {
            instance_id: "b".to_owned(),
            instances: instances.iter().map(introduced).collect(),
        };
        read(&serde_json::to_string(&told).unwrap()).unwrap()
    }

    #[test]
    fn of_an_address_only_the_origin_is_taken() {
        let heard = told(&[("c", "https://C.example:8443/hooks/team/kite?token=secret")]);
        assert_eq!(heard.instances[0].url, "https://c.example:8443");
        assert_eq!(heard.left_out, None);
    }

    #[test]
    fn what_cannot_be_an_instance_is_left_out_and_counted() {
        let heard = told(&[
            ("c", "https://169.254.169.254"),
            ("", "https://c.example"),
            ("c\u{1b}[2J", "https://c.example"),
            ("c", "http://c.example"),
            ("c", "https://user@c.example"),
            ("c", "https://127.0.0.1"),
            ("d", "https://d.example"),
        ]);
        assert_eq!(heard.instances.len(), 1);
        let (count, first) = heard.left_out.unwrap();
        assert_eq!(count, 6);
        assert!(matches!(first, IntroducedFault::Url(_)), "{first}");
    }

    #[test]
    fn there_is_an_end_to_what_is_taken() {
        let heard = told(&[("c", "https://c.example"); 5]);
        assert_eq!(heard.instances.len(), 3);
        assert_eq!(heard.left_out, Some((2, IntroducedFault::TooMany(3))));
    }

    #[test]
    fn what_is_no_answer_says_why() {
        for body in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"instance_id":"b","instances":{}}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
        let not_utf8 = Heard::read(b"\xff", &Outbound::default(), 3);
        assert!(matches!(not_utf8, Err(IntroductionFault::Json(_))));
    }

    proptest! {
        #[test]
        fn whatever_a_peer_tells_what_is_taken_of_it_can_be_used(
            text in made_up::json(),
            id in "\\PC{0,9}|[a-c\u{7}]{0,140}",
            url in "(https?://)?[a-z0-9.:@/\\[\\]-]{0,30}",
        ) {
            prop_assert!(read(&text).is_err() || text.contains("instances"));
            for taken in told(&[(&id, &url)]).instances {
                prop_assert!(taken.instance_id.parse::<InstanceId>().is_ok());
                prop_assert!(PeerUrl::parse(&taken.url, &Outbound::default()).is_ok());
            }
        }
    }
}

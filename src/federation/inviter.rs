//! The other end of an invitation: the inviter, as who joins it calls it (spec 14.1).

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep;

use super::delivery::said;
use super::dial::{Answer, Dial, DialFault, Limits};
use crate::base::backoff::Backoff;
use crate::base::random;
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::PeerTest;
use crate::protocol::identity::fingerprint;
use crate::protocol::invite::Invite;
use crate::protocol::redemption::{REDEEM_PATH, Redeemed, Redemption, TEST_PATH, TestRequest};

/// What asking for the connection may take each time: the other side hashes a token. The answer has up to a hundred
/// scopes in it.
const REDEEM_LIMITS: Limits = Limits {
    whole: Duration::from_secs(8),
    body_max_bytes: 128 * 1024,
};

/// What asking for a test may take: the other side's post takes 15 s at most.
const TEST_LIMITS: Limits = Limits {
    whole: Duration::from_secs(20),
    body_max_bytes: 16 * 1024,
};

/// How often a connection is asked for in all where no answer comes. Somebody waits at the terminal.
const TRIES: u32 = 3;

/// The shortest and the longest pause between two tries.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How much of what the other side says is passed on, in characters.
const SAID_MAX_CHARS: usize = 600;

/// The inviter.
pub struct Inviter<'a> {
    dial: &'a Dial,
    invite: &'a Invite,
}

/// Why the inviter did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InviterFault {
    /// There was no answer.
    #[error("`{base}` cannot be asked: {fault}")]
    NoAnswer {
        /// Who was asked.
        base: String,
        /// What happened.
        fault: DialFault,
    },
    /// It is there, and cannot answer now.
    #[error("`{base}` cannot answer now ({status}){said}")]
    Busy {
        /// Who was asked.
        base: String,
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// It says no.
    #[error("`{base}` refused{said}")]
    Refused {
        /// Who was asked.
        base: String,
        /// The status.
        status: u16,
        /// The word for machines.
        code: Option<ErrorCode>,
        /// What it said.
        said: String,
    },
    /// It is something else, or too old.
    #[error("what answers at `{base}` knows nothing of invitations ({status}){said}")]
    Foreign {
        /// Who was asked.
        base: String,
        /// The status.
        status: u16,
        /// What is to be said of that.
        said: &'static str,
    },
    /// It has not the key that the invitation speaks of.
    #[error("somebody else answers at `{base}`: {found}, and the invitation is from {wanted}")]
    Impostor {
        /// Who was asked.
        base: String,
        /// What the answer says of who gave it.
        found: String,
        /// Who was meant.
        wanted: String,
    },
    /// The address makes no address with a path behind it.
    #[error("the address of the invitation cannot be called")]
    Address,
}

impl<'a> Inviter<'a> {
    /// Whoever an invitation is from.
    pub fn of(dial: &'a Dial, invite: &'a Invite) -> Self {
        Self { dial, invite }
    }

    /// Asks for the connection, and makes sure of who answers. Where no answer comes it is asked again with the same
    /// body, which comes to the same result.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn redeem(&self, asked: &Redemption) -> Result<Redeemed, InviterFault> {
        let mut backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let mut tried = 1;
        let shown = [asked.outbound_token.as_str(), &asked.inbound_token];
        let answer = loop {
            match self.post(REDEEM_PATH, asked, &shown, REDEEM_LIMITS).await {
                Err(fault) if fault.may_pass() && tried < TRIES => {
                    tried += 1;
                    sleep(backoff.next(random::unit())).await;
                }
                settled => break settled?,
            }
        };
        let redeemed: Redeemed = serde_json::from_slice(&answer.body)
            .map_err(|_| self.foreign(answer.status, ": its answer cannot be read"))?;
        self.check(asked, redeemed)
    }

    fn check(&self, asked: &Redemption, redeemed: Redeemed) -> Result<Redeemed, InviterFault> {
        let invite = self.invite;
        let found = fingerprint(&redeemed.identity_key.0);
        let is_meant = found == invite.fingerprint && redeemed.instance_id == invite.instance_id;
        let found = match is_meant {
            true if redeemed.is_proved(asked) => return Ok(redeemed),
            true => format!("the answer is not signed with the key {found}"),
            false => format!(
                "its key is {found}, its instance id `{}`",
                redeemed.instance_id
            ),
        };
        Err(InviterFault::Impostor {
            base: self.base(),
            found,
            wanted: format!("{}, `{}`", invite.fingerprint, invite.instance_id),
        })
    }

    /// Asks it to post something that is not kept to who has joined.
    ///
    /// # Errors
    /// Why that did not come about.
    pub async fn test(&self, request: &TestRequest) -> Result<PeerTest, InviterFault> {
        let answer = self.post(TEST_PATH, request, &[], TEST_LIMITS).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|_| self.foreign(answer.status, ": its answer cannot be read"))
    }

    async fn post(
        &self,
        path: &str,
        body: &impl Serialize,
        shown: &[&str],
        limits: Limits,
    ) -> Result<Answer, InviterFault> {
        let url = self.invite.at(path).ok_or(InviterFault::Address)?;
        // Plain values always serialise.
        let body: Bytes = serde_json::to_vec(body).unwrap_or_default().into();
        let json = [("content-type", "application/json".to_owned())];
        let answer = self.dial.post(&url, &json, body, limits).await;
        let answer = answer.map_err(|fault| InviterFault::NoAnswer {
            base: self.base(),
            fault,
        })?;
        match self.refusal(&answer, shown) {
            Some(refusal) => Err(refusal),
            None => Ok(answer),
        }
    }

    /// What an answer that is no success means. What the other side was shown is kept out of it.
    fn refusal(&self, answer: &Answer, shown: &[&str]) -> Option<InviterFault> {
        let (base, status) = (self.base(), answer.status);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code: Option<ErrorCode> = serde_json::from_value(body["code"].clone()).ok();
        let secret = self.invite.secret.reveal();
        let shown = [shown, &[secret.as_str()]].concat();
        let text = body["error"].as_str().unwrap_or_default();
        let said = said(text, &shown, SAID_MAX_CHARS);
        Some(match status {
            200..=299 => return None,
            300..=399 => self.foreign(
                status,
                ": it sends on to another address, which the invitation should name: `--public-url` of its server says it",
            ),
            404 if code == Some(ErrorCode::InviteUnknown) => InviterFault::Refused {
                base,
                status,
                code,
                said,
            },
            429 | 500..=599 => InviterFault::Busy { base, status, said },
            404 | 405 => self.foreign(status, ": it is no kite, or an old one"),
            _ if body["code"].is_string() => InviterFault::Refused {
                base,
                status,
                code,
                said,
            },
            _ => self.foreign(status, ": it is no kite"),
        })
    }

    fn foreign(&self, status: u16, said: &'static str) -> InviterFault {
        InviterFault::Foreign {
            base: self.base(),
            status,
            said,
        }
    }

    fn base(&self) -> String {
        self.invite.base().to_owned()
    }
}

impl InviterFault {
    /// Whether the same may go better in a moment: what was asked may have arrived and been done.
    fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer { fault, .. } => {
                matches!(fault, DialFault::Timeout { .. } | DialFault::Broken { .. })
            }
            Self::Busy { status, .. } => matches!(status, 502..=504),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::invite::{InviteSecret, base};
    use crate::protocol::outbound::Outbound;

    fn invite() -> Invite {
        Invite {
            url: base("https://a.example/kite").unwrap(),
            instance_id: "a".parse().unwrap(),
            fingerprint: "SHA256:a".to_owned(),
            secret: InviteSecret::of([7; 32]),
        }
    }

    fn answered(status: u16, body: &str) -> Option<InviterFault> {
        let (dial, invite) = (Dial::new(Outbound::default(), None).unwrap(), invite());
        let answer = Answer {
            status,
            retry_after: None,
            body: body.to_owned().into(),
            is_cut: false,
        };
        Inviter::of(&dial, &invite).refusal(&answer, &["kfd_token"])
    }

    #[test]
    fn answers_are_of_a_kite_that_refuses_of_one_that_is_busy_or_of_something_else() {
        let refused = |status, code: &str| {
            let body = format!(r#"{{"error":"no","code":"{code}"}}"#);
            let fault = answered(status, &body);
            matches!(fault, Some(InviterFault::Refused { .. }))
        };
        assert!(answered(200, "").is_none());
        for (status, code) in [
            (404, "invite_unknown"),
            (410, "invite_expired"),
            (409, "conflict"),
            (422, "a_word_of_a_later_version"),
        ] {
            assert!(refused(status, code), "{status} {code}");
        }
        assert!(!refused(404, "not_found"), "an older kite");
        for (status, may_pass) in [(500, false), (502, true), (503, true), (429, false)] {
            let fault = answered(status, "<html>").unwrap();
            assert!(matches!(fault, InviterFault::Busy { .. }), "{fault}");
            assert_eq!(fault.may_pass(), may_pass, "{fault}");
        }
        for status in [301, 308, 400, 403, 404, 405, 418] {
            let fault = answered(status, "<html>").unwrap();
            assert!(matches!(fault, InviterFault::Foreign { .. }), "{fault}");
            assert!(
                fault.to_string().contains("`https://a.example/kite`"),
                "{fault}"
            );
        }
    }

    #[test]
    fn what_the_other_side_says_is_on_one_line_and_never_what_it_was_shown() {
        let secret = invite().secret.reveal();
        let body = serde_json::json!({
            "error": format!("no\u{1b}[31m\n{} kfd_token {}", &*secret, "ä".repeat(5000)),
            "code": "conflict",
        });
        let said = answered(409, &body.to_string()).unwrap().to_string();
        assert!(
            said.starts_with("`https://a.example/kite` refused: no [31m (token) (token) ää"),
            "{said}"
        );
        assert!(said.chars().count() < 700);
    }
}

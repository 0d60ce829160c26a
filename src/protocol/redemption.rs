//! How an invitation is redeemed (spec 14.1): what the joiner sends, what the inviter answers, and how each proves to
//! have the key that it names.
//!
//! A proof is an Ed25519 signature of what is said, one member on a line, under a heading of its own, so that none can
//! stand for another. The joiner also signs whom it means to join: whoever hands on an invitation as their own cannot
//! pass the answer to it on to the real inviter. TLS keeps the tokens to the two; the proofs say who the two are.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::base64url::Base64Url;
use super::id::InstanceId;
use super::identity::{IDENTITY_KEY_LEN, InstanceKey, SIGNATURE_LEN, fingerprint, verify};
use super::invite::InviteSecret;

/// Where an invitation is redeemed, from the inviter's base.
pub const REDEEM_PATH: &str = "/api/federation/invites/redeem";

/// Where the inviter is asked to try its way to who has joined.
pub const TEST_PATH: &str = "/api/federation/invites/test";

/// A member that cannot be signed: its line would end in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` must not contain control characters")]
pub struct Unsignable(&'static str);

type PublicKey = Base64Url<IDENTITY_KEY_LEN>;
type Signature = Base64Url<SIGNATURE_LEN>;

/// What the joiner sends. The same body again comes to the same result, however often its answer is lost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Redemption {
    /// What opens the invitation.
    pub secret: InviteSecret,
    /// What the joiner puts into chains.
    pub instance_id: InstanceId,
    /// Its public key.
    pub identity_key: PublicKey,
    /// Where events for it are posted.
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::HookUrl"))]
    pub hook_url: String,
    /// What it will show the inviter.
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::PeerToken"))]
    pub outbound_token: String,
    /// What the inviter has to show it.
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::PeerToken"))]
    pub inbound_token: String,
    /// Its signature.
    pub proof: Signature,
}

impl Redemption {
    /// Signs this for the inviter whose key has this fingerprint.
    ///
    /// # Errors
    /// When a member cannot be signed.
    pub fn sign(mut self, inviter: &str, key: &InstanceKey) -> Result<Self, Unsignable> {
        self.identity_key = Base64Url(key.public());
        self.proof = Base64Url(key.sign(self.message(inviter)?.as_bytes()));
        Ok(self)
    }

    /// Whether the joiner has signed this, for the inviter whose key has this fingerprint.
    ///
    /// # Errors
    /// When a member cannot be signed.
    pub fn is_proved(&self, inviter: &str) -> Result<bool, Unsignable> {
        let message = self.message(inviter)?;
        Ok(verify(
            &self.identity_key.0,
            message.as_bytes(),
            &self.proof.0,
        ))
    }

    fn message(&self, inviter: &str) -> Result<String, Unsignable> {
        signable(
            "kite invitation redemption 1",
            &[
                ("inviter", inviter),
                ("secret", &self.secret.reveal()),
                ("instance_id", self.instance_id.as_str()),
                ("identity_key", &String::from(self.identity_key)),
                ("hook_url", &self.hook_url),
                ("outbound_token", &self.outbound_token),
                ("inbound_token", &self.inbound_token),
            ],
        )
    }
}

impl fmt::Debug for Redemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redemption")
            .field("instance_id", &self.instance_id)
            .field("identity", &fingerprint(&self.identity_key.0))
            .finish_non_exhaustive()
    }
}

/// What the inviter answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Redeemed {
    /// What the inviter puts into chains.
    pub instance_id: InstanceId,
    /// Its public key.
    pub identity_key: PublicKey,
    /// Where events for it are posted.
    pub hook_url: String,
    /// Which types go over the connection, both ways.
    pub scopes: Vec<String>,
    /// Its signature.
    pub proof: Signature,
}

impl Redeemed {
    /// Signs this for a joiner.
    ///
    /// # Errors
    /// When a member cannot be signed.
    pub fn sign(mut self, asked: &Redemption, key: &InstanceKey) -> Result<Self, Unsignable> {
        self.identity_key = Base64Url(key.public());
        self.proof = Base64Url(key.sign(self.message(asked)?.as_bytes()));
        Ok(self)
    }

    /// Whether the key that it names has signed this, as the answer to what was asked.
    pub fn is_proved(&self, asked: &Redemption) -> bool {
        let verified =
            |message: String| verify(&self.identity_key.0, message.as_bytes(), &self.proof.0);
        self.message(asked).is_ok_and(verified)
    }

    fn message(&self, asked: &Redemption) -> Result<String, Unsignable> {
        // Patterns cannot contain control characters, and JSON keeps them apart.
        let scopes = serde_json::to_string(&self.scopes).unwrap_or_default();
        signable(
            "kite invitation answer 1",
            &[
                ("secret", &String::from(Base64Url(asked.secret.digest()))),
                ("joiner", &String::from(asked.identity_key)),
                ("joiner_id", asked.instance_id.as_str()),
                ("instance_id", self.instance_id.as_str()),
                ("identity_key", &String::from(self.identity_key)),
                ("hook_url", &self.hook_url),
                ("scopes", &scopes),
            ],
        )
    }
}

/// How the joiner asks the inviter to try its way to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestRequest {
    /// What opened the invitation.
    pub secret: InviteSecret,
    /// Who has redeemed it.
    pub identity_key: PublicKey,
    /// Its signature.
    pub proof: Signature,
}

impl TestRequest {
    /// Asks, with the key that has redeemed it.
    ///
    /// # Errors
    /// When a member cannot be signed.
    pub fn signed(secret: InviteSecret, key: &InstanceKey) -> Result<Self, Unsignable> {
        let mut request = Self {
            secret,
            identity_key: Base64Url(key.public()),
            proof: Base64Url([0; SIGNATURE_LEN]),
        };
        request.proof = Base64Url(key.sign(request.message()?.as_bytes()));
        Ok(request)
    }

    /// Whether the key that it names has signed this.
    pub fn is_proved(&self) -> bool {
        let verified =
            |message: String| verify(&self.identity_key.0, message.as_bytes(), &self.proof.0);
        self.message().is_ok_and(verified)
    }

    fn message(&self) -> Result<String, Unsignable> {
        signable(
            "kite invitation test 1",
            &[
                ("secret", &self.secret.reveal()),
                ("identity_key", &String::from(self.identity_key)),
            ],
        )
    }
}

/// One line for the heading and for each member.
fn signable(heading: &str, members: &[(&'static str, &str)]) -> Result<String, Unsignable> {
    let mut text = heading.to_owned();
    for (name, value) in members {
        if value.contains(char::is_control) {
            return Err(Unsignable(name));
        }
        text.push('\n');
        text.push_str(value);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSIGNED: Signature = Base64Url([0; SIGNATURE_LEN]);

    fn key(seed: u8) -> InstanceKey {
        InstanceKey::from_seed(&[seed; 32]).unwrap()
    }

    fn redemption() -> Redemption {
        Redemption {
            secret: InviteSecret::of([7; 32]),
            instance_id: "b".parse().unwrap(),
            identity_key: Base64Url([0; 32]),
            hook_url: "https://b.example/hooks/t/kite".to_owned(),
            outbound_token: "kfd_out".to_owned(),
            inbound_token: "kfd_in".to_owned(),
            proof: UNSIGNED,
        }
    }

    fn answer() -> Redeemed {
        Redeemed {
            instance_id: "a".parse().unwrap(),
            identity_key: Base64Url([0; 32]),
            hook_url: "https://a.example/hooks/t/kite".to_owned(),
            scopes: vec!["stripe.*".to_owned()],
            proof: UNSIGNED,
        }
    }

    /// Everything that differs from a value in one member.
    macro_rules! changed {
        ($value:expr, $($member:ident = $other:expr),* $(,)?) => {
            [$({
                let mut changed = $value.clone();
                changed.$member = $other;
                changed
            }),*]
        };
    }

    #[test]
    fn a_redemption_is_proved_as_it_was_signed_and_for_whom() {
        let signed = redemption().sign("SHA256:a", &key(1)).unwrap();
        assert_eq!(signed.is_proved("SHA256:a"), Ok(true));
        assert_eq!(signed.is_proved("SHA256:x"), Ok(false));
        let others = changed!(
            signed,
            secret = InviteSecret::of([8; 32]),
            instance_id = "c".parse().unwrap(),
            identity_key = Base64Url(key(2).public()),
            hook_url = "https://c.example/".to_owned(),
            outbound_token = "kfd_in".to_owned(),
            inbound_token = "kfd_out".to_owned(),
            proof = UNSIGNED,
        );
        for other in others {
            assert_eq!(other.is_proved("SHA256:a"), Ok(false), "{other:?}");
        }
        let mut broken = redemption();
        broken.hook_url = "https://b.example/\nkfd_out".to_owned();
        let fault = broken.sign("SHA256:a", &key(1)).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "`hook_url` must not contain control characters"
        );
    }

    #[test]
    fn an_answer_is_proved_for_who_asked_and_what() {
        let asked = redemption().sign("SHA256:a", &key(1)).unwrap();
        let signed = answer().sign(&asked, &key(2)).unwrap();
        assert!(signed.is_proved(&asked));
        let others = changed!(
            signed,
            instance_id = "c".parse().unwrap(),
            identity_key = Base64Url(key(3).public()),
            hook_url = "https://c.example/".to_owned(),
            scopes = vec!["*".to_owned()],
            proof = UNSIGNED,
        );
        for other in others {
            assert!(!other.is_proved(&asked), "{other:?}");
        }
        let askers = changed!(
            asked,
            secret = InviteSecret::of([8; 32]),
            identity_key = Base64Url(key(3).public()),
            instance_id = "c".parse().unwrap(),
        );
        for asker in askers {
            assert!(!signed.is_proved(&asker), "{asker:?}");
        }
    }

    #[test]
    fn a_test_is_asked_for_by_who_has_the_key() {
        let secret = InviteSecret::of([7; 32]);
        let request = TestRequest::signed(secret, &key(1)).unwrap();
        assert!(request.is_proved());
        let others = changed!(
            request,
            secret = InviteSecret::of([8; 32]),
            identity_key = Base64Url(key(2).public()),
            proof = UNSIGNED,
        );
        assert!(others.iter().all(|other| !other.is_proved()));
    }

    #[test]
    fn no_secret_is_in_what_is_printed() {
        let signed = redemption().sign("SHA256:a", &key(1)).unwrap();
        let request = TestRequest::signed(signed.secret.clone(), &key(1)).unwrap();
        let told = format!("{signed:?} {request:?}");
        let secret = signed.secret.reveal();
        for hidden in ["kfd_out", "kfd_in", secret.as_str(), "7, 7, 7, 7"] {
            assert!(!told.contains(hidden), "{told}");
        }
    }
}

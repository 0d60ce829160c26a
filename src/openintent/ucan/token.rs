//! One token (spec 10.1 to 10.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::chain::Received;
use super::fault::{UcanFault, UcanProblem};
use crate::openintent::canonical::spaced;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::Writer;
use crate::openintent::scope::DelegationScope;
use crate::protocol::identity::InstanceKey;

/// The longest token, in bytes (spec 10.2).
pub const TOKEN_LEN_MAX: usize = 64 * 1024;

/// How long a token is valid when nobody says otherwise, in seconds (spec 10.1).
pub const LIFETIME_SECS: i64 = 3600;

/// `{"alg": "EdDSA", "typ": "UCAN"}`, as every token begins.
const HEADER: &str = "eyJhbGciOiAiRWREU0EiLCAidHlwIjogIlVDQU4ifQ";

/// Somebody's word that somebody else may do something for a while.
///
/// ```
/// use kite::openintent::model::DelegationScope;
/// use kite::openintent::ucan::UCANToken;
/// use kite::protocol::identity::InstanceKey;
///
/// let key = InstanceKey::from_seed(&[7; 32]).unwrap();
/// let now = 1_767_225_600;
/// let scope = DelegationScope {
///     denied_operations: vec!["intent.delete".to_owned()],
///     max_delegation_depth: 2,
///     ..DelegationScope::default()
/// };
/// let issuer = "did:web:my-server.example.com";
/// let token = UCANToken::new(issuer, "did:web:partner.example.com", scope, now, "AAECAw==");
/// let encoded = token.encode(&key);
/// assert!(encoded.starts_with("eyJhbGci"));
///
/// let decoded = UCANToken::decode(&encoded).unwrap();
/// assert_eq!(decoded.iss, issuer);
/// assert_eq!(decoded.aud, "did:web:partner.example.com");
/// assert!(decoded.is_active(now));
/// assert!(decoded.is_expired(now + 3601));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UCANToken {
    /// The DID of whoever gives the word.
    pub iss: String,
    /// The DID of whoever may use it.
    pub aud: String,
    /// What may be done.
    pub scope: DelegationScope,
    /// The first second in which it is valid, as Unix time.
    pub nbf: i64,
    /// The last second in which it is valid, as Unix time.
    pub exp: i64,
    /// What makes it another one than those with the same content.
    pub nonce: String,
    /// The tokens that it stands on, encoded, the direct parent last.
    pub prf: Vec<String>,
}

impl UCANToken {
    /// A token that begins now, stands on nothing, and is valid for [`LIFETIME_SECS`].
    pub fn new(
        iss: impl Into<String>,
        aud: impl Into<String>,
        scope: DelegationScope,
        now_unix: i64,
        nonce: impl Into<String>,
    ) -> Self {
        Self {
            iss: iss.into(),
            aud: aud.into(),
            scope,
            nbf: now_unix,
            exp: now_unix.saturating_add(LIFETIME_SECS),
            nonce: nonce.into(),
            prf: Vec::new(),
        }
    }

    /// Whether it is valid at a time.
    pub fn is_active(&self, now_unix: i64) -> bool {
        self.nbf <= now_unix && !self.is_expired(now_unix)
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now_unix: i64) -> bool {
        now_unix > self.exp
    }

    /// The token as it travels, signed.
    pub fn encode(&self, key: &InstanceKey) -> String {
        let payload = match self.to_json() {
            Json::Object(payload) => spaced(&payload),
            other => other.to_string(),
        };
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Reads a token. Nothing is verified: that takes the whole [`Chain`](super::Chain).
    ///
    /// # Errors
    /// When it has not the form of a token, or leaves open what a token must say.
    pub fn decode(text: &str) -> Result<Self, UcanFault> {
        let received = Received::read(text).map_err(UcanProblem::alone)?;
        Ok(received.token)
    }

    /// A part of what a token permits, for somebody further on: signed by the token's audience, valid as long as the token,
    /// and standing on it as it came. `as_sdk` lists the token's own proofs once more, as the SDK does; they are inside of it
    /// anyway.
    ///
    /// ```
    /// use kite::openintent::model::DelegationScope;
    /// use kite::openintent::ucan::UCANToken;
    /// use kite::protocol::identity::InstanceKey;
    ///
    /// let server_a = InstanceKey::from_seed(&[1; 32]).unwrap();
    /// let server_b = InstanceKey::from_seed(&[2; 32]).unwrap();
    /// let (a, b) = ("did:web:server-a.example.com", "did:web:server-b.example.com");
    /// let c = "did:web:server-c.example.com";
    /// let now = 1_767_225_600;
    ///
    /// let permissions = ["state.patch", "events.log", "intent.create"];
    /// let scope = DelegationScope {
    ///     permissions: permissions.map(str::to_owned).to_vec(),
    ///     max_delegation_depth: 3,
    ///     ..DelegationScope::default()
    /// };
    /// let root = UCANToken::new(a, b, scope, now, "root").encode(&server_a);
    ///
    /// let wanted = DelegationScope { max_delegation_depth: 2, ..DelegationScope::default() };
    /// let child = UCANToken::attenuate(&root, c, &wanted, now, "child", &server_b, false).unwrap();
    /// let child = UCANToken::decode(&child).unwrap();
    /// assert_eq!((child.iss.as_str(), child.aud.as_str()), (b, c));
    /// assert_eq!(child.scope.permissions, ["events.log", "state.patch"]);
    /// assert_eq!(child.scope.max_delegation_depth, 2);
    /// assert_eq!(child.prf, [root]);
    /// ```
    ///
    /// # Errors
    /// When the token cannot be read, is over or may not be delegated further, or the new one would be too long.
    pub fn attenuate(
        parent_text: &str,
        audience: &str,
        wanted: &DelegationScope,
        now_unix: i64,
        nonce: &str,
        key: &InstanceKey,
        as_sdk: bool,
    ) -> Result<String, UcanFault> {
        let parent = Self::decode(parent_text)?;
        let refuse = |problem: UcanProblem| problem.at(1, Some(&parent.iss));
        if parent.is_expired(now_unix) {
            return Err(refuse(UcanProblem::Expired(parent.exp)));
        }
        let scope = parent.scope.attenuate(wanted);
        let scope = scope.map_err(|fault| refuse(fault.into()))?;
        if scope.max_delegation_depth < 0 {
            return Err(refuse(UcanProblem::Depth));
        }
        let mut prf = match as_sdk {
            true => parent.prf,
            false => Vec::new(),
        };
        prf.push(parent_text.to_owned());
        let child = Self {
            iss: parent.aud,
            aud: audience.to_owned(),
            scope,
            nbf: now_unix,
            exp: parent.exp,
            nonce: nonce.to_owned(),
            prf,
        };
        let text = child.encode(key);
        match text.len() > TOKEN_LEN_MAX {
            true => Err(UcanProblem::Length.alone()),
            false => Ok(text),
        }
    }

    /// The payload.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("iss", self.iss.as_str())
            .put("aud", self.aud.as_str())
            .put("scope", self.scope.to_json())
            .put("nbf", self.nbf)
            .put("exp", self.exp)
            .put("nonce", self.nonce.as_str())
            .put("prf", self.prf.clone())
            .end()
    }

    /// Reads a payload. Nothing has a default: what a token does not say, nobody has said.
    ///
    /// # Errors
    /// When a member is missing or of another kind.
    pub fn from_json(payload: &Json) -> Result<Self, UcanFault> {
        let payload = payload.as_object();
        let payload = payload.ok_or_else(|| UcanProblem::Json("payload").alone())?;
        Self::read(payload).map_err(UcanProblem::alone)
    }

    pub(super) fn read(payload: &Object) -> Result<Self, UcanProblem> {
        Ok(Self {
            iss: text(payload, "iss")?,
            aud: text(payload, "aud")?,
            scope: scope(payload)?,
            nbf: time(payload, "nbf")?,
            exp: time(payload, "exp")?,
            nonce: text(payload, "nonce")?,
            prf: texts(payload, "prf", "prf")?,
        })
    }
}

fn text(object: &Object, member: &'static str) -> Result<String, UcanProblem> {
    let text = object.get(member).and_then(Json::as_str);
    let text = text.filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(UcanProblem::Member {
        member,
        wanted: "a text that is not empty",
    })
}

fn time(object: &Object, member: &'static str) -> Result<i64, UcanProblem> {
    let time = object.get(member).and_then(Json::as_i64);
    time.filter(|time| *time > 0).ok_or(UcanProblem::Member {
        member,
        wanted: "a positive integer of 64 bits",
    })
}

fn texts(object: &Object, name: &str, member: &'static str) -> Result<Vec<String>, UcanProblem> {
    let texts = object.get(name).and_then(Json::as_array).and_then(|items| {
        let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>()
    });
    texts.ok_or(UcanProblem::Member {
        member,
        wanted: "a list of strings",
    })
}

/// The scope. Unlike the model's, nothing that may be done is taken for granted.
fn scope(payload: &Object) -> Result<DelegationScope, UcanProblem> {
    let wrong = |member, wanted| UcanProblem::Member { member, wanted };
    let value = payload.get("scope");
    let object = value.and_then(Json::as_object);
    let object = object.ok_or(wrong("scope", "an object"))?;
    let depth = object.get("max_delegation_depth").and_then(Json::as_i64);
    let depth = depth.filter(|depth| *depth >= 0);
    let scope = DelegationScope {
        permissions: texts(object, "permissions", "scope.permissions")?,
        denied_operations: texts(object, "denied_operations", "scope.denied_operations")?,
        max_delegation_depth: depth.ok_or(wrong(
            "scope.max_delegation_depth",
            "an integer of 64 bits that is not negative",
        ))?,
        expires_at: match object.get("expires_at") {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => Some(text.clone()),
            Some(_) => return Err(wrong("scope.expires_at", "a time stamp")),
        },
    };
    scope.end()?;
    Ok(scope)
}

//! Why a token is refused, and which one of a chain it is.

use crate::openintent::scope::ScopeFault;

use super::chain::LINKS_MAX;
use super::token::TOKEN_LEN_MAX;

/// Why a token, or one of the tokens that it stands on, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", self.place())]
pub struct UcanFault {
    /// Which one: 1 for the token itself, 2 for its parent, and so on.
    pub link: usize,
    /// Who has issued it, as far as that could be read.
    pub issuer: Option<String>,
    /// What is wrong with it.
    pub problem: UcanProblem,
}

/// What is wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UcanProblem {
    /// It is too long.
    #[error("it is longer than {TOKEN_LEN_MAX} bytes")]
    Length,
    /// It has not the form of a token.
    #[error("it is not three parts with dots between")]
    Parts,
    /// A part holds what base64url does not, or what it writes another way.
    #[error("its {0} is not base64url without padding")]
    Base64(&'static str),
    /// The signature has another length.
    #[error("its signature is not 64 bytes")]
    SignatureLength,
    /// A part is no object of JSON.
    #[error("its {0} is not a JSON object")]
    Json(&'static str),
    /// It is another kind of token.
    #[error("its header must have `alg` `EdDSA` and `typ` `UCAN`")]
    Header,
    /// A member of the payload is missing or of another kind.
    #[error("`{member}` must be {wanted}")]
    Member {
        /// The member.
        member: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// There are more links than anybody needs.
    #[error("it stands on more than {LINKS_MAX} links")]
    Links,
    /// The proofs before the parent are not the parent's own.
    #[error("its list of proofs does not match its parent's")]
    Proofs,
    /// It is for somebody else.
    #[error("it is for another audience, `{0}`")]
    Audience(String),
    /// No key of its issuer has signed it.
    #[error("its signature is by no key of its issuer")]
    Signature,
    /// Its time has not come.
    #[error("it is not valid before {0} (Unix time)")]
    NotYet(i64),
    /// Its time is over.
    #[error("it expired at {0} (Unix time)")]
    Expired(i64),
    /// Its scope is of no use.
    #[error("{0}")]
    Scope(#[from] ScopeFault),
    /// Nobody trusts the one who began the chain.
    #[error("its issuer is not a trusted root")]
    Root,
    /// It permits what its parent does not.
    #[error("it widens the permissions of its parent by `{0}`")]
    Permission(String),
    /// It does not deny what its parent does.
    #[error("it drops its parent's denial of `{0}`")]
    Denial(String),
    /// It may be delegated as often as its parent or more often, or its parent may not be delegated.
    #[error("it exceeds the delegation depth of its parent")]
    Depth,
    /// It is valid for longer than its parent.
    #[error("it outlives its parent")]
    Outlives,
    /// Its scope is valid for longer than its parent's.
    #[error("its scope outlives its parent's")]
    ScopeOutlives,
}

/// The longest piece of somebody else's text that is told, in characters.
const TOLD_MAX: usize = 120;

impl UcanProblem {
    /// Of a link of a chain.
    pub(super) fn at(self, link: usize, issuer: Option<&str>) -> UcanFault {
        UcanFault {
            link,
            issuer: issuer.map(told),
            problem: self,
        }
    }

    /// Of a token that stands alone.
    pub(super) fn alone(self) -> UcanFault {
        self.at(1, None)
    }
}

impl UcanFault {
    /// `the token of ... (link 2): `, or less where less is known.
    fn place(&self) -> String {
        let link = match self.link {
            1 => String::new(),
            link => format!(" (link {link})"),
        };
        match &self.issuer {
            Some(issuer) => format!("the token of `{issuer}`{link}: "),
            None => format!("the token{link}: "),
        }
    }
}

/// Somebody else's text as it may be shown: without what moves the cursor, and not too long.
pub(super) fn told(text: &str) -> String {
    let shown = text.chars().flat_map(char::escape_debug);
    let mut cut: String = shown.take(TOLD_MAX).collect();
    if cut.len() < text.len() && cut.chars().count() == TOLD_MAX {
        cut.push('…');
    }
    cut
}

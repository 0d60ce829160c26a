//! The conditions of federated work, and how two servers' conditions become one (spec 3.2, 9).

use core::cmp::Ordering;

use super::json::{Integer, Json, Object};
use super::model::{Members, ModelFault, Writer};

/// The conditions that work is done under. What they hold is free.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FederationPolicy {
    /// Who must agree, and to what.
    pub governance: Object,
    /// What may be used.
    pub budget: Object,
    /// What must be told.
    pub observability: Object,
}

/// The members of a budget below which no work can be done.
const CEILINGS: [&str; 2] = ["max_llm_tokens", "cost_ceiling_usd"];

/// The ceiling of what work may cost.
const COST_CEILING: &str = "cost_ceiling_usd";

/// What is answered to an intent whose budget allows nothing (spec 13.6).
const TOO_RESTRICTIVE: &str = "Rejected: budget constraints too restrictive";

/// How two values of the same name become one.
#[derive(Clone, Copy, PartialEq)]
enum Section {
    Governance,
    Budget,
    Observability,
}

impl FederationPolicy {
    /// The policy that holds where two servers have one each: no limit of either gets looser.
    ///
    /// ```
    /// use kite::openintent::policy::FederationPolicy;
    ///
    /// let policy = |text: &str| FederationPolicy::from_json(&text.parse().unwrap()).unwrap();
    /// let mine = policy(
    ///     r#"{"governance": {"require_approval": false},
    ///         "budget": {"max_llm_tokens": 10000, "cost_ceiling_usd": 5.0}}"#,
    /// );
    /// let theirs = policy(
    ///     r#"{"governance": {"require_approval": true},
    ///         "budget": {"max_llm_tokens": 5000, "cost_ceiling_usd": 10.0}}"#,
    /// );
    /// let composed = mine.compose_strictest(&theirs);
    /// assert_eq!(composed.governance["require_approval"], true.into());
    /// assert_eq!(composed.budget["max_llm_tokens"], 5000.into());
    /// assert_eq!(composed.budget["cost_ceiling_usd"].to_string(), "5.0");
    /// ```
    #[must_use]
    pub fn compose_strictest(&self, theirs: &Self) -> Self {
        Self {
            governance: compose(Section::Governance, &self.governance, &theirs.governance),
            budget: compose(Section::Budget, &self.budget, &theirs.budget),
            observability: compose(
                Section::Observability,
                &self.observability,
                &theirs.observability,
            ),
        }
    }

    /// The same with a further ceiling of what the work may cost; anything but a number is none.
    #[must_use]
    pub fn with_cost_ceiling(&self, limit: &Json) -> Self {
        let mut further = Self::default();
        if matches!(limit, Json::Integer(_) | Json::Float(_)) {
            further
                .budget
                .insert(COST_CEILING.to_owned(), limit.clone());
        }
        self.compose_strictest(&further)
    }

    /// What is answered when nothing can be done under this policy: a ceiling is zero, below zero or `false`.
    ///
    /// ```
    /// use kite::openintent::policy::FederationPolicy;
    ///
    /// let policy = FederationPolicy::from_json(&r#"{"budget": {"max_llm_tokens": 0}}"#.parse().unwrap());
    /// assert!(policy.unwrap().refusal().is_some());
    /// assert_eq!(FederationPolicy::default().refusal(), None);
    /// ```
    pub fn refusal(&self) -> Option<&'static str> {
        let zero = Json::from(0);
        let is_nothing = |name: &&str| {
            let ceiling = self.budget.get(*name).and_then(Limit::of);
            let zero = Limit::of(&zero);
            ceiling
                .zip(zero)
                .is_some_and(|(ceiling, zero)| ceiling.compare(&zero).is_le())
        };
        CEILINGS
            .iter()
            .any(|name| is_nothing(name))
            .then_some(TOO_RESTRICTIVE)
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// When a section is no object.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        Self::read(&Members::of(value)?)
    }

    pub(super) fn read(members: &Members<'_>) -> Result<Self, ModelFault> {
        Ok(Self {
            governance: members.object("governance")?,
            budget: members.object("budget")?,
            observability: members.object("observability")?,
        })
    }

    /// The policy as it travels.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("governance", self.governance.clone())
            .put("budget", self.budget.clone())
            .put("observability", self.observability.clone())
            .end()
    }
}

fn compose(section: Section, mine: &Object, theirs: &Object) -> Object {
    let mut composed = mine.clone();
    for (name, their) in theirs {
        let value = match mine.get(name) {
            None => their.clone(),
            Some(my) => stricter(section, my, their),
        };
        composed.insert(name.clone(), value);
    }
    composed
}

/// One value of two. Null displaces nothing, and no limit gives way to what is none.
fn stricter(section: Section, mine: &Json, theirs: &Json) -> Json {
    let chosen = match (mine, theirs) {
        (_, Json::Null) => mine,
        (Json::Bool(mine), Json::Bool(theirs)) if section != Section::Budget => {
            return Json::Bool(*mine || *theirs);
        }
        _ => match (Limit::of(mine), Limit::of(theirs)) {
            (Some(my), Some(their)) if section != Section::Observability => {
                match their.compare(&my).is_lt() {
                    true => theirs,
                    false => mine,
                }
            }
            (Some(_), None) => mine,
            _ => theirs,
        },
    };
    chosen.clone()
}

/// A number as Python sees one: `true` is 1 and `false` is 0.
enum Limit<'j> {
    Bool(bool),
    Integer(&'j Integer),
    Float(f64),
}

impl<'j> Limit<'j> {
    fn of(value: &'j Json) -> Option<Self> {
        match value {
            Json::Bool(it) => Some(Self::Bool(*it)),
            Json::Integer(integer) => Some(Self::Integer(integer)),
            Json::Float(float) => Some(Self::Float(*float)),
            _ => None,
        }
    }

    /// Compares exactly, whatever the kinds: an integer and a float by their decimal digits.
    fn compare(&self, other: &Self) -> Ordering {
        if let (Self::Float(ours), Self::Float(theirs)) = (self, other) {
            return ours.partial_cmp(theirs).unwrap_or(Ordering::Equal);
        }
        let (ours, our_rest) = self.parts();
        let (theirs, their_rest) = other.parts();
        let by_rest = || our_rest.partial_cmp(&their_rest).unwrap_or(Ordering::Equal);
        compare_digits(&ours, &theirs).then_with(by_rest)
    }

    /// The digits of the whole part, and the rest, which has the same sign.
    fn parts(&self) -> (String, f64) {
        match self {
            Self::Bool(it) => (u8::from(*it).to_string(), 0.0),
            Self::Integer(integer) => (integer.digits().to_owned(), 0.0),
            // `+ 0.0` makes zero of negative zero. A double is written out digit by digit.
            Self::Float(float) => (format!("{:.0}", float.trunc() + 0.0), float.fract()),
        }
    }
}

/// Compares integers of any length, written without leading zeros.
fn compare_digits(ours: &str, theirs: &str) -> Ordering {
    let by_size = |ours: &str, theirs: &str| ours.len().cmp(&theirs.len()).then(ours.cmp(theirs));
    match (ours.strip_prefix('-'), theirs.strip_prefix('-')) {
        (None, None) => by_size(ours, theirs),
        (Some(ours), Some(theirs)) => by_size(theirs, ours),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

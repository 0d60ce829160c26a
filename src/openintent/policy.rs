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

/// The members of governance that want a person to agree. `true` is the stricter one, whatever the kind of the other: of
/// these no minimum is taken.
const DUTIES: [&str; 2] = ["require_approval", "require_human_approval"];

/// The agents that may do the work; any where there is no list.
const ALLOWED_AGENTS: &str = "allowed_agents";

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

    /// The policy that holds where somebody asks for conditions within these: as [`Self::compose_strictest`], and nobody adds
    /// an agent by that. Composing alone replaces lists (spec 9).
    ///
    /// ```
    /// use kite::openintent::policy::FederationPolicy;
    ///
    /// let policy = |text: &str| FederationPolicy::from_json(&text.parse().unwrap()).unwrap();
    /// let mine = policy(r#"{"governance": {"allowed_agents": ["a", "b"]}}"#);
    /// let asked = policy(r#"{"governance": {"allowed_agents": ["b", "c"]}}"#);
    /// let composed = mine.compose_within(&asked);
    /// assert!(composed.allows_agent("b"));
    /// assert!(!composed.allows_agent("c"));
    /// ```
    #[must_use]
    pub fn compose_within(&self, asked: &Self) -> Self {
        let mut asked = asked.clone();
        if let Some(Json::Array(allowed)) = self.governance.get(ALLOWED_AGENTS) {
            match asked.governance.get_mut(ALLOWED_AGENTS) {
                Some(Json::Array(agents)) => agents.retain(|agent| allowed.contains(agent)),
                // What is no list would take the list away.
                _ => drop(asked.governance.remove(ALLOWED_AGENTS)),
            }
        }
        self.compose_strictest(&asked)
    }

    /// Whether an agent may do the work.
    pub fn allows_agent(&self, agent: &str) -> bool {
        let allowed = self.agents();
        allowed.is_none_or(|allowed| allowed.iter().any(|it| it.as_str() == Some(agent)))
    }

    /// The list of the agents that may do the work, where there is one.
    pub fn agents(&self) -> Option<&[Json]> {
        self.governance.get(ALLOWED_AGENTS)?.as_array()
    }

    /// Whether a person has to agree before the work begins.
    pub fn needs_approval(&self) -> bool {
        let is_asked = |name: &str| self.governance.get(name).is_some_and(asks);
        DUTIES.into_iter().any(is_asked)
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
        let is_nothing = |name: &str| {
            let ceiling = self.budget.get(name).and_then(Limit::of);
            ceiling.is_some_and(|ceiling| ceiling.compare(&Limit::Bool(false)).is_le())
        };
        let is_refused = CEILINGS.into_iter().any(is_nothing);
        is_refused.then_some(TOO_RESTRICTIVE)
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
            Some(my) if DUTIES.contains(&name.as_str()) && asks(my) && !asks(their) => my.clone(),
            Some(my) if DUTIES.contains(&name.as_str()) && asks(their) && !asks(my) => {
                their.clone()
            }
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

/// Whether a duty is one: anything but nothing, as Python has it.
fn asks(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(it) => *it,
        Json::Integer(_) | Json::Float(_) => value.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
    }
}

/// A limit as a number, `true` as 1 and `false` as 0: composing may leave either where a number was. `None` where it limits
/// nothing.
pub fn limit_of(value: &Json) -> Option<f64> {
    match value {
        Json::Bool(it) => Some(f64::from(u8::from(*it))),
        number => number.as_f64(),
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Json {
        text.parse().unwrap()
    }

    fn compare(ours: &str, theirs: &str) -> Ordering {
        let (ours, theirs) = (json(ours), json(theirs));
        Limit::of(&ours)
            .unwrap()
            .compare(&Limit::of(&theirs).unwrap())
    }

    #[test]
    fn numbers_are_compared_exactly_whatever_their_kind() {
        for (less, more) in [
            ("9007199254740992.0", "9007199254740993"),
            ("9007199254740993", "9007199254740994.0"),
            ("-9007199254740993", "-9007199254740992.0"),
            ("12345678901234567890123", "12345678901234567890124"),
            ("99", "100"),
            ("-100", "-99"),
            ("-1", "1"),
            ("-0.5", "0"),
            ("0", "0.5"),
            ("-1.5", "-1"),
            ("1", "1.5"),
            ("false", "0.1"),
            ("true", "2"),
            ("1", "1e300"),
            ("-1e300", "-1"),
            ("1e-300", "true"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
        for (one, other) in [("2", "2.0"), ("0", "-0.0"), ("true", "1"), ("1e2", "100")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
        let long = format!("1{}", "0".repeat(400));
        assert_eq!(compare(&long, "1.7976931348623157e308"), Ordering::Greater);
    }

    #[test]
    fn a_budget_that_allows_nothing_is_refused() {
        for (ceiling, is_refused) in [
            ("0", true),
            ("-0.0", true),
            ("-1", true),
            ("-0.001", true),
            ("false", true),
            ("true", false),
            ("0.001", false),
            ("5", false),
            ("null", false),
            (r#""0""#, false),
        ] {
            for name in CEILINGS {
                let text = format!(r#"{{"budget": {{"{name}": {ceiling}}}}}"#);
                let policy = FederationPolicy::from_json(&json(&text)).unwrap();
                assert_eq!(policy.refusal().is_some(), is_refused, "{text}");
            }
        }
        let other = json(r#"{"budget": {"max_tool_calls": 0}}"#);
        assert_eq!(FederationPolicy::from_json(&other).unwrap().refusal(), None);
    }

    #[test]
    fn no_form_of_no_takes_a_duty_away() {
        for name in DUTIES {
            for (mine, theirs, is_needed) in [
                ("true", "0", true),
                ("0", "true", true),
                ("true", "0.0", true),
                ("true", "false", true),
                ("true", "null", true),
                ("true", r#""no""#, true),
                (r#""yes""#, "false", true),
                ("1", "0", true),
                ("false", "0", false),
                ("null", "{}", false),
            ] {
                let policy = |value: &str| FederationPolicy {
                    governance: Object::from([(name.to_owned(), json(value))]),
                    ..FederationPolicy::default()
                };
                let composed = policy(mine).compose_strictest(&policy(theirs));
                assert_eq!(composed.needs_approval(), is_needed, "{mine} {theirs}");
            }
        }
    }

    #[test]
    fn what_is_no_list_takes_no_list_of_agents_away() {
        let policy = |agents: &str| FederationPolicy {
            governance: Object::from([(ALLOWED_AGENTS.to_owned(), json(agents))]),
            ..FederationPolicy::default()
        };
        for asked in [r#""c""#, "7", "null", "{}", r#"["c"]"#] {
            let composed = policy(r#"["a"]"#).compose_within(&policy(asked));
            assert!(!composed.allows_agent("c"), "{asked}");
        }
        assert!(policy("7").allows_agent("c"));
    }

    #[test]
    fn a_further_ceiling_only_lowers_the_one_there_is() {
        let ceiling = |own: Option<&str>, further: &str| {
            let budget = own.map(|own| (COST_CEILING.to_owned(), json(own)));
            let policy = FederationPolicy {
                budget: budget.into_iter().collect(),
                ..FederationPolicy::default()
            };
            let lowered = policy.with_cost_ceiling(&json(further)).budget;
            lowered.get(COST_CEILING).map(Json::to_string)
        };
        assert_eq!(ceiling(None, "2.5").as_deref(), Some("2.5"));
        assert_eq!(ceiling(Some("5"), "2.5").as_deref(), Some("2.5"));
        assert_eq!(ceiling(Some("1"), "2.5").as_deref(), Some("1"));
        assert_eq!(ceiling(Some("1"), r#""much""#).as_deref(), Some("1"));
        assert_eq!(ceiling(None, "null"), None);
    }

    fn value() -> impl Strategy<Value = Json> {
        prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            (-3_i64..4).prop_map(Json::from),
            (-3.0_f64..4.0).prop_map(Json::Float),
            "[a-c]{0,2}".prop_map(Json::from),
        ]
    }

    proptest! {
        /// Whatever a server adds, no limit of another one gets looser.
        #[test]
        fn composing_never_loosens(mine in value(), theirs in value()) {
            let policy = |value: &Json| FederationPolicy {
                governance: Object::from([("a".to_owned(), value.clone())]),
                budget: Object::from([("a".to_owned(), value.clone())]),
                observability: Object::from([("a".to_owned(), value.clone())]),
            };
            let composed = policy(&mine).compose_strictest(&policy(&theirs));
            for given in [&mine, &theirs] {
                let Some(limit) = Limit::of(given) else { continue };
                let ceiling = Limit::of(&composed.budget["a"]);
                prop_assert!(ceiling.is_some_and(|it| it.compare(&limit).is_le()));
                let duty = &composed.governance["a"];
                prop_assert!(Limit::of(duty).is_some());
                if *given == Json::Bool(true) && matches!((&mine, &theirs), (Json::Bool(_), Json::Bool(_))) {
                    prop_assert_eq!(duty, &Json::Bool(true));
                    prop_assert_eq!(&composed.observability["a"], &Json::Bool(true));
                }
            }
        }
    }
}

//! One step of a workflow.

use super::fault::{Findings, Position};
use super::peers::Federation;
use super::place::Place;
use super::retry::Retry;
use super::section::{Found, Section};
use super::wiring::{self, Input, Output, Wire};
use super::yaml::Value;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{AgentVisibility, DelegationScope, FederationPolicy};
use crate::openintent::stamp;

/// The longest name of a step, in characters: it is part of ids.
const NAME_MAX_CHARS: usize = 128;

/// The deepest delegation that a scope may allow. A chain of tokens has eight links (OpenIntent rules, 10.4).
const DEPTH_MAX: i64 = 8;

/// A step: an intent for somebody, when those that it waits for are done.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it is called in the file.
    pub name: String,
    /// A title.
    pub title: String,
    /// More words.
    pub description: String,
    /// Who does it.
    pub place: Place,
    /// What has to be kept to.
    pub constraints: Object,
    /// What is known from the start.
    pub initial_state: Object,
    /// What it is given of others; without it all that those have come to, each under its name.
    pub inputs: Option<Vec<Input>>,
    /// What others see of it; without it everything.
    pub outputs: Option<Vec<Output>>,
    /// What may be done.
    pub scope: Option<DelegationScope>,
    /// The conditions.
    pub policy: FederationPolicy,
    /// How it is tried again.
    pub retry: Retry,
    /// Who is to be told of its agent.
    pub visibility: Option<AgentVisibility>,
    /// Where it is in the file.
    pub at: Position,
}

/// A step as it was read alone, with the names of others that it says.
pub(super) struct Draft {
    pub(super) step: Step,
    pub(super) depends_on: Vec<Found<String>>,
    pub(super) wires: Option<Vec<Wire>>,
}

const KEYS: [&str; 17] = [
    "assign",
    "constraints",
    "cost",
    "cost_tracking",
    "delegation_scope",
    "depends_on",
    "description",
    "dispatch_to",
    "federation_policy",
    "federation_visibility",
    "initial_state",
    "inputs",
    "outputs",
    "retry",
    "skip_when",
    "title",
    "visibility",
];

/// Keys of the format that concern what kite is not: a store of leases, files, memories and permissions of agents.
const IDLE: [&str; 12] = [
    "access",
    "attachments",
    "context",
    "coordinator",
    "delegation",
    "leasing",
    "memory",
    "permissions",
    "plan",
    "tools",
    "triggers",
    "verification",
];

impl Draft {
    /// Reads the step of this name; `conditions` hold for all steps.
    pub(super) fn read(
        name: &str,
        section: &Section<'_>,
        federation: &Federation,
        conditions: &FederationPolicy,
        findings: &mut Findings,
    ) -> Option<Self> {
        section.check_keys(&KEYS, &IDLE, findings);
        check_name(name, section, findings);
        let place = Place::read(section, name, federation, findings);
        let title = section.text("title", findings);
        let description = section.text("description", findings);
        let (scope, ceiling) = scope(section, findings);
        let policy = policy(section, conditions, ceiling, findings);
        let wires = wiring::inputs(section, findings);
        let outputs = wiring::outputs(section, findings);
        warn_of_idle(section, outputs.as_deref(), findings);
        let visibility = ["federation_visibility", "visibility"]
            .map(|key| section.word(key, AgentVisibility::WANTED, AgentVisibility::of, findings));
        let depends_on = section.texts("depends_on", findings);
        let step = Step {
            name: name.to_owned(),
            title: title.map_or_else(|| titled(name), |title| title.value),
            description: description.map(|text| text.value).unwrap_or_default(),
            constraints: constraints(section, findings),
            initial_state: section
                .object("initial_state", findings)
                .map(|state| state.value)
                .unwrap_or_default(),
            inputs: None,
            outputs,
            scope,
            policy,
            retry: Retry::read(section, findings),
            visibility: visibility.into_iter().flatten().map(|it| it.value).next(),
            at: section.at,
            // Last, since all else that is wrong is told as well.
            place: place?,
        };
        Some(Self {
            step,
            depends_on,
            wires,
        })
    }
}

fn check_name(name: &str, section: &Section<'_>, findings: &mut Findings) {
    let has_control = name.chars().any(char::is_control);
    if name.trim().is_empty() || name.chars().count() > NAME_MAX_CHARS || has_control {
        let message = format!(
            "a step cannot be called {name:?}: use 1 to {NAME_MAX_CHARS} characters that can be seen"
        );
        findings.fault(section.at, message);
    }
}

/// Says what of a step kite does nothing about.
fn warn_of_idle(section: &Section<'_>, outputs: Option<&[Output]>, findings: &mut Findings) {
    if let Some(entry) = section.get("skip_when") {
        let message = format!(
            "`{}` is not evaluated: the step is always done",
            section.path("skip_when")
        );
        findings.warn(entry.at, message);
    }
    let unchecked = outputs
        .unwrap_or_default()
        .iter()
        .find(|it| !it.is_checked());
    if let (Some(output), Some(entry)) = (unchecked, section.get("outputs")) {
        let message = format!(
            "that `{}` is of the type `{}` is not checked: only string, number, boolean, object and array are",
            output.name, output.kind
        );
        findings.warn(entry.at, message);
    }
}

/// The title of a step that has none: its name in words.
fn titled(name: &str) -> String {
    let words = name.split(['_', ' ']).filter(|word| !word.is_empty());
    let words = words.map(|word| {
        let mut letters = word.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A list of rules becomes an object with these, which is what travels.
fn constraints(section: &Section<'_>, findings: &mut Findings) -> Object {
    let Some(entry) = section.get("constraints") else {
        return Object::new();
    };
    if let Value::Map(_) = entry.node.value {
        let object = section.object("constraints", findings);
        return object.map(|object| object.value).unwrap_or_default();
    }
    let rules = section.texts("constraints", findings).into_iter();
    let rules: Vec<Json> = rules.map(|rule| rule.value.into()).collect();
    match rules.is_empty() {
        true => Object::new(),
        false => Object::from([("rules".to_owned(), Json::Array(rules))]),
    }
}

const SCOPE_KEYS: [&str; 5] = [
    "budget_limit",
    "denied_operations",
    "expires_at",
    "max_delegation_depth",
    "permissions",
];

/// The scope of a step, and the ceiling of its costs that older texts have among it (OpenIntent rules, section 8).
fn scope(step: &Section<'_>, findings: &mut Findings) -> (Option<DelegationScope>, Option<Json>) {
    let Some(section) = step.section("delegation_scope", findings) else {
        return (None, None);
    };
    section.check_keys(&SCOPE_KEYS, &[], findings);
    let mut scope = DelegationScope::default();
    let texts = |found: Vec<Found<String>>| found.into_iter().map(|text| text.value).collect();
    if section.get("permissions").is_some() {
        scope.permissions = texts(section.texts("permissions", findings));
    }
    scope.denied_operations = texts(section.texts("denied_operations", findings));
    if let Some(depth) = section.integer("max_delegation_depth", (0, DEPTH_MAX), findings) {
        scope.max_delegation_depth = depth.value;
    }
    if let Some(end) = section.text("expires_at", findings) {
        if stamp::read(&end.value).is_none() {
            let message = format!(
                "`{}` is no time: write it as 2027-01-31T00:00:00Z",
                end.value
            );
            findings.fault(end.at, message);
        }
        scope.expires_at = Some(end.value);
    }
    let ceiling = section.number("budget_limit", findings);
    (Some(scope), ceiling.map(|limit| limit.value))
}

/// The conditions of a step: those of all steps, its own, and its budget; no limit of any gets looser.
fn policy(
    step: &Section<'_>,
    conditions: &FederationPolicy,
    ceiling: Option<Json>,
    findings: &mut Findings,
) -> FederationPolicy {
    let mut policy = conditions.clone();
    if let Some(own) = step.section("federation_policy", findings) {
        own.check_keys(&["budget", "governance", "observability"], &[], findings);
        let mut part = |key: &str| {
            let object = own.object(key, findings);
            object.map(|object| object.value).unwrap_or_default()
        };
        let own = FederationPolicy {
            governance: part("governance"),
            budget: part("budget"),
            observability: part("observability"),
        };
        policy = policy.compose_strictest(&own);
    }
    for key in ["cost_tracking", "cost"] {
        let Some(section) = step.section(key, findings) else {
            continue;
        };
        section.check_keys(&["budget_usd", "enabled"], &["alert_at_percent"], findings);
        let budget = section.number("budget_usd", findings);
        let is_on = section.flag("enabled", findings).unwrap_or(true);
        if let Some(budget) = budget.filter(|_| is_on) {
            policy = policy.with_cost_ceiling(&budget.value);
        }
    }
    if let Some(ceiling) = ceiling {
        policy = policy.with_cost_ceiling(&ceiling);
    }
    if policy.refusal().is_some() {
        let message = format!(
            "`{}` can never be done: its budget allows nothing; raise it, or leave it out",
            step.path("").trim_end_matches('.')
        );
        findings.fault(step.at, message);
    }
    policy
}

//! A file becomes a workflow, or a list of what is wrong with it.

use std::collections::HashMap;
use std::time::Duration;

use super::fault::{Fault, Findings};
use super::graph::Graph;
use super::peers::Federation;
use super::section::{Section, listed};
use super::spelling::nearest;
use super::step::{Draft, Step};
use super::wiring::{Input, Source, Wire, Wired};
use super::yaml::{self, Node, Value};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::FederationPolicy;

/// How many steps a workflow may have: each is asked for again and again while it runs.
pub const STEPS_MAX: usize = 1000;

/// The longest time that a workflow may be given, in hours: ten years, which any clock can add.
const TIMEOUT_MAX_HOURS: f64 = 87_600.0;

/// How many names are told where one is not known.
const NAMES_MAX: usize = 12;

/// A workflow that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its version.
    pub version: Option<String>,
    /// The servers that take part.
    pub federation: Federation,
    /// What it may cost in all, in US dollars; as it was written.
    pub max_cost_usd: Option<Json>,
    /// How long it may take in all.
    pub timeout: Option<Duration>,
    /// Its steps, in the order of the file.
    pub steps: Vec<Step>,
    /// Which of them waits for which.
    pub graph: Graph,
    /// What is read over.
    pub warnings: Vec<Fault>,
}

const KEYS: [&str; 6] = [
    "agents",
    "federation",
    "governance",
    "info",
    "openintent",
    "workflow",
];

/// Keys of the format that concern what kite is not.
const IDLE: [&str; 13] = [
    "access",
    "coordinator",
    "identity",
    "llm",
    "memory",
    "permissions",
    "plan",
    "plugins",
    "portfolio",
    "tools",
    "triggers",
    "types",
    "verification",
];

impl Workflow {
    /// Reads a file.
    ///
    /// ```
    /// use kite::openintent::workflow::Workflow;
    ///
    /// let text = "openintent: '1.0'\ninfo: {name: Nightly}\nworkflow:\n  collect: {assign: collector, titel: Rows}\n";
    /// let faults = Workflow::read(text).unwrap_err();
    /// assert_eq!(
    ///     faults[0].to_string(),
    ///     "4:32: there is no key `workflow.collect.titel`: did you mean `title`?"
    /// );
    /// ```
    ///
    /// # Errors
    /// With everything that is wrong with it, in the order of the file; at most [`FAULTS_MAX`](super::FAULTS_MAX).
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        let mut findings = Findings::default();
        let node = yaml::read(text, &mut findings).map_err(|fault| vec![fault])?;
        let workflow = whole(&node, &mut findings);
        findings.faults.sort_by_key(|fault| fault.at);
        findings.warnings.sort_by_key(|warning| warning.at);
        match workflow {
            Some(workflow) if findings.faults.is_empty() => Ok(Self {
                warnings: findings.warnings,
                ..workflow
            }),
            _ => Err(findings.faults),
        }
    }

    /// What the run must be given and is not: the values of `$trigger.NAME`.
    pub fn missing(&self, given: &Object) -> Vec<Fault> {
        let inputs = self
            .steps
            .iter()
            .flat_map(|step| step.inputs.iter().flatten());
        let missing = inputs.filter_map(|input| match &input.source {
            Source::Trigger(name) if !given.contains_key(name) => Some(Fault::new(
                input.at,
                format!(
                    "`{}` is not given: say `--input {name}=VALUE`",
                    input.written
                ),
            )),
            _ => None,
        });
        missing.collect()
    }
}

fn whole(node: &Node, findings: &mut Findings) -> Option<Workflow> {
    let file = Section::whole(node, findings)?;
    file.check_keys(&KEYS, &IDLE, findings);
    version(&file, findings);
    let info = info(&file, findings);
    let federation = file.section("federation", findings);
    let federation = federation.map(|section| Federation::read(&section, findings));
    let federation = federation.unwrap_or_default();
    let governance = governance(&file, findings);
    let drafts = drafts(&file, &federation, &governance.conditions, findings)?;
    undeclared(&file, &drafts, findings);
    let names = Names::of(&drafts);
    let mut needs = Vec::new();
    let mut steps = Vec::new();
    for draft in &drafts {
        let own = names.needs(draft, findings);
        let inputs = draft.wires.as_ref().map(|wires| {
            let read = wires
                .iter()
                .filter_map(|wire| names.input(wire, draft, &own, findings));
            read.collect()
        });
        steps.push(Step {
            inputs,
            ..draft.step.clone()
        });
        needs.push(own);
    }
    let graph = match Graph::new(needs) {
        Ok(graph) => graph,
        Err(circle) => {
            let names = circle.iter().chain(circle.first());
            let names: Vec<&str> = names.map(|step| steps[*step].name.as_str()).collect();
            let at = steps[circle[0]].at;
            let message = format!(
                "these steps wait for one another: {}; take one of the dependencies away",
                names.join(" -> ")
            );
            findings.fault(at, message);
            return None;
        }
    };
    let (name, description, version) = info?;
    Some(Workflow {
        name,
        description,
        version,
        federation,
        max_cost_usd: governance.max_cost_usd,
        timeout: governance.timeout,
        steps,
        graph,
        warnings: Vec::new(),
    })
}

fn version(file: &Section<'_>, findings: &mut Findings) {
    match file.text("openintent", findings) {
        Some(version) if !version.value.starts_with("1.") && version.value != "1" => {
            let message = format!(
                "version `{}` of the format is not known: write `openintent: \"1.0\"`",
                version.value
            );
            findings.fault(version.at, message);
        }
        None if file.get("openintent").is_none() => {
            let message = "the version of the format is missing: begin with `openintent: \"1.0\"`";
            findings.fault(file.at, message);
        }
        Some(_) | None => {}
    }
}

/// The name, the description and the version.
fn info(file: &Section<'_>, findings: &mut Findings) -> Option<(String, String, Option<String>)> {
    let Some(info) = file.section("info", findings) else {
        if file.get("info").is_none() {
            let message = "the name is missing: add `info:` with `name: …` below it";
            findings.fault(file.at, message);
        }
        return None;
    };
    info.check_keys(
        &["description", "name", "version"],
        &["author", "contact", "license", "tags"],
        findings,
    );
    let name = info.text("name", findings);
    if name.is_none() && info.get("name").is_none() {
        findings.fault(info.at, "the name is missing: add `name: …` below `info:`");
    }
    let description = info.text("description", findings);
    let version = info.text("version", findings);
    Some((
        name?.value,
        description.map(|text| text.value).unwrap_or_default(),
        version.map(|text| text.value),
    ))
}

/// What holds for the whole of a workflow.
#[derive(Default)]
struct Governance {
    conditions: FederationPolicy,
    max_cost_usd: Option<Json>,
    timeout: Option<Duration>,
}

fn governance(file: &Section<'_>, findings: &mut Findings) -> Governance {
    let mut governance = Governance::default();
    let Some(section) = file.section("governance", findings) else {
        return governance;
    };
    section.check_keys(
        &["max_cost_usd", "require_approval", "timeout_hours"],
        &["access_review", "audit_access_events", "escalation"],
        findings,
    );
    if let Some(cost) = section.number("max_cost_usd", findings) {
        governance.conditions = governance.conditions.with_cost_ceiling(&cost.value);
        governance.max_cost_usd = Some(cost.value);
    }
    if let Some(hours) = section.number("timeout_hours", findings) {
        let value = hours.value.as_f64().unwrap_or_default();
        match value > 0.0 && value <= TIMEOUT_MAX_HOURS {
            true => governance.timeout = Some(Duration::from_secs_f64(value * 3600.0)),
            false => findings.fault(
                hours.at,
                format!(
                    "`governance.timeout_hours` must be more than 0 and at most {TIMEOUT_MAX_HOURS}"
                ),
            ),
        }
    }
    let approval = section.get("require_approval");
    if let Some(entry) = approval.filter(|entry| entry.node.entries().is_some()) {
        let message = "`governance.require_approval` with conditions is not evaluated: write `true` to have a person \
                       agree to each step";
        findings.warn(entry.at, message);
    } else if section.flag("require_approval", findings) == Some(true) {
        let members = &mut governance.conditions.governance;
        members.insert("require_approval".to_owned(), true.into());
    }
    governance
}

fn drafts(
    file: &Section<'_>,
    federation: &Federation,
    conditions: &FederationPolicy,
    findings: &mut Findings,
) -> Option<Vec<Draft>> {
    let Some(workflow) = file.section("workflow", findings) else {
        if file.get("workflow").is_none() {
            let message = "there are no steps: add `workflow:` with one step or more below it";
            findings.fault(file.at, message);
        }
        return None;
    };
    let entries = workflow.entries();
    if entries.is_empty() {
        findings.fault(workflow.at, "there are no steps: add one below `workflow:`");
    }
    if entries.len() > STEPS_MAX {
        let message =
            format!("there are more than {STEPS_MAX} steps: make several workflows of it");
        findings.fault(workflow.at, message);
        return None;
    }
    let read = entries.iter().filter_map(|entry| {
        let step = workflow.below(entry, findings)?;
        Draft::read(&entry.key, &step, federation, conditions, findings)
    });
    let drafts: Vec<Draft> = read.collect();
    // With a step missing, whoever names it would be told of a fault that is none.
    (drafts.len() == entries.len() && !drafts.is_empty()).then_some(drafts)
}

/// Tells of own agents that are not among those that the file declares, where it declares some.
fn undeclared(file: &Section<'_>, drafts: &[Draft], findings: &mut Findings) {
    let Some(entry) = file.get("agents") else {
        return;
    };
    let declared: Vec<String> = match &entry.node.value {
        Value::Map(entries) => entries.iter().map(|entry| entry.key.clone()).collect(),
        Value::List(items) => items.iter().filter_map(declared_id).collect(),
        Value::Scalar(_) => {
            findings.fault(entry.node.at, "`agents` must be a mapping of agents");
            return;
        }
    };
    for Draft { step, .. } in drafts {
        let agent = step.place.agent.as_str();
        if step.place.server.is_some() || declared.iter().any(|name| name == agent) {
            continue;
        }
        let meant = nearest(agent, declared.iter().map(String::as_str));
        let hint = meant.map(|name| format!(": did you mean `{name}`?"));
        let message = format!(
            "`{agent}`, who does `{}`, is not among `agents`{}",
            step.name,
            hint.unwrap_or_default()
        );
        findings.warn(step.at, message);
    }
}

fn declared_id(item: &Node) -> Option<String> {
    let id = item.entries()?.iter().find(|entry| entry.key == "id")?;
    Some(id.node.as_text()?.into_owned())
}

/// The steps by what others call them.
struct Names<'d> {
    drafts: &'d [Draft],
    by_name: HashMap<&'d str, usize>,
    by_title: HashMap<&'d str, usize>,
}

impl<'d> Names<'d> {
    fn of(drafts: &'d [Draft]) -> Self {
        let numbered = || drafts.iter().enumerate();
        let by_title = numbered().map(|(number, draft)| (draft.step.title.as_str(), number));
        Self {
            drafts,
            by_name: numbered()
                .map(|(number, draft)| (draft.step.name.as_str(), number))
                .collect(),
            // Of several with one title the first is meant.
            by_title: by_title.rev().collect(),
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        let number = self.by_name.get(name).or_else(|| self.by_title.get(name));
        number.copied()
    }

    /// What to do about a name that no step has.
    fn hint(&self, name: &str) -> String {
        let names = || self.drafts.iter().map(|draft| draft.step.name.as_str());
        match nearest(name, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let shown: Vec<&str> = names().take(NAMES_MAX).collect();
                format!("there are {}", listed(&shown))
            }
        }
    }

    /// The numbers of the steps that one waits for, each once.
    fn needs(&self, draft: &Draft, findings: &mut Findings) -> Vec<usize> {
        let mut needs = Vec::new();
        for name in &draft.depends_on {
            match self.find(&name.value) {
                Some(need) if needs.contains(&need) => {}
                Some(need) => needs.push(need),
                None => {
                    let message = format!(
                        "`{}` waits for `{}`, which is no step: {}",
                        draft.step.name,
                        name.value,
                        self.hint(&name.value)
                    );
                    findings.fault(name.at, message);
                }
            }
        }
        needs
    }

    /// An input, where its source can be had.
    fn input(
        &self,
        wire: &Wire,
        draft: &Draft,
        needs: &[usize],
        findings: &mut Findings,
    ) -> Option<Input> {
        let what = format!("input `{}` of `{}`", wire.name, draft.step.name);
        let source = match wire.read() {
            Wired::Nothing => Err(format!(
                "{what} cannot be `{}`: write STEP.NAME, `$trigger.NAME` or `$initial_state.NAME`",
                wire.written
            )),
            Wired::Own(Source::Initial(key)) if !draft.step.initial_state.contains_key(&key) => {
                Err(format!(
                    "{what} asks for `{key}`, which its `initial_state` does not have"
                ))
            }
            Wired::Own(source) => Ok(source),
            Wired::Of { step, key } => match self.find(step) {
                None => Err(format!(
                    "{what} is from `{step}`, which is no step: {}",
                    self.hint(step)
                )),
                Some(number) if !needs.contains(&number) => Err(format!(
                    "{what} is from `{step}`, which it does not wait for: add it to `depends_on`"
                )),
                Some(number) => self
                    .output(number, key)
                    .map_err(|why| format!("{what} {why}")),
            },
        };
        match source {
            Ok(source) => Some(Input {
                name: wire.name.clone(),
                source,
                written: wire.written.clone(),
                at: wire.at,
            }),
            Err(message) => {
                findings.fault(wire.at, message);
                None
            }
        }
    }

    fn output(&self, step: usize, key: &str) -> Result<Source, String> {
        let Step { name, outputs, .. } = &self.drafts[step].step;
        if let Some(outputs) = outputs
            && !outputs.iter().any(|output| output.name == key)
        {
            let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
            let listed = listed(&names[..names.len().min(NAMES_MAX)]);
            return Err(format!(
                "asks for `{key}`, which is not among the outputs of `{name}`: {listed}"
            ));
        }
        Ok(Source::Step {
            step,
            key: key.to_owned(),
        })
    }
}

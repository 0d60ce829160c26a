//! What a step is given by others, and what it gives to them.

use super::fault::{Findings, Position};
use super::section::Section;
use super::yaml::Value;
use crate::openintent::json::{Json, Object};

/// The kinds of values that are checked; another word is the name of a type and is not.
const KINDS: [&str; 5] = ["string", "number", "boolean", "object", "array"];

/// Where a value of an `inputs:` mapping is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// What the run was given (`$trigger.NAME`).
    Trigger(String),
    /// What the step's own `initial_state` has (`$initial_state.NAME`).
    Initial(String),
    /// What another step has come to (`STEP.NAME`).
    Step {
        /// The number of the step.
        step: usize,
        /// The member of its result.
        key: String,
    },
}

/// One of the `inputs:` of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The member of the step's state that it becomes.
    pub name: String,
    /// Where it is from.
    pub source: Source,
    /// How that was written.
    pub written: String,
    /// Where that was written.
    pub at: Position,
}

/// One of the `outputs:` of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The member of its state that others see.
    pub name: String,
    /// What it is said to be; `any` where nothing is said.
    pub kind: String,
    /// Whether the step is not done without it.
    pub is_required: bool,
}

/// An input as it was written, before all steps are known.
pub(super) struct Wire {
    pub(super) name: String,
    pub(super) written: String,
    pub(super) at: Position,
}

/// Reads `inputs:`; none where nothing is said of them.
pub(super) fn inputs(step: &Section<'_>, findings: &mut Findings) -> Option<Vec<Wire>> {
    let section = step.section("inputs", findings)?;
    let mut wires = Vec::new();
    for entry in section.entries() {
        let Some(written) = entry.node.as_text() else {
            let message = format!(
                "`{}` must be a text such as `collect.rows`, not {}",
                section.path(&entry.key),
                entry.node.kind()
            );
            findings.fault(entry.node.at, message);
            continue;
        };
        wires.push(Wire {
            name: entry.key.clone(),
            written: written.into_owned(),
            at: entry.node.at,
        });
    }
    Some(wires)
}

/// What a wire says, as far as it can be told without the other steps: the name of a step comes back as it is.
pub(super) enum Wired<'w> {
    /// It is from the run or the step itself.
    Own(Source),
    /// It is a member of a step's result.
    Of { step: &'w str, key: &'w str },
    /// It says nothing.
    Nothing,
}

impl Wire {
    pub(super) fn read(&self) -> Wired<'_> {
        let own = [
            ("$trigger.", Source::Trigger as fn(String) -> Source),
            ("$initial_state.", Source::Initial),
        ];
        for (prefix, source) in own {
            match self.written.strip_prefix(prefix) {
                Some("") => return Wired::Nothing,
                Some(key) => return Wired::Own(source(key.to_owned())),
                None => {}
            }
        }
        match self.written.split_once('.') {
            Some((step, key)) if !step.is_empty() && !key.is_empty() => Wired::Of { step, key },
            _ => Wired::Nothing,
        }
    }
}

/// Reads `outputs:`: a list of names, or a mapping of names to kinds. None where nothing is said of them.
pub(super) fn outputs(step: &Section<'_>, findings: &mut Findings) -> Option<Vec<Output>> {
    let entry = step.get("outputs")?;
    if matches!(entry.node.value, Value::List(_)) {
        let names = step.texts("outputs", findings);
        let outputs = names.into_iter().map(|name| Output {
            name: name.value,
            kind: "any".to_owned(),
            is_required: true,
        });
        return Some(outputs.collect());
    }
    let section = step.section("outputs", findings)?;
    let mut outputs = Vec::new();
    for entry in section.entries() {
        let (kind, is_required) = match entry.node.as_text() {
            Some(kind) => (kind.into_owned(), true),
            None if entry.node.is_null() => ("any".to_owned(), true),
            None => {
                let Some(more) = section.below(entry, findings) else {
                    continue;
                };
                more.check_keys(&["required", "type"], &["description"], findings);
                let kind = more.text("type", findings);
                let required = more.flag("required", findings);
                (
                    kind.map_or_else(|| "any".to_owned(), |kind| kind.value),
                    required.unwrap_or(true),
                )
            }
        };
        outputs.push(Output {
            name: entry.key.clone(),
            kind,
            is_required,
        });
    }
    Some(outputs)
}

impl Output {
    /// What is wrong with a result, as far as this output goes.
    pub(super) fn fault(&self, result: &Object) -> Option<String> {
        let Some(value) = result.get(&self.name) else {
            let name = &self.name;
            return self
                .is_required
                .then(|| format!("it has ended without its output `{name}`"));
        };
        let is_fine = match self.kind.as_str() {
            "string" => value.as_str().is_some(),
            "number" => value.as_f64().is_some(),
            "boolean" => value.as_bool().is_some(),
            "object" => value.as_object().is_some(),
            "array" => value.as_array().is_some(),
            _ => true,
        };
        let (name, kind, is) = (&self.name, &self.kind, value.kind());
        (!is_fine).then(|| format!("its output `{name}` must be of the kind {kind}, not {is}"))
    }

    /// Whether its kind is one that is checked.
    pub(super) fn is_checked(&self) -> bool {
        self.kind == "any" || KINDS.contains(&self.kind.as_str())
    }
}

/// What others see of a result: its outputs, or all of it where nothing is said of them.
pub(super) fn exposed(outputs: Option<&[Output]>, result: Object) -> Object {
    let Some(outputs) = outputs else {
        return result;
    };
    let is_output = |name: &String| outputs.iter().any(|output| output.name == *name);
    result
        .into_iter()
        .filter(|(name, _): &(String, Json)| is_output(name))
        .collect()
}

//! A plan and a report in words.

use super::super::super::render;
use super::super::usage;
use crate::openintent::json::Json;
use crate::openintent::workflow::{Progress, Run, Stage, Step, Workflow, seconds};

/// The longest piece of a result that is shown, in characters; `--json` has all of it.
const RESULT_MAX_CHARS: usize = 200;

/// What a run would do.
pub(super) fn plan(workflow: &Workflow) -> String {
    let federation = &workflow.federation;
    let mut lines = vec![format!("{}: {}", workflow.name, steps(workflow))];
    if let Some(policy) = federation.trust_policy {
        lines.push(format!("  trust policy: {}", policy.word()));
    }
    for peer in &federation.peers {
        let own = peer.trust_policy.map(|it| format!(", {}", it.word()));
        let (url, word) = (&peer.url, peer.relationship.word());
        lines.push(format!(
            "  trust {url} as {word}{}",
            own.unwrap_or_default()
        ));
    }
    if let Some(cost) = &workflow.max_cost_usd {
        lines.push(format!("  at most {cost} USD"));
    }
    if let Some(time) = workflow.timeout {
        lines.push(format!("  at most {} hours", time.as_secs_f64() / 3600.0));
    }
    for (number, wave) in workflow.graph.waves().iter().enumerate() {
        lines.push(format!("{}.", number + 1));
        for step in wave {
            lines.extend(planned(workflow, *step));
        }
    }
    lines.join("\n")
}

fn steps(workflow: &Workflow) -> String {
    match workflow.steps.len() {
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    }
}

fn planned(workflow: &Workflow, number: usize) -> Vec<String> {
    let step = &workflow.steps[number];
    let needs = workflow.graph.needs(number).iter();
    let needs: Vec<&str> = needs
        .map(|need| workflow.steps[*need].name.as_str())
        .collect();
    let after = match needs.is_empty() {
        true => String::new(),
        false => format!(", after {}", needs.join(", ")),
    };
    let mut lines = vec![format!("  {}: {}{after}", step.name, step.place.words())];
    if let Some(scope) = &step.scope {
        let hops = scope.max_delegation_depth;
        let allowed = match scope.permissions.is_empty() {
            true => "nothing".to_owned(),
            false => scope.permissions.join(", "),
        };
        lines.push(format!("    may {allowed}; further hops: {hops}"));
    }
    let policy = step.policy.to_json();
    let sections = policy.as_object().into_iter().flatten();
    for (name, section) in sections {
        if section.as_object().is_some_and(|it| !it.is_empty()) {
            lines.push(format!("    {name}: {section}"));
        }
    }
    if step.retry.attempts > 1 {
        lines.push(format!("    up to {} tries", step.retry.attempts));
    }
    lines
}

/// What a run has come to.
pub(super) fn report(run: &Run<'_>, run_id: &str, word: &str) -> String {
    let workflow = run.workflow();
    let word = word.replace('_', " ");
    let rows: Vec<(&Step, &Progress)> = workflow.steps.iter().zip(run.steps()).collect();
    let headings = &["step", "status", "agent", "tries", "time", "used"];
    let table = render::table(
        &rows,
        headings,
        |(step, progress)| row(step, progress),
        None,
    );
    let mut lines = vec![format!("{}: {word} (run {run_id})", workflow.name), table];
    let told = rows.iter().filter_map(|(step, progress)| {
        let words = outcome(progress)?;
        Some(format!("{}: {}", step.name, words))
    });
    lines.extend(told);
    let usage = run.usage();
    if !usage.is_empty() {
        lines.push(format!("used in all: {}", usage::words(&usage)));
    }
    lines.join("\n")
}

fn row(step: &Step, progress: &Progress) -> Vec<String> {
    let time = seconds(progress).map(|seconds| format!("{seconds:.1} s"));
    let used = match progress.usage.is_empty() {
        true => "-".to_owned(),
        false => usage::words(&progress.usage),
    };
    vec![
        step.name.clone(),
        progress.stage.word().to_owned(),
        step.place.words(),
        progress.attempts.to_string(),
        time.unwrap_or_else(|| "-".to_owned()),
        used,
    ]
}

/// The result of a step that is done, why it is not of another one.
fn outcome(progress: &Progress) -> Option<String> {
    if progress.stage != Stage::Completed {
        return progress.message.clone();
    }
    let result = Some(&progress.result).filter(|result| !result.is_empty())?;
    let text = Json::from(result.clone()).to_string();
    Some(match text.chars().nth(RESULT_MAX_CHARS) {
        None => text,
        Some(_) => text.chars().take(RESULT_MAX_CHARS).chain(['…']).collect(),
    })
}

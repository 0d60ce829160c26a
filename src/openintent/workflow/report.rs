//! What a run has come to, and what one will do.

use super::document::Workflow;
use super::run::{Progress, Run};
use super::step::Step;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DelegationScope, Writer};
use crate::openintent::stamp;

/// The report of a run; `status` is one word for all of it.
pub fn report(run: &Run<'_>, run_id: &str, status: &str) -> Json {
    let workflow = run.workflow();
    let steps = workflow.steps.iter().zip(run.steps());
    let steps: Vec<Json> = steps.map(|(step, progress)| told(step, progress)).collect();
    Writer::default()
        .put("event", "report")
        .put("run_id", run_id)
        .put("workflow", workflow.name.as_str())
        .put("status", status)
        .put("steps", steps)
        .put("usage", run.usage())
        .end()
}

/// How far a step is, as it is told.
pub fn told(step: &Step, progress: &Progress) -> Json {
    let seconds = seconds(progress).map(Json::Float);
    Writer::default()
        .put("step", step.name.as_str())
        .put("title", step.title.as_str())
        .put("agent", step.place.agent.as_str())
        .put_some("server", step.place.server.as_deref())
        .put("status", progress.stage.word())
        .put("attempts", i64::from(progress.attempts))
        .put_some("started_at", progress.started_at.as_deref())
        .put_some("updated_at", progress.updated_at.as_deref())
        .put_nested("seconds", seconds)
        .put_nested("usage", filled(&progress.usage))
        .put_nested("result", filled(&progress.result))
        .put_some("message", progress.message.as_deref())
        .end()
}

/// How long the last try of a step has taken, in seconds.
pub fn seconds(progress: &Progress) -> Option<f64> {
    let time = |text: &Option<String>| stamp::read(text.as_deref()?);
    let (start, end) = (time(&progress.started_at)?, time(&progress.updated_at)?);
    let millis = u32::try_from(end.saturating_sub(start)).ok()?;
    Some(f64::from(millis) / 1000.0)
}

/// What a run of a workflow would do.
pub fn plan(workflow: &Workflow) -> Json {
    let federation = &workflow.federation;
    let peers = federation.peers.iter().map(|peer| {
        Writer::default()
            .put("url", peer.url.as_str())
            .put("relationship", peer.relationship)
            .put_nested("trust_policy", peer.trust_policy.map(Json::from))
            .end()
    });
    let peers: Vec<Json> = peers.collect();
    let waves = workflow.graph.waves().iter().map(|wave| {
        let steps = wave.iter().map(|step| planned(workflow, *step));
        Json::Array(steps.collect())
    });
    let waves: Vec<Json> = waves.collect();
    let seconds = workflow.timeout.map(|time| Json::Float(time.as_secs_f64()));
    Writer::default()
        .put("workflow", workflow.name.as_str())
        .put_some("version", workflow.version.as_deref())
        .put_nested("trust_policy", federation.trust_policy.map(Json::from))
        .put("peers", peers)
        .put_nested("max_cost_usd", workflow.max_cost_usd.clone())
        .put_nested("timeout_seconds", seconds)
        .put("waves", waves)
        .end()
}

fn planned(workflow: &Workflow, number: usize) -> Json {
    let step = &workflow.steps[number];
    let needs = workflow.graph.needs(number).iter();
    let needs: Vec<&str> = needs
        .map(|need| workflow.steps[*need].name.as_str())
        .collect();
    let policy = step.policy.to_json();
    let has_policy = step.policy != Default::default();
    Writer::default()
        .put("step", step.name.as_str())
        .put("title", step.title.as_str())
        .put("agent", step.place.agent.as_str())
        .put_some("server", step.place.server.as_deref())
        .put("depends_on", needs)
        .put("attempts_max", i64::from(step.retry.attempts))
        .put_nested(
            "delegation_scope",
            step.scope.as_ref().map(DelegationScope::to_json),
        )
        .put_nested("federation_policy", has_policy.then_some(policy))
        .end()
}

fn filled(object: &Object) -> Option<Json> {
    (!object.is_empty()).then(|| object.clone().into())
}

//! A workflow while it runs: what was seen goes in, what is to be started comes out.
//!
//! All of it follows from the file, from what the run was given and from what was seen. So a run that was lost is had
//! again by beginning anew: the same steps are started under the same names, and what they have come to is seen again.

use std::time::Duration;

use super::document::Workflow;
use super::sight::{Sight, Standing};
use super::usage;
use super::wiring::{Source, exposed};
use crate::openintent::json::Object;

/// A run.
#[derive(Debug)]
pub struct Run<'w> {
    workflow: &'w Workflow,
    given: Object,
    steps: Vec<Progress>,
}

/// How far a step is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Where it is.
    pub stage: Stage,
    /// How often it was started.
    pub attempts: u32,
    /// What all its tries have used.
    pub usage: Object,
    /// What others see of what it has come to.
    pub result: Object,
    /// The last word to people: why it failed, was not wanted, or is not done.
    pub message: Option<String>,
    /// When its last try was given to somebody: RFC 3339.
    pub started_at: Option<String>,
    /// When something was last heard of it: RFC 3339.
    pub updated_at: Option<String>,
}

/// Where a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// It waits for others.
    #[default]
    Waiting,
    /// It has failed and is tried again.
    Again,
    /// It is started; the word says how far it is.
    Underway(&'static str),
    /// It is done.
    Completed,
    /// It is not done, and will not be.
    Failed,
    /// It is not started, since something before it is not done.
    Blocked,
}

impl Stage {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Blocked)
    }

    /// The word for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Again => "retrying",
            Self::Underway(_) => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }
}

/// A step that is to be started.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The number of the step.
    pub step: usize,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// What the work begins with.
    pub state: Object,
    /// How long to wait before.
    pub pause: Duration,
}

impl<'w> Run<'w> {
    /// A run of a workflow with what it was given.
    pub fn new(workflow: &'w Workflow, given: Object) -> Self {
        Self {
            workflow,
            given,
            steps: vec![Progress::default(); workflow.steps.len()],
        }
    }

    /// The workflow.
    pub fn workflow(&self) -> &'w Workflow {
        self.workflow
    }

    /// How far each step is, in the order of the file.
    pub fn steps(&self) -> &[Progress] {
        &self.steps
    }

    /// What is to be started now. It counts as started.
    pub fn advance(&mut self) -> Vec<Start> {
        let mut starts = Vec::new();
        // In this order a step is judged after all that it waits for, so that one look is enough.
        for step in self.workflow.graph.order() {
            match self.steps[step].stage {
                Stage::Waiting => starts.extend(self.ready(step)),
                Stage::Again => starts.extend(self.once_more(step)),
                Stage::Underway(_) | Stage::Completed | Stage::Failed | Stage::Blocked => {}
            }
        }
        starts
    }

    /// A step that waits, where nothing keeps it any more.
    fn ready(&mut self, step: usize) -> Option<Start> {
        let needs = self.workflow.graph.needs(step);
        let stage = |need: &usize| self.steps[*need].stage;
        let lost = |need: &&usize| matches!(stage(need), Stage::Failed | Stage::Blocked);
        if let Some(need) = needs.iter().find(lost) {
            let name = &self.workflow.steps[*need].name;
            let message = format!("it waits for `{name}`, which was not done");
            return self.end(step, Stage::Blocked, message);
        }
        if !needs.iter().all(|need| stage(need) == Stage::Completed) {
            return None;
        }
        match self.used_up() {
            Some(message) => self.end(step, Stage::Blocked, message),
            None => self.start(step),
        }
    }

    /// A step that has failed, where there is money left for another try.
    fn once_more(&mut self, step: usize) -> Option<Start> {
        match self.used_up() {
            Some(message) => self.end(step, Stage::Failed, message),
            None => self.start(step),
        }
    }

    fn start(&mut self, step: usize) -> Option<Start> {
        let state = match self.state(step) {
            Ok(state) => state,
            Err(why) => return self.end(step, Stage::Failed, why),
        };
        let progress = &mut self.steps[step];
        let pause = match progress.attempts {
            0 => Duration::ZERO,
            tries => self.workflow.steps[step].retry.pause(tries),
        };
        progress.attempts += 1;
        progress.stage = Stage::Underway("starting");
        Some(Start {
            step,
            attempt: progress.attempts,
            state,
            pause,
        })
    }

    /// A step comes to its end without being started.
    fn end(&mut self, step: usize, stage: Stage, message: String) -> Option<Start> {
        self.steps[step].stage = stage;
        self.steps[step].message = Some(message);
        None
    }

    /// That what the workflow may cost is used up, where it is.
    fn used_up(&self) -> Option<String> {
        let limit = self.workflow.max_cost_usd.as_ref()?;
        let is_used_up = usage::cost_usd(&self.usage()) >= limit.as_f64()?;
        is_used_up.then(|| format!("the {limit} USD that the workflow may cost are used up"))
    }

    /// What a step begins with: its own state, and what others have come to.
    fn state(&self, step: usize) -> Result<Object, String> {
        let own = &self.workflow.steps[step];
        let mut state = own.initial_state.clone();
        let Some(inputs) = &own.inputs else {
            for need in self.workflow.graph.needs(step) {
                let name = self.workflow.steps[*need].name.clone();
                state.insert(name, self.steps[*need].result.clone().into());
            }
            return Ok(state);
        };
        for input in inputs {
            let value = match &input.source {
                Source::Trigger(key) => self.given.get(key),
                Source::Initial(key) => own.initial_state.get(key),
                Source::Step { step, key } => self.steps[*step].result.get(key),
            };
            let lacks = || {
                let (name, written) = (&input.name, &input.written);
                format!("its input `{name}` cannot be had: there is no `{written}`")
            };
            let value = value.ok_or_else(lacks)?;
            state.insert(input.name.clone(), value.clone());
        }
        Ok(state)
    }

    /// A try of a step was seen. What is said of an earlier try, or of a step that is over, changes nothing; whether it did.
    pub fn see(&mut self, step: usize, attempt: u32, sight: Sight) -> bool {
        let workflow = &self.workflow.steps[step];
        let progress = &mut self.steps[step];
        if !matches!(progress.stage, Stage::Underway(_)) || progress.attempts != attempt {
            return false;
        }
        let before = progress.clone();
        let mut message = sight.message;
        progress.started_at = Some(sight.created_at);
        progress.updated_at = Some(sight.updated_at);
        progress.stage = match sight.standing {
            Standing::Underway(word) => Stage::Underway(word),
            Standing::Refused => Stage::Failed,
            Standing::Failed => again_or(workflow.retry.attempts, attempt),
            Standing::Completed => {
                let mut outputs = workflow.outputs.iter().flatten();
                match outputs.find_map(|output| output.fault(&sight.result)) {
                    None => Stage::Completed,
                    Some(fault) => {
                        message = Some(fault);
                        again_or(workflow.retry.attempts, attempt)
                    }
                }
            }
        };
        progress.message = message;
        if !matches!(progress.stage, Stage::Underway(_)) {
            usage::add(&mut progress.usage, &sight.usage);
        }
        if progress.stage == Stage::Completed {
            progress.result = exposed(workflow.outputs.as_deref(), sight.result);
        }
        *progress != before
    }

    /// Whether nothing follows.
    pub fn is_over(&self) -> bool {
        self.steps.iter().all(|step| step.stage.is_final())
    }

    /// Whether every step is done.
    pub fn is_completed(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.all(|step| step.stage == Stage::Completed)
    }

    /// What all steps have used.
    pub fn usage(&self) -> Object {
        let mut total = Object::new();
        for step in &self.steps {
            usage::add(&mut total, &step.usage);
        }
        total
    }
}

/// A try has failed: another one, or the end.
fn again_or(attempts_max: u32, attempt: u32) -> Stage {
    match attempt < attempts_max {
        true => Stage::Again,
        false => Stage::Failed,
    }
}

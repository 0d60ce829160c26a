//! What is told while a run goes on: a tree that changes on a terminal, lines elsewhere, objects under `--json`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::super::super::error::CommandError;
use super::super::super::output::{Output, Spinner};
use super::tree;
use crate::client::ClientError;
use crate::openintent::json::{Json, Object};
use crate::openintent::workflow::{Progress, Run, Stage, Step, Workflow, told};

/// The telling of one run.
pub(super) struct Telling<'a> {
    out: Output,
    run_id: &'a str,
    spinner: Option<Spinner>,
    /// Whether it was said that the server is away.
    is_away: Cell<bool>,
    /// What was last said of each step.
    said: RefCell<HashMap<usize, String>>,
}

impl<'a> Telling<'a> {
    /// Nothing is told yet.
    pub(super) fn new(out: Output, run_id: &'a str) -> Self {
        let spinner = out.spinner("");
        Self {
            out,
            run_id,
            spinner: Some(spinner).filter(Spinner::is_shown),
            is_away: Cell::new(false),
            said: RefCell::default(),
        }
    }

    /// The run begins, or goes on.
    pub(super) fn begins(&self, workflow: &Workflow, goes_on: bool) -> Result<(), CommandError> {
        let (run_id, name) = (self.run_id, &workflow.name);
        if self.out.json {
            let members = [
                ("event", Json::from("run")),
                ("run_id", run_id.into()),
                ("workflow", name.as_str().into()),
                ("goes_on", goes_on.into()),
            ];
            return self.object(members.map(|(key, value)| (key.to_owned(), value)).into());
        }
        let word = if goes_on { "goes on" } else { "begins" };
        self.out.note(&format!("{name}: run {run_id} {word}"));
        Ok(())
    }

    /// A step stands otherwise than before.
    pub(super) fn step(&self, run: &Run<'_>, number: usize) -> Result<(), CommandError> {
        self.is_away.set(false);
        let (step, progress) = (&run.workflow().steps[number], &run.steps()[number]);
        if self.out.json {
            let mut object = Object::from([("event".to_owned(), "step".into())]);
            object.insert("run_id".to_owned(), self.run_id.into());
            if let Json::Object(members) = told(step, progress) {
                object.extend(members);
            }
            return self.object(object);
        }
        match &self.spinner {
            Some(spinner) => spinner.say(|| tree::lines(run).join("\n")),
            None => {
                let words = words(step, progress);
                let before = self.said.borrow_mut().insert(number, words.clone());
                if before.as_ref() != Some(&words) {
                    self.out.note(&words);
                }
            }
        }
        Ok(())
    }

    /// The server is away; that is said once, until there is news again.
    pub(super) fn away(&self, error: &ClientError) {
        if !self.is_away.replace(true) {
            let why = error.to_string();
            self.out.event(
                "away",
                &format!("{why}; trying again"),
                &[("why", why.as_str().into())],
            );
        }
    }

    /// Nothing more is told.
    pub(super) fn ends(&mut self) {
        self.spinner = None;
    }

    fn object(&self, object: Object) -> Result<(), CommandError> {
        Ok(self.out.object(&Json::from(object).to_string())?)
    }
}

/// How a step stands, in a line.
pub(super) fn words(step: &Step, progress: &Progress) -> String {
    let (name, place) = (&step.name, step.place.words());
    let message = progress.message.as_deref();
    let why = |word: &str| match message {
        Some(message) => format!("{word}: {message}"),
        None => word.to_owned(),
    };
    let words = match progress.stage {
        Stage::Waiting => "waits for others".to_owned(),
        Stage::Underway("starting") => format!("given to {place}"),
        Stage::Underway(word) => why(word),
        Stage::Again => why("tried again"),
        Stage::Completed => why("completed"),
        Stage::Failed => why("failed"),
        Stage::Blocked => why("not begun"),
    };
    format!("{name}: {words}")
}

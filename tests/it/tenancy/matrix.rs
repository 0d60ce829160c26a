//! Every operation, with every kind of key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;

use reqwest::Method;
use serde_json::{Value, json};

use super::callers::{Callers, Kind};
use super::document::{Needs, Operation, operations};
use super::estate::{Estate, MARK, PLUMAGE, in_path, nobodys};
use super::judged::{Sample, samples};
use super::table;
use crate::support::http::{Answer, answer};

/// What was found of all that was asked.
struct Matrix {
    estate: Estate,
    callers: Callers,
    /// How many have asked: each comes from an address of its own, since wrong keys are counted by address.
    asked: u32,
    /// The statuses of each operation, by kind.
    cells: BTreeMap<String, BTreeMap<Kind, Vec<u16>>>,
    faults: Vec<String>,
}

/// An operation as a kind asks for it, about something.
struct Question<'a> {
    operation: &'a Operation,
    sample: &'a Sample,
    kind: Kind,
}

impl Question<'_> {
    fn fill(text: &str, it: &str) -> String {
        text.replace("{it}", it)
    }

    fn path(&self, it: &str) -> String {
        let it = in_path(it);
        let values = self.sample.values.iter();
        let values: Vec<String> = values.map(|value| Self::fill(value, &it)).collect();
        let path = self.operation.path_with(&values);
        match self.sample.query {
            "" => path,
            query => format!("{path}?{}", Self::fill(query, &it)),
        }
    }

    fn body(&self, it: &str) -> String {
        Self::fill(self.sample.body, it)
    }
}

impl Matrix {
    async fn start() -> Self {
        let estate = Estate::found().await;
        let callers = Callers::of(&estate).await;
        Self {
            estate,
            callers,
            asked: 0,
            cells: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, question: &Question<'_>, what: &str, answer: &Answer) {
        let (name, kind) = (question.operation.name(), question.kind.word());
        let text: String = answer.text.chars().take(300).collect();
        self.faults
            .push(format!("{name}, {kind}: {what}: {} {text}", answer.status));
    }

    /// Asks about something.
    async fn ask(&mut self, question: &Question<'_>, it: &str) -> Answer {
        self.asked += 1;
        let from = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + self.asked);
        let path = self.callers.path(question.kind, &question.path(it));
        let request = self
            .estate
            .owner
            .bare(question.operation.method.clone(), &path)
            .header("x-forwarded-for", from.to_string())
            .header("content-type", question.sample.content_type)
            .body(question.body(it));
        let answer = answer(self.callers.show(question.kind, request)).await;
        let row = self.cells.entry(question.operation.name()).or_default();
        row.entry(question.kind).or_default().push(answer.status);
        answer
    }

    /// Asks for what the caller may not have.
    async fn refuse(&mut self, question: &Question<'_>) {
        let it = self.it(question);
        let answer = self.ask(question, &it).await;
        let Question {
            operation, kind, ..
        } = question;
        let expected: &[u16] = match (operation.needs, kind.allows()) {
            (_, _) if answer.status >= 500 => &[],
            (Needs::NoKey, _) => &[answer.status],
            (_, None) => &[401],
            (needs, Some(allowed)) if allowed < needs || kind.names_another() => &[403],
            _ if kind.is_own() => return self.fault(question, "is no refusal", &answer),
            _ => &[answer.status],
        };
        if !expected.contains(&answer.status) {
            self.fault(question, &format!("{expected:?} is right"), &answer);
        }
        let said = answer.text.replace(&it, "");
        if said.contains(MARK) || said.contains(PLUMAGE) {
            self.fault(question, "it names what is the team's", &answer);
        }
        let is_let_in = operation.needs != Needs::NoKey && kind.allows() >= Some(operation.needs);
        if question.sample.thing.is_some() && (is_let_in || operation.needs == Needs::NoKey) {
            let nobody = nobodys(&it);
            let of_nobody = self.ask(question, &nobody).await;
            let same = (answer.status, plain(&answer, &it))
                == (of_nobody.status, plain(&of_nobody, &nobody));
            if !same {
                let what = format!("of what is nobody's it says {of_nobody:?}, of the team's");
                self.fault(question, &what, &answer);
            }
        }
    }

    fn it(&self, question: &Question<'_>) -> String {
        let thing = question.sample.thing;
        thing.map_or_else(String::new, |thing| self.estate.first(thing).to_owned())
    }

    /// Asks with the least key that is enough: else everything would pass if nothing were there.
    async fn allow(&mut self, question: &Question<'_>) {
        let it = match (question.sample.thing, &question.operation.method) {
            (Some(thing), &Method::GET) => self.estate.first(thing).to_owned(),
            (Some(thing), _) => self.estate.take(thing),
            (None, _) => String::new(),
        };
        let answer = self.ask(question, &it).await;
        let is_fine = match question.operation.method {
            Method::GET => answer.status == 200,
            _ => ![401, 403, 404, 405].contains(&answer.status) && answer.status < 500,
        };
        if !is_fine {
            self.fault(question, "the right key gets no answer", &answer);
        }
    }

    /// A key that sees nothing of it.
    async fn narrow(&mut self, question: &Question<'_>) {
        let it = self.it(question);
        let answer = self.ask(question, &it).await;
        if answer.text.contains(PLUMAGE) {
            self.fault(question, "its scopes leave this out", &answer);
        }
        if answer.status >= 500 {
            self.fault(question, "it fails", &answer);
        }
    }

    /// The table, one line for operations that answer alike: as it stands in the document.
    fn table(&self, operations: &[Operation]) -> String {
        let mut alike: BTreeMap<(Needs, Vec<String>), Vec<String>> = BTreeMap::new();
        for operation in operations {
            let name = operation.name();
            let Some(row) = self.cells.get(&name) else {
                continue;
            };
            let cell = |column: &Column| {
                let kinds = Kind::ALL.iter();
                let kinds = kinds.filter(|kind| Column::of(**kind, operation.needs) == *column);
                let statuses: BTreeSet<u16> = kinds
                    .filter_map(|kind| row.get(kind))
                    .flatten()
                    .copied()
                    .collect();
                let words: Vec<String> = statuses.iter().map(u16::to_string).collect();
                words.join(" ")
            };
            let cells = Column::ALL.iter().map(cell).collect();
            alike
                .entry((operation.needs, cells))
                .or_default()
                .push(format!("`{name}`"));
        }
        let words = Column::ALL.map(Column::word);
        let mut table = format!("| needs | {} | operations |\n", words.join(" | "));
        let _ = writeln!(table, "|{}", "---|".repeat(words.len() + 2));
        for ((needs, cells), names) in alike {
            let (needs, cells) = (needs.word(), cells.join(" | "));
            let _ = writeln!(table, "| {needs} | {cells} | {} |", names.join(", "));
        }
        table
    }
}

/// Kinds of keys that should be answered alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// What is no key, or none any more.
    NoKey,
    OwnTooLittle,
    OwnEnough,
    OtherTooLittle,
    OtherEnough,
    /// Another team's admin, who says that the team is meant.
    OtherPosing,
}

impl Column {
    const ALL: [Self; 6] = [
        Self::NoKey,
        Self::OwnTooLittle,
        Self::OwnEnough,
        Self::OtherTooLittle,
        Self::OtherEnough,
        Self::OtherPosing,
    ];

    fn of(kind: Kind, needs: Needs) -> Self {
        let is_enough = kind.allows() >= Some(needs);
        match kind.allows() {
            None => Self::NoKey,
            Some(_) if kind.names_another() => Self::OtherPosing,
            Some(_) => match (kind.is_own(), is_enough) {
                (true, true) => Self::OwnEnough,
                (true, false) => Self::OwnTooLittle,
                (false, true) => Self::OtherEnough,
                (false, false) => Self::OtherTooLittle,
            },
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::NoKey => "no live key",
            Self::OwnTooLittle => "own key, too little",
            Self::OwnEnough => "own key",
            Self::OtherTooLittle => "another team's, too little",
            Self::OtherEnough => "another team's",
            Self::OtherPosing => "another team's that names this one",
        }
    }
}

/// An answer without the name that it was asked for, and, where something was made, without what is new each time.
fn plain(answer: &Answer, it: &str) -> Value {
    let text = answer.text.replace(it, "IT");
    let text = text.replace(&in_path(it), "IT");
    match serde_json::from_str(&text) {
        Ok(mut json) if answer.status < 300 => {
            forget(&mut json);
            json
        }
        Ok(json) => json,
        Err(_) => json!(text),
    }
}

/// Makes times, ids, tokens and counts the same.
fn forget(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(forget),
        Value::Array(items) => items.iter_mut().for_each(forget),
        Value::Number(_) => *value = json!(0),
        Value::String(text) => {
            let is_time = text.parse::<jiff::Timestamp>().is_ok();
            let is_id = text.len() == 36 && text.matches('-').count() == 4;
            let is_token = text.contains("kite_") || text.contains("kfd_") || text.contains("khk_");
            if is_time || is_id || is_token {
                *value = json!("NEW");
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_operation_refuses_every_key_that_is_not_for_it_and_another_teams_finds_nothing() {
    let mut matrix = Matrix::start().await;
    let document = matrix.estate.ask(Method::GET, "/openapi.json", "").await;
    let operations = operations(&table::completed(document.expect(200)));
    let mut judged = Vec::new();
    for operation in &operations {
        match samples(&operation.name()) {
            Some(samples) => judged.push((operation, samples)),
            None => matrix.faults.push(format!(
                "{}: nobody has judged it: say in `judged.rs` how it is asked",
                operation.name()
            )),
        }
    }
    for (operation, samples) in &judged {
        let before = matrix.estate.seen().await;
        for sample in samples {
            for kind in Kind::ALL {
                let question = Question {
                    operation,
                    sample,
                    kind,
                };
                let is_open = operation.needs == Needs::NoKey;
                let is_enough = kind.allows() >= Some(operation.needs);
                match kind {
                    Kind::Narrow if is_enough && !is_open && operation.method == Method::GET => {
                        matrix.narrow(&question).await;
                    }
                    _ if kind.is_own() && (is_enough || is_open) => {}
                    _ => matrix.refuse(&question).await,
                }
            }
        }
        let after = matrix.estate.seen().await;
        for ((path, before), (_, after)) in before.iter().zip(&after) {
            if before != after {
                matrix.faults.push(format!(
                    "{}: it changed what the team has ({path}): {before} became {after}",
                    operation.name()
                ));
            }
        }
    }
    for (operation, samples) in &judged {
        let kind = match operation.needs {
            Needs::NoKey => continue,
            Needs::Read => Kind::Read,
            Needs::Write => Kind::Write,
            Needs::Admin => Kind::Admin,
        };
        for sample in samples {
            let question = Question {
                operation,
                sample,
                kind,
            };
            matrix.allow(&question).await;
        }
    }
    let table = matrix.table(&operations);
    assert!(
        matrix.faults.is_empty(),
        "{}\n{table}",
        matrix.faults.join("\n")
    );
    let written = fs::read_to_string("docs/security-review.md").unwrap();
    assert!(
        written.contains(&table),
        "docs/security-review.md has another table than this:\n{table}"
    );
}

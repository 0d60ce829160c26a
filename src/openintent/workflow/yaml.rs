//! YAML as a tree that knows where each piece of it was written.
//!
//! Scalars are those of YAML's core schema (YAML 1.2.2, 10.3), which are JSON's and a few more spellings of them.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::fault::{Fault, Findings, Position};
use crate::openintent::json::{Json, Object};

/// The longest file, in bytes: what a workflow of [`STEPS_MAX`](super::STEPS_MAX) steps needs, and no more.
pub const FILE_MAX_BYTES: usize = 1024 * 1024;

/// How many values a file may have, those that aliases repeat counted each time: a few lines of aliases of aliases would
/// otherwise fill the memory.
const NODES_MAX: usize = 50_000;

/// How deep lists and mappings may be nested: far below what JSON's reader takes, since a state is nested in others.
const DEPTH_MAX: usize = 64;

/// A value, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub value: Value,
}

/// A value of YAML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, a number, true, false or nothing.
    Scalar(Json),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file. No key comes twice.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub at: Position,
    /// The value.
    pub node: Node,
}

impl Node {
    /// The value without its places.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::List(nodes) => Json::Array(nodes.iter().map(Self::to_json).collect()),
            Value::Map(entries) => Json::Object(object(entries)),
        }
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether nothing was written.
    pub fn is_null(&self) -> bool {
        self.value == Value::Scalar(Json::Null)
    }

    /// A text, also where it looks like a number: `1.0` is a version as well as "1.0".
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match &self.value {
            Value::Scalar(Json::String(text)) => Some(text.into()),
            Value::Scalar(number @ (Json::Integer(_) | Json::Float(_))) => {
                Some(number.to_string().into())
            }
            _ => None,
        }
    }

    /// What kind of value it is, for words to people.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(Json::Null) => "nothing",
            Value::Scalar(scalar) => scalar.kind(),
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// How many levels of lists and mappings it has.
    fn depth(&self) -> usize {
        let deepest = |depth: Option<usize>| 1 + depth.unwrap_or_default();
        match &self.value {
            Value::Scalar(_) => 0,
            Value::List(nodes) => deepest(nodes.iter().map(Self::depth).max()),
            Value::Map(entries) => deepest(entries.iter().map(|it| it.node.depth()).max()),
        }
    }

    /// How many values it is made of.
    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::List(nodes) => nodes.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.size()).sum(),
        }
    }
}

/// The members of a mapping.
pub fn object(entries: &[Entry]) -> Object {
    let members = entries.iter();
    members
        .map(|entry| (entry.key.clone(), entry.node.to_json()))
        .collect()
}

/// Reads the one document of a text. Keys that come twice are told to `findings`, and the first of them counts.
///
/// # Errors
/// When it is no YAML, or more than a workflow needs.
pub fn read(text: &str, findings: &mut Findings) -> Result<Node, Fault> {
    if text.len() > FILE_MAX_BYTES {
        let message = format!("the file is longer than {FILE_MAX_BYTES} bytes: make it shorter");
        return Err(Fault::new(START, message));
    }
    let mut builder = Builder::new(findings);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let message = format!("this is not YAML: {}", error.info());
            Fault::new(position(error.marker()), message)
        })?;
        builder.take(event, position_of(span))?;
    }
    let nothing = || Fault::new(START, "the file is empty: it must hold a workflow");
    builder.root.ok_or_else(nothing)
}

/// Where a file begins.
const START: Position = Position { line: 1, column: 1 };

fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn position_of(span: Span) -> Position {
    position(&span.start)
}

/// A list or a mapping that has begun and not ended.
struct Open {
    at: Position,
    anchor: usize,
    held: Held,
}

enum Held {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// Where each key is, to find one that comes twice.
        known: HashMap<String, Position>,
        key: Option<(String, Position)>,
    },
}

/// What has been read so far.
struct Builder<'f> {
    open: Vec<Open>,
    /// By the parser's numbers for them; what is still open has none.
    anchored: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
    findings: &'f mut Findings,
}

impl<'f> Builder<'f> {
    fn new(findings: &'f mut Findings) -> Self {
        Self {
            open: Vec::new(),
            anchored: HashMap::new(),
            nodes: 0,
            documents: 0,
            root: None,
            findings,
        }
    }

    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                let message = "a second document begins here: a file holds one workflow";
                match self.documents {
                    1 => Ok(()),
                    _ => Err(Fault::new(at, message)),
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = Value::Scalar(scalar(&text, style, tag.as_deref(), at)?);
                self.add(Node { at, value }, anchor, 1)
            }
            Event::Alias(anchor) => {
                let message = "this alias leads to what it is part of: write it out";
                let node = self.anchored.get(&anchor);
                let mut node = node.cloned().ok_or_else(|| Fault::new(at, message))?;
                node.at = at;
                self.check_depth(node.depth(), at)?;
                let size = node.size();
                self.add(node, 0, size)
            }
            Event::SequenceStart(anchor, tag) => {
                let held = Held::List(Vec::new());
                self.begin(held, anchor, tag.as_deref(), at)
            }
            Event::MappingStart(anchor, tag) => {
                let held = Held::Map {
                    entries: Vec::new(),
                    known: HashMap::new(),
                    key: None,
                };
                self.begin(held, anchor, tag.as_deref(), at)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { at, anchor, held }) => {
                    let value = match held {
                        Held::List(nodes) => Value::List(nodes),
                        Held::Map { entries, .. } => Value::Map(entries),
                    };
                    self.add(Node { at, value }, anchor, 1)
                }
                None => Ok(()),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(
        &mut self,
        held: Held,
        anchor: usize,
        tag: Option<&Tag>,
        at: Position,
    ) -> Result<(), Fault> {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            return Err(foreign_tag(at));
        }
        self.check_depth(1, at)?;
        self.open.push(Open { at, anchor, held });
        Ok(())
    }

    /// Refuses so many more levels where there is no place for them.
    fn check_depth(&self, more: usize, at: Position) -> Result<(), Fault> {
        match self.open.len() + more > DEPTH_MAX {
            true => {
                let message =
                    format!("this is nested deeper than {DEPTH_MAX} levels: make it flatter");
                Err(Fault::new(at, message))
            }
            false => Ok(()),
        }
    }

    /// A value is complete.
    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Fault> {
        self.nodes += size;
        if self.nodes > NODES_MAX {
            let message = format!("the file has more than {NODES_MAX} values: make it shorter");
            return Err(Fault::new(node.at, message));
        }
        if anchor > 0 {
            self.anchored.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.held) {
            None => self.root = Some(node),
            Some(Held::List(nodes)) => nodes.push(node),
            Some(Held::Map {
                entries,
                known,
                key,
            }) => match key.take() {
                None => {
                    let text = node.as_text().map(Cow::into_owned);
                    let message = format!("a key must be a text, not {}", node.kind());
                    let text = text.ok_or_else(|| Fault::new(node.at, message))?;
                    *key = Some((text, node.at));
                }
                Some((key, at)) => match known.get(&key) {
                    Some(first) => {
                        let message = format!(
                            "`{key}` is here twice, first in line {}: remove one of them",
                            first.line
                        );
                        self.findings.fault(at, message);
                    }
                    None => {
                        known.insert(key.clone(), at);
                        entries.push(Entry { key, at, node });
                    }
                },
            },
        }
        Ok(())
    }
}

fn foreign_tag(at: Position) -> Fault {
    Fault::new(
        at,
        "tags such as `!name` mean nothing here: write the value alone",
    )
}

/// The value of a scalar. Only what stands without quotes can be anything but a text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<Json, Fault> {
    if let Some(tag) = tag {
        match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (false, _) => return Err(foreign_tag(at)),
            (true, "str") => return Ok(text.into()),
            (true, _) => {}
        }
    }
    if style != ScalarStyle::Plain {
        return Ok(text.into());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Json::Null),
        "true" | "True" | "TRUE" => return Ok(true.into()),
        "false" | "False" | "FALSE" => return Ok(false.into()),
        _ => {}
    }
    let no_number = || Fault::new(at, format!("`{text}` is a number that JSON does not have"));
    match number(text) {
        Some(spelled) => spelled.parse().map_err(|_| no_number()),
        None if is_beyond_json(text) => Err(no_number()),
        None => Ok(text.into()),
    }
}

/// A number as JSON spells it.
fn number(text: &str) -> Option<String> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let value = u64::from_str_radix(digits, radix).ok();
            return value
                .filter(|_| !digits.starts_with('+'))
                .map(|value| value.to_string());
        }
    }
    let (sign, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) if text.starts_with('-') => ("-", rest),
        Some(rest) => ("", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let has_digits = !whole.is_empty() || fraction.is_some_and(|digits| !digits.is_empty());
    if !has_digits || !is_digits(whole) || !fraction.is_none_or(is_digits) {
        return None;
    }
    let exponent = match exponent {
        None => String::new(),
        Some(exponent) => {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !is_digits(digits) {
                return None;
            }
            format!("e{exponent}")
        }
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fraction = match fraction {
        None => String::new(),
        Some("") => ".0".to_owned(),
        Some(digits) => format!(".{digits}"),
    };
    Some(format!("{sign}{whole}{fraction}{exponent}"))
}

/// Whether it is one of the numbers of the core schema that are none.
fn is_beyond_json(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Json {
        let mut findings = Findings::default();
        let node = read(text, &mut findings).unwrap();
        assert_eq!(findings.faults, []);
        node.to_json()
    }

    fn fault(text: &str) -> String {
        read(text, &mut Findings::default())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn scalars_are_those_of_the_core_schema() {
        for (text, wanted) in [
            ("a: [yes, ~, null, Null]", r#"{"a":["yes",null,null,null]}"#),
            ("a: [true, TRUE, 'true']", r#"{"a":[true,true,"true"]}"#),
            (
                "a: [1, +1, -7, 007, 0x1F, 0o17]",
                r#"{"a":[1,1,-7,7,31,15]}"#,
            ),
            (
                "a: [1., .5, -1.50, 1e3, 1.5E-3]",
                r#"{"a":[1.0,0.5,-1.5,1000.0,0.0015]}"#,
            ),
            (
                "a: [1.2.3, 1e, ., +, 0x, 1_000]",
                r#"{"a":["1.2.3","1e",".","+","0x","1_000"]}"#,
            ),
            ("a: !!str 5", r#"{"a":"5"}"#),
            ("a: 100000000000000000000", r#"{"a":100000000000000000000}"#),
            ("a: |\n  one\n  two\n", r#"{"a":"one\ntwo\n"}"#),
            ("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
        ] {
            let wanted: Json = wanted.parse().unwrap();
            assert_eq!(json(text), wanted, "{text}");
        }
    }

    #[test]
    fn each_piece_knows_where_it_is() {
        let node = read("a: 1\nb:\n  - c\n  - d: e\n", &mut Findings::default()).unwrap();
        let entries = node.entries().unwrap();
        let at = |line, column| Position { line, column };
        assert_eq!((entries[1].key.as_str(), entries[1].at), ("b", at(2, 1)));
        let Value::List(items) = &entries[1].node.value else {
            panic!("{node:?}");
        };
        assert_eq!((items[0].at, items[1].at), (at(3, 5), at(4, 5)));
        assert_eq!(items[1].entries().unwrap()[0].node.at, at(4, 8));
    }

    #[test]
    fn what_is_no_workflow_is_told_with_its_place() {
        assert!(fault("a: [1").contains("this is not YAML: "));
        assert!(fault("").starts_with("1:1: the file is empty"));
        assert!(fault("a: 1\n---\nb: 2\n").starts_with("2:1: a second document"));
        assert!(fault("a: .nan").starts_with("1:4: `.nan` is a number"));
        assert!(fault("a: !x b").contains("tags such as"));
        assert!(fault("? [a]\n: b\n").contains("a key must be a text, not a list"));
        let text = "x".repeat(FILE_MAX_BYTES + 1);
        assert!(fault(&text).contains("longer than"));
    }

    #[test]
    fn a_key_that_comes_twice_is_told_with_both_places() {
        let mut findings = Findings::default();
        let node = read("a: 1\nb: 2\na: 3\n", &mut findings).unwrap();
        assert_eq!(node.to_json().to_string(), r#"{"a":1,"b":2}"#);
        let told = findings.faults[0].to_string();
        assert_eq!(
            told,
            "3:1: `a` is here twice, first in line 1: remove one of them"
        );
    }

    #[test]
    fn aliases_of_aliases_and_depth_have_an_end() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let items = vec![format!("*a{}", level - 1); 9].join(", ");
            bomb += &format!("a{level}: &a{level} [{items}]\n");
        }
        assert!(fault(&bomb).contains("more than 50000 values"));
        assert!(fault(&"[".repeat(80)).contains("nested deeper"));
        let steps: String = (0..1000).map(|depth| " ".repeat(depth) + "a:\n").collect();
        assert!(fault(&steps).contains("nested deeper"));
        let nested = |inner: &str| "[".repeat(30) + inner + &"]".repeat(30);
        let (one, two) = (nested("x"), nested("*a"));
        assert!(read(&format!("a: &a {one}\nb: {two}"), &mut Findings::default()).is_ok());
        let three = nested("*b");
        let deep = format!("a: &a {one}\nb: &b {two}\nc: {three}");
        assert!(fault(&deep).starts_with("3:"), "{}", fault(&deep));
        assert!(fault("a: &x [*x]").starts_with("1:"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ab:\\-\\[\\]{}&*!#|>'\", \n1.?%@~]{0,60}") {
            let mut findings = Findings::default();
            if let Ok(node) = read(&text, &mut findings) {
                let json = node.to_json().to_string();
                prop_assert!(json.parse::<Json>().is_ok(), "{json}");
            }
        }
    }
}

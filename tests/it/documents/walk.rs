//! Types a document from its first block to its last, in terminals as it names them.
//!
//! - A `sh` block is typed into the terminal that its first line names (`# terminal 2: the listener`), else into that of the
//!   block before it. What runs there is stopped first where that line says Ctrl-C; else it has to end by itself.
//! - What a block types has to succeed, or runs on once it says that it has begun (`BEGUN`).
//! - A `text` block behind it is what it prints; elsewhere, what the terminal prints next that the paragraph before it names.
//!   `shown` says what its dots and words in capitals stand for.
//! - A block with a name behind its language is a file of that name.
//!
//! Each address of this machine becomes one with a free port, and a login in the browser is approved.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::shown::{Words, capitals, covers, filled};
use super::terminal::Terminal;
use super::text::{Block, blocks};
use crate::support::cli::Person;
use crate::support::free_port;

/// What is said by programs that run on, when they have begun.
const BEGUN: [&str; 9] = [
    "Ctrl-C ends it",
    "listening for",
    "handing events to",
    "running `",
    "waiting for the reply",
    "waiting for posts",
    "backlog  change",
    "lives 15 minutes",
    "\"connected\"",
];

/// How long a command may take, or what is shown may take to come.
const LIMIT: Duration = Duration::from_secs(90);

/// How addresses of this machine begin.
const HERE: [&str; 4] = ["127.0.0.1:", "localhost:", "127.0.0.1%3A", "localhost%3A"];

/// What else stands for something else here: a text of the document, and what takes its place.
pub(super) type Places<'a> = &'a [(&'a str, &'a str)];

/// A document on its way.
struct Walk<'a> {
    name: &'a str,
    places: Places<'a>,
    person: Person,
    terminals: BTreeMap<u32, Terminal>,
    /// The ports of the document and those that stand for them.
    ports: BTreeMap<String, u16>,
    words: Words,
    /// The first keys of the servers, which are gone from their files when a login was approved.
    first_keys: BTreeSet<String>,
    current: u32,
}

/// Walks a document of the project.
pub(super) fn walk(name: &str, places: Places<'_>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(name)).unwrap();
    let blocks = blocks(&text);
    let mut walk = Walk {
        name,
        places,
        person: Person::new(),
        terminals: BTreeMap::new(),
        ports: BTreeMap::new(),
        words: open_words(&blocks),
        first_keys: BTreeSet::new(),
        current: 1,
    };
    for (at, block) in blocks.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &blocks[at]);
        if let Some(file) = &block.file {
            let path = walk.person.home().join(file);
            let text = walk.here(&block.text);
            fs::write(path, text).unwrap();
        } else if block.kind == "sh" {
            walk.types(block);
        } else if block.kind == "text" {
            let is_behind =
                before.is_some_and(|before| before.kind == "sh" && before.file.is_none());
            walk.shows(block, block.said.is_empty() && is_behind);
        }
    }
    walk.ends();
}

/// The words in capitals that are shown first and typed later: what they stand for is not known yet.
fn open_words(blocks: &[Block]) -> Words {
    let mut shown: Vec<&str> = Vec::new();
    let mut words = Words::new();
    for block in blocks {
        match (block.kind.as_str(), &block.file) {
            ("text", _) => shown.extend(capitals(&block.text)),
            ("sh", None) => {
                let typed = capitals(&block.text).filter(|word| shown.contains(word));
                words.extend(typed.map(|word| (word.to_owned(), String::new())));
            }
            _ => {}
        }
    }
    words
}

impl Walk<'_> {
    fn at(&self, block: &Block) -> String {
        format!("{}:{}", self.name, block.line)
    }

    /// A text of the document as it is typed here.
    fn here(&mut self, text: &str) -> String {
        let mut text = filled(text, &self.words);
        for begin in HERE {
            let mut done = String::new();
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once(begin) {
                let digits = after
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(after.len());
                let (port, after) = after.split_at(digits);
                done = done + before + begin;
                if port.is_empty() || port == "0" {
                    done += port;
                } else {
                    done += &self.port(port).to_string();
                }
                rest = after;
            }
            text = done + rest;
        }
        let places = self.places.iter();
        places.fold(text, |text, (there, here)| text.replace(there, here))
    }

    fn port(&mut self, port: &str) -> u16 {
        let new = || free_port("127.0.0.1");
        *self.ports.entry(port.to_owned()).or_insert_with(new)
    }

    fn terminal(&mut self, number: u32) -> &mut Terminal {
        // Where a server listens that says nothing of it.
        let port = self.port("7700");
        let person = &self.person;
        self.terminals.entry(number).or_insert_with(|| {
            let mut command = person.terminal();
            command.env("KITE_LISTEN", format!("127.0.0.1:{port}"));
            Terminal::open(command)
        })
    }

    fn types(&mut self, block: &Block) {
        let at = self.at(block);
        let typed = self.here(&block.text);
        self.current = block.terminal().unwrap_or(self.current);
        let (number, stops_first) = (self.current, block.stops_first());
        let terminal = self.terminal(number);
        if stops_first {
            assert_eq!(
                terminal.code(),
                None,
                "{at}: nothing runs in terminal {number}"
            );
            terminal.interrupt();
        }
        assert!(
            terminal.wait(LIMIT, &[]),
            "{at}: what runs in terminal {number} does not end: {}",
            terminal.printed()
        );
        if !stops_first {
            assert_eq!(
                terminal.code(),
                Some(0),
                "{at}: what ran before: {}",
                terminal.printed()
            );
        }
        terminal.type_in(&typed);
        let has_begun = terminal.wait(LIMIT, &BEGUN);
        let printed = terminal.printed();
        assert!(
            has_begun,
            "{at}: neither ends nor says that it has begun: {printed}"
        );
        assert!(
            matches!(terminal.code(), None | Some(0)),
            "{at}: {:?}: {printed}",
            terminal.code()
        );
        if let Some((_, rest)) = printed.split_once("/activate?code=") {
            let code = rest.split_whitespace().next().unwrap().to_owned();
            self.approves(&code);
            let terminal = self.terminal(number);
            assert!(
                terminal.wait(LIMIT, &[]) && terminal.code() == Some(0),
                "{at}: {}",
                terminal.printed()
            );
        }
    }

    fn shows(&mut self, block: &Block, is_behind: bool) {
        let at = self.at(block);
        let number = match (block.seen_in(), is_behind) {
            (_, true) => self.current,
            (Some(number), false) => number,
            (None, false) => {
                panic!("{at}: the paragraph before it does not say which terminal shows it")
            }
        };
        let back: Vec<(String, String)> = self.back();
        let known = self.words.clone();
        let mut words = known.clone();
        let terminal = self.terminal(number);
        let is_over = is_behind && terminal.code().is_some();
        let shown = terminal.look(LIMIT, |lines| {
            let lines: Vec<String> = lines.iter().map(|line| replaced(line, &back)).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let starts = if is_behind { 0..=0 } else { 0..=lines.len() };
            let (count, found) = starts.into_iter().find_map(|start| {
                let (count, found) = covers(&block.text, &lines[start..], &known)?;
                Some((start + count, found))
            })?;
            words = found;
            (!is_over || count == lines.len()).then_some(count)
        });
        assert!(
            shown,
            "{at}: terminal {number} does not show\n{}but\n{}",
            block.text,
            replaced(&terminal.printed(), &back)
        );
        self.words = words;
    }

    /// What stands here for texts of the document, and those.
    fn back(&self) -> Vec<(String, String)> {
        let begins = HERE.iter().flat_map(|begin| {
            let ports = self.ports.iter();
            ports.map(move |(there, here)| (format!("{begin}{here}"), format!("{begin}{there}")))
        });
        let home = (self.person.home().display().to_string(), "~".to_owned());
        let places = self.places.iter();
        let places = places.map(|(there, here)| ((*here).to_owned(), (*there).to_owned()));
        // What stands for a whole text first: it may have a port in it.
        places.chain(begins).chain([home]).collect()
    }

    /// Approves a login as a person does on the page, with the first key of the server.
    fn approves(&mut self, code: &str) {
        self.first_keys.extend(first_keys(self.person.home()));
        assert_eq!(self.first_keys.len(), 1, "one server has a first key");
        let key = self.first_keys.first().unwrap();
        let form = format!(
            "code={code}&permissions=read%2Cwrite&expires=0&decision=approve&key={}",
            key.trim()
        );
        let url = format!("http://127.0.0.1:{}/activate", self.port("7700"));
        self.person
            .shell(&format!(
                "curl --fail --silent --show-error --data '{form}' {url}"
            ))
            .succeeds();
    }

    /// Whatever ends by itself has ended well by now.
    fn ends(self) {
        for (number, terminal) in &self.terminals {
            let code = terminal.code();
            let printed = terminal.printed();
            assert!(
                matches!(code, None | Some(0)),
                "terminal {number}: {code:?}: {printed}"
            );
        }
    }
}

fn replaced(text: &str, pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter();
    pairs.fold(text.to_owned(), |text, (here, there)| {
        text.replace(here, there)
    })
}

/// The first keys of the servers that have their directory in a home.
fn first_keys(home: &Path) -> Vec<String> {
    let mut dirs: Vec<PathBuf> = vec![home.to_owned()];
    let mut keys = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            } else if entry.file_name() == "bootstrap.key" {
                keys.push(fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    keys
}

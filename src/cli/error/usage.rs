//! What the argument parser found, as an error of ours.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::CommandError;

/// Words that are no verbs here, though people who know other programs type them, and what they look for.
const FOREIGN: [(&str, &str); 8] = [
    (
        "config",
        "`kite help environment` says where settings are, `kite doctor` which there are",
    ),
    (
        "events",
        "`kite logs` shows what is stored, `kite stream` what comes",
    ),
    (
        "inbox",
        "`kite agent listen` shows the messages to this agent",
    ),
    ("peers", "`kite federation peers`"),
    (
        "send",
        "`kite agent send` sends a message, `kite emit` an event",
    ),
    ("trace", "`kite logs --trace EVENT`"),
    ("version", "`kite --version`"),
    ("whoami", "`kite status`"),
];

impl CommandError {
    /// A fault that the argument parser found in what was said to a verb: its suggestion is the hint, else where the
    /// usage is explained.
    pub fn from_usage(error: &clap::Error, verb: &str) -> Self {
        let text = error.render().to_string();
        let mut paragraphs = text.trim().split("\n\n").map(one_line);
        let message = paragraphs.next().unwrap_or_default();
        let message = plainer(message.trim_start_matches("error: "));
        let rest: Vec<String> = paragraphs.collect();
        let find = |start: &str| rest.iter().find_map(|text| text.strip_prefix(start));
        if let Some(hint) = foreign(error) {
            return Self::usage(message).with_hint(hint);
        }
        let hint = match (find("tip: "), find("Usage: ")) {
            // The first is the nearest.
            (Some(tips), _) => tips.split(" tip: ").next().unwrap_or(tips).to_owned(),
            (None, Some(usage)) => {
                format!("usage: `{usage}`; `{} --help` explains it", verb_of(usage))
            }
            (None, None) => format!("`{verb} --help` explains it"),
        };
        Self::usage(message).with_hint(hint)
    }
}

/// What somebody looks for who types a word of another program.
fn foreign(error: &clap::Error) -> Option<&'static str> {
    let ErrorKind::InvalidSubcommand = error.kind() else {
        return None;
    };
    let ContextValue::String(word) = error.get(ContextKind::InvalidSubcommand)? else {
        return None;
    };
    let (_, hint) = FOREIGN.iter().find(|(foreign, _)| foreign == word)?;
    Some(hint)
}

/// A sentence of the parser's about a number, as people talk of numbers.
fn plainer(message: &str) -> String {
    let Some((before, why)) = message.rsplit_once(": ") else {
        return message.to_owned();
    };
    let range = why.split_once(" is not in ").map(|(_, range)| range);
    let ends = range.and_then(|range| range.split_once(".."));
    let plain = match (why, ends) {
        ("invalid digit found in string", _) => "use a whole number".to_owned(),
        (_, Some((from, to))) => match to.strip_prefix('=').unwrap_or(to) {
            // The largest that the type holds is no limit that anybody has set.
            to if to.len() > 9 => format!("use a whole number of at least {from}"),
            to => format!("use a whole number from {from} to {to}"),
        },
        _ => why.to_owned(),
    };
    format!("{before}: {plain}")
}

/// The command in a usage line: the words before the first argument.
fn verb_of(usage: &str) -> String {
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let words: Vec<&str> = usage.split(' ').take_while(is_word).collect();
    words.join(" ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

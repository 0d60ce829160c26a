//! The only place that prints: data to stdout, words to stderr.
//!
//! Every line is flushed. A reader that closed the pipe is told to the caller, who ends quietly. What is printed for a
//! person has its control characters made visible here, whatever the caller did.

mod progress;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use clap::builder::StyledStr;
use colored::{ColoredString, Colorize};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::CommandError;
use super::render;
use super::stdout;
use super::text::visible_lines;
use crate::client::api::Answer;
use crate::config::Environment;
use crate::protocol::json;

pub use progress::Spinner;

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a line says, to whoever sees colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing more than its words.
    Plain,
    /// That it went well.
    Good,
    /// That it waits.
    Waiting,
    /// That it went wrong.
    Bad,
    /// That it matters less.
    Faint,
}

/// Why a line did not get out of stdout.
#[derive(Debug)]
pub enum PrintFault {
    /// The reader closed the pipe: it has seen enough.
    Closed,
    /// It cannot be written, as on a full disk.
    Failed(io::Error),
}

impl From<PrintFault> for io::Error {
    fn from(fault: PrintFault) -> Self {
        match fault {
            PrintFault::Closed => io::ErrorKind::BrokenPipe.into(),
            PrintFault::Failed(error) => error,
        }
    }
}

impl From<io::Error> for PrintFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(error),
        }
    }
}

/// How this run talks.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Whether stdout carries JSON, and stderr JSON lines.
    pub json: bool,
    /// Whether notes are left out.
    pub quiet: bool,
    /// Whether lines on stdout, and those on stderr, have colours.
    paints: [bool; 2],
    /// Whether nothing is drawn over on the terminal.
    is_dumb: bool,
}

impl Output {
    /// An output as the global flags and the environment want it.
    pub fn new(json: bool, quiet: bool, color: ColorChoice, environment: &Environment) -> Self {
        let paints = |is_terminal: bool| match color {
            _ if json => false,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !environment.no_color && !environment.is_dumb,
        };
        // The decision is made here, per stream; the library would make it for both, by stdout.
        colored::control::set_override(true);
        Self {
            json,
            quiet,
            paints: [io::stdout().is_terminal(), io::stderr().is_terminal()].map(paints),
            is_dumb: environment.is_dumb,
        }
    }

    /// Prints one value in both its faces: its JSON on one line, or words for a person.
    pub fn show<T: Serialize>(
        &self,
        value: &T,
        words: impl FnOnce(&T) -> String,
    ) -> Result<(), PrintFault> {
        match self.json {
            // Plain data of ours always serialises.
            true => self.object(&serde_json::to_string(value).unwrap_or_default()),
            false => self.line(&words(value)),
        }
    }

    /// Prints a line (or several) for a person to stdout.
    pub fn line(&self, words: &str) -> Result<(), PrintFault> {
        stdout::print(&visible_lines(words))
    }

    /// As [`Output::line`], without holding up everything else while the reader of stdout does not read.
    pub async fn line_aside(&self, words: String) -> Result<(), PrintFault> {
        stdout::print_aside(visible_lines(&words).into_owned()).await
    }

    /// As [`Output::object`], likewise.
    pub async fn object_aside(&self, text: String) -> Result<(), PrintFault> {
        stdout::print_aside(json::compact(&text)).await
    }

    /// Writes bytes that are no text to stdout, and nothing else.
    #[cfg(feature = "server")]
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), PrintFault> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// Prints a line about something that went well to stdout, with a tick that has a colour on a terminal.
    pub fn step(&self, words: &str) -> Result<(), PrintFault> {
        let words = visible_lines(words);
        let [is_coloured, _] = self.paints;
        match is_coloured {
            true => stdout::print(&format!("{} {words}", "✓".green().bold())),
            false => stdout::print(&format!("✓ {words}")),
        }
    }

    /// Prints lines for a person to stdout, in colours on a terminal.
    pub fn toned(&self, lines: &[(Tone, String)]) -> Result<(), PrintFault> {
        let [is_coloured, _] = self.paints;
        lines.iter().try_for_each(|(tone, words)| {
            let words = visible_lines(words);
            let painted = match (is_coloured, tone) {
                (false, _) | (true, Tone::Plain) => return stdout::print(&words),
                (true, Tone::Good) => words.green(),
                (true, Tone::Waiting) => words.yellow(),
                (true, Tone::Bad) => words.red(),
                (true, Tone::Faint) => words.dimmed(),
            };
            stdout::print(&painted.to_string())
        })
    }

    /// Prints a JSON text to stdout, on one line.
    pub fn object(&self, text: &str) -> Result<(), PrintFault> {
        stdout::print(&json::compact(text))
    }

    /// Prints a server's answer in both its faces: as it came, or words for a person.
    pub fn answer<T>(
        &self,
        answer: &Answer<T>,
        words: impl FnOnce(&T) -> String,
    ) -> Result<(), PrintFault> {
        match self.json {
            true => self.object(&answer.text),
            false => self.line(&words(&answer.value)),
        }
    }

    /// As [`Output::object`], for an object that gets more members; one of the same name is replaced.
    pub fn object_with(&self, text: &str, members: &[(&str, Value)]) -> Result<(), PrintFault> {
        stdout::print(&extended(text, members))
    }

    /// Prints a list: one object per line, or aligned columns under their headings. Of an empty list nothing.
    pub fn list<T: Serialize>(
        &self,
        values: &[T],
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), PrintFault> {
        if self.json {
            return values
                .iter()
                .try_for_each(|value| self.show(value, |_| String::new()));
        }
        if values.is_empty() {
            return Ok(());
        }
        self.line(&render::table(values, headings, row, None))
    }

    /// As [`Output::list`], for rows that are wider than a terminal: there the end of a line that does not fit is left
    /// out. What is at the end of a row should be what is missed least.
    pub fn fitted<T: Serialize>(
        &self,
        values: &[T],
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), PrintFault> {
        match self.width().filter(|_| !self.json && !values.is_empty()) {
            Some(width) => self.line(&render::table(values, headings, row, Some(width))),
            None => self.list(values, headings, row),
        }
    }

    /// How many characters a line of the terminal has that stdout is.
    pub fn width(&self) -> Option<usize> {
        stdout::size().map(|(width, _)| width)
    }

    /// Draws lines on the terminal over so many that were drawn before; says how many they are now.
    pub fn redraw(&self, words: &str, over: usize) -> Result<usize, PrintFault> {
        let words = visible_lines(words);
        // What has scrolled away cannot be drawn over; the last line is the cursor's.
        let height = stdout::size().map_or(usize::MAX, |(_, height)| height.saturating_sub(1));
        let words: Vec<&str> = words.lines().take(height.max(1)).collect();
        // Up to the first of them, then nothing below it.
        let back = match over {
            _ if self.is_dumb => String::new(),
            0 => String::new(),
            lines => format!("\u{1b}[{lines}A\u{1b}[J"),
        };
        stdout::print(&format!("{back}{}", words.join("\n")))?;
        Ok(words.len())
    }

    /// Whether a person reads stdout on a terminal.
    pub fn is_terminal(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// The same, for what has to be said under `--quiet` too.
    pub fn loud(self) -> Self {
        Self {
            quiet: false,
            ..self
        }
    }

    /// Says something to a person: a sentence on stderr, nothing under `--quiet`.
    pub fn note(&self, words: &str) {
        if !self.quiet {
            self.event("note", words, &[("message", words.into())]);
        }
    }

    /// Warns a person, also under `--quiet`.
    pub fn warn(&self, words: &str) {
        match self.json {
            true => to_stderr(&event_line("warning", &[("message", words.into())])),
            false => {
                self.labelled("warning:".yellow().bold(), words);
            }
        }
    }

    /// Tells what happened while something runs: a sentence for a person (nothing under `--quiet`), under `--json` a
    /// line `{"event":NAME,…}`. Both on stderr.
    pub fn event(&self, name: &str, words: &str, members: &[(&str, Value)]) {
        if self.json {
            to_stderr(&event_line(name, members));
        } else if !self.quiet {
            to_stderr(&visible_lines(words));
        }
    }

    /// Prints an error to stderr.
    pub fn error(&self, error: &CommandError) {
        if self.json {
            return to_stderr(&error.to_json());
        }
        self.labelled("error:".red().bold(), error.message());
        if let Some(hint) = error.hint() {
            self.labelled("hint:".cyan().bold(), hint);
        }
    }

    fn labelled(&self, label: ColoredString, words: &str) {
        let [_, is_coloured] = self.paints;
        let label = if is_coloured { label } else { label.clear() };
        to_stderr(&format!("{label} {}", visible_lines(words)));
    }

    /// Prints a help or the version, which somebody asked for.
    pub fn help(&self, help: &StyledStr) -> Result<(), PrintFault> {
        let [is_coloured, _] = self.paints;
        stdout::print(painted(help, is_coloured).trim_end())
    }

    /// Prints a help to stderr: nobody asked for it, but it says what is missing.
    pub fn help_aside(&self, help: &StyledStr) {
        let [_, is_coloured] = self.paints;
        to_stderr(painted(help, is_coloured).trim_end());
    }
}

fn painted(text: &StyledStr, is_coloured: bool) -> String {
    match is_coloured {
        true => text.ansi().to_string(),
        false => text.to_string(),
    }
}

/// Asks a person at the terminal for something that was to come on stdin.
pub fn ask(words: &str) {
    to_stderr(&visible_lines(words));
}

/// An object with more members; what is no object stays what it is.
fn extended(text: &str, members: &[(&str, Value)]) -> String {
    let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(text) else {
        return json::compact(text);
    };
    for (name, value) in members {
        object.insert((*name).to_owned(), value.clone());
    }
    Value::Object(object).to_string()
}

fn event_line(name: &str, members: &[(&str, Value)]) -> String {
    let mut line = Map::new();
    line.insert("event".to_owned(), name.into());
    for (key, value) in members {
        line.insert((*key).to_owned(), value.clone());
    }
    Value::Object(line).to_string()
}

fn to_stderr(text: &str) {
    let mut line = String::with_capacity(text.len() + 1);
    line.push_str(text);
    line.push('\n');
    let bar = progress::shown().upgrade();
    // There is nowhere left to say that this failed.
    let print = || drop(io::stderr().lock().write_all(line.as_bytes()));
    match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_its_members_when_it_gets_more() {
        let text = extended(
            r#"{"b":1, "new":[2]}"#,
            &[("a", "x".into()), ("b", 3.into())],
        );
        assert_eq!(text, r#"{"b":3,"new":[2],"a":"x"}"#);
        assert_eq!(extended("[1, 2]", &[("a", "x".into())]), "[1,2]");
    }
}

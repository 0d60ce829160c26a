//! `kite help [TOPIC|VERB…]`: the verbs' own help, and short texts about what concerns all of them.

use clap::{Args, Command};
use serde::Serialize;

use super::context::Context;
use super::definition::definition;
use super::error::CommandError;
use super::exit::Exit;

/// The topics, each with its text.
pub(super) const TOPICS: [(&str, &str); 9] = [
    ("delivery", include_str!("help/delivery.txt")),
    ("environment", include_str!("help/environment.txt")),
    ("exit-codes", include_str!("help/exit-codes.txt")),
    ("federation", include_str!("help/federation.txt")),
    ("mcp", include_str!("help/mcp.txt")),
    ("openintent", include_str!("help/openintent.txt")),
    ("output", include_str!("help/output.txt")),
    ("scopes", include_str!("help/scopes.txt")),
    ("workflows", include_str!("help/workflows.txt")),
];

/// Show help: of kite, of a command, or about a topic.
#[derive(Debug, Args)]
#[command(after_help = "\
Topics:
  delivery     when an event counts as handed on, and what is done with one that is refused
  environment  the variables that kite reads
  exit-codes   what a script learns from how kite ended
  federation   how two instances exchange events, and what becomes of what is not taken
  mcp          how an AI agent without a shell sends and receives messages
  openintent   how servers come to take each other's intents, and what the server's file says of it
  output       stdout and stderr, --json, colours
  scopes       which events a connection gets, or a key may see
  workflows    files of steps for agents here and at other servers, and what becomes of a run

Examples:
  kite help exit-codes
  kite help agent send")]
pub(super) struct HelpArgs {
    /// A topic or a command; without it, help of kite itself.
    #[arg(id = SUBJECT, index = 1, value_name = "TOPIC|COMMAND", hide_possible_values = true)]
    subject: Option<String>,
    /// The command below it.
    #[arg(index = 2, value_name = "COMMAND")]
    below: Vec<String>,
}

const SUBJECT: &str = "subject";

/// A topic as it is printed.
#[derive(Serialize)]
struct Topic<'a> {
    topic: &'a str,
    text: &'a str,
}

/// The text of a topic.
pub(super) fn text(topic: &str) -> Option<&'static str> {
    let (_, text) = TOPICS.iter().find(|(name, _)| *name == topic)?;
    Some(text)
}

/// Lets `kite help` take topics and verbs and nothing else: the parser then completes them, and suggests the nearest
/// when there is no such.
pub(super) fn name_subjects(command: Command) -> Command {
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let verbs = shown.map(|verb| verb.get_name().to_owned());
    let topics = TOPICS.iter().map(|(name, _)| (*name).to_owned());
    let subjects: Vec<String> = verbs.chain(topics).collect();
    command.mut_subcommand("help", |help| {
        help.mut_arg(SUBJECT, |arg| {
            arg.value_parser(clap::builder::PossibleValuesParser::new(subjects))
        })
    })
}

pub(super) fn run(args: HelpArgs, context: &Context) -> Result<Exit, CommandError> {
    let topic = args
        .subject
        .as_deref()
        .and_then(|name| Some((name, text(name)?)));
    if let (Some((topic, text)), []) = (topic, &args.below[..]) {
        let text = text.trim_end();
        context
            .out
            .show(&Topic { topic, text }, |topic| topic.text.to_owned())?;
        return Ok(Exit::Done);
    }
    let verb: Vec<String> = args.subject.into_iter().chain(args.below).collect();
    let words = ["kite"].into_iter().chain(verb.iter().map(String::as_str));
    match definition().try_get_matches_from(words.chain(["--help"])) {
        Err(answer) if !answer.use_stderr() && context.out.json => {
            let (topic, text) = (verb.join(" "), answer.to_string());
            let (topic, text) = (topic.as_str(), text.trim_end());
            context
                .out
                .show(&Topic { topic, text }, |topic| topic.text.to_owned())?;
            Ok(Exit::Done)
        }
        Err(answer) if !answer.use_stderr() => {
            context.out.help(&answer.render())?;
            Ok(Exit::Done)
        }
        Err(fault) => Err(CommandError::from_usage(&fault, "kite help")),
        // `--help` always ends the parser.
        Ok(_) => Ok(Exit::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variables that a command and those below it read, hidden ones left out.
    fn variables(command: &Command) -> Vec<String> {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let own = shown.filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned));
        own.chain(command.get_subcommands().flat_map(variables))
            .collect()
    }

    #[test]
    fn every_variable_of_a_flag_is_explained() {
        let text = text("environment").unwrap();
        let mut names = variables(&definition());
        names.sort();
        names.dedup();
        assert!(names.len() > 4, "{names:?}");
        for name in names {
            let explained = text
                .lines()
                .any(|line| line.split_whitespace().next() == Some(&name));
            assert!(explained, "`{name}` is not explained");
        }
    }

    #[test]
    fn every_exit_code_is_explained() {
        let exits = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NotFound,
            Exit::NotPermitted,
            Exit::Unreachable,
            Exit::Limited,
            Exit::SomeFailed,
            Exit::NothingCame,
            Exit::Interrupted,
        ];
        let explained: Vec<u8> = text("exit-codes")
            .unwrap()
            .lines()
            .map_while(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        assert_eq!(explained, exits.map(|exit| exit as u8));
    }

    #[test]
    fn the_topics_fit_a_terminal() {
        for (name, text) in TOPICS {
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{name}: {line}");
            }
        }
    }
}

//! The command line as one value: what the parser, the help, the completions and the manual pages are all made from.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::{Cli, help};

/// The program's name.
pub(super) const NAME: &str = "kite";

/// The command line. What a variable holds is not shown: it may be an address with a password in it, and generated
/// files must not depend on who generates them.
pub(super) fn definition() -> Command {
    help::name_subjects(one_help(hide_values(Cli::command())))
}

/// Gives a verb and those below it one help, whichever way it is asked for: the parser would space it out for `--help`,
/// so that it does not fit a terminal.
fn one_help(command: Command) -> Command {
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::HelpShort)
        .help("Print help");
    command
        .disable_help_flag(true)
        .arg(help)
        .mut_subcommands(one_help)
}

/// The verb that arguments name, as it is typed: `kite queue list`. Flags and their values are passed over.
pub(super) fn verb(args: &[OsString]) -> String {
    let definition = definition();
    let (mut command, mut typed) = (&definition, NAME.to_owned());
    for arg in args.iter().skip(1).take_while(|arg| *arg != "--") {
        if let Some(below) = command.find_subcommand(arg) {
            typed = format!("{typed} {}", below.get_name());
            command = below;
        }
    }
    typed
}

fn hide_values(command: Command) -> Command {
    command
        .mut_args(|arg| arg.hide_env_values(true))
        .mut_subcommands(hide_values)
}

/// The command line for generated files: complete, and without the parser's own `help` below every verb.
pub(super) fn for_generated_files() -> Command {
    let mut command = without_help(definition());
    command.build();
    command
}

fn without_help(command: Command) -> Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn the_verb_is_found_among_flags() {
        for (line, typed) in [
            (
                "kite --json queue --server x list --limit 0",
                "kite queue list",
            ),
            ("kite proxy --target -- queue", "kite proxy"),
            ("kite --color pink", "kite"),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(verb(&args), typed);
        }
    }

    fn without_examples(command: &Command) -> Vec<String> {
        let below: Vec<&Command> = command.get_subcommands().collect();
        let help = command.get_after_help().map(ToString::to_string);
        let has_examples = help.is_some_and(|help| help.contains("Example"));
        match (below.is_empty(), has_examples) {
            (true, false) => vec![command.get_name().to_owned()],
            _ => below.into_iter().flat_map(without_examples).collect(),
        }
    }

    #[test]
    fn every_verb_has_examples() {
        let verbs = without_examples(&definition());
        assert!(verbs.is_empty(), "no examples in the help of {verbs:?}");
    }

    #[test]
    fn the_check_of_the_examples_finds_a_verb_without() {
        let bare = Command::new("top").subcommand(Command::new("bare"));
        assert_eq!(without_examples(&bare), ["bare"]);
    }
}

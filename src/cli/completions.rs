//! `kite completions SHELL`: the script that lets a shell complete kite's command line.

use clap::Args;
use clap_complete::{Shell, generate};
use serde::Serialize;

use super::context::Context;
use super::definition::{NAME, for_generated_files};
use super::error::CommandError;
use super::exit::Exit;

/// Print the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite completions bash > ~/.local/share/bash-completion/completions/kite
  kite completions zsh > ~/.zfunc/_kite          with `fpath+=~/.zfunc` before `compinit`
  kite completions fish > ~/.config/fish/completions/kite.fish
  kite completions powershell >> $PROFILE
  kite completions elvish > ~/.config/elvish/lib/kite.elv

install.sh puts them there by itself.")]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// A script as it is printed.
#[derive(Serialize)]
struct Script {
    shell: String,
    script: String,
}

pub(super) fn run(args: CompletionsArgs, context: &Context) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    generate(args.shell, &mut for_generated_files(), NAME, &mut script);
    let script = Script {
        shell: args.shell.to_string(),
        script: String::from_utf8_lossy(&script).trim_end().to_owned(),
    };
    context.out.show(&script, |script| script.script.clone())?;
    Ok(Exit::Done)
}

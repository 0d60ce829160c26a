//! `kite openintent run`: a workflow, from its file to its report.

mod claim;
mod drive;
mod errand;
mod federation;
mod file;
mod shown;
mod telling;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::Notify;

use super::super::context::{Context, block_on, team};
use super::super::error::{CommandError, Kind};
use super::super::exit::Exit;
use super::super::signal::Interrupt;
use super::outcome;
use crate::base::clock::Clock;
use crate::base::{duration, random};
use crate::openintent::json::Json;
use crate::openintent::workflow::{Run, Workflow, plan, report};
use crate::protocol::id::AgentId;
use claim::Claim;
use drive::{Driver, Ended};
use telling::Telling;

/// Run a workflow: its steps go to agents here and at other servers, each when those that it waits for are done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent run pipeline.yaml --dry-run
  kite openintent run pipeline.yaml
  kite openintent run pipeline.yaml --input day=2027-01-31 --timeout 1h --output report.json
  kite openintent run pipeline.yaml --json | jq 'select(.event == \"report\")'

Whatever ends the command, the same command goes on where it was: no step is done twice. It ends with
0 when every step is done, 7 when some are not, and 8 when the time is over. `kite help workflows`
explains the file. From stdin the same text is the same run.")]
pub(super) struct RunArgs {
    /// The file of the workflow; `-` reads it from stdin.
    #[arg(value_name = "FILE.yaml|-")]
    file: PathBuf,
    /// Check the file and show what would be done, without asking any server.
    #[arg(long)]
    dry_run: bool,
    /// A value that the file calls `$trigger.NAME`: JSON, or a text.
    #[arg(long, value_name = "NAME=VALUE", value_parser = file::input)]
    input: Vec<(String, Json)>,
    /// How long to wait; what has begun goes on all the same.
    #[arg(long, value_name = "DUR", value_parser = duration::parse_some)]
    timeout: Option<Duration>,
    /// Begin anew, though a run of this file is not over.
    #[arg(long, conflicts_with = "run_id")]
    fresh: bool,
    /// The id of the run: the same id is the same run, on any machine.
    #[arg(long, value_name = "ID", value_parser = run_id)]
    run_id: Option<String>,
    /// Write the report to a file too, as JSON.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The longest id of a run, in characters: it is part of other ids, and of an agent's.
const RUN_ID_MAX_CHARS: usize = 64;

fn run_id(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !text.is_empty() && text.len() <= RUN_ID_MAX_CHARS && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "use 1 to {RUN_ID_MAX_CHARS} letters, digits, `-`, `_` and `.`"
        )),
    }
}

pub(super) fn run(args: RunArgs, context: &Context) -> Result<Exit, CommandError> {
    let out = context.out;
    let text = file::read(&args.file)?;
    let name = file::name(&args.file);
    let workflow = Workflow::read(&text).map_err(|faults| file::unusable(&name, &faults))?;
    let given = file::inputs(args.input)?;
    for warning in &workflow.warnings {
        out.warn(&format!("{name}:{warning}"));
    }
    let missing = workflow.missing(&given);
    if !missing.is_empty() {
        return Err(file::unusable(&name, &missing));
    }
    if args.dry_run {
        match out.json {
            true => out.object(&plan(&workflow).to_string())?,
            false => out.line(&shown::plan(&workflow))?,
        }
        return Ok(Exit::Done);
    }
    let settings = context.settings()?;
    let api = context.api(&settings)?;
    block_on(async {
        let mut interrupt = Interrupt::new()?;
        let begin = async {
            let team = team(&settings, &context.server(&settings)?).await?;
            federation::configure(&workflow, &api, out).await?;
            Ok::<_, CommandError>(team)
        };
        let team = tokio::select! {
            biased;
            () = interrupt.wait() => {
                return Err(CommandError::new(Kind::Interrupted, "interrupted before anything was begun"));
            }
            team = begin => team?,
        };
        let claim = Claim::take(&claim::Wanted {
            file: &args.file,
            text: &text,
            given: &given,
            run_id: args.run_id.as_deref(),
            is_fresh: args.fresh,
            settings: &settings,
            team: &team,
            now: Clock::system().unix_millis(),
        })?;
        let run_id = claim.run_id();
        let agent: AgentId = format!("run-{run_id}").parse()?;
        let telling = Telling::new(out, run_id);
        telling.begins(&workflow, claim.goes_on)?;
        let bell = Arc::new(Notify::new());
        let mut driver = Driver {
            api: &api,
            run: Run::new(&workflow, given),
            run_id,
            agent: &agent,
            telling,
            bell: &bell,
            due: Vec::new(),
            works: Vec::new(),
            away: false,
        };
        let deadline = claim.deadline(args.timeout, workflow.timeout);
        let ended = tokio::select! {
            biased;
            never = outcome::ring(Some(&agent), bell.clone(), context, &settings) => match never {},
            ended = driver.drive(deadline, &mut interrupt) => ended?,
        };
        driver.telling.ends();
        let word = ended.word(&driver.run);
        let report = report(&driver.run, run_id, word);
        if let Some(path) = &args.output {
            file::write(path, &report)?;
        }
        match out.json {
            true => out.object(&report.to_string())?,
            false => out.line(&shown::report(&driver.run, run_id, word))?,
        }
        // Not before the report is out: until then the same command would tell it again.
        if ended == Ended::Over {
            claim.forget()?;
        }
        ended.exit(&driver.run, &claim)
    })
}

/// An id for a run that has none.
fn fresh_id() -> String {
    random::uuid7()
}

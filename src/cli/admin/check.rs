//! `kite admin check`: whether what is stored keeps kite's promises, also while servers run.

use clap::Args;
use serde::Serialize;

use crate::cli::context::block_on_call;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::store::Address;
use crate::store::backup::{Counts, Depth, Finding, Grade, Report, check};

const EXAMPLES: &str = "\
Examples:
  kite admin check
  kite admin check --quick --json
  kite admin check --database sqlite:kite-backup.db

Exit 0 when no promise is broken, 1 when one is. The pages and indexes of PostgreSQL are for its own `pg_amcheck`; whether
the secret key is the right one is seen when a server starts.";

/// Check the database, or a backup, against kite's promises
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArgs {
    /// Leave out the texts of the events, the search for duplicates, and the thorough look at indexes
    #[arg(long)]
    quick: bool,
}

#[derive(Serialize)]
struct Summary {
    sound: bool,
    faults: u64,
    warnings: u64,
    #[serde(flatten)]
    counts: Counts,
}

pub(super) fn run(args: CheckArgs, address: &Address, out: &Output) -> Result<Exit, CommandError> {
    let depth = match args.quick {
        true => Depth::Quick,
        false => Depth::Full,
    };
    let waiting = out.spinner("Checking");
    let report = block_on_call(async { Ok(check(address, depth).await?) })?;
    drop(waiting);
    for finding in &report.findings {
        out.show(finding, words)?;
    }
    out.show(&summary(&report), |summary| {
        let verdict = match summary.sound {
            true => "Sound",
            false => "Not sound",
        };
        let counts = &summary.counts;
        format!(
            "{verdict}: {} faults and {} warnings in {} teams, {} events, {} accepted names, {} cursors, {} keys, \
             {} endpoints, {} agents, {} peers, {} forwards",
            summary.faults,
            summary.warnings,
            counts.teams,
            counts.events,
            counts.accepted,
            counts.cursors,
            counts.keys,
            counts.endpoints,
            counts.agents,
            counts.peers,
            counts.forwards
        )
    })?;
    Ok(match report.is_sound() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn summary(report: &Report) -> Summary {
    Summary {
        sound: report.is_sound(),
        faults: report.faults,
        warnings: report.warnings,
        counts: report.counts,
    }
}

fn words(finding: &Finding) -> String {
    let grade = match finding.grade {
        Grade::Fault => "fault",
        Grade::Warning => "warning",
    };
    match &finding.team_id {
        Some(team) => format!("{grade}: team {team}: {}", finding.message),
        None => format!("{grade}: {}", finding.message),
    }
}

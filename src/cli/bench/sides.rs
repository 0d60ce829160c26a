//! The servers that a load runs on: whose they are, and that they end.

use std::time::Duration;

use clap::Args;

use super::{Machine, ROUNDS_DEFAULT};
use crate::bench::report::Report;
use crate::bench::{BenchError, Load, Target, report, turns};
use crate::cli::context::{Context, team};
use crate::cli::error::CommandError;
use crate::cli::throwaway::{BareServer, Throwaway};

/// What a load runs on.
#[derive(Debug, Args)]
pub(super) struct On {
    /// Run the load on the server of the login, which keeps what is sent.
    #[arg(long)]
    pub(super) live: bool,
    /// The throw-away server's database, such as `postgres://…`; it must be empty [default: SQLite].
    #[arg(long, value_name = "URL", conflicts_with = "live")]
    database: Option<String>,
    /// Run the load on a bare server too, in turns.
    #[arg(long, conflicts_with = "live")]
    floor: bool,
    /// How often each side has its turn [default: 3 with `--floor`, else 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
}

/// Servers that are ready.
pub(super) struct Sides {
    kite: Target,
    floor: Option<Target>,
    rounds: u32,
    /// What the server is called.
    pub(super) name: String,
    _servers: (Option<Throwaway>, Option<BareServer>),
}

impl Sides {
    /// Makes the servers ready, and says which they are.
    pub(super) async fn ready(
        on: &On,
        machine: &Machine,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let below = machine.data_dir.as_deref();
        let floor = on.floor.then(|| BareServer::start(below)).transpose()?;
        let rounds = on.rounds.unwrap_or(match on.floor {
            true => ROUNDS_DEFAULT,
            false => 1,
        });
        let (kite, throwaway) = match on.live {
            true => (live(context).await?, None),
            false => {
                let (target, server) = throw_away(machine, on.database.as_deref())?;
                (target, Some(server))
            }
        };
        let name = match (&kite, on.live) {
            (Target::Kite(server, _), true) => server.http_base.clone(),
            _ => "throw-away".to_owned(),
        };
        context.out.event(
            "server",
            &match on.live {
                true => format!("the load runs on {name}, which keeps what is sent"),
                false => "the load runs on a throw-away server".to_owned(),
            },
            &[("server", name.clone().into())],
        );
        Ok(Self {
            kite,
            floor: floor
                .as_ref()
                .map(|server| Target::Bare(server.http_base.clone())),
            rounds,
            name,
            _servers: (throwaway, floor),
        })
    }

    /// Measures all sides in turns.
    pub(super) async fn measure(
        &self,
        context: &Context,
        load: &Load,
        words: &str,
        measure: impl AsyncFn(&Target) -> Result<report::Outcome, BenchError>,
    ) -> Result<Report, CommandError> {
        let _progress = context.out.progress(words, self.takes(load));
        let floor = self.floor.as_ref();
        Ok(turns::measure(&self.kite, floor, self.rounds, measure).await?)
    }

    /// About how long measuring all sides takes.
    fn takes(&self, load: &Load) -> Duration {
        let sides = 1 + u32::from(self.floor.is_some());
        (load.warm_up + load.duration) * self.rounds * sides
    }
}

/// A throw-away server, and how it is spoken to.
pub(super) fn throw_away(
    machine: &Machine,
    database: Option<&str>,
) -> Result<(Target, Throwaway), CommandError> {
    let server = Throwaway::start(machine.data_dir.as_deref(), database)?;
    let target = Target::Kite(server.server.clone(), "default".parse()?);
    Ok((target, server))
}

/// The server of the login.
async fn live(context: &Context) -> Result<Target, CommandError> {
    let settings = context.settings()?;
    let server = context.server(&settings)?;
    let team = team(&settings, &server).await?;
    Ok(Target::Kite(server, team))
}

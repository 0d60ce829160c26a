//! What every verb starts from: the output, the settings, a runtime.

use std::future::Future;

use tokio::runtime::Builder;
use tracing_subscriber::filter::LevelFilter;

use super::error::{CommandError, Kind};
use super::output::Output;
use super::signal::Interrupt;
use crate::client::rpc::Caller;
use crate::client::{Api, ClientError, Server};
use crate::config::{Environment, Flags, Settings};
use crate::protocol::id::TeamId;

/// A run of the program.
pub struct Context {
    /// Where words and data go.
    pub out: Output,
    /// How much is logged.
    pub log_level: LevelFilter,
    /// The environment.
    pub environment: Environment,
    /// The global flags.
    pub flags: Flags,
}

impl Context {
    /// Resolves the settings.
    pub fn settings(&self) -> Result<Settings, CommandError> {
        let settings = Settings::resolve(&self.flags, &self.environment)?;
        if settings.config_is_exposed {
            let path = settings.paths.config_file();
            self.out.warn(&format!(
                "`{}` can be read by others: `chmod 600` it",
                path.display()
            ));
        }
        Ok(settings)
    }

    /// The server of the settings, with the key that opens it.
    pub fn server(&self, settings: &Settings) -> Result<Server, CommandError> {
        Ok(Server {
            http_base: settings.http_base.clone(),
            ws_url: settings.ws_url.clone(),
            key: settings.key(&self.environment)?,
            ca_file: settings.ca_file.clone(),
        })
    }

    /// The REST face of the settings' server.
    pub fn api(&self, settings: &Settings) -> Result<Api, CommandError> {
        Ok(Api::new(&self.server(settings)?, settings.team.clone())?)
    }

    /// Makes calls over one connection to the settings' server.
    pub fn call<T>(
        &self,
        settings: &Settings,
        calls: impl AsyncFnOnce(&mut Caller) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let server = self.server(settings)?;
        block_on_call(async {
            let team = team(settings, &server).await?;
            let mut caller = Caller::open(&server, &team).await?;
            let result = calls(&mut caller).await?;
            caller.close().await;
            Ok(result)
        })
    }
}

/// The team of the settings; where they name none, the one that the server says the key belongs to.
pub async fn team(settings: &Settings, server: &Server) -> Result<TeamId, CommandError> {
    if let Some(team) = &settings.team {
        return Ok(team.clone());
    }
    match Api::new(server, None)?.stats().await {
        Ok(stats) => Ok(stats.team_id.parse()?),
        Err(ClientError::Refused(refusal)) if refusal.is_unserved() => {
            let message = "the server does not say which team the key belongs to";
            Err(CommandError::usage(message).with_hint("name it with `--team` or `KITE_TEAM_ID`"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs a future on a runtime of this thread alone: enough for one connection, and it starts at once.
pub fn block_on<T>(
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    drive(Builder::new_current_thread(), future)
}

/// As [`block_on`], for a future that can be left alone at any moment: an interrupt ends it.
pub fn block_on_call<T>(
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    block_on(async {
        let mut interrupt = Interrupt::new()?;
        tokio::select! {
            result = future => result,
            () = interrupt.wait() => {
                let message = "interrupted; what was asked for may have been done all the same";
                Err(CommandError::new(Kind::Interrupted, message))
            }
        }
    })
}

/// Runs a future on a runtime of all cores: what a server needs.
#[cfg(feature = "server")]
pub fn block_on_all_cores<T>(
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    drive(Builder::new_multi_thread(), future)
}

/// Runs a future on a runtime of so many threads.
#[cfg(feature = "server")]
pub fn block_on_threads<T>(
    threads: usize,
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads);
    drive(builder, future)
}

fn drive<T>(
    mut builder: Builder,
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| CommandError::failed(format!("cannot start: {error}")))?;
    let result = runtime.block_on(future);
    // A name lookup that hangs must not keep the program.
    runtime.shutdown_background();
    result
}

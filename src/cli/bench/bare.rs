//! `kite bench bare`: the server that kite is measured beside. Other verbs start it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::bench::bare::Server;
use crate::cli::context::{Context, block_on_all_cores};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::signal::stdin_ended;

/// Run the bare server until stdin ends.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite bench bare --data-dir ./bare --json")]
pub(super) struct BareArgs {
    /// Where to listen; port 0 picks one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where it keeps its database, which must be new.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

pub(super) fn run(args: BareArgs, context: &Context) -> Result<Exit, CommandError> {
    block_on_all_cores(async {
        let server = Server::start(args.listen, &args.data_dir).await?;
        let url = format!("http://{}", server.address()?);
        let line = json!({"event": "listening", "url": url});
        context.out.show(&line, |_| format!("listening on {url}"))?;
        tokio::select! {
            error = server.serve() => Err(error.into()),
            () = stdin_ended() => Ok(Exit::Done),
        }
    })
}

//! `kite openintent agents`: the agents that a server tells of.

use clap::Args;

use super::super::context::{Context, block_on_call};
use super::super::error::{CommandError, Kind};
use super::super::exit::Exit;
use super::super::render;
use super::{asked, offered, server_url};
use crate::client::ClientError;
use crate::client::openintent::Stranger;
use crate::openintent::model::FederatedAgent;
use crate::openintent::trust::normalize;

/// List the agents that a server tells of: the login's server, or the one at a URL.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent agents
  kite openintent agents --source https://partner.example --json
  kite openintent agents https://partner.example

The API key goes to the login's server alone: another one is asked without, and many servers tell
nothing then. Unlisted agents are shown to servers that the other one knows, which --source claims
to be.")]
pub(super) struct AgentsArgs {
    /// The server, where it is not the login's.
    #[arg(value_name = "URL", value_parser = server_url)]
    url: Option<String>,
    /// Which server asks, by its URL.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
}

pub(super) fn run(args: AgentsArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let source = args.source.as_deref();
    let is_own = |url: &&String| normalize(url) == normalize(&settings.http_base);
    let agents = match args.url.as_ref().filter(|url| !is_own(url)) {
        None => {
            let api = context.api(&settings)?;
            block_on_call(async { offered(api.openintent_agents(source).await) })?
        }
        Some(url) => {
            let stranger = Stranger::new(url, settings.ca_file.as_deref())?;
            block_on_call(async {
                let manifest = asked(stranger.manifest().await)?.value;
                let path = manifest.endpoint("agents");
                stranger.agents(&path, source).await.map_err(unkeyed)
            })?
        }
    }
    .value;
    if agents.is_empty() {
        context.out.note("the server tells of no agent");
    }
    if context.out.json {
        for agent in &agents {
            context.out.object(&agent.to_json().to_string())?;
        }
    } else if !agents.is_empty() {
        let headings = &["agent", "visibility", "status", "capabilities", "server"];
        context
            .out
            .line(&render::table(&agents, headings, row, None))?;
    }
    Ok(Exit::Done)
}

/// A server that wants a key was asked without one.
fn unkeyed(error: ClientError) -> CommandError {
    match error {
        ClientError::Refused(refusal) if refusal.status == 401 => {
            let message =
                "the server tells of its agents only to those who have an API key of its own";
            CommandError::new(Kind::NotPermitted, message).with_hint(
                "with a key of that server: `kite login --profile NAME --server URL`, then `kite openintent agents \
                 --profile NAME`",
            )
        }
        error => error.into(),
    }
}

fn row(agent: &FederatedAgent) -> Vec<String> {
    vec![
        agent.agent_id.clone(),
        agent.visibility.word().to_owned(),
        agent.status.clone(),
        agent.capabilities.join(","),
        agent.server_url.clone(),
    ]
}

//! `kite mcp`: a server of the Model Context Protocol on stdin and stdout, for agents that have no shell.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::agent_listen;
use super::context::{Context, block_on, team};
use super::cursor::{Choice, Cursor};
use super::error::CommandError;
use super::exit::Exit;
use super::signal::Interrupt;
use crate::client::Server;
use crate::config::Settings;
use crate::mcp::{self, Access, Fault, Host, Mailbox, Words};
use crate::protocol::id::{AgentId, ClientId};

/// Let an AI agent send and receive messages and read events, as a server of the Model Context Protocol.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples, as the settings of a client of the Model Context Protocol have them:
  {\"mcpServers\": {\"kite\": {\"command\": \"kite\", \"args\": [\"mcp\"]}}}
  {\"mcpServers\": {\"kite\": {\"command\": \"kite\", \"args\": [\"mcp\", \"--as-id\", \"writer\"]}}}

Tools: send_message, wait_for_reply, inbox, ack, list_events, read_event,
list_agents. Resources: the events, and the inbox. stdout is the protocol alone;
-v says on stderr what is being done. It ends with its client.

`kite help mcp` tells more.")]
pub(super) struct McpArgs {
    /// The agent to be; otherwise that of KITE_AGENT_ID or of this profile.
    #[arg(long, visible_alias = "as", value_name = "AGENT")]
    as_id: Option<AgentId>,
    /// The name of the agent's cursor; otherwise one that this profile keeps, as for `kite agent listen`.
    #[arg(long, value_name = "ID")]
    client_id: Option<ClientId>,
}

pub(super) fn run(args: McpArgs, context: &Context) -> Result<Exit, CommandError> {
    if std::io::stdin().is_terminal() {
        context.out.note(
            "this waits for a client of the Model Context Protocol on stdin; `kite help mcp` says how one starts it",
        );
    }
    let terminal = Terminal {
        context: Arc::new(Context {
            out: context.out,
            log_level: context.log_level,
            environment: context.environment.clone(),
            flags: context.flags.clone(),
        }),
        args,
        turn: Semaphore::new(1),
        known: Mutex::new(None),
    };
    block_on(async {
        let mut interrupt = Interrupt::new()?;
        let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
        mcp::serve(terminal, input, output, interrupt.wait()).await?;
        Ok(Exit::Done)
    })
}

/// This program, as the server sees it.
struct Terminal {
    context: Arc<Context>,
    args: McpArgs,
    /// One at a time finds out where calls go: two would each take a cursor.
    turn: Semaphore,
    known: Mutex<Option<Known>>,
}

/// Where calls go. The cursor's lock is held while this lives.
struct Known {
    access: Arc<Access>,
    _cursor: Option<Cursor>,
}

impl Terminal {
    fn known(&self) -> Option<Arc<Access>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|known| Arc::clone(&known.access))
    }

    fn keep(&self, next: Option<Known>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    async fn find_out(&self) -> Result<Known, CommandError> {
        let context = Arc::clone(&self.context);
        // A keyring may take its time.
        let found = spawn_blocking(move || -> Result<(Settings, Server), CommandError> {
            let settings = context.settings()?;
            let server = context.server(&settings)?;
            Ok((settings, server))
        });
        let (settings, server) = found.await.map_err(|error| {
            CommandError::failed(format!("cannot read the settings: {error}"))
        })??;
        let team = team(&settings, &server).await?;
        let agent = self.args.as_id.clone().or(settings.acting.clone());
        let mut cursor = None;
        let mailbox = match agent {
            Some(agent) => {
                let choice = self.choice(&agent);
                let taken = Cursor::take(choice, &self.context, &settings, &team)?;
                let mailbox = mailbox(agent, &taken);
                cursor = Some(taken);
                mailbox
            }
            None => None,
        };
        let access = Arc::new(Access {
            server,
            team,
            mailbox,
        });
        Ok(Known {
            access,
            _cursor: cursor,
        })
    }

    /// The cursor of `kite agent listen`: an agent has one mailbox, whatever reads it.
    fn choice(&self, agent: &AgentId) -> Choice {
        match &self.args.client_id {
            Some(client_id) => Choice::Given(client_id.clone()),
            None => Choice::Kept {
                command: agent_listen::COMMAND,
                subject: agent.to_string(),
            },
        }
    }
}

fn mailbox(agent: AgentId, cursor: &Cursor) -> Option<Mailbox> {
    Some(Mailbox {
        agent,
        client_id: cursor.client_id()?,
        is_fresh: cursor.is_fresh(),
    })
}

impl Host for Terminal {
    async fn access(&self) -> Result<Arc<Access>, Words> {
        // It is never closed.
        let _turn = self.turn.acquire().await;
        if let Some(access) = self.known() {
            return Ok(access);
        }
        let known = self.find_out().await.map_err(|error| error.words())?;
        let access = Arc::clone(&known.access);
        // Whoever registers an agent later is found then.
        if access.mailbox.is_some() {
            self.keep(Some(known));
        }
        Ok(access)
    }

    fn forget(&self) {
        self.keep(None);
    }

    fn word(&self, fault: Fault) -> Words {
        CommandError::from(fault).words()
    }
}

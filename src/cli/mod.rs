//! Arguments, dispatch, output, exit codes. A verb is a file: gather, call one thing, print.

pub mod context;
pub mod error;
pub mod exit;
pub mod log;
pub mod output;
pub mod signal;
pub mod text;

mod agent;
mod agent_listen;
mod agent_register;
mod agent_send;
mod completions;
mod cursor;
mod definition;
mod doctor;
mod emit;
mod emit_batch;
mod endpoints;
mod endpoints_create;
mod exec;
mod federation;
mod filter;
mod findings;
mod gh;
mod github;
mod github_hooks;
mod handing;
mod help;
mod keys;
mod keys_create;
mod lifecycle;
mod listen;
mod listening;
mod login;
mod logs;
mod man;
#[cfg(feature = "mcp")]
mod mcp;
mod openintent;
mod proxy;
mod queue;
mod queue_replay;
mod render;
mod run;
mod running;
mod since;
mod status;
mod stdin;
mod stdout;
mod stream;
mod stream_forward;
mod trace;
mod trigger;
mod verify;

#[cfg(feature = "server")]
mod admin;
#[cfg(feature = "server")]
mod bench;
#[cfg(feature = "server")]
mod demo;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod throwaway;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::{Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Environment, Flags};
use context::Context;
use error::{CommandError, Kind};
use exit::Exit;
use log::LogFormat;
use output::{ColorChoice, Output};

/// Moves events between programs: webhooks, and messages between AI agents, as CloudEvents.
#[derive(Debug, Parser)]
#[command(name = "kite", version, after_help = EXAMPLES, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  kite login --with-token --server http://localhost:7700 < key.txt
  kite agent register --name Reviewer
  kite agent listen --json
  kite agent send --to reviewer 'please look at #12'
  kite endpoints create --source github
  kite stream --source github

`kite help delivery`, `environment`, `exit-codes`, `federation`, `mcp`, `openintent`, `output` and
`scopes` explain what concerns all commands.";

/// Flags that every verb understands, before it or after it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Which identity of this machine to use.
    #[arg(long, global = true, env = "KITE_PROFILE", value_name = "NAME")]
    profile: Option<String>,
    /// The server's http(s) address.
    #[arg(long, global = true, env = "KITE_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The team; otherwise that of the login.
    #[arg(long, global = true, env = "KITE_TEAM_ID", value_name = "ID")]
    team: Option<String>,
    /// Print JSON: one object for a thing, one per line for lists and streams.
    #[arg(long, global = true)]
    json: bool,
    /// Leave out what is said to a person.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say on stderr what is being done (twice: every step).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: ColorChoice,
    /// Trust the CA certificates in this PEM file too.
    #[arg(long, global = true, env = "KITE_CA_FILE", value_name = "FILE")]
    ca_file: Option<String>,
    /// Let the key go over plain http to another machine.
    #[arg(long, global = true, env = "KITE_INSECURE", value_parser = FalseyValueParser::new())]
    insecure: bool,
}

/// The verbs, in the order of `kite --help`: who this is, agents, events, what the team has, the server, kite itself.
#[derive(Debug, Subcommand)]
enum Verb {
    Login(login::LoginArgs),
    Logout(login::LogoutArgs),
    Status(status::StatusArgs),
    Agent(agent::AgentArgs),
    #[cfg(feature = "mcp")]
    Mcp(mcp::McpArgs),
    Stream(stream::StreamArgs),
    Proxy(proxy::ProxyArgs),
    Run(run::RunArgs),
    Listen(listen::ListenArgs),
    Queue(queue::QueueArgs),
    Retry(queue_replay::RetryArgs),
    Logs(logs::LogsArgs),
    Emit(emit::EmitArgs),
    Trigger(trigger::TriggerArgs),
    Verify(verify::VerifyArgs),
    Endpoints(endpoints::EndpointsArgs),
    Github(github::GithubArgs),
    Keys(keys::KeysArgs),
    Federation(federation::FederationArgs),
    Openintent(openintent::OpenIntentArgs),
    #[cfg(feature = "server")]
    Serve(Box<serve::ServeArgs>),
    #[cfg(feature = "server")]
    Admin(admin::AdminArgs),
    #[cfg(feature = "server")]
    Demo(demo::DemoArgs),
    #[cfg(feature = "server")]
    Bench(bench::BenchArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Help(help::HelpArgs),
}

impl Verb {
    fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self {
            Self::Login(args) => login::login(args, context),
            Self::Logout(args) => login::logout(args, context),
            Self::Status(args) => status::run(args, context),
            Self::Agent(args) => args.run(context),
            #[cfg(feature = "mcp")]
            Self::Mcp(args) => mcp::run(args, context),
            Self::Stream(args) => stream::run(args, context),
            Self::Proxy(args) => proxy::run(args, context),
            Self::Run(args) => run::run(args, context),
            Self::Listen(args) => listen::run(args, context),
            Self::Queue(args) => args.run(context),
            Self::Retry(args) => queue_replay::retry(args, context),
            Self::Logs(args) => logs::run(args, context),
            Self::Emit(args) => emit::run(args, context),
            Self::Trigger(args) => trigger::run(args, context),
            Self::Verify(args) => verify::run(args, context),
            Self::Endpoints(args) => args.run(context),
            Self::Github(args) => args.run(context),
            Self::Keys(args) => args.run(context),
            Self::Federation(args) => args.run(context),
            Self::Openintent(args) => args.run(context),
            #[cfg(feature = "server")]
            Self::Serve(args) => serve::run(*args, context),
            #[cfg(feature = "server")]
            Self::Admin(args) => admin::run(args, context),
            #[cfg(feature = "server")]
            Self::Demo(args) => demo::run(args, context),
            #[cfg(feature = "server")]
            Self::Bench(args) => args.run(context),
            Self::Doctor(args) => doctor::run(args, context),
            Self::Completions(args) => completions::run(args, context),
            Self::Man(args) => man::run(args, context),
            Self::Help(args) => help::run(args, context),
        }
    }

    /// How much is logged without `-v`: a server says what happens to it, a command says only its results.
    fn log_level(&self) -> LevelFilter {
        match self {
            #[cfg(feature = "server")]
            Self::Serve(_) => LevelFilter::INFO,
            _ => LevelFilter::OFF,
        }
    }

    /// Whether the verb itself begins the log, once it has read what that is to look like.
    fn starts_log(&self) -> bool {
        match self {
            #[cfg(feature = "server")]
            Self::Serve(_) => true,
            _ => false,
        }
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let environment = Environment::read();
    let exit = match parse(&args) {
        Ok(cli) => start(cli, environment),
        Err(error) => explain(&error, &args, &environment),
    };
    exit.into()
}

fn parse<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&definition::definition().try_get_matches_from(args)?)
}

fn start(cli: Cli, environment: Environment) -> Exit {
    let global = cli.global;
    let log_level = match global.verbose {
        0 => cli.verb.log_level(),
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    if !cli.verb.starts_log() {
        log::to_stderr(log_level, LogFormat::Text);
    }
    let context = Context {
        out: Output::new(global.json, global.quiet, global.color, &environment),
        log_level,
        environment,
        flags: Flags {
            profile: global.profile,
            server: global.server,
            team: global.team,
            ca_file: global.ca_file,
            insecure: global.insecure,
        },
    };
    ended(cli.verb.run(&context), &context.out)
}

/// The exit code of a run, whose error is told.
fn ended(result: Result<Exit, CommandError>, out: &Output) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) => {
            if error.kind() != Kind::ClosedPipe {
                out.error(&error);
            }
            error.exit()
        }
    }
}

/// Help and version are answers; everything else that the parser has to say is an error.
fn explain(error: &clap::Error, args: &[OsString], environment: &Environment) -> Exit {
    let said: Vec<&str> = args
        .iter()
        .map_while(|arg| arg.to_str().filter(|arg| *arg != "--"))
        .collect();
    let out = Output::new(said.contains(&"--json"), false, color(&said), environment);
    let answer = match error.kind() {
        ErrorKind::DisplayHelp => out.help(&error.render()),
        ErrorKind::DisplayVersion => out.show(&Version::OWN, |version| {
            format!("{} {}", version.name, version.version)
        }),
        // A verb that only has verbs below it, without one: its help says what there is.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !out.json => {
            out.help_aside(&error.render());
            return Exit::Usage;
        }
        _ => {
            out.error(&CommandError::from_usage(error, &definition::verb(args)));
            return Exit::Usage;
        }
    };
    ended(answer.map(|()| Exit::Done).map_err(Into::into), &out)
}

/// The choice of colours among arguments that are no command line.
fn color(args: &[&str]) -> ColorChoice {
    let given = args.iter().enumerate().find_map(|(at, arg)| {
        let word = match arg.strip_prefix("--color")? {
            "" => args.get(at + 1)?,
            rest => rest.strip_prefix('=')?,
        };
        ColorChoice::from_str(word, false).ok()
    });
    given.unwrap_or_default()
}

/// What is running.
#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
}

impl Version {
    const OWN: Self = Self {
        name: definition::NAME,
        version: env!("CARGO_PKG_VERSION"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_flags_work_before_and_after_the_verb() {
        let before = parse(["kite", "--json", "--team", "t", "agent", "list"]);
        let after = parse(["kite", "agent", "list", "--team", "t", "--json"]);
        for cli in [before.unwrap(), after.unwrap()] {
            assert!(cli.global.json);
            assert_eq!(cli.global.team.as_deref(), Some("t"));
        }
    }

    #[test]
    fn a_fault_in_the_arguments_is_one_object_under_json() {
        let error = parse(["kite", "agent", "lsit", "--json"]).unwrap_err();
        let worded = CommandError::from_usage(&error, "kite agent");
        assert_eq!(worded.exit(), Exit::Usage);
        assert!(worded.message().contains("lsit"), "{worded:?}");
        assert!(worded.hint().unwrap().contains("list"), "{worded:?}");
        assert!(!worded.to_json().contains('\n'));
    }
}

//! `kite doctor`: looks at everything between this profile and its server, and says what to do.

use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::agent_listen;
use super::context::{Context, block_on_call, team};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::findings::{self, Finding, worst};
use super::output::Output;
use crate::base::clock::Clock;
use crate::client::api::EventsQuery;
use crate::client::probe::{Probe, STEP_LIMIT};
use crate::client::rpc::Caller;
use crate::client::{Api, ClientError, Server, Session, Subscription, Timing};
use crate::config::identity::{ClientLease, Consumer};
use crate::config::{Identity, Settings};
use crate::protocol::VERSION;
use crate::protocol::id::TeamId;
use crate::protocol::scope::Scope;

/// How many waiting messages are counted.
const COUNTED_MAX: u64 = 1000;

/// How long a step may take that is several: a connection, its handshake and a call.
const CALLS_LIMIT: Duration = Duration::from_secs(3 * STEP_LIMIT.as_secs());

/// Check everything between this profile and its server, and say what to do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite doctor
  kite --profile work doctor
  kite doctor --json

A tick is well, a cross is not, a dash could not be looked at; what to do stands below. Exit 0 when all is well, else
4 for what keeps you out, 5 for a server that is away, 1 for anything else. --json prints one object per check:
{\"check\",\"ok\",\"detail\",\"remedy\"}, where `ok` is null for what could not be looked at.")]
pub(super) struct DoctorArgs {}

/// The checks that need the settings, in their order.
const AFTER_CONFIG: [&str; 3] = ["files", "key", "agent"];

/// The checks of the way to the server.
const WAY: [&str; 4] = ["name", "connection", "health", "clock"];

/// The checks that need the key.
const KEYED: [&str; 4] = ["session", "permissions", "expiry", "cursor"];

/// The findings so far. Each is printed when it is made: the next may take a while.
struct Report {
    out: Output,
    findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, finding: Finding) -> Result<(), CommandError> {
        self.out.show(&finding, Finding::words)?;
        self.findings.push(finding);
        Ok(())
    }

    fn skip(&mut self, checks: &[&'static str], why: &str) -> Result<(), CommandError> {
        checks
            .iter()
            .try_for_each(|check| self.add(Finding::skipped(check, why)))
    }

    /// Adds a failure where there is one.
    fn keep<T>(
        &mut self,
        check: &'static str,
        result: Result<T, CommandError>,
    ) -> Result<Option<T>, CommandError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.add(Finding::failed(check, &error)).map(|()| None),
        }
    }

    fn end(self) -> Exit {
        let bad = self
            .findings
            .iter()
            .filter(|finding| finding.is_bad())
            .count();
        match bad {
            0 => self.out.note("all is well"),
            1 => self.out.note("1 check failed"),
            bad => self.out.note(&format!("{bad} checks failed")),
        }
        worst(&self.findings)
    }
}

pub(super) fn run(_: DoctorArgs, context: &Context) -> Result<Exit, CommandError> {
    let mut report = Report {
        out: context.out,
        findings: Vec::new(),
    };
    let resolved = Settings::resolve(&context.flags, &context.environment);
    let Some(settings) = report.keep("config", resolved.map_err(Into::into))? else {
        let why = "the configuration cannot be used";
        for checks in [&AFTER_CONFIG[..], &WAY, &KEYED] {
            report.skip(checks, why)?;
        }
        return Ok(report.end());
    };
    let server = here(&settings, context, &mut report)?;
    let way = Way {
        settings: &settings,
        clock: Clock::system(),
    };
    block_on_call(async {
        if way.walk(&mut report).await? {
            match &server {
                Some(server) => way.enter(server, &mut report).await?,
                None => report.skip(&KEYED, "there is no key")?,
            }
        } else {
            report.skip(&KEYED, "the server was not reached")?;
        }
        Ok(report.end())
    })
}

/// What can be seen on this machine alone. Gives the server with the key, where there is one.
fn here(
    settings: &Settings,
    context: &Context,
    report: &mut Report,
) -> Result<Option<Server>, CommandError> {
    let path = settings.paths.config_file();
    let config = match path.exists() {
        true => format!(
            "`{}`, profile `{}`",
            path.display(),
            settings.profile.name()
        ),
        false => format!("there is none yet; it will be `{}`", path.display()),
    };
    report.add(Finding::good("config", config))?;
    report.add(findings::files(&settings.paths.private_files()))?;
    let server = report.keep("key", context.server(settings))?;
    if server.is_some() {
        let place = settings.key_place().unwrap_or_default();
        let words = format!("kept in {place}, for `{}`", settings.http_base);
        report.add(Finding::good("key", words))?;
    }
    report.add(findings::agent(settings.identity.as_ref()))?;
    Ok(server)
}

/// The way to the server of some settings.
struct Way<'a> {
    settings: &'a Settings,
    clock: Clock,
}

impl Way<'_> {
    /// As far as one comes without a key; says whether the server was reached.
    async fn walk(&self, report: &mut Report) -> Result<bool, CommandError> {
        let base = &self.settings.http_base;
        let probe = Probe::new(base, self.settings.ca_file.as_deref());
        let Some(probe) = report.keep(WAY[0], probe.map_err(Into::into))? else {
            report.skip(&WAY[1..], "the address or the CA file cannot be used")?;
            return Ok(false);
        };
        let addresses = probe.resolve().await.map_err(Into::into);
        let Some(addresses) = report.keep("name", addresses)? else {
            report.skip(&WAY[1..], "the server's name leads nowhere")?;
            return Ok(false);
        };
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        report.add(Finding::good(
            "name",
            format!("`{base}` is {}", addresses.join(", ")),
        ))?;

        let connected = probe.connect().await.map_err(Into::into);
        if report.keep("connection", connected)?.is_none() {
            report.skip(&WAY[2..], "there is no connection")?;
            return Ok(false);
        }
        report.add(Finding::good(
            "connection",
            format!("`{base}` takes connections"),
        ))?;

        match probe.greet().await {
            Err(error) => {
                let finding = Finding::failed("health", &error.into());
                report.add(finding.or_remedy("is that the address of a Kite server?"))?;
                report.skip(&["clock"], "the server does not say how it is")?;
            }
            Ok(greeting) => {
                report.add(findings::health(&greeting))?;
                report.add(findings::clock(greeting.date, self.clock.unix_millis()))?;
            }
        }
        Ok(true)
    }

    /// What the key opens.
    async fn enter(&self, server: &Server, report: &mut Report) -> Result<(), CommandError> {
        let opened = in_time(async {
            let team = team(self.settings, server).await?;
            let caller = Caller::open(server, &team).await?;
            Ok((team, caller))
        });
        let Some((team, mut caller)) = report.keep("session", opened.await)? else {
            return report.skip(&KEYED[1..], "there is no session");
        };
        let words = format!(
            "`{}` speaks version {VERSION}, team `{team}`",
            server.ws_url
        );
        report.add(Finding::good("session", words))?;

        let stats = in_time(async { Ok(caller.stats().await?.value) }).await;
        if let Some(stats) = report.keep("permissions", stats)? {
            report.add(findings::permissions(&stats.current_key_permissions))?;
        }
        report.add(self.expiry(server, &mut caller).await)?;
        caller.close().await;
        let cursor = in_time(self.cursor(server, &team)).await;
        if let Some(finding) = report.keep("cursor", cursor)? {
            report.add(finding)?;
        }
        Ok(())
    }

    /// The list of keys shows when this one ends, to whom may see it.
    async fn expiry(&self, server: &Server, caller: &mut Caller) -> Finding {
        let keys = in_time(async { Ok(caller.keys().await?.value.keys) }).await;
        let keys = keys.unwrap_or_default();
        match keys
            .iter()
            .find(|key| key.key_prefix == server.key.prefix())
        {
            Some(key) => findings::expiry(key.expires_at.as_deref(), self.clock.unix_millis()),
            None => Finding::skipped("expiry", "the server does not show this key"),
        }
    }

    /// What waits for the agent of this profile. Its cursor is read by connecting as its listener would; nothing is
    /// acknowledged. A listener that runs has its cursor to itself: a second connection would end it.
    async fn cursor(&self, server: &Server, team: &TeamId) -> Result<Finding, CommandError> {
        let skipped = |why: &str| Ok(Finding::skipped("cursor", why));
        let Some(identity) = &self.settings.identity else {
            return skipped("this profile is no agent");
        };
        let (paths, profile) = (&self.settings.paths, &self.settings.profile);
        let origin = self.settings.origin()?;
        let consumer = consumer(&origin, team, identity);
        if !ClientLease::is_known(paths, profile, &consumer)? {
            return skipped("the agent has not listened to this team from here");
        }
        let lease = ClientLease::take(paths, profile, &consumer)?;
        if lease.is_fresh {
            return skipped("a listener is at it");
        }
        let scopes = vec![Scope::AgentTo(identity.id.to_string())];
        let subscription = Subscription {
            team: team.clone(),
            scopes: scopes.clone(),
            client_id: Some(lease.client_id.clone()),
        };
        let mut session =
            Session::new(server, subscription, Timing::default(), self.clock.clone())?;
        let standing = session.stand().await?;
        let query = EventsQuery {
            limit: Some(COUNTED_MAX),
            after_seq: Some(standing.last_seq),
            scopes,
            since: None,
        };
        match Api::new(server, Some(team.clone()))?.events(&query).await {
            Ok(page) => {
                let searched = page.next_after_seq.unwrap_or(page.last_seq);
                Ok(findings::cursor(
                    page.events.len(),
                    searched < page.last_seq,
                ))
            }
            Err(ClientError::Refused(refusal)) if refusal.is_unserved() => {
                skipped("the server keeps no readable history")
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn consumer<'a>(origin: &'a str, team: &'a TeamId, identity: &'a Identity) -> Consumer<'a> {
    Consumer {
        origin,
        team: team.as_str(),
        command: agent_listen::COMMAND,
        subject: identity.id.as_str(),
    }
}

/// Gives up on what takes too long, however it is made up.
async fn in_time<T>(
    step: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let ended = timeout(CALLS_LIMIT, step).await;
    ended.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", CALLS_LIMIT.as_secs());
        Err(CommandError::new(Kind::Unreachable, message)
            .with_hint("the server is there and does not answer: look at its log"))
    })
}

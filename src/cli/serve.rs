//! `kite serve`: flags, environment and file become a plain configuration, and the configuration a running server.

mod federation;
mod notify;
mod openintent;
mod outbound;
mod paperclip;

use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::json;

use super::context::{Context, block_on_all_cores};
use super::error::CommandError;
use super::exit::Exit;
use super::log::{self, LogFormat};
use super::output::Output;
use super::signal::{Hangup, Interrupt, stdin_ended};
use super::text::shell_word;
use crate::base::duration;
use crate::config::Paths;
use crate::log::{Limits, Retention};
use crate::protocol::address::http_base;
use crate::server::{Bootstrap, Config, Handle, RateLimits, Reloaded, Server, TlsFiles};
use crate::store::{Address, StoreError};
use federation::FederationSettings;
use notify::Notifier;
use openintent::OpenIntentTable;
use outbound::OutboundSettings;
use paperclip::PaperclipSettings;

/// The port where nothing else was said (spec 1).
const PORT_DEFAULT: u16 = 7700;

/// The largest body where nothing else was said (spec 3.3).
const MAX_BODY_DEFAULT: usize = 256 * 1024;

/// How many connections are taken where nothing else was said. An idle one costs kilobytes; the cap is there so that a
/// flood ends before the memory does.
const MAX_CONNECTIONS_DEFAULT: usize = 20_000;

/// How many days events are kept (spec 3.3).
const RETENTION_DAYS_DEFAULT: u32 = 30;

/// The database in a data directory.
const DATABASE_FILE: &str = "kite.db";

const EXAMPLES: &str = "\
Examples:
  kite serve
  kite serve --listen 127.0.0.1:0 --data-dir ./data --json
  kite serve --listen 0.0.0.0:7700 --tls-cert chain.pem --tls-key key.pem";

/// Run the server
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Read settings from a TOML file; flags and variables win over it
    #[arg(long, value_name = "FILE", env = "KITE_CONFIG")]
    config: Option<PathBuf>,

    /// End when stdin ends, for servers that must not outlive whoever started them
    #[arg(long, hide = true)]
    until_stdin_ends: bool,

    #[command(flatten)]
    settings: Settings,
}

/// What a server can be told, as flags, as `KITE_…` variables and as keys of the file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where to listen; port 0 picks one [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDR", env = "KITE_LISTEN")]
    listen: Option<SocketAddr>,

    /// The host alone, as deployments of the hosted server set it; `--listen` wins
    #[arg(long, hide = true, env = "KITE_HOST")]
    host: Option<IpAddr>,

    /// The port alone, likewise
    #[arg(long, hide = true, env = "KITE_PORT")]
    port: Option<u16>,

    /// Serve over TLS with the certificate chain in this PEM file; a renewed one is taken up without a restart
    #[arg(long, value_name = "FILE", env = "KITE_TLS_CERT")]
    tls_cert: Option<PathBuf>,

    /// The private key of that certificate, a PEM file too
    #[arg(long, value_name = "FILE", env = "KITE_TLS_KEY")]
    tls_key: Option<PathBuf>,

    /// The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]
    #[arg(long, value_name = "URL", env = "KITE_DATABASE_URL")]
    database: Option<String>,

    /// Where the server keeps its files
    #[arg(long, value_name = "DIR", env = "KITE_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Where the outside finds this server, as an http(s) address
    #[arg(long, value_name = "URL", env = "KITE_PUBLIC_URL")]
    public_url: Option<String>,

    /// The id of this instance [default: made once and kept]
    #[arg(long, value_name = "ID", env = "KITE_INSTANCE_ID")]
    instance_id: Option<String>,

    /// The largest request body [default: 262144]
    #[arg(long, value_name = "BYTES", env = "KITE_MAX_BODY_BYTES")]
    max_body_bytes: Option<usize>,

    /// How many connections to take at a time [default: 20000]
    #[arg(long, value_name = "N", env = "KITE_MAX_CONNECTIONS")]
    max_connections: Option<usize>,

    /// Networks of proxies whose `X-Forwarded-For` names the client, such as 10.0.0.0/8 [default: none]
    #[arg(
        long,
        value_name = "NETWORK,…",
        env = "KITE_TRUSTED_PROXIES",
        value_delimiter = ','
    )]
    trusted_proxies: Option<Vec<String>>,

    /// How many events of a team are taken in a window [default: all]
    #[arg(long, value_name = "N", env = "KITE_TEAM_RATE_LIMIT")]
    team_rate_limit: Option<u32>,

    /// How many events with one API key [default: all]
    #[arg(long, value_name = "N", env = "KITE_KEY_RATE_LIMIT")]
    key_rate_limit: Option<u32>,

    /// How many events from one address [default: all]
    #[arg(long, value_name = "N", env = "KITE_ADDRESS_RATE_LIMIT")]
    address_rate_limit: Option<u32>,

    /// How many events altogether [default: all]
    #[arg(long, value_name = "N", env = "KITE_GLOBAL_RATE_LIMIT")]
    global_rate_limit: Option<u32>,

    /// How long a window is, in seconds [default: 60]
    #[arg(long, value_name = "SECS", env = "KITE_RATE_WINDOW_SECS",
          value_parser = clap::value_parser!(u32).range(1..))]
    rate_window_secs: Option<u32>,

    /// How many days events are kept; 0 keeps them for ever [default: 30]
    #[arg(long, value_name = "DAYS", env = "KITE_RETENTION_DAYS")]
    retention_days: Option<u32>,

    /// How many events of a team are kept at most [default: all]
    #[arg(long, value_name = "N", env = "KITE_RETENTION_EVENTS")]
    retention_events: Option<u64>,

    /// How many events of a team are accepted in a calendar month (UTC) [default: all]
    #[arg(long, value_name = "N", env = "KITE_EVENTS_LIMIT")]
    events_limit: Option<u64>,

    /// How long to go on serving after the signal to end, while `/readyz` says 503, so that a proxy notices [default: 0s]
    #[arg(long, value_name = "DUR", env = "KITE_DRAIN_DELAY")]
    drain_delay: Option<String>,

    /// What the lines of the log on stderr look like [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", env = "KITE_LOG_FORMAT")]
    log_format: Option<LogFormat>,

    /// Serve the operator's page at /console [default: true]
    #[arg(long, env = "KITE_CONSOLE", num_args = 0..=1, require_equals = true, value_name = "BOOL",
          default_missing_value = "true", value_parser = outbound::switch)]
    console: Option<bool>,

    #[command(flatten)]
    #[serde(default)]
    outbound: OutboundSettings,

    #[command(flatten)]
    #[serde(default)]
    federation: FederationSettings,

    #[command(flatten)]
    #[serde(default)]
    paperclip: PaperclipSettings,

    #[command(flatten)]
    #[serde(default)]
    openintent: OpenIntentTable,
}

impl Settings {
    /// What is missing here is taken from there.
    fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            host: self.host.or(other.host),
            port: self.port.or(other.port),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            database: self.database.or(other.database),
            data_dir: self.data_dir.or(other.data_dir),
            public_url: self.public_url.or(other.public_url),
            instance_id: self.instance_id.or(other.instance_id),
            max_body_bytes: self.max_body_bytes.or(other.max_body_bytes),
            max_connections: self.max_connections.or(other.max_connections),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            team_rate_limit: self.team_rate_limit.or(other.team_rate_limit),
            key_rate_limit: self.key_rate_limit.or(other.key_rate_limit),
            address_rate_limit: self.address_rate_limit.or(other.address_rate_limit),
            global_rate_limit: self.global_rate_limit.or(other.global_rate_limit),
            rate_window_secs: self.rate_window_secs.or(other.rate_window_secs),
            retention_days: self.retention_days.or(other.retention_days),
            retention_events: self.retention_events.or(other.retention_events),
            events_limit: self.events_limit.or(other.events_limit),
            drain_delay: self.drain_delay.or(other.drain_delay),
            log_format: self.log_format.or(other.log_format),
            console: self.console.or(other.console),
            outbound: self.outbound.or(other.outbound),
            federation: self.federation.or(other.federation),
            paperclip: self.paperclip.or(other.paperclip),
            openintent: self.openintent.or(other.openintent),
        }
    }

    fn tls(&self) -> Result<Option<TlsFiles>, CommandError> {
        let given =
            |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        match (given(&self.tls_cert), given(&self.tls_key)) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(CommandError::usage("`--tls-cert` needs `--tls-key` too")),
            (None, Some(_)) => Err(CommandError::usage("`--tls-key` needs `--tls-cert` too")),
        }
    }

    fn trusted_proxies(&self) -> Result<Vec<IpNet>, CommandError> {
        let words = self
            .trusted_proxies
            .iter()
            .flatten()
            .map(|word| word.trim());
        words.filter(|word| !word.is_empty()).map(network).collect()
    }

    fn rate_limits(&self) -> RateLimits {
        let usual = RateLimits::default();
        RateLimits {
            window: self
                .rate_window_secs
                .map_or(usual.window, |secs| Duration::from_secs(secs.into())),
            team: self.team_rate_limit,
            key: self.key_rate_limit,
            address: self.address_rate_limit,
            server: self.global_rate_limit,
        }
    }

    fn limits(&self) -> Limits {
        let days = self.retention_days.unwrap_or(RETENTION_DAYS_DEFAULT);
        let age = Duration::from_secs(u64::from(days) * 24 * 3600);
        Limits {
            retention: Retention {
                max_age: (days > 0).then_some(age),
                max_events: self.retention_events,
            },
            events_per_month: self.events_limit,
        }
    }

    fn listen(&self) -> SocketAddr {
        let host = self.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.listen
            .unwrap_or_else(|| SocketAddr::new(host, self.port.unwrap_or(PORT_DEFAULT)))
    }
}

/// Where a database is: what was said, else the file in the data directory.
pub(super) fn place(
    database: Option<&str>,
    data_dir: Option<PathBuf>,
    context: &Context,
) -> Result<(Address, PathBuf), StoreError> {
    let known = || Paths::find(&context.environment).data_dir().to_owned();
    let data_dir = data_dir.unwrap_or_else(known);
    let mut address = match database {
        Some(address) => address.parse()?,
        None => Address::Sqlite(data_dir.join(DATABASE_FILE)),
    };
    if let (Address::Postgres(address), Some(ca_file)) = (&mut address, &context.flags.ca_file) {
        address.trust(Path::new(ca_file));
    }
    Ok((address, data_dir))
}

impl ServeArgs {
    fn settings(self) -> Result<Settings, CommandError> {
        Ok(match &self.config {
            Some(path) => self.settings.or(read_file(path)?),
            None => self.settings,
        })
    }
}

impl Settings {
    fn config(self, context: &Context) -> Result<Config, CommandError> {
        let settings = self;
        let listen = settings.listen();
        let limits = settings.limits();
        let rate_limits = settings.rate_limits();
        let trusted_proxies = settings.trusted_proxies()?;
        let federation_max_age = settings.federation.max_age()?;
        let tls = settings.tls()?;
        let paperclip_key = context.environment.server_paperclip_key.clone();
        let paperclip = settings.paperclip.paperclip(paperclip_key)?;
        let (database, data_dir) = place(settings.database.as_deref(), settings.data_dir, context)?;
        let public_url = settings.public_url.as_deref().map(http_base).transpose();
        let public_url = public_url.map_err(|error| CommandError::usage(error.to_string()))?;
        let ca_file = context.flags.ca_file.as_deref();
        let ca_file = ca_file.filter(|path| !path.trim().is_empty());
        let ca_file = ca_file
            .map(PathBuf::from)
            .or(settings.outbound.ca_file.clone());
        let outbound = settings.outbound.outbound();
        let openintent = settings.openintent.settings(&outbound)?;
        let drain_delay = settings.drain_delay.as_deref().map(duration::parse);
        let drain_delay = drain_delay.transpose().map_err(|error| {
            CommandError::usage(format!("`--drain-delay` cannot be used: {error}"))
        })?;
        Ok(Config {
            listen,
            tls,
            database,
            data_dir,
            public_url,
            instance_id: settings.instance_id,
            secret_key: context.environment.secret_key.clone(),
            max_body_bytes: settings.max_body_bytes.unwrap_or(MAX_BODY_DEFAULT),
            max_connections: settings.max_connections.unwrap_or(MAX_CONNECTIONS_DEFAULT),
            trusted_proxies,
            outbound,
            ca_file,
            rate_limits,
            limits,
            drain_delay: drain_delay.unwrap_or_default(),
            federation_max_age,
            paperclip,
            openintent,
            console: settings.console.unwrap_or(true),
        })
    }
}

/// A network such as 10.0.0.0/8; a single address is one too.
fn network(word: &str) -> Result<IpNet, CommandError> {
    let single = |_| word.parse::<IpAddr>().map(IpNet::from);
    word.parse().or_else(single).map_err(|_| {
        CommandError::usage(format!(
            "`--trusted-proxies` cannot be used: `{word}` is neither a network such as 10.0.0.0/8 nor an address"
        ))
    })
}

fn read_file(path: &Path) -> Result<Settings, CommandError> {
    let refuse = |why: String| {
        CommandError::usage(format!(
            "cannot use the configuration `{}`: {why}",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    toml::from_str(&text).map_err(|error| refuse(fault(&error, &text)))
}

/// What is wrong and in which line. The line itself is not shown: it may hold a key.
fn fault(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!(
            "line {}: {}",
            before.matches('\n').count() + 1,
            error.message()
        ),
        None => error.message().to_owned(),
    }
}

/// How long a replaced signing key stays published, as the server's file says.
pub(super) fn openintent_key_overlap(path: &Path) -> Result<Option<Duration>, CommandError> {
    read_file(path)?.openintent.key_overlap()
}

/// Runs the server until it is told to end.
pub(super) fn run(args: ServeArgs, context: &Context) -> Result<Exit, CommandError> {
    let until_stdin_ends = args.until_stdin_ends;
    let settings = args.settings()?;
    let format = settings.log_format.unwrap_or_default();
    log::to_stderr(context.log_level, format);
    let served = block_on_all_cores(async {
        // Before anything is promised: a signal that comes early must not be lost.
        let mut interrupt = Interrupt::new()?;
        let mut hangup = Hangup::new()?;
        // Asked before it is closed: a terminal that is gone is none any more.
        let has_terminal = io::stderr().is_terminal();
        let config = settings.config(context)?;
        let database = config.database.clone();
        let mut server = Server::bind(config).await?;
        tell_start(&mut server, &database, format, &context.out)?;
        let notifier = Notifier::of(&context.environment);
        let handle = server.handle();
        let end = async {
            notifier.ready();
            tokio::select! {
                () = interrupt.wait() => {}
                () = stdin_ended(), if until_stdin_ends => {}
                () = hung_up(&mut hangup, has_terminal, &handle, &notifier) => {}
                () = notifier.keep_watch(&handle) => {}
            }
            notifier.stopping();
        };
        server.run(end).await;
        Ok(Exit::Done)
    });
    match served {
        // Whoever reads objects from stderr gets no other lines.
        Err(error) if format == LogFormat::Json && !context.out.json => {
            tracing::error!(hint = error.hint(), "{}", error.message());
            Ok(error.exit())
        }
        served => served,
    }
}

/// Waits until the terminal is closed. Without one reads again what can be read again, as often as that is wanted.
async fn hung_up(hangup: &mut Hangup, has_terminal: bool, handle: &Handle, notifier: &Notifier) {
    loop {
        hangup.wait().await;
        if has_terminal {
            return;
        }
        notifier.reloading();
        match handle.reload().await {
            Ok(Reloaded::Certificate) => tracing::info!("SIGHUP: the certificate was read again"),
            Ok(Reloaded::Nothing) => {
                tracing::info!(
                    "SIGHUP: there is no certificate to read again; settings change with a restart"
                );
            }
            Err(fault) => tracing::error!(%fault, "SIGHUP: the old certificate stays"),
        }
        notifier.ready();
    }
}

/// Says where the server is, and what to do with one that was started for the first time.
fn tell_start(
    server: &mut Server,
    database: &Address,
    format: LogFormat,
    out: &Output,
) -> Result<(), CommandError> {
    let scheme = if server.is_tls() { "https" } else { "http" };
    let url = format!("{scheme}://{}", server.address());
    let bootstrap = server.take_bootstrap();
    if format == LogFormat::Json && !out.json {
        if let Some(it) = bootstrap {
            let key_file = it.key_file.display();
            tracing::info!(team = %it.team, %key_file, "first start: made a team and an admin key");
        }
        let version = env!("CARGO_PKG_VERSION");
        let instance = server.instance_id();
        tracing::info!(url, version, instance, %database, "the server listens");
        return Ok(());
    }
    if let Some(bootstrap) = bootstrap {
        tell_first_start(&bootstrap, &url, out)?;
    }
    tell_listening(server, &url, database, out)
}

fn tell_listening(
    server: &Server,
    url: &str,
    database: &Address,
    out: &Output,
) -> Result<(), CommandError> {
    let scheme = if server.is_tls() { "wss" } else { "ws" };
    let ws_url = format!("{scheme}://{}/ws", server.address());
    let version = env!("CARGO_PKG_VERSION");
    if out.json {
        let line = json!({
            "event": "listening",
            "url": url,
            "ws_url": ws_url,
            "instance_id": server.instance_id(),
            "version": version,
        });
        return Ok(out.object(&line.to_string())?);
    }
    let console = match server.has_console() {
        true => format!("console: {url}/console\n"),
        false => String::new(),
    };
    out.note(&format!(
        "kite {version} listens on {url} (WebSocket {ws_url})\n\
         instance: {}\n{console}data: {database}\nCtrl-C ends it",
        server.instance_id(),
    ));
    Ok(())
}

fn tell_first_start(bootstrap: &Bootstrap, url: &str, out: &Output) -> Result<(), CommandError> {
    let key_file = bootstrap.key_file.display().to_string();
    if out.json {
        let line = json!({
            "event": "bootstrap",
            "team_id": bootstrap.team,
            "api_key": bootstrap.key.reveal(),
            "key_file": key_file,
        });
        return Ok(out.object(&line.to_string())?);
    }
    // The key itself is not said: stderr of a service is a log.
    out.note(&format!(
        "first start: made the team `{}` and an admin key, kept in {key_file}\n\
         next, in another terminal:\n\
         \x20 kite login --server {url} --with-token < {}\n\
         \x20 kite agent register --name agent-alpha\n\
         \x20 kite agent listen",
        bootstrap.team,
        shell_word(&key_file),
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_an_address_over_its_parts() {
        let flags = Settings {
            port: Some(1),
            ..Settings::default()
        };
        let file: Settings = toml::from_str("listen = \"0.0.0.0:9\"\nmax_connections = 5").unwrap();
        let both = flags.or(file);
        assert_eq!(both.listen().to_string(), "0.0.0.0:9");
        assert_eq!(both.max_connections, Some(5));
        let parts = Settings {
            port: Some(1),
            ..Settings::default()
        };
        assert_eq!(parts.listen().to_string(), "127.0.0.1:1");
    }

    #[test]
    fn an_unknown_key_in_the_file_is_named() {
        let error = toml::from_str::<Settings>("lisen = \"x\"").unwrap_err();
        assert!(error.to_string().contains("lisen"));
    }
}

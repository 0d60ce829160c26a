//! The server: HTTP and WebSocket faces, start and stop.
//!
//! Starts from a plain [`Config`] and never sees the command line, so that tests and other commands start it the same
//! way. It ends in stages: nothing new is taken, what runs is finished, what was taken is stored.

mod access;
mod activate;
mod agents;
mod body;
mod bootstrap;
mod call;
mod connection;
mod console;
mod description;
mod discovery;
mod door;
mod endpoints;
mod error;
mod events;
mod federation_tokens;
mod handle;
mod health;
mod hooks;
mod invites;
mod join;
mod keys;
mod limit;
mod listen;
mod login;
mod metrics;
mod openintent;
mod outbox;
mod path;
mod patient;
mod peer_body;
mod peer_hook;
mod peers;
mod publish;
mod recipient;
mod redeem;
mod registry;
mod request;
mod routes;
mod rpc;
mod session;
mod socket;
mod state;
mod stranger;
mod tls;
mod trace;
mod trigger;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::request::Parts;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::base::clock::Clock;
use crate::base::outage::Outage;
use crate::base::random;
use crate::base::secret::Secret;
use crate::base::tls::TlsError;
use crate::federation::openintent::{OpenIntent, OpenIntentParts, Trust};
use crate::federation::{self, Dial, Federation, Inbound, Paperclip, PaperclipFault, Recorder};
use crate::log::{Limits, Log, Notice, Tasks};
use crate::protocol::id::IdError;
use crate::protocol::outbound::Outbound;
use crate::store::record::Identity;
use crate::store::seal::Sealer;
use crate::store::{self, Address, Role, StoreError};
use access::Access;
use console::Console;
use limit::{PerMinute, Rates};
use metrics::Meters;
use registry::Registry;
use routes::router;
use state::App;
use tls::Certificate;

pub use crate::federation::openintent::{
    ConfiguredAgent, ConfiguredPeer, KEY_OVERLAP_DEFAULT, OpenIntentSettings as OpenIntentConfig,
    ServerUrl, SharedSecret, check_api_key, check_did, open_seed, seal_seed,
};
pub use bootstrap::{Bootstrap, KEY_FILE, kept_secret_key, new_key};
pub use handle::{Handle, Reloaded};
pub use limit::RateLimits;
pub use tls::{TlsFileFault, TlsFiles};

/// How long requests in flight may take when the server ends.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// How long the last commit may take when the server ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(30);

/// How a server is to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// The certificate to show, where connections are to be over TLS.
    pub tls: Option<TlsFiles>,
    /// The database.
    pub database: Address,
    /// Where files beside the database go.
    pub data_dir: PathBuf,
    /// Where the outside finds this server, as an http(s) base; for addresses that it hands out.
    pub public_url: Option<String>,
    /// The instance's id, where it is to be a certain one.
    pub instance_id: Option<String>,
    /// The key that secrets are sealed with: 32 ASCII characters. Without one it is made once and kept in the data
    /// directory.
    pub secret_key: Option<Secret>,
    /// How large a body may be, in bytes.
    pub max_body_bytes: usize,
    /// How many connections there may be at a time.
    pub max_connections: usize,
    /// Who may say in `X-Forwarded-For` whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// What the server may call on somebody's behalf.
    pub outbound: Outbound,
    /// A file of CAs to trust in addition when it calls others.
    pub ca_file: Option<PathBuf>,
    /// How much may be sent in.
    pub rate_limits: RateLimits,
    /// What each team may have.
    pub limits: Limits,
    /// How long to go on serving once the end is wanted, while `/readyz` says so already: what a proxy needs to notice.
    pub drain_delay: Duration,
    /// How old an event may be that is still forwarded.
    pub federation_max_age: Duration,
    /// Whether there is the operator's page.
    pub console: bool,
    /// Where messages for agents are posted too.
    pub paperclip: Option<PaperclipConfig>,
    /// How it takes part in OpenIntent's federation.
    pub openintent: OpenIntentConfig,
}

/// Where Paperclip is (spec 13.3).
#[derive(Debug, Clone)]
pub struct PaperclipConfig {
    /// The base of its API.
    pub api_url: String,
    /// What it is called with. Without it no key is shown.
    pub key: Option<Secret>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error("cannot serve over TLS: {0}")]
    Tls(#[from] TlsFileFault),
    /// Whom to trust cannot be set up.
    #[error(transparent)]
    Trust(#[from] TlsError),
    /// The directory for files cannot be used.
    #[error("cannot use the data directory {}", .path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The key for sealed secrets cannot be used.
    #[error("cannot use the secret key: {0}")]
    SecretKey(String),
    /// Paperclip cannot be called.
    #[error("cannot post messages to Paperclip: {0}")]
    Paperclip(#[from] PaperclipFault),
    /// The instance's id is none.
    #[error("the instance cannot be called that: {0}")]
    InstanceId(#[source] IdError),
    /// The system gives no further thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A server that is ready to serve.
pub struct Server {
    app: Arc<App>,
    tasks: Tasks,
    forwarding: federation::Tasks,
    recorder: Recorder,
    notices: mpsc::Receiver<Notice>,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    max_connections: usize,
    trusted_proxies: Arc<[IpNet]>,
    drain_delay: Duration,
    address: SocketAddr,
    bootstrap: Option<Bootstrap>,
}

impl Server {
    /// Takes the address, the directory and the database; makes the first team and key in a new one.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let clock = Clock::system();
        // What a slip of the pen gets wrong goes first: nothing is made yet.
        let certificate = config.tls.map(Certificate::read).transpose()?;
        let dial = Arc::new(Dial::new(config.outbound, config.ca_file.as_deref())?);
        let paperclip = config
            .paperclip
            .map(|it| Paperclip::new(&it.api_url, it.key, dial.outbound()));
        let paperclip = paperclip.transpose()?.map(Arc::new);
        bootstrap::prepare_dir(&config.data_dir)?;
        let store = store::open(&config.database, Role::Server).await?;
        let failed = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let now = clock.unix_millis();
        let secret_key = bootstrap::secret_key(config.secret_key.as_ref(), &config.data_dir)?;
        let sealer = Arc::new(Sealer::new(&secret_key)?);
        let identity = Identity {
            wanted: config.instance_id,
            fresh: random::uuid7(),
            secret_check: sealer.check(),
            now,
        };
        let instance_id = store.instance(identity).await?;
        let identity = bootstrap::identity(&store, &sealer).await?;
        let bootstrap = bootstrap::first_start(&store, &config.data_dir, now).await?;
        federation::arrange_paperclips(&*store, paperclip.as_deref(), now).await?;
        let scheme = if certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let server_url = config.public_url.clone();
        let trust = Trust::new(store.clone(), sealer.clone(), &config.openintent);
        let trust = Arc::new(trust);
        let parts = OpenIntentParts {
            trust: trust.clone(),
            is_public: server_url.is_some(),
            server_url: server_url.unwrap_or_else(|| format!("{scheme}://{address}")),
            store: store.clone(),
            sealer: sealer.clone(),
            clock: clock.clone(),
            dial: {
                let outbound = OpenIntent::outbound(dial.outbound(), &config.openintent);
                Arc::new(Dial::new(outbound, config.ca_file.as_deref())?)
            },
            settings: config.openintent,
        };
        let openintent = openintent(parts).await?;
        let (log, tasks, notices) = Log::start(store.clone(), clock.clone(), config.limits.clone())
            .map_err(StartError::Thread)?;
        let (federation, forwarding) = Federation::start(federation::Parts {
            store: store.clone(),
            forwards: log.forwards().clone(),
            dial: dial.clone(),
            sealer: sealer.clone(),
            clock: clock.clone(),
            announcer: log.announcer(),
            paperclip,
            openintent: openintent.clone(),
            instance_id: instance_id.parse().map_err(StartError::InstanceId)?,
            max_age: config.federation_max_age,
        });
        let (inbound, recorder) = Inbound::start(store.clone(), sealer.clone(), clock.clone());
        let app = Arc::new(App {
            access: Access::new(store.clone(), clock.clone()),
            log,
            registry: Arc::default(),
            clock,
            store,
            readiness: health::Readiness::default(),
            instance_id,
            identity,
            dial,
            openintent,
            trust,
            is_tls: certificate.is_some(),
            sealer,
            federation,
            inbound,
            redeeming: Semaphore::new(1),
            joiners_tests: Semaphore::new(redeem::TESTS_MAX),
            meters: Meters::new(now),
            standings: metrics::Standings::default(),
            console: config.console.then(Console::default),
            max_body_bytes: config.max_body_bytes,
            bodies: Arc::default(),
            logins_begun: PerMinute::default(),
            rates: Rates::new(config.rate_limits),
            limits: config.limits,
            public_url: config.public_url,
            bootstrap_key_file: config.data_dir.join(KEY_FILE),
            ending: AtomicBool::new(false),
        });
        for switch in app.dial.outbound().widened() {
            tracing::warn!(
                "`{switch}` is on: the server may call more than public addresses over https"
            );
        }
        Ok(Self {
            app,
            tasks,
            forwarding,
            recorder,
            notices,
            listener,
            certificate: certificate.map(Arc::new),
            max_connections: config.max_connections,
            trusted_proxies: config.trusted_proxies.into(),
            drain_delay: config.drain_delay,
            address,
            bootstrap,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether connections are over TLS.
    pub fn is_tls(&self) -> bool {
        self.app.is_tls
    }

    /// Whether it has the operator's page.
    pub fn has_console(&self) -> bool {
        self.app.console.is_some()
    }

    /// What can be asked of it while it runs.
    pub fn handle(&self) -> Handle {
        Handle {
            app: Arc::downgrade(&self.app),
            certificate: self.certificate.clone(),
        }
    }

    /// The instance's id.
    pub fn instance_id(&self) -> &str {
        &self.app.instance_id
    }

    /// The first key, if this is the first start. Once.
    pub fn take_bootstrap(&mut self) -> Option<Bootstrap> {
        self.bootstrap.take()
    }

    /// Serves until `stop` is done, then ends in stages.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (end, ending) = watch::channel(false);
        let watchers = [
            tokio::spawn(watch_access(self.app.clone(), ending.clone())),
            tokio::spawn(console::watch(self.app.clone(), ending.clone())),
            tokio::spawn(watch_notices(
                self.app.clone(),
                self.notices,
                ending.clone(),
            )),
        ];
        let service = listen::Service {
            router: router(self.app.clone()),
            proxies: self.trusted_proxies,
            certificate: self.certificate,
            ending,
        };
        let serving = listen::serve(self.listener, service, self.max_connections, DRAIN_LIMIT);
        let serving = tokio::spawn(serving);
        stop.await;
        tracing::info!("the server ends: finishing what was taken");
        self.app.ending.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.drain_delay).await;
        // Nobody listens any more when all tasks ended by themselves.
        let _ = end.send(true);
        self.app.registry.end();
        if let Some(console) = &self.app.console {
            console.live.end();
        }
        // A panic in a task was reported by the runtime.
        let _ = serving.await;
        for watcher in watchers {
            let _ = watcher.await;
        }
        wait_for_sessions(&self.app.registry).await;
        let store = self.app.store.clone();
        // The log ends with its last user, the store after the log.
        drop(self.app);
        self.forwarding.finish(DRAIN_LIMIT).await;
        self.recorder.finish(DRAIN_LIMIT).await;
        self.tasks.finish(FLUSH_LIMIT).await;
        drop(store);
    }
}

/// Waits until all sessions have said goodbye, for a while.
async fn wait_for_sessions(registry: &Registry) {
    const STEP: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while registry.count() > 0 && waited < DRAIN_LIMIT {
        tokio::time::sleep(STEP).await;
        waited += STEP;
    }
}

/// Notices keys that were revoked or have expired, by whatever process, and ends their connections. Writes down when keys
/// were used.
async fn watch_access(app: Arc<App>, mut ending: watch::Receiver<bool>) {
    let mut outage = Outage::new("keys cannot be checked");
    let mut uses = Outage::new("the use of keys is not written down");
    let mut renewals = Outage::new("cursors are not renewed");
    let mut heeded = None;
    for round in 1u64.. {
        let pause = tokio::time::sleep(access::WATCH_INTERVAL);
        let is_ending = tokio::select! {
            () = pause => false,
            () = listen::ended(&mut ending) => true,
        };
        app.registry.expire(app.clock.unix_millis());
        outage.note(heed_access(&app, &mut heeded).await.err().as_ref());
        if round.is_multiple_of(access::ROUNDS_PER_RENEWAL) {
            let renewed = app.log.renew_holds(app.registry.holds()).await;
            renewals.note(renewed.err().as_ref());
        }
        if is_ending || round.is_multiple_of(access::ROUNDS_PER_FLUSH) {
            uses.note(app.access.flush_uses().await.err().as_ref());
        }
        if is_ending {
            return;
        }
    }
}

/// Passes on to connections what happened elsewhere, also on other nodes: who holds their cursors now, and how their
/// teams stand.
async fn watch_notices(
    app: Arc<App>,
    mut notices: mpsc::Receiver<Notice>,
    mut ending: watch::Receiver<bool>,
) {
    let mut outage = Outage::new("takeovers are not checked");
    loop {
        // What could not be checked is checked again.
        let pause = tokio::time::sleep(access::WATCH_INTERVAL);
        let notice = tokio::select! {
            notice = notices.recv() => notice,
            () = pause, if outage.is_on() => Some(Notice::TakeoversMissed),
            () = listen::ended(&mut ending) => return,
        };
        match notice {
            Some(Notice::TakenOver(newest)) => app.registry.take_over(&newest),
            Some(Notice::TakeoversMissed) => {
                outage.note(end_lost_holds(&app).await.err().as_ref());
            }
            Some(Notice::QuotaTurned(team)) => app.registry.quota_turned(&team),
            None => return,
        }
    }
}

/// Ends the connections that have lost their hold of their cursor.
async fn end_lost_holds(app: &App) -> Result<(), StoreError> {
    for mut hold in app.log.lost_holds(app.registry.holds()).await? {
        hold.number += 1;
        app.registry.take_over(&hold);
    }
    Ok(())
}

/// This instance as a server of OpenIntent, if it is to be one and can be.
async fn openintent(parts: OpenIntentParts) -> Result<Option<Arc<OpenIntent>>, StoreError> {
    if !parts.settings.enabled {
        return Ok(None);
    }
    // It takes part unless it is told not to: what has no name for others is still a server.
    if let Err(fault) = OpenIntent::did_of(&parts.settings, &parts.server_url) {
        tracing::warn!(
            url = parts.server_url,
            %fault,
            "OpenIntent is off, because nothing can be called by this address: `--public-url` says where others find it"
        );
        return Ok(None);
    }
    Ok(Some(Arc::new(OpenIntent::open(parts).await?)))
}

/// Reads again whom teams trust, and ends the connections of keys that no longer work, if any of that has changed since
/// the store's number was the one that is `heeded`. What fails on the way is all done again the next time.
async fn heed_access(app: &App, heeded: &mut Option<u64>) -> Result<(), StoreError> {
    let version = app.access.refresh().await?;
    if *heeded == Some(version) {
        return Ok(());
    }
    match &app.openintent {
        Some(node) => node.refresh().await?,
        None => app.trust.forget(),
    }
    end_dead_keys(app).await?;
    *heeded = Some(version);
    Ok(())
}

/// Ends the connections of keys that no longer work.
async fn end_dead_keys(app: &App) -> Result<(), StoreError> {
    app.access.refresh().await?;
    for prefix in app.registry.key_prefixes() {
        if !app.access.is_live(&prefix).await? {
            app.registry.end_key(&prefix);
        }
    }
    Ok(())
}

/// The values of a query parameter, in order.
fn query(parts: &Parts, name: &str) -> Vec<String> {
    let query = parts.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .collect()
}

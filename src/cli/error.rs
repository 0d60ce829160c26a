//! The one place that turns errors into words, a hint and an exit code.

use serde::Serialize;

use super::exit::Exit;
use super::gh::{GhFailure, GhFault};
use super::output::PrintFault;
use super::text::visible;
use crate::base::tls::TlsError;
#[cfg(feature = "server")]
use crate::bench::BenchError;
use crate::client::login::LoginFault;
use crate::client::{ClientError, Refusal};
use crate::config::ConfigError;
use crate::protocol::error::ErrorCode;
use crate::protocol::id::IdError;
use crate::protocol::invite::InviteFault;
use crate::protocol::rpc::Failure;
use crate::protocol::scope::ScopeError;
#[cfg(feature = "server")]
use crate::server::StartError;
use crate::sink::paperclip::PaperclipFault;
use crate::sink::replay::ReplayFault;
#[cfg(unix)]
use crate::sink::socket::SocketFault;
use crate::sink::{MakeFault, QueueFault};
#[cfg(feature = "server")]
use crate::store::StoreError;

/// What kind of failure it is. Picks the exit code, and is the `code` under `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// None of the others.
    Failed,
    /// The command line is wrong.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// There is no key or no identity here.
    NotLoggedIn,
    /// The server or the configuration does not allow it.
    NotPermitted,
    /// The server was not reached.
    Unreachable,
    /// Too many requests.
    RateLimited,
    /// The quota is used up.
    QuotaExhausted,
    /// Some of several items failed.
    SomeFailed,
    /// It waited and nothing came.
    NothingCame,
    /// Another connection took over.
    Replaced,
    /// Somebody interrupted it.
    Interrupted,
    /// The reader of stdout has gone, which is no error.
    ClosedPipe,
}

impl Kind {
    /// The word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::NotLoggedIn => "not_logged_in",
            Self::NotPermitted => "not_permitted",
            Self::Unreachable => "unreachable",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::SomeFailed => "some_failed",
            Self::NothingCame => "nothing_came",
            Self::Replaced => "replaced",
            Self::Interrupted => "interrupted",
            Self::ClosedPipe => "closed_pipe",
        }
    }

    /// The exit code.
    pub fn exit(self) -> Exit {
        match self {
            Self::Failed | Self::Replaced => Exit::Failed,
            Self::Usage => Exit::Usage,
            Self::NotFound => Exit::NotFound,
            Self::NotLoggedIn | Self::NotPermitted => Exit::NotPermitted,
            Self::Unreachable => Exit::Unreachable,
            Self::RateLimited | Self::QuotaExhausted => Exit::Limited,
            Self::SomeFailed => Exit::SomeFailed,
            Self::NothingCame => Exit::NothingCame,
            Self::Interrupted => Exit::Interrupted,
            Self::ClosedPipe => Exit::Done,
        }
    }
}

/// Why a command failed, as its user hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl CommandError {
    /// An error with its message: lower case, no full stop, values in backticks, the cause after a colon.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// An error of no particular kind.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Adds the remedy.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what was being done before the message.
    pub fn context(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The remedy.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.kind.exit()
    }

    /// The error as one JSON object on one line.
    pub fn to_json(&self) -> String {
        let error = Shown {
            code: self.kind.code(),
            message: &self.message,
            hint: self.hint.as_deref(),
        };
        // Strings always serialise.
        serde_json::to_string(&Enveloped { error }).unwrap_or_default()
    }

    /// A fault that the argument parser found in what was said to a verb: its suggestion is the hint, else where the
    /// usage is explained.
    pub fn from_usage(error: &clap::Error, verb: &str) -> Self {
        let text = error.render().to_string();
        let mut paragraphs = text.trim().split("\n\n").map(one_line);
        let message = paragraphs.next().unwrap_or_default();
        let message = message.trim_start_matches("error: ").to_owned();
        let rest: Vec<String> = paragraphs.collect();
        let find = |start: &str| rest.iter().find_map(|text| text.strip_prefix(start));
        let hint = match (find("tip: "), find("Usage: ")) {
            // The first is the nearest.
            (Some(tips), _) => tips.split(" tip: ").next().unwrap_or(tips).to_owned(),
            (None, Some(usage)) => {
                format!("usage: `{usage}`; `{} --help` explains it", verb_of(usage))
            }
            (None, None) => format!("`{verb} --help` explains it"),
        };
        Self::usage(message).with_hint(hint)
    }

    /// A file or a text that could not be written.
    pub fn unwritten(what: &str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::failed(format!("cannot write {what}: {error}"))
    }

    /// A message that was not sent: the status and the server's words (spec 19.3).
    pub fn send_failed(refusal: &Refusal) -> Self {
        let worded = Self::from(refusal.clone());
        let kind = match refusal.status {
            401..=403 | 429 => worded.kind,
            _ => Kind::Failed,
        };
        let text = visible(&refusal.text);
        let message = format!("send failed ({}): {text}", refusal.status);
        Self {
            kind,
            message,
            ..worded
        }
    }

    /// The event that a message answers cannot be had, so nobody knows whom the answer is for.
    pub fn no_answered_event(id: &str, refusal: &Refusal) -> Self {
        let id = visible(id);
        let missing = format!("there is no event `{id}` on the server that could be answered");
        match refusal.status {
            403 => Self::from(refusal.clone())
                .context(&format!("cannot read the event `{id}`"))
                .with_hint("the key needs `read`; or `--to` names whom the answer is for"),
            404 | 405 => Self::new(Kind::NotFound, missing).with_hint(
                "`kite logs` shows the ids of those there are; or `--to` names whom the answer is for",
            ),
            _ => Self::from(refusal.clone()).context(&format!("cannot read the event `{id}`")),
        }
    }

    /// The event that a message answers is none.
    pub fn not_answerable(id: &str, why: &str) -> Self {
        let (id, why) = (visible(id), visible(why));
        Self::failed(format!(
            "the event `{id}` is no message that could be answered: {why}"
        ))
        .with_hint("`--to` names whom the answer is for")
    }

    /// There is no identity to send or listen as (spec 19.3).
    pub fn no_agent() -> Self {
        let message = "No agent registered. Run kite agent register first.";
        Self::new(Kind::NotLoggedIn, message)
            .with_hint("`kite agent register --name NAME` makes an identity")
    }

    /// `--since` where the server has no path to read the log by (spec 7.3).
    pub fn no_history() -> Self {
        Self::new(Kind::NotFound, "the server keeps no readable history")
            .with_hint("leave out `--since`: a listener still resumes where it was, and `kite logs` shows the newest events")
    }

    /// There is no endpoint for a source.
    pub fn no_endpoint(source: &str) -> Self {
        let message = format!("there is no endpoint for the source `{source}`");
        Self::new(Kind::NotFound, message).with_hint("`kite endpoints list` shows those there are")
    }

    /// The server has no paths for other instances.
    pub fn no_federation() -> Self {
        Self::new(Kind::NotFound, "the server does not manage other instances")
            .with_hint("it is too old, or the hosted service; `kite serve` runs one that does, and `--server` names it")
    }

    /// A text that is no invitation.
    pub fn bad_invite(fault: InviteFault) -> Self {
        Self::usage(fault.to_string()).with_hint(
            "give the whole code, from `kinv_` to its end; `kite federation invite` on the other side makes a new one",
        )
    }

    /// An invitation that did not become a connection.
    pub fn join_failed(error: ClientError) -> Self {
        let ClientError::Refused(refusal) = error else {
            return error.into();
        };
        let failed = |kind| Self::new(kind, visible(&refusal.text));
        let again = "who invites makes a new one: `kite federation invite`";
        match refusal.code.as_deref() {
            Some("invite_unknown") => failed(Kind::NotFound).with_hint(again),
            Some("invite_expired" | "invite_used") => failed(Kind::Failed).with_hint(again),
            Some("peer_unreachable") => failed(Kind::Unreachable).with_hint(
                "the code says where the other server is: it must run, and be reached from this server; \
                 `--public-url` over there gives codes another address. The same code can be tried again",
            ),
            Some("peer_unsupported") => failed(Kind::Failed).with_hint(
                "the other side may be older, or its `--public-url` wrong; `kite federation peers add` connects \
                 without an invitation",
            ),
            Some("peer_mismatch") => failed(Kind::Failed).with_hint(
                "nothing was connected here; ask who invited you whether the address is right, and for a new code",
            ),
            Some("unprocessable") => failed(Kind::NotPermitted).with_hint(
                "if the other side refuses this server's address: `kite serve --public-url https://…` here says where \
                 others reach it",
            ),
            // A server without this path.
            Some("not_found") | None if refusal.is_unserved() => Self::no_federation(),
            _ => refusal.into(),
        }
    }

    /// Nothing is known of an event.
    pub fn no_trace(event_id: &str) -> Self {
        let message = format!("nothing is known of an event `{}`", visible(event_id));
        Self::new(Kind::NotFound, message).with_hint(
            "`kite logs --json` shows the ids there are, and `kite status` whose log it is; what is old was removed",
        )
    }

    /// There is no such peer.
    pub fn no_peer(named: &str) -> Self {
        let message = format!("there is no peer `{}`", visible(named));
        Self::new(Kind::NotFound, message)
            .with_hint("`kite federation peers list` shows those there are")
    }

    /// `gh` may not manage the hooks of a repository.
    pub fn gh_denied(failure: &GhFailure) -> Self {
        let words = failure.words();
        let message = format!("`gh` may not manage the hooks: {}", visible(&words));
        Self::new(Kind::NotPermitted, message).with_hint("`gh auth refresh -s admin:repo_hook` lets it; its user must be an admin of the repository")
    }

    /// Another connection took the client id.
    pub fn replaced() -> Self {
        let message = "replaced by a newer connection with the same client id";
        Self::new(Kind::Replaced, message)
            .with_hint("another process listens with this client id; give one of them its own with `--client-id`")
    }

    /// The WebSocket was closed with error 4001.
    pub fn denied(message: &str) -> Self {
        let message = format!("the server refused the key: {}", visible(message));
        Self::new(Kind::NotPermitted, message).with_hint(LOGIN_HINT)
    }

    /// The WebSocket was closed with error 4002.
    pub fn rejected(message: &str) -> Self {
        Self::failed(format!(
            "the server does not understand this client: {}",
            visible(message)
        ))
        .with_hint("one of the two may be too old")
    }
}

/// The JSON form of an error.
#[derive(Serialize)]
struct Enveloped<'a> {
    error: Shown<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    code: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

/// What to do about a key that may not.
const PERMISSION_HINT: &str = "`kite status` shows what this key may do; with an admin key `kite keys create --permissions read,write,admin` makes one that may do more";

/// What to do about a quota that is used up.
const QUOTA_HINT: &str = "`kite status` shows the quota and when the month ends; who runs the server raises it with `--events-limit`";

const LOGIN_HINT: &str = "`kite login --server URL` logs in; in scripts set `KITE_API_KEY`, or `kite login --with-token < FILE`";

/// The command in a usage line: the words before the first argument.
fn verb_of(usage: &str) -> String {
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let words: Vec<&str> = usage.split(' ').take_while(is_word).collect();
    words.join(" ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<PrintFault> for CommandError {
    fn from(fault: PrintFault) -> Self {
        match fault {
            PrintFault::Closed => Self::new(Kind::ClosedPipe, "stdout is closed"),
            PrintFault::Failed(error) => Self::failed(format!("cannot write to stdout: {error}")),
        }
    }
}

impl From<QueueFault> for CommandError {
    fn from(fault: QueueFault) -> Self {
        let message = fault.to_string();
        if fault.is_damage() {
            return Self::failed(message).with_hint(
                "kite does not replace it: move it away, or give another directory with `KITE_DATA_DIR`",
            );
        }
        match fault {
            QueueFault::Open { .. } => Self::failed(message).with_hint("events that are not taken are kept in it: `KITE_DATA_DIR` names a directory that can be written"),
            QueueFault::Newer { .. } => {
                Self::failed(message).with_hint("update this kite, or give it another `KITE_DATA_DIR`")
            }
            QueueFault::Foreign { .. } | QueueFault::Sql(_) | QueueFault::Interrupted => {
                Self::failed(message)
            }
        }
    }
}

impl From<ReplayFault> for CommandError {
    fn from(fault: ReplayFault) -> Self {
        let message = fault.to_string();
        match fault {
            ReplayFault::Queue(fault) => fault.into(),
            ReplayFault::Make(MakeFault::NoFederationToken | MakeFault::FederationToken(_)) => {
                Self::usage(message).with_hint(REPLAYED_TOKEN_HINT)
            }
            ReplayFault::Make(fault) => fault.into(),
            ReplayFault::NoSink(_) | ReplayFault::Recipe { .. } => Self::usage(message)
                .with_hint("say where they are to go: `--target http://localhost:3000/webhooks`"),
        }
    }
}

/// Both ways of giving the token of another instance.
const FEDERATION_TOKEN_HINT: &str =
    "put it into `KITE_FEDERATION_TOKEN`, or pipe it in: `--federation-token -`";

/// A replay has no flag for it, and other entries need none.
const REPLAYED_TOKEN_HINT: &str = "put it into `KITE_FEDERATION_TOKEN`, or pick entries that were not forwarded with `--source` or `--seq`";

impl CommandError {
    /// There is nothing to open the hook of another instance with.
    pub fn no_federation_token() -> Self {
        Self::usage("forwarding needs the token of the other instance")
            .with_hint(FEDERATION_TOKEN_HINT)
    }
}

impl From<MakeFault> for CommandError {
    fn from(fault: MakeFault) -> Self {
        match fault {
            MakeFault::Tls(error) => Self::failed(error.to_string()),
            MakeFault::Secret(error) => Self::usage(error.to_string()),
            MakeFault::NoSignSecret => Self::usage(fault.to_string())
                .with_hint("give the secret that the proxy had: `--sign-secret -`"),
            MakeFault::NoFederationToken | MakeFault::FederationToken(_) => {
                Self::usage(fault.to_string()).with_hint(FEDERATION_TOKEN_HINT)
            }
            #[cfg(unix)]
            MakeFault::Socket(error) => error.into(),
            MakeFault::Paperclip(error) => error.into(),
            MakeFault::NoProxy | MakeFault::NoSockets => Self::usage(fault.to_string()),
        }
    }
}

#[cfg(unix)]
impl From<SocketFault> for CommandError {
    fn from(fault: SocketFault) -> Self {
        let message = fault.to_string();
        match fault {
            SocketFault::InUse(_) => {
                Self::failed(message).with_hint("end that program, or name another path")
            }
            SocketFault::NoSocket(_) => Self::usage(message).with_hint("name another path"),
            SocketFault::TooLong(_) => {
                Self::usage(message).with_hint("name one of less than ninety bytes")
            }
            SocketFault::Make { .. } => Self::failed(message),
        }
    }
}

impl From<PaperclipFault> for CommandError {
    fn from(fault: PaperclipFault) -> Self {
        let message = fault.to_string();
        match fault {
            PaperclipFault::NoKey | PaperclipFault::Key => {
                Self::new(Kind::NotLoggedIn, message).with_hint("set `PAPERCLIP_API_KEY`")
            }
            PaperclipFault::PlainHttp(_) => {
                Self::new(Kind::NotPermitted, message).with_hint("use its https address")
            }
            PaperclipFault::Address | PaperclipFault::Id(_) => Self::usage(message),
            PaperclipFault::Tls(error) => Self::failed(error.to_string()),
        }
    }
}

impl From<IdError> for CommandError {
    fn from(error: IdError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ScopeError> for CommandError {
    fn from(error: ScopeError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        let message = error.to_string();
        match &error {
            ConfigError::File { .. } => Self::failed(message),
            ConfigError::Syntax { .. } | ConfigError::Value { .. } => Self::failed(message)
                .with_hint("mend the file, or move it away; kite does not replace it"),
            ConfigError::ProfileName(_) | ConfigError::Address(_) | ConfigError::Id(_) => {
                Self::usage(message)
            }
            ConfigError::Key { .. } | ConfigError::NotLoggedIn { .. } => {
                Self::new(Kind::NotLoggedIn, message).with_hint(LOGIN_HINT)
            }
            ConfigError::OtherOrigin { origin, .. } => Self::new(Kind::NotPermitted, message)
                .with_hint(format!(
                    "`kite login --server {origin}` stores a key for that server"
                )),
            ConfigError::PlainHttp(_) => Self::new(Kind::NotPermitted, message)
                .with_hint("use https, or allow it with `--insecure` or `KITE_INSECURE=1`"),
            ConfigError::Keyring(_) => Self::new(Kind::NotLoggedIn, message)
                .with_hint("unlock the keyring, set `KITE_API_KEY`, or log in again"),
        }
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        let message = visible(&error.to_string()).into_owned();
        match error {
            ClientError::Refused(refusal) => refusal.into(),
            ClientError::Failed(failure) => failure.into(),
            ClientError::Denied(text) => Self::denied(&text),
            ClientError::Rejected(text) => Self::rejected(&text),
            ClientError::Unreachable { .. } | ClientError::Lost { .. } => {
                Self::new(Kind::Unreachable, message).with_hint(
                    "check `--server` and that the server runs; `kite serve` starts one here",
                )
            }
            ClientError::Unreadable { .. } => {
                Self::failed(message).with_hint("is that the address of a Kite server?")
            }
            ClientError::Address(_) => Self::usage(message),
            ClientError::Tls(error) => error.into(),
        }
    }
}

impl From<TlsError> for CommandError {
    fn from(error: TlsError) -> Self {
        let message = error.to_string();
        match error {
            TlsError::CaFile { .. } => Self::usage(message),
            TlsError::Setup(_) => Self::failed(message),
        }
    }
}

/// A call over the WebSocket that was answered with a failure (spec 6). A server that gave no code is judged by its
/// sentence where the answer is read.
impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        let error = |kind| Self::new(kind, visible(&failure.error));
        match failure.code {
            Some(ErrorCode::Unauthorized) => error(Kind::NotPermitted).with_hint(LOGIN_HINT),
            Some(ErrorCode::Forbidden) => error(Kind::NotPermitted).with_hint(PERMISSION_HINT),
            Some(ErrorCode::NotFound | ErrorCode::Gone) => error(Kind::NotFound),
            Some(ErrorCode::BadParams | ErrorCode::BadRequest | ErrorCode::Unprocessable) => {
                error(Kind::Usage)
            }
            Some(ErrorCode::RateLimited) => error(Kind::RateLimited).with_hint("try again later"),
            Some(ErrorCode::PaymentRequired) => error(Kind::QuotaExhausted).with_hint(QUOTA_HINT),
            Some(ErrorCode::Unavailable) => error(Kind::Unreachable)
                .with_hint("the server is there and busy or ending; try again"),
            Some(ErrorCode::UnknownMethod | ErrorCode::NotSupported) => {
                error(Kind::Failed).with_hint("the server does not offer this; it may be too old")
            }
            _ => error(Kind::Failed),
        }
    }
}

impl From<LoginFault> for CommandError {
    fn from(fault: LoginFault) -> Self {
        // The server may have chosen the words.
        let message = visible(&fault.to_string()).into_owned();
        match fault {
            LoginFault::Expired => {
                Self::new(Kind::NothingCame, message).with_hint("`kite login` asks for a new one")
            }
            LoginFault::Denied => Self::new(Kind::NotPermitted, message)
                .with_hint("ask somebody with an admin key to approve the next one"),
            LoginFault::Ended(_) => Self::failed(message),
            LoginFault::Client(error) => error.into(),
        }
    }
}

impl From<GhFault> for CommandError {
    fn from(fault: GhFault) -> Self {
        let message = visible(&fault.to_string()).into_owned();
        match fault {
            GhFault::Missing => Self::failed(message).with_hint(
                "https://cli.github.com has it; then `gh auth login -s admin:repo_hook`",
            ),
            GhFault::Slow(_) => Self::failed(message)
                .with_hint("`gh api rate_limit` shows whether GitHub answers; then try again"),
            GhFault::Io(_) => Self::failed(message),
            GhFault::Failed(failure) if failure.is_login() => Self::new(Kind::NotLoggedIn, message)
                .with_hint("`gh auth login -s admin:repo_hook` logs `gh` in"),
            GhFault::Failed(failure) if failure.is_rate_limit() => {
                Self::new(Kind::RateLimited, message)
                    .with_hint("`gh api rate_limit` shows until when")
            }
            GhFault::Failed(failure) if failure.is_permission() => Self::gh_denied(&failure),
            GhFault::Failed(_) => Self::failed(message),
        }
    }
}

impl From<Refusal> for CommandError {
    fn from(refusal: Refusal) -> Self {
        let error = |kind| Self::new(kind, visible(&refusal.to_string()));
        match refusal.status {
            401 => error(Kind::NotPermitted).with_hint(LOGIN_HINT),
            403 => error(Kind::NotPermitted).with_hint(PERMISSION_HINT),
            402 => error(Kind::QuotaExhausted).with_hint(QUOTA_HINT),
            404 | 405 => error(Kind::NotFound),
            429 => match refusal.retry_after {
                Some(wait) => {
                    error(Kind::RateLimited).with_hint(format!("try again in {} s", wait.as_secs()))
                }
                None => error(Kind::RateLimited),
            },
            502..=504 => error(Kind::Unreachable)
                .with_hint("the server is there and busy or ending; try again"),
            _ => error(Kind::Failed),
        }
    }
}

#[cfg(feature = "server")]
impl From<BenchError> for CommandError {
    fn from(error: BenchError) -> Self {
        let message = visible(&error.to_string()).into_owned();
        match error {
            BenchError::Client(error) => error.into(),
            BenchError::Size(_) => Self::usage(message).with_hint("`--size` sets it"),
            BenchError::Batch(..) => {
                Self::usage(message).with_hint("`--batch` or `--size` takes less")
            }
            BenchError::Files { needed, .. } => Self::failed(message)
                .with_hint(format!("`ulimit -n {needed}` in this shell raises it")),
            _ => Self::failed(message),
        }
    }
}

#[cfg(feature = "server")]
impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        let text = error.to_string();
        match error {
            StartError::Listen { source, .. } => Self::failed(format!("{text}: {source}"))
                .with_hint("`--listen` takes another address; port 0 picks a free one"),
            StartError::DataDir { source, .. } => Self::failed(format!("{text}: {source}"))
                .with_hint("`--data-dir` names another directory"),
            StartError::Tls(_) => Self::failed(text).with_hint(
                "`--tls-cert` names the chain, the server's own certificate first, `--tls-key` its private key; both in PEM",
            ),
            StartError::Trust(error) => error.into(),
            StartError::SecretKey(_) => Self::failed(text)
                .with_hint("`KITE_SECRET_KEY` gives it; otherwise it is made once"),
            StartError::InstanceId(_) => {
                Self::usage(text).with_hint("`--instance-id` gives it another name")
            }
            StartError::Paperclip(_) => Self::usage(text).with_hint(
                "`--paperclip-api-url` takes the base of its API, `KITE_PAPERCLIP_API_KEY` its key",
            ),
            StartError::Thread(source) => Self::failed(format!("{text}: {source}"))
                .with_hint("the limit of processes (`ulimit -u`) may be too low"),
            StartError::Store(error) => error.into(),
        }
    }
}

#[cfg(feature = "server")]
impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Address(_) => Self::usage(message),
            StoreError::Missing(_) => Self::new(Kind::NotFound, message)
                .with_hint("`kite serve` makes one; `--data-dir` or `--database` says where it is"),
            StoreError::NotKite(_) => {
                Self::failed(message).with_hint("name the file that `kite admin backup` or a server made; `--database` names a server's")
            }
            StoreError::Newer { .. } => {
                Self::failed(message).with_hint("run the kite that made it, or a newer one")
            }
            StoreError::InUse(_) => Self::failed(message)
                .with_hint("end the other server, or give this one its own `--data-dir`"),
            StoreError::Unusable { .. } => {
                Self::failed(message).with_hint("`--data-dir` and `--database` say where the data is")
            }
            StoreError::OtherInstance { .. } => Self::failed(message)
                .with_hint("leave `--instance-id` out, or name another database"),
            StoreError::OtherSecretKey => Self::failed(message).with_hint(
                "give the key that it began with: in `KITE_SECRET_KEY`, or in `secret.key` in the data directory",
            ),
            StoreError::IsBackup(_) => Self::failed(message)
                .with_hint("`kite admin restore` makes a database of it, in which no number comes again"),
            StoreError::Damaged { .. } => Self::failed(message)
                .with_hint("`kite admin check` lists what is wrong; a backup is checked with `--database sqlite:FILE`"),
            StoreError::NotEmpty(_) => Self::failed(message)
                .with_hint("`--replace` replaces it; `--data-dir` and `--database` name another place"),
            StoreError::Shared { .. } => {
                Self::failed(message).with_hint("stop every node and every other command on it first")
            }
            StoreError::NumbersGiven { .. } => Self::failed(message)
                .with_hint("leave out `--keep-numbers`: the events get new numbers, and none comes again"),
            StoreError::NumbersSpent(_) => Self::failed(message)
                .with_hint("`--keep-numbers` restores it as it was, if nothing was lost"),
            StoreError::NotFound(_) => Self::new(Kind::NotFound, message),
            StoreError::Away(_) | StoreError::Unknown(_) => {
                Self::new(Kind::Unreachable, message)
            }
            StoreError::Unwritable(_) => Self::failed(message)
                .with_hint("make room on its disk, or raise the quota or limit that stops it"),
            StoreError::Failed(_) | StoreError::Closed | StoreError::Exists(_) => {
                Self::failed(message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16) -> Refusal {
        Refusal::read(status, None, r#"{"error":"the key lacks `write`"}"#)
    }

    #[test]
    fn a_server_that_ends_a_login_forges_no_line() {
        let fault = LoginFault::Ended("no\r\nLogged in to \u{1b}[1mhere".to_owned());
        let error = CommandError::from(fault);
        assert!(
            !error.message().contains(['\r', '\n', '\u{1b}']),
            "{}",
            error.message()
        );
    }

    #[test]
    fn every_status_has_its_exit_code() {
        let exits = [
            (401, Exit::NotPermitted),
            (403, Exit::NotPermitted),
            (402, Exit::Limited),
            (429, Exit::Limited),
            (404, Exit::NotFound),
            (503, Exit::Unreachable),
            (500, Exit::Failed),
            (400, Exit::Failed),
        ];
        for (status, exit) in exits {
            assert_eq!(CommandError::from(refusal(status)).exit(), exit, "{status}");
        }
        assert_eq!(
            CommandError::send_failed(&refusal(404)).exit(),
            Exit::Failed
        );
        let closed = CommandError::from(PrintFault::Closed);
        assert_eq!(closed.exit(), Exit::Done);
    }

    #[test]
    fn every_failure_of_a_call_has_its_exit_code() {
        let exits = [
            (Some(ErrorCode::Forbidden), Exit::NotPermitted),
            (Some(ErrorCode::NotFound), Exit::NotFound),
            (Some(ErrorCode::BadParams), Exit::Usage),
            (Some(ErrorCode::RateLimited), Exit::Limited),
            (Some(ErrorCode::PaymentRequired), Exit::Limited),
            (Some(ErrorCode::Internal), Exit::Failed),
            (None, Exit::Failed),
        ];
        for (code, exit) in exits {
            let error = "no".to_owned();
            let worded = CommandError::from(ClientError::Failed(Failure {
                error,
                code,
                retry_after_secs: None,
            }));
            assert_eq!((worded.exit(), worded.message()), (exit, "no"), "{code:?}");
        }
        let denied = CommandError::from(ClientError::Denied("revoked".to_owned()));
        assert_eq!(denied.exit(), Exit::NotPermitted);
        assert!(denied.hint().unwrap().contains("kite login"));
    }

    #[test]
    fn a_server_cannot_forge_a_line_with_its_reasons() {
        let evil = || "no\nhint: run this\u{1b}[2J".to_owned();
        let failure = Failure {
            error: evil(),
            code: None,
            retry_after_secs: None,
        };
        let refusal = Refusal {
            status: 500,
            text: evil(),
            code: None,
            retry_after: None,
        };
        let lost = ClientError::Lost {
            server: evil(),
            why: evil(),
        };
        for error in [
            failure.into(),
            CommandError::send_failed(&refusal),
            refusal.into(),
            lost.into(),
            CommandError::denied(&evil()),
            CommandError::rejected(&evil()),
        ] {
            let shown = error.message();
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }

    #[test]
    fn a_failed_send_names_the_status_and_the_way_out() {
        let error = CommandError::send_failed(&refusal(403));
        assert_eq!(error.message(), "send failed (403): the key lacks `write`");
        assert!(error.hint().unwrap().contains("--permissions read,write"));
        let json: serde_json::Value = serde_json::from_str(&error.to_json()).unwrap();
        assert_eq!(json["error"]["code"], "not_permitted");
    }

    #[test]
    fn a_key_for_another_server_names_the_login_that_mends_it() {
        let error = CommandError::from(ConfigError::OtherOrigin {
            origin: "https://b".to_owned(),
            bound: vec!["https://a".to_owned()],
        });
        assert_eq!(error.exit(), Exit::NotPermitted);
        assert!(
            error
                .hint()
                .unwrap()
                .contains("kite login --server https://b")
        );
    }
}

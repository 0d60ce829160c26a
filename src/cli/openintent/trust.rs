//! `kite openintent trust`: which servers the team trusts, and how.

use clap::{Args, Subcommand};
use serde_json::json;

use super::super::context::{Context, block_on_call};
use super::super::error::{CommandError, Kind};
use super::super::exit::Exit;
use super::super::render;
use super::super::text::visible;
use super::{given, offered};
use crate::client::ClientError;
use crate::openintent::model::{PeerRelationship, TrustPolicy};
use crate::openintent::trust::normalize;
use crate::protocol::trust::{
    TeamTrustShown, TrustPolicyDraft, TrustSource, TrustedServerDraft, TrustedServerShown,
};

/// Say which servers the team trusts, while the server runs. It needs an admin key.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent trust list
  kite openintent trust add https://partner.example --relationship upstream
  kite openintent trust policy open

What a command says of a server wins over the server's configuration, also after a restart.")]
pub(super) struct TrustArgs {
    #[command(subcommand)]
    verb: TrustVerb,
}

#[derive(Debug, Subcommand)]
enum TrustVerb {
    List(ListArgs),
    Add(AddArgs),
    Remove(RemoveArgs),
    Policy(PolicyArgs),
}

/// List the servers that the team trusts, and where each entry comes from.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent trust list
  kite openintent trust list --json | jq 'select(.source == \"command\")'")]
struct ListArgs {}

/// Trust a server, or say something else of one. What is left out is no more, also where it was said before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent trust add https://partner.example
  kite openintent trust add https://partner.example --relationship downstream --api-key - < key.txt

upstream delegates to this server, downstream is delegated to, peer is both. A server whose DID does
not follow from its URL is given with --did. The API key is one that the other server has made: it
is kept sealed, shown to that server alone, and to nobody else.")]
struct AddArgs {
    /// The server.
    #[arg(value_name = "URL", value_parser = super::server_url)]
    url: String,
    /// Who delegates to whom: peer, upstream or downstream [default: peer].
    #[arg(long, value_name = "WORD", value_parser = relationship)]
    relationship: Option<PeerRelationship>,
    /// A policy of its own; the stricter of it and the team's applies: open, allowlist or trustless.
    #[arg(long, value_name = "POLICY", value_parser = policy)]
    trust_policy: Option<TrustPolicy>,
    /// Its DID, where that does not follow from the URL.
    #[arg(long, value_name = "DID")]
    did: Option<String>,
    /// What it is shown in X-API-Key; `-` reads it from stdin.
    #[arg(long, value_name = "-|KEY", allow_hyphen_values = true)]
    api_key: Option<String>,
}

/// Take back what commands have said of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite openintent trust remove https://partner.example

An entry of the server's configuration is removed there.")]
struct RemoveArgs {
    /// The server.
    #[arg(value_name = "URL")]
    url: String,
}

/// Show the team's trust policy, or set it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent trust policy
  kite openintent trust policy allowlist
  kite openintent trust policy default

open takes intents of every server that proves who it is, allowlist of those that are listed,
trustless of nobody, unless the server's configuration has it verify chains of tokens. default goes
back to what the configuration says.")]
struct PolicyArgs {
    /// open, allowlist, trustless, or default.
    #[arg(value_name = "POLICY", value_parser = policy_or_default)]
    policy: Option<PolicyWord>,
}

/// A policy, or what the configuration says.
#[derive(Debug, Clone, Copy)]
struct PolicyWord(Option<TrustPolicy>);

fn policy(word: &str) -> Result<TrustPolicy, String> {
    TrustPolicy::of(word).ok_or_else(|| format!("use {}", TrustPolicy::WANTED))
}

fn policy_or_default(word: &str) -> Result<PolicyWord, String> {
    match word {
        "default" => Ok(PolicyWord(None)),
        word => policy(word).map(|policy| PolicyWord(Some(policy))),
    }
}

fn relationship(word: &str) -> Result<PeerRelationship, String> {
    PeerRelationship::of(word).ok_or_else(|| format!("use {}", PeerRelationship::WANTED))
}

impl TrustArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            TrustVerb::List(_) => list(context),
            TrustVerb::Add(args) => add(args, context),
            TrustVerb::Remove(args) => remove(&args, context),
            TrustVerb::Policy(args) => set_policy(&args, context),
        }
    }
}

fn list(context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let trust = block_on_call(async { offered(api.trust().await) })?;
    let headings = &[
        "url",
        "relationship",
        "policy",
        "source",
        "key",
        "did",
        "since",
    ];
    context.out.list(&trust.servers, headings, row)?;
    if trust.servers.is_empty() {
        context
            .out
            .note("no server is listed; `kite openintent trust add URL` lists one");
    }
    context.out.note(&policy_words(&trust));
    Ok(Exit::Done)
}

fn row(server: &TrustedServerShown) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        server.url.clone(),
        server.relationship.clone(),
        or_dash(&server.trust_policy),
        server.source.word().to_owned(),
        if server.has_api_key { "yes" } else { "no" }.to_owned(),
        or_dash(&server.did),
        or_dash(&server.created_at),
    ]
}

fn policy_words(trust: &TeamTrustShown) -> String {
    let by = match trust.policy_source {
        TrustSource::Configuration => "as the server's configuration says",
        TrustSource::Command => "as a command has set it",
    };
    format!("the trust policy is {}, {by}", trust.trust_policy)
}

fn add(args: AddArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let key = args.api_key;
    let key = key
        .map(|key| given::secret("the key", "--api-key", key, context))
        .transpose()?;
    let draft = TrustedServerDraft {
        url: Some(args.url),
        relationship: args.relationship.map(|it| it.word().to_owned()),
        trust_policy: args.trust_policy.map(|it| it.word().to_owned()),
        did: args.did,
        api_key: key.map(|key| key.reveal().to_owned()),
    };
    let answer = block_on_call(async { offered(api.trust_server(&draft).await) })?;
    context.out.answer(&answer, |server| {
        let heading = format!("Trusting {}", visible(&server.url));
        render::facts(&heading, &facts(server))
    })?;
    Ok(Exit::Done)
}

fn facts(server: &TrustedServerShown) -> Vec<(&'static str, String)> {
    let mut facts = vec![("relationship", server.relationship.clone())];
    facts.extend(
        server
            .trust_policy
            .clone()
            .map(|policy| ("trust policy", policy)),
    );
    facts.extend(server.did.clone().map(|did| ("DID", did)));
    let key = if server.has_api_key { "kept" } else { "none" };
    facts.push(("API key", key.to_owned()));
    facts
}

fn remove(args: &RemoveArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let (gone, left) = block_on_call(async {
        let gone = api.distrust_server(&args.url).await.map_err(not_listed)?;
        Ok((gone, offered(api.trust().await)?))
    })?;
    context
        .out
        .answer(&gone, |server| format!("Removed {}", visible(&server.url)))?;
    let url = normalize(&gone.value.url);
    if left
        .servers
        .iter()
        .any(|server| normalize(&server.url) == url)
    {
        context
            .out
            .note("the server's configuration names it too, and counts again");
    }
    Ok(Exit::Done)
}

fn not_listed(error: ClientError) -> CommandError {
    match error {
        ClientError::Refused(refusal) if refusal.status == 404 => {
            CommandError::new(Kind::NotFound, visible(&refusal.text))
                .with_hint("`kite openintent trust list` shows those there are")
        }
        ClientError::Refused(refusal) if refusal.status == 409 => {
            CommandError::failed(visible(&refusal.text)).with_hint(
                "whoever runs the server changes the file that `kite serve --config` names, and starts it again; or \
                 `kite openintent trust add URL` says something else of it",
            )
        }
        error => error.into(),
    }
}

fn set_policy(args: &PolicyArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let trust = block_on_call(async {
        match args.policy {
            None => offered(api.trust().await),
            Some(PolicyWord(policy)) => {
                let draft = TrustPolicyDraft {
                    trust_policy: policy.map(|policy| policy.word().to_owned()),
                };
                offered(api.set_trust_policy(&draft).await)
            }
        }
    })?;
    let shown = json!({
        "trust_policy": trust.trust_policy,
        "policy_source": trust.policy_source,
    });
    context.out.show(&shown, |_| policy_words(&trust))?;
    Ok(Exit::Done)
}

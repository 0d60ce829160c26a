//! `kite endpoints create`: an address for webhooks, and what opens it.

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::context::Context;
use super::endpoints::signing_secret;
use super::error::CommandError;
use super::exit::Exit;
use super::render;
use crate::protocol::rpc::{HookCreated, HooksCreate};

/// Make an address that webhooks can be posted to. Its token is shown this once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite endpoints create --source github
  kite endpoints create --source stripe --signing-secret - < secret.txt
  kite endpoints create --source builds --max-body 1048576 --json

Posts to `webhook_url` need nothing else; posts to `bearer_url` carry the token as
`Authorization: Bearer TOKEN`. With a signing secret every post must be signed with it; for the
source github one is made up and shown. For a source that has an endpoint this makes a new token.
`kite github install` does all of it for a repository on GitHub, its side included.")]
pub(super) struct CreateArgs {
    /// Where the events come from, such as github.
    #[arg(long, value_name = "S")]
    source: String,
    /// The secret that posts are signed with; `-` reads it from stdin.
    #[arg(long, value_name = "-|SECRET", allow_hyphen_values = true)]
    signing_secret: Option<String>,
    /// How large a post may be.
    #[arg(long, value_name = "BYTES", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    max_body: Option<u64>,
}

/// Where an endpoint is, absolutely.
struct Urls {
    webhook: String,
    bearer: String,
}

impl Urls {
    /// Whoever signs needs no token in the path.
    fn new(hook_base: &str, hook: &HookCreated) -> Self {
        let is_signed = hook.webhook_secret_configured || hook.github_webhook_secret.is_some();
        let webhook = match is_signed {
            true => &hook.endpoint,
            false => &hook.endpoint_with_token,
        };
        Self {
            webhook: absolute(hook_base, webhook),
            bearer: absolute(hook_base, &hook.endpoint),
        }
    }
}

/// A path of the server as a URL.
pub(super) fn absolute(hook_base: &str, path: &str) -> String {
    match path.contains("://") {
        true => path.to_owned(),
        false => format!(
            "{}/{}",
            hook_base.trim_end_matches('/'),
            path.trim_start_matches('/')
        ),
    }
}

pub(super) fn run(args: CreateArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let secret = args.signing_secret;
    let secret = secret.map(|given| signing_secret(given, context));
    let params = HooksCreate {
        source: args.source,
        webhook_secret: secret.transpose()?,
        max_body_bytes: args.max_body,
    };
    let answer = context.call(&settings, async |caller| {
        Ok(caller.create_hook(&params).await?)
    })?;
    let mut hook = answer.value;
    if hook.source.is_empty() {
        hook.source = params.source;
    }
    let urls = Urls::new(&settings.hook_base, &hook);
    if context.out.json {
        let members = [
            ("webhook_url", urls.webhook.into()),
            ("bearer_url", urls.bearer.into()),
        ];
        context.out.object_with(&answer.text, &members)?;
    } else {
        context.out.line(&words(&hook, urls))?;
    }
    context
        .out
        .note("token and secret are shown only now: keep them");
    Ok(Exit::Done)
}

fn words(hook: &HookCreated, urls: Urls) -> String {
    let mut facts = vec![
        ("id", hook.id.clone()),
        ("source", hook.source.clone()),
        ("webhook_url", urls.webhook),
        ("bearer_url", urls.bearer),
        ("token", hook.hook_token.clone()),
    ];
    let secret = hook.github_webhook_secret.clone();
    facts.extend(secret.map(|secret| ("github_secret", secret)));
    render::facts("Created endpoint", &facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(is_signed: bool, github: Option<&str>) -> HookCreated {
        HookCreated {
            id: "h1".to_owned(),
            source: "s\u{1b}[2J".to_owned(),
            endpoint: "/hooks/t/s".to_owned(),
            hook_token: "khk_1".to_owned(),
            endpoint_with_token: "/hooks/t/s/khk_1".to_owned(),
            webhook_secret_configured: is_signed,
            github_webhook_secret: github.map(str::to_owned),
        }
    }

    #[test]
    fn a_signed_endpoint_needs_no_token_in_its_url() {
        let urls = |hook| Urls::new("https://h/", &hook);
        let plain = urls(hook(false, None));
        assert_eq!(plain.webhook, "https://h/hooks/t/s/khk_1");
        assert_eq!(plain.bearer, "https://h/hooks/t/s");
        assert_eq!(urls(hook(true, None)).webhook, "https://h/hooks/t/s");
        assert_eq!(urls(hook(false, Some("x"))).webhook, "https://h/hooks/t/s");
        assert_eq!(absolute("https://h", "https://other/x"), "https://other/x");
    }

    #[test]
    fn everything_that_is_shown_once_is_shown() {
        let made = hook(true, Some("secret"));
        let words = words(&made, Urls::new("https://h", &made));
        assert!(words.contains("token: khk_1"), "{words}");
        assert!(words.contains("github_secret: secret"), "{words}");
        assert!(!words.contains('\u{1b}'), "{words}");
    }
}

//! `kite federation peers add`: one half of a connection, and what to type for the other half.

use clap::Args;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::super::stdin;
use super::text::shell_word;
use super::{facts, offered};
use crate::protocol::federation::{PeerCreated, PeerDraft, RATE_LIMIT};
use crate::protocol::forward::MAX_HOPS;

/// Add a peer. Tokens that are not given are made, and shown this once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation peers add --instance-id b --hook-url https://b.example/hooks/default/kite
  kite federation peers add --name b --hook-url https://b.example/hooks/default/kite \\
    --scope 'stripe.*' --scope 'github.*' --outbound-token - --inbound-token - < tokens.txt

The outbound token is what this server shows the peer, the inbound token what the peer has to show
here: what one side calls outbound the other calls inbound. The first side lets both be made; the
answer shows the command for the other side.

`-` reads a token from stdin, one on a line; of two the outbound token comes first.")]
pub(super) struct AddArgs {
    /// The id of the other instance: `kite serve --json` shows it.
    #[arg(long, value_name = "ID", required_unless_present = "name")]
    instance_id: Option<String>,
    /// What to call the peer; otherwise its instance id.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where events for it are posted: https://HOST/hooks/TEAM/kite.
    #[arg(long, value_name = "URL")]
    hook_url: String,
    /// Which types go to it, such as `stripe.*`; may be repeated [default: *].
    #[arg(long = "scope", value_name = "GLOB", value_delimiter = ',')]
    scopes: Vec<String>,
    /// How far an event may come or have come: 1 to 16 instances.
    #[arg(long, value_name = "N", default_value_t = MAX_HOPS)]
    max_hops: u64,
    /// Posts a second, each way.
    #[arg(long, value_name = "N", default_value_t = RATE_LIMIT)]
    rate: u32,
    /// Tell the peer of the others that have this too, and them of it.
    #[arg(long)]
    discovery: bool,
    #[command(flatten)]
    tokens: TokenArgs,
}

/// The tokens of a peer, as they are given.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// What this server shows the peer; `-` reads it from stdin.
    #[arg(long, value_name = "-|TOKEN", allow_hyphen_values = true)]
    outbound_token: Option<String>,
    /// What the peer has to show here; `-` reads it from stdin.
    #[arg(long, value_name = "-|TOKEN", allow_hyphen_values = true)]
    inbound_token: Option<String>,
}

/// The tokens themselves, outbound and inbound.
pub(super) type Tokens = (Option<String>, Option<String>);

impl TokenArgs {
    /// Reads what is to be read from stdin.
    pub(super) fn read(self, context: &Context) -> Result<Tokens, CommandError> {
        let given = [&self.outbound_token, &self.inbound_token];
        let is_shown = given
            .iter()
            .any(|token| token.as_deref().is_some_and(|t| t != "-"));
        if is_shown {
            context.out.note(
                "others can see the token in the process list; `--outbound-token -` and `--inbound-token -` read it \
                 from stdin",
            );
        }
        let wanted = given.iter().any(|token| token.as_deref() == Some("-"));
        let read = match wanted {
            true => stdin::text("the tokens")?,
            false => String::new(),
        };
        self.taken_from(&read)
    }

    fn taken_from(self, read: &str) -> Result<Tokens, CommandError> {
        let mut lines = read.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut token = |name: &str, given: Option<String>| match given.as_deref() {
            Some("-") => {
                let line = lines.next().map(|line| Some(line.to_owned()));
                line.ok_or_else(|| {
                    let message = format!("`--{name} -` found no token on stdin");
                    CommandError::usage(message)
                        .with_hint("give each token on a line of its own, the outbound one first")
                })
            }
            _ => Ok(given),
        };
        let tokens = (
            token("outbound-token", self.outbound_token)?,
            token("inbound-token", self.inbound_token)?,
        );
        match lines.next() {
            None => Ok(tokens),
            Some(_) => Err(
                CommandError::usage("there are more lines on stdin than tokens")
                    .with_hint("give each token on a line of its own, the outbound one first"),
            ),
        }
    }
}

pub(super) fn run(args: AddArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let (outbound_token, inbound_token) = args.tokens.read(context)?;
    let draft = PeerDraft {
        peer_instance_id: args.instance_id,
        name: args.name,
        peer_hook_url: Some(args.hook_url),
        scopes: match args.scopes.is_empty() {
            true => vec!["*".to_owned()],
            false => args.scopes,
        },
        max_hops: args.max_hops,
        rate_limit_per_sec: args.rate,
        discovery: args.discovery,
        outbound_token,
        inbound_token,
    };
    let api = context.api(&settings)?;
    let answer = block_on_call(async { offered(api.add_peer(&draft).await) })?;
    context.out.answer(&answer, words)?;
    if answer.value.outbound_token.is_some() || answer.value.inbound_token.is_some() {
        context
            .out
            .note("tokens that were made are shown only now: keep them");
    }
    if !context.out.json {
        context
            .out
            .note(&next_step(&answer.value, &settings.hook_base));
    }
    Ok(Exit::Done)
}

fn words(made: &PeerCreated) -> String {
    let mut facts = facts(&made.peer);
    let outbound = made.outbound_token.clone();
    facts.extend(outbound.map(|token| ("outbound token", token)));
    let inbound = made.inbound_token.clone();
    facts.extend(inbound.map(|token| ("inbound token", token)));
    render::facts("Added peer", &facts)
}

/// What is to be typed next: for the other side, where the tokens were made here; else that this one is tried.
fn next_step(made: &PeerCreated, hook_base: &str) -> String {
    let tokens = made
        .outbound_token
        .as_ref()
        .zip(made.inbound_token.as_ref());
    let own = made
        .own_instance_id
        .as_ref()
        .zip(made.own_endpoint.as_ref());
    let name = shell_word(&made.peer.name);
    let Some(((outbound, inbound), (own_id, endpoint))) = tokens.zip(own) else {
        return format!("once both sides know each other: kite federation peers test {name}");
    };
    let url = format!("{}{endpoint}", hook_base.trim_end_matches('/'));
    let (own_id, url) = (shell_word(own_id), shell_word(&url));
    format!(
        "next, with an admin key of the other server:\n\
         \x20 printf '%s\\n' {inbound} {outbound} |\n\
         \x20   kite federation peers add --instance-id {own_id} \\\n\
         \x20   --hook-url {url} \\\n\
         \x20   --outbound-token - --inbound-token -\n\
         then here: kite federation peers test {name}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::federation::{Peer, PeerKind, PeerStatus};

    fn args(outbound: Option<&str>, inbound: Option<&str>) -> TokenArgs {
        TokenArgs {
            outbound_token: outbound.map(str::to_owned),
            inbound_token: inbound.map(str::to_owned),
        }
    }

    #[test]
    fn each_token_is_a_line_and_the_outbound_one_comes_first() {
        let both = args(Some("-"), Some("-")).taken_from("out\r\nin\n");
        assert_eq!(
            both.unwrap(),
            (Some("out".to_owned()), Some("in".to_owned()))
        );
        let one = args(Some("given"), Some("-")).taken_from("in").unwrap();
        assert_eq!(one, (Some("given".to_owned()), Some("in".to_owned())));
        assert_eq!(args(None, None).taken_from("").unwrap(), (None, None));
        for (tokens, text) in [
            (args(Some("-"), None), ""),
            (args(Some("-"), Some("-")), "out\n"),
            (args(Some("-"), None), "out\nin\n"),
        ] {
            let error = tokens.taken_from(text).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage);
            assert!(!error.message().contains("out\n"), "{error:?}");
        }
    }

    fn made(outbound: Option<&str>) -> PeerCreated {
        PeerCreated {
            peer: Peer {
                id: "p1".to_owned(),
                name: "it's b".to_owned(),
                peer_instance_id: "b".to_owned(),
                status: PeerStatus::Active,
                peer_hook_url: "https://b.example/hooks/t/kite".to_owned(),
                scopes: Vec::new(),
                max_hops: 3,
                rate_limit_per_sec: 100,
                created_at: String::new(),
                updated_at: String::new(),
                kind: PeerKind::Kite,
                identity: None,
                discovery: false,
            },
            outbound_token: outbound.map(str::to_owned),
            inbound_token: Some("in".to_owned()),
            own_instance_id: Some("a".to_owned()),
            own_endpoint: Some("/hooks/default/kite".to_owned()),
        }
    }

    #[test]
    fn the_other_side_gets_the_tokens_the_other_way_round() {
        let next = next_step(&made(Some("out")), "https://a.example/");
        assert!(next.contains("printf '%s\\n' in out |"), "{next}");
        assert!(next.contains("--instance-id a "), "{next}");
        assert!(
            next.contains("--hook-url https://a.example/hooks/default/kite "),
            "{next}"
        );
        assert!(next.ends_with(r"peers test 'it'\''s b'"), "{next}");
        let last = next_step(&made(None), "https://a.example");
        assert!(last.starts_with("once both sides"), "{last}");
    }
}

//! `kite federation peers discover`: which other instances the peers know, and how to be connected with them.

use clap::Args;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::text::shell_word;
use super::{offered, peer_id};
use crate::protocol::discovery::{Discovered, Discovery};

/// Ask peers which other instances they know. Nothing is connected by it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation peers discover
  kite federation peers discover b --json | jq 'select(.connected | not)'

Asked are the active peers that have discovery on: `kite federation peers update b --discovery on`.
A peer tells of those of its own peers that have it on too, to whom has it on there: so an instance is
told of only where it and both who know it agree. What is told is the id and the address without a
team; what to say to the operator of an instance is shown behind the table.

PEER is a peer's name, the id of its instance, or its own id. Exit code 7 means that some of the peers
told nothing or something that cannot be used, 1 that all did.")]
pub(super) struct DiscoverArgs {
    /// Ask this one alone.
    #[arg(value_name = "PEER")]
    peer: Option<String>,
}

pub(super) fn run(args: DiscoverArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let found = block_on_call(async {
        let id = peer_id(&api, args.peer.as_deref()).await?;
        offered(api.discover(id.as_deref()).await)
    })?;
    let headings = &["instance id", "url", "known by", "connected"];
    context.out.list(&found.instances, headings, row)?;
    for failure in &found.failures {
        let words = format!("{}: {}", failure.peer, failure.error);
        context.out.warn(&words);
    }
    if found.left_out > 0 {
        let words = format!("there are {} more than are shown", found.left_out);
        context.out.note(&words);
    }
    if found.asked == 0 {
        context.out.note(
            "no active peer has discovery on; `kite federation peers update PEER --discovery on` turns it on, here and at \
             the peer",
        );
    } else if found.instances.is_empty() && found.failures.is_empty() {
        context.out.note("the peers tell of no other instance");
    }
    if !context.out.json {
        for instance in found.instances.iter().filter(|it| !it.connected) {
            context
                .out
                .note(&next_step(instance, &found.own_instance_id));
        }
    }
    Ok(exit(&found))
}

fn row(instance: &Discovered) -> Vec<String> {
    let connected = if instance.connected { "yes" } else { "no" };
    vec![
        instance.instance_id.clone(),
        instance.url.clone(),
        instance.known_by.join(","),
        connected.to_owned(),
    ]
}

/// What the operator of the other instance is asked for, and what is typed here then.
fn next_step(instance: &Discovered, own_id: &str) -> String {
    let (id, own_id) = (shell_word(&instance.instance_id), shell_word(own_id));
    format!(
        "to be connected with {id}, ask its operator at {} for the code of\n\
         \x20 kite federation invite --name {own_id}\n\
         and give it to\n\
         \x20 kite federation join - --name {id}",
        instance.url
    )
}

fn exit(found: &Discovery) -> Exit {
    match found.failures.len() {
        0 => Exit::Done,
        failed if failed >= found.asked && found.instances.is_empty() => Exit::Failed,
        _ => Exit::SomeFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::discovery::DiscoveryFailure;

    fn instance(id: &str) -> Discovered {
        Discovered {
            instance_id: id.to_owned(),
            url: "https://c.example".to_owned(),
            known_by: vec!["b".to_owned()],
            connected: false,
        }
    }

    #[test]
    fn an_id_is_one_word_in_what_is_to_be_typed() {
        let step = next_step(&instance("c; rm -rf"), "kite-a");
        assert!(step.contains("invite --name kite-a\n"), "{step}");
        assert!(step.ends_with("join - --name 'c; rm -rf'"), "{step}");
    }

    #[test]
    fn some_or_all_may_have_failed() {
        let found = |asked, instances: &[&str], failures: usize| Discovery {
            own_instance_id: "a".to_owned(),
            asked,
            instances: instances.iter().map(|id| instance(id)).collect(),
            left_out: 0,
            failures: vec![
                DiscoveryFailure {
                    peer: "b".to_owned(),
                    error: "no".to_owned(),
                };
                failures
            ],
        };
        assert_eq!(exit(&found(0, &[], 0)), Exit::Done);
        assert_eq!(exit(&found(2, &["c"], 0)), Exit::Done);
        assert_eq!(exit(&found(2, &[], 1)), Exit::SomeFailed);
        assert_eq!(exit(&found(1, &["c"], 1)), Exit::SomeFailed);
        assert_eq!(exit(&found(2, &[], 2)), Exit::Failed);
    }
}

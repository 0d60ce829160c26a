//! `kite federation join`: another instance's invitation becomes a connection, which is tried in both directions.

use clap::Args;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::super::stdin;
use super::super::text::visible;
use super::or_dash;
use super::text::shell_word;
use crate::protocol::federation::PeerTest;
use crate::protocol::invite::{Invite, JoinDraft, Joined};

/// Connect with the instance that an invitation is from, and try both directions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation join -
  kite federation join - --name a < invitation.txt
  kite federation join kinv_…

`-` reads the code from stdin: type or paste it, then Ctrl-D. The server makes sure that who answers
has the key that the code speaks of. The same code again renews the tokens of the same connection.

Exit code 7 means that the instances are connected, but that one direction does not work yet.")]
pub(super) struct JoinArgs {
    /// The code that `kite federation invite` has shown on the other side; `-` reads it from stdin.
    #[arg(value_name = "CODE|-")]
    code: String,
    /// What to call the peer; otherwise its instance id.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) fn run(args: JoinArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let code = match args.code.as_str() {
        "-" => stdin::secret("the invitation")?,
        given => {
            context.out.note(
                "others can see the code in the process list; `kite federation join -` reads it from stdin",
            );
            given.to_owned()
        }
    };
    // What is damaged is said at once, and goes nowhere.
    Invite::parse(&code).map_err(CommandError::bad_invite)?;
    let draft = JoinDraft {
        code,
        name: args.name,
    };
    let api = context.api(&settings)?;
    let joined = block_on_call(async {
        let waiting = context.out.spinner("connecting");
        let joined = api.join(&draft).await;
        drop(waiting);
        joined.map_err(CommandError::join_failed)
    })?;
    context.out.answer(&joined, words)?;
    let doubts = doubts(&joined.value);
    for doubt in &doubts {
        context.out.warn(doubt);
    }
    match doubts.is_empty() {
        true => {
            context.out.note(&next_step(&joined.value.peer.name));
            Ok(Exit::Done)
        }
        false => Ok(Exit::SomeFailed),
    }
}

fn words(joined: &Joined) -> String {
    let peer = &joined.peer;
    let done = match joined.renewed {
        true => "Renewed the connection with",
        false => "Connected with",
    };
    let facts = [
        ("instance id", peer.peer_instance_id.clone()),
        ("identity", or_dash(peer.identity.as_ref())),
        ("hook url", peer.peer_hook_url.clone()),
        ("scopes, both ways", peer.scopes.join(", ")),
        ("to the peer", outcome(&joined.to_peer)),
        ("from the peer", outcome(&joined.from_peer)),
    ];
    render::facts(&format!("{done} peer {}", visible(&peer.name)), &facts)
}

fn outcome(test: &PeerTest) -> String {
    let status = match (test.is_taken(), test.status_code) {
        (true, Some(status)) => format!("works ({status}, {} ms)", test.latency_ms),
        (_, Some(status)) => format!("does not work ({status}, {} ms)", test.latency_ms),
        (_, None) => "does not work".to_owned(),
    };
    match &test.error {
        Some(error) => format!("{status}: {error}"),
        None => status,
    }
}

/// What does not work, and who mends it.
fn doubts(joined: &Joined) -> Vec<String> {
    let name = shell_word(&joined.peer.name);
    let mut doubts = Vec::new();
    if !joined.to_peer.is_taken() {
        doubts.push(format!(
            "connected, but nothing gets to the peer yet: what is for it waits; `kite federation peers test {name}` \
             tries again"
        ));
    }
    if !joined.from_peer.is_taken() {
        doubts.push(
            "connected, but the peer cannot post here: `kite serve --public-url https://…` on this side says where \
             others reach it; then join again with the same code"
                .to_owned(),
        );
    }
    doubts
}

fn next_step(name: &str) -> String {
    let name = shell_word(name);
    format!("next: kite agent send --to AGENT@{name} 'hello'   or: kite federation status")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::federation::{Peer, PeerKind, PeerStatus};

    fn test(status_code: Option<u16>, error: Option<&str>) -> PeerTest {
        PeerTest {
            status_code,
            latency_ms: 7,
            error: error.map(str::to_owned),
        }
    }

    fn joined(to_peer: PeerTest, from_peer: PeerTest) -> Joined {
        Joined {
            peer: Peer {
                id: "p1".to_owned(),
                name: "a".to_owned(),
                peer_instance_id: "kite-a".to_owned(),
                status: PeerStatus::Active,
                peer_hook_url: "https://a.example/hooks/t/kite".to_owned(),
                scopes: vec!["*".to_owned()],
                max_hops: 3,
                rate_limit_per_sec: 100,
                created_at: String::new(),
                updated_at: String::new(),
                kind: PeerKind::Kite,
                identity: Some("SHA256:abc".to_owned()),
                discovery: false,
            },
            renewed: false,
            to_peer,
            from_peer,
        }
    }

    #[test]
    fn a_connection_is_told_with_both_directions() {
        let fine = joined(test(Some(200), None), test(Some(200), None));
        let told = words(&fine);
        for part in [
            "Connected with peer a",
            "SHA256:abc",
            "to the peer: works (200, 7 ms)",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert!(doubts(&fine).is_empty());
        let renewed = Joined {
            renewed: true,
            ..fine
        };
        assert!(words(&renewed).starts_with("Renewed the connection with peer a"));
    }

    #[test]
    fn a_direction_that_does_not_work_says_why_and_who_mends_it() {
        let one_way = joined(test(Some(200), None), test(None, Some("no connection")));
        let told = words(&one_way);
        assert!(
            told.contains("from the peer: does not work: no connection"),
            "{told}"
        );
        let doubts_of = doubts(&one_way);
        assert_eq!(doubts_of.len(), 1);
        assert!(doubts_of[0].contains("--public-url"), "{doubts_of:?}");
        let other_way = joined(test(Some(401), Some("refused")), test(Some(202), None));
        assert!(words(&other_way).contains("to the peer: does not work (401, 7 ms): refused"));
        assert!(doubts(&other_way)[0].contains("peers test a"));
    }
}

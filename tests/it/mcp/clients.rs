//! Two agents that talk through two servers, each asked by the official client of the protocol, in both of its forms.

use std::time::Duration;

use crate::support::cli::{KITE, Person};
use crate::support::process::Process;
use crate::support::python::python;
use crate::support::server::Server;

fn talk(mode: &str) {
    let server = Server::start();
    let access = server.owner();
    let alice = Person::agent(&access, "Alice");
    let bob = Person::agent(&access, "Bob");
    let mut command = python("mcp", "mcp/client.py", alice.home());
    command.arg(KITE).args([alice.home(), bob.home()]).arg(mode);
    let ended =
        Process::start("the official client", command, None).end_within(Duration::from_secs(60));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stdout, "done\n");
}

#[test]
fn agents_talk_through_the_official_client() {
    talk("auto");
}

#[test]
fn agents_talk_through_a_client_that_speaks_the_older_protocol() {
    talk("legacy");
}

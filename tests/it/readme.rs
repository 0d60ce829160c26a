//! The README tells the truth: each of its commands is run here as it stands there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::cli::{KITE, Person, clean, split};
use crate::support::process::Process;
use crate::support::server::Server;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of the README's `sh` blocks.
fn commands() -> Vec<String> {
    commands_in(&fs::read_to_string(root().join("README.md")).unwrap())
}

fn commands_in(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside && !command.trim().is_empty() => commands.push(command.to_owned()),
            _ => {}
        }
    }
    commands
}

#[test]
fn only_commands_in_shell_blocks_count() {
    let text = "text\n```sh\none\n\ntwo -x\n```\nthree\n```text\nfour\n```\n";
    assert_eq!(commands_in(text), ["one", "two -x"]);
}

/// What the tests do with a command of the README.
enum Role {
    /// A script: run, or looked at, by a test of its own.
    Script,
    /// Makes `kite` the program that was built; so does the harness.
    Path,
    /// Starts the server; the harness does, on a port of its own.
    Serve,
    /// Runs until it is stopped.
    Listen,
    /// Runs and ends.
    Verb,
}

fn role(command: &str) -> Role {
    match command {
        "scripts/first-message.sh" | "scripts/test.sh" | "./install.sh" => Role::Script,
        r#"export PATH="$PWD/target/debug:$PATH""# => Role::Path,
        "kite serve" => Role::Serve,
        "kite agent listen" => Role::Listen,
        verb if verb.starts_with("kite ") => Role::Verb,
        other => panic!("no test runs the README's `{other}`"),
    }
}

#[test]
fn every_command_of_the_readme_is_one_that_a_test_runs() {
    let commands = commands();
    for script in ["scripts/first-message.sh", "scripts/test.sh"] {
        assert!(
            commands.iter().any(|command| command == script),
            "the README lacks {script}"
        );
    }
    for command in &commands {
        role(command);
    }
}

#[test]
fn the_walk_by_hand_works_as_the_readme_writes_it() {
    let server = Server::start();
    let person = Person::new();
    let mut listener = None;
    for command in commands() {
        let line = command
            .replace("http://127.0.0.1:7700", server.url())
            .replace("KEY_FILE", server.key_file().to_str().unwrap());
        match role(&command) {
            Role::Script | Role::Path | Role::Serve => {}
            Role::Listen => listener = Some(person.shell(&format!("exec {line}")).start()),
            Role::Verb => drop(person.shell(&line).succeeds()),
        }
    }
    let line = listener.expect("the README listens").line();
    assert_eq!(split(&line).1, "agent-beta → agent-alpha: Numbers are in.");
}

#[test]
fn the_first_message_script_works_and_leaves_nothing_behind() {
    let (home, scratch) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut command = clean("bash", home.path());
    command
        .arg(root().join("scripts/first-message.sh"))
        .env("KITE_BIN", KITE)
        .env("TMPDIR", scratch.path());
    let ended = Process::start("first-message.sh", command, None).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended
            .stdout
            .contains("agent-beta → agent-alpha: Numbers are in."),
        "{ended:#?}"
    );
    for directory in [&home, &scratch] {
        let left: Vec<_> = fs::read_dir(directory).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn the_scripts_can_be_run_and_parse() {
    for script in [
        "scripts/first-message.sh",
        "scripts/generate.sh",
        "scripts/package.sh",
        "scripts/test.sh",
        ".ci/run",
    ] {
        let path = root().join(script);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} can be run");
        let parsed = Command::new("bash").arg("-n").arg(&path).status().unwrap();
        assert!(parsed.success(), "{script} parses");
    }
}

#[test]
fn what_the_documents_link_to_exists() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(')')?.0));
        for target in targets.filter(|target| !target.starts_with("https://")) {
            assert!(
                Path::new(&root()).join(target).exists(),
                "{document} links to {target}"
            );
        }
    }
}

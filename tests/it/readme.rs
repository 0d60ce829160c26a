//! The README tells the truth: each of its commands is run here as it stands there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::cli::{Person, split};
use crate::support::login::{approve, shown_code};
use crate::support::openintent::Node;
use crate::support::process::Process;
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::{GLANCE, PATIENCE};

/// Within what time a listener has found its server again.
const RECONNECTED: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What the README's `sh` blocks have people type.
fn commands() -> Vec<String> {
    commands_in(&fs::read_to_string(root().join("README.md")).unwrap())
}

/// One command per line; one that goes to the background makes the rest of its block one script.
fn commands_in(text: &str) -> Vec<String> {
    let (mut inside, mut is_script) = (false, false);
    let mut commands: Vec<String> = Vec::new();
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => (inside, is_script) = (false, false),
            line if !inside || line.trim().is_empty() => {}
            line if is_script => {
                let script = commands.last_mut().unwrap();
                script.push('\n');
                script.push_str(line);
            }
            line => {
                is_script = line.ends_with('&');
                commands.push(line.to_owned());
            }
        }
    }
    commands
}

#[test]
fn only_commands_in_shell_blocks_count() {
    let text = "text\n```sh\none\n\ntwo -x\n```\nthree\n```text\nfour\n```\n";
    assert_eq!(commands_in(text), ["one", "two -x"]);
    let text = "```sh\none\ntwo &\n\nthree\n```\n```sh\nfour\n```\n";
    assert_eq!(commands_in(text), ["one", "two &\nthree", "four"]);
}

/// A file that the README shows: the block that has its name behind its language.
fn file(name: &str) -> String {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let lines = text.lines();
    let mut block = lines.skip_while(|line| !(line.starts_with("```") && line.ends_with(name)));
    assert!(block.next().is_some(), "the README shows no `{name}`");
    let lines = block.take_while(|line| *line != "```");
    lines.map(|line| format!("{line}\n")).collect()
}

/// What a section of the README has people type.
fn section(title: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n## {title}\n")).unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    commands_in(section)
}

/// What the section about several servers has people type.
fn between_servers() -> Vec<String> {
    section("Between servers")
}

/// What the section about OpenIntent has people type.
fn between_openintent() -> Vec<String> {
    section("Between servers of OpenIntent")
}

/// What the tests do with a command of the README.
enum Role {
    /// A script: looked at by a test of its own.
    Script,
    /// The demo, by cargo, which runs the program that was built.
    Demo,
    /// Makes `kite` the program that was built; so does the harness.
    Path,
    /// Starts the server; the harness does, on a port of its own.
    Serve,
    /// Runs until it is stopped.
    Listen,
    /// Hands on until it is stopped, to the tests' own program.
    HandOn,
    /// Waits until somebody approves on the page.
    Login,
    /// Runs and ends.
    Verb,
    /// Posts to the address that an endpoint was made at.
    Post,
    /// A step of a script, for `sh`.
    Step,
    /// Connects two servers: run by a test of its own.
    Between,
}

fn role(command: &str) -> Role {
    let mut between = between_servers().into_iter().chain(between_openintent());
    if between.any(|between| between == command) {
        return Role::Between;
    }
    match command {
        "scripts/test.sh" | "./install.sh" => Role::Script,
        "cargo run --locked -- demo" => Role::Demo,
        r#"export PATH="$PWD/target/debug:$PATH""# => Role::Path,
        "kite serve" => Role::Serve,
        "kite agent listen" | "kite stream --source builds" => Role::Listen,
        "kite proxy --target http://localhost:3000/webhooks" => Role::HandOn,
        post if post.starts_with("curl ") && post.ends_with(" WEBHOOK_URL") => Role::Post,
        step if step.contains("&\n") => Role::Step,
        login if login.contains(" login --server ") => Role::Login,
        verb if verb.starts_with("kite ") => Role::Verb,
        other => panic!("no test runs the README's `{other}`"),
    }
}

#[test]
fn every_command_of_the_readme_is_one_that_a_test_runs() {
    let commands = commands();
    assert_eq!(commands[0], "cargo run --locked -- demo");
    assert_eq!(commands.last().unwrap(), "scripts/test.sh");
    for command in &commands {
        role(command);
    }
}

#[tokio::test]
async fn what_the_readme_shows_by_hand_works_as_it_is_written() {
    let server = Server::start();
    let person = Person::new();
    let program = Receiver::start();
    let (mut listeners, mut proxies) = (Vec::new(), Vec::new());
    let mut webhook_url = None;
    for command in commands() {
        let line = command.replace("http://127.0.0.1:7700", server.url());
        match role(&command) {
            Role::Script | Role::Path | Role::Serve | Role::Between => {}
            Role::Demo => {
                let line = line.replace("cargo run --locked --", "kite");
                person.shell(&line).stdout_has("none lost").succeeds();
            }
            Role::Login => {
                let login = person.shell(&format!("exec {line}")).start();
                approve(&server.owner(), &shown_code(&login)).await;
                let ended = login.end();
                assert_eq!(ended.code, Some(0), "{line}: {ended:#?}");
            }
            Role::Listen => {
                let listener = person.shell(&format!("exec {line}")).start();
                listener.wait_to_say("listening for");
                listeners.push(listener);
            }
            Role::HandOn => {
                let line = line.replace(
                    "http://localhost:3000",
                    program.url.trim_end_matches("/hook"),
                );
                let proxy = person.shell(&format!("exec {line}")).start();
                proxy.wait_to_say("handing events to");
                proxies.push(proxy);
            }
            Role::Verb => {
                let said = person.shell(&line).succeeds().stdout;
                let mut facts = said.lines().map(str::trim);
                let url = facts.find_map(|fact| fact.strip_prefix("webhook_url: "));
                webhook_url = url.map(str::to_owned).or(webhook_url);
            }
            Role::Post => {
                let url = webhook_url.as_ref().expect("an endpoint was made");
                let line = line.replace("WEBHOOK_URL", url);
                person.shell(&format!("{line} --fail")).succeeds();
            }
            Role::Step => {
                fs::write(person.home().join("step.sh"), line).unwrap();
                person.shell("exec sh step.sh").succeeds();
            }
        }
    }
    let [mut messages, mut builds] =
        <[Process; 2]>::try_from(listeners).unwrap_or_else(|_| panic!("the README listens twice"));
    assert_eq!(
        split(&messages.line()).1,
        "agent-beta → agent-alpha: Numbers are in."
    );
    let line = builds.line();
    let (_, shown) = line.split_once("] #").unwrap();
    assert!(shown.ends_with(" com.builds.event  builds event"), "{line}");
    let posted = program.wait(1);
    assert_eq!(posted[0].path, "/webhooks");
    assert_eq!(posted[0].body, br#"{"ok":true}"#);
    let event = fs::read_to_string(person.home().join("event.json")).unwrap();
    assert!(event.contains(r#""data":{"ok":true}"#), "{event}");
}

/// The section about several servers, typed from its first line to its last.
#[tokio::test]
async fn the_two_servers_of_the_readme_are_connected_watched_and_repaired() {
    let commands = between_servers();
    let [
        serve_a,
        serve_b,
        login_a,
        login_b,
        invite,
        join,
        register_b,
        listen,
        register_a,
        ask,
        answer,
        send,
        watch,
        list,
        show,
        replay,
        trace,
    ] = &commands[..]
    else {
        panic!("the section has other commands: {commands:#?}");
    };
    // The harness starts them, on ports of its own and with less patience.
    let flags = [
        "--instance-id",
        "--allow-insecure-peers",
        "--federation-max-age 1m",
    ];
    for serve in [serve_a, serve_b] {
        assert!(flags.iter().all(|flag| serve.contains(flag)), "{serve}");
    }
    let start = |id| {
        let more = [
            "--allow-insecure-peers",
            "--instance-id",
            id,
            "--federation-max-age",
            "3s",
        ];
        Server::start_with(&more)
    };
    let (a, mut b) = (start("kite-a"), start("kite-b"));
    let person = Person::new();
    let (url_a, url_b) = (a.url().to_owned(), b.url().to_owned());
    let (key_a, key_b) = (a.key_file().to_owned(), b.key_file().to_owned());
    let typed = |line: &str| {
        let line = line
            .replace("http://127.0.0.1:7700", &url_a)
            .replace("http://127.0.0.1:7701", &url_b)
            .replace("a/bootstrap.key", key_a.to_str().unwrap())
            .replace("b/bootstrap.key", key_b.to_str().unwrap());
        person.shell(&format!("exec {line}"))
    };
    for line in [login_a, login_b] {
        typed(line).succeeds();
    }
    let code = typed(invite).succeeds().stdout;
    let joined = join.replace("CODE", code.trim());
    typed(&joined).stdout_has("kite-a").succeeds();

    typed(register_b).succeeds();
    let mut listener = typed(listen).start();
    listener.wait_to_say("listening for");
    typed(register_a).succeeds();
    let asker = typed(ask).start();
    let line = listener.line();
    let (event, letter) = split(&line);
    assert!(letter.starts_with("agent-a@kite-a → agent-b"), "{line}");
    assert!(letter.ends_with(": Are you there?"), "{line}");
    typed(&answer.replace("EVENT", event)).succeeds();
    let asked = asker.end();
    assert_eq!(asked.code, Some(0), "{asked:#?}");
    assert!(asked.stdout.contains(": Yes."), "{asked:#?}");

    b.kill();
    let sent = typed(&format!("{send} --json")).succeeds().json();
    let mut watching = typed(watch).start();
    while !watching.line().contains("kite-b") {}
    watching.signal("INT");
    watching.end();
    // The attempt that ends it may be a wait of 16 s away, or one of 32 s where all before it came soon.
    let deadline = Instant::now() + 5 * PATIENCE;
    let letter = loop {
        let listed = typed(&format!("{list} --json")).succeeds().stdout;
        if let Some(line) = listed.lines().next() {
            break serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert!(Instant::now() < deadline, "no dead letter: {}", a.log());
        thread::sleep(GLANCE);
    };
    assert_eq!(letter["event_id"], sent["id"]);
    let about = |line: &str| line.replace("LETTER", letter["id"].as_str().unwrap());
    typed(&about(show))
        .stdout_has("For when you are back.")
        .succeeds();
    b.start_again();
    typed(&about(replay)).succeeds();
    // It tries again after half a minute at most.
    let line = listener.next_line(RECONNECTED).expect("the message comes");
    assert!(line.ends_with(": For when you are back."), "{line}");
    let event = sent["id"].as_str().unwrap();
    typed(&trace.replace("EVENT", event))
        .stdout_has("kite-b")
        .succeeds();
}

/// The section about OpenIntent, typed from its first line to its last.
#[test]
fn an_intent_goes_from_one_server_of_the_readme_to_the_other() {
    let commands = between_openintent();
    let [
        serve_a,
        serve_b,
        login_a,
        login_b,
        discover,
        trust,
        register,
        listen,
        dispatch,
        logs,
        work,
        wait,
        dispatches,
        intents,
        writer,
        write,
        plan,
        run,
    ] = &commands[..]
    else {
        panic!("the section has other commands: {commands:#?}");
    };
    // The harness starts them, on ports of its own.
    for (serve, port) in [(serve_a, 7700), (serve_b, 7701)] {
        let url = format!("--public-url http://127.0.0.1:{port} --allow-insecure-peers");
        assert!(serve.contains(&url), "{serve}");
    }
    let (a, b) = (Node::start(""), Node::start(""));
    let person = Person::new();
    let here = |text: &str| {
        let host = |url: &str| url.trim_start_matches("http://").to_owned();
        text.replace("127.0.0.1:7700", &host(&a.url))
            .replace("127.0.0.1:7701", &host(&b.url))
            .replace("a/bootstrap.key", a.server.key_file().to_str().unwrap())
            .replace("b/bootstrap.key", b.server.key_file().to_str().unwrap())
    };
    let typed = |line: &str| person.shell(&format!("exec {}", here(line)));
    for line in [login_a, login_b] {
        typed(line).succeeds();
    }
    typed(discover).stdout_has("proves the key").succeeds();
    typed(trust).stdout_has(&a.url).succeeds();
    typed(register).succeeds();
    let mut listener = typed(listen).start();
    listener.wait_to_say("listening for");
    typed(dispatch).stdout_has("accepted").succeeds();
    let line = listener.line();
    let told = format!("{} → analyst: Look at the data", a.url);
    assert_eq!(split(&line).1, told, "{line}");
    let deadline = Instant::now() + PATIENCE;
    let callback = format!("[callback] {} of ", b.url);
    while !typed(logs).succeeds().stdout.contains(&callback) {
        assert!(Instant::now() < deadline, "no callback: {}", a.server.log());
        thread::sleep(GLANCE);
    }

    for name in ["work.sh", "pipeline.yaml"] {
        fs::write(person.home().join(name), here(&file(name))).unwrap();
    }
    listener.signal("INT");
    listener.end();
    let listening = |line: &str| {
        let listener = typed(line).start();
        listener.wait_to_say("listening for");
        listener
    };
    let _analyst = listening(work);
    let used = "cost_usd=0.02";
    typed(wait).stdout_has(used).succeeds();
    typed(dispatches).stdout_has("completed").succeeds();
    let listed = typed(intents).succeeds().stdout;
    // The first has only been shown to somebody.
    assert!(listed.contains("completed"), "{listed}");
    assert!(listed.contains("accepted"), "{listed}");
    typed(writer).succeeds();
    let _writer = listening(write);
    typed(plan)
        .stdout_has(&format!("analyze: analyst at {}", b.url))
        .succeeds();
    typed(run).stdout_has("Rows: completed").succeeds();
}

#[test]
fn the_step_of_the_readme_ends_when_its_stream_cannot_stand() {
    let steps: Vec<String> = commands()
        .into_iter()
        .filter(|command| matches!(role(command), Role::Step))
        .collect();
    let [step] = &steps[..] else {
        panic!("the README has one step: {steps:?}");
    };
    // Nobody has logged in here: the stream never stands, and the step must not wait for it.
    let person = Person::new();
    fs::write(person.home().join("step.sh"), step).unwrap();
    person
        .shell("exec sh step.sh")
        .stderr_has("kite login")
        .exits(1);
}

#[test]
fn the_readme_has_a_way_without_a_browser() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let command = text
        .split('`')
        .find(|code| code.ends_with("--with-token < KEY_FILE"))
        .expect("a login without a browser");
    let server = Server::start();
    let line = command
        .replace("http://127.0.0.1:7700", server.url())
        .replace("KEY_FILE", server.key_file().to_str().unwrap());
    let person = Person::new();
    person.shell(&line).succeeds();
    person.kite(&["status"]).succeeds();
}

#[test]
fn the_scripts_can_be_run_and_parse() {
    for script in [
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

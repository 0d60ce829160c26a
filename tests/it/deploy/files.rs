//! The files agree with each other, with kite and with the programs that read them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use super::{program, root, text};
use crate::support::cli::{KITE, Person, clean};
use crate::support::process::{Ended, Process};
use crate::support::server::Server;

const NODES: [&str; 2] = ["kite-1", "kite-2"];

/// The upper-case names in a text that begin so.
fn names(text: &str, prefix: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.starts_with(prefix) && word.len() > prefix.len())
        .map(str::to_owned)
        .collect()
}

/// The variables that an environment file sets, with their values.
fn set_in(file: &str) -> Vec<(String, String)> {
    text(file)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

struct Compose(Yaml);

impl Compose {
    fn read() -> Self {
        Self::of_file("compose.yaml")
    }

    fn of_file(name: &str) -> Self {
        let mut documents = YamlLoader::load_from_str(&text(name)).unwrap();
        assert_eq!(documents.len(), 1);
        Self(documents.remove(0))
    }

    /// What a service says about something, itself or by what it is merged with.
    fn of(&self, service: &str, key: &str) -> Yaml {
        let service = &self.0["services"][service];
        match &service[key] {
            Yaml::BadValue => service["<<"][key].clone(),
            own => own.clone(),
        }
    }

    /// The environment of a service.
    fn environment(&self, service: &str) -> Vec<(String, String)> {
        let environment = self.of(service, "environment");
        let pairs = environment.as_hash().unwrap().iter();
        let text = |yaml: &Yaml| yaml.as_str().unwrap().to_owned();
        pairs
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }
}

/// The seconds of `60s`.
fn secs(text: &str) -> u64 {
    text.strip_suffix('s').unwrap().parse().unwrap()
}

/// The units: of a node alone, and of one among others.
const UNITS: [&str; 2] = ["kite.service", "kite@.service"];

/// The lines of a unit that set something, such as `ExecStart`.
fn unit(name: &str, key: &str) -> Vec<String> {
    let text = text(name);
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
        .collect()
}

/// The list that an instruction of the Containerfile has.
fn instruction(name: &str) -> Vec<String> {
    let text = text("Containerfile").replace("\\\n", "");
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

#[test]
fn the_files_name_no_variable_that_kite_does_not_know() {
    let help = Person::new().kite(&["help", "environment"]).succeeds();
    let known = names(&help.stdout, "KITE_");
    for file in [
        "compose.yaml",
        "compose.single.yaml",
        "Containerfile",
        "env.example",
        "kite.service",
        "kite@.service",
        "node.env.example",
        "README.md",
    ] {
        let unknown: Vec<_> = names(&text(file), "KITE_")
            .difference(&known)
            .cloned()
            .collect();
        assert!(unknown.is_empty(), "deploy/{file} names {unknown:?}");
    }
}

#[test]
fn the_nodes_are_started_with_arguments_that_kite_takes() {
    let in_image = [instruction("ENTRYPOINT"), instruction("CMD")].concat();
    let in_units = UNITS.map(|name| {
        let line = unit(name, "ExecStart").remove(0);
        line.split(' ').map(str::to_owned).collect()
    });
    for line in in_units.into_iter().chain([in_image]) {
        assert!(line[0].ends_with("kite"), "{line:?}");
        let mut args: Vec<&str> = line[1..].iter().map(String::as_str).collect();
        args.push("--help");
        Person::new()
            .kite(&args)
            .stdout_has("kite serve")
            .succeeds();
    }
}

#[test]
fn the_nodes_share_everything_but_their_files() {
    let compose = Compose::read();
    let [one, two] = NODES.map(|node| compose.environment(node));
    assert_eq!(one, two);
    let value = |name: &str| {
        let found = one.iter().find(|(own, _)| own == name);
        found
            .unwrap_or_else(|| panic!("{name} is not set"))
            .1
            .as_str()
    };
    for shared in ["KITE_SECRET_KEY", "KITE_INSTANCE_ID", "KITE_PUBLIC_URL"] {
        assert!(value(shared).starts_with(&format!("${{{shared}:?")));
    }
    let database = value("KITE_DATABASE_URL");
    assert!(database.starts_with("postgres://kite:${POSTGRES_PASSWORD:?"));
    assert!(database.ends_with("@postgres:5432/kite?sslmode=disable"));
    let [one, two] = NODES.map(|node| compose.of(node, "volumes"));
    assert_ne!(one, two);

    let in_file: Vec<String> = set_in("node.env.example")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let shared: Vec<&str> = in_file.iter().map(String::as_str).collect();
    assert_eq!(
        shared,
        [
            "KITE_DATABASE_URL",
            "KITE_SECRET_KEY",
            "KITE_INSTANCE_ID",
            "KITE_PUBLIC_URL"
        ]
    );
}

#[test]
fn every_secret_has_to_be_given_and_its_example_says_how_to_make_it() {
    let compose = text("compose.yaml");
    let wanted: BTreeSet<String> = compose
        .split("${")
        .skip(1)
        .map(|rest| {
            let (inside, _) = rest.split_once('}').unwrap();
            let (name, hint) = inside.split_once(":?").expect("a variable is required");
            assert_eq!(hint, "see env.example");
            name.to_owned()
        })
        .collect();
    let offered = set_in("env.example");
    let filled: Vec<_> = offered
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    assert!(filled.is_empty(), "an example has a value: {filled:?}");
    assert_eq!(wanted, offered.into_iter().map(|(name, _)| name).collect());

    // What the examples say makes a key is what kite takes for one.
    for file in ["env.example", "node.env.example"] {
        let text = text(file);
        let (_, line) = text.split_once("# 32 ASCII characters").unwrap();
        let (_, command) = line.split_once("Made by: ").unwrap();
        let command = command.lines().next().unwrap();
        let made = Person::new().shell(command).succeeds().stdout;
        assert_eq!(made.trim().len(), 32, "{command}: {made}");
    }
}

#[test]
fn the_durability_of_the_database_is_left_as_it_is() {
    let compose = text("compose.yaml");
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert!(!compose.contains(setting), "{setting}");
    }
}

#[test]
fn a_node_is_given_more_time_to_end_than_it_takes() {
    let source = fs::read_to_string(root().join("src/server/mod.rs")).unwrap();
    let limit = |name: &str| -> u64 {
        let declared = format!("const {name}: Duration = Duration::from_secs(");
        let (_, rest) = source.split_once(&declared).unwrap();
        rest.split_once(')').unwrap().0.parse().unwrap()
    };
    let delays = unit("kite@.service", "Environment");
    let delay = delays
        .iter()
        .find_map(|set| set.strip_prefix("KITE_DRAIN_DELAY="));
    let delay = secs(delay.unwrap());
    // The delay, then requests, then sessions, then the last commit.
    let longest = delay + 2 * limit("DRAIN_LIMIT") + limit("FLUSH_LIMIT");
    let compose = Compose::read();
    for node in NODES {
        let given = compose.of(node, "stop_grace_period");
        assert!(secs(given.as_str().unwrap()) > longest, "{node}");
    }
    assert!(secs(&unit("kite@.service", "TimeoutStopSec")[0]) > longest);
    // Alone it has no proxy to wait for.
    let single = Compose::of_file("compose.single.yaml").of("kite", "stop_grace_period");
    assert!(secs(single.as_str().unwrap()) > longest - delay);
    assert!(secs(&unit("kite.service", "TimeoutStopSec")[0]) > longest - delay);
}

/// Has systemd look at the units, with the kite of this build in them.
fn analyze(command: &[&str], name: &str) -> Ended {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name.replace('@', "@1"));
    let text = text(name).replace("/usr/local/bin/kite", KITE);
    fs::write(&path, text).unwrap();
    let program = program("systemd-analyze", "systemd");
    let mut analyze = clean(program.to_str().unwrap(), dir.path());
    analyze.args(command).arg(&path);
    Process::start("systemd-analyze", analyze, None).end()
}

#[test]
fn systemd_takes_the_units() {
    for name in UNITS {
        let ended = analyze(&["verify", "--man=no"], name);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        // What it does not know it only complains about.
        assert_eq!(ended.stderr, "", "{ended:#?}");
    }
}

#[test]
fn the_units_give_a_server_no_more_of_the_machine_than_it_needs() {
    for name in UNITS {
        // In tenths: a unit that says nothing has 9.6.
        let ended = analyze(&["security", "--offline=true", "--threshold=15"], name);
        assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    }
}

#[test]
fn the_units_are_told_when_the_server_is_ready_and_have_it_read_its_certificate_again() {
    for name in UNITS {
        assert_eq!(unit(name, "Type"), ["notify"]);
        assert_eq!(unit(name, "ExecReload"), ["/bin/kill -HUP $MAINPID"]);
        assert_eq!(unit(name, "WatchdogSec"), ["60s"]);
    }
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_repository_from_files_that_are_there() {
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let (_, rest) = toolchain.split_once("channel = \"").unwrap();
    let version = rest.split_once('"').unwrap().0;
    let dockerfile = text("Containerfile");
    assert!(
        dockerfile.contains(&format!("FROM rust:{version}-")),
        "the image's Rust is not {version}"
    );
    let ignored = text("Containerfile.dockerignore");
    let copied = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"));
    for line in copied {
        let mut paths: Vec<&str> = line.split(' ').collect();
        paths.pop();
        for path in paths {
            assert!(root().join(path).exists(), "{path}");
            assert!(ignored.lines().any(|line| line == format!("!{path}")));
        }
    }
    let builds = NODES.map(|node| Compose::read().of(node, "build"));
    let single = Compose::of_file("compose.single.yaml").of("kite", "build");
    for build in builds.into_iter().chain([single]) {
        let context = root()
            .join("deploy")
            .join(build["context"].as_str().unwrap());
        let dockerfile = build["dockerfile"].as_str().unwrap();
        assert!(context.join(dockerfile).exists(), "{dockerfile}");
    }
}

#[test]
fn the_health_check_of_the_image_tells_a_ready_node_from_another() {
    let mut server = Server::start();
    let address = server.url().replace("http://", "").replace(':', "/");
    let line = instruction("HEALTHCHECK");
    let check = || {
        let mut command = Command::new(&line[0]);
        for word in &line[1..] {
            command.arg(word.replace("127.0.0.1/7700", &address));
        }
        Process::start("the health check", command, None).end()
    };
    assert!(line.concat().contains("127.0.0.1/7700"));
    let ready = check();
    assert_eq!(ready.code, Some(0), "{ready:#?}");
    server.stop();
    let away = check();
    assert_eq!(away.code, Some(1), "{away:#?}");
}

#[test]
fn what_the_guide_names_is_there() {
    let guide = text("README.md");
    let targets = guide
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0));
    let mut linked = BTreeSet::new();
    let is_elsewhere = |target: &&str| target.starts_with("https://") || target.starts_with('#');
    for target in targets.filter(|target| !is_elsewhere(target)) {
        let path = root().join("deploy").join(target);
        assert!(Path::new(&path).exists(), "the guide links to {target}");
        linked.insert(target.to_owned());
    }
    for entry in fs::read_dir(root().join("deploy")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_named = linked.contains(&name) || name == "README.md" || name.ends_with("ignore");
        assert!(is_named, "the guide does not name {name}");
    }
}

#[test]
fn the_commands_of_the_guide_are_commands_of_kite() {
    let server = Server::start();
    let person = Person::at(&server);
    let guide = text("README.md");
    let words = guide.split("kite admin ").skip(1);
    let mut commands: Vec<&str> = words
        .map(|rest| rest.split(['\n', '`', '\'']).next().unwrap())
        .collect();
    commands.sort_unstable();
    commands.dedup();
    assert!(!commands.is_empty());
    for command in commands {
        let data_dir = server.data_dir();
        // What names files of the reader's is read, with all its flags, but not done.
        let names_files = ["backup", "restore", "check"];
        let help = match names_files.iter().any(|verb| command.starts_with(verb)) {
            true => " --help",
            false => "",
        };
        let command = command.split(" #").next().unwrap().trim_end();
        let line = format!(
            "kite admin --data-dir {} {command}{help}",
            data_dir.display()
        );
        person.shell(&line).succeeds();
    }
}

//! The repository checks itself: rooms point one way, the pure room is pure, no test file is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may use, by the room's path below `src`.
type Rooms = BTreeMap<String, BTreeSet<String>>;

/// What the pure room must not mention: IO, clocks, chance, logging, async.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "SystemTime",
    "Timestamp::now",
    "now_v7",
    "new_v4",
    "getrandom",
    "tokio",
    "tracing",
    "async fn",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a directory, as paths relative to it.
fn rust_files(dir: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{} holds no source", dir.display());
    files
}

/// Reads the table of rooms: rows whose first cell is a name in backticks, the third holding the names it may use.
fn rooms_in(document: &str) -> Rooms {
    let names = |cell: &str| -> BTreeSet<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let table = document
        .lines()
        .skip_while(|line| !line.starts_with("| room |"))
        .skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let room = names(cells[1])
            .into_iter()
            .next()
            .expect("a row begins with a room");
        (room, names(cells[3]))
    })
    .collect()
}

fn rooms() -> Rooms {
    let rooms = rooms_in(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    assert!(
        rooms.len() > 5,
        "ARCHITECTURE.md has lost its table of rooms"
    );
    rooms
}

/// A source without its comments.
fn code(source: &str) -> String {
    let lines = source.lines();
    let code = lines.map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    code.collect::<Vec<_>>().join("\n")
}

/// The rooms that a source names: what follows `crate::`, or `kite::` in the program. Comments do not count.
fn arrows(source: &str) -> BTreeSet<String> {
    names_behind(&["crate::", "kite::"], source)
}

/// The names that follow one of these beginnings of a path.
fn names_behind(markers: &[&str], source: &str) -> BTreeSet<String> {
    let code = code(source);
    let mut found = BTreeSet::new();
    for marker in markers {
        for (at, _) in code.match_indices(marker) {
            let stands_alone =
                !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if stands_alone {
                found.extend(first_names(&code[at + marker.len()..]));
            }
        }
    }
    found
}

/// The first name of a path, or of each path of a group: `a::b` gives a, `{a::{b, c}, d}` gives a and d.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The row that a file belongs to: the longest room that its path begins with. `lib.rs` is the map and belongs to none.
fn row_of<'a>(rooms: &'a Rooms, file: &str) -> Option<&'a str> {
    let stem = file.trim_end_matches(".rs");
    let begins = |room: &str| stem == room || stem.starts_with(&format!("{room}/"));
    let candidates = rooms.keys().map(String::as_str).filter(|room| begins(room));
    candidates.max_by_key(|room| room.len())
}

/// What is wrong with a file's arrows.
fn faults(rooms: &Rooms, file: &str, source: &str) -> Vec<String> {
    if file == "lib.rs" {
        return Vec::new();
    }
    let Some(row) = row_of(rooms, file) else {
        return vec![format!("{file} is in no room of ARCHITECTURE.md")];
    };
    let own = row.split('/').next().unwrap();
    arrows(source)
        .into_iter()
        .filter(|used| used != own && !rooms[row].contains(used))
        .map(|used| format!("{file} uses `{used}`, which the room `{row}` may not"))
        .collect()
}

#[test]
fn rooms_point_one_way() {
    let (rooms, src) = (rooms(), root().join("src"));
    let read = |file: &String| fs::read_to_string(src.join(file)).unwrap();
    let faults: Vec<String> = rust_files(&src)
        .iter()
        .flat_map(|file| faults(&rooms, file, &read(file)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_check_of_the_rooms_finds_forbidden_arrows() {
    let table = "| room | purpose | may use |\n|---|---|---|\n| `low` | x | |\n| `high` | x | `low` |\n| `high/top` | x | `low`, `side` |\n\n";
    let rooms = rooms_in(table);
    let wrong = |file: &str, source: &str| faults(&rooms, file, source).len();
    assert_eq!(
        wrong("high/a.rs", "use crate::low::x;\nuse crate::high::y;"),
        0
    );
    assert_eq!(wrong("low/a.rs", "use crate::high::x;"), 1);
    assert_eq!(
        wrong(
            "low/a.rs",
            "// use crate::high::x;\nfn f() { g(crate::high::x()) }"
        ),
        1
    );
    assert_eq!(
        wrong(
            "low.rs",
            "pub(crate) use crate::{\n    high::{a, b},\n    side,\n    low::c,\n};"
        ),
        2
    );
    assert_eq!(wrong("high/a.rs", "use crate::side::x;"), 1);
    assert_eq!(wrong("high/top.rs", "use crate::side::x;"), 0);
    assert_eq!(
        wrong("high/top/part.rs", "use crate::{side, low, high};"),
        0
    );
    assert_eq!(wrong("nowhere/a.rs", ""), 1);
    assert_eq!(
        wrong("low/a.rs", "use some_crate::high;\nuse other::crate_x;"),
        0
    );
}

/// The rooms of the server, which calls others through one file alone (promise 10).
const SERVER_ROOMS: &[&str] = &["federation", "log", "server", "store", "webhook"];

/// The way out, with its parts.
const WAY_OUT: &str = "federation/dial";

/// What a call to somewhere is made with.
const WAYS: &[&str] = &[
    "reqwest",
    "hyper_util::client",
    "hyper::client",
    "TcpStream::connect",
    "TcpSocket",
    "UdpSocket",
    "lookup_host",
    "ToSocketAddrs",
    "connect_async",
    "ureq",
];

/// How a file of the server's rooms gets out beside the one way.
fn ways_out(file: &str, source: &str) -> Vec<String> {
    let is_of_the_server = SERVER_ROOMS
        .iter()
        .any(|room| file.starts_with(&format!("{room}/")));
    let is_the_way = file
        .strip_prefix(WAY_OUT)
        .is_some_and(|rest| rest.starts_with(['.', '/']));
    if !is_of_the_server || is_the_way {
        return Vec::new();
    }
    let code = code(source);
    let mut found: Vec<&str> = WAYS
        .iter()
        .copied()
        .filter(|way| code.contains(way))
        .collect();
    // Also from within `crate::{…}`.
    let base: BTreeSet<String> = code
        .match_indices("base::")
        .flat_map(|(at, marker)| first_names(&code[at + marker.len()..]))
        .collect();
    if base.contains("http") {
        found.push("base::http");
    }
    let fault =
        |way| format!("{file} names `{way}`: the server calls others through {WAY_OUT} alone");
    found.into_iter().map(fault).collect()
}

#[test]
fn the_server_has_one_way_out() {
    let src = root().join("src");
    let files = rust_files(&src);
    assert!(files.iter().any(|file| *file == format!("{WAY_OUT}.rs")));
    let read = |file: &String| fs::read_to_string(src.join(file)).unwrap();
    let faults: Vec<String> = files
        .iter()
        .flat_map(|file| ways_out(file, &read(file)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_check_of_the_way_out_finds_other_ones() {
    let count = |file: &str, source: &str| ways_out(file, source).len();
    assert_eq!(count("server/a.rs", "use reqwest::Client;"), 1);
    assert_eq!(count("federation/outbox.rs", "use crate::base::http;"), 1);
    assert_eq!(count("federation/dialer.rs", "use crate::base::http;"), 1);
    assert_eq!(
        count("log/a.rs", "use crate::{base::{clock, http::client}};"),
        1
    );
    assert_eq!(
        count("webhook/a.rs", "let s = TcpStream::connect(x).await;"),
        1
    );
    assert_eq!(
        count(
            "store/a.rs",
            "// reqwest\nuse crate::base::{clock, random};"
        ),
        0
    );
    assert_eq!(count("federation/dial.rs", "use reqwest::Client;"), 0);
    assert_eq!(
        count("federation/dial/fault.rs", "use crate::base::http;"),
        0
    );
    assert_eq!(count("client/a.rs", "use reqwest::Client;"), 0);
}

#[test]
fn the_pure_room_is_pure() {
    let protocol = root().join("src/protocol");
    for file in rust_files(&protocol) {
        let source = fs::read_to_string(protocol.join(&file)).unwrap();
        let code = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for (line, impure) in code.flat_map(|line| IMPURE.iter().map(move |impure| (line, impure)))
        {
            assert!(
                !line.contains(impure),
                "protocol/{file} mentions `{impure}`: {line}"
            );
        }
    }
}

#[test]
fn every_file_of_tests_is_included() {
    let tests = root().join("tests/it");
    for file in rust_files(&tests) {
        let stem = file.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        if stem == "main" {
            continue;
        }
        let (parent, name) = match stem.rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/mod.rs"), name),
            None => ("main.rs".to_owned(), stem),
        };
        let parent = fs::read_to_string(tests.join(parent)).unwrap();
        let included = parent.lines().any(|line| {
            let line = line.trim_start_matches("pub(crate) ");
            line == format!("mod {name};")
        });
        assert!(included, "tests/it/{file} is never compiled");
    }
}

#[test]
fn no_test_is_skipped() {
    // Spelt in two halves, so that this file does not find itself.
    let skip = ["#[ign", "ore"].concat();
    for dir in ["src", "tests/it"] {
        for file in rust_files(&root().join(dir)) {
            let source = fs::read_to_string(root().join(dir).join(&file)).unwrap();
            assert!(!source.contains(&skip), "{dir}/{file} skips a test");
        }
    }
}

#[test]
fn every_fuzz_target_has_its_file_and_its_seeds() {
    let fuzz = root().join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let named: BTreeSet<&str> = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    let files = rust_files(&fuzz.join("fuzz_targets"));
    let files: BTreeSet<&str> = files
        .iter()
        .map(|file| file.trim_end_matches(".rs"))
        .collect();
    assert_eq!(named, files);
    for target in named {
        let seeds = fs::read_dir(fuzz.join("seeds").join(target));
        assert!(
            seeds.is_ok_and(|mut seeds| seeds.next().is_some()),
            "fuzz/seeds/{target} holds no seed"
        );
    }
}

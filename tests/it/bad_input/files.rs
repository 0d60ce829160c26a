//! Files, directories and ports that are not what they should be.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;

use crate::support::cli::{Kite, Person};
use crate::support::server::Server;

/// `kite serve` with these arguments, which is not expected to come up.
fn serve(person: &Person, more: &[&str]) -> Kite {
    person.kite(&[&["serve", "--json", "--listen", "127.0.0.1:0"], more].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_config_file_that_does_not_parse_is_named_and_never_replaced() {
    let server = Server::start();
    let person = Person::new();
    let broken = "[agent\nid = \"precious\"\n";
    person.write_config(broken);
    for args in [
        &["agent", "listen"][..],
        &["agent", "register", "--name", "x"],
        &["login", "--server", server.url(), "--with-token"],
        &["logout"],
    ] {
        person
            .kite(args)
            .stdin(server.owner().key)
            .stderr_has(text(&person.config_file()))
            .exits(1);
        assert_eq!(
            fs::read_to_string(person.config_file()).unwrap(),
            broken,
            "{args:?}"
        );
    }
}

#[test]
fn a_config_file_that_others_can_read_is_warned_of() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "agent-alpha");
    let file = person.config_file();
    person
        .kite(&["agent", "show"])
        .stderr_lacks(text(&file))
        .succeeds();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(
        mode & 0o777,
        0o600,
        "only its owner can read what kite writes"
    );

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    person
        .kite(&["agent", "show"])
        .stderr_has(text(&file))
        .succeeds();
}

#[test]
fn what_a_person_wrote_into_the_config_file_stays() {
    let server = Server::start();
    let person = Person::new();
    person.write_config("# mine\n[other]\nkey = 1 # kept\n");
    person.log_in(&server.owner());
    person
        .kite(&["agent", "register", "--name", "agent-alpha"])
        .succeeds();
    let text = fs::read_to_string(person.config_file()).unwrap();
    for kept in ["# mine", "[other]", "key = 1 # kept", "agent-alpha"] {
        assert!(text.contains(kept), "`{kept}` is gone: {text}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let person = Person::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    person
        .kite(&["serve", "--listen", &address])
        .stderr_has(&address)
        .exits(1);
}

#[test]
fn an_address_that_is_none_is_wrong_usage() {
    let person = Person::new();
    person
        .kite(&["serve", "--listen", "everywhere"])
        .stderr_has("everywhere")
        .exits(2);
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let person = Person::new();
    let file = person.home().join("file");
    fs::write(&file, "in the way").unwrap();
    // Below a file nobody can make a directory, whoever runs the tests.
    let below = file.join("data");
    serve(&person, &["--data-dir", text(&below)])
        .stdout("")
        .stderr_has(text(&below))
        .exits(1);
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn a_file_that_is_no_kite_database_is_named_and_left_alone() {
    let person = Person::new();
    let file = person.home().join("notes.db");
    fs::write(&file, "these are my notes, not a database".repeat(100)).unwrap();
    let url = format!("sqlite:{}", text(&file));
    let data = person.home().join("server");
    let before = fs::read(&file).unwrap();
    serve(&person, &["--database", &url, "--data-dir", text(&data)])
        .stdout("")
        .stderr_has(text(&file))
        .exits(1);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_database_of_another_program_is_named_and_left_alone() {
    let person = Person::new();
    let file = person.home().join("other.db");
    let other = Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE invoices (id INTEGER); INSERT INTO invoices VALUES (7);")
        .unwrap();
    other.close().unwrap();
    let url = format!("sqlite:{}", text(&file));
    let data = person.home().join("server");
    serve(&person, &["--database", &url, "--data-dir", text(&data)])
        .stdout("")
        .stderr_has(text(&file))
        .exits(1);
    let other = Connection::open(&file).unwrap();
    let tables: u32 = other
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "nothing was added");
}

#[test]
fn a_database_of_a_newer_kite_is_refused_and_left_alone() {
    let mut server = Server::start_on_files(&[]);
    server.stop();
    let database = database_in(&server.data_dir());
    let connection = Connection::open(&database).unwrap();
    connection
        .pragma_update(None, "user_version", 1_000_000)
        .unwrap();
    connection.close().unwrap();

    let person = Person::new();
    serve(&person, &["--data-dir", text(&server.data_dir())])
        .stdout("")
        .stderr_has(text(&database))
        .stderr_has("1000000")
        .exits(1);
    let connection = Connection::open(&database).unwrap();
    let version: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 1_000_000);
}

/// The one SQLite database in a data directory.
fn database_in(data_dir: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_database = |path: &std::path::PathBuf| {
        fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"))
    };
    let mut databases: Vec<_> = entries.filter(is_database).collect();
    assert_eq!(databases.len(), 1, "{databases:?}");
    databases.remove(0)
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let server = Server::start_on_files(&[]);
    let person = Person::new();
    serve(&person, &["--data-dir", text(&server.data_dir())])
        .stdout("")
        .stderr_has(text(&server.data_dir()))
        .exits(1);
    server.owner().tell("a", "b", "still here").await;
}

#[test]
fn what_the_server_keeps_is_for_its_owner_alone() {
    let server = Server::start();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.data_dir()), 0o700);
    assert_eq!(mode(server.key_file()), 0o600);
    let key = fs::read_to_string(server.key_file()).unwrap();
    assert_eq!(key.trim_end(), server.owner().key);
}

#[test]
fn the_first_key_is_shown_once() {
    let mut server = Server::start();
    server.stop();
    // The harness expects the next start to begin with `listening`.
    server.start_again();
    assert!(!server.said().contains(&server.owner().key));
}

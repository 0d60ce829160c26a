//! What is PostgreSQL's alone: getting in safely, and a schema that several servers share (promises 9 and 12).

use std::sync::Arc;
use std::time::Duration;

use kite::log::Limits;
use kite::protocol::outbound::Outbound;
use kite::protocol::permission::Permissions;
use kite::protocol::scope::Scopes;
use kite::server::{Config, RateLimits, Server, StartError, new_key};
use kite::store::record::{Appended, Batch, KeyRecord, NewEvent};
use kite::store::{Address, Role, Store, StoreError, open};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::authority::Authority;
use crate::support::eventually;
use crate::support::postgres::Cluster;

async fn try_open(url: &str, role: Role) -> Result<Arc<dyn Store>, StoreError> {
    let address: Address = url.parse()?;
    open(&address, role).await
}

/// Why a database is refused.
async fn refusal(url: &str) -> String {
    let opened = try_open(url, Role::Server).await;
    opened.err().expect("it is refused").to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_make_the_schema_once() {
    let url = Cluster::shared().database();
    let opening: JoinSet<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            async move { try_open(&url, Role::Server).await.map(drop) }
        })
        .collect();
    for opened in opening.join_all().await {
        opened.unwrap();
    }
    let store = try_open(&url, Role::Visitor).await.unwrap();
    assert!(store.teams().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = Cluster::shared().database();
    try_open(&url, Role::Server).await.unwrap();
    Cluster::shared().sql_in(&url, "UPDATE kite_schema SET version = 4000");
    let why = refusal(&url).await;
    assert!(why.contains("schema version 4000"), "{why}");
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_left_alone() {
    let url = Cluster::shared().database();
    Cluster::shared().sql_in(&url, "CREATE TABLE invoices (id integer)");
    let why = refusal(&url).await;
    assert!(why.ends_with("is not a kite database"), "{why}");
    let tables = "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(Cluster::shared().sql_in(&url, tables), "invoices");
}

/// Starts a server of this process on a database, with a secret key and an instance's name.
async fn try_serve(url: &str, secret_key: &str, instance_id: &str) -> Result<(), StartError> {
    let dir = TempDir::new().unwrap();
    Server::bind(Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        database: url.parse()?,
        data_dir: dir.path().to_owned(),
        public_url: None,
        tls: None,
        outbound: Outbound::default(),
        ca_file: None,
        instance_id: Some(instance_id.to_owned()),
        secret_key: Some(secret_key.to_owned().into()),
        max_body_bytes: 1000,
        max_connections: 10,
        trusted_proxies: Vec::new(),
        rate_limits: RateLimits::default(),
        limits: Limits::default(),
        drain_delay: Duration::ZERO,
        federation_max_age: Duration::from_secs(3600),
        paperclip: None,
        openintent: kite::server::OpenIntentConfig::default(),
        console: true,
    })
    .await
    .map(drop)
}

#[tokio::test]
async fn a_node_with_another_secret_key_or_name_is_refused() {
    let url = Cluster::shared().database();
    let key = "0123456789abcdef0123456789abcdef";
    try_serve(&url, key, "here").await.unwrap();
    let other_key = try_serve(&url, &key.replace('0', "x"), "here").await;
    assert!(
        matches!(
            other_key,
            Err(StartError::Store(StoreError::OtherSecretKey))
        ),
        "{other_key:?}"
    );
    let other_name = try_serve(&url, key, "there").await;
    assert!(
        matches!(
            other_name,
            Err(StartError::Store(StoreError::OtherInstance { .. }))
        ),
        "{other_name:?}"
    );
    try_serve(&url, key, "here").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_nodes_that_start_together_one_makes_the_first_key() {
    let url = Cluster::shared().database();
    let key = "0123456789abcdef0123456789abcdef";
    let starting: JoinSet<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            async move { try_serve(&url, key, "here").await }
        })
        .collect();
    for started in starting.join_all().await {
        started.unwrap();
    }
    assert_eq!(
        Cluster::shared().sql_in(&url, "SELECT count(*) FROM keys"),
        "1"
    );
}

#[tokio::test]
async fn a_command_makes_no_schema() {
    let url = Cluster::shared().database();
    let refused = try_open(&url, Role::Visitor).await.err();
    assert!(
        matches!(refused, Some(StoreError::NotKite(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn two_instances_live_in_two_schemas_of_one_database() {
    let url = Cluster::shared().database();
    Cluster::shared().sql_in(&url, "CREATE SCHEMA other");
    try_open(&url, Role::Server).await.unwrap();
    let other = format!("{url}?options=-csearch_path%3Dother");
    try_open(&other, Role::Server).await.unwrap();
    let schemas =
        "SELECT count(DISTINCT schemaname) FROM pg_tables WHERE tablename = 'kite_schema'";
    assert_eq!(Cluster::shared().sql_in(&url, schemas), "2");
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let url = Cluster::shared().database();
    let (_, rest) = url.split_once('@').unwrap();
    let why = refusal(&format!("postgres://kite:hunter2@{rest}")).await;
    assert!(why.contains("password authentication failed"), "{why}");
    assert!(!why.contains("hunter2"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_spoken_to_over_tls_when_its_certificate_is_good() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new();
    let ca_file = authority.write(dir.path()).display().to_string();
    let cluster = Cluster::start_with_tls(&authority.identify("127.0.0.1"));
    let url = cluster.database();

    let unknown = refusal(&format!("{url}?sslmode=verify-full")).await;
    assert!(unknown.contains("certificate"), "{unknown}");
    let trusting = format!("{url}?sslmode=require&sslrootcert={ca_file}");
    let store = try_open(&trusting, Role::Server).await.unwrap();
    store.ping().await.unwrap();
    let in_clear = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                    WHERE application_name = 'kite' AND NOT ssl";
    assert_eq!(cluster.sql(in_clear), "0");
    let missing = refusal(&format!("{url}?sslmode=require&sslrootcert=/nowhere.pem")).await;
    assert!(missing.contains("/nowhere.pem"), "{missing}");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new();
    let ca_file = authority.write(dir.path()).display().to_string();
    let cluster = Cluster::start_with_tls(&authority.identify("db.example"));
    let why = refusal(&format!(
        "{}?sslmode=prefer&sslrootcert={ca_file}",
        cluster.database()
    ))
    .await;
    assert!(why.contains("certificate"), "{why}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_spoken_to_in_the_clear() {
    let why = refusal(&format!("{}?sslmode=prefer", Cluster::shared().database())).await;
    assert!(why.contains("TLS"), "{why}");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_spoken_to() {
    let url = Cluster::shared().database();
    try_open(&url, Role::Server).await.unwrap();
    let (_, name) = url.rsplit_once('/').unwrap();
    // As a standby says it of itself.
    Cluster::shared().sql(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ));
    let why = try_open(&url, Role::Visitor).await.err().unwrap();
    assert!(why.to_string().contains("does not allow writes"), "{why}");
}

fn a_key() -> KeyRecord {
    let team = "acme".parse().unwrap();
    new_key(team, None, Permissions::default(), Scopes::all(), 1).1
}

/// A node of a database with a team.
async fn node(url: &str) -> Arc<dyn Store> {
    let store = try_open(url, Role::Server).await.unwrap();
    match store.create_team("acme".parse().unwrap(), a_key()).await {
        Ok(()) | Err(StoreError::Exists(_)) => store,
        Err(error) => panic!("{error}"),
    }
}

async fn append(node: &dyn Store, count: usize) -> Result<Vec<Appended>, StoreError> {
    let event = |_| {
        NewEvent::bare(
            "acme".parse().unwrap(),
            ["e", "com.acme.note", "https://acme.example"],
            1,
            "{}".to_owned(),
        )
    };
    let events = (0..count).map(event).collect();
    let month = "2026-11".to_owned();
    let batch = Batch {
        events,
        month,
        events_limit: None,
    };
    node.append(Arc::new(batch)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_append_together_whatever_isolation_the_database_prefers() {
    let url = Cluster::shared().database();
    let (_, name) = url.rsplit_once('/').unwrap();
    Cluster::shared().sql(&format!(
        "ALTER DATABASE {name} SET default_transaction_isolation = serializable"
    ));
    let (one, other) = (node(&url).await, node(&url).await);
    for _ in 0..20 {
        let (first, second) = tokio::join!(append(&*one, 50), append(&*other, 50));
        first.unwrap();
        second.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_write_down_the_use_of_the_same_keys_do_not_lock_each_other_out() {
    let url = Cluster::shared().database();
    let (one, other) = (node(&url).await, node(&url).await);
    let mut uses = Vec::new();
    for time in 0..200 {
        let key = a_key();
        uses.push((key.prefix.clone(), time));
        one.create_key(key).await.unwrap();
    }
    let reversed: Vec<_> = uses.iter().rev().cloned().collect();
    for _ in 0..20 {
        let (first, second) =
            tokio::join!(one.use_keys(uses.clone()), other.use_keys(reversed.clone()));
        first.unwrap();
        second.unwrap();
    }
}

/// Stands between kite and PostgreSQL. Once told to, it lets no answer through any more; told again, it hangs up.
async fn go_between(port: u16, orders: watch::Receiver<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(carry(near, far, orders.clone()));
        }
    });
    here
}

async fn carry(near: TcpStream, far: TcpStream, mut orders: watch::Receiver<u8>) {
    let (mut asked, mut answer) = near.into_split();
    let (mut answered, mut ask) = far.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut asked, &mut ask).await });
    let mut bytes = vec![0; 8192];
    loop {
        let read = tokio::select! {
            read = answered.read(&mut bytes) => read.unwrap_or(0),
            _ = orders.wait_for(|order| *order == 2) => break,
        };
        if read == 0 {
            break;
        }
        if *orders.borrow() == 0 {
            answer.write_all(&bytes[..read]).await.unwrap();
        }
    }
    asking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_not_denied() {
    let url = Cluster::shared().database();
    let (start, rest) = url.rsplit_once(':').unwrap();
    let (port, name) = rest.split_once('/').unwrap();
    let (order, orders) = watch::channel(0);
    let port = go_between(port.parse().unwrap(), orders).await;
    let store = node(&format!("{start}:{port}/{name}")).await;
    append(&*store, 1).await.unwrap();

    order.send(1).unwrap();
    let hung_up = async {
        eventually("it is stored", || async {
            let count = Cluster::shared().sql_in(&url, "SELECT count(*) FROM events");
            (count == "2").then_some(())
        })
        .await;
        order.send(2).unwrap();
    };
    let (appended, ()) = tokio::join!(append(&*store, 1), hung_up);
    assert!(
        matches!(appended, Err(StoreError::Unknown(_))),
        "{appended:?}"
    );
}

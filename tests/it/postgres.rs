//! What is PostgreSQL's alone: getting in safely, and a schema that several servers share (promises 9 and 12).

use std::sync::Arc;
use std::time::Duration;

use kite::log::Retention;
use kite::server::{Config, RateLimits, Server, StartError};
use kite::store::{Address, Role, Store, StoreError, open};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::authority::Authority;
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
        instance_id: Some(instance_id.to_owned()),
        secret_key: Some(secret_key.to_owned().into()),
        max_body_bytes: 1000,
        max_connections: 10,
        rate_limits: RateLimits::default(),
        retention: Retention::default(),
        drain_delay: Duration::ZERO,
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

//! Opening a database: the connections, what they must be like, the migrations.

use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime,
};
use tokio::time::Instant;
use tokio_postgres::NoTls;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresAddress;
use crate::base::tls;
use crate::store::{Result, Role, StoreError};

/// The steps from an empty schema to the newest one. A step never changes once it was released.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/postgres/0001_first.sql"),
    include_str!("../migrations/postgres/0002_retention.sql"),
    include_str!("../migrations/postgres/0003_quota.sql"),
    include_str!("../migrations/postgres/0004_federation.sql"),
    include_str!("../migrations/postgres/0005_identity.sql"),
    include_str!("../migrations/postgres/0006_connecting.sql"),
    include_str!("../migrations/postgres/0007_openintent.sql"),
    include_str!("../migrations/postgres/0008_work.sql"),
];

/// What two servers that start together agree on: only one of them migrates at a time. `kite` in ASCII.
const MIGRATION_LOCK: i64 = 0x6b69_7465;

/// How long work waits for a connection.
const WAIT_LIMIT: Duration = Duration::from_secs(5);

/// How long making one may take, through all addresses of the server.
const CREATE_LIMIT: Duration = Duration::from_secs(5);

/// How long a server waits at its start for a database that is starting too.
const START_LIMIT: Duration = Duration::from_secs(15);

/// What every connection is told. The limits are the server's own: a node that stands still must not hold a lock on
/// what others need. An acknowledged commit is on the disk. All that kite asks for is found by an index: a plan that was
/// made while a table was small must not go on reading all of it when it has grown. So one plan serves for all values.
/// What has no index all the same, such as the one row of the instance, counts as very costly by that, and would be
/// compiled each time. A statement sees what was committed before it began, whatever the database's own default is: the
/// append rests on that.
const SETTINGS: &str = "
    SET statement_timeout = '15s';
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '5s';
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET plan_cache_mode = force_generic_plan;
    SET jit = off;
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// A pool of connections. None is made yet.
pub(super) fn pool(address: &PostgresAddress, connections_max: usize) -> Result<Pool> {
    let config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match tls(address)? {
        Some(tls) => Manager::from_config(address.config.clone(), tls, config),
        None => Manager::from_config(address.config.clone(), NoTls, config),
    };
    let settings = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
        Box::pin(async move {
            client
                .batch_execute(SETTINGS)
                .await
                .map_err(HookError::Backend)
        })
    });
    Pool::builder(manager)
        .max_size(connections_max)
        .wait_timeout(Some(WAIT_LIMIT))
        .create_timeout(Some(CREATE_LIMIT))
        .recycle_timeout(Some(WAIT_LIMIT))
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .post_create(settings)
        .build()
        .map_err(|error| unusable(address, error.to_string()))
}

/// How TLS is made, where it is to be.
pub(super) fn tls(address: &PostgresAddress) -> Result<Option<MakeRustlsConnect>> {
    if !address.is_tls() {
        return Ok(None);
    }
    let config = tls::config(true, address.ca_file());
    let config = config.map_err(|error| unusable(address, error.to_string()))?;
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn unusable(address: &PostgresAddress, why: String) -> StoreError {
    StoreError::Unusable {
        place: address.to_string(),
        why,
    }
}

/// The first connection. A server waits for a while for a database that starts together with it.
pub(super) async fn connect(pool: &Pool, address: &PostgresAddress, role: Role) -> Result<Object> {
    let deadline = Instant::now() + START_LIMIT;
    let mut is_said = false;
    loop {
        match pool.get().await.map_err(StoreError::from) {
            Ok(client) => return Ok(client),
            Err(StoreError::Away(why)) => {
                if role == Role::Visitor || Instant::now() > deadline {
                    return Err(unusable(address, why));
                }
                if !is_said {
                    tracing::warn!("waiting for {address}: {why}");
                    is_said = true;
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Err(StoreError::Failed(why)) => return Err(unusable(address, why)),
            Err(error) => return Err(error),
        }
    }
}

/// Refuses a server on which a commit does not mean what kite promises, and one that cannot keep every text.
pub(super) async fn check(client: &Object, address: &PostgresAddress) -> Result<()> {
    let row = client
        .query_one(
            "SELECT current_setting('fsync'), current_setting('server_encoding')",
            &[],
        )
        .await?;
    let (fsync, encoding): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let refuse = |why: &str| Err(unusable(address, why.to_owned()));
    if fsync != "on" {
        return refuse("it runs with `fsync = off`, so what it has committed may be lost");
    }
    if encoding != "UTF8" {
        return refuse("the database's encoding is not UTF8");
    }
    Ok(())
}

/// Brings the schema up to date, once, in one transaction, one server at a time; refuses what is no kite schema or a
/// newer one.
pub(super) async fn migrate(
    client: &mut Object,
    address: &PostgresAddress,
    role: Role,
) -> Result<()> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let transaction = client.transaction().await?;
    // A step may take long on a large log, and so may the other server's.
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
        .await?;
    let row = transaction
        .query_one(
            "SELECT to_regclass('kite_schema') IS NOT NULL,
                    EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema())",
            &[],
        )
        .await?;
    let (is_kite, has_tables): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if !is_kite && (has_tables || role == Role::Visitor) {
        return Err(StoreError::NotKite(address.to_string()));
    }
    let mut found = 0;
    if is_kite {
        let row = transaction
            .query_one("SELECT version FROM kite_schema", &[])
            .await?;
        found = u32::try_from(row.try_get::<_, i32>(0)?).unwrap_or(u32::MAX);
    }
    if found > known {
        return Err(StoreError::Newer {
            place: address.to_string(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    for step in MIGRATIONS.iter().skip(found as usize) {
        transaction.batch_execute(step).await?;
    }
    let version = i32::try_from(known).unwrap_or(i32::MAX);
    transaction
        .execute(
            "INSERT INTO kite_schema (id, version) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET version = $1",
            &[&version],
        )
        .await?;
    transaction.commit().await?;
    Ok(())
}

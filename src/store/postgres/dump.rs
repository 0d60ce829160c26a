//! A database as a stream of rows, and a stream of rows as a database.

use std::collections::HashMap;
use std::error::Error;
use std::pin::pin;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use deadpool_postgres::Object;
use futures_util::StreamExt;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::{PostgresAddress, column, open, unsigned};
use crate::store::backup::{Filled, Target};
use crate::store::check::Depth;
use crate::store::dump::{
    DEDUP, Inlet, Kind, ORPHANS, REPEATS, Row, Rows, TABLES, Table, Value, stream,
};
use crate::store::renumber::Replaced;
use crate::store::{Result, Role, StoreError};

/// A whole log takes its time, and whoever reads or writes it may be slow.
const PATIENTLY: &str = "
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;";

/// Questions have no index that answers them.
const BY_ANY_PLAN: &str = "
    SET LOCAL enable_seqscan = on;
    SET LOCAL enable_hashjoin = on;
    SET LOCAL enable_mergejoin = on;";

const REPEATS_SQL: &str = "
    SELECT * FROM (
        SELECT team, seq, lead(seq) OVER (PARTITION BY team, source, id, kitesource ORDER BY seq) AS later,
               source, id, created_at
        FROM events WHERE id IN (SELECT id FROM events GROUP BY id HAVING count(*) > 1)) AS pairs
    WHERE later IS NOT NULL";

const ORPHANS_SQL: &str = "
    SELECT team, event_id, created_at FROM (
        SELECT team, event_id, created_at FROM dedup
        UNION ALL
        SELECT team, local_id, created_at FROM exchanges WHERE kind <> 'callback' AND state <> 'declined'
    ) AS accepted
    WHERE NOT EXISTS (SELECT FROM events WHERE events.id = accepted.event_id AND events.team = accepted.team)";

/// What a restore writes, and the device logins, which refer to it.
const ALL: &str =
    "instance, teams, peers, peer_states, events, kept_events, outbox, letters, deliveries,
    federation_tokens, invites, signing_keys, trusted_servers, exchanges, dedup, cursors, keys, endpoints, agents, logins";

/// What a copy has.
const COPIED: &str =
    "instance, teams, peers, peer_states, events, kept_events, outbox, letters, deliveries,
    federation_tokens, invites, signing_keys, trusted_servers, exchanges, dedup, cursors, keys, endpoints, agents";

/// A connection of its own to a database whose schema is the newest.
async fn connect(address: &PostgresAddress, role: Role) -> Result<Object> {
    let pool = open::pool(address, 1)?;
    // Not as a server: nobody wants to wait for a database that is not there.
    let mut client = open::connect(&pool, address, Role::Visitor).await?;
    open::check(&client, address).await?;
    open::migrate(&mut client, address, role).await?;
    Ok(client)
}

/// Everything durable, as of one moment. With a depth also what only the database can tell of its soundness.
pub(in crate::store) async fn export(
    address: &PostgresAddress,
    depth: Option<Depth>,
) -> Result<Rows> {
    let client = connect(address, Role::Visitor).await?;
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    client.batch_execute(PATIENTLY).await?;
    // Before the moment that is copied is chosen: a view from before the end of a restore would find all tables empty.
    client
        .batch_execute(&format!("LOCK TABLE {COPIED} IN ACCESS SHARE MODE"))
        .await?;
    let (mut inlet, rows) = stream();
    tokio::spawn(async move {
        let made = tell(&client, depth, &mut inlet).await;
        // With it ends the transaction.
        drop(Object::take(client));
        inlet.end(made).await;
    });
    Ok(rows)
}

async fn tell(client: &Object, depth: Option<Depth>, inlet: &mut Inlet) -> Result<()> {
    for table in TABLES {
        if table.is(&DEDUP) && depth == Some(Depth::Full) {
            client.batch_execute(BY_ANY_PLAN).await?;
            select(client, &REPEATS, REPEATS_SQL, inlet).await?;
            select(client, &ORPHANS, ORPHANS_SQL, inlet).await?;
        }
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {}",
            table.names(),
            table.name,
            table.order
        );
        select(client, table, &sql, inlet).await?;
    }
    Ok(())
}

/// Puts what a query finds into a stream. The server sends no faster than rows are taken.
async fn select(
    client: &Object,
    table: &'static Table,
    sql: &str,
    inlet: &mut Inlet,
) -> Result<()> {
    let found = client.query_raw(sql, Vec::<i64>::new()).await?;
    let mut found = pin!(found);
    while let Some(row) = found.next().await {
        let row = row?;
        let values = (0..table.columns.len()).map(|index| column(&row, index));
        let values = values.collect::<Result<_>>()?;
        inlet.put(Row { table, values }).await?;
    }
    Ok(())
}

/// A database that nobody else uses, with a transaction that is to fill it.
pub(in crate::store) struct Place {
    client: Object,
    replaced: Option<Replaced>,
}

impl Place {
    /// Takes a database, which must be empty unless what is there is to be replaced.
    pub(in crate::store) async fn take(address: &PostgresAddress, replaces: bool) -> Result<Self> {
        let client = connect(address, Role::Server).await?;
        client.batch_execute("BEGIN").await?;
        client.batch_execute(PATIENTLY).await?;
        alone(&client, address).await?;
        // Who comes from now on waits; who has come before is seen.
        client
            .batch_execute(&format!("LOCK TABLE {ALL} IN ACCESS EXCLUSIVE MODE"))
            .await?;
        alone(&client, address).await?;
        let replaced = contents(&client).await?;
        if replaced.is_some() && !replaces {
            return Err(StoreError::NotEmpty(address.to_string()));
        }
        Ok(Self { client, replaced })
    }

    async fn copy(&self, mut rows: Rows) -> Result<u64> {
        let mut page = rows.next().await?.unwrap_or_default().into_iter();
        let mut next = page.next();
        let mut count = 0;
        // A copy per table, with as many pages as the table has.
        while let Some(first) = next.take() {
            let table = first.table;
            let types: Vec<Type> = table
                .columns
                .iter()
                .map(|(_, kind)| sql_type(*kind))
                .collect();
            let sql = format!("COPY {} ({}) FROM STDIN BINARY", table.name, table.names());
            let sink = self.client.copy_in::<_, Bytes>(&sql).await?;
            let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
            let mut row = Some(first);
            while let Some(given) = row.take() {
                if !given.table.is(table) {
                    next = Some(given);
                    break;
                }
                writer.as_mut().write_raw(&given.values).await?;
                count += 1;
                row = page.next();
                while row.is_none() {
                    let Some(more) = rows.next().await? else {
                        break;
                    };
                    page = more.into_iter();
                    row = page.next();
                }
            }
            writer.finish().await?;
        }
        Ok(count)
    }
}

#[async_trait]
impl Target for Place {
    fn replaced(&self) -> Option<&Replaced> {
        self.replaced.as_ref()
    }

    async fn fill(self: Box<Self>, rows: Rows, expected: u64) -> Result<Filled> {
        if self.replaced.is_some() {
            let empty = format!("TRUNCATE {ALL} RESTART IDENTITY");
            self.client.batch_execute(&empty).await?;
        }
        let count = self.copy(rows).await?;
        if count != expected {
            return Err(StoreError::cut_short(expected, count));
        }
        // The next team and the next peer get the next number.
        for table in ["teams", "peers"] {
            self.client
                .batch_execute(&format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', 'number'), max(number)) FROM {table} HAVING count(*) > 0"
                ))
                .await?;
        }
        let committed = self.client.batch_execute("COMMIT").await;
        committed.map_err(super::outcome)?;
        Ok(Filled { set_aside: None })
    }
}

/// Refuses a database on which other kites are at work.
async fn alone(client: &Object, address: &PostgresAddress) -> Result<()> {
    let row = client
        .query_one(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND application_name IN ('kite', current_setting('application_name'))",
            &[],
        )
        .await?;
    match column(&row, 0)? {
        0 => Ok(()),
        count => Err(StoreError::Shared {
            place: address.to_string(),
            count,
        }),
    }
}

/// What a database has given; none when it is empty.
async fn contents(client: &Object) -> Result<Option<Replaced>> {
    let mut heads = HashMap::new();
    for row in client.query("SELECT id, last_seq FROM teams", &[]).await? {
        heads.insert(column(&row, 0)?, unsigned(column(&row, 1)?));
    }
    let instance = client
        .query_opt("SELECT access_version FROM instance", &[])
        .await?;
    if heads.is_empty() && instance.is_none() {
        return Ok(None);
    }
    let access_version = instance.map(|row| column(&row, 0)).transpose()?;
    Ok(Some(Replaced {
        heads,
        access_version: access_version.unwrap_or(0),
        unreadable: None,
    }))
}

fn sql_type(kind: Kind) -> Type {
    match kind {
        Kind::Integer => Type::INT8,
        Kind::Small => Type::INT4,
        Kind::Flag => Type::BOOL,
        Kind::Text => Type::TEXT,
        Kind::Bytes => Type::BYTEA,
    }
}

fn is_known(ty: &Type) -> bool {
    [Type::INT8, Type::INT4, Type::BOOL, Type::TEXT, Type::BYTEA].contains(ty)
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Self::Integer(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Integer(i32::from_sql(ty, raw)?.into()),
            Type::BOOL => Self::Integer(bool::from_sql(ty, raw)?.into()),
            Type::BYTEA => Self::Bytes(Vec::from_sql(ty, raw)?),
            _ => Self::Text(String::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        is_known(ty)
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => match *ty {
                Type::BOOL => (*number != 0).to_sql(ty, out),
                Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
                _ => number.to_sql(ty, out),
            },
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        is_known(ty)
    }

    to_sql_checked!();
}

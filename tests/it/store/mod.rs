//! The contract of the store: small cases that every implementation passes.

use std::sync::Arc;

use access::*;
use cursors::*;
use kite::protocol::event::dedup_key;
use kite::protocol::id::TeamId;
use kite::protocol::permission::Permissions;
use kite::protocol::scope::{Filter, Scopes};
use kite::server::new_key;
use kite::store::record::{Batch, Dedup, KeyRecord, NewEvent, Outcome, Stretch};
use kite::store::{Address, Role, Store, open};
use log::*;
use login::*;

use crate::support::postgres::Cluster;

/// A store of its own.
struct Room {
    store: Arc<dyn Store>,
    address: Address,
    /// Where it is, if that is a file.
    _dir: Option<tempfile::TempDir>,
}

async fn sqlite() -> Room {
    let dir = tempfile::tempdir().unwrap();
    let address = Address::Sqlite(dir.path().join("kite.db"));
    Room {
        store: furnished(&address).await,
        address,
        _dir: Some(dir),
    }
}

async fn postgres() -> Room {
    let address = Cluster::shared().database().parse().unwrap();
    Room {
        store: furnished(&address).await,
        address,
        _dir: None,
    }
}

/// A new store with an instance and two teams.
async fn furnished(address: &Address) -> Arc<dyn Store> {
    let store = open(address, Role::Server).await.unwrap();
    store.instance(identity(None, 1)).await.unwrap();
    for team in ["acme", "rival"] {
        store.create_team(id(team), key(team)).await.unwrap();
    }
    store
}

/// Expands every case for every implementation, so that none can be missing on one side.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                let room = super::sqlite().await;
                super::$case(&*room.store).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                let room = super::postgres().await;
                super::$case(&*room.store).await;
            })*
        }
    };
}

mod access;
mod changes;
mod cursors;
mod federation;
mod log;
mod login;
mod openintent;

contract! {
    numbers_are_dense_per_team_and_follow_the_order_of_the_batch,
    the_same_event_again_is_stored_once_also_within_a_batch,
    another_content_under_the_same_name_is_told_apart,
    an_unknown_team_spoils_nothing_for_others,
    usage_counts_what_was_stored_in_the_month,
    what_is_over_the_quota_is_refused_and_what_was_stored_before_is_known,
    a_turn_of_the_quota_is_stored_once_and_counts_in_no_quota,
    a_page_ends_at_its_limits_and_the_next_one_goes_on,
    filters_and_teams_bound_what_is_read,
    retention_takes_the_oldest_and_leaves_a_watermark,
    what_was_accepted_is_forgotten_by_age,
    recent_events_come_newest_first,
    a_time_finds_its_place,
    a_new_cursor_stands_at_the_end_and_stays_there,
    cursors_move_forward_only,
    only_the_newest_hold_moves_a_cursor,
    cursors_that_nobody_uses_are_dropped,
    who_follows_gets_events_as_they_were_appended,
    the_heads_of_several_logs_are_known_at_once,
    a_scanned_position_is_forgotten_with_its_filter,
    keys_are_found_by_prefix_and_revoked_within_their_team,
    every_change_of_access_changes_the_version,
    an_endpoint_keeps_its_id_when_its_token_is_replaced,
    agents_belong_to_their_team,
    counts_tell_only_of_the_team,
    an_instance_keeps_its_id_and_its_key,
    an_instance_keeps_the_identity_key_that_was_first,
    a_rotated_secret_leaves_the_old_one_for_a_while,
    a_complete_endpoint_is_kept_where_that_is_wanted,
    an_endpoint_that_is_there_is_kept_where_that_is_wanted,
    a_deactivated_endpoint_is_woken_by_a_new_token,
    keys_are_listed_with_their_last_use,
    events_are_found_by_their_id_within_their_team,
    a_device_login_is_granted_once,
    a_device_login_that_was_denied_or_is_over_gives_nothing,
    polling_too_fast_lengthens_the_interval,
}

fn id(team: &str) -> TeamId {
    team.parse().unwrap()
}

fn key(team: &str) -> KeyRecord {
    new_key(id(team), None, Permissions::default(), Scopes::all(), 1).1
}

fn filter(scopes: &[&str]) -> Arc<Filter> {
    Arc::new(Filter {
        requested: Scopes::parse(scopes).unwrap(),
        allowed: Scopes::all(),
    })
}

fn event(team: &str, name: &str, created_at: i64) -> NewEvent {
    NewEvent {
        kitesource: Some("api".to_owned()),
        ..NewEvent::bare(
            id(team),
            [name, "com.acme.note", "https://acme.example"],
            created_at,
            format!("{{\"id\":\"{name}\"}}"),
        )
    }
}

fn named(team: &str, name: &str) -> NewEvent {
    let dedup = Dedup {
        key: dedup_key("test", &[name]),
        fingerprint: None,
    };
    NewEvent {
        dedup: Some(dedup),
        ..event(team, name, 5)
    }
}

async fn append(store: &dyn Store, events: Vec<NewEvent>) -> Vec<Outcome> {
    let month = "2026-11".to_owned();
    let appended = store
        .append(Arc::new(Batch {
            events,
            month,
            events_limit: None,
        }))
        .await
        .unwrap();
    appended
        .into_iter()
        .map(|appended| appended.outcome)
        .collect()
}

async fn fill(store: &dyn Store, team: &str, count: i64) {
    let events = (1..=count)
        .map(|n| event(team, &format!("e{n}"), n * 10))
        .collect();
    append(store, events).await;
}

fn stretch(team: &str, after: u64, through: u64, max_events: usize) -> Stretch {
    Stretch {
        team: id(team),
        after,
        through,
        filter: filter(&["*"]),
        max_events,
    }
}

//! Cursors, their holds, and nodes that follow.

use kite::protocol::id::ClientId;

use kite::store::record::{Cursor, CursorMove, Hold};

use kite::store::Store;

use super::*;

pub(super) fn hold(client: &str, number: u64) -> Hold {
    Hold {
        team: id("acme"),
        client: client.parse().unwrap(),
        number,
    }
}

/// Opens a cursor; the number of the hold comes with it.
pub(super) async fn take_cursor(store: &dyn Store, client: &str, filter: u8) -> (Cursor, u64) {
    let client: ClientId = client.parse().unwrap();
    store
        .open_cursor(id("acme"), client, [filter; 32], 1)
        .await
        .unwrap()
}

pub(super) async fn open_cursor(store: &dyn Store, client: &str, filter: u8) -> Cursor {
    take_cursor(store, client, filter).await.0
}

pub(super) fn cursor_move(hold: Hold, acked: u64, scanned: u64, filter: u8) -> CursorMove {
    let cursor = Cursor {
        acked,
        scanned,
        filter: [filter; 32],
    };
    CursorMove { hold, cursor }
}

/// Opens a cursor and moves it.
pub(super) async fn move_cursor(
    store: &dyn Store,
    client: &str,
    acked: u64,
    scanned: u64,
    filter: u8,
) {
    let (_, number) = take_cursor(store, client, 0).await;
    let moved = cursor_move(hold(client, number), acked, scanned, filter);
    assert_eq!(store.move_cursors(vec![moved], 1).await.unwrap(), []);
}

pub(super) async fn a_new_cursor_stands_at_the_end_and_stays_there(store: &dyn Store) {
    fill(store, "acme", 3).await;
    let new = open_cursor(store, "c", 1).await;
    assert_eq!((new.acked, new.scanned), (3, 3));
    fill(store, "acme", 2).await;
    assert_eq!(open_cursor(store, "c", 1).await, new);
    assert_eq!(open_cursor(store, "other", 1).await.acked, 5);
}

pub(super) async fn cursors_move_forward_only(store: &dyn Store) {
    open_cursor(store, "c", 1).await;
    move_cursor(store, "c", 7, 9, 1).await;
    move_cursor(store, "c", 5, 6, 1).await;
    let cursor = open_cursor(store, "c", 1).await;
    assert_eq!((cursor.acked, cursor.scanned), (7, 9));
    let unknown = cursor_move(hold("never-opened", 1), 5, 6, 1);
    let lost = store.move_cursors(vec![unknown.clone()], 1).await.unwrap();
    assert_eq!(lost, [unknown.hold]);
    assert_eq!(open_cursor(store, "never-opened", 1).await.acked, 0);
}

pub(super) async fn only_the_newest_hold_moves_a_cursor(store: &dyn Store) {
    let (_, old) = take_cursor(store, "c", 1).await;
    let (_, new) = take_cursor(store, "c", 1).await;
    let (_, other) = take_cursor(store, "other", 1).await;
    assert!(old < new);
    let moves = vec![
        cursor_move(hold("c", old), 7, 7, 1),
        cursor_move(hold("other", other), 5, 5, 1),
    ];
    let lost = store.move_cursors(moves, 1).await.unwrap();
    assert_eq!(lost, [hold("c", old)]);
    let held = vec![hold("other", other), hold("c", old), hold("c", new)];
    assert_eq!(
        store.lost_holds(held).await.unwrap(),
        [hold("c", old)],
        "who has lost its cursor can find out"
    );
    assert_eq!(open_cursor(store, "c", 1).await.acked, 0);
    assert_eq!(open_cursor(store, "other", 1).await.acked, 5);
}

pub(super) async fn cursors_that_nobody_uses_are_dropped(store: &dyn Store) {
    fill(store, "acme", 3).await;
    let (_, renewed) = take_cursor(store, "renewed", 1).await;
    take_cursor(store, "unused", 1).await;
    let holds = vec![hold("renewed", renewed), hold("unused", 99)];
    store.renew_holds(holds, 50).await.unwrap();
    assert_eq!(store.drop_cursors(50).await.unwrap(), 1);
    fill(store, "acme", 2).await;
    assert_eq!(open_cursor(store, "renewed", 1).await.acked, 3);
    assert_eq!(open_cursor(store, "unused", 1).await.acked, 5);
}

pub(super) async fn who_follows_gets_events_as_they_were_appended(store: &dyn Store) {
    let mut message = event("acme", "m", 7);
    message.kitesource = None;
    message.agent_to = Some("alpha".to_owned());
    append(store, vec![event("acme", "a", 5), message]).await;
    let followed = store.follow(id("acme"), 1, 9).await.unwrap();
    let [(2, last)] = followed.as_slice() else {
        panic!("{followed:?}");
    };
    assert_eq!((last.id.as_str(), last.created_at), ("m", 7));
    assert_eq!(
        (last.kitesource.as_deref(), last.agent_to.as_deref()),
        (None, Some("alpha"))
    );
    assert_eq!(
        (&*last.kind, &*last.text),
        ("com.acme.note", "{\"id\":\"m\"}")
    );
    fill(store, "acme", 1000).await;
    let (mut after, mut pages) = (0, 0);
    while after < 1002 {
        let page = store.follow(id("acme"), after, 1002).await.unwrap();
        assert_eq!(page[0].0, after + 1);
        after = page.last().unwrap().0;
        pages += 1;
    }
    assert!(pages > 1, "a thousand events at once are too many");
    assert!(store.follow(id("rival"), 0, 9).await.unwrap().is_empty());
}

pub(super) async fn the_heads_of_several_logs_are_known_at_once(store: &dyn Store) {
    fill(store, "acme", 5).await;
    let teams = ["rival", "nobody", "acme"].map(id).into();
    let mut heads = store.heads(teams).await.unwrap();
    heads.sort();
    assert_eq!(heads, [(id("acme"), 5), (id("rival"), 0)]);
}

pub(super) async fn a_scanned_position_is_forgotten_with_its_filter(store: &dyn Store) {
    open_cursor(store, "c", 1).await;
    move_cursor(store, "c", 3, 90, 1).await;
    assert_eq!(open_cursor(store, "c", 2).await.resume(&[2; 32]), 3);
    move_cursor(store, "c", 4, 4, 2).await;
    assert_eq!(open_cursor(store, "c", 1).await.resume(&[1; 32]), 4);
}

//! What each answer of a peer, and the lack of one, means for a row: whether it waits or is dead, what its `last_error`
//! says, and that others flow meanwhile (spec 14.2).

use std::process::Command;

use serde_json::{Value, json};

use super::hook::{Hook, Reply, closed_port, silent_port};
use super::site::{Instance, Site};
use crate::support::authority::Authority;
use crate::support::eventually;

/// What shall become of a peer's row.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Waits,
    Dead,
}
use Fate::{Dead, Waits};

/// A status, what becomes of a row for it, and the words for it.
const STATUSES: &[(u16, Fate, &str)] = &[
    (301, Waits, "redirects are not followed"),
    (302, Waits, "redirects are not followed"),
    (307, Waits, "redirects are not followed"),
    (308, Waits, "redirects are not followed"),
    (400, Dead, "the peer refused the event"),
    (401, Waits, "the peer refused the token"),
    (402, Waits, "quota is used up"),
    (403, Waits, "paused or revoked"),
    (404, Waits, "knows no such hook"),
    (408, Waits, "the whole request in time"),
    (410, Waits, "the peer's hook is gone"),
    (413, Dead, "too large for the peer"),
    (415, Dead, "takes no CloudEvents in JSON"),
    (418, Waits, "an unexpected answer"),
    (422, Dead, "the peer refused the event"),
    (425, Waits, "not ready yet"),
    (429, Waits, "takes no more for now"),
    (500, Waits, "the peer failed"),
    (503, Waits, "the peer failed"),
];

/// Waits until a peer's one row has an error, and looks at all of it.
async fn judged(instance: &Instance, peer: &Value, fate: Fate, words: &str) -> Value {
    let name = peer["name"].as_str().unwrap();
    let look = async || {
        let mut rows = instance.rows(peer).await;
        rows.pop().filter(|row| row["last_error"].is_string())
    };
    let row = eventually(&format!("`{name}` has failed"), look).await;
    let status = if fate == Dead { "dead" } else { "pending" };
    assert_eq!(row["status"], status, "{name}: {row}");
    let error = row["last_error"].as_str().unwrap();
    assert!(error.contains(words), "{name}: {error}");
    assert!(!error.contains(super::TOKEN), "{name}: {error}");
    if fate == Waits {
        let failed = instance.health(name).await;
        // Probes end soon enough that it may have failed again by now.
        assert!(failed["failures"].as_u64().unwrap() >= 1, "{failed}");
        assert_eq!(failed["backlog"], 1, "{failed}");
    }
    row
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_status_has_its_meaning_and_delays_no_other_peer() {
    let site = Site::new();
    let hook = site
        .hook(|peer, _, before| match peer.parse::<u16>() {
            Ok(code) if code == 429 && before == 0 => {
                Reply::with(code, "retry-after: 3\r\n", b"slow down")
            }
            Ok(301..=308) => {
                Reply::with(peer.parse().unwrap(), "location: /hooks/good/kite\r\n", b"")
            }
            // What is about the event stays so, as long as nothing is mended.
            Ok(code) if before == 0 => Reply::status(code),
            _ => Reply::status(202),
        })
        .await;
    let a = site.instance("a");
    let good = a.add("good", &hook.url("good")).await;
    let mut peers = Vec::new();
    for (code, _, _) in STATUSES {
        peers.push(a.add(&code.to_string(), &hook.url(&code.to_string())).await);
    }
    a.emit("e-1").await;
    hook.has_come("good", 1).await;
    for (peer, (code, fate, words)) in peers.iter().zip(STATUSES) {
        // A row that waits may be tried again at once: then its first attempt tells.
        let look = async || {
            let first = a.attempts(peer).await.pop();
            first.filter(|first| first["status_code"] == *code)
        };
        let first = eventually(&format!("{code} was answered"), look).await;
        let error = first["error"].as_str().unwrap();
        assert!(error.contains(words), "{code}: {error}");
        assert!(error.contains(&format!("({code})")), "{code}: {error}");
        if *fate == Dead {
            judged(&a, peer, Dead, words).await;
            assert_eq!(a.health(&code.to_string()).await["dead_letters"], 1);
        }
    }
    // Those that wait are tried again; but the redirects, which nobody mends.
    for (peer, (code, fate, _)) in peers.iter().zip(STATUSES) {
        let name = code.to_string();
        match (fate, code) {
            (Dead, _) => assert_eq!(hook.counts(&name)["e-1"], 1, "{code}"),
            (Waits, 301..=308) => drop(judged(&a, peer, Waits, "redirects").await),
            (Waits, _) => {
                a.until(&name, "has it", |health| health["backlog"] == 0)
                    .await;
                assert_eq!(hook.counts(&name)["e-1"], 2, "{code}");
            }
        }
    }
    // What was asked for was waited for.
    let busy = a
        .attempts(&peers[STATUSES.iter().position(|it| it.0 == 429).unwrap()])
        .await;
    let at = |nth: usize| -> jiff::Timestamp {
        busy[nth]["created_at"].as_str().unwrap().parse().unwrap()
    };
    let waited = at(0).duration_since(at(1)).as_millis();
    assert!(waited >= 2_990, "{waited} ms");
    assert!(
        busy[1]["error"].as_str().unwrap().ends_with("slow down"),
        "{busy:?}"
    );
    // No redirect led there.
    assert_eq!(hook.counts("good"), [("e-1".to_owned(), 1)].into());
    assert_eq!(a.attempts(&good).await.len(), 1);
}

/// More than two hundred megabytes of nothing, packed.
fn bomb() -> Vec<u8> {
    let line = "head -c 200000000 /dev/zero | gzip";
    let packed = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(packed.stdout.len() > 100_000, "{packed:?}");
    packed.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_answer_costs_one_attempt_and_no_memory() {
    let site = Site::new();
    let bomb = bomb();
    let hook = site
        .hook(move |peer, _, _| {
            let endless =
                |head: &str, more: &[u8]| Reply::Endless(head.as_bytes().to_vec(), more.to_vec());
            match peer {
                "midbody" => {
                    Reply::Breaks(b"HTTP/1.1 202 So\r\ncontent-length: 100\r\n\r\nhalf".to_vec())
                }
                "midhead" => Reply::Breaks(b"HTTP/1.1 202 So\r\ncontent-le".to_vec()),
                "mute" => Reply::Breaks(Vec::new()),
                "garbage" => Reply::Breaks(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
                "body" => endless("HTTP/1.1 500 So\r\n\r\n", &[b'x'; 16_384]),
                "taken" => endless("HTTP/1.1 202 So\r\n\r\n", &[b'x'; 16_384]),
                "chunks" => endless(
                    "HTTP/1.1 503 So\r\ntransfer-encoding: chunked\r\n\r\n",
                    b"5\r\nabcde\r\n",
                ),
                "head" => endless("HTTP/1.1 202 So\r\n", b"x-more: and more and more\r\n"),
                "promise" => endless(
                    "HTTP/1.1 100 Continue\r\n\r\n",
                    b"HTTP/1.1 100 Continue\r\n\r\n",
                ),
                "bomb" => Reply::with(500, "content-encoding: gzip\r\n", &bomb),
                _ => Reply::status(202),
            }
        })
        .await;
    let a = site.instance("a");
    let before = a.server.memory_kib();
    a.add("good", &hook.url("good")).await;
    let mut peers = Vec::new();
    for (name, words) in [
        ("midbody", "broke off"),
        ("midhead", "broke off"),
        ("mute", "broke off"),
        ("garbage", "broke off"),
        ("body", "the peer failed (500): xxx"),
        ("chunks", "the peer failed (503): abcdeabcde"),
        ("head", "broke off"),
        ("bomb", "the peer failed (500)"),
    ] {
        peers.push((a.add(name, &hook.url(name)).await, words));
    }
    a.add("taken", &hook.url("taken")).await;
    a.emit("e-1").await;
    hook.has_come("good", 1).await;
    for (peer, words) in &peers {
        let row = judged(&a, peer, Waits, words).await;
        // Two hundred characters are kept, and the words before them.
        assert!(
            row["last_error"].as_str().unwrap().chars().count() < 300,
            "{row}"
        );
    }
    // An event that was taken is delivered, whatever else is said.
    a.until("taken", "has it", |health| health["backlog"] == 0)
        .await;
    assert_eq!(hook.counts("taken")["e-1"], 1);
    for nth in 2..=20 {
        a.emit(&format!("e-{nth}")).await;
    }
    hook.has_come("good", 20).await;
    let grown = a.server.memory_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
    // What the system holds for both ends of each connection; a body without an end would be far beyond.
    let taken = hook.sent_bytes();
    assert!(taken < 400 * 1024 * 1024, "{taken} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_cannot_prove_who_it_is_gets_nothing_and_one_that_is_away_waits() {
    let site = Site::new();
    let expired = Hook::start(&site.authority.expired("localhost"), |_, _, _| Reply::Hangs).await;
    let other = Hook::start(&site.authority.identify("other.example"), |_, _, _| {
        Reply::Hangs
    })
    .await;
    let stranger = Hook::start(&Authority::new().identify("localhost"), |_, _, _| {
        Reply::Hangs
    })
    .await;
    let good = site.hook(|_, _, _| Reply::status(202)).await;
    let (silent, closed) = (silent_port().await, closed_port().await);
    let a = site.instance("a");
    let url = |port: u16| format!("https://localhost:{port}/hooks/t/kite");
    let mut peers = Vec::new();
    for (name, url, words) in [
        ("expired", expired.url("t"), "certificate has expired"),
        ("other", other.url("t"), "certificate is for another name"),
        ("stranger", stranger.url("t"), "`--ca-file`"),
        ("closed", url(closed), "no connection to `localhost:"),
        (
            "gone",
            "https://gone.invalid/hooks/t/kite".to_owned(),
            "the name `gone.invalid` has no address",
        ),
        // A limit of 5 s of its own.
        ("silent", url(silent), "no connection to `localhost:"),
    ] {
        peers.push((a.add(name, &url).await, words));
    }
    a.add("good", &good.url("good")).await;
    a.emit("e-1").await;
    good.has_come("good", 1).await;
    for (peer, words) in &peers {
        let row = judged(&a, peer, Waits, words).await;
        let error = row["last_error"].as_str().unwrap();
        assert!(!error.contains("/hooks"), "{error}");
        assert!(
            a.attempts(peer)
                .await
                .iter()
                .all(|it| it["status_code"].is_null())
        );
    }
    for hook in [&expired, &other, &stranger] {
        assert!(hook.connections() > 0);
        assert!(hook.events("t").is_empty(), "nothing was said to it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_peer_is_waited_for_and_one_that_never_answers_is_given_up_after_15_s() {
    const EVENTS: usize = 200;
    let site = Site::new();
    let hook = site
        .hook(|peer, _, _| match peer {
            "slow" => Reply::Opened(202),
            "never" => Reply::Hangs,
            _ => Reply::status(202),
        })
        .await;
    let a = site.instance("a");
    let slow = a.add("slow", &hook.url("slow")).await;
    let never = a.add("never", &hook.url("never")).await;
    a.add("good", &hook.url("good")).await;
    a.emit("e-0").await;
    hook.has_come("slow", 1).await;
    hook.has_come("never", 1).await;
    for nth in 1..EVENTS {
        a.emit(&format!("e-{nth}")).await;
    }
    hook.has_come("good", EVENTS).await;
    a.until("good", "has all", |health| health["backlog"] == 0)
        .await;
    // Neither has answered, and no more than one post waits for each: the next one may not overtake it.
    for name in ["slow", "never"] {
        assert_eq!(hook.counts(name), [("e-0".to_owned(), 1)].into(), "{name}");
        assert_eq!(a.health(name).await["backlog"], EVENTS);
    }
    // Ten seconds are no fault, by what is written down and not by this test's watch.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(a.attempts(&slow).await, Vec::<Value>::new());
    hook.open();
    a.until("slow", "has all", |health| health["backlog"] == 0)
        .await;
    assert!(hook.counts("slow").values().all(|count| *count == 1));
    let first = a.attempts(&slow).await.pop().unwrap();
    assert_eq!(
        (&first["attempt"], &first["status_code"]),
        (&json!(1), &json!(202))
    );
    assert!(first["latency_ms"].as_u64().unwrap() >= 10_000, "{first}");
    let look = async || a.attempts(&never).await.pop();
    let given_up = eventually("the attempt is given up", look).await;
    let error = given_up["error"].as_str().unwrap();
    assert!(error.starts_with("`localhost:"), "{error}");
    assert!(error.ends_with("did not answer within 15 s"), "{error}");
    assert!(
        given_up["latency_ms"].as_u64().unwrap() >= 15_000,
        "{given_up}"
    );
    assert_eq!(a.health("never").await["backlog"], EVENTS);
}

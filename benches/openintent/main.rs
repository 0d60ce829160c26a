//! How many intents kite verifies and stores in a second, beside how many the reference server just takes: the same load
//! on both, one after the other. `scripts/bench-openintent.sh` runs it.
//!
//! The reference server, one process as it ships, gets plain intents with an API key: it verifies nothing and keeps
//! everything in memory. kite gets signed ones without a key, each with a chain of three tokens, and answers when they are
//! on the disk. Two kinds of chains: one that comes with every intent, as a token that is valid for an hour does, and one of
//! its own for each intent, of which kite can have verified nothing before.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement says what it found, and what is wrong by panicking"
)]

mod load;
mod parties;
mod servers;

use std::time::Duration;

use load::Outcome;
use parties::{Chains, Parties};
use servers::{KEY, Kite, Reference};

/// How many connections post at the same time, in the runs.
const CONNECTIONS: [usize; 2] = [16, 64];

/// How often kite should do what the reference server does once.
const WANTED: f64 = 10.0;

fn main() {
    // `cargo test` may start every benchmark once.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let seconds = setting("KITE_BENCH_SECONDS", 8);
    // Bounds the memory for what is prepared: each intent is 4 KiB.
    let intents = setting("KITE_BENCH_INTENTS", 60_000) as usize;
    let parties = Parties::start();

    let reference = Reference::start(parties.source());
    let plain = |number: u64| parties.plain(number);
    let theirs = CONNECTIONS.map(|connections| {
        let length = Duration::from_secs(seconds);
        let before = reference.processor();
        let outcome = load::for_a_while(reference.address(), KEY, connections, length, &plain);
        let processor = reference.processor() - before;
        say("reference server, plain", connections, &outcome, processor);
        outcome.per_second()
    });
    drop(reference);
    let theirs = theirs.into_iter().fold(0.0, f64::max);

    let mut least = f64::INFINITY;
    for chains in [Chains::Shared, Chains::Own] {
        for connections in CONNECTIONS {
            // A fresh one for each run, so that none has the log of another.
            let kite = Kite::start(&parties.urls());
            let prepared = parties.signed(&kite.url, chains, intents);
            let (warm_up, measured) = prepared.split_at(intents / 10);
            load::all(kite.address(), connections, warm_up);
            let before = kite.processor();
            let outcome = load::all(kite.address(), connections, measured);
            let processor = kite.processor() - before;
            assert_eq!(
                kite.received(),
                intents as u64,
                "kite has not stored them all"
            );
            let ours = outcome.per_second();
            say(
                &format!("kite, signed, {chains:?} chain of three"),
                connections,
                &outcome,
                processor,
            );
            eprintln!(
                "    {:.1} times the best of the reference server",
                ours / theirs
            );
            println!(
                r#"{{"chains":"{}","connections":{connections},"reference_per_second":{theirs:.0},"kite_per_second":{ours:.0},"ratio":{:.2}}}"#,
                format!("{chains:?}").to_lowercase(),
                ours / theirs
            );
            least = least.min(ours / theirs);
        }
    }
    eprintln!("{least:.1} times the reference server's rate at least; {WANTED} are wanted");
}

fn say(what: &str, connections: usize, outcome: &Outcome, processor: Duration) {
    eprintln!(
        "{what}, {connections} connections: {:.0} a second ({} in {:.1} s, {:.0} µs of processor each)",
        outcome.per_second(),
        outcome.taken,
        outcome.took.as_secs_f64(),
        processor.as_secs_f64() * 1e6 / outcome.posted as f64
    );
}

fn setting(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap(),
        _ => usual,
    }
}

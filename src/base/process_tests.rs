use std::fs;
use std::path::Path;
use std::time::Instant;

use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

use super::*;

/// Longer than any of these takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn job<'a>(line: &str, limit: Duration, stdout_max: Option<usize>) -> Job<'a> {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    Job {
        command,
        input: None,
        limit,
        stdout_max,
        is_aloud: false,
    }
}

async fn run(line: &str) -> Ran {
    job(line, PATIENCE, Some(1024 * 1024)).run().await.unwrap()
}

async fn cut_short(line: &str) -> Ran {
    let limit = Duration::from_millis(100);
    job(line, limit, Some(1024)).run().await.unwrap()
}

/// Waits until the file is there, and reads the process ids in it.
async fn pids(path: &Path, count: usize) -> Vec<Pid> {
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let whole = text.lines().filter_map(|line| line.parse().ok());
        let pids: Vec<Pid> = whole.filter_map(Pid::from_raw).collect();
        if pids.len() >= count && text.ends_with('\n') {
            return pids;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs: one that has ended and that nobody has waited for does not.
fn runs(pid: Pid) -> bool {
    let is_there = test_kill_process(pid).is_ok();
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    is_there && !state.is_ok_and(|state| state.contains(") Z"))
}

async fn wait_for_end(pids: &[Pid]) {
    let since = Instant::now();
    while pids.iter().any(|pid| runs(*pid)) {
        assert!(since.elapsed() < PATIENCE, "{pids:?} are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_end_says_how_and_the_last_words_why() {
    assert_eq!(run("exit 0").await.end, End::Done);
    let failed = run("echo one; echo two >&2; exit 3").await;
    assert_eq!(failed.end, End::Code(3));
    assert_eq!(
        (failed.stdout.as_slice(), failed.said.as_str()),
        (&b"one\n"[..], "two\n")
    );
    assert_eq!(run("kill -9 $$").await.end, End::Signal(9));
    let missing = Job {
        command: Command::new("no such program"),
        ..job("", PATIENCE, None)
    };
    let fault = missing.run().await.unwrap_err();
    assert_eq!(fault.kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn input_need_not_be_read_and_is_whole_where_it_is() {
    let much = vec![b'x'; 1024 * 1024];
    let read = async |line: &str| {
        let job = Job {
            input: Some(&much),
            ..job(line, PATIENCE, Some(much.len()))
        };
        job.run().await.unwrap()
    };
    assert_eq!(read("cat").await.stdout.len(), much.len());
    for line in ["exit 0", "exec <&-; sleep 0.1", "head -c 1 >/dev/null"] {
        assert_eq!(read(line).await.end, End::Done, "{line}");
    }
    // Somebody in the background could still read, and does not.
    let background = read("{ sleep 30; } <&0 >/dev/null 2>&1 & exit 4").await;
    assert_eq!(background.end, End::Code(4));
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended_with_all_that_it_started() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("pids");
    let mut job = job(
        "sleep 60 & echo $! >>$P; (sleep 60 & echo $! >>$P; wait) & echo $! >>$P; echo $$ >>$P; wait",
        Duration::from_millis(500),
        None,
    );
    job.command.env("P", &path);
    let since = Instant::now();
    assert_eq!(job.run().await.unwrap().end, End::OutOfTime);
    assert!(since.elapsed() < PATIENCE);
    wait_for_end(&pids(&path, 4).await).await;
}

#[tokio::test]
async fn whoever_ignores_the_request_to_end_is_killed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("pids");
    let mut job = job(
        "trap '' TERM; echo $$ >>$P; while :; do sleep 0.05; done",
        Duration::from_millis(300),
        None,
    );
    job.command.env("P", &path);
    assert_eq!(job.run().await.unwrap().end, End::OutOfTime);
    wait_for_end(&pids(&path, 1).await).await;
}

#[tokio::test]
async fn a_program_may_tidy_up_when_it_is_asked_to_end() {
    let ran = cut_short("trap 'echo tidied >&2; exit 0' TERM; while :; do sleep 0.01; done").await;
    assert_eq!(ran.end, End::OutOfTime);
    assert!(ran.said.ends_with("tidied\n"), "{}", ran.said);
}

#[tokio::test]
async fn nobody_is_left_of_what_nobody_waits_for() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("pids");
    let mut job = job(
        "sleep 60 & echo $! >>$P; echo $$ >>$P; wait",
        PATIENCE,
        None,
    );
    job.command.env("P", &path);
    let pids = tokio::select! {
        _ = job.run() => panic!("it ended"),
        pids = pids(&path, 2) => pids,
    };
    wait_for_end(&pids).await;
}

#[tokio::test]
async fn what_is_left_in_the_background_goes_on_and_holds_nobody_up() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("pids");
    let mut job = job(
        "(trap 'echo late >&2; echo $$ >>$P' USR1; while :; do sleep 0.01; done) & echo $! >>$P",
        PATIENCE,
        Some(1024),
    );
    job.command.env("P", &path);
    let since = Instant::now();
    assert_eq!(job.run().await.unwrap().end, End::Done);
    assert!(since.elapsed() < PATIENCE);
    let background = pids(&path, 1).await[0];
    // It still has a stderr.
    rustix::process::kill_process(background, rustix::process::Signal::USR1).unwrap();
    assert_eq!(pids(&path, 2).await.len(), 2);
    assert!(runs(background));
    rustix::process::kill_process(background, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_flood_costs_no_more_than_its_end() {
    let flood =
        run("head -c 100000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end >&2").await;
    assert_eq!(flood.end, End::Done);
    assert!(flood.said.len() <= 16 * 1024, "{}", flood.said.len());
    assert!(flood.said.ends_with("x\nthe end\n"));
    let too_much = run("exec cat /dev/zero").await;
    assert_eq!(too_much.end, End::TooMuch);
    assert!(too_much.stdout.len() < 2 * 1024 * 1024);
    let barely = run("head -c 1048577 /dev/zero").await;
    assert_eq!(barely.end, End::TooMuch);
    assert_eq!(run("head -c 1048576 /dev/zero").await.end, End::Done);
}

#[test]
fn last_words_are_few_lines_and_not_too_long() {
    assert_eq!(last_words("a\n\n b \r\nc\nd\n"), "b; c; d");
    assert_eq!(last_words(" \n"), "");
    let long = last_words(&"é".repeat(5000));
    assert!(
        long.starts_with("…é") && long.len() <= 2 * 1024 + 4,
        "{}",
        long.len()
    );
}

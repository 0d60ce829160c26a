//! What this machine can do: the disk, the loopback network, a server that does nothing, one that only commits.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::report::Figures;
use super::tally::Tally;
use super::{BenchError, Load, Target, bare, publish};

/// How much is written before each sync, and sent in each round trip.
const BLOCK_BYTES: usize = 512;

/// How often something was done, and how long it took.
#[derive(Debug, Clone, Serialize)]
pub struct Speed {
    /// In a second.
    pub per_second: f64,
    /// The median, in microseconds.
    pub p50_us: f64,
    /// The 99th percentile, in microseconds.
    pub p99_us: f64,
}

/// Writes blocks to a new file in a directory, each synced before the next.
pub fn sync(dir: &Path, duration: Duration) -> Result<Speed, BenchError> {
    let path = dir.join("sync");
    let fault = |error| BenchError::system("write a file")(error);
    let mut file = File::create(&path).map_err(fault)?;
    let speed = repeat(duration, || {
        file.write_all(&[b'x'; BLOCK_BYTES])?;
        file.sync_data()
    });
    // It goes with its directory if not now.
    let _ = std::fs::remove_file(&path);
    speed.map_err(fault)
}

/// Sends blocks over the loopback network and waits for each to come back.
pub fn round_trip(duration: Duration) -> Result<Speed, BenchError> {
    let fault = |error| BenchError::system("use the loopback network")(error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let echo = thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut block = [0; BLOCK_BYTES];
        while stream.read_exact(&mut block).is_ok() {
            stream.write_all(&block)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address).map_err(fault)?;
    stream.set_nodelay(true).map_err(fault)?;
    let mut block = [b'x'; BLOCK_BYTES];
    let speed = repeat(duration, || {
        stream.write_all(&block)?;
        stream.read_exact(&mut block)
    });
    drop(stream);
    // It ended with the connection.
    let _ = echo.join();
    speed.map_err(fault)
}

fn repeat(duration: Duration, mut work: impl FnMut() -> io::Result<()>) -> io::Result<Speed> {
    let (began, mut tally) = (Instant::now(), Tally::default());
    while began.elapsed() < duration {
        let start = Instant::now();
        work()?;
        tally.done(1, start.elapsed(), began.elapsed());
    }
    Ok(Speed {
        per_second: tally.per_second(began.elapsed()),
        p50_us: tally.latencies.at(0.5),
        p99_us: tally.latencies.at(0.99),
    })
}

/// What the bare server does without storing anything.
pub async fn echo(target: &Target, load: &Load) -> Result<Figures, BenchError> {
    let outcome = publish::over_http(target, bare::ECHO_PATH, load).await?;
    Ok(outcome.figures())
}

/// What the bare server does when each body is on disk before the answer.
pub async fn commit(target: &Target, load: &Load) -> Result<Figures, BenchError> {
    let outcome = publish::over_http(target, bare::EVENTS_PATH, load).await?;
    Ok(outcome.figures())
}

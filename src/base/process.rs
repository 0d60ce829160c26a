//! Run a program within limits: how long it may take, and how much of what it says is kept.
//!
//! On Unix a program is a process group of its own. At its limit the group is asked to end, and killed where it does not;
//! it is killed at once when whoever waits for the program gives up. So nothing is left of what was cut short. What a
//! program that ended by itself has left in the background goes on: it was meant to. The end of the program is the end
//! of its stdin all the same, and of what is kept of its stdout.

mod group;
mod said;

use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use group::Group;
use said::Said;
pub use said::last_words;

/// How long is waited for the last words of a program that has ended: something in the background may hold its pipes.
const LINGER: Duration = Duration::from_millis(100);

/// A program to run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The program, its arguments and its environment.
    pub command: Command,
    /// What it finds on stdin, which is closed otherwise. It need not read it.
    pub input: Option<&'a [u8]>,
    /// How long it may take, its reading included.
    pub limit: Duration,
    /// How much it may print, all of which is kept; without a limit its stdout is ours.
    pub stdout_max: Option<usize>,
    /// Whether what it says on stderr goes to ours as well.
    pub is_aloud: bool,
}

/// What became of a program that started.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// What it printed, where that is kept.
    pub stdout: Vec<u8>,
    /// The last of what it said on stderr.
    pub said: String,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Well.
    Done,
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was ended at its limit of time.
    OutOfTime,
    /// It was ended because it printed too much.
    TooMuch,
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return Self::Signal(signal);
        }
        match status.code() {
            Some(0) => Self::Done,
            Some(code) => Self::Code(code),
            None => Self::Code(-1),
        }
    }
}

impl Job<'_> {
    /// Runs it to its end, its limit, or the drop of this future.
    ///
    /// # Errors
    ///
    /// Why it does not start.
    pub async fn run(self) -> io::Result<Ran> {
        let mut command = self.command;
        command
            .stdin(self.input.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(
                self.stdout_max
                    .map_or_else(Stdio::inherit, |_| Stdio::piped()),
            )
            .stderr(Stdio::piped());
        let (mut child, mut group) = Group::start(&mut command)?;
        let said = Said::listen(child.stderr.take(), self.is_aloud);
        let mut printed = Printed::new(child.stdout.take(), self.stdout_max);
        let end = {
            let mut feeding = pin!(feed(child.stdin.take(), self.input.unwrap_or_default()));
            let mut is_fed = false;
            let running = async {
                loop {
                    tokio::select! {
                        status = child.wait() => return status.map(End::from),
                        () = printed.flood() => return Ok(End::TooMuch),
                        () = &mut feeding, if !is_fed => is_fed = true,
                    }
                }
            };
            timeout(self.limit, running)
                .await
                .unwrap_or(Ok(End::OutOfTime))?
        };
        match end {
            End::OutOfTime | End::TooMuch => group.end(&mut child).await,
            _ => group.leave(),
        }
        let (end, said) = tokio::join!(printed.finish(end), said.finish());
        Ok(Ran {
            end,
            stdout: printed.bytes,
            said,
        })
    }
}

/// Whether our stdout, which a program may have written to, is a pipe whose reader has gone.
#[cfg(unix)]
pub fn stdout_is_gone() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec::default())).is_ok()
        && asked[0].revents().contains(PollFlags::ERR)
}

/// Likewise, where nobody can tell.
#[cfg(not(unix))]
pub fn stdout_is_gone() -> bool {
    false
}

/// Writes to a program, which may end without reading: why, it says at its end.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    }
}

/// What a program prints, up to a limit.
struct Printed {
    pipe: Option<ChildStdout>,
    bytes: Vec<u8>,
    max: usize,
}

impl Printed {
    fn new(pipe: Option<ChildStdout>, max: Option<usize>) -> Self {
        Self {
            pipe,
            bytes: Vec::new(),
            max: max.unwrap_or_default(),
        }
    }

    /// Reads on, until there is too much; for ever otherwise. It can be left alone at any moment.
    async fn flood(&mut self) {
        if !self.read().await {
            std::future::pending().await
        }
    }

    /// Reads to the end; whether there is too much.
    async fn read(&mut self) -> bool {
        while let Some(pipe) = &mut self.pipe {
            match pipe.read_buf(&mut self.bytes).await {
                Ok(1..) if self.bytes.len() > self.max => return true,
                Ok(1..) => {}
                // What cannot be read has ended too.
                Ok(0) | Err(_) => self.pipe = None,
            }
        }
        false
    }

    /// Reads what is left when the program has ended.
    async fn finish(&mut self, end: End) -> End {
        match end {
            End::OutOfTime | End::TooMuch => end,
            end => match timeout(LINGER, self.read()).await {
                Ok(true) => End::TooMuch,
                _ => end,
            },
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "process_tests.rs"]
mod tests;

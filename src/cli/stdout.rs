//! Writing lines to stdout, each flushed, and none of them a reason for everything else to stand still.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::output::PrintFault;

/// How long a line may be that is written at once: so much a pipe takes whole when it takes anything (POSIX, `PIPE_BUF`
/// on Linux; elsewhere it is less).
#[cfg(unix)]
const AT_ONCE_MAX_BYTES: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// How many lines are being written by threads that may have to wait.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// How many characters a line of the terminal has that stdout is, and how many lines it has; `None` where it is none.
pub(super) fn size() -> Option<(usize, usize)> {
    #[cfg(unix)]
    {
        let stdout = io::stdout();
        let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
        // Some terminals do not know.
        let is_known = size.ws_col > 0 && size.ws_row > 0;
        is_known.then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
    }
    #[cfg(not(unix))]
    None
}

/// Writes a line, and waits for the reader as long as it takes.
pub(super) fn print(text: &str) -> Result<(), PrintFault> {
    let mut line = String::with_capacity(text.len() + 1);
    line.push_str(text);
    line.push('\n');
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(line.as_bytes());
    Ok(written.and_then(|()| stdout.flush())?)
}

/// The same without holding up everything else: where the reader takes the line at once it is written here, otherwise by
/// a thread that may wait. The step to another thread costs more than the line.
pub(super) async fn print_aside(text: String) -> Result<(), PrintFault> {
    if takes_at_once(text.len() + 1) {
        return print(&text);
    }
    WAITING.fetch_add(1, Ordering::Relaxed);
    let printed = tokio::task::spawn_blocking(move || {
        let printed = print(&text);
        WAITING.fetch_sub(1, Ordering::Relaxed);
        printed
    });
    let printed = printed.await;
    printed.unwrap_or_else(|error| Err(PrintFault::Failed(io::Error::other(error))))
}

/// Whether so many bytes can be written without waiting: for the reader, or for another line that waits for it.
#[cfg(unix)]
fn takes_at_once(bytes: usize) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    if bytes > AT_ONCE_MAX_BYTES || WAITING.load(Ordering::Relaxed) > 0 {
        return false;
    }
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::OUT)];
    let now = Timespec::default();
    let is_known = poll(&mut polled, Some(&now)).is_ok();
    is_known && polled[0].revents().contains(PollFlags::OUT)
}

#[cfg(not(unix))]
fn takes_at_once(_: usize) -> bool {
    false
}

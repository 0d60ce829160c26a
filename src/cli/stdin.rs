//! Reading stdin: what a pipe brings, or a person at the terminal, who is told that something is waited for.

use std::io::{self, IsTerminal, Read};

use super::error::{CommandError, Kind};
use super::output::ask;

/// Everything on stdin, as text.
pub(super) fn text(what: &str) -> Result<String, CommandError> {
    let mut text = String::new();
    open(what)
        .read_to_string(&mut text)
        .map_err(|error| unread(what, &error))?;
    Ok(text)
}

/// Whether somebody types what is read.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Stdin as something to read from.
pub(super) fn open(what: &str) -> impl Read + Send + use<> {
    if is_terminal() {
        ask(&format!(
            "reading {what} from the terminal: Ctrl-D on a line of its own ends it, Ctrl-C gives up"
        ));
    }
    io::stdin()
}

/// A secret on stdin, as text: a terminal does not show it while it is typed, and its line is all.
pub(super) fn secret(what: &str) -> Result<String, CommandError> {
    #[cfg(unix)]
    if is_terminal() {
        return hidden::line(what);
    }
    text(what)
}

fn unread(what: &str, error: &io::Error) -> CommandError {
    CommandError::new(
        Kind::Failed,
        format!("cannot read {what} from stdin: {error}"),
    )
}

#[cfg(unix)]
mod hidden {
    use std::io;

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use tokio::sync::oneshot;

    use super::super::context::block_on;
    use super::super::error::{CommandError, Kind};
    use super::super::output::ask;
    use super::super::signal::Interrupt;
    use super::unread;

    /// Reads a line that the terminal does not show. An interrupt leaves the terminal as it was.
    pub(super) fn line(what: &str) -> Result<String, CommandError> {
        block_on(async {
            let mut interrupt = Interrupt::new()?;
            let shown = Hidden::begin();
            ask(&format!(
                "type or paste {what} and press Enter (it is not shown); Ctrl-C gives up"
            ));
            let line = tokio::select! {
                line = next_line() => line.map_err(|error| unread(what, &error)),
                () = interrupt.wait() => {
                    Err(CommandError::new(Kind::Interrupted, "interrupted before anything was done"))
                }
            };
            drop(shown);
            line
        })
    }

    /// The next line. A thread reads it that nobody waits for: a read of the terminal cannot be given up.
    async fn next_line() -> io::Result<String> {
        let (give, given) = oneshot::channel();
        std::thread::Builder::new().spawn(move || {
            let mut line = String::new();
            // Whoever does not wait any more does not need it.
            let _ = give.send(io::stdin().read_line(&mut line).map(|_| line));
        })?;
        given
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()))
    }

    /// A terminal that does not show what is typed, while this lives.
    struct Hidden(Option<Termios>);

    impl Hidden {
        fn begin() -> Self {
            let Ok(before) = tcgetattr(io::stdin()) else {
                return Self(None);
            };
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            // The end of the line is shown, so that what follows begins on the next.
            silent.local_modes.insert(LocalModes::ECHONL);
            match tcsetattr(io::stdin(), OptionalActions::Flush, &silent) {
                Ok(()) => Self(Some(before)),
                Err(_) => Self(None),
            }
        }
    }

    impl Drop for Hidden {
        fn drop(&mut self) {
            if let Some(before) = &self.0 {
                // A terminal that has gone shows nothing any more.
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
            }
        }
    }
}

//! What is drawn on a terminal while something takes time: spinners and bars, on stderr, gone when it is over.

use std::io::{self, IsTerminal};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, WeakProgressBar};

use super::Output;
use crate::cli::text::visible_lines;

impl Output {
    /// Shows that something is being waited for, on a terminal.
    pub fn spinner(&self, words: &str) -> Spinner {
        self.bar(words, |bar| {
            bar.with_style(ProgressStyle::default_spinner())
        })
    }

    /// Shows how much is over of something that takes about so long, on a terminal.
    pub fn progress(&self, words: &str, duration: Duration) -> Spinner {
        let draw = move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let share = state.elapsed().as_secs_f64() / duration.as_secs_f64().max(0.001);
            // A terminal that takes no text shows none.
            let _ = text.write_str(&filled_bar(share));
        };
        self.bar(words, |bar| {
            match ProgressStyle::with_template("{share} {msg}") {
                Ok(style) => bar.with_style(style.with_key("share", draw)),
                Err(_) => bar,
            }
        })
    }

    /// Shows how many of so many things are done, on a terminal.
    pub fn counter(&self, total: u64) -> Spinner {
        let draw = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _ = text.write_str(&filled_bar(f64::from(state.fraction())));
        };
        self.bar("", |bar| {
            bar.set_length(total);
            match ProgressStyle::with_template("{share} {pos} of {len}") {
                Ok(style) => bar.with_style(style.with_key("share", draw)),
                Err(_) => bar,
            }
        })
    }

    fn bar(&self, words: &str, style: impl FnOnce(ProgressBar) -> ProgressBar) -> Spinner {
        if self.json || self.quiet || self.is_dumb || !io::stderr().is_terminal() {
            return Spinner::hidden();
        }
        let bar = style(ProgressBar::with_draw_target(
            None,
            ProgressDrawTarget::stderr(),
        ));
        bar.set_message(visible_lines(words).into_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        *shown() = bar.downgrade();
        Spinner(Some(bar))
    }
}

/// A bar of which a share, from 0 to 1, is filled.
fn filled_bar(share: f64) -> String {
    const CELLS: usize = 30;
    let filled = (0..CELLS).filter(|cell| (*cell as f64) < share * CELLS as f64);
    let filled = filled.count();
    format!("{}{}", "█".repeat(filled), "░".repeat(CELLS - filled))
}

/// What is shown on the terminal, if anything is: a line that is said goes above it.
static SHOWN: LazyLock<Mutex<WeakProgressBar>> = LazyLock::new(Mutex::default);

pub(super) fn shown() -> MutexGuard<'static, WeakProgressBar> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A spinner or a bar that goes away with this value.
#[derive(Debug)]
pub struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// One that nobody sees.
    pub fn hidden() -> Self {
        Self(None)
    }

    /// Whether anybody sees it.
    pub fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Shows other words.
    pub fn say(&self, words: impl FnOnce() -> String) {
        if let Some(bar) = &self.0 {
            bar.set_message(visible_lines(&words()).into_owned());
        }
    }

    /// One thing more is done.
    pub fn advance(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    /// Lets something else be printed, with nothing of this in between.
    pub fn aside(&self, print: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills() {
        let filled = |share| filled_bar(share).matches('█').count();
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(filled), [0, 15, 30, 30]);
    }
}

//! What a program says on stderr: passed on as it comes, and its end kept.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStderr;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::LINGER;

/// How much is kept of what a program says.
const KEPT_MAX_BYTES: usize = 16 * 1024;

/// How much is read at a time.
const CHUNK_BYTES: usize = 8 * 1024;

/// How many of its last words are repeated, in lines and in bytes: the reason, and what is often added to it.
const WORDS_MAX_LINES: usize = 3;
const WORDS_MAX_BYTES: usize = 2 * 1024;

/// How many programs that have ended are listened to further: something in the background still has their stderr, and
/// would end by a signal if nobody did. When there are more, that is what happens to them.
const LEFT_MAX: usize = 64;

static LEFT: Semaphore = Semaphore::const_new(LEFT_MAX);

/// Listens to a program.
pub(super) struct Said {
    kept: Arc<Mutex<Vec<u8>>>,
    listening: JoinHandle<()>,
}

impl Said {
    pub(super) fn listen(pipe: Option<ChildStderr>, is_aloud: bool) -> Self {
        let kept = Arc::default();
        let listening = tokio::spawn(listen(pipe, Arc::clone(&kept), is_aloud));
        Self { kept, listening }
    }

    /// The last of what was said by a program that has ended.
    pub(super) async fn finish(mut self) -> String {
        if timeout(LINGER, &mut self.listening).await.is_err() {
            leave(self.listening);
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

/// Lets it go on, where there are not too many.
fn leave(listening: JoinHandle<()>) {
    match LEFT.try_acquire() {
        Ok(permit) => drop(tokio::spawn(async move {
            // However it ends, it has ended.
            let _ = listening.await;
            drop(permit);
        })),
        Err(_) => listening.abort(),
    }
}

async fn listen(pipe: Option<ChildStderr>, kept: Arc<Mutex<Vec<u8>>>, is_aloud: bool) {
    let Some(mut pipe) = pipe else { return };
    let mut ours = is_aloud.then(tokio::io::stderr);
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
        let said = &chunk[..read];
        keep(
            &mut kept.lock().unwrap_or_else(PoisonError::into_inner),
            said,
        );
        if let Some(ours) = &mut ours {
            // There is nowhere left to say that this failed.
            let _ = ours.write_all(said).await;
            let _ = ours.flush().await;
        }
    }
}

fn keep(kept: &mut Vec<u8>, said: &[u8]) {
    kept.extend_from_slice(said);
    let over = kept.len().saturating_sub(KEPT_MAX_BYTES);
    kept.drain(..over);
}

/// The last lines of what a program said, as one and not too long; empty where it said nothing.
pub fn last_words(said: &str) -> String {
    let lines = said.lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let words = lines[lines.len().saturating_sub(WORDS_MAX_LINES)..].join("; ");
    let over = words.len().saturating_sub(WORDS_MAX_BYTES);
    match over {
        0 => words,
        over => format!("…{}", &words[words.ceil_char_boundary(over)..]),
    }
}

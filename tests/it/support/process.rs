//! A running program: its output as it comes, signals, its end. It never outlives the value.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::{GLANCE, PATIENCE};

/// The longest that a program may run which ought to end by itself.
pub(crate) const RUN_MAX: Duration = Duration::from_secs(30);

/// One output stream of a program, collected by a thread of its own.
#[derive(Default)]
pub(crate) struct Stream {
    so_far: Mutex<(String, bool)>,
    grew: Condvar,
}

impl Stream {
    /// Begins to read; the thread ends with the stream.
    pub(crate) fn collect(mut pipe: impl Read + Send + 'static) -> Arc<Self> {
        let stream = Arc::new(Self::default());
        let writer = Arc::clone(&stream);
        thread::spawn(move || {
            let mut pending = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                let count = pipe.read(&mut chunk).unwrap_or(0);
                pending.extend_from_slice(&chunk[..count]);
                // A character may be cut in two: what is whole goes over, the rest waits for the next chunk.
                let whole = match std::str::from_utf8(&pending) {
                    Err(fault) if count > 0 && fault.error_len().is_none() => fault.valid_up_to(),
                    _ => pending.len(),
                };
                let mut so_far = writer.so_far.lock().unwrap();
                so_far.0 += &String::from_utf8_lossy(&pending[..whole]);
                so_far.1 = count == 0;
                pending.drain(..whole);
                writer.grew.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        stream
    }

    /// Waits until `find` finds something in the output so far. `None` when the time is over or the stream has ended.
    pub(crate) fn wait_for<T>(
        &self,
        limit: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut so_far = self.so_far.lock().unwrap();
        loop {
            if let Some(found) = find(&so_far.0) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if so_far.1 || left.is_zero() {
                return None;
            }
            so_far = self.grew.wait_timeout(so_far, left).unwrap().0;
        }
    }

    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        self.so_far.lock().unwrap().0.clone()
    }

    fn wait_for_end(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut so_far = self.so_far.lock().unwrap();
        while !so_far.1 && Instant::now() < deadline {
            so_far = self.grew.wait_timeout(so_far, PATIENCE).unwrap().0;
        }
    }
}

/// How a program ended, and all that it said.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Everything on stdout.
    pub(crate) stdout: String,
    /// Everything on stderr.
    pub(crate) stderr: String,
}

/// A running program.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: Arc<Stream>,
    stderr: Arc<Stream>,
    /// How much of stdout was handed out as lines.
    read: usize,
}

impl Process {
    /// Starts a program. What it is to read on stdin is given now; `None` keeps stdin at its end from the start.
    pub(crate) fn start(name: &str, mut command: Command, stdin: Option<Vec<u8>>) -> Self {
        let mut child = command
            .stdin(stdin.as_ref().map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{name}` does not start: {error}"));
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), stdin) {
            // A program may end without reading what it was given.
            thread::spawn(move || pipe.write_all(&bytes).ok());
        }
        Self {
            name: name.to_owned(),
            stdout: Stream::collect(child.stdout.take().unwrap()),
            stderr: Stream::collect(child.stderr.take().unwrap()),
            child,
            read: 0,
        }
    }

    /// The next line of stdout.
    pub(crate) fn line(&mut self) -> String {
        let next = self.next_line(PATIENCE);
        next.unwrap_or_else(|| panic!("{} printed no further line; {}", self.name, self.said()))
    }

    /// Whether the program stays silent on stdout for as long as `limit`.
    pub(crate) fn is_silent_for(&mut self, limit: Duration) -> bool {
        self.next_line(limit).is_none()
    }

    /// The next line of stdout, if one comes in time.
    pub(crate) fn next_line(&mut self, limit: Duration) -> Option<String> {
        let start = self.read;
        let line = self.stdout.wait_for(limit, |text| {
            text[start..]
                .split_once('\n')
                .map(|(line, _)| line.to_owned())
        })?;
        self.read += line.len() + 1;
        Some(line)
    }

    /// Waits until the program has said `part` on stderr.
    pub(crate) fn wait_to_say(&self, part: &str) {
        let found = self
            .stderr
            .wait_for(PATIENCE, |text| text.contains(part).then_some(()));
        assert!(
            found.is_some(),
            "{} never said `{part}`; {}",
            self.name,
            self.said()
        );
    }

    /// Its number in the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `INT`, `TERM`, `KILL`.
    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own `kill` is there even where no such program is.
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {}", self.id())])
            .status()
            .unwrap();
        assert!(
            sent.success(),
            "{} could not be signalled; {}",
            self.name,
            self.said()
        );
    }

    /// Waits until the program has ended by itself.
    pub(crate) fn end(self) -> Ended {
        self.end_within(RUN_MAX)
    }

    /// As [`Self::end`], for one that has much to do.
    pub(crate) fn end_within(mut self, limit: Duration) -> Ended {
        let status = self.wait(limit).unwrap_or_else(|| {
            panic!(
                "{} did not end within {limit:?}; {}",
                self.name,
                self.said()
            )
        });
        self.stdout.wait_for_end();
        self.stderr.wait_for_end();
        Ended {
            code: status.code(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    /// Ends the program at once, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.wait(RUN_MAX).expect("a killed program ends");
        assert_eq!(
            status.signal(),
            Some(9),
            "{} had ended before; {}",
            self.name,
            self.said()
        );
    }

    /// Everything on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Everything that the program has said so far, for a failure's text.
    pub(crate) fn said(&self) -> String {
        format!(
            "stdout: {:?}\nstderr:\n{}",
            self.stdout.text(),
            self.stderr.text()
        )
    }

    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return Some(status),
                None if Instant::now() >= deadline => return None,
                None => thread::sleep(GLANCE),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

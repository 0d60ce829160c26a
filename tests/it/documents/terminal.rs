//! A terminal as a reader has it: a shell that remembers where it is, with what runs in it in front, until Ctrl-C.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::process::Stream;

/// Stands round the exit code at the end of what came of a block.
const MARK: char = '\u{1e}';

/// Runs each block that it is told of in one shell. What fails ends its block, and not the shell. A signal that ends a
/// command does not end the shell either. What has been printed by then is not thrown away (`noflsh`): the code of a block that
/// ended by Ctrl-C could be among it.
const SHELL: &str = r#"stty -echo noflsh cols 200 rows 50
trap : INT
trap 'code=$?; [ "$BASH_SOURCE" = "$0" ] || return "$code"' ERR
exec 9< "$1"
while read -r block <&9; do . "$block" 9<&-; printf '\036%s\036' "$?"; done
"#;

/// One terminal.
pub(super) struct Terminal {
    script: Child,
    keyboard: ChildStdin,
    /// Where the shell hears of blocks.
    blocks: File,
    dir: TempDir,
    shown: Arc<Stream>,
    /// How many blocks were typed.
    typed: usize,
    /// How much was there before the last of them.
    start: usize,
    /// How much has been compared.
    seen: usize,
}

impl Terminal {
    /// Opens one, with the environment that `command` has.
    pub(super) fn open(mut command: Command) -> Self {
        let dir = TempDir::new().unwrap();
        let (driver, fifo) = (dir.path().join("shell"), dir.path().join("blocks"));
        fs::write(&driver, SHELL).unwrap();
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let line = format!("bash {} {}", driver.display(), fifo.display());
        let mut script = command
            .args(["-q", "-c", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests need `script` of bsdutils");
        Self {
            keyboard: script.stdin.take().unwrap(),
            shown: Stream::collect(script.stdout.take().unwrap()),
            script,
            // Both ways, so that it opens before the shell does.
            blocks: OpenOptions::new()
                .read(true)
                .write(true)
                .open(&fifo)
                .unwrap(),
            dir,
            typed: 0,
            start: 0,
            seen: 0,
        }
    }

    /// Types a block; nothing runs there.
    pub(super) fn type_in(&mut self, block: &str) {
        assert!(self.code().is_some(), "something runs there already");
        self.typed += 1;
        self.start = self.shown.text().len();
        self.seen = self.start;
        let path = self.dir.path().join(self.typed.to_string());
        fs::write(&path, block).unwrap();
        writeln!(self.blocks, "{}", path.display()).unwrap();
    }

    /// Presses Ctrl-C.
    pub(super) fn interrupt(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
        self.keyboard.flush().unwrap();
    }

    /// The exit code of the last block, once it has ended.
    pub(super) fn code(&self) -> Option<i32> {
        code(&self.shown.text(), self.typed)
    }

    /// Waits until the last block has ended, or what it has printed contains one of `parts`; whether it came to that.
    pub(super) fn wait(&self, limit: Duration, parts: &[&str]) -> bool {
        let came = self.shown.wait_for(limit, |text| {
            let said = plain(&text[self.start..]);
            let is_said = parts.iter().any(|part| said.contains(part));
            (is_said || code(text, self.typed).is_some()).then_some(())
        });
        came.is_some()
    }

    /// All that the last block has printed.
    pub(super) fn printed(&self) -> String {
        plain(&self.shown.text()[self.start..])
    }

    /// Waits until `find` says how many of the whole lines that nobody has looked at yet it has looked at.
    pub(super) fn look(
        &mut self,
        limit: Duration,
        mut find: impl FnMut(&[&str]) -> Option<usize>,
    ) -> bool {
        let seen = self.seen;
        let looked = self.shown.wait_for(limit, |text| {
            let rest = &text[seen..];
            let raw: Vec<&str> = rest.split_inclusive('\n').collect();
            let whole = raw.iter().filter(|line| is_whole(line)).count();
            let lines: Vec<String> = raw[..whole].iter().map(|line| plain(line)).collect();
            let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
            let count = find(&lines)?;
            Some(raw[..count].iter().map(|line| line.len()).sum::<usize>())
        });
        self.seen += looked.unwrap_or(0);
        looked.is_some()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        for id in family(self.script.id()) {
            // It may have ended already.
            let kill = Command::new("sh")
                .args(["-c", &format!("kill -KILL {id} 2>/dev/null")])
                .status();
            kill.ok();
        }
        self.script.wait().ok();
    }
}

/// Whether no more of the line can come. The last one of a block may have no end of its own.
fn is_whole(line: &str) -> bool {
    line.ends_with('\n') || line.ends_with(MARK) && !plain(line).is_empty()
}

/// The exit code of the block of this number.
fn code(text: &str, number: usize) -> Option<i32> {
    if number == 0 {
        return Some(0);
    }
    text.split(MARK).nth(2 * number - 1)?.parse().ok()
}

/// Text without what only moves the cursor and colours.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' if rest.peek() == Some(&'[') => {
                while rest
                    .next()
                    .is_some_and(|c| !c.is_ascii_alphabetic() && c != '~' || c == '[')
                {
                }
            }
            '\r' if rest.peek() == Some(&'\n') => {}
            // The line is written anew.
            '\r' => plain.truncate(plain.rfind('\n').map_or(0, |at| at + 1)),
            MARK => while rest.next().is_some_and(|c| c != MARK) {},
            c => plain.push(c),
        }
    }
    plain
}

/// A process and all that come from it, the youngest first.
fn family(id: u32) -> Vec<u32> {
    let path: PathBuf = Path::new("/proc").join(id.to_string()).join("task");
    let tasks = fs::read_dir(path).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<String> = children.collect();
    let children = children.iter().flat_map(|line| line.split_whitespace());
    let mut family: Vec<u32> = children
        .filter_map(|child| child.parse().ok())
        .flat_map(family)
        .collect();
    family.push(id);
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_remembers_fails_and_is_interrupted() {
        let home = TempDir::new().unwrap();
        let mut command = Command::new("script");
        command.current_dir(home.path()).env("TERM", "xterm");
        let mut terminal = Terminal::open(command);
        let limit = Duration::from_secs(20);
        terminal.type_in("mkdir sub && cd sub\nword=kept\n");
        assert!(terminal.wait(limit, &[]));
        assert_eq!(terminal.code(), Some(0));
        terminal.type_in("echo $word; (exit 3); echo no\n");
        assert!(terminal.wait(limit, &[]));
        assert_eq!(terminal.code(), Some(3));
        assert_eq!(terminal.printed(), "kept\n");
        // Who says it is in the foreground by then: a Ctrl-C before would meet the shell alone.
        terminal.type_in("sh -c 'echo begun; exec sleep 1000'\n");
        assert!(terminal.wait(limit, &["begun"]));
        assert_eq!(terminal.code(), None);
        terminal.interrupt();
        assert!(terminal.wait(limit, &[]));
        terminal.type_in("basename $PWD\n");
        assert!(terminal.look(limit, |lines| {
            lines
                .iter()
                .position(|line| *line == "sub")
                .map(|at| at + 1)
        }));
        assert!(terminal.wait(limit, &[]));
        assert_eq!(terminal.code(), Some(0));
    }

    #[test]
    fn colours_and_what_is_written_over_do_not_count() {
        let mark = format!("{MARK}0{MARK}");
        assert_eq!(
            plain(&format!(
                "\u{1b}[1;31merror:\u{1b}[0m a\r\nold\rnew\r\n{mark}"
            )),
            "error: a\nnew\n"
        );
    }
}

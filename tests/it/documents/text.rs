//! A document as the walker sees it: what is typed, what is shown, what is written into files.

/// One fenced block, with what is said right before it.
#[derive(Debug, PartialEq)]
pub(super) struct Block {
    /// The line that it begins at, for a failure's text.
    pub(super) line: usize,
    /// The language: `sh` is typed, `text` is compared with what came, others are for reading.
    pub(super) kind: String,
    /// The file that it is the text of, where one is named behind the language.
    pub(super) file: Option<String>,
    /// Its lines, each with its end.
    pub(super) text: String,
    /// The paragraph before it; nothing where it follows a block.
    pub(super) said: String,
}

impl Block {
    /// The terminal that a `sh` block names in its first line, `# terminal 2: the listener`.
    pub(super) fn terminal(&self) -> Option<u32> {
        number(self.text.strip_prefix("# terminal ")?)
    }

    /// Whether what runs in the terminal is stopped first, since the first line says so.
    pub(super) fn stops_first(&self) -> bool {
        let mut lines = self.text.lines();
        self.terminal().is_some() && lines.next().is_some_and(|line| line.contains("Ctrl-C"))
    }

    /// The terminal that a `text` block is from, which the paragraph before it names; the last one it names.
    pub(super) fn seen_in(&self) -> Option<u32> {
        let (_, name) = self.said.rsplit_once("erminal ")?;
        number(name)
    }
}

fn number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}

/// The blocks of a document, in order.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    let mut said = String::new();
    let mut is_paragraph_over = false;
    for (at, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some("") if is_open => is_open = false,
            Some(info) if !is_open => {
                let (kind, file) = info.split_once(' ').unwrap_or((info, ""));
                blocks.push(Block {
                    line: at + 1,
                    kind: kind.to_owned(),
                    file: (!file.is_empty()).then(|| file.to_owned()),
                    text: String::new(),
                    said: std::mem::take(&mut said),
                });
                is_open = true;
            }
            _ if is_open => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            _ if line.is_empty() => is_paragraph_over = true,
            _ => {
                if is_paragraph_over {
                    said.clear();
                }
                is_paragraph_over = false;
                said.push_str(line);
                said.push('\n');
            }
        }
    }
    assert!(!is_open, "the last block has no end");
    blocks
}

#[test]
fn a_block_knows_its_terminal_and_what_is_said_before_it() {
    let text = "Old.\n\nIn terminal 1\nor 12:\n\n```text\nshown\n```\n\n```sh a.sh\n```\nx\n```sh\n# terminal 2, after Ctrl-C\nb\n```\n";
    let found = blocks(text);
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].said, "In terminal 1\nor 12:\n");
    assert_eq!((found[0].seen_in(), found[0].terminal()), (Some(1), None));
    assert_eq!(found[1].file.as_deref(), Some("a.sh"));
    assert_eq!((found[1].said.as_str(), found[1].line), ("", 10));
    assert_eq!(found[2].terminal(), Some(2));
    assert!(found[2].stops_first() && found[2].text.ends_with("\nb\n"));
}

#[test]
fn the_terminal_of_what_is_shown_is_the_last_that_was_named() {
    let text = "Terminal 2 sends, and terminal 13 shows:\n\n```text\nshown\n```\n";
    assert_eq!(blocks(text)[0].seen_in(), Some(13));
}

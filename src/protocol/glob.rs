//! Patterns of types, sources and paths (spec 14.4, 16): `*` is any run of characters, `?` is one, everything else stands
//! for itself.
//!
//! A pattern is followed through a text with all its positions at once, so that no text makes it walk back.

use serde::{Serialize, Serializer};

/// The longest pattern, in characters: what a comparison costs grows with it.
pub const GLOB_MAX_CHARS: usize = 1024;

/// A pattern whose `*` passes over everything: of a source, a type, an actor or a ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Glob(Pattern);

impl Glob {
    /// Reads a pattern; `None` when it is longer than [`GLOB_MAX_CHARS`].
    pub fn new(text: &str) -> Option<Self> {
        let piece = |rest: &str| match rest.chars().next()? {
            '*' => Some((Piece::Any, 1)),
            c => Some(plain(c)),
        };
        Pattern::new(text, |rest, _| piece(rest)).map(Self)
    }

    /// Whether the whole text is as the pattern says.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

/// A pattern of a file's path: `*` stops at `/`, `**` does not, and `**/` is any number of folders, none included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathGlob(Pattern);

impl PathGlob {
    /// Reads a pattern; `None` when it is longer than [`GLOB_MAX_CHARS`].
    pub fn new(text: &str) -> Option<Self> {
        Pattern::new(text, path_piece).map(Self)
    }

    /// Whether the whole path is as the pattern says.
    pub fn matches(&self, path: &str) -> bool {
        self.0.matches(path)
    }
}

/// The piece that a pattern of a path goes on with, and how many bytes it takes.
fn path_piece(rest: &str, is_at_folder: bool) -> Option<(Piece, usize)> {
    let c = rest.chars().next()?;
    let stars = rest.len() - rest.trim_start_matches('*').len();
    Some(match stars {
        0 => plain(c),
        1 => (Piece::Within, 1),
        _ if is_at_folder && rest[stars..].starts_with('/') => (Piece::Folders, stars + 1),
        _ => (Piece::Any, stars),
    })
}

fn plain(c: char) -> (Piece, usize) {
    match c {
        '?' => (Piece::One, 1),
        c => (Piece::Char(c), c.len_utf8()),
    }
}

/// What patterns are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// This character.
    Char(char),
    /// One character.
    One,
    /// Any run of characters.
    Any,
    /// Any run of characters without `/`.
    Within,
    /// Nothing, or any run that ends in `/`.
    Folders,
}

impl Piece {
    /// Whether nothing at all will do.
    fn may_be_nothing(self) -> bool {
        matches!(self, Self::Any | Self::Within | Self::Folders)
    }
}

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: String,
    pieces: Vec<Piece>,
}

impl Pattern {
    fn new(text: &str, next: impl Fn(&str, bool) -> Option<(Piece, usize)>) -> Option<Self> {
        if text.chars().count() > GLOB_MAX_CHARS {
            return None;
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some((piece, len)) = next(&text[at..], at == 0 || text[..at].ends_with('/')) {
            at += len;
            // Twice the same open piece is the same as once.
            if !(piece.may_be_nothing() && pieces.last() == Some(&piece)) {
                pieces.push(piece);
            }
        }
        let text = text.to_owned();
        Some(Self { text, pieces })
    }

    fn matches(&self, text: &str) -> bool {
        // The usual one.
        if self.pieces == [Piece::Any] {
            return true;
        }
        let (mut now, mut next) = (Vec::new(), Vec::new());
        self.enter(&mut now, 0);
        for c in text.chars() {
            for &at in &now {
                self.step(&mut next, at, c);
            }
            if next.is_empty() {
                return false;
            }
            (now, next) = (next, now);
            next.clear();
        }
        now.last() == Some(&self.pieces.len())
    }

    /// Adds the positions that a character leads to from one.
    fn step(&self, next: &mut Vec<usize>, at: usize, c: char) {
        match self.pieces.get(at) {
            Some(Piece::Folders) => {
                // A folder once begun has to end.
                push(next, at);
                if c == '/' {
                    self.enter(next, at + 1);
                }
            }
            Some(Piece::Any) => self.enter(next, at),
            Some(Piece::Within) if c != '/' => self.enter(next, at),
            Some(Piece::One) => self.enter(next, at + 1),
            Some(Piece::Char(own)) if *own == c => self.enter(next, at + 1),
            Some(Piece::Within | Piece::Char(_)) | None => {}
        }
    }

    /// Adds a position, and those that are reached from it by pieces that are nothing.
    fn enter(&self, positions: &mut Vec<usize>, mut at: usize) {
        push(positions, at);
        while self.pieces.get(at).is_some_and(|p| p.may_be_nothing()) {
            at += 1;
            push(positions, at);
        }
    }
}

/// Positions are found in ascending order: one that is not above the last is there already.
fn push(positions: &mut Vec<usize>, at: usize) {
    if positions.last().is_none_or(|last| *last < at) {
        positions.push(at);
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).unwrap().matches(text)
    }

    fn path(pattern: &str, text: &str) -> bool {
        PathGlob::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn a_star_is_any_run_and_a_question_mark_one_character() {
        assert!(glob("refs/*", "refs/heads/main"));
        assert!(glob("*", "") && glob("", "") && !glob("", "a"));
        assert!(glob("a*b*c", "aXbYbc") && !glob("a*b*c", "aXbYbd"));
        assert!(glob("v?.?", "v1.2") && glob("?", "é") && !glob("?", "") && !glob("?", "ab"));
    }

    #[test]
    fn everything_else_stands_for_itself() {
        assert!(glob("*[bot]", "dependabot[bot]") && !glob("[ab]", "a"));
        assert!(glob(r"a\*", r"a\b") && glob("{a,b}", "{a,b}") && !glob("A", "a"));
    }

    #[test]
    fn in_paths_a_star_stops_at_a_slash_and_two_do_not() {
        assert!(path("src/*.rs", "src/lib.rs") && !path("src/*.rs", "src/a/lib.rs"));
        assert!(path("src/**", "src/a/lib.rs") && !path("src/**", "doc/src/a"));
        assert!(path("**", "a/b/c") && path("a**c", "a/b/c") && path("***", "a/b"));
    }

    #[test]
    fn two_stars_and_a_slash_are_any_number_of_folders() {
        for file in ["lib.rs", "a/lib.rs", "a/b/lib.rs"] {
            assert!(path("**/lib.rs", file), "{file}");
            assert!(path("src/**/lib.rs", &format!("src/{file}")), "{file}");
        }
        assert!(!path("**/lib.rs", "alib.rs") && !path("a**/b", "ab"));
    }

    #[test]
    fn no_text_makes_a_pattern_slow() {
        let stars = "*a".repeat(GLOB_MAX_CHARS / 2);
        assert!(!glob(&stars, &format!("{}b", "a".repeat(1_000))));
        assert!(Glob::new(&format!("{stars}x")).is_none());
        assert!(PathGlob::new(&format!("{stars}x")).is_none());
    }

    /// The definition, letter by letter.
    fn naive(pattern: &[char], text: &[char], in_paths: bool, is_at_folder: bool) -> bool {
        let naive = |pattern, text, at| naive(pattern, text, in_paths, at);
        let cut = |len: usize| text.get(len..).unwrap_or_default();
        match pattern {
            [] => text.is_empty(),
            ['*', '*', '*', ..] if in_paths => naive(&pattern[1..], text, is_at_folder),
            ['*', '*', '/', rest @ ..] if in_paths && is_at_folder => {
                let folders = (1..=text.len()).filter(|len| text[len - 1] == '/');
                naive(rest, text, true)
                    || folders.into_iter().any(|len| naive(rest, cut(len), true))
            }
            ['*', '*', rest @ ..] if in_paths => {
                (0..=text.len()).any(|len| naive(rest, cut(len), false))
            }
            ['*', rest @ ..] => {
                let is_run = |len: usize| !in_paths || !text[..len].contains(&'/');
                (0..=text.len()).any(|len| is_run(len) && naive(rest, cut(len), false))
            }
            ['?', rest @ ..] => !text.is_empty() && naive(rest, cut(1), false),
            [c, rest @ ..] => text.first() == Some(c) && naive(rest, cut(1), *c == '/'),
        }
    }

    proptest! {
        #[test]
        fn patterns_match_what_their_definition_matches(pattern in "[ab/é*?]{0,9}", text in "[ab/é]{0,9}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(glob(&pattern, &text), naive(&p, &t, false, true));
            prop_assert_eq!(path(&pattern, &text), naive(&p, &t, true, true));
        }

        #[test]
        fn no_pattern_panics(pattern: String, text: String) {
            let _ = (glob(&pattern, &text), path(&pattern, &text));
            prop_assert!(glob("*", &text) && path("**", &text));
        }
    }
}

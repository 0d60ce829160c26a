//! What is wrong with a file, and where.

use std::fmt;

/// How many faults of one file are told: enough to mend it in one go, and few enough to read.
pub const FAULTS_MAX: usize = 50;

/// A place in a text. Both count from one; columns count characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Something that is wrong, or that kite does nothing about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: Position,
    /// What, why, and what to do.
    pub message: String,
}

impl Fault {
    /// A fault with its words.
    pub fn new(at: Position, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    /// `LINE:COLUMN: what`, behind the name of a file a place that editors jump to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.at;
        write!(f, "{line}:{column}: {}", self.message)
    }
}

/// What was found while a file was read.
#[derive(Debug, Default)]
pub struct Findings {
    /// What makes it unusable.
    pub faults: Vec<Fault>,
    /// What is read over.
    pub warnings: Vec<Fault>,
}

impl Findings {
    /// Something is wrong.
    pub fn fault(&mut self, at: Position, message: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault::new(at, message));
        }
    }

    /// Something is of no effect here.
    pub fn warn(&mut self, at: Position, message: impl Into<String>) {
        if self.warnings.len() < FAULTS_MAX {
            self.warnings.push(Fault::new(at, message));
        }
    }
}

//! Lists of intents and of dispatches: how much of them, and how they are printed.

use clap::Args;

use super::super::context::Context;
use super::super::error::CommandError;
use super::super::render;
use crate::client::openintent::WorkPage;
use crate::openintent::json::Json;

/// How long a list is, and where it begins.
#[derive(Debug, Args)]
pub(super) struct Limit {
    /// At most this many.
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u64).range(1..=200))]
    pub(super) limit: u64,
    /// Go on behind the end of another list, as that has said.
    #[arg(long, value_name = "CURSOR")]
    pub(super) before: Option<String>,
}

/// Prints a list: one object per line, or rows that fit the terminal. Where it goes on is said on stderr.
pub(super) fn print<T>(
    page: &WorkPage<T>,
    headings: &[&str],
    row: impl Fn(&T) -> Vec<String>,
    json: impl Fn(&T) -> Json,
    context: &Context,
) -> Result<(), CommandError> {
    let out = context.out;
    if out.json {
        for value in &page.rows {
            out.object(&json(value).to_string())?;
        }
    } else if !page.rows.is_empty() {
        let width = out.width().filter(|_| out.is_terminal());
        out.line(&render::table(&page.rows, headings, row, width))?;
    }
    if let Some(next) = &page.next {
        let words = format!("there are more: `--before {next}` shows them");
        out.event("more", &words, &[("before", next.as_str().into())]);
    }
    Ok(())
}

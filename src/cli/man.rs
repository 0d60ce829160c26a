//! `kite man [DIR]`: the manual, one page per command.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use serde::Serialize;

use super::context::Context;
use super::definition::{NAME, for_generated_files};
use super::error::CommandError;
use super::exit::Exit;
use super::help;

/// Print the manual page of kite, or write a page for every command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite man | man -l -
  kite man ~/.local/share/man/man1")]
pub(super) struct ManArgs {
    /// Write one page per command here, such as kite-agent-send.1.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A page: its file's name and its text.
#[derive(Serialize)]
struct Page {
    page: String,
    text: String,
}

/// What was written.
#[derive(Serialize)]
struct Written<'a> {
    dir: &'a Path,
    pages: Vec<&'a str>,
}

pub(super) fn run(args: ManArgs, context: &Context) -> Result<Exit, CommandError> {
    let pages = pages(&for_generated_files()).map_err(CommandError::unwritten("the manual"))?;
    let Some(dir) = &args.dir else {
        for page in pages.iter().filter(|page| page.page == "kite.1") {
            context
                .out
                .show(page, |page| page.text.trim_end().to_owned())?;
        }
        return Ok(Exit::Done);
    };
    let what = format!("`{}`", dir.display());
    std::fs::create_dir_all(dir).map_err(CommandError::unwritten(&what))?;
    for page in &pages {
        let path = dir.join(&page.page);
        let what = format!("`{}`", path.display());
        std::fs::write(path, &page.text).map_err(CommandError::unwritten(&what))?;
    }
    let written = Written {
        dir,
        pages: pages.iter().map(|page| page.page.as_str()).collect(),
    };
    context.out.show(&written, |written| {
        format!("{} pages in {}", written.pages.len(), written.dir.display())
    })?;
    Ok(Exit::Done)
}

/// The pages of a command and of those below it.
fn pages(command: &Command) -> std::io::Result<Vec<Page>> {
    let mut pages = vec![page(command)?];
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        pages.extend(self::pages(below)?);
    }
    Ok(pages)
}

/// One page. What stands below the options in `--help` is set as it was written.
fn page(command: &Command) -> std::io::Result<Page> {
    let below = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let source = concat!("kite ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).manual("Kite").source(source);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    let (examples, notes): (Vec<&str>, Vec<&str>) = below
        .split("\n\n")
        .partition(|text| text.starts_with("Example"));
    let examples: Vec<&str> = examples
        .iter()
        .filter_map(|text| Some(text.split_once('\n')?.1))
        .collect();
    verbatim(&mut text, "NOTES", &notes.join("\n\n"))?;
    if command.get_name() == NAME {
        for (topic, heading) in [
            ("exit-codes", "EXIT STATUS"),
            ("environment", "ENVIRONMENT"),
        ] {
            verbatim(&mut text, heading, help::text(topic).unwrap_or_default())?;
        }
    }
    verbatim(&mut text, "EXAMPLES", &examples.join("\n\n"))?;
    Ok(Page {
        page: man.get_filename(),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

/// A section whose lines stay as they are; of no lines, none.
fn verbatim(page: &mut Vec<u8>, heading: &str, text: &str) -> std::io::Result<()> {
    if text.trim().is_empty() {
        return Ok(());
    }
    writeln!(page, ".SH \"{heading}\"\n.nf")?;
    for line in text.trim_end().lines() {
        // A dot or an apostrophe at the beginning would be a request to the formatter.
        let guard = if line.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        writeln!(page, "{guard}{line}")?;
    }
    writeln!(page, ".fi")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_cannot_be_taken_for_requests() {
        let mut page = Vec::new();
        verbatim(&mut page, "X", "  a --b\n.so file\n'x \\n\n").unwrap();
        let page = String::from_utf8(page).unwrap();
        assert_eq!(
            page,
            ".SH \"X\"\n.nf\n  a \\-\\-b\n\\&.so file\n\\&'x \\en\n.fi\n"
        );
        let mut page = Vec::new();
        verbatim(&mut page, "X", " \n").unwrap();
        assert!(page.is_empty());
    }
}

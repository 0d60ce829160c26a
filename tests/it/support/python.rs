//! Python programs of the tests, in environments that `scripts/python.sh` makes.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cli::clean;

/// A program of the tests (`tests/it/…`), run by the environment of this name, with nothing of the tests' own in it.
pub(crate) fn python(environment: &str, program: &str, home: &Path) -> Command {
    let path = format!("target/python/{environment}/bin/python");
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(
        python.exists(),
        "the tests need the Python packages of tests/it/python/{environment}.txt, and {} is not there: \
         `scripts/python.sh {environment}` makes it",
        python.display()
    );
    python_of(python, program, home)
}

/// The same by another Python.
pub(crate) fn python_of(python: PathBuf, program: &str, home: &Path) -> Command {
    let mut command = clean(python.to_str().unwrap(), home);
    let program = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it")
        .join(program);
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(program);
    command
}

//! `install.sh` in an empty home: what it puts where, what it refuses, and that it takes everything away again.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::cli::{KITE, clean};
use crate::support::process::{Ended, Process};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files and directories below a directory, relative to it, in order.
fn below(dir: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}

/// An empty home, in which the script runs without a terminal and with nothing to read.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self) -> Command {
        let mut command = clean("sh", self.path());
        command
            .arg(root().join("install.sh"))
            .env("SHELL", "/bin/bash");
        command
    }

    /// Runs the script for a prefix in this home.
    fn install(&self, args: &[&str]) -> Ended {
        let mut command = self.command();
        command
            .arg("--prefix")
            .arg(self.path().join(".local"))
            .args(args);
        Process::start("install.sh", command, None).end()
    }

    fn installed(&self, path: &str) -> PathBuf {
        self.path().join(".local").join(path)
    }
}

/// An archive and its sum.
struct Archive {
    _dir: TempDir,
    path: String,
    sum: String,
}

impl Archive {
    /// Packs a program as a release is packed.
    fn of(kite: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        let mut command = clean("bash", dir.path());
        command
            .arg(root().join("scripts/package.sh"))
            .arg(dir.path().join("out"))
            .env("KITE_BIN", kite);
        let ended = Process::start("package.sh", command, None).end();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let path = ended.stdout.trim().to_owned();
        let sum = fs::read_to_string(format!("{path}.sha256")).unwrap();
        let sum = sum.split(' ').next().unwrap().to_owned();
        Self {
            _dir: dir,
            path,
            sum,
        }
    }

    /// An archive with a script for a program, which is packed much faster.
    fn small() -> Self {
        let dir = TempDir::new().unwrap();
        let kite = dir.path().join("kite");
        fs::write(&kite, "#!/bin/sh\necho kite 9.9.9\n").unwrap();
        fs::set_permissions(&kite, fs::Permissions::from_mode(0o755)).unwrap();
        Self::of(&kite)
    }

    fn args(&self) -> [&str; 4] {
        ["--archive", &self.path, "--sha256", &self.sum]
    }
}

#[test]
fn a_release_is_installed_runs_and_is_taken_away_again() {
    let archive = Archive::of(Path::new(KITE));
    let home = Home::new();
    let ended = home.install(&archive.args());
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for part in ["bin/kite", "PATH lacks", "--uninstall", "share/man/man1"] {
        assert!(ended.stdout.contains(part), "{part}: {ended:#?}");
    }
    let program = home.installed("bin/kite");
    let version = Command::new(&program).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert_eq!(version.trim(), concat!("kite ", env!("CARGO_PKG_VERSION")));
    let page = fs::read(home.installed("share/man/man1/kite-agent-send.1")).unwrap();
    assert_eq!(
        page,
        fs::read(root().join("man/kite-agent-send.1")).unwrap()
    );
    let completion = home.installed("share/bash-completion/completions/kite");
    assert_eq!(
        fs::read(completion).unwrap(),
        fs::read(root().join("completions/kite.bash")).unwrap()
    );

    let ended = home.install(&["--uninstall"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(below(home.path()).is_empty(), "{:?}", below(home.path()));
    let ended = home.install(&["--uninstall"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("nothing is installed"), "{ended:#?}");
}

#[test]
fn a_second_run_replaces_the_first_and_others_files_stay() {
    let archive = Archive::small();
    let home = Home::new();
    fs::create_dir_all(home.installed("bin")).unwrap();
    fs::write(home.installed("bin/other"), "").unwrap();
    let all = [&archive.args()[..], &["--shell", "all"]].concat();
    assert_eq!(home.install(&all).code, Some(0));
    assert!(home.installed("share/zsh/site-functions/_kite").exists());
    assert!(
        home.installed("share/fish/vendor_completions.d/kite.fish")
            .exists()
    );

    let ended = home.install(&archive.args());
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        !home
            .installed("share/fish/vendor_completions.d/kite.fish")
            .exists(),
        "what is no longer wanted is gone"
    );
    assert_eq!(home.install(&["--uninstall"]).code, Some(0));
    assert_eq!(
        below(home.path()),
        [".local", ".local/bin", ".local/bin/other"]
    );

    fs::write(home.installed("bin/kite"), "somebody else's").unwrap();
    let ended = home.install(&archive.args());
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("--force"), "{ended:#?}");
    let kept = fs::read_to_string(home.installed("bin/kite")).unwrap();
    assert_eq!(kept, "somebody else's");
}

#[test]
fn an_archive_with_another_sum_is_refused_and_nothing_is_written() {
    let archive = Archive::small();
    let home = Home::new();
    let wrong = "0".repeat(64);
    let ended = home.install(&["--archive", &archive.path, "--sha256", &wrong]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains(&archive.sum), "{ended:#?}");
    let ended = home.install(&["--archive", &archive.path]);
    assert_eq!(ended.code, Some(2), "a sum is needed: {ended:#?}");
    assert!(below(home.path()).is_empty(), "{:?}", below(home.path()));
}

#[test]
fn a_machine_that_cannot_build_hears_everything_it_lacks() {
    let home = Home::new();
    let tools = TempDir::new().unwrap();
    for tool in ["sh", "id", "dirname", "basename", "uname", "cat", "rm"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join(tool))
            .find(|path| path.exists());
        symlink(found.unwrap(), tools.path().join(tool)).unwrap();
    }
    let mut command = home.command();
    command.env("PATH", tools.path());
    let ended = Process::start("install.sh", command, None).end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    for part in ["cargo: https://rustup.rs", "a C compiler: "] {
        assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
    }
    assert!(below(home.path()).is_empty());
}

/// A cargo that writes down how it was called and puts a script where the program would be.
const CARGO: &str = r#"#!/bin/sh
printf '%s\n' "$PWD" "$*" >"$HOME/called"
while [ "$1" != --target-dir ]; do shift; done
mkdir -p "$2/release"
printf '#!/bin/sh\necho kite 9.9.9\n' >"$2/release/kite"
chmod 755 "$2/release/kite"
"#;

#[test]
fn from_a_clone_the_release_is_built_there_with_the_locked_dependencies() {
    let (home, clone) = (Home::new(), TempDir::new().unwrap());
    for dir in ["completions", "man"] {
        fs::create_dir(clone.path().join(dir)).unwrap();
        for entry in fs::read_dir(root().join(dir)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), clone.path().join(dir).join(entry.file_name())).unwrap();
        }
    }
    for file in ["install.sh", "Cargo.toml"] {
        fs::copy(root().join(file), clone.path().join(file)).unwrap();
    }
    let cargo = home.path().join(".cargo/bin/cargo");
    fs::create_dir_all(cargo.parent().unwrap()).unwrap();
    fs::write(&cargo, CARGO).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();

    let mut path = cargo.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut command = clean("sh", home.path());
    command
        .arg(clone.path().join("install.sh"))
        .arg("--prefix")
        .arg(home.path().join("p"))
        .env("PATH", path);
    let ended = Process::start("install.sh", command, None).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let called = fs::read_to_string(home.path().join("called")).unwrap();
    let clone = clone.path().display();
    let expected = format!("{clone}\nbuild --release --locked --target-dir {clone}/target\n");
    assert_eq!(called, expected);
    assert!(home.path().join("p/bin/kite").exists());
    assert!(ended.stdout.contains("completions  none"), "{ended:#?}");
}

#[test]
fn a_wrong_usage_is_2_and_the_help_names_every_option() {
    let home = Home::new();
    for args in [
        &["--what"][..],
        &["--sha256", "0"],
        &["--archive"],
        &["--shell", "tcsh"],
        &["--prefix", "/a/../b"],
    ] {
        let ended = home.install(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:#?}");
        assert!(ended.stderr.contains("--help"), "{ended:#?}");
    }
    let ended = home.install(&["--help"]);
    assert_eq!(ended.code, Some(0));
    for option in [
        "--prefix",
        "--archive",
        "--sha256",
        "--uninstall",
        "--shell",
        "--force",
    ] {
        assert!(ended.stdout.contains(option), "{option}: {ended:#?}");
    }
}

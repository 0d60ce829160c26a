//! `kite github install`, with a `gh` that is a script: it keeps hooks, writes down what it is asked, and fails on order.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::cli::{Kite, Person};
use crate::support::hooks::Endpoint;
use crate::support::http::Access;
use crate::support::process::Ended;
use crate::support::server::Server;
use crate::support::{GLANCE, PATIENCE};

/// Where the outside finds the server.
const BASE: &str = "https://hooks.example.com";

const REPO: &str = "octocat/hello-world";

/// What the script does, after a line that sets `dir`. It has the words and the exit codes of gh 2.
const SCRIPT: &str = r#"
n=$(ls "$dir" | grep -c '^argv')
for arg; do printf '%s\n' "$arg"; done >"$dir/argv.$n"
env >"$dir/env.$n"
fail() {
    [ -f "$dir/fail.$1" ] || return 0
    tail -n +2 "$dir/fail.$1" >&2
    [ -f "$dir/repeats" ] && cat "$dir/stdin.$n" >&2
    exit "$(head -n 1 "$dir/fail.$1")"
}
# The hook 901 as GitHub lists it.
keep() {
    printf '[{"id":901,%s]' "$(sed 's/^{//; s/"secret":"[^"]*"/"secret":"********"/' "$dir/stdin.$n")" >"$dir/page.901"
}
if [ -f "$dir/hangs" ]; then
    echo $$ >"$dir/pid.new"
    mv "$dir/pid.new" "$dir/pid"
    exec sleep 60
fi
method=GET path=
if [ "$1" = repo ]; then
    fail VIEW
    cat "$dir/view"
    exit 0
fi
while [ $# -gt 0 ]; do
    case $1 in
    --method) method=$2; shift ;;
    --hostname) shift ;;
    --input) cat >"$dir/stdin.$n"; shift ;;
    repos/*) path=$1 ;;
    esac
    shift
done
case "$method $path" in
"GET repos/"*/hooks*) fail LIST; cat "$dir"/page.* ;;
"GET repos/"*) fail GET; echo '{"full_name":"octocat/hello-world"}' ;;
"POST repos/"*/hooks) fail POST; keep; echo '{"id":901,"name":"web"}' ;;
"PATCH repos/"*/hooks/901) fail PATCH; keep; echo '{"id":901}' ;;
"PATCH repos/"*/hooks/*) fail PATCH; printf '{"id":%s}' "${path##*/}" ;;
*) echo "gh: unexpected $method $path" >&2; exit 1 ;;
esac
"#;

/// The `gh` of a test, and what it has been asked.
struct Gh {
    dir: TempDir,
}

/// One run of it.
#[derive(Debug)]
struct Call {
    arguments: Vec<String>,
    stdin: Option<String>,
    environment: String,
}

impl Call {
    fn line(&self) -> String {
        self.arguments.join(" ")
    }

    fn is_write(&self) -> bool {
        self.stdin.is_some()
    }
}

impl Gh {
    /// One that knows a repository with two pages of other programs' hooks.
    fn new() -> Self {
        let gh = Self {
            dir: TempDir::new().unwrap(),
        };
        fs::create_dir(gh.file("bin")).unwrap();
        fs::create_dir(gh.file("state")).unwrap();
        let program = gh.file("bin/gh");
        let state = gh.file("state");
        let script = format!("#!/bin/sh\ndir='{}'\n{SCRIPT}", state.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        gh.page(1, &[(11, "https://ci.example.com/github")]);
        gh.page(2, &[(12, "https://chat.example.com/hooks/default/github")]);
        gh
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file("state").join(name), text).unwrap();
    }

    fn forget(&self, name: &str) {
        fs::remove_file(self.file("state").join(name)).unwrap();
    }

    /// A page of the listing: ids and the addresses that the hooks post to.
    fn page(&self, number: u32, hooks: &[(u64, &str)]) {
        let hook =
            |(id, url): &(u64, &str)| json!({"id": id, "active": true, "config": {"url": url}});
        let page: Vec<Value> = hooks.iter().map(hook).collect();
        self.write(&format!("page.{number}"), &Value::from(page).to_string());
    }

    /// Fails from now on at this with this exit code, saying this.
    fn fail(&self, at: &str, code: u8, said: &str) {
        self.write(&format!("fail.{at}"), &format!("{code}\n{said}\n"));
    }

    /// A run of kite that finds it.
    fn kite(&self, person: &Person, args: &[&str]) -> Kite {
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", self.file("bin").display());
        person
            .kite(&[&["github", "install"], args].concat())
            .env("PATH", &path)
            .env("KITE_HOOK_BASE_URL", BASE)
    }

    fn calls(&self) -> Vec<Call> {
        let state = self.file("state");
        let read = |name: String| fs::read_to_string(state.join(name)).ok();
        let call = |n: usize| {
            Some(Call {
                arguments: read(format!("argv.{n}"))?
                    .lines()
                    .map(str::to_owned)
                    .collect(),
                stdin: read(format!("stdin.{n}")),
                environment: read(format!("env.{n}"))?,
            })
        };
        (0..).map_while(call).collect()
    }

    /// What it was told to write last, and how.
    fn written(&self) -> (String, Value) {
        let calls = self.calls();
        let call = calls.iter().rfind(|call| call.is_write());
        let call = call.unwrap_or_else(|| panic!("nothing was written: {calls:#?}"));
        let body = serde_json::from_str(call.stdin.as_deref().unwrap()).unwrap();
        (call.line(), body)
    }

    fn wrote_nothing(&self) {
        let calls = self.calls();
        assert!(!calls.iter().any(Call::is_write), "{calls:#?}");
    }
}

fn secret_of(body: &Value) -> String {
    body["config"]["secret"].as_str().unwrap().to_owned()
}

/// The endpoint that a hook on GitHub posts to, which the test reaches where the server really is.
fn endpoint(access: &Access, body: &Value) -> Endpoint {
    let url = body["config"]["url"].as_str().unwrap();
    let path = url.strip_prefix(BASE).expect("the address of the outside");
    Endpoint {
        id: String::new(),
        access: access.clone(),
        path: path.to_owned(),
        token: String::new(),
        secret: secret_of(body),
    }
}

async fn is_accepted(access: &Access, body: &Value, delivery: &str) {
    let push = format!(r#"{{"ref":"refs/heads/main","repository":{{"full_name":"{REPO}"}}}}"#);
    let answer = endpoint(access, body).push(delivery, push).await;
    answer.expect(202);
    let log = access.log().await;
    let event = &log.last().unwrap()["event"];
    assert_eq!(event["kiteverified"], true, "{event}");
    assert_eq!(event["type"], "com.github.push", "{event}");
}

#[tokio::test]
async fn a_hook_is_made_and_what_it_posts_is_accepted_as_signed() {
    let server = Server::start();
    let (access, person, gh) = (server.owner(), Person::at(&server), Gh::new());
    let ended = gh
        .kite(&person, &["--repo", REPO])
        .stdout_has("Installed on octocat/hello-world: hook 901, events push, pull_request, issues")
        .stderr_has("kite stream --source github")
        .succeeds();
    let (line, body) = gh.written();
    assert_eq!(
        line,
        "api --method POST --input - repos/octocat/hello-world/hooks"
    );
    assert_eq!(body["name"], "web");
    assert_eq!(body["active"], true);
    assert_eq!(
        body["events"],
        json!([
            "push",
            "pull_request",
            "issues",
            "issue_comment",
            "pull_request_review",
            "pull_request_review_comment"
        ])
    );
    assert_eq!(body["config"]["content_type"], "json");
    assert_eq!(body["config"]["insecure_ssl"], "0");
    let url = format!("{BASE}/hooks/{}/github", access.team);
    assert_eq!(body["config"]["url"], url.as_str(), "without a token");
    is_accepted(&access, &body, "d-1").await;

    // Again: the same hook, the same secret, and nothing of it to be seen.
    let again = gh
        .kite(
            &person,
            &["--repo", REPO, "--json", "-vv", "--events", "issues,Push"],
        )
        .env("GH_DEBUG", "api")
        .env("KITE_API_KEY", &access.key)
        .succeeds();
    assert_eq!(
        again.json(),
        json!({
            "action": "updated",
            "repo": REPO,
            "hook_id": 901,
            "url": url,
            "events": ["issues", "push"],
            "secret_rotated": false,
        })
    );
    let (line, updated) = gh.written();
    assert_eq!(
        line,
        "api --method PATCH --input - repos/octocat/hello-world/hooks/901"
    );
    assert_eq!(updated["config"], body["config"]);
    assert_eq!(updated["events"], json!(["issues", "push"]));
    is_accepted(&access, &updated, "d-2").await;
    is_seen_nowhere(&secret_of(&body), &gh, &[ended, again]);
    for call in gh.calls() {
        let set = |line: &str| call.environment.lines().any(|found| found == line);
        assert!(set("GH_PROMPT_DISABLED=1") && set("NO_COLOR=1"), "{call:?}");
        assert!(!call.environment.contains(&access.key), "{call:?}");
        assert!(!call.environment.contains("GH_DEBUG"), "{call:?}");
    }
}

fn is_seen_nowhere(secret: &str, gh: &Gh, runs: &[Ended]) {
    assert_eq!(secret.len(), 64);
    for ended in runs {
        assert!(!ended.stdout.contains(secret), "{ended:#?}");
        assert!(!ended.stderr.contains(secret), "{ended:#?}");
    }
    for call in gh.calls() {
        assert!(!call.line().contains(secret), "{call:#?}");
        assert!(!call.environment.contains(secret), "{call:#?}");
    }
}

#[tokio::test]
async fn a_new_secret_is_made_when_it_is_asked_for() {
    let server = Server::start();
    let (access, person, gh) = (server.owner(), Person::at(&server), Gh::new());
    let run = |more: &[&str]| {
        let line = [&["--repo", REPO, "--json"], more].concat();
        let ended = gh.kite(&person, &line).succeeds();
        (ended.json()["secret_rotated"].clone(), gh.written().1)
    };
    let (made, first) = run(&["--all-events"]);
    assert_eq!(
        (made, &first["events"]),
        (json!(true), &json!(["*"])),
        "an endpoint's first secret is a new one"
    );
    let (kept, second) = run(&[]);
    assert_eq!(
        (kept, secret_of(&second)),
        (json!(false), secret_of(&first))
    );
    let (rotated, third) = run(&["--rotate-secret"]);
    assert_eq!(rotated, true);
    assert_ne!(secret_of(&third), secret_of(&first));
    is_accepted(&access, &third, "new").await;
    // GitHub may have signed before it knew the new one.
    is_accepted(&access, &first, "old").await;
}

#[test]
fn the_hook_of_this_endpoint_is_found_on_any_page_and_no_other_is_touched() {
    let server = Server::start();
    let team = server.owner().team;
    let (person, gh) = (Person::at(&server), Gh::new());
    let ours = format!("HTTPS://Hooks.Example.com:443/hooks/{team}/github/khk_old_1/");
    let others = [
        format!("http://hooks.example.com/hooks/{team}/github"),
        format!("https://hooks.example.org/hooks/{team}/github"),
        format!("{BASE}/hooks/{team}-2/github"),
        format!("{BASE}/hooks/{team}/gitlab"),
        format!("{BASE}/{team}/github"),
    ];
    let others: Vec<(u64, &str)> = (21..).zip(others.iter().map(String::as_str)).collect();
    gh.page(1, &others);
    gh.kite(&person, &["--repo", REPO])
        .stdout_has("Installed on")
        .succeeds();
    assert!(gh.written().0.contains(" POST "));

    gh.forget("page.901");
    gh.page(2, &[(31, "https://ci.example.com"), (32, &ours)]);
    gh.kite(&person, &["--repo", REPO])
        .stdout_has("Updated on octocat/hello-world: hook 32")
        .succeeds();
    let (line, body) = gh.written();
    assert!(line.ends_with("PATCH --input - repos/octocat/hello-world/hooks/32"));
    assert_eq!(body["config"]["url"], format!("{BASE}/hooks/{team}/github"));
    let lists = gh.calls();
    let lists = lists.iter().filter(|call| call.line().contains("GET"));
    for list in lists {
        assert!(list.line().contains("--paginate"), "{list:?}");
    }
}

#[test]
fn several_hooks_for_one_endpoint_are_left_to_their_owner() {
    let server = Server::start();
    let team = server.owner().team;
    let (person, gh) = (Person::at(&server), Gh::new());
    gh.kite(&person, &["--repo", REPO]).succeeds();
    let secret = secret_of(&gh.written().1);
    let doubled = format!("{BASE}/hooks/{team}/github/khk_x_y");
    gh.page(1, &[(41, &doubled)]);
    let before = gh.calls().len();
    gh.kite(&person, &["--repo", REPO, "--rotate-secret"])
        .stdout("")
        .stderr_has("41, 901")
        .stderr_has("gh api -X DELETE repos/octocat/hello-world/hooks/901")
        .exits(1);
    assert!(!gh.calls()[before..].iter().any(Call::is_write));
    gh.page(1, &[]);
    gh.kite(&person, &["--repo", REPO]).succeeds();
    assert_eq!(secret_of(&gh.written().1), secret, "nothing was rotated");
}

#[test]
fn without_a_name_it_is_the_repository_of_this_directory() {
    let server = Server::start();
    let (person, gh) = (Person::at(&server), Gh::new());
    let view = json!({"nameWithOwner": "acme/app", "url": "https://github.acme.example/acme/app"});
    gh.write("view", &view.to_string());
    gh.kite(&person, &[])
        .stdout_has("Installed on acme/app")
        .succeeds();
    let (line, _) = gh.written();
    assert!(line.contains("--hostname github.acme.example"), "{line}");
    assert!(line.ends_with("repos/acme/app/hooks"), "{line}");

    gh.fail("VIEW", 1, "failed to run git: fatal: not a git repository");
    gh.kite(&person, &[])
        .stdout("")
        .stderr_has("not a git repository")
        .stderr_has("--repo OWNER/REPO")
        .exits(2);
    gh.fail("VIEW", 4, "please run:  gh auth login");
    gh.kite(&person, &[])
        .stderr_has("gh auth login -s")
        .exits(4);
}

#[test]
fn what_gh_cannot_do_is_told_with_the_way_out_and_changes_nothing() {
    let server = Server::start();
    let (person, gh) = (Person::at(&server), Gh::new());
    let run = || gh.kite(&person, &["--repo", REPO]).stdout("");
    let refresh = "gh auth refresh -s admin:repo_hook";
    let cases = [
        (
            4,
            "To get started with GitHub CLI, please run:  gh auth login",
            4,
            "gh auth login -s admin:repo_hook",
        ),
        (
            1,
            "gh: Bad credentials (HTTP 401)",
            4,
            "gh auth login -s admin:repo_hook",
        ),
        (
            1,
            "gh: Must have admin rights to Repository. (HTTP 403)",
            4,
            refresh,
        ),
        (
            1,
            "gh: Not Found (HTTP 404)\ngh: This API operation needs the \"admin:repo_hook\" scope.",
            4,
            refresh,
        ),
        (1, "gh: Not Found (HTTP 404)", 4, refresh),
        (
            1,
            "gh: API rate limit exceeded for user ID 1. (HTTP 403)",
            6,
            "gh api rate_limit",
        ),
        (
            1,
            "error connecting to api.github.com",
            1,
            "error connecting to api.github.com",
        ),
        (
            1,
            "evil \u{1b}[2J (HTTP 500)",
            1,
            "evil \\u{1b}[2J (HTTP 500)",
        ),
        (1, "", 1, "exit code 1"),
    ];
    for (code, said, exit, part) in cases {
        gh.fail("LIST", code, said);
        run().stderr_has(part).exits(exit);
    }
    gh.fail("LIST", 1, "gh: Not Found (HTTP 404)");
    gh.fail("GET", 1, "gh: Not Found (HTTP 404)");
    run()
        .stderr_has("there is no repository `octocat/hello-world`")
        .exits(3);
    gh.forget("fail.LIST");
    gh.write("page.1", "<html>");
    run().stderr_has("cannot be read").exits(1);
    gh.wrote_nothing();
    person
        .kite(&["endpoints", "list"])
        .stdout("")
        .stderr_has("no endpoints")
        .succeeds();

    let nothing = TempDir::new().unwrap();
    run()
        .env("PATH", nothing.path().to_str().unwrap())
        .stderr_has("`gh`, the GitHub CLI, is not installed")
        .stderr_has("https://cli.github.com")
        .exits(1);
}

#[tokio::test]
async fn a_write_that_fails_says_what_has_changed_and_never_the_secret() {
    let server = Server::start();
    let (access, person, gh) = (server.owner(), Person::at(&server), Gh::new());
    gh.write("repeats", "");
    gh.fail("POST", 1, "gh: Not Found (HTTP 404)");
    let hidden = gh
        .kite(&person, &["--repo", REPO])
        .stdout("")
        .stderr_has("gh auth refresh -s admin:repo_hook")
        .exits(4);
    gh.fail("POST", 1, "gh: Validation Failed (HTTP 422)");
    let invalid = gh
        .kite(&person, &["--repo", REPO])
        .stdout("")
        .stderr_has("Validation Failed (HTTP 422)")
        .stderr_has("[secret]")
        .stderr_lacks("10 minutes")
        .exits(1);
    is_seen_nowhere(&secret_of(&gh.written().1), &gh, &[hidden, invalid]);
    gh.forget("fail.POST");
    gh.kite(&person, &["--repo", REPO]).succeeds();
    let (_, old) = gh.written();

    gh.fail("PATCH", 1, "gh: Server Error (HTTP 502)");
    let rotate = ["--repo", REPO, "--rotate-secret", "--json"];
    let half = gh.kite(&person, &rotate).stdout("").exits(1);
    let error = half.json_error();
    assert_eq!(error["code"], "failed");
    let (message, hint) = (error["message"].as_str(), error["hint"].as_str());
    assert!(
        message
            .unwrap()
            .contains("perhaps not on GitHub: `gh` failed")
    );
    assert!(hint.unwrap().contains("10 minutes"), "{error}");
    is_accepted(&access, &old, "meanwhile").await;
    let (_, new) = gh.written();
    is_seen_nowhere(&secret_of(&new), &gh, &[half]);
    gh.forget("fail.PATCH");
    gh.kite(&person, &["--repo", REPO]).succeeds();
    assert_eq!(secret_of(&gh.written().1), secret_of(&new));
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_asked() {
    let server = Server::start();
    let (person, gh) = (Person::at(&server), Gh::new());
    for wrong in [
        &["--repo", "hello-world"][..],
        &["--repo", "https://github.com/octocat/hello-world"],
        &["--repo", "octocat/../user"],
        &["--repo", REPO, "--events", " , "],
        &["--repo", REPO, "--events", "push,no such"],
        &["--repo", REPO, "--events", "push", "--all-events"],
    ] {
        gh.kite(&person, wrong)
            .stdout("")
            .stderr_has("hint: ")
            .exits(2);
    }
    for inside in [
        "",
        "http://localhost:7700",
        "https://10.1.2.3",
        "http://[::1]:1",
    ] {
        gh.kite(&person, &["--repo", REPO])
            .env("KITE_HOOK_BASE_URL", inside)
            .stdout("")
            .stderr_has("GitHub cannot reach http")
            .stderr_has("KITE_HOOK_BASE_URL")
            .exits(2);
    }
    gh.kite(&person, &["--repo", REPO])
        .env("KITE_HOOK_BASE_URL", "hooks.example.com")
        .stderr_has("KITE_HOOK_BASE_URL")
        .exits(2);
    gh.kite(&Person::new(), &["--repo", REPO])
        .stderr_has("kite login")
        .exits(4);
    assert!(gh.calls().is_empty(), "{:#?}", gh.calls());

    let reader = Person::with(&server.key(&server.owner().team, "read"));
    gh.kite(&reader, &["--repo", REPO])
        .stderr_has("permission")
        .exits(4);
    gh.wrote_nothing();
    gh.kite(&person, &["--repo", REPO])
        .env("KITE_HOOK_BASE_URL", "http://hooks.example.com/")
        .stderr_has("warning: GitHub will post to http://hooks.example.com in clear text")
        .succeeds();
}

#[test]
fn an_interrupt_ends_gh_too() {
    let server = Server::start();
    let (person, gh) = (Person::at(&server), Gh::new());
    gh.write("hangs", "");
    let process = gh.kite(&person, &["--repo", REPO]).start();
    let pid = appearing(&gh.file("state/pid"));
    process.signal("INT");
    assert_eq!(process.end().code, Some(130));
    let deadline = Instant::now() + PATIENCE;
    while is_running(pid.trim()) {
        assert!(Instant::now() < deadline, "gh still runs");
        thread::sleep(GLANCE);
    }
}

/// The text of a file once it is there.
fn appearing(path: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = fs::read_to_string(path) {
            return text;
        }
        assert!(
            Instant::now() < deadline,
            "{} never appears",
            path.display()
        );
        thread::sleep(GLANCE);
    }
}

/// Whether a process is there and has not ended. Nobody may have fetched the end of an orphan.
fn is_running(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| !state.trim().starts_with('Z'))
}

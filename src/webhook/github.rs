//! GitHub (spec 9, 10.1, 10.3).

use url::Url;

use super::signature::{Mac, SignatureFault, check_body_hex};
use super::words::{self, known, person};
use super::{Description, Provider, Request, SignatureHeaders, View};

pub(super) const PROVIDER: Provider = Provider {
    slug: "github",
    // GitHub's own cap on a payload.
    max_body_bytes: Some(25 * 1024 * 1024),
    header: HEADER,
    verify,
    sign,
    describe,
    delivery_id,
    ..Provider::PLAIN
};

pub(super) const HEADER: &str = "X-Hub-Signature-256";
const PREFIX: &str = "sha256=";
const HOST: &str = "github.com";

/// The longest repository name that goes into `source`, in bytes; GitHub's own are at most 140.
const REPOSITORY_MAX_BYTES: usize = 256;

/// The SHA-1 header is never enough.
fn verify(request: &Request<'_>, secret: &[u8], _now: i64) -> Result<(), SignatureFault> {
    check_body_hex(request, HEADER, PREFIX, secret)
}

fn sign(request: &Request<'_>, secret: &[u8], _now: i64) -> SignatureHeaders {
    let digits = Mac::sha256(secret, &[request.body]).to_hex();
    vec![(HEADER, format!("{PREFIX}{digits}"))]
}

fn delivery_id(request: &Request<'_>, _payload: &View<'_>) -> Option<String> {
    request.headers.get("x-github-delivery").map(str::to_owned)
}

/// A hook whose content type was left as GitHub's page presets it sends its payload in a form.
fn describe(request: &Request<'_>, payload: &View<'_>) -> Description {
    let event = request
        .headers
        .get("x-github-event")
        .unwrap_or_default()
        .trim();
    let form = words::form_payload(request, payload);
    let form = form.as_deref().and_then(words::view);
    let payload = form.as_ref().unwrap_or(payload);
    let repository = payload.object("repository");
    let repository = repository.as_ref();
    Description {
        kind: format!("com.github.{}", words::for_type(event)),
        source: source(repository),
        summary: summary(
            event,
            &Words {
                payload,
                repository,
            },
        ),
    }
}

/// The repository's page: on github.com by its name, on another host by its own address.
fn source(repository: Option<&View<'_>>) -> String {
    let fits =
        |text: &String| text.len() <= REPOSITORY_MAX_BYTES && !text.contains(char::is_control);
    let member = |name: &str| repository?.text(name).filter(fits);
    let elsewhere = member("html_url").filter(|address| {
        Url::parse(address).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.host_str() != Some(HOST)
        })
    });
    match (elsewhere, member("full_name")) {
        (Some(address), _) => address,
        (None, Some(name)) => format!("https://{HOST}/{name}"),
        (None, None) => format!("https://{HOST}"),
    }
}

/// The payload's words, as summaries have them.
struct Words<'a> {
    payload: &'a View<'a>,
    repository: Option<&'a View<'a>>,
}

impl Words<'_> {
    /// A text two levels down.
    fn of(&self, object: &str, member: &str) -> Option<String> {
        self.payload.object(object)?.text(member)
    }

    fn sender(&self) -> String {
        person(self.of("sender", "login"))
    }

    fn pusher(&self) -> String {
        person(
            self.of("pusher", "name")
                .or_else(|| self.of("sender", "login")),
        )
    }

    fn repository(&self) -> String {
        known(
            self.repository
                .and_then(|repository| repository.text("full_name")),
        )
    }

    fn action(&self) -> String {
        words::event(self.payload.text("action"))
    }

    fn branch(&self) -> String {
        let name = known(self.payload.text("ref"));
        let short = ["refs/heads/", "refs/tags/"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        short.unwrap_or(&name).to_owned()
    }

    /// The number of an issue or pull request.
    fn number(&self, object: &str) -> String {
        let inner = self
            .payload
            .object(object)
            .and_then(|inner| inner.integer("number"));
        let number = inner.or_else(|| self.payload.integer("number"));
        known(number.map(|number| number.to_string()))
    }

    /// How a run ended, or where it stands.
    fn outcome(&self, object: &str) -> String {
        known(
            self.of(object, "conclusion")
                .or_else(|| self.of(object, "status")),
        )
    }
}

fn summary(event: &str, words: &Words<'_>) -> String {
    let payload = words.payload;
    let repository = words.repository();
    match event {
        "push" if payload.is_true("deleted") => {
            format!(
                "{} deleted {} in {repository}",
                words.pusher(),
                words.branch()
            )
        }
        "push" => {
            let count = payload.count("commits").unwrap_or(0);
            let commits = if count == 1 { "commit" } else { "commits" };
            let (pusher, branch) = (words.pusher(), words.branch());
            format!("{pusher} pushed {count} {commits} to {branch} in {repository}")
        }
        "pull_request" => {
            let pull = payload.object("pull_request");
            let is_merged = pull.as_ref().is_some_and(|pull| pull.is_true("merged"));
            let action = match words.action() {
                action if action == "closed" && is_merged => "merged".to_owned(),
                action => action,
            };
            let title = known(words.of("pull_request", "title"));
            let number = words.number("pull_request");
            format!(
                "{} {action} pull request #{number} in {repository}: {title}",
                words.sender()
            )
        }
        "issues" => {
            let (action, number) = (words.action(), words.number("issue"));
            let title = known(words.of("issue", "title"));
            format!(
                "{} {action} issue #{number} in {repository}: {title}",
                words.sender()
            )
        }
        "issue_comment" => {
            format!(
                "{} commented on #{} in {repository}",
                words.sender(),
                words.number("issue")
            )
        }
        "pull_request_review" => {
            let number = words.number("pull_request");
            let state = known(words.of("review", "state"));
            format!(
                "{} reviewed pull request #{number} in {repository} ({state})",
                words.sender()
            )
        }
        "create" | "delete" => {
            let done = if event == "create" {
                "created"
            } else {
                "deleted"
            };
            let kind = known(payload.text("ref_type"));
            let name = known(payload.text("ref"));
            format!("{} {done} {kind} {name} in {repository}", words.sender())
        }
        "release" => {
            let tag = known(words.of("release", "tag_name"));
            format!(
                "{} {} release {tag} in {repository}",
                words.sender(),
                words.action()
            )
        }
        "workflow_run" => {
            let name = known(words.of("workflow_run", "name"));
            let branch = known(words.of("workflow_run", "head_branch"));
            format!(
                "workflow {name} {} on {branch} in {repository}",
                words.outcome("workflow_run")
            )
        }
        "check_run" => {
            let name = known(words.of("check_run", "name"));
            format!(
                "check {name} {} in {repository}",
                words.outcome("check_run")
            )
        }
        "ping" => format!("GitHub ping from {repository}"),
        other => {
            let event = words::event(Some(other.to_owned()));
            let action = payload.text("action").unwrap_or_default();
            let action = match action.trim() {
                "" => String::new(),
                action => format!(" {action}"),
            };
            format!("GitHub {event}{action} in {repository}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Headers;

    #[test]
    fn a_payload_in_a_form_is_described_like_any_other() {
        let headers = Headers::new([
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-github-event", "ping"),
        ]);
        let request = Request {
            slug: "github",
            headers: &headers,
            body: b"",
            url: None,
        };
        let data = r#"{"payload":"{\"repository\":{\"full_name\":\"acme/app\"}}"}"#;
        let described = describe(&request, &View::of(data));
        assert_eq!(described.source, "https://github.com/acme/app");
        assert_eq!(described.summary, "GitHub ping from acme/app");
    }
}

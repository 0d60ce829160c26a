//! A repository's hooks on GitHub, through `gh`: which there are, which one posts to an endpoint of ours, and setting it.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::error::{CommandError, Kind};
use super::gh::{GhFailure, GhFault, gh};
use super::text::visible;
use crate::base::secret::Secret;

/// A repository on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// The host, where it is not left to `gh`.
    host: Option<String>,
    /// `OWNER/REPO`.
    pub(super) name: String,
}

/// Why a text names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a repository: write OWNER/REPO, such as octocat/hello-world")]
pub(super) struct RepositoryError(String);

impl FromStr for Repository {
    type Err = RepositoryError;

    /// Only what GitHub gives out as names: they become a part of a path.
    fn from_str(text: &str) -> Result<Self, RepositoryError> {
        let is_name = |part: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part.chars().all(is_plain) && !matches!(part, "." | "..")
        };
        let parts = text.split_once('/');
        match parts {
            Some((owner, repo)) if is_name(owner) && is_name(repo) => Ok(Self {
                host: None,
                name: text.to_owned(),
            }),
            _ => Err(RepositoryError(text.to_owned())),
        }
    }
}

impl Repository {
    /// The repository of the current directory, as `gh` knows it.
    pub(super) async fn of_this_directory() -> Result<Self, CommandError> {
        /// What `gh repo view` prints.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct View {
            name_with_owner: String,
            url: String,
        }
        let untold = |why: &str| {
            let why = visible(why);
            CommandError::usage(format!(
                "cannot tell the repository of this directory: {why}"
            ))
            .with_hint("name it: `kite github install --repo OWNER/REPO`")
        };
        let told = gh(&["repo", "view", "--json", "nameWithOwner,url"], None).await;
        let told = told.map_err(|fault| match fault {
            GhFault::Failed(failure) if !failure.is_login() => untold(&failure.words()),
            fault => fault.into(),
        })?;
        let view: View =
            serde_json::from_slice(&told).map_err(|error| untold(&error.to_string()))?;
        let repository: Self = view
            .name_with_owner
            .parse()
            .map_err(|error: RepositoryError| untold(&error.to_string()))?;
        let url = Url::parse(&view.url).map_err(|error| untold(&error.to_string()))?;
        Ok(Self {
            host: url.host_str().map(str::to_owned),
            ..repository
        })
    }

    /// Calls GitHub's REST API for this repository.
    async fn api(&self, method: &str, below: &str, body: Option<&str>) -> Result<Vec<u8>, GhFault> {
        let path = format!("repos/{}{below}", self.name);
        let mut arguments = vec!["api", "--method", method];
        if let Some(host) = &self.host {
            arguments.extend(["--hostname", host]);
        }
        match body {
            Some(_) => arguments.extend(["--input", "-"]),
            None => arguments.push("--paginate"),
        }
        arguments.push(&path);
        gh(&arguments, body).await
    }

    /// All hooks of the repository, from every page.
    pub(super) async fn hooks(&self) -> Result<Vec<Hook>, CommandError> {
        let listed = match self.api("GET", "/hooks?per_page=100", None).await {
            Ok(listed) => listed,
            Err(GhFault::Failed(failure)) if failure.status() == Some(404) => {
                return Err(self.hidden(&failure).await);
            }
            Err(fault) => return Err(fault.into()),
        };
        // An array per page, or one of all: that depends on the version of `gh`.
        let pages = serde_json::Deserializer::from_slice(&listed).into_iter::<Vec<Hook>>();
        let pages: Result<Vec<Vec<Hook>>, _> = pages.collect();
        let pages = pages.map_err(|error| unreadable(&error))?;
        Ok(pages.into_iter().flatten().collect())
    }

    /// GitHub says 404 for hooks that one may not see as for a repository that is not there. Which of the two?
    async fn hidden(&self, failure: &GhFailure) -> CommandError {
        if failure.is_permission() {
            return CommandError::gh_denied(failure);
        }
        match self.api("GET", "", None).await {
            Ok(_) => CommandError::gh_denied(failure),
            Err(GhFault::Failed(failure)) if failure.status() == Some(404) => {
                let message = format!("there is no repository `{}` that `gh` can see", self.name);
                CommandError::new(Kind::NotFound, message)
                    .with_hint("check `--repo`; `gh auth status` shows who `gh` is logged in as")
            }
            Err(fault) => fault.into(),
        }
    }

    /// Sets a hook, or makes one when no id is given; its id. Whatever the hook was like, it is like this afterwards.
    pub(super) async fn set(
        &self,
        id: Option<u64>,
        hook: &Wanted<'_>,
    ) -> Result<u64, CommandError> {
        let body = hook.body(id.is_none());
        let written = match id {
            Some(id) => {
                self.api("PATCH", &format!("/hooks/{id}"), Some(&body))
                    .await
            }
            None => self.api("POST", "/hooks", Some(&body)).await,
        };
        let written = written.map_err(|fault| match fault {
            GhFault::Failed(failure) => {
                let failure = failure.without(hook.secret.reveal());
                // The hooks could be read: what GitHub hides now is the right to write.
                match failure.status() {
                    Some(404) => CommandError::gh_denied(&failure),
                    _ => GhFault::Failed(failure).into(),
                }
            }
            fault => fault.into(),
        })?;
        let made: Hook = serde_json::from_slice(&written).map_err(|error| unreadable(&error))?;
        Ok(made.id)
    }

    /// The one of these hooks that posts to an endpoint, if there is one.
    pub(super) fn one_for(
        &self,
        endpoint: &Address,
        hooks: &[Hook],
    ) -> Result<Option<u64>, CommandError> {
        let is_ours = |hook: &&Hook| {
            let url = hook.config.url.as_deref();
            url.is_some_and(|url| endpoint.is_posted_to_by(url))
        };
        let ids: Vec<u64> = hooks.iter().filter(is_ours).map(|hook| hook.id).collect();
        match ids[..] {
            [] => Ok(None),
            [id] => Ok(Some(id)),
            [.., last] => {
                let listed: Vec<String> = ids.iter().map(u64::to_string).collect();
                let (name, listed) = (&self.name, listed.join(", "));
                let message = format!("several hooks of {name} post to this endpoint: {listed}");
                Err(CommandError::failed(message).with_hint(format!(
                    "keep one; `gh api -X DELETE repos/{name}/hooks/{last}` removes another"
                )))
            }
        }
    }
}

fn unreadable(error: &serde_json::Error) -> CommandError {
    CommandError::failed(format!("GitHub's answer cannot be read: {error}"))
        .with_hint("`gh --version` shows the version; kite needs 2.0 or newer")
}

/// A hook as GitHub lists it.
#[derive(Debug, Deserialize)]
pub(super) struct Hook {
    id: u64,
    #[serde(default)]
    config: Config,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    url: Option<String>,
}

/// A hook as it is to be.
pub(super) struct Wanted<'a> {
    /// Where it posts to.
    pub(super) url: &'a str,
    /// What it signs with.
    pub(super) secret: &'a Secret,
    /// Which events it posts.
    pub(super) events: &'a [String],
}

impl Wanted<'_> {
    fn body(&self, is_new: bool) -> String {
        let mut body = json!({
            "active": true,
            "events": self.events,
            "config": {
                "url": self.url,
                "content_type": "json",
                "insecure_ssl": "0",
                "secret": self.secret.reveal(),
            },
        });
        if is_new {
            body["name"] = "web".into();
        }
        body.to_string()
    }
}

/// The URL of an endpoint, to be recognised in whatever way it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    origin: url::Origin,
    /// Decoded.
    segments: Vec<Vec<u8>>,
}

impl Address {
    /// Reads a URL.
    pub(super) fn parse(url: &str) -> Result<Self, url::ParseError> {
        let url = Url::parse(url.trim())?;
        let path = url.path().trim_end_matches('/');
        let segments = path.split('/').skip(1);
        Ok(Self {
            origin: url.origin(),
            segments: segments
                .map(|segment| percent_decode_str(segment).collect())
                .collect(),
        })
    }

    /// Whether a hook with this URL posts to the endpoint: its own URL, or that with a token behind it.
    fn is_posted_to_by(&self, url: &str) -> bool {
        let Ok(other) = Self::parse(url) else {
            return false;
        };
        let rest = other.segments.strip_prefix(&self.segments[..]);
        other.origin == self.origin && rest.is_some_and(|rest| rest.len() < 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        for good in ["octocat/hello-world", "a/b.c_d", "A-1/.github"] {
            let parsed: Repository = good.parse().unwrap();
            assert_eq!(parsed.name, good);
        }
        for bad in [
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "a/..",
            "./b",
            "a/b?x",
            "a/{repo}",
            "a/b ",
            "a/é",
            "a\n/b",
            "https://github.com/a/b",
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_endpoint_is_recognised_however_its_url_is_written() {
        let endpoint = Address::parse("https://hooks.example.com/hooks/my%20team/github").unwrap();
        for ours in [
            "https://hooks.example.com/hooks/my%20team/github",
            "HTTPS://Hooks.Example.COM:443/hooks/my%20team/github/",
            "https://hooks.example.com/hooks/m%79 team/github/khk_1_2",
            "https://hooks.example.com/hooks/my%20team/github/khk_1_2/",
            " https://hooks.example.com/hooks/my%20team/github?x=1",
        ] {
            assert!(endpoint.is_posted_to_by(ours), "{ours}");
        }
        for other in [
            "http://hooks.example.com/hooks/my%20team/github",
            "https://hooks.example.com:8443/hooks/my%20team/github",
            "https://hooks.example.org/hooks/my%20team/github",
            "https://hooks.example.com/hooks/my%20team2/github",
            "https://hooks.example.com/hooks/my%2520team/github",
            "https://hooks.example.com/hooks/My%20team/github",
            "https://hooks.example.com/hooks/my%20team/github-2",
            "https://hooks.example.com/hooks/my%20team/gitlab/github",
            "https://hooks.example.com/hooks/my%20team/github/a/b",
            "https://hooks.example.com/hooks/my%20team",
            "https://hooks.example.com/x/hooks/my%20team/github",
            "nonsense",
            "",
        ] {
            assert!(!endpoint.is_posted_to_by(other), "{other}");
        }
        let slash = Address::parse("https://h/hooks/a%2Fb/github").unwrap();
        assert!(!slash.is_posted_to_by("https://h/hooks/a/b/github"));
    }
}

//! Who does a step, and where.

use super::fault::Findings;
use super::peers::{Federation, is_server};
use super::section::{Found, Section};
use crate::openintent::trust::normalize;
use crate::protocol::id::AgentId;

/// What the address of an agent of another server begins with.
const SCHEME: &str = "federation://";

/// Who does a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The agent.
    pub agent: AgentId,
    /// Its server, by its URL, where that is another one.
    pub server: Option<String>,
}

impl Place {
    /// Reads `assign:` and `dispatch_to:` of a step.
    pub(super) fn read(
        step: &Section<'_>,
        name: &str,
        federation: &Federation,
        findings: &mut Findings,
    ) -> Option<Self> {
        let dispatch_to = step.text("dispatch_to", findings);
        let assign = step.text("assign", findings);
        let dispatch_to = match dispatch_to {
            Some(url) if !is_server(&url.value, url.at, findings) => return None,
            url => url,
        };
        let Some(assign) = assign else {
            if step.get("assign").is_none() {
                let message = format!(
                    "`{name}` is assigned to nobody: add `assign: AGENT`, or `assign: federation://HOST/AGENT`"
                );
                findings.fault(step.at, message);
            }
            return None;
        };
        let Some(rest) = assign.value.strip_prefix(SCHEME) else {
            let agent = agent(&assign, &assign.value, findings)?;
            let server = dispatch_to.map(|url| url.value);
            return Some(Self { agent, server });
        };
        let Some((authority, id)) = rest.split_once('/') else {
            let message = format!(
                "`{}` names no agent: write federation://HOST/AGENT",
                assign.value
            );
            findings.fault(assign.at, message);
            return None;
        };
        // The host of a peer stands for its whole URL, since the address says neither http nor a path.
        let url = federation.url_of(authority).map(str::to_owned);
        let url = url.unwrap_or_else(|| format!("https://{authority}"));
        if !is_server(&url, assign.at, findings) {
            return None;
        }
        if let Some(other) = &dispatch_to
            && normalize(&other.value) != normalize(&url)
        {
            let message = format!(
                "`dispatch_to` says another server than `assign: {}`: keep one of them",
                assign.value
            );
            findings.fault(other.at, message);
        }
        let agent = agent(&assign, id, findings)?;
        Some(Self {
            agent,
            server: Some(url),
        })
    }

    /// Where it is, for people: an agent, or an agent at a server.
    pub fn words(&self) -> String {
        match &self.server {
            None => self.agent.to_string(),
            Some(server) => format!("{} at {server}", self.agent),
        }
    }
}

fn agent(assign: &Found<String>, id: &str, findings: &mut Findings) -> Option<AgentId> {
    let read = id.parse();
    if let Err(fault) = &read {
        let message = format!("`{id}` cannot be an agent: {fault}");
        findings.fault(assign.at, message);
    }
    read.ok()
}

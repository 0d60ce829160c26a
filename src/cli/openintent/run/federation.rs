//! What a workflow says of the servers that take part becomes true at the team's server.

use super::super::super::error::{CommandError, Kind};
use super::super::super::output::Output;
use super::super::offered;
use crate::client::{Api, ClientError};
use crate::openintent::model::AgentVisibility;
use crate::openintent::trust::normalize;
use crate::openintent::workflow::{Peer, Workflow};
use crate::protocol::trust::{
    TeamTrustShown, TrustPolicyDraft, TrustedServerDraft, TrustedServerShown,
};

/// Makes the team trust whom the file names, where that is not so yet, and warns of what the file cannot change.
pub(super) async fn configure(
    workflow: &Workflow,
    api: &Api,
    out: Output,
) -> Result<(), CommandError> {
    check_identity(workflow, api, out).await?;
    check_agents(workflow, api, out).await?;
    let federation = &workflow.federation;
    if federation.peers.is_empty() && federation.trust_policy.is_none() {
        return Ok(());
    }
    let trust = match api.trust().await {
        Ok(trust) => trust,
        Err(ClientError::Refused(refusal)) if refusal.status == 403 => {
            out.warn(
                "whether the team trusts the file's peers cannot be told: the key may not see that; with an admin key \
                 it would be looked at and set",
            );
            return Ok(());
        }
        Err(error) => return offered(Err(error)),
    };
    set_policy(workflow, &trust, api, out).await?;
    for peer in &federation.peers {
        set_peer(peer, &trust, api, out).await?;
    }
    Ok(())
}

async fn set_policy(
    workflow: &Workflow,
    trust: &TeamTrustShown,
    api: &Api,
    out: Output,
) -> Result<(), CommandError> {
    let Some(policy) = workflow.federation.trust_policy else {
        return Ok(());
    };
    if trust.trust_policy == policy.word() {
        return Ok(());
    }
    let draft = TrustPolicyDraft {
        trust_policy: Some(policy.word().to_owned()),
    };
    offered(api.set_trust_policy(&draft).await)?;
    let (before, now) = (&trust.trust_policy, policy.word());
    out.note(&format!(
        "the team's trust policy is {now} now, and was {before}"
    ));
    Ok(())
}

async fn set_peer(
    peer: &Peer,
    trust: &TeamTrustShown,
    api: &Api,
    out: Output,
) -> Result<(), CommandError> {
    let url = normalize(&peer.url);
    let mut servers = trust.servers.iter();
    let known = servers.find(|server| normalize(&server.url) == url);
    if known.is_some_and(|known| is_so(known, peer)) {
        return Ok(());
    }
    if known.is_some_and(|known| known.has_api_key) {
        // A new entry replaces the old one, and its key is told to nobody.
        let message = format!(
            "`{}` is trusted otherwise than the file says, with an API key that a change would lose",
            peer.url
        );
        return Err(CommandError::new(Kind::Failed, message).with_hint(
            "say it with the key: `kite openintent trust add URL --relationship WORD --api-key -`; or change the file",
        ));
    }
    let draft = draft(peer, known);
    offered(api.trust_server(&draft).await)?;
    let word = peer.relationship.word();
    out.note(&format!("the team trusts `{}` now, as {word}", peer.url));
    Ok(())
}

/// What is said of a server: what the file does not say stays as it is.
fn draft(peer: &Peer, known: Option<&TrustedServerShown>) -> TrustedServerDraft {
    let policy = peer.trust_policy.map(|policy| policy.word().to_owned());
    TrustedServerDraft {
        url: Some(peer.url.clone()),
        relationship: Some(peer.relationship.word().to_owned()),
        trust_policy: policy.or_else(|| known?.trust_policy.clone()),
        did: known.and_then(|known| known.did.clone()),
        api_key: None,
    }
}

/// Whether a server is trusted as the file says. A policy that the file does not name stays as it is.
fn is_so(known: &TrustedServerShown, peer: &Peer) -> bool {
    let policy = peer.trust_policy.map(|policy| policy.word());
    known.relationship == peer.relationship.word()
        && (policy.is_none() || known.trust_policy.as_deref() == policy)
}

/// The server's own name is for whoever starts it to say.
async fn check_identity(workflow: &Workflow, api: &Api, out: Output) -> Result<(), CommandError> {
    let Some(wanted) = &workflow.federation.server_did else {
        return Ok(());
    };
    let status = offered(api.openintent_status().await)?.value;
    let did = status.server_did.unwrap_or_default();
    if did != *wanted {
        out.warn(&format!(
            "the server is `{did}`, and the file says `{wanted}`: `kite serve --public-url` gives it its name"
        ));
    }
    Ok(())
}

/// Who is told of agents is said where the server is configured.
async fn check_agents(workflow: &Workflow, api: &Api, out: Output) -> Result<(), CommandError> {
    let public = Some(AgentVisibility::Public);
    let own = workflow.steps.iter().filter(|it| it.place.server.is_none());
    let public: Vec<&str> = own
        .filter(|step| step.visibility == public)
        .map(|step| step.place.agent.as_str())
        .collect();
    if public.is_empty() {
        return Ok(());
    }
    let listed = offered(api.openintent_agents(None).await)?.value;
    for agent in public {
        if !listed.iter().any(|listed| listed.agent_id == agent) {
            out.warn(&format!(
                "`{agent}` is to be public, and the server lists no such agent: say so in its file, \
                 `[[openintent.agents]]`"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openintent::model::PeerRelationship;
    use crate::protocol::trust::TrustSource;

    #[test]
    fn a_file_that_says_less_of_a_peer_loosens_nothing() {
        let known = TrustedServerShown {
            url: "https://b.example".to_owned(),
            relationship: "peer".to_owned(),
            trust_policy: Some("trustless".to_owned()),
            did: Some("did:web:other.example".to_owned()),
            has_api_key: false,
            source: TrustSource::Command,
            created_at: None,
        };
        let peer = Peer {
            url: known.url.clone(),
            relationship: PeerRelationship::Upstream,
            trust_policy: None,
        };
        assert!(!is_so(&known, &peer));
        let draft = draft(&peer, Some(&known));
        assert_eq!(draft.relationship.as_deref(), Some("upstream"));
        assert_eq!(draft.trust_policy, known.trust_policy);
        assert_eq!(draft.did, known.did);
    }
}

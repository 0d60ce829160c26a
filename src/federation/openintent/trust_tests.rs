use super::*;
use crate::federation::fixtures;
use crate::openintent::trust::{Needs, TrustFault};
use crate::protocol::permission::Permissions;
use crate::protocol::scope::Scopes;
use crate::protocol::token::{Token, TokenKind};
use crate::store::Role;
use crate::store::record::{KeyHash, KeyRecord};
use crate::store::sqlite::Sqlite;

const FILED: &str = "https://filed.example";
const NEW: &str = "https://new.example";

fn team(name: &str) -> TeamId {
    name.parse().unwrap()
}

/// A registry with these configured: teams and URLs.
struct Registry {
    _dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    trust: Trust,
}

impl Registry {
    async fn start(peers: &[(&str, &str)], agents: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kite.db");
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, Role::Server).unwrap());
        for (byte, name) in (1..).zip(["acme", "beta", "default"]) {
            let token = Token::mint(TokenKind::ApiKey, &[byte; 20]);
            let key = KeyRecord {
                id: name.to_owned(),
                team: team(name),
                prefix: token.prefix().to_owned(),
                hash: KeyHash::of(&token),
                name: None,
                scopes: Scopes::all(),
                permissions: Permissions::default(),
                created_at: 1,
                expires_at: None,
                revoked_at: None,
                last_used_at: None,
            };
            store.create_team(team(name), key).await.unwrap();
        }
        let url = |url: &str| ServerUrl::parse(url, &Outbound::default(), false).unwrap();
        let peers = peers.iter().map(|(name, peer)| ConfiguredPeer {
            team: team(name),
            url: url(peer),
            relationship: PeerRelationship::Peer,
            trust_policy: None,
            did: None,
            api_key: Some("of-the-file".to_owned().into()),
            shared_secret: Some([7; 32].into()),
        });
        let agents = agents.iter().map(|(name, agent)| ConfiguredAgent {
            team: team(name),
            id: agent.parse().unwrap(),
            visibility: crate::openintent::model::AgentVisibility::Public,
            capabilities: Vec::new(),
        });
        let settings = OpenIntentSettings {
            peers: peers.collect(),
            agents: agents.collect(),
            ..OpenIntentSettings::default()
        };
        let trust = Trust::new(store.clone(), Arc::new(fixtures::sealer()), &settings);
        Self {
            _dir: dir,
            store,
            trust,
        }
    }

    /// A command.
    async fn put(&self, name: &str, url: &str, key: Option<&str>) {
        let place = TrustedRecord::place(&team(name), url);
        let record = TrustedRecord {
            team: team(name),
            url: url.to_owned(),
            given_url: format!("{url}/"),
            relationship: "downstream".to_owned(),
            trust_policy: Some("open".to_owned()),
            did: None,
            api_key: key.map(|key| fixtures::sealer().seal(&place, key).unwrap()),
            created_at: 5,
            updated_at: 5,
        };
        self.store.put_trusted_server(record).await.unwrap();
        self.trust.forget();
    }
}

#[tokio::test]
async fn what_a_command_says_of_a_server_wins_until_it_is_taken_back() {
    let registry = Registry::start(&[("acme", FILED)], &[("acme", "writer")]).await;
    let of = async || registry.trust.of(&team("acme")).await.unwrap();
    let filed = of().await;
    assert_eq!(filed.server(FILED).unwrap().source, Source::Configuration);
    assert_eq!(filed.agents.len(), 1);
    assert_eq!(
        filed.enforcer.is_trusted(FILED, &[]),
        Ok(Needs::Credentials)
    );

    registry.put("acme", FILED, Some("of-the-command")).await;
    let said = of().await;
    let server = said.server(FILED).unwrap();
    assert_eq!(server.source, Source::Command);
    assert_eq!(server.api_key.as_ref().unwrap().reveal(), "of-the-command");
    // No command can say it.
    assert_eq!(server.shared_secret, Some([7; 32].into()));
    assert_eq!(
        said.enforcer.is_trusted(FILED, &[]),
        Err(TrustFault::Downstream)
    );
    assert_eq!(said.servers.len(), 1);

    registry.put("acme", FILED, None).await;
    assert_eq!(of().await.server(FILED).unwrap().api_key, None);
    let removed = registry
        .store
        .remove_trusted_server(team("acme"), FILED.to_owned());
    assert!(removed.await.unwrap());
    registry.trust.forget();
    assert_eq!(
        of().await.server(FILED).unwrap().source,
        Source::Configuration
    );
}

#[tokio::test]
async fn what_was_read_is_remembered_until_something_changes() {
    let registry = Registry::start(&[], &[]).await;
    let acme = team("acme");
    let before = registry.trust.of(&acme).await.unwrap();
    assert_eq!(before.policy_source, Source::Configuration);
    let policy = Some("open".to_owned());
    registry
        .store
        .put_trust_policy(acme.clone(), policy)
        .await
        .unwrap();
    let same = registry.trust.of(&acme).await.unwrap();
    assert!(Arc::ptr_eq(&before, &same));
    registry.trust.forget();
    let after = registry.trust.of(&acme).await.unwrap();
    assert_eq!(
        (after.policy, after.policy_source),
        (TrustPolicy::Open, Source::Command)
    );
    let other = registry.trust.of(&team("beta")).await.unwrap();
    assert_eq!(other.policy, TrustPolicy::Allowlist);
}

#[tokio::test]
async fn a_server_is_the_default_team_s_then_the_file_s_then_the_first_one_s() {
    let registry = Registry::start(&[("beta", FILED)], &[("acme", "writer")]).await;
    let whose = async |url: &str, agent: Option<&str>| {
        let team = registry.trust.team_of(url, agent).await.unwrap();
        team.map(|team| team.as_str().to_owned())
    };
    assert_eq!(whose(NEW, None).await, None);
    assert_eq!(whose(FILED, None).await.as_deref(), Some("beta"));
    registry.put("acme", FILED, None).await;
    assert_eq!(whose(FILED, None).await.as_deref(), Some("beta"));
    assert_eq!(whose(FILED, Some("writer")).await.as_deref(), Some("acme"));
    assert_eq!(whose(FILED, Some("nobody")).await.as_deref(), Some("beta"));
    registry.put("default", FILED, None).await;
    assert_eq!(whose(FILED, None).await.as_deref(), Some("default"));
    registry.put("acme", NEW, None).await;
    registry.put("beta", NEW, None).await;
    assert_eq!(whose(NEW, None).await.as_deref(), Some("acme"));
}

#[tokio::test]
async fn a_server_is_found_by_either_spelling_of_its_did() {
    let registry = Registry::start(&[("acme", "https://a.example:8443")], &[]).await;
    let trust = registry.trust.of(&team("acme")).await.unwrap();
    for did in ["did:web:a.example%3A8443", "did:web:a.example:8443"] {
        assert!(trust.by_did(did).is_some(), "{did}");
    }
    assert!(trust.by_did("did:web:a.example").is_none());
}

use super::*;
use crate::openintent::policy::FederationPolicy;

fn read(table: &str) -> Result<OpenIntentConfig, CommandError> {
    let table: OpenIntentTable = toml::from_str(table).unwrap();
    table.settings(&Outbound::default())
}

fn refusal(table: &str) -> String {
    read(table).unwrap_err().message().to_owned()
}

#[test]
fn without_a_word_it_is_on_and_trusts_nobody() {
    let settings = read("").unwrap();
    assert!(settings.enabled);
    assert_eq!(settings.trust_policy, TrustPolicy::Allowlist);
    assert_eq!(settings.trustless_mode, TrustlessMode::Refuse);
    assert_eq!(settings.visibility_default, AgentVisibility::Public);
    assert_eq!(settings.policy, FederationPolicy::default());
    assert_eq!(settings.key_overlap.as_secs(), 7 * 86_400);
    assert!(settings.peers.is_empty() && settings.agents.is_empty());
}

#[test]
fn all_that_the_table_says_is_read() {
    let dir = tempfile::TempDir::new().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "of-the-file\n").unwrap();
    let seed = dir.path().join("seed");
    std::fs::write(&seed, [7; 32]).unwrap();
    let settings = read(&format!(
        r#"
        trust_policy = "open"
        trustless_mode = "verify"
        visibility_default = "unlisted"
        require_https = true
        require_known_agent = true
        dispatch_to_peers_only = true
        show_peers = true
        did = "did:web:kite.example"
        aliases = ["https://Old.Example/"]
        key_overlap = "2h"
        policy.budget = {{ max_llm_tokens = 5, cost_ceiling_usd = 2.0 }}
        policy.governance.allowed_agents = ["a"]
        [[peers]]
        url = "https://Peer.Example:443/"
        api_key = "k1"
        relationship = "upstream"
        trust_policy = "trustless"
        did = "did:web:other.example"
        shared_secret_file = {seed:?}
        team = "acme"
        [[peers]]
        url = "https://two.example/kite"
        api_key_file = {key:?}
        [[agents]]
        id = "writer"
        capabilities = ["write", "edit"]
        [[agents]]
        id = "writer"
        visibility = "private"
        team = "acme"
        "#
    ))
    .unwrap();
    assert_eq!(settings.trust_policy, TrustPolicy::Open);
    assert_eq!(settings.trustless_mode, TrustlessMode::Verify);
    assert!(settings.require_https && settings.require_known_agent);
    assert!(settings.dispatch_to_peers_only && settings.show_peers);
    assert_eq!(settings.did.as_deref(), Some("did:web:kite.example"));
    assert_eq!(settings.aliases, ["https://old.example"]);
    assert_eq!(settings.key_overlap.as_secs(), 7200);
    let budget = crate::openintent::json::Json::from(settings.policy.budget);
    assert_eq!(
        budget.to_string(),
        r#"{"cost_ceiling_usd":2.0,"max_llm_tokens":5}"#
    );
    let [one, two] = &settings.peers[..] else {
        panic!("{:?}", settings.peers);
    };
    assert_eq!(one.url.normalized(), "https://peer.example");
    assert_eq!(one.url.given(), "https://Peer.Example:443/");
    assert_eq!(one.team.as_str(), "acme");
    assert_eq!(one.relationship, PeerRelationship::Upstream);
    assert_eq!(one.trust_policy, Some(TrustPolicy::Trustless));
    assert_eq!(one.api_key.as_ref().unwrap().reveal(), "k1");
    assert_eq!(one.shared_secret.as_ref().unwrap().reveal(), &[7; 32]);
    assert_eq!(two.api_key.as_ref().unwrap().reveal(), "of-the-file");
    assert_eq!(two.team.as_str(), "default");
    assert_eq!(two.relationship, PeerRelationship::Peer);
    let [shown, hidden] = &settings.agents[..] else {
        panic!("{:?}", settings.agents);
    };
    assert_eq!(shown.visibility, AgentVisibility::Unlisted);
    assert_eq!(shown.capabilities, ["write", "edit"]);
    assert_eq!(hidden.visibility, AgentVisibility::Private);
}

#[test]
fn a_bad_value_is_named_by_its_place() {
    let second = |members: &str| {
        refusal(&format!(
            "[[peers]]\nurl = \"https://one.example\"\n[[peers]]\n{members}"
        ))
    };
    let two = "url = \"https://two.example\"\n";
    for (why, place) in [
        (second("url = \"ftp://x\""), "openintent.peers[1].url"),
        (
            second("url = \"https://10.0.0.1\""),
            "openintent.peers[1].url",
        ),
        (
            second("url = \"https://ONE.example/\""),
            "openintent.peers[1].url",
        ),
        (second("team = \"a\""), "openintent.peers[1].url"),
        (
            second(&format!("{two}relationship = \"friend\"")),
            "openintent.peers[1].relationship",
        ),
        (
            second(&format!("{two}trust_policy = \"Open\"")),
            "openintent.peers[1].trust_policy",
        ),
        (
            second(&format!("{two}did = \"example\"")),
            "openintent.peers[1].did",
        ),
        (
            second(&format!("{two}api_key = \"k\"\napi_key_file = \"/k\"")),
            "openintent.peers[1].api_key_file",
        ),
        (
            second(&format!("{two}api_key_file = \"/nowhere/k\"")),
            "openintent.peers[1].api_key_file",
        ),
        (
            second(&format!("{two}team = \"\"")),
            "openintent.peers[1].team",
        ),
        (
            refusal("trust_policy = \"closed\""),
            "openintent.trust_policy",
        ),
        (
            refusal("trustless_mode = \"maybe\""),
            "openintent.trustless_mode",
        ),
        (
            refusal("visibility_default = \"x\""),
            "openintent.visibility_default",
        ),
        (refusal("key_overlap = \"1w\""), "openintent.key_overlap"),
        (refusal("aliases = [\"x\"]"), "openintent.aliases[0]"),
        (refusal("[[agents]]"), "openintent.agents[0].id"),
        (
            refusal("[[agents]]\nid = \"a\"\n[[agents]]\nid = \"a\""),
            "openintent.agents[1].id",
        ),
        (
            refusal("policy.budget.a = [1, nan]"),
            "openintent.policy.budget.a[1]",
        ),
        (
            refusal("policy.governance.until = 2026-01-01"),
            "openintent.policy.governance.until",
        ),
    ] {
        assert!(why.starts_with(&format!("`{place}` ")), "{place}: {why}");
    }
}

#[test]
fn a_key_is_never_shown() {
    let secret = "hush hush";
    let table = format!("[[peers]]\nurl = \"https://one.example\"\napi_key = \"{secret}\"");
    let why = refusal(&table);
    assert!(why.starts_with("`openintent.peers[0].api_key` "), "{why}");
    assert!(!why.contains("hush"), "{why}");
    let table: OpenIntentTable = toml::from_str(&table).unwrap();
    assert!(!format!("{table:?}").contains("hush"));
}

#[test]
fn an_unknown_member_is_refused() {
    assert!(toml::from_str::<OpenIntentTable>("trust = \"open\"").is_err());
    assert!(toml::from_str::<OpenIntentTable>("[[peers]]\nuri = \"x\"").is_err());
    assert!(toml::from_str::<OpenIntentTable>("policy.budgets = {}").is_err());
}

#[test]
fn flags_win_over_the_table() {
    let file: OpenIntentTable =
        toml::from_str("enabled = true\ntrust_policy = \"open\"\nshow_peers = true").unwrap();
    let flags = OpenIntentTable {
        enabled: Some(false),
        trust_policy: Some(String::new()),
        ..OpenIntentTable::default()
    };
    let settings = flags.or(file).settings(&Outbound::default()).unwrap();
    assert!(!settings.enabled && settings.show_peers);
    assert_eq!(settings.trust_policy, TrustPolicy::Open);
}

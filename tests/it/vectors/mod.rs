//! The golden files: one test per kind, so that a failing kind is seen at once.
//!
//! `KITE_VECTORS_DIR` names another set of the same form (default: `tests/vectors/kite`), `KITE_VECTORS_KINDS=a,b`
//! narrows to some kinds. Each kind prints its `N passed, N failed` on a line alone. In the project's own set every file
//! must be there; files that another set lacks are not run. A kind, a member or a pattern that is not known fails.

mod calls;
mod federation;
mod file;
mod frames;
mod hooks;
mod login;
mod manifests;
mod messages;
mod names;
mod pattern;
mod peers;
mod scopes;
mod sessions;
mod tokens;
mod webhooks;

/// The kinds that are run.
const RUN: &[&str] = &[
    "agent_messages",
    "agent_slugs",
    "device_login",
    "durations",
    "federation_inbound",
    "federation_outbound",
    "federation_peers",
    "federation_scopes",
    "federation_signing",
    "hook_auth",
    "ingest",
    "manifests",
    "original_headers",
    "rpc",
    "rule_globs",
    "signatures",
    "source_slugs",
    "subscription_scopes",
    "summaries",
    "tokens",
    "urls",
    "webhooks",
    "ws_client_frames",
    "ws_server_frames",
    "ws_sessions",
];

#[test]
fn every_kind_of_vector_is_known() {
    let kinds = file::kinds_in_the_set();
    assert!(!kinds.is_empty(), "the set of vectors holds no file");
    for kind in kinds {
        assert!(
            RUN.contains(&kind.as_str()),
            "nothing here knows vectors of the kind `{kind}`"
        );
    }
    for kind in file::kinds_asked_for() {
        assert!(
            RUN.contains(&kind.as_str()),
            "there is no kind of vectors `{kind}`"
        );
    }
}

#[test]
fn the_projects_own_set_of_vectors_is_whole() {
    let own = file::kinds_in(&file::own_dir());
    for kind in RUN {
        assert!(
            own.contains(*kind),
            "the project's own set lacks `{kind}.json`"
        );
    }
    assert_eq!(own.len(), RUN.len(), "a kind is listed twice");
}

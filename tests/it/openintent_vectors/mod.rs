//! The golden files of OpenIntent: one test per subject, so that a failing one is seen at once.
//!
//! `KITE_OPENINTENT_VECTORS` names another set of the same form (default: `tests/vectors/openintent`). Each subject prints
//! its `N passed, N failed` on a line alone. In the project's own set every file must be there; files that another set
//! lacks are not run. A file or a list of cases that is not known fails.

mod described;
mod exchanges;
mod file;
mod models;
mod policies;
mod scopes;
mod sign;
mod tokens;
mod urls;

/// The files that are run, by name.
const RUN: &[&str] = &[
    "callback_signatures",
    "canonical",
    "did_web",
    "enums",
    "envelope_signatures",
    "http_exchanges",
    "message_signatures",
    "models",
    "policy_composition",
    "scope_attenuation",
    "ssrf",
    "ucan",
];

#[test]
fn every_file_of_openintent_vectors_is_known() {
    let names = file::names_in_the_set();
    assert!(!names.is_empty(), "the set of vectors holds no file");
    for name in names {
        assert!(
            RUN.contains(&name.as_str()),
            "nothing here knows `{name}.json`"
        );
    }
}

#[test]
fn the_projects_own_set_of_openintent_vectors_is_whole() {
    let own = file::names_in(&file::own_dir());
    for name in RUN {
        assert!(
            own.contains(*name),
            "the project's own set lacks `{name}.json`"
        );
    }
    assert_eq!(own.len(), RUN.len(), "a file is listed twice");
}

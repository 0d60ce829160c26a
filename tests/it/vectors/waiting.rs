//! The cases of running kinds that wait for a later step.

use std::collections::HashMap;

/// A case's headers.
pub(super) type HeaderMap = HashMap<String, String>;

/// What waits for step 6, the other providers.
struct Step6 {
    /// Sources whose provider is not known yet.
    sources: &'static [&'static str],
    /// Secrets of Standard Webhooks that no other scheme can use.
    secret_prefixes: &'static [&'static str],
    /// Headers of Standard Webhooks.
    headers: &'static [&'static str],
}

const STEP_6: Step6 = Step6 {
    sources: &[
        "stripe",
        "slack",
        "linear",
        "shopify",
        "twilio",
        "pagerduty",
    ],
    secret_prefixes: &["whpk_"],
    headers: &["webhook-id", "webhook-timestamp", "webhook-signature"],
};

/// Why a case waits for step 6, if it does.
pub(super) fn why_waiting(
    source: &str,
    secrets: &[String],
    headers: &HeaderMap,
) -> Option<&'static str> {
    let has = |wanted: &str| headers.keys().any(|name| name.eq_ignore_ascii_case(wanted));
    let begins = |prefix: &str| secrets.iter().any(|secret| secret.starts_with(prefix));
    let mut reasons = [
        STEP_6.sources.iter().find(|waiting| **waiting == source),
        STEP_6.secret_prefixes.iter().find(|prefix| begins(prefix)),
        STEP_6.headers.iter().find(|name| has(name)),
    ]
    .into_iter()
    .flatten();
    reasons.next().copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use serde_json::Value;

    use super::super::file::own_dir;
    use super::*;

    /// The cases of a kind in the project's own set that wait, as source and name.
    fn waiting(kind: &str) -> Vec<(String, String)> {
        let text = fs::read_to_string(own_dir().join(format!("{kind}.json"))).unwrap();
        let golden: Value = serde_json::from_str(&text).unwrap();
        let text = |case: &Value, member: &str| case[member].as_str().unwrap().to_owned();
        let cases = golden["cases"].as_array().unwrap().iter();
        cases
            .filter(|case| {
                let headers = serde_json::from_value(case["headers"].clone()).unwrap();
                let secrets = case.get("secrets").cloned().unwrap_or_default();
                let secrets = serde_json::from_value::<Option<Vec<String>>>(secrets).unwrap();
                why_waiting(
                    &text(case, "source"),
                    &secrets.unwrap_or_default(),
                    &headers,
                )
                .is_some()
            })
            .map(|case| (text(case, "source"), text(case, "name")))
            .collect()
    }

    #[test]
    fn of_the_sources_only_those_of_step_6_wait() {
        let expected: BTreeSet<_> = STEP_6.sources.iter().map(|&slug| slug.to_owned()).collect();
        for kind in ["signatures", "webhooks"] {
            let sources: BTreeSet<_> = waiting(kind).into_iter().map(|(slug, _)| slug).collect();
            assert_eq!(sources, expected, "{kind}");
        }
    }
}

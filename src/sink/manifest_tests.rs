//! Each rule of the manifest, and each of its older forms.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::made_up;
use crate::sink::dedup::{KeyField, Strategy as Keep};
use crate::sink::facts::tests::event;
use crate::sink::scoring::Importance;

/// A manifest with these members beside the least that one has.
fn with(members: Value) -> Value {
    let mut manifest = json!({"name": "n", "sink": {"type": "stdout"}});
    for (name, value) in members.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    manifest
}

fn read(members: Value) -> Manifest {
    let text = with(members).to_string();
    Manifest::parse(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}

fn faults(manifest: &Value) -> Vec<String> {
    let fault = Manifest::parse(&manifest.to_string()).unwrap_err();
    fault.to_string().lines().map(str::to_owned).collect()
}

/// The one fault of a manifest with these members.
fn fault(members: Value) -> String {
    let faults = faults(&with(members));
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.into_iter().next().unwrap()
}

fn spec(sink: Value) -> SinkSpec {
    read(json!({"sink": sink})).sink.kind
}

#[test]
fn the_least_manifest_has_every_default() {
    assert_eq!(
        read(json!({})).normalized(),
        json!({
            "name": "n",
            "subscriptions": [],
            "sink": {"type": "stdout", "json": false},
            "filters": {"drop": [], "keep_only": []},
            "enrichment": [],
            "queue": {"retention": "7d"},
        })
    );
}

#[test]
fn a_full_manifest_is_normalized() {
    let rule = json!({"source": "a", "type": "b", "actor": "c", "ref": "d"});
    let manifest = read(json!({
        "subscriptions": [{"source": "github", "type": "push"}, {}],
        "filters": {"drop": [rule], "keep_only": [{}]},
        "enrichment": [{"match": rule, "run": "./e.sh"}],
        "scoring": {
            "rules": [{"match": {}, "importance": "high", "paths": ["src/**"], "reason": "r"}],
            "dedup": {"window": "90s", "key": ["event_type", "event_id", "git_ref", "n"]},
        },
        "sink": {"type": "exec", "command": "./h.sh", "importance": "high", "batch": false},
        "queue": {"retention": "24h", "max_size": "1_500"},
    }));
    assert_eq!(
        manifest.normalized(),
        json!({
            "name": "n",
            "subscriptions": [{"source": "github", "type": "push"}, {}],
            "sink": {"type": "exec", "command": "./h.sh", "timeout": "1m", "importance": "high"},
            "filters": {"drop": [rule], "keep_only": [{}]},
            "enrichment": [{"match": rule, "run": "./e.sh", "timeout": "30s"}],
            "scoring": {
                "rules": [{"match": {}, "importance": "high", "paths": ["src/**"], "reason": "r"}],
                "dedup": {"window": "90s", "key": ["type", "id", "ref", "n"], "strategy": "keep_last"},
                "default_importance": "normal",
            },
            "queue": {"retention": "1d", "max_size": 1500},
        })
    );
}

#[test]
fn scopes_are_those_of_every_entry() {
    let scopes = |entries: Value| -> Vec<String> {
        let scopes = read(json!({"subscriptions": entries})).scopes();
        scopes.iter().map(Scope::to_string).collect()
    };
    assert_eq!(scopes(json!([])), ["*"]);
    assert_eq!(scopes(json!([{"source": "a"}, {}])), ["*"]);
    assert_eq!(
        scopes(json!([{"source": "a", "type": "b"}, {"type": "b"}, {"type": "a"}])),
        ["source:a", "type:b", "type:a"]
    );
}

#[test]
fn an_entry_means_what_has_both_and_entries_are_alternatives() {
    let push = event("com.github.push", "{}");
    let admits = |entries: Value| read(json!({"subscriptions": entries})).admits(&push);
    assert!(admits(json!([])) && admits(json!([{}])));
    assert!(admits(json!([{"source": "github.com/a"}])) && admits(json!([{"source": "door"}])));
    assert!(admits(json!([{"source": "door", "type": "push"}])));
    assert!(!admits(json!([{"source": "door", "type": "ping"}])));
    assert!(!admits(json!([{"source": "else", "type": "push"}])));
    assert!(admits(json!([{"source": "else"}, {"type": "github"}])));
}

#[test]
fn a_subscription_is_what_a_server_takes() {
    let many: Vec<Value> = (0..101).map(|n| json!({"type": n.to_string()})).collect();
    assert_eq!(
        fault(json!({"subscriptions": many})),
        "`subscriptions` has 101 entries; at most 100 fit"
    );
    let same: Vec<Value> = (0..101).map(|_| json!({"type": "x"})).collect();
    assert_eq!(read(json!({"subscriptions": same})).scopes().len(), 1);
    for text in [String::new(), "x".repeat(600)] {
        let fault = fault(json!({"subscriptions": [{"type": text}]}));
        assert!(
            fault.starts_with("`subscriptions[0].type` is `\""),
            "{fault}"
        );
        assert!(fault.ends_with("expected a text of 1 to 500 characters"));
    }
}

#[test]
fn what_is_dropped_or_not_kept_is_left_out() {
    let push = event("com.github.push", "{}");
    let refusal = |filters: Value| read(json!({"filters": filters})).filters.refusal(&push);
    let (push, ping) = (json!({"type": "*.push"}), json!({"type": "*.ping"}));
    assert_eq!(refusal(json!({})), None);
    assert_eq!(refusal(json!({"keep_only": [ping, push]})), None);
    assert_eq!(
        refusal(json!({"drop": [ping, push]})).unwrap(),
        "filters.drop[1]"
    );
    assert_eq!(
        refusal(json!({"drop": [push], "keep_only": [push]})).unwrap(),
        "filters.drop[0]"
    );
    assert_eq!(
        refusal(json!({"keep_only": [ping]})).unwrap(),
        "filters.keep_only"
    );
}

#[test]
fn each_sink_has_its_settings() {
    let stdout = spec(json!({"type": "stdout", "json": true}));
    assert_eq!(stdout, SinkSpec::Stdout { json: true });
    let target = "http://localhost:3000/x".to_owned();
    let proxy = spec(json!({"type": "proxy", "target": target}));
    assert_eq!(proxy, SinkSpec::Proxy { target });
    let socket = spec(json!({"type": "socket", "path": "/run/a.sock"}));
    assert_eq!(
        socket,
        SinkSpec::Socket {
            path: "/run/a.sock".into()
        }
    );
    let exec = spec(json!({"type": "exec", "command": "./h", "timeout": "5m"}));
    let (command, timeout) = ("./h".to_owned(), Duration::from_secs(300));
    assert_eq!(exec, SinkSpec::Exec { command, timeout });
    let paperclip = json!({"type": "paperclip", "api_url": "https://p.example", "company_id": "c"});
    assert!(matches!(
        spec(paperclip),
        SinkSpec::Paperclip { agent_id: None, .. }
    ));
}

#[test]
fn a_buffer_of_none_is_one_of_a_hundred() {
    let size = |sink: Value| match spec(sink) {
        SinkSpec::McpServer { buffer_size } => buffer_size,
        other => panic!("{other:?}"),
    };
    assert_eq!(size(json!({"type": "mcp_server"})), 100);
    assert_eq!(size(json!({"type": "mcp_server", "buffer_size": 0})), 100);
    assert_eq!(size(json!({"type": "mcp_server", "buffer_size": 7})), 7);
    let large = fault(json!({"sink": {"type": "mcp_server", "buffer_size": 100_001}}));
    assert_eq!(
        large,
        "`sink.buffer_size` is `100001`; expected a count of at most 100000"
    );
}

#[test]
fn every_sink_takes_an_importance() {
    for sink in [
        json!({"type": "stdout"}),
        json!({"type": "proxy", "target": "http://a"}),
        json!({"type": "socket", "path": "a"}),
        json!({"type": "exec", "command": "a"}),
        json!({"type": "mcp_server"}),
        json!({"type": "paperclip", "api_url": "http://a", "company_id": "c", "agent_id": "x"}),
    ] {
        let mut sink = sink;
        sink["importance"] = "critical".into();
        let read = read(json!({"sink": sink})).sink;
        assert_eq!(read.importance, Some(Importance::Critical));
    }
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    let sinks = [
        (
            json!({"type": "proxy", "target": "http://u:s3cret@h/"}),
            "target",
        ),
        (
            json!({"type": "paperclip", "api_url": "https://s3cret@h", "company_id": "c"}),
            "api_url",
        ),
    ];
    for (sink, field) in sinks {
        let said = fault(json!({"sink": sink}));
        let words = "holds a name or a password; leave them out of the address";
        assert_eq!(said, format!("`sink.{field}` {words}"));
    }
}

#[test]
fn events_are_handed_to_a_command_one_at_a_time() {
    assert_eq!(
        fault(json!({"sink": {"type": "exec", "command": "a", "batch": true}})),
        "`sink.batch` is `true`; expected `false`: events are handed to the command one at a time"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_is_expected() {
    let rule = |rule: Value| json!({"scoring": {"rules": [rule]}});
    let dedup = |dedup: Value| json!({"scoring": {"dedup": dedup}});
    let hook =
        |timeout: &str| json!({"enrichment": [{"match": {}, "run": "x", "timeout": timeout}]});
    let url = "expected an http or https URL such as http://localhost:3000";
    let time = "expected a time such as 30s, 5m, 24h or 7d";
    let limit = "expected a time of at least a second, such as 30s, 5m or 24h";
    let level = "expected `low`, `normal`, `high` or `critical`";
    let filled = "expected a text that is not empty";
    let key = "expected the name of a field: `source`, `type`, `id`, `ref`, `actor` or a member of `data`";
    for (members, found, expected) in [
        (json!({"name": ""}), "`name` is `\"\"`", filled),
        (json!({"name": " "}), "`name` is `\" \"`", filled),
        (json!({"name": 7}), "`name` is `7`", filled),
        (
            json!({"sink": "stdout"}),
            "`sink` is `\"stdout\"`",
            "expected an object",
        ),
        (
            json!({"sink": {"type": "proxy", "target": "x"}}),
            "`sink.target` is `\"x\"`",
            url,
        ),
        (
            json!({"sink": {"type": "proxy", "target": "ftp://x"}}),
            "`sink.target` is `\"ftp://x\"`",
            url,
        ),
        (
            json!({"sink": {"type": "paperclip", "api_url": 1, "company_id": "c"}}),
            "`sink.api_url` is `1`",
            url,
        ),
        (
            json!({"sink": {"type": "exec", "command": ""}}),
            "`sink.command` is `\"\"`",
            filled,
        ),
        (
            json!({"sink": {"type": "socket", "path": ""}}),
            "`sink.path` is `\"\"`",
            filled,
        ),
        (
            json!({"sink": {"type": "exec", "command": "x", "timeout": "0s"}}),
            "`sink.timeout` is `\"0s\"`",
            limit,
        ),
        (
            json!({"sink": {"type": "stdout", "importance": "urgent"}}),
            "`sink.importance` is `\"urgent\"`",
            level,
        ),
        (
            json!({"sink": {"type": "stdout", "json": "yes"}}),
            "`sink.json` is `\"yes\"`",
            "expected `true` or `false`",
        ),
        (
            json!({"subscriptions": {}}),
            "`subscriptions` is `{}`",
            "expected a list",
        ),
        (
            json!({"subscriptions": ["github"]}),
            "`subscriptions[0]` is `\"github\"`",
            "expected an object",
        ),
        (
            json!({"filters": {"drop": {}}}),
            "`filters.drop` is `{}`",
            "expected a list",
        ),
        (
            json!({"filters": {"keep_only": [{"ref": 1}]}}),
            "`filters.keep_only[0].ref` is `1`",
            "expected a pattern of at most 1024 characters",
        ),
        (hook("soon"), "`enrichment[0].timeout` is `\"soon\"`", limit),
        (
            rule(json!({"match": {}, "importance": "x"})),
            "`scoring.rules[0].importance` is `\"x\"`",
            level,
        ),
        (
            rule(json!({"match": {}, "importance": "low", "paths": [7]})),
            "`scoring.rules[0].paths[0]` is `7`",
            "expected a pattern of at most 1024 characters",
        ),
        (
            rule(json!({"match": [], "importance": "low"})),
            "`scoring.rules[0].match` is `[]`",
            "expected an object",
        ),
        (
            json!({"scoring": {"default_importance": 1}}),
            "`scoring.default_importance` is `1`",
            level,
        ),
        (
            dedup(json!({"window": "5x", "key": ["a"]})),
            "`scoring.dedup.window` is `\"5x\"`",
            time,
        ),
        (
            dedup(json!({"window": "5m", "key": []})),
            "`scoring.dedup.key` is `[]`",
            "expected a list that is not empty",
        ),
        (
            dedup(json!({"window": "5m", "key": "a"})),
            "`scoring.dedup.key` is `\"a\"`",
            "expected a list",
        ),
        (
            dedup(json!({"window": "5m", "key": [""]})),
            "`scoring.dedup.key[0]` is `\"\"`",
            key,
        ),
        (
            dedup(json!({"window": "5m", "key": ["a"], "strategy": "x"})),
            "`scoring.dedup.strategy` is `\"x\"`",
            "expected `keep_first` or `keep_last`",
        ),
        (
            json!({"queue": {"retention": 7}}),
            "`queue.retention` is `7`",
            time,
        ),
        (
            json!({"queue": {"max_size": "1k"}}),
            "`queue.max_size` is `\"1k\"`",
            "expected a count such as 1500 or \"1_500\"",
        ),
    ] {
        let fault = fault(members);
        assert_eq!(fault, format!("{found}; {expected}"));
    }
}

#[test]
fn what_is_required_is_missed() {
    for (manifest, missed) in [
        (json!({"sink": {"type": "stdout"}}), "name"),
        (json!({"name": null, "sink": {"type": "stdout"}}), "name"),
        (json!({"name": "n"}), "sink"),
        (with(json!({"sink": {}})), "sink.type"),
        (with(json!({"sink": {"type": "proxy"}})), "sink.target"),
        (with(json!({"sink": {"type": "socket"}})), "sink.path"),
        (with(json!({"sink": {"type": "exec"}})), "sink.command"),
        (
            with(json!({"enrichment": [{"match": {}}]})),
            "enrichment[0].run",
        ),
        (
            with(json!({"enrichment": [{"run": "x"}]})),
            "enrichment[0].match",
        ),
        (
            with(json!({"scoring": {"rules": [{"match": {}}]}})),
            "scoring.rules[0].importance",
        ),
        (
            with(json!({"scoring": {"dedup": {"key": ["a"]}}})),
            "scoring.dedup.window",
        ),
        (
            with(json!({"scoring": {"dedup": {"window": "5m"}}})),
            "scoring.dedup.key",
        ),
    ] {
        assert_eq!(faults(&manifest), [format!("`{missed}` is required")]);
    }
}

#[test]
fn a_field_that_is_null_counts_as_absent() {
    let nulls = json!({"subscriptions": null, "filters": {"drop": null}, "scoring": null, "queue": null,
        "enrichment": null, "sink": {"type": "stdout", "json": null, "importance": null}});
    assert_eq!(read(nulls), read(json!({})));
}

#[test]
fn an_unknown_field_is_named_and_a_near_one_suggested() {
    for (members, told) in [
        (
            json!({"sinck": 1}),
            "`sinck` is not a field of a manifest; `sink` is near",
        ),
        (
            json!({"whatever": 1}),
            "`whatever` is not a field of a manifest",
        ),
        (
            json!({"scoring": {"rules": [{"match": {}, "importance": "low", "path": []}]}}),
            "`scoring.rules[0].path` is not a field of a manifest; `paths` is near",
        ),
        (
            json!({"filters": {"keepOnly": []}}),
            "`filters.keepOnly` is not a field of a manifest; `keep_only` is near",
        ),
        (
            json!({"sink": {"type": "stdout", "target": "x"}}),
            "`sink.target` is not a field of a manifest",
        ),
        (
            json!({"subscriptions": [{"kind": "x"}]}),
            "`subscriptions[0].kind` is not a field of a manifest",
        ),
    ] {
        assert_eq!(fault(members), told);
    }
}

#[test]
fn names_with_an_x_in_front_are_free_at_every_level() {
    let manifest = json!({"x-note": {"any": [1]}, "sink": {"type": "stdout", "x-a": 1},
        "subscriptions": [{"x-": 1}], "filters": {"x-a": 1, "drop": [{"type": "a", "x-a": 1}]},
        "scoring": {"x-a": 1}, "queue": {"x-a": 1}});
    assert_eq!(read(manifest).filters.drop.len(), 1);
}

#[test]
fn a_field_that_is_given_twice_is_refused() {
    let text = r#"{"name":"n","sink":{"type":"stdout"},"name":"m"}"#;
    let fault = Manifest::parse(text).unwrap_err();
    assert_eq!(fault.to_string(), "`name` is given twice");
}

#[test]
fn an_unknown_sink_says_which_there_are() {
    assert_eq!(
        fault(json!({"sink": {"type": "webhook", "endpoint": "x"}})),
        "`sink.type` is `\"webhook\"`; expected `stdout`, `proxy`, `socket`, `exec`, `mcp_server` or `paperclip`"
    );
}

#[test]
fn older_forms_say_what_replaces_them() {
    let older = |path: &str, instead: &str| format!("`{path}` is no longer understood: {instead}");
    for (manifest, told) in [
        (
            with(json!({"sources": ["github"]})),
            older("sources", SUBSCRIPTIONS),
        ),
        (
            with(json!({"source": "github"})),
            older("source", SUBSCRIPTIONS),
        ),
        (json!({"name": "n", "sinks": []}), older("sinks", ONE_SINK)),
        (json!({"name": "n", "routes": []}), older("routes", ROUTES)),
        (with(json!({"filters": []})), older("filters", FILTERS)),
        (
            with(json!({"enrichment": {"script": "./e.sh"}})),
            older("enrichment", ENRICHMENT),
        ),
        (
            with(json!({"enrichment": [{"match": {}, "script": "x"}]})),
            older("enrichment[0].script", "use `run`"),
        ),
        (
            with(json!({"sink": {"type": "http", "url": "x"}})),
            older("sink.type", "use `proxy`, and `target` for its `url`"),
        ),
        (
            with(json!({"sink": {"type": "proxy", "url": "http://a"}})),
            older("sink.url", "use `target`"),
        ),
    ] {
        assert_eq!(faults(&manifest), [told]);
    }
    for (instead, key) in [
        (SUBSCRIPTIONS, "subscriptions"),
        (FILTERS, "filters"),
        (ENRICHMENT, "enrichment"),
    ] {
        let (_, example) = instead.split_once("such as ").unwrap();
        let example: Value = serde_json::from_str(example).unwrap();
        read(json!({ key: example }));
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let manifest =
        json!({"sinks": [], "filters": {"drop": [{"tpye": "x"}]}, "queue": {"retention": "x"}});
    let faults = faults(&manifest);
    let paths: Vec<&str> = faults
        .iter()
        .map(|line| line.split('`').nth(1).unwrap())
        .collect();
    assert_eq!(
        paths,
        ["sinks", "name", "filters.drop[0].tpye", "queue.retention"]
    );
}

#[test]
fn of_many_faults_the_first_ten_are_told() {
    let members: Vec<String> = (0..15).map(|n| format!("field_{n}")).collect();
    let mut manifest = with(json!({}));
    for name in members {
        manifest[name] = 1.into();
    }
    let faults = faults(&manifest);
    assert_eq!(faults.len(), 11);
    assert_eq!(faults[10], "5 more faults are not shown");
}

#[test]
fn what_is_no_json_object_is_told_with_line_and_column() {
    let fault = |text: &str| Manifest::parse(text).unwrap_err().to_string();
    let broken = fault("{\n  \"name\": \"n\",\n  sink\n}");
    assert!(broken.contains("line 3 column 3"), "{broken}");
    assert_eq!(fault("[]"), "not valid JSON: expected an object");
    let deep = format!("{{\"x-a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert!(fault(&deep).contains("deeper"));
    let large = format!("{{\"x-a\":\"{}\"}}", "x".repeat(MANIFEST_MAX_BYTES));
    assert_eq!(
        fault(&large),
        "it has 1048586 bytes; at most 1048576 are allowed"
    );
}

#[test]
fn a_fault_is_one_line_whatever_the_file_holds() {
    let name = format!("a\n\u{1b}{}", "x".repeat(100));
    let manifest =
        with(json!({ name: 1, "queue": {"retention": format!("\n\u{9b}{}", "y".repeat(100))}}));
    for line in faults(&manifest) {
        assert!(
            line.starts_with('`') && !line.contains(char::is_control),
            "{line:?}"
        );
        assert!(line.chars().count() < 160, "{line}");
    }
}

#[test]
fn a_list_has_an_end() {
    let rules = vec![json!({}); 1001];
    assert_eq!(
        fault(json!({"filters": {"drop": rules}})),
        "`filters.drop` has 1001 entries; at most 1000 fit"
    );
}

#[test]
fn the_strategy_and_the_key_are_read() {
    let manifest = json!({"scoring": {"dedup": {"window": "5m", "key": ["actor", "n"], "strategy": "keep_first"}}});
    let dedup = read(manifest).scoring.unwrap().dedup.unwrap();
    assert_eq!(dedup.strategy, Keep::KeepFirst);
    assert_eq!(dedup.key, [KeyField::Actor, KeyField::Data("n".to_owned())]);
}

/// A rule's JSON.
fn some_rule() -> impl Strategy<Value = Value> {
    let pattern = || prop::option::of(made_up::text());
    let rule = (pattern(), pattern(), pattern(), pattern());
    rule.prop_map(|(a, b, c, d)| json!({"source": a, "type": b, "actor": c, "ref": d}))
}

/// A sink's JSON.
fn some_sink() -> impl Strategy<Value = Value> {
    let text = || "[a-z/]{1,6}";
    prop_oneof![
        any::<bool>().prop_map(|json| json!({"type": "stdout", "json": json})),
        text().prop_map(|a| json!({"type": "proxy", "target": format!("https://{a}.x")})),
        text().prop_map(|path| json!({"type": "socket", "path": path})),
        (text(), 1..1u64 << 40).prop_map(|(command, secs)| json!({
            "type": "exec", "command": command, "timeout": format!("{secs}s")
        })),
        (0..1000u32).prop_map(|n| json!({"type": "mcp_server", "buffer_size": n})),
    ]
}

proptest! {
    #[test]
    fn a_normalized_manifest_is_the_same_manifest(
        rule in some_rule(),
        sink in some_sink(),
        importance in prop::sample::select(vec!["low", "normal", "high", "critical"]),
        texts in prop::collection::vec("[a-z_]{1,8}", 1..4),
        secs in 1..1u64 << 40,
        size: Option<u64>,
    ) {
        let mut sink = sink;
        sink["importance"] = importance.into();
        let manifest = json!({
            "name": texts[0],
            "subscriptions": [{"source": texts[0]}, {"type": texts.last()}],
            "sink": sink,
            "filters": {"drop": [rule], "keep_only": [rule, rule]},
            "enrichment": [{"match": rule, "run": "x", "timeout": format!("{secs}m")}],
            "scoring": {
                "rules": [{"match": rule, "importance": importance, "paths": texts}],
                "dedup": {"window": format!("{secs}s"), "key": texts},
            },
            "queue": {"retention": format!("{secs}h"), "max_size": size},
        });
        let manifest = Manifest::parse(&manifest.to_string()).unwrap();
        let again = Manifest::parse(&manifest.normalized().to_string());
        prop_assert_eq!(again, Ok(manifest));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in made_up::json()) {
        let _ = Manifest::parse(&text).map_err(|fault| fault.to_string());
    }

    #[test]
    fn no_value_in_any_place_makes_the_parser_panic(value in made_up::value(), place in 0..8) {
        let manifest = match place {
            0 => with(json!({"name": value})),
            1 => with(json!({"sink": value})),
            2 => with(json!({"subscriptions": [value]})),
            3 => with(json!({"filters": value})),
            4 => with(json!({"enrichment": [value]})),
            5 => with(json!({"scoring": {"rules": [value]}})),
            6 => with(json!({"scoring": {"dedup": value}})),
            _ => with(json!({"queue": value})),
        };
        if let Ok(manifest) = Manifest::parse(&manifest.to_string()) {
            let again = Manifest::parse(&manifest.normalized().to_string());
            prop_assert_eq!(again, Ok(manifest));
        }
    }
}

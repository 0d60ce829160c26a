//! `kite stream --federation-target` between two servers that speak TLS: the line that people type for it.

use serde_json::json;

use super::site::Site;
use crate::support::cli::Person;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_brings_the_events_of_one_server_to_another_over_tls() {
    let site = Site::new();
    let (a, b) = (site.secure_instance("a"), site.secure_instance("b"));
    // What the other side makes for it: it only sends.
    let peer = b
        .add_with(
            json!({"peer_instance_id": "laptop", "peer_hook_url": "https://laptop.invalid/",
            "scopes": []}),
        )
        .await;
    let token = peer["inbound_token"].as_str().unwrap();
    let ca_file = site.ca_file();
    let ca = ["--ca-file", ca_file.to_str().unwrap()];
    let person = Person::new();
    let login = ["login", "--server", &a.owner.url, "--with-token"];
    person
        .kite(&[&login[..], &ca].concat())
        .stdin(a.owner.key.clone())
        .succeeds();
    for nth in 0..20 {
        a.emit(&format!("e-{nth}")).await;
    }
    let target = b.hook_url();
    let line = [
        "stream",
        "--federation-target",
        &target,
        "--federation-token",
        token,
        "--instance-id",
        "laptop",
        "--since",
        "all",
    ];
    let line = [&line[..], &ca].concat();
    person
        .kite(&[&line[..], &["--count", "20"]].concat())
        .stderr_has("20 forwarded, 0 skipped, 0 failed")
        .stderr_lacks(token)
        .succeeds();
    let ids: Vec<String> = (0..20).map(|nth| format!("e-{nth}")).collect();
    assert_eq!(b.ids().await, ids);
    for listed in b.owner.log().await {
        let event = &listed["event"];
        assert_eq!(event["kitefedchain"], r#"["laptop"]"#);
        assert_eq!(
            (&event["kiteverified"], &event["kitesource"]),
            (&json!(true), &json!("kite"))
        );
    }
    // Typed again, it brings nothing twice.
    person
        .kite(&[&line[..], &["--count", "20"]].concat())
        .succeeds();
    assert_eq!(b.ids().await.len(), 20);
}

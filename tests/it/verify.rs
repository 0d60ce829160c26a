//! `kite verify`: what is right is told with its event, and what is wrong with its reason.

use std::fs;

use serde_json::{Map, Value, json};

use crate::support::cli::{Kite, Person};
use crate::support::hooks::signature;
use crate::support::process::Ended;
use crate::support::providers::{Delivery, Scheme, deliveries, delivery, now};

const URL: &str = "https://hooks.example/hooks/acme/source";

type Lines = Vec<(&'static str, String)>;

/// Somebody who has kept a delivery: `body`, `headers` and `secret` are files in their home.
struct Keeper {
    person: Person,
    slug: &'static str,
    url: String,
}

impl Keeper {
    fn of(delivery: &Delivery) -> Self {
        let url = format!("{URL}{}", delivery.query());
        let keeper = Self {
            person: Person::new(),
            slug: delivery.slug,
            url,
        };
        keeper.write("body", &delivery.body);
        keeper.write("secret", &delivery.secret);
        keeper.keep(&delivery.signed(&delivery.secret, &keeper.url));
        keeper
    }

    fn keep(&self, headers: &Lines) {
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"));
        self.write("headers", lines.collect::<String>());
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.person.home().join(name), text).unwrap();
    }

    /// `kite verify` with all that was kept, and this.
    fn verify(&self, more: &[&str]) -> Kite {
        let all = [
            "--headers",
            "headers",
            "--secret-file",
            "secret",
            "--url",
            &self.url,
            "body",
        ];
        self.verify_only(&[&all, more].concat())
    }

    /// `kite verify` with this alone.
    fn verify_only(&self, args: &[&str]) -> Kite {
        let verify = ["verify", "--provider", self.slug];
        self.person.kite(&[&verify, args].concat())
    }

    /// Expects the signature to be wrong, for this reason.
    fn fails(&self, reason: &str) -> Ended {
        self.verify(&[]).stdout("").stderr_has(reason).exits(1)
    }
}

#[test]
fn a_right_signature_is_told_with_the_event_that_comes_of_it() {
    for delivery in deliveries("d-1") {
        let keeper = Keeper::of(&delivery);
        keeper
            .verify(&[])
            .stdout_has(delivery.kind)
            .stdout_has(delivery.source)
            .stdout_has(delivery.summary)
            .succeeds();
        let verified = keeper.verify(&["--json"]).succeeds().json();
        assert_eq!(
            verified,
            json!({
                "verified": true, "type": delivery.kind, "source": delivery.source,
                "summary": delivery.summary, "delivery_id": "d-1",
            })
        );
    }
}

#[test]
fn a_wrong_signature_is_an_error_at_every_provider() {
    for delivery in deliveries("d-1") {
        let keeper = Keeper::of(&delivery);
        keeper.keep(&delivery.headers);
        let missing = keeper.verify(&["--json"]).stdout("").exits(1).json_error();
        let message = missing["message"].as_str().unwrap();
        assert!(message.contains("is missing"), "{missing}");
        if delivery.scheme == Scheme::StandardKeyPair {
            continue;
        }
        keeper.keep(&delivery.signed("whsec_b3RoZXIgb3RoZXI=", &keeper.url));
        let wrong = keeper.verify(&[]).stdout("").exits(1);
        assert!(!wrong.stderr.contains(&delivery.secret), "{wrong:#?}");
    }
}

#[test]
fn what_happened_to_a_body_is_named() {
    for delivery in deliveries("d-1") {
        let keeper = Keeper::of(&delivery);
        keeper.write("body", format!("{}\n", delivery.body));
        keeper.fails("without the line break at its end");
        keeper.write("body", format!("{}\r\n", delivery.body));
        keeper.fails("without the line break at its end");
    }
    let pretty = "{\n  \"a\": 1\n}\n";
    let compact = Delivery {
        body: r#"{"a":1}"#.to_owned(),
        ..delivery("github", |_| true)
    };
    let keeper = Keeper::of(&compact);
    keeper.write("body", pretty);
    keeper.fails("written anew");
    let broken = Delivery {
        body: pretty.to_owned(),
        ..compact
    };
    let keeper = Keeper::of(&broken);
    keeper.write("body", pretty.replace('\n', "\r\n"));
    keeper.fails("LF instead of CR LF");
    keeper.write("body", pretty.trim_end());
    keeper.fails("with a line break at its end, which was cut off");
    keeper.write("body", "{}");
    keeper.fails("byte for byte");
}

#[test]
fn a_badly_copied_secret_a_wrong_provider_and_a_missing_header_are_named() {
    let github = delivery("github", |_| true);
    let mut keeper = Keeper::of(&github);
    keeper.write("secret", format!(" {}\t", github.secret));
    keeper.fails("without the white space round it");
    keeper.write("secret", format!("{}\r\n", github.secret));
    keeper.verify(&[]).succeeds();
    keeper.slug = "shopify";
    keeper.fails("it is right as a post of `github`");
    keeper.slug = "github";
    keeper.keep(&vec![("X-Hub-Signature", "sha1=00".to_owned())]);
    keeper.fails("SHA-1 and never enough");
    keeper.keep(&vec![]);
    keeper.fails("no signature of any scheme that kite knows is there");
}

#[test]
fn an_old_signature_is_right_as_of_its_own_time() {
    for (scheme, slug) in [
        (Scheme::Stripe, "stripe"),
        (Scheme::Slack, "slack"),
        (Scheme::Standard, "my-app"),
        (Scheme::StandardKeyPair, "my-app"),
    ] {
        let delivery = delivery(slug, |other| other == scheme);
        let keeper = Keeper::of(&delivery);
        let time = "1767225600";
        let signature = delivery.signature(&delivery.secret, &keeper.url, time);
        keeper.keep(&[delivery.headers, signature].concat());
        keeper.fails("`--at` checks it as of another time");
        for at in [
            time,
            "1767225900",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+01:00",
        ] {
            keeper.verify(&["--at", at]).succeeds();
        }
        keeper
            .verify(&["--at", "1767225901"])
            .stderr_has("301 s ago")
            .exits(1);
        for at in [
            "",
            "yesterday",
            "1.5",
            "9223372036854775807",
            "253402300800",
        ] {
            keeper.verify(&["--at", at]).stdout("").exits(2);
        }
    }
    let github = Keeper::of(&delivery("github", |_| true));
    for at in ["9223372036854775807", "99999999999999999999"] {
        github
            .verify(&["--at", at])
            .stderr_has("is no time")
            .exits(2);
    }
    assert!(now() > 1_767_225_600, "the clock goes");
}

#[test]
fn twilio_needs_the_address_that_was_called() {
    let form = |scheme| matches!(scheme, Scheme::TwilioForm(_));
    let keeper = Keeper::of(&delivery("twilio", form));
    let rest = ["--headers", "headers", "--secret-file", "secret", "body"];
    keeper.verify_only(&rest).stderr_has("`--url`").exits(1);
    let with_url = |url: &str| keeper.verify_only(&[&rest[..], &["--url", url]].concat());
    with_url("https://hooks.example:443/hooks/acme/source").succeeds();
    with_url("http://hooks.example/hooks/acme/source")
        .stderr_has("it is right for the address https://hooks.example/hooks/acme/source")
        .exits(1);
    with_url("nonsense").exits(1);
}

#[test]
fn body_secret_and_headers_may_come_from_stdin_but_only_one_of_them() {
    let delivery = delivery("stripe", |_| true);
    let keeper = Keeper::of(&delivery);
    let headers = fs::read_to_string(keeper.person.home().join("headers")).unwrap();
    for (args, stdin) in [
        (
            ["--headers", "headers", "--secret-file", "secret", "-"],
            &delivery.body,
        ),
        (
            ["--headers", "headers", "--secret-file", "-", "body"],
            &delivery.secret,
        ),
        (
            ["--headers", "headers", "--signing-secret", "-", "body"],
            &delivery.secret,
        ),
        (
            ["--headers", "-", "--secret-file", "secret", "body"],
            &headers,
        ),
    ] {
        keeper.verify_only(&args).stdin(stdin.as_str()).succeeds();
    }
    for args in [
        ["--headers", "headers", "--secret-file", "-", "-"],
        ["--headers", "headers", "--signing-secret", "-", "-"],
        ["--headers", "-", "--signing-secret", "-", "body"],
        ["--headers", "-", "--secret-file", "-", "body"],
        ["--headers", "-", "--secret-file", "secret", "-"],
    ] {
        keeper
            .verify_only(&args)
            .stdin("x")
            .stderr_has("only one of")
            .exits(2);
    }
}

#[test]
fn headers_are_read_as_lines_and_as_the_object_that_events_keep() {
    let delivery = delivery("slack", |_| true);
    let keeper = Keeper::of(&delivery);
    let signed = delivery.signed(&delivery.secret, &keeper.url);
    let members = signed.iter().map(|(name, value)| {
        let value = Value::from(value.as_str());
        (name.to_lowercase(), value)
    });
    let object = Value::Object(members.collect::<Map<_, _>>()).to_string();
    let lines = fs::read_to_string(keeper.person.home().join("headers")).unwrap();
    for text in [
        object.clone(),
        format!("\n  {object}\n"),
        lines.replace('\n', "\r\n"),
        format!("POST /hooks/acme/slack HTTP/1.1\nHost: h\n{lines}\n"),
        format!("POST /hooks/acme/slack HTTP/2\n{lines}"),
        lines
            .replace(": ", ":")
            .to_uppercase()
            .replace("V0=", "v0="),
        format!("Via: 1.1 proxy HTTP/1.1\n{lines}"),
        format!("\u{feff}{lines}"),
        format!("{lines}:method: POST\n:path: /hooks/acme/slack\n"),
        format!(
            "* Connected to h\n> POST /hooks/acme/slack HTTP/1.1\n{}> \n< HTTP/1.1 202 Accepted\n< server: x\n",
            lines
                .lines()
                .map(|line| format!("> {line}\n"))
                .collect::<String>()
        ),
        Value::from(object.as_str()).to_string(),
        object
            .replace(":\"", ":[\"")
            .replace("\",", "\"],")
            .replace("\"}", "\"]}"),
    ] {
        keeper.write("headers", &text);
        let verified = keeper.verify(&[]).exits(0);
        assert!(verified.stdout.contains("app_mention"), "{text}");
    }
    // All of them on the command line.
    let given: Vec<String> = lines.lines().map(str::to_owned).collect();
    let mut args = vec!["--secret-file", "secret", "body"];
    args.extend(given.iter().flat_map(|line| ["-H", line.as_str()]));
    keeper.verify_only(&args).succeeds();
}

#[test]
fn what_cannot_be_read_is_a_wrong_command_line_and_no_secret_is_repeated() {
    const SECRET: &str = "whsec_dG9wIHNlY3JldA==";
    let keeper = Keeper::of(&delivery("stripe", |_| true));
    keeper.write("secret", SECRET);
    keeper.write("binary", b"\xff\xfe");
    keeper.write("array", format!("{{\"a\":[[\"{SECRET}\"]]}}"));
    let good = ["--headers", "headers", "--secret-file", "secret", "body"];
    let with = |at: usize, value: &'static str| {
        let mut args = good;
        args[at] = value;
        args
    };
    for args in [
        &with(1, "missing")[..],
        &with(1, "secret"),
        &with(1, "binary"),
        &with(1, "array"),
        &with(1, "."),
        &with(3, "missing"),
        &with(3, "binary"),
        &with(4, "missing"),
        &with(4, "."),
        &good[..4],
        &good[..2],
        &[&good[..], &["-H", SECRET]].concat(),
        &[&good[..], &["-H", ": x"]].concat(),
        &[&good[..], &["--signing-secret", SECRET]].concat(),
    ] {
        for json in [&[][..], &["--json"]] {
            let ended = keeper
                .verify_only(&[args, json].concat())
                .stdout("")
                .exits(2);
            assert!(!ended.stderr.contains(SECRET), "{args:?}: {ended:#?}");
            assert!(!ended.stderr.is_empty(), "{args:?}");
        }
    }
    keeper
        .person
        .kite(&[
            "verify",
            "--provider",
            "no slug",
            "body",
            "--secret-file",
            "secret",
        ])
        .exits(2);
    // Also where it is only wrong.
    for json in [&[][..], &["--json"]] {
        let ended = keeper.verify(json).stdout("").exits(1);
        assert!(!ended.stderr.contains(SECRET), "{ended:#?}");
    }
    keeper.write("secret", "\n");
    keeper.fails("the secret is empty");
}

#[test]
fn the_error_is_an_object_for_programs() {
    let delivery = delivery("linear", |_| true);
    let keeper = Keeper::of(&delivery);
    keeper.write("body", format!("{}\n", delivery.body));
    let error = keeper.verify(&["--json"]).stdout("").exits(1).json_error();
    let text = |member: &str| error[member].as_str().unwrap_or_default().to_owned();
    assert!(
        text("message").contains("is not that of this body"),
        "{error}"
    );
    assert!(text("hint").contains("line break"), "{error}");
}

#[test]
fn bytes_that_are_no_text_are_checked_like_any_others() {
    let shown = "\u{fffd}";
    let text = Delivery {
        body: shown.to_owned(),
        headers: vec![("Content-Type", "application/octet-stream".to_owned())],
        ..delivery("my-app", |_| true)
    };
    let keeper = Keeper::of(&text);
    keeper.verify(&[]).succeeds();
    // What a lossy hand would take for the same.
    keeper.write("body", b"\xff");
    keeper.verify(&[]).exits(1);
    for body in [&b"\x00\xff\n"[..], b""] {
        let of_body = signature(&text.secret, body);
        keeper.keep(&vec![("X-Kite-Signature", of_body)]);
        keeper.write("body", body);
        keeper.verify(&[]).stdout_has("com.my-app.event").succeeds();
    }
}

#[test]
fn nothing_is_asked_of_a_configuration_or_a_server() {
    let keeper = Keeper::of(&delivery("shopify", |_| true));
    keeper.person.write_config("this is = no configuration [");
    keeper
        .verify(&[])
        .env("KITE_SERVER", "http://127.0.0.1:1")
        .env("KITE_WS_URL", "nonsense")
        .succeeds();
}

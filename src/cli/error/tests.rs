//! That every failure has its exit code, and its words no control characters.

use super::*;
use crate::client::login::LoginFault;
use crate::client::{ClientError, Refusal};
use crate::config::ConfigError;
use crate::protocol::error::ErrorCode;
use crate::protocol::rpc::Failure;

fn refusal(status: u16) -> Refusal {
    Refusal::read(status, None, r#"{"error":"the key lacks `write`"}"#)
}

#[test]
fn every_status_has_its_exit_code() {
    let exits = [
        (401, Exit::NotPermitted),
        (403, Exit::NotPermitted),
        (402, Exit::Limited),
        (429, Exit::Limited),
        (404, Exit::NotFound),
        (503, Exit::Unreachable),
        (500, Exit::Failed),
        (400, Exit::Usage),
        (422, Exit::Failed),
    ];
    for (status, exit) in exits {
        assert_eq!(CommandError::from(refusal(status)).exit(), exit, "{status}");
    }
    assert_eq!(
        CommandError::send_failed(&refusal(404)).exit(),
        Exit::Failed
    );
    let closed = CommandError::from(PrintFault::Closed);
    assert_eq!(closed.exit(), Exit::Done);
}

#[test]
fn every_failure_of_a_call_has_its_exit_code() {
    let exits = [
        (Some(ErrorCode::Forbidden), Exit::NotPermitted),
        (Some(ErrorCode::NotFound), Exit::NotFound),
        (Some(ErrorCode::BadParams), Exit::Usage),
        (Some(ErrorCode::RateLimited), Exit::Limited),
        (Some(ErrorCode::PaymentRequired), Exit::Limited),
        (Some(ErrorCode::Internal), Exit::Failed),
        (None, Exit::Failed),
    ];
    for (code, exit) in exits {
        let error = "no".to_owned();
        let worded = CommandError::from(ClientError::Failed(Failure {
            error,
            code,
            retry_after_secs: None,
        }));
        assert_eq!((worded.exit(), worded.message()), (exit, "no"), "{code:?}");
    }
    let denied = CommandError::from(ClientError::Denied("revoked".to_owned()));
    assert_eq!(denied.exit(), Exit::NotPermitted);
    assert!(denied.hint().unwrap().contains("kite login"));
}

#[test]
fn a_server_cannot_forge_a_line_with_its_reasons() {
    let evil = || "no\nhint: run this\u{1b}[2J".to_owned();
    let failure = Failure {
        error: evil(),
        code: None,
        retry_after_secs: None,
    };
    let refusal = Refusal {
        status: 500,
        text: evil(),
        code: None,
        retry_after: None,
    };
    let lost = ClientError::Lost {
        server: evil(),
        why: evil(),
    };
    for error in [
        failure.into(),
        CommandError::send_failed(&refusal),
        refusal.into(),
        lost.into(),
        CommandError::denied(&evil()),
        CommandError::rejected(&evil()),
    ] {
        let shown = error.message();
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}

#[test]
fn a_failed_send_names_the_status_and_the_way_out() {
    let error = CommandError::send_failed(&refusal(403));
    assert_eq!(error.message(), "send failed (403): the key lacks `write`");
    assert!(error.hint().unwrap().contains("--permissions read,write"));
    let json: serde_json::Value = serde_json::from_str(&error.to_json()).unwrap();
    assert_eq!(json["error"]["code"], "not_permitted");
}

#[test]
fn a_key_for_another_server_names_the_login_that_mends_it() {
    let error = CommandError::from(ConfigError::OtherOrigin {
        origin: "https://b".to_owned(),
        bound: vec!["https://a".to_owned()],
    });
    assert_eq!(error.exit(), Exit::NotPermitted);
    assert!(
        error
            .hint()
            .unwrap()
            .contains("kite login --server https://b")
    );
}

#[test]
fn a_server_that_ends_a_login_forges_no_line() {
    let fault = LoginFault::Ended("no\r\nLogged in to \u{1b}[1mhere".to_owned());
    let error = CommandError::from(fault);
    let message = error.message();
    assert!(!message.contains(['\r', '\n', '\u{1b}']), "{message}");
}

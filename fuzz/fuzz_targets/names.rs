//! Tokens, names, times and addresses.
#![no_main]

use kite::protocol::address::{http_base, is_inside, is_loopback, origin, websocket};
use kite::protocol::agent::slug;
use kite::protocol::event::is_rfc3339;
use kite::protocol::id::{AgentId, SourceSlug};
use kite::protocol::invite::Invite;
use kite::protocol::summary::{SUMMARY_MAX_CHARS, one_line};
use kite::protocol::token::Token;
use libfuzzer_sys::fuzz_target;

fn addresses(text: &str) {
    let Ok(base) = http_base(text) else {
        assert!(!is_loopback(text) && !is_inside(text));
        return;
    };
    assert!(!base.ends_with('/'), "{text}");
    let socket = websocket(text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    assert_eq!(http_base(&socket).as_ref(), Ok(&base), "{text}");
    assert_eq!(origin(text), origin(&socket));
    // A key that may go to the one may go to the other.
    assert_eq!(is_loopback(text), is_loopback(&socket));
    assert!(!is_loopback(text) || is_inside(text), "{text}");
}

fuzz_target!(|text: &str| {
    if let Ok(token) = Token::parse(text) {
        assert_eq!(token.reveal(), text);
        let secret = text.rsplit('_').next().unwrap();
        assert!(!format!("{token:?}").contains(secret));
    }
    if let Ok(invite) = Invite::parse(text) {
        assert_eq!(Invite::parse(&invite.to_code()).as_ref(), Ok(&invite));
    }
    if let Ok(name) = text.parse::<AgentId>() {
        assert_eq!(name.as_str(), text);
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(serde_json::from_str::<AgentId>(&json).unwrap(), name);
    }
    if let Ok(source) = SourceSlug::parse(text) {
        assert_eq!(SourceSlug::parse(source.as_str()), Ok(source));
    }
    if let Some(short) = slug(text) {
        assert_eq!(slug(&short).as_ref(), Some(&short));
    }
    let _ = is_rfc3339(text);
    let line = one_line(text);
    assert!(line.chars().count() <= SUMMARY_MAX_CHARS && !line.contains(char::is_control));
    assert_eq!(one_line(&line), line);
    addresses(text);
});

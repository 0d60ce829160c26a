//! Scopes: one a line, the last line being the event's source, type and receiver.
#![no_main]

use std::borrow::Cow;

use kite::protocol::event::Header;
use kite::protocol::scope::{Filter, Scope, Scopes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines: Vec<&str> = text.lines().collect();
    let about = lines.pop().unwrap_or_default();
    let scopes = match Scopes::parse(&lines) {
        Ok(scopes) => scopes,
        Err(fault) => return drop(fault.to_string()),
    };
    let printed: Vec<String> = scopes.iter().map(Scope::to_string).collect();
    assert_eq!(printed, lines);
    let json = serde_json::to_string(&scopes).unwrap();
    assert_eq!(serde_json::from_str::<Scopes>(&json).unwrap(), scopes);

    let about = Cow::Borrowed(about);
    let header = Header {
        kind: about.clone(),
        source: about.clone(),
        kitesource: None,
        agent_to: Some(about),
    };
    let filter = |requested: &Scopes, allowed: &Scopes| Filter {
        requested: requested.clone(),
        allowed: allowed.clone(),
    };
    let one = filter(&scopes, &Scopes::all());
    assert_eq!(one.matches(&header), scopes.match_any(&header));
    assert_eq!(
        filter(&Scopes::all(), &scopes).matches(&header),
        scopes.match_any(&header)
    );
    if let Some(agents) = one.only_agents() {
        let is_named = agents
            .iter()
            .any(|agent| Some(*agent) == header.agent_to.as_deref());
        assert_eq!(is_named, one.matches(&header));
    }
    lines.reverse();
    let backwards = Scopes::parse(&lines).unwrap();
    assert_eq!(filter(&backwards, &Scopes::all()).digest(), one.digest());
});

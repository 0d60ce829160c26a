//! Manifests, and what they make of an event.
//!
//! An input is one text; where it has a line `---`, what follows is an event.
#![no_main]

use kite::protocol::event::Event;
use kite::sink::manifest::{FieldFault, Manifest, ManifestFault};
use kite::sink::scoring::changed_files;
use libfuzzer_sys::fuzz_target;

fn is_a_sentence(fault: &FieldFault) -> bool {
    let words = fault.to_string();
    !words.contains(char::is_control) && words.len() < 4096
}

fn meets(manifest: &Manifest, event: &Event, text: &str) {
    let is_asked_for = || {
        let header = event.header();
        manifest.scopes().iter().any(|scope| scope.matches(&header))
    };
    assert!(!manifest.admits(event) || is_asked_for());
    let refusal = manifest.filters.refusal(event);
    let fits = manifest.filters.drop.iter().any(|rule| rule.matches(event));
    assert!(!fits || refusal.is_some());
    let Some(scoring) = &manifest.scoring else {
        return;
    };
    let _ = scoring.importance(event, changed_files(text).as_deref());
    if let Some(dedup) = &scoring.dedup {
        assert_eq!(dedup.key(event), dedup.key(&event.clone()));
    }
}

fuzz_target!(|input: &str| {
    let (text, event) = input.split_once("\n---\n").unwrap_or((input, ""));
    match Manifest::parse(text) {
        Ok(manifest) => {
            let normalized = manifest.normalized().to_string();
            assert_eq!(
                Manifest::parse(&normalized).as_ref(),
                Ok(&manifest),
                "{text}"
            );
            if let Ok(parsed) = Event::parse(event) {
                meets(&manifest, &parsed, event);
            }
        }
        Err(ManifestFault::Fields(faults, _)) => {
            assert!(
                !faults.is_empty() && faults.iter().all(is_a_sentence),
                "{text}"
            );
        }
        Err(fault) => drop(fault.to_string()),
    }
});

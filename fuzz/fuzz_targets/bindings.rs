//! CloudEvents over HTTP in all three modes.
#![no_main]

use kite::protocol::event::{Event, EventDraft};
use kite::protocol::json;
use kite::webhook::cloudevents::{BATCH_MAX_EVENTS, Mode, batch, recognise};
use kite_fuzz::{Post, assert_lawful};
use libfuzzer_sys::fuzz_target;

fn complete(draft: EventDraft) -> Event {
    draft.complete(|| "id".to_owned(), || "source".to_owned())
}

fuzz_target!(|input: &[u8]| {
    let Some(post) = Post::parse(input) else {
        return;
    };
    let lines = post.lines.iter();
    let mode = match recognise(lines.map(|(name, value)| (name.as_str(), *value))) {
        Ok(mode) => mode,
        Err(fault) => return drop(fault.to_string()),
    };
    match mode {
        Mode::Structured => {
            let text = json::text(post.body).ok();
            if let Some(Ok(draft)) = text.map(EventDraft::parse) {
                assert_lawful(&complete(draft));
            }
        }
        Mode::Binary(binary) => {
            if let Ok(draft) = binary.read(post.body) {
                assert_lawful(&complete(draft));
            }
        }
        Mode::Batch => {
            let Ok(events) = batch(post.body) else { return };
            assert!((1..=BATCH_MAX_EVENTS).contains(&events.len()));
            for text in events {
                if let Ok(draft) = EventDraft::parse(text.get()) {
                    assert_lawful(&complete(draft));
                }
            }
        }
        Mode::None(_) => {}
    }
});

//! `kite logs --trace EVENT`: the way of an event, hop by hop.

use super::context::{Context, block_on_call};
use super::error::CommandError;
use super::exit::Exit;
use super::output::Tone;
use super::text::{shell_word, visible};
use crate::base::clock::unix_millis;
use crate::client::{Api, ClientError};
use crate::config::Settings;
use crate::protocol::event::Event;
use crate::protocol::federation::OutboxStatus;
use crate::protocol::forward::Transit;
use crate::protocol::trace::{Attempt, EventTrace, Forward, Hop, HopKind, Trace, TraceDrop, hops};

pub(super) fn run(
    event_id: &str,
    context: &Context,
    settings: &Settings,
) -> Result<Exit, CommandError> {
    let api = context.api(settings)?;
    let (trace, text) = block_on_call(async {
        match api.trace(event_id).await {
            Ok(answer) => Ok((answer.value, Some(answer.text))),
            Err(ClientError::Refused(refusal)) if refusal.is_unserved() => {
                Ok((of_event(&api, event_id, &settings.http_base).await?, None))
            }
            Err(error) => Err(error.into()),
        }
    })?;
    if trace.traces.is_empty() && trace.drops.is_empty() {
        return Err(CommandError::no_trace(event_id));
    }
    match (context.out.json, &text) {
        (true, Some(text)) => context.out.object(text)?,
        (true, None) => context.out.show(&trace, |_| String::new())?,
        (false, _) => context.out.toned(&lines(&trace))?,
    }
    if text.is_none() {
        let words = "the server manages no other instances: where the event went is not known";
        context.out.note(words);
    }
    if trace.truncated {
        let words = "there is more than is shown: `kite federation deliveries list --event` has attempts by peer";
        context.out.note(words);
    }
    Ok(Exit::Done)
}

/// What an event tells of itself, where the server does not trace it.
async fn of_event(api: &Api, event_id: &str, server: &str) -> Result<EventTrace, CommandError> {
    let listed = api.event(event_id).await.map_err(|error| match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => CommandError::no_trace(event_id),
        error => error.into(),
    })?;
    let event = Event::parse(listed.event.get());
    let event = event.map_err(|fault| CommandError::failed(format!("`{event_id}`: {fault}")))?;
    let received_at = Some(listed.created_at);
    let provenance = Transit::of(&event).provenance;
    let trace = Trace {
        seq: listed.seq,
        hops: hops(&provenance, server, event.time.clone(), received_at.clone()),
        source: Some(event.source),
        kind: Some(event.kind),
        time: event.time,
        received_at,
        forwards: Vec::new(),
        not_forwarded: Vec::new(),
    };
    Ok(EventTrace {
        event_id: event_id.to_owned(),
        instance_id: None,
        traces: vec![trace],
        drops: Vec::new(),
        truncated: false,
    })
}

/// A trace as a person reads it.
fn lines(told: &EventTrace) -> Vec<(Tone, String)> {
    let mut lines = Vec::new();
    for trace in &told.traces {
        Telling::of(trace).tell(told, trace, &mut lines);
    }
    if told.traces.is_empty() {
        lines.push((Tone::Plain, format!("Event {}", visible(&told.event_id))));
    }
    for TraceDrop {
        peer, at, reason, ..
    } in &told.drops
    {
        let (peer, reason) = (visible(peer), visible(reason));
        lines.push((
            Tone::Waiting,
            format!("  ← peer `{peer}`: {reason}; {}", visible(at)),
        ));
    }
    lines
}

/// The times that the others are seen from.
struct Telling {
    /// When the event began, as far as anybody knows.
    began: Option<i64>,
    /// When it was stored here.
    stored: Option<i64>,
}

impl Telling {
    fn of(trace: &Trace) -> Self {
        let millis = |time: &Option<String>| time.as_deref().and_then(unix_millis);
        let stored = millis(&trace.received_at);
        Self {
            began: millis(&trace.time).or(stored),
            stored,
        }
    }

    fn tell(&self, told: &EventTrace, trace: &Trace, lines: &mut Vec<(Tone, String)>) {
        let kind = trace.kind.as_deref().map(visible);
        let source = trace.source.as_deref().map(visible);
        let what = match (kind, source) {
            (Some(kind), Some(source)) => format!("{kind} from {source}"),
            _ => format!("#{}, which is not in the log any more", trace.seq),
        };
        let heading = format!("Event {} {what}", visible(&told.event_id));
        lines.push((Tone::Plain, heading));
        // Of an event that began here no hop says when.
        if let ([_], Some(time)) = (&trace.hops[..], &trace.time) {
            let words = format!("  happened {}, as it says itself", visible(time));
            lines.push((Tone::Plain, words));
        }
        for hop in &trace.hops {
            lines.push((Tone::Plain, format!("  {}", self.hop(hop, trace.seq))));
        }
        for forward in &trace.forwards {
            self.forward(forward, lines);
        }
        for kept in &trace.not_forwarded {
            let (peer, reason) = (visible(&kept.peer), visible(&kept.reason));
            lines.push((Tone::Faint, format!("  → peer `{peer}`: {reason}")));
        }
    }

    fn hop(&self, hop: &Hop, seq: u64) -> String {
        let instance = visible(&hop.instance);
        match (hop.kind, &hop.at) {
            (HopKind::Began, Some(at)) => {
                format!("began at `{instance}` {}, as it says itself", visible(at))
            }
            (HopKind::Began, None) => format!("began at `{instance}`; it does not say when"),
            (HopKind::Passed, _) => {
                format!("passed on by `{instance}`; when is known there alone")
            }
            (HopKind::Stored, Some(at)) => {
                format!(
                    "stored here, `{instance}`, as #{seq} {}{}",
                    visible(at),
                    self.span_to_here()
                )
            }
            (HopKind::Stored, None) => format!("stored here, `{instance}`, as #{seq}"),
        }
    }

    fn span_to_here(&self) -> String {
        match self.began.zip(self.stored) {
            Some((began, stored)) if stored < began => format!(
                " ({}: before it began, so one of the clocks is wrong)",
                span(stored - began)
            ),
            Some((began, stored)) if stored > began => format!(" ({})", span(stored - began)),
            _ => String::new(),
        }
    }

    fn forward(&self, forward: &Forward, lines: &mut Vec<(Tone, String)>) {
        let next = forward.next_attempt_at.as_deref().map(visible);
        let error = forward.last_error.as_deref().map(visible);
        let because = error.map_or(String::new(), |error| format!(": {error}"));
        let (tone, words) = match forward.status {
            Some(OutboxStatus::Delivered) => {
                let taken = forward.attempts.iter().rev().find(|it| it.is_taken());
                let when = taken.map_or(String::new(), |it| self.taken(it));
                (Tone::Good, format!("delivered{when}"))
            }
            Some(OutboxStatus::Pending) => {
                let when = match (next, forward.attempts.is_empty()) {
                    (Some(next), _) => format!("tried again {next}{because}"),
                    (None, true) => "not tried yet".to_owned(),
                    (None, false) => format!("due now{because}"),
                };
                (Tone::Waiting, format!("pending, {when}"))
            }
            Some(OutboxStatus::Dead) => (Tone::Bad, format!("dead{because}")),
            Some(status) => (Tone::Faint, status.word().to_owned()),
            None => (Tone::Faint, "not known any more".to_owned()),
        };
        let peer = visible(&forward.peer);
        lines.push((tone, format!("  → peer `{peer}`: {words}")));
        // One that went well at once is told already.
        if forward.attempts.len() > 1 || forward.status != Some(OutboxStatus::Delivered) {
            for attempt in &forward.attempts {
                lines.push((Tone::Faint, format!("      {}", self.attempt(attempt))));
            }
        }
        if forward.status == Some(OutboxStatus::Dead) {
            let id = shell_word(&forward.id);
            let words = format!("      to try again: kite federation dead-letters replay {id}");
            lines.push((Tone::Plain, words));
        }
    }

    /// When an attempt that went well ended, and how long this hop took.
    fn taken(&self, attempt: &Attempt) -> String {
        let at = unix_millis(&attempt.at);
        let since = |then: Option<i64>| at.zip(then).map(|(at, then)| span(at - then));
        let since_began = since(self.began).map(|it| format!(", {it}"));
        let hop = since(self.stored).map(|it| format!(", this hop {it}"));
        format!(
            " {} (attempt {}{}{}{})",
            visible(&attempt.at),
            attempt.attempt,
            answered(attempt),
            since_began.unwrap_or_default(),
            hop.unwrap_or_default()
        )
    }

    fn attempt(&self, attempt: &Attempt) -> String {
        let since = unix_millis(&attempt.at).zip(self.began);
        let since = since.map(|(at, began)| format!(" ({})", span(at - began)));
        let error = attempt.error.as_deref().map(visible);
        format!(
            "attempt {} {}{}{}{}",
            attempt.attempt,
            visible(&attempt.at),
            since.unwrap_or_default(),
            answered(attempt),
            error.map_or(String::new(), |error| format!(": {error}"))
        )
    }
}

/// What came back, and how long it took.
fn answered(attempt: &Attempt) -> String {
    let status = attempt.status_code.map(|status| format!(", {status}"));
    let latency = attempt.latency_ms.map(|millis| format!(", {millis} ms"));
    status.unwrap_or_default() + &latency.unwrap_or_default()
}

/// A span of time with its sign.
fn span(millis: i64) -> String {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.unsigned_abs();
    let (secs, rest) = (millis / 1000, millis % 1000);
    match secs {
        0..60 => format!("{sign}{secs}.{rest:03} s"),
        60..3600 => format!("{sign}{} min {} s", secs / 60, secs % 60),
        _ => format!("{sign}{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> EventTrace {
        serde_json::from_str(
            r#"{"event_id":"e1","instance_id":"c","truncated":false,"drops":[
                {"peer":"d","peer_id":"4","at":"1970-01-01T00:00:09.000Z","reason":"`c` is in its chain already"}],
              "traces":[{"seq":5,"source":"s\u001b[2J","type":"com.demo","time":"1970-01-01T00:00:01.000Z",
                "received_at":"1970-01-01T00:00:01.120Z",
                "hops":[{"instance":"a","kind":"began","at":"1970-01-01T00:00:01.000Z"},
                        {"instance":"b","kind":"passed","at":null},
                        {"instance":"c","kind":"stored","at":"1970-01-01T00:00:01.120Z"}],
                "forwards":[
                  {"id":"1:5","peer":"w","peer_id":"1","peer_instance_id":"w","status":"delivered","next_attempt_at":null,
                   "last_error":null,"attempts":[
                    {"attempt":1,"at":"1970-01-01T00:00:01.200Z","status_code":503,"latency_ms":9,"error":"it failed"},
                    {"attempt":2,"at":"1970-01-01T00:01:06.000Z","status_code":202,"latency_ms":12,"error":null}]},
                  {"id":"2:5","peer":"x","peer_id":"2","peer_instance_id":"x","status":"pending",
                   "next_attempt_at":"1970-01-01T00:00:30.000Z","last_error":"no way","attempts":[]},
                  {"id":"3:5","peer":"y","peer_id":"3","peer_instance_id":"y","status":"dead","next_attempt_at":null,
                   "last_error":"refused","attempts":[]}],
                "not_forwarded":[{"peer":"z","peer_id":"5","at":"1970-01-01T00:00:01.120Z",
                                  "reason":"not forwarded: `z` is in its chain already"}]}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn the_way_is_told_hop_by_hop_with_the_times_that_are_known() {
        let told: Vec<String> = lines(&trace()).into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            told,
            [
                "Event e1 com.demo from s\\u{1b}[2J",
                "  began at `a` 1970-01-01T00:00:01.000Z, as it says itself",
                "  passed on by `b`; when is known there alone",
                "  stored here, `c`, as #5 1970-01-01T00:00:01.120Z (+0.120 s)",
                "  → peer `w`: delivered 1970-01-01T00:01:06.000Z (attempt 2, 202, 12 ms, +1 min 5 s, this hop +1 min 4 s)",
                "      attempt 1 1970-01-01T00:00:01.200Z (+0.200 s), 503, 9 ms: it failed",
                "      attempt 2 1970-01-01T00:01:06.000Z (+1 min 5 s), 202, 12 ms",
                "  → peer `x`: pending, tried again 1970-01-01T00:00:30.000Z: no way",
                "  → peer `y`: dead: refused",
                "      to try again: kite federation dead-letters replay 3:5",
                "  → peer `z`: not forwarded: `z` is in its chain already",
                "  ← peer `d`: `c` is in its chain already; 1970-01-01T00:00:09.000Z",
            ]
        );
    }

    #[test]
    fn a_clock_that_is_wrong_is_shown_as_one() {
        let mut told = trace();
        let trace = &mut told.traces[0];
        trace.time = Some("1970-01-01T00:00:02.000Z".to_owned());
        let lines = lines(&told);
        let stored = &lines[3].1;
        assert!(stored.contains("(-0.880 s: before it began"), "{stored}");
    }
}

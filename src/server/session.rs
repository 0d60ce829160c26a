//! What a connection may do next: the rules of spec 5.3 to 5.5. No socket, no store, no clock.
//!
//! Frames and facts go in; what to do comes out. `socket` does it.

use std::sync::Arc;

use crate::base::secret::Secret;
use crate::protocol::VERSION;
use crate::protocol::error::CloseCode;
use crate::protocol::frame::{ClientFrame, Connect, FrameFault, Request};
use crate::protocol::id::{ClientId, Seq, TeamId};
use crate::protocol::scope::{Filter, Scopes};
use crate::store::record::{Cursor, KeyRecord};

/// How many frames a second a client may send beyond acks and pipelined requests (spec 5.3).
const FRAMES_PER_SEC_MAX: u32 = 200;

/// Why a connection ends, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The number.
    pub code: CloseCode,
    /// The sentence.
    pub message: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: CloseCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// One text for every key and team that does not fit (spec 5.3).
    pub fn auth() -> Self {
        Self::new(CloseCode::AuthFailed, "authentication failed")
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(CloseCode::InvalidMessage, message)
    }
}

/// A `connect` frame that is well-formed: what is left is to check its key.
#[derive(Debug, PartialEq, Eq)]
pub struct Hello {
    /// The key's text.
    pub token: Secret,
    /// The team; none when the text can be no team's id.
    pub team: Option<TeamId>,
    /// What the client wants to see.
    pub scopes: Scopes,
    /// The cursor's name, if the client has one.
    pub client: Option<ClientId>,
}

impl Hello {
    /// Reads the first text frame of a connection.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match ClientFrame::parse(text) {
            Ok(ClientFrame::Connect(connect)) => Self::check(connect),
            Ok(_) => Err(Refusal::invalid("the first frame must be `connect`")),
            Err(fault) => Err(Refusal::invalid(fault.to_string())),
        }
    }

    fn check(connect: Connect) -> Result<Self, Refusal> {
        if connect.version != VERSION {
            return Err(Refusal::invalid(format!(
                "protocol version {} is not spoken here: use {VERSION}",
                connect.version
            )));
        }
        let scopes =
            Scopes::parse(&connect.scopes).map_err(|error| Refusal::invalid(error.to_string()))?;
        let client = connect
            .client_id
            .filter(|id| !id.is_empty())
            .map(ClientId::try_from)
            .transpose()
            .map_err(|error| Refusal::invalid(error.to_string()))?;
        Ok(Self {
            token: connect.token.into(),
            team: connect.team_id.parse().ok(),
            scopes,
            client,
        })
    }

    /// Whether a live key lets this client in.
    pub fn admits(&self, key: &KeyRecord) -> bool {
        self.team.as_ref() == Some(&key.team)
    }
}

/// What a frame asks for.
#[derive(Debug)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// A call.
    Call(Request),
    /// A call that cannot be read, to be answered with a failure.
    BadCall {
        /// The call's id.
        id: String,
        /// What is wrong.
        why: String,
    },
}

/// A connection that was let in.
#[derive(Debug)]
pub struct Session {
    /// What it gets.
    pub filter: Arc<Filter>,
    digest: [u8; 32],
    /// The highest number that was sent, or where delivery began.
    sent: Seq,
    /// The highest number that was acknowledged.
    acked: Seq,
    /// Up to here the log was looked at for this connection.
    looked: Seq,
    /// Whether [`Session::progress`] has something new.
    moved: bool,
    second: i64,
    frames: u32,
}

impl Session {
    /// Begins at the position that a cursor resumes from.
    pub fn new(filter: Arc<Filter>, start: Seq) -> Self {
        Self {
            digest: filter.digest(),
            filter,
            sent: start,
            acked: start,
            looked: start,
            moved: false,
            second: 0,
            frames: 0,
        }
    }

    /// Where the next look into the log begins.
    pub fn position(&self) -> Seq {
        self.looked
    }

    /// A text frame came in. `now` is in Unix seconds, `answering` says whether calls are still being answered.
    pub fn receive(&mut self, text: &str, now: i64, answering: bool) -> Result<Wish, Refusal> {
        match ClientFrame::parse(text) {
            Ok(ClientFrame::Ack(seq)) => {
                self.acknowledge(seq);
                Ok(Wish::Nothing)
            }
            Ok(ClientFrame::Request(request)) => {
                if !answering {
                    self.count(now)?;
                }
                Ok(Wish::Call(request))
            }
            Ok(ClientFrame::Connect(_)) => Err(Refusal::invalid(
                "`connect` was sent before on this connection",
            )),
            Err(FrameFault::BadRequest { id, why }) => {
                self.count(now)?;
                Ok(Wish::BadCall { id, why })
            }
            Err(fault) => Err(Refusal::invalid(fault.to_string())),
        }
    }

    fn count(&mut self, now: i64) -> Result<(), Refusal> {
        if self.second != now {
            (self.second, self.frames) = (now, 0);
        }
        self.frames += 1;
        if self.frames > FRAMES_PER_SEC_MAX {
            let text = format!("more than {FRAMES_PER_SEC_MAX} frames a second");
            return Err(Refusal::new(CloseCode::RateLimited, text));
        }
        Ok(())
    }

    /// Cumulative, monotonic, and never beyond what was sent (spec 5.5).
    fn acknowledge(&mut self, seq: Seq) {
        let seq = seq.min(self.sent);
        if seq > self.acked {
            self.acked = seq;
            self.moved = true;
        }
    }

    /// Whether an event is still to be sent: each goes out once, in order. If so it counts as sent.
    pub fn send(&mut self, seq: Seq) -> bool {
        let fresh = seq > self.looked;
        if fresh {
            self.sent = seq;
            self.looked = seq;
        }
        fresh
    }

    /// Everything up to here was looked at, and what matched was sent.
    pub fn looked_to(&mut self, seq: Seq) {
        if seq > self.looked {
            self.looked = seq;
            // Worth a write only for those who have acknowledged all: the others resume from their last ack.
            self.moved |= self.acked >= self.sent;
        }
    }

    /// Where the cursor is, if that has changed since the last call.
    pub fn progress(&mut self) -> Option<Cursor> {
        std::mem::take(&mut self.moved).then_some(Cursor {
            acked: self.acked,
            scanned: if self.acked >= self.sent {
                self.looked
            } else {
                self.acked
            },
            filter: self.digest,
        })
    }

    /// As [`Session::progress`], but silent while only the scanned position moved: that can wait.
    pub fn acknowledged(&mut self, before: Seq) -> Option<Cursor> {
        (self.acked > before).then(|| self.progress()).flatten()
    }

    /// The highest number that was acknowledged.
    pub fn acked(&self) -> Seq {
        self.acked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(start: Seq) -> Session {
        let filter = Filter {
            requested: Scopes::all(),
            allowed: Scopes::all(),
        };
        Session::new(Arc::new(filter), start)
    }

    fn ack(session: &mut Session, seq: Seq) {
        let frame = ClientFrame::Ack(seq).to_text();
        session.receive(&frame, 0, false).unwrap();
    }

    #[test]
    fn an_ack_never_passes_what_was_sent_and_never_goes_back() {
        let mut session = session(10);
        ack(&mut session, 99);
        assert_eq!(session.progress(), None);
        assert!(session.send(11) && session.send(15));
        ack(&mut session, 99);
        ack(&mut session, 3);
        assert_eq!(session.progress().unwrap().acked, 15);
    }

    #[test]
    fn an_event_goes_out_once_and_in_order() {
        let mut session = session(2);
        let sent: Vec<bool> = [1, 2, 3, 3, 5, 4].map(|seq| session.send(seq)).into();
        assert_eq!(sent, [false, false, true, false, true, false]);
    }

    #[test]
    fn scanned_runs_ahead_only_when_all_that_was_sent_is_acknowledged() {
        let mut session = session(0);
        session.looked_to(50);
        assert_eq!(session.progress().unwrap().scanned, 50);
        session.send(60);
        session.looked_to(90);
        assert_eq!(session.progress(), None);
        ack(&mut session, 60);
        let cursor = session.progress().unwrap();
        assert_eq!((cursor.acked, cursor.scanned), (60, 90));
    }

    #[test]
    fn acks_are_never_too_many_and_other_frames_are() {
        let mut session = session(0);
        for _ in 0..1000 {
            ack(&mut session, 1);
        }
        let call = r#"{"type":"request","id":"1","method":"x"}"#;
        for _ in 0..FRAMES_PER_SEC_MAX {
            session.receive(call, 7, false).unwrap();
        }
        assert!(session.receive(call, 7, true).is_ok());
        let refusal = session.receive(call, 7, false).unwrap_err();
        assert_eq!(refusal.code, CloseCode::RateLimited);
        assert!(session.receive(call, 8, false).is_ok());
    }

    #[test]
    fn a_hello_is_checked_before_its_key() {
        let hello = |members: &str| {
            Hello::parse(&format!(
                r#"{{"type":"connect","version":1,"token":"x","team_id":"t",{members}}}"#
            ))
        };
        assert_eq!(hello(r#""scopes":[],"client_id":"""#).unwrap().client, None);
        for bad in [
            r#""scopes":["github"]"#,
            r#""scopes":["*"],"client_id":"a\u0000""#,
        ] {
            assert_eq!(hello(bad).unwrap_err().code, CloseCode::InvalidMessage);
        }
        let long = format!(r#""scopes":["*"],"client_id":"{}""#, "x".repeat(257));
        assert!(hello(&long).unwrap_err().message.contains("257"));
    }
}

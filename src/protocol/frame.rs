//! The WebSocket frames of protocol version 1 (spec 5).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::id::Seq;
use super::json;

/// The largest frame that a client may send, in bytes (spec 5.6).
pub const CLIENT_FRAME_MAX_BYTES: usize = 1024 * 1024;

/// How deep a request may nest: three levels are round an event of `events.publish`, which may have all that events have.
const REQUEST_MAX_DEPTH: usize = json::MAX_DEPTH + 3;

/// The first frame of a client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// Must be [`super::VERSION`].
    pub version: u32,
    /// The API key.
    pub token: String,
    /// The team, which must be the key's.
    pub team_id: String,
    /// What the client wants to see.
    pub scopes: Vec<String>,
    /// The name of its cursor; without one the server makes one up.
    pub client_id: Option<String>,
}

impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("team_id", &self.team_id)
            .field("scopes", &self.scopes)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A call over the connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; the response carries it.
    pub id: String,
    /// The method's name.
    pub method: String,
    /// The method's parameters; absent is the same as null.
    #[serde(default)]
    pub params: Option<Box<RawValue>>,
}

/// A frame that a client sends.
#[derive(Debug, Clone)]
pub enum ClientFrame {
    /// `connect`.
    Connect(Connect),
    /// `ack`: everything up to here was taken.
    Ack(Seq),
    /// `request`.
    Request(Request),
}

/// Why a client's frame cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// Not an object with a `type`.
    #[error("a frame must be a JSON object with a `type`: {0}")]
    NotAFrame(String),
    /// No such `type`.
    #[error("unknown frame type `{0}`: a client sends `connect`, `ack` or `request`")]
    UnknownType(String),
    /// The members do not fit the type.
    #[error("malformed `{kind}` frame: {why}")]
    Malformed {
        /// The frame's type.
        kind: &'static str,
        /// What does not fit.
        why: String,
    },
    /// A `request` that can still be answered, because its id can be read (spec 5.3).
    #[error("malformed `request` frame: {why}")]
    BadRequest {
        /// The id to answer to.
        id: String,
        /// What does not fit.
        why: String,
    },
}

/// What every frame has.
#[derive(Deserialize)]
struct Tagged {
    #[serde(rename = "type")]
    kind: String,
}

fn tag(text: &str) -> Result<String, String> {
    if !text.trim_start().starts_with('{') {
        return Err("it is no object".to_owned());
    }
    serde_json::from_str::<Tagged>(text)
        .map(|tagged| tagged.kind)
        .map_err(|error| error.to_string())
}

impl ClientFrame {
    /// Reads a client's text frame.
    pub fn parse(text: &str) -> Result<Self, FrameFault> {
        // Frames that are sound and may be large are read in one go; what is wrong with others is found out step by step.
        if let Some(request) = sound_request(text) {
            return Ok(Self::Request(request));
        }
        match tag(text).map_err(FrameFault::NotAFrame)?.as_str() {
            "connect" => members("connect", text).map(Self::Connect),
            "ack" => {
                #[derive(Deserialize)]
                struct Ack {
                    seq: Seq,
                }
                members("ack", text).map(|Ack { seq }| Self::Ack(seq))
            }
            "request" => request(text).map(Self::Request),
            other => Err(FrameFault::UnknownType(
                other.chars().filter(|c| !c.is_control()).take(64).collect(),
            )),
        }
    }

    /// The frame as JSON text.
    pub fn to_text(&self) -> String {
        #[derive(Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Wire<'a> {
            Connect(&'a Connect),
            Ack { seq: Seq },
            Request(&'a Request),
        }
        let wire = match self {
            Self::Connect(connect) => Wire::Connect(connect),
            Self::Ack(seq) => Wire::Ack { seq: *seq },
            Self::Request(request) => Wire::Request(request),
        };
        // Strings, numbers and checked text only: it always serialises.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

fn members<'a, T: Deserialize<'a>>(kind: &'static str, text: &'a str) -> Result<T, FrameFault> {
    serde_json::from_str(text).map_err(|error| FrameFault::Malformed {
        kind,
        why: error.to_string(),
    })
}

fn sound_request(text: &str) -> Option<Request> {
    #[derive(Deserialize)]
    struct Sound<'a> {
        #[serde(rename = "type")]
        kind: String,
        id: String,
        method: String,
        #[serde(borrow, default)]
        params: Option<&'a RawValue>,
    }
    // Serde takes an array for a struct.
    let sound: Sound<'_> = text
        .trim_start()
        .starts_with('{')
        .then(|| serde_json::from_str(text).ok())??;
    json::check_limits(text, REQUEST_MAX_DEPTH).ok()?;
    (sound.kind == "request").then(|| Request {
        id: sound.id,
        method: sound.method,
        params: sound.params.map(ToOwned::to_owned),
    })
}

fn request(text: &str) -> Result<Request, FrameFault> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    // The id first: whatever else is wrong can then be told in an answer.
    let Id { id } = members("request", text)?;
    let refuse = |why: String| FrameFault::BadRequest {
        id: id.clone(),
        why,
    };
    json::check_within(text, REQUEST_MAX_DEPTH).map_err(|fault| refuse(fault.to_string()))?;
    serde_json::from_str(text).map_err(|error| refuse(error.to_string()))
}

/// A frame that a server sends.
#[derive(Debug, Clone)]
pub enum ServerFrame {
    /// The handshake's answer: every event that follows has a seq above `last_seq`.
    Connected {
        /// Where delivery continues from.
        last_seq: Seq,
        /// The name of the cursor.
        client_id: String,
    },
    /// Events between the cursor and `oldest_available_seq` are gone.
    CursorExpired {
        /// The first seq that is still stored.
        oldest_available_seq: Seq,
        /// The same as a sentence.
        message: String,
    },
    /// An event.
    Event {
        /// Its place in the log.
        seq: Seq,
        /// The CloudEvent, as text.
        event: Box<RawValue>,
    },
    /// The answer to a request.
    Response {
        /// The request's id.
        id: String,
        /// Whether it was done.
        ok: bool,
        /// The result, or `{"error","code"}`.
        payload: Option<Box<RawValue>>,
    },
    /// Why the connection is about to end.
    Error {
        /// One of [`super::error::CloseCode`].
        code: u32,
        /// The sentence for a person.
        message: String,
    },
    /// How much of the quota is used.
    QuotaSnapshot(QuotaSnapshot),
    /// Ingest is blocked.
    BillingBlock(BillingBlock),
}

/// The members of `quota_snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaSnapshot {
    /// Who counts: `self_hosted` for kite.
    pub provider: String,
    /// Events accepted in the current period.
    pub events_used: i64,
    /// How many may be; [`super::UNLIMITED`] when there is no limit.
    pub events_limit: i64,
    /// When the period ends, RFC 3339.
    pub current_period_end: String,
}

/// The members of `billing_block`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BillingBlock {
    /// Who blocks.
    pub provider: String,
    /// Why, as a word.
    pub reason: String,
    /// Whether it ends by itself.
    pub retryable: bool,
    /// What can be done; present even when null.
    pub action: Box<RawValue>,
}

impl ServerFrame {
    /// Reads a server's text frame.
    pub fn parse(text: &str) -> Result<Self, FrameFault> {
        match tag(text).map_err(FrameFault::NotAFrame)?.as_str() {
            "connected" => {
                #[derive(Deserialize)]
                struct Connected {
                    last_seq: Seq,
                    client_id: String,
                }
                members("connected", text).map(|m: Connected| Self::Connected {
                    last_seq: m.last_seq,
                    client_id: m.client_id,
                })
            }
            "cursor_expired" => {
                #[derive(Deserialize)]
                struct CursorExpired {
                    oldest_available_seq: Seq,
                    message: String,
                }
                members("cursor_expired", text).map(|m: CursorExpired| Self::CursorExpired {
                    oldest_available_seq: m.oldest_available_seq,
                    message: m.message,
                })
            }
            "event" => {
                #[derive(Deserialize)]
                struct Event {
                    seq: Seq,
                    event: Box<RawValue>,
                }
                members("event", text).map(|m: Event| Self::Event {
                    seq: m.seq,
                    event: m.event,
                })
            }
            "response" => {
                #[derive(Deserialize)]
                struct Response {
                    id: String,
                    ok: bool,
                    #[serde(default)]
                    payload: Option<Box<RawValue>>,
                }
                members("response", text).map(|m: Response| Self::Response {
                    id: m.id,
                    ok: m.ok,
                    payload: m.payload,
                })
            }
            "error" => {
                #[derive(Deserialize)]
                struct Error {
                    code: u32,
                    message: String,
                }
                members("error", text).map(|m: Error| Self::Error {
                    code: m.code,
                    message: m.message,
                })
            }
            "quota_snapshot" => members("quota_snapshot", text).map(Self::QuotaSnapshot),
            "billing_block" => members("billing_block", text).map(Self::BillingBlock),
            other => Err(FrameFault::UnknownType(
                other.chars().filter(|c| !c.is_control()).take(64).collect(),
            )),
        }
    }

    /// The frame as JSON text.
    pub fn to_text(&self) -> String {
        #[derive(Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Wire<'a> {
            Connected {
                last_seq: Seq,
                client_id: &'a str,
            },
            CursorExpired {
                oldest_available_seq: Seq,
                message: &'a str,
            },
            Event {
                seq: Seq,
                event: &'a RawValue,
            },
            Response {
                id: &'a str,
                ok: bool,
                payload: Option<&'a RawValue>,
            },
            Error {
                code: u32,
                message: &'a str,
            },
            QuotaSnapshot(&'a QuotaSnapshot),
            BillingBlock(&'a BillingBlock),
        }
        let wire = match self {
            Self::Connected {
                last_seq,
                client_id,
            } => Wire::Connected {
                last_seq: *last_seq,
                client_id,
            },
            Self::CursorExpired {
                oldest_available_seq,
                message,
            } => Wire::CursorExpired {
                oldest_available_seq: *oldest_available_seq,
                message,
            },
            Self::Event { seq, event } => Wire::Event { seq: *seq, event },
            Self::Response { id, ok, payload } => Wire::Response {
                id,
                ok: *ok,
                payload: payload.as_deref(),
            },
            Self::Error { code, message } => Wire::Error {
                code: *code,
                message,
            },
            Self::QuotaSnapshot(snapshot) => Wire::QuotaSnapshot(snapshot),
            Self::BillingBlock(block) => Wire::BillingBlock(block),
        };
        // Strings, numbers and checked text only: it always serialises.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

/// The text of an `event` frame, made straight from the text that the log keeps, so that it is built once for all
/// receivers and `data` is not parsed again.
pub fn event_frame(seq: Seq, stored: &str) -> String {
    let members = stored.strip_prefix('{').unwrap_or(stored);
    format!("{{\"type\":\"event\",\"seq\":{seq},\"event\":{{\"kiteseq\":{seq},{members}}}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::made_up;
    use super::*;

    #[test]
    fn an_event_frame_is_the_stored_text_with_its_number() {
        let text = event_frame(3, r#"{"specversion":"1.0","data":{"x": 1.0}}"#);
        assert_eq!(
            text,
            r#"{"type":"event","seq":3,"event":{"kiteseq":3,"specversion":"1.0","data":{"x": 1.0}}}"#
        );
        assert!(matches!(
            ServerFrame::parse(&text),
            Ok(ServerFrame::Event { seq: 3, .. })
        ));
    }

    #[test]
    fn a_request_whose_id_is_readable_can_be_answered() {
        let fault = ClientFrame::parse(r#"{"type":"request","id":"r1","method":5}"#).unwrap_err();
        assert!(matches!(fault, FrameFault::BadRequest { id, .. } if id == "r1"));
        let deep = format!(
            r#"{{"type":"request","id":"r2","method":"m","params":{}1{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        assert!(
            matches!(ClientFrame::parse(&deep), Err(FrameFault::BadRequest { id, .. }) if id == "r2")
        );
    }

    #[test]
    fn debug_of_connect_hides_the_token() {
        let text = r#"{"type":"connect","version":1,"token":"kite_0a1b2c3d_0011223344556677","team_id":"t","scopes":[]}"#;
        let frame = ClientFrame::parse(text).unwrap();
        assert!(!format!("{frame:?}").contains("0011223344556677"));
    }

    fn raw(value: serde_json::Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    /// Parameters and payloads: null is the same as none.
    fn optional() -> impl Strategy<Value = Option<Box<RawValue>>> {
        proptest::option::of(made_up::value().prop_filter("null is none", |value| !value.is_null()))
            .prop_map(|value| value.map(raw))
    }

    fn client_frames() -> impl Strategy<Value = ClientFrame> {
        let text = made_up::text;
        let scopes = proptest::collection::vec(text(), 0..4);
        let connect = (
            any::<u32>(),
            text(),
            text(),
            scopes,
            proptest::option::of(text()),
        );
        prop_oneof![
            connect.prop_map(|(version, token, team_id, scopes, client_id)| {
                ClientFrame::Connect(Connect {
                    version,
                    token,
                    team_id,
                    scopes,
                    client_id,
                })
            }),
            any::<Seq>().prop_map(ClientFrame::Ack),
            (text(), text(), optional()).prop_map(|(id, method, params)| ClientFrame::Request(
                Request { id, method, params }
            )),
        ]
    }

    fn server_frames() -> impl Strategy<Value = ServerFrame> {
        let text = made_up::text;
        prop_oneof![
            (any::<Seq>(), text()).prop_map(|(last_seq, client_id)| ServerFrame::Connected {
                last_seq,
                client_id
            }),
            (any::<Seq>(), text()).prop_map(|(oldest_available_seq, message)| {
                ServerFrame::CursorExpired {
                    oldest_available_seq,
                    message,
                }
            }),
            (any::<Seq>(), made_up::value()).prop_map(|(seq, event)| ServerFrame::Event {
                seq,
                event: raw(event)
            }),
            (text(), any::<bool>(), optional())
                .prop_map(|(id, ok, payload)| ServerFrame::Response { id, ok, payload }),
            (any::<u32>(), text()).prop_map(|(code, message)| ServerFrame::Error { code, message }),
            (text(), any::<i64>(), any::<i64>(), text()).prop_map(
                |(provider, events_used, events_limit, current_period_end)| {
                    ServerFrame::QuotaSnapshot(QuotaSnapshot {
                        provider,
                        events_used,
                        events_limit,
                        current_period_end,
                    })
                }
            ),
            (text(), text(), any::<bool>(), made_up::value()).prop_map(
                |(provider, reason, retryable, action)| {
                    let action = raw(action);
                    ServerFrame::BillingBlock(BillingBlock {
                        provider,
                        reason,
                        retryable,
                        action,
                    })
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn a_frame_is_read_as_it_was_written(ours in client_frames(), theirs in server_frames()) {
            let read = ClientFrame::parse(&ours.to_text()).unwrap();
            prop_assert_eq!(read.to_text(), ours.to_text());
            let read = ServerFrame::parse(&theirs.to_text()).unwrap();
            prop_assert_eq!(read.to_text(), theirs.to_text());
        }

        #[test]
        fn any_text_is_a_frame_or_a_fault(text in made_up::json(), kind in "connect|ack|request|event|response|error") {
            let named = text.replacen('{', &format!(r#"{{"type":"{kind}","id":"1","#), 1);
            for text in [text, named] {
                if let Ok(ClientFrame::Request(_)) = ClientFrame::parse(&text) {
                    prop_assert!(json::check(&text).is_ok());
                }
                let _ = ServerFrame::parse(&text);
            }
        }
    }
}

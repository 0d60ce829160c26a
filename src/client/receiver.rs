//! Who takes what a session receives.

use std::future::Future;
use std::time::Duration;

use crate::protocol::api::ListedEvent;
use crate::protocol::event::{Event, EventFault};
use crate::protocol::id::Seq;

/// An event from the log.
#[derive(Debug)]
pub struct Delivery {
    /// Its place in the log.
    pub seq: Seq,
    /// The CloudEvent as it came.
    pub text: String,
    /// The CloudEvent as it reads, or why it does not.
    pub event: Result<Event, EventFault>,
    /// When it was stored, RFC 3339: known of what was listed, not of what comes live.
    pub created_at: Option<String>,
}

impl Delivery {
    /// Reads the text of an event.
    pub fn new(seq: Seq, text: &str) -> Self {
        Self {
            seq,
            event: Event::parse(text),
            text: text.to_owned(),
            created_at: None,
        }
    }

    /// Reads an event of a listing.
    pub fn listed(listed: ListedEvent) -> Self {
        Self {
            created_at: Some(listed.created_at),
            ..Self::new(listed.seq, listed.event.get())
        }
    }
}

/// Whether a receiver wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next one, please.
    Continue,
    /// This was the last.
    Stop,
}

/// What happened to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The subscription stands: whatever is stored from now on arrives.
    Ready {
        /// The name of the cursor.
        client_id: String,
        /// Where delivery continues from.
        last_seq: Seq,
    },
    /// The connection is gone, or did not come about.
    Reconnecting {
        /// What happened.
        why: String,
        /// When the next try is due.
        wait: Duration,
    },
    /// Retention took events before they could be delivered.
    Gap {
        /// The first lost one; unknown when this machine never saw the log before.
        from: Option<Seq>,
        /// The last lost one.
        to: Seq,
    },
    /// The server takes no new events for now.
    Blocked {
        /// The server's word for why.
        reason: String,
    },
    /// A frame that cannot be read at all.
    Unreadable {
        /// What is wrong with it.
        why: String,
        /// The frame.
        text: String,
    },
}

/// Takes events in their order. An event is acknowledged only after [`Receiver::take`] returned well and neither it nor an
/// earlier one is still in hand.
pub trait Receiver {
    /// Why an event could not be taken. It ends the session without an acknowledgement.
    type Error;

    /// Takes one event.
    fn take(
        &mut self,
        delivery: Delivery,
    ) -> impl Future<Output = Result<Flow, Self::Error>> + Send;

    /// The first event that was taken and is still in hand; none for a receiver that has done with an event when it
    /// has taken it.
    fn in_hand(&self) -> Option<Seq> {
        None
    }

    /// Waits until something that is in hand is done; for ever when there is nothing. It can be left alone at any
    /// moment.
    fn progress(&mut self) -> impl Future<Output = Result<Flow, Self::Error>> + Send {
        std::future::pending()
    }

    /// Hears what happened to the connection.
    fn notice(&mut self, notice: Notice);
}

//! The words of the protocol: lower case, compared exactly (spec 2).

/// An enum whose values are words on the wire.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, $( $(#[$value_doc:meta])* $value:ident = $word:literal ),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$value_doc])* $value ),+
        }

        impl $name {
            /// All of them, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$value),+];

            /// The words, for people.
            pub const WANTED: &'static str = $wanted;

            /// The word on the wire.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word),+
                }
            }

            /// The value of a word.
            pub fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$value),)+
                    _ => None,
                }
            }
        }

        impl From<$name> for crate::openintent::json::Json {
            fn from(value: $name) -> Self {
                value.word().into()
            }
        }
    };
}

words! {
    /// Who is told of an agent.
    ///
    /// ```
    /// use kite::openintent::model::AgentVisibility;
    ///
    /// assert_eq!(AgentVisibility::of("unlisted"), Some(AgentVisibility::Unlisted));
    /// assert_eq!(AgentVisibility::default().word(), "public");
    /// ```
    AgentVisibility, "`public`, `unlisted` or `private`",
    /// Everybody who may ask.
    #[default]
    Public = "public",
    /// Configured servers.
    Unlisted = "unlisted",
    /// Nobody.
    Private = "private",
}

words! {
    /// Who delegates to whom (spec 12).
    ///
    /// ```
    /// use kite::openintent::model::PeerRelationship;
    ///
    /// assert!(PeerRelationship::Upstream.delegates_to_us());
    /// assert!(!PeerRelationship::Upstream.takes_from_us());
    /// ```
    PeerRelationship, "`peer`, `upstream` or `downstream`",
    /// Both ways.
    #[default]
    Peer = "peer",
    /// It delegates to us.
    Upstream = "upstream",
    /// We delegate to it.
    Downstream = "downstream",
}

words! {
    /// Whose intents are taken (spec 12).
    ///
    /// ```
    /// use kite::openintent::model::TrustPolicy;
    ///
    /// assert_eq!(TrustPolicy::of("open"), Some(TrustPolicy::Open));
    /// assert_eq!(TrustPolicy::of("OPEN"), None);
    /// ```
    TrustPolicy, "`open`, `allowlist` or `trustless`",
    /// Everybody's.
    Open = "open",
    /// Those of the servers that are listed.
    #[default]
    Allowlist = "allowlist",
    /// Nobody's; or, in the sense of the RFC, of whoever proves the right to.
    Trustless = "trustless",
}

words! {
    /// What a callback is about.
    ///
    /// ```
    /// use kite::openintent::model::CallbackEventType;
    ///
    /// assert!(CallbackEventType::Failed.is_final());
    /// assert_eq!(CallbackEventType::BudgetWarning.word(), "budget_warning");
    /// ```
    CallbackEventType, "`state_delta`, `status_changed`, `attestation`, `budget_warning`, `completed` or `failed`",
    /// Part of the state has changed.
    #[default]
    StateDelta = "state_delta",
    /// The status has changed.
    StatusChanged = "status_changed",
    /// How the work kept to the rules.
    Attestation = "attestation",
    /// Most of the budget is used.
    BudgetWarning = "budget_warning",
    /// The work is done.
    Completed = "completed",
    /// The work will not be done.
    Failed = "failed",
}

words! {
    /// What a server says of a dispatch.
    ///
    /// ```
    /// use kite::openintent::model::DispatchStatus;
    ///
    /// assert_eq!(DispatchStatus::default(), DispatchStatus::Pending);
    /// assert_eq!(DispatchStatus::of("delivered"), None);
    /// ```
    DispatchStatus, "`accepted`, `rejected` or `pending`",
    /// It is taken.
    Accepted = "accepted",
    /// It is not taken.
    Rejected = "rejected",
    /// Nobody knows yet.
    #[default]
    Pending = "pending",
}

words! {
    /// How an intent stands at the server that works on it (spec 14.1).
    ///
    /// ```
    /// use kite::openintent::model::IntentStatus;
    ///
    /// assert!(IntentStatus::Failed.is_final());
    /// assert_eq!(IntentStatus::of("running"), Some(IntentStatus::Running));
    /// ```
    IntentStatus, "`declined`, `accepted`, `running`, `completed` or `failed`",
    /// It was not taken.
    Declined = "declined",
    /// It was taken, and nobody works on it yet.
    #[default]
    Accepted = "accepted",
    /// An agent works on it.
    Running = "running",
    /// Done.
    Completed = "completed",
    /// It will not be done.
    Failed = "failed",
}

words! {
    /// How a dispatch stands at the server that sent it (spec 14.1).
    ///
    /// ```
    /// use kite::openintent::model::DispatchState;
    ///
    /// assert!(DispatchState::Rejected.is_final());
    /// assert!(!DispatchState::Undelivered.is_final());
    /// ```
    DispatchState, "`queued`, `undelivered`, `delivered`, `rejected`, `completed` or `failed`",
    /// It is on its way.
    #[default]
    Queued = "queued",
    /// It is a dead letter; a replay may still deliver it.
    Undelivered = "undelivered",
    /// The other server has taken it.
    Delivered = "delivered",
    /// The other server does not want it.
    Rejected = "rejected",
    /// The work is done.
    Completed = "completed",
    /// The work will not be done.
    Failed = "failed",
}

impl PeerRelationship {
    /// Whether the peer may dispatch to this server.
    pub fn delegates_to_us(self) -> bool {
        self != Self::Downstream
    }

    /// Whether this server may dispatch to the peer.
    pub fn takes_from_us(self) -> bool {
        self != Self::Upstream
    }
}

impl CallbackEventType {
    /// Whether it ends the dispatch.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

impl IntentStatus {
    /// Whether nothing follows it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Declined | Self::Completed | Self::Failed)
    }
}

impl DispatchState {
    /// Whether nothing follows it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Completed | Self::Failed)
    }
}

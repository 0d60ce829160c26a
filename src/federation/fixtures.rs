//! What the tests of this room begin with.

use crate::protocol::federation::{PeerKind, PeerStatus};
use crate::protocol::forward::TypeScopes;
use crate::protocol::outbound::Outbound;
use crate::store::federation::{InboundToken, NewPeer, PeerRecord};
use crate::store::seal::Sealer;

/// The token that every peer is shown.
pub(super) const OUTBOUND_TOKEN: &str = "s3cret-outbound-token";

pub(super) fn sealer() -> Sealer {
    Sealer::new(&[7; 32]).unwrap()
}

/// Allows what tests call.
pub(super) fn outbound() -> Outbound {
    Outbound {
        allow_insecure_peers: true,
        ..Outbound::default()
    }
}

pub(super) fn inbound(byte: u8) -> InboundToken {
    InboundToken {
        index: [byte; 32],
        hash: String::new(),
    }
}

/// A peer that gets everything.
pub(super) fn new_peer(name: &str, hook_url: &str, byte: u8) -> NewPeer {
    let id = format!("01890000-0000-7000-8000-0000000000{byte:02x}");
    NewPeer {
        outbound_token: sealer()
            .seal(&PeerRecord::place(&id), OUTBOUND_TOKEN)
            .unwrap(),
        id,
        team: "acme".parse().unwrap(),
        name: name.to_owned(),
        instance_id: name.to_owned(),
        hook_url: hook_url.to_owned(),
        scopes: TypeScopes::parse(vec!["*".to_owned()]).unwrap(),
        max_hops: 3,
        rate_limit_per_sec: 100_000,
        inbound: inbound(byte),
        now: 1,
        identity_key: None,
        kind: PeerKind::Kite,
        discovery: false,
    }
}

/// One that no store knows.
pub(super) fn peer(hook_url: &str) -> PeerRecord {
    let new = new_peer("b", hook_url, 1);
    PeerRecord {
        number: 1,
        id: new.id,
        team: new.team,
        name: new.name,
        instance_id: new.instance_id,
        status: PeerStatus::Active,
        hook_url: new.hook_url,
        scopes: new.scopes,
        max_hops: new.max_hops,
        rate_limit_per_sec: new.rate_limit_per_sec,
        outbound_token: new.outbound_token,
        inbound: new.inbound,
        old_inbound: None,
        created_at: 1,
        updated_at: 1,
        identity_key: None,
        kind: PeerKind::Kite,
        discovery: false,
    }
}

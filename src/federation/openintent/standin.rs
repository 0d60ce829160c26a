//! Stands for what the pure room is about to have.

use std::collections::BTreeMap;

use url::Url;

use crate::openintent::json::Object;
use crate::protocol::address_class::AddressClass;
use crate::protocol::peer_url::PeerUrl;

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* }) => {
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),* }
        #[allow(missing_docs)]
        impl $name {
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
            pub fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words!(TrustPolicy { Open = "open", Allowlist = "allowlist", Trustless = "trustless" });
words!(PeerRelationship { Peer = "peer", Upstream = "upstream", Downstream = "downstream" });
words!(AgentVisibility { Public = "public", Unlisted = "unlisted", Private = "private" });

#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FederationPolicy {
    pub governance: Object,
    pub budget: Object,
    pub observability: Object,
}

#[allow(missing_docs)]
pub fn normalize(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return url.to_owned();
    };
    let origin = url.origin().ascii_serialization();
    format!("{origin}{}", url.path().trim_end_matches('/'))
}

#[allow(missing_docs)]
pub fn spellings(_url: &str) -> Vec<String> {
    BTreeMap::<String, String>::new().into_keys().collect()
}

#[allow(missing_docs)]
pub fn check(url: &str, is_exempt: &dyn Fn(&str) -> bool) -> Result<(), &'static str> {
    let url: PeerUrl = url.parse().map_err(|_| "it is no address")?;
    let is_inside = url
        .literal()
        .is_some_and(|ip| AddressClass::of(ip) != AddressClass::Public);
    match is_inside && !is_exempt(&url.host()) {
        true => Err("it is inside"),
        false => Ok(()),
    }
}

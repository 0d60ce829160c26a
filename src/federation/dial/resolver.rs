//! Names into addresses, each of them judged. A connection goes to the very addresses that were judged: there is no
//! second look-up that could answer something else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::protocol::outbound::{Outbound, Refusal};

/// How many of a name's addresses are tried. The limit for connecting is shared among them.
const ADDRESSES_MAX: usize = 8;

/// Looks names up.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of a host.
    ///
    /// # Errors
    /// Why there are none.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameFault {
    /// The guard refuses it.
    #[error(transparent)]
    Refused(Refusal),
    /// Nobody knows it, or nobody who knows answers.
    #[error("the name `{host}` has no address: {why}")]
    Unknown { host: String, why: String },
}

/// A resolver that answers only if every address may be called.
pub(super) struct Guard {
    pub(super) outbound: Arc<Outbound>,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) is_tls: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (outbound, resolver) = (self.outbound.clone(), self.resolver.clone());
        let is_tls = self.is_tls;
        Box::pin(async move {
            let found = judged(&outbound, &*resolver, name.as_str(), is_tls).await?;
            // The port is that of the URL.
            let addresses = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

async fn judged(
    outbound: &Outbound,
    resolver: &dyn Resolver,
    host: &str,
    is_tls: bool,
) -> Result<Vec<IpAddr>, NameFault> {
    let unknown = |why: String| NameFault::Unknown {
        host: host.to_owned(),
        why,
    };
    let mut found = resolver
        .resolve(host)
        .await
        .map_err(|error| unknown(error.to_string()))?;
    if found.is_empty() {
        return Err(unknown("the answer is empty".to_owned()));
    }
    // One that leads inside spoils them all: who gave it chose the others too.
    for ip in &found {
        outbound
            .may_call(host, *ip, is_tls)
            .map_err(NameFault::Refused)?;
    }
    found.truncate(ADDRESSES_MAX);
    Ok(found)
}

//! Where requests may go, for a program that sends them for others.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use harbor_core::egress::Allowed;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::answer::host;
use super::{Error, Result};

/// Looks at addresses, and not at names: what was looked at is what is connected to.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Allowed>);

/// A name whose addresses are all refused. It travels through the library of HTTP as a cause.
#[derive(Debug)]
struct NameRefused(&'static str);

impl fmt::Display for NameRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it has {}", self.0)
    }
}

impl std::error::Error for NameRefused {}

impl Guard {
    pub(super) fn new(allowed: Allowed) -> Self {
        Self(Arc::new(allowed))
    }

    /// What needs no look-up: an address in the place of a name, however it is spelled.
    pub(super) fn look(&self, url: &Url) -> Result<()> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        self.0.refusal(address).map_or(Ok(()), |kind| Err(Error::Forbidden { to: host(url), kind }))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refusal = found.iter().find_map(|address| allowed.refusal(address.ip()));
            let may = found.into_iter().filter(|address| allowed.refusal(address.ip()).is_none());
            let may: Vec<SocketAddr> = may.collect();
            match refusal.filter(|_| may.is_empty()) {
                Some(kind) => Err(NameRefused(kind).into()),
                None => Ok(Box::new(may.into_iter()) as Addrs),
            }
        })
    }
}

/// What kind of address a name has that is the cause of a failure.
pub(super) fn refused_name(error: &reqwest::Error) -> Option<&'static str> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(NameRefused(kind)) = error.downcast_ref() {
            return Some(kind);
        }
        cause = error.source();
    }
    None
}

//! Outgoing HTTP: where it may go, and the one client for all of it (feature `egress`).
//!
//! Somebody who may set an address must not reach by it what only this machine can: so no request goes to an address that is
//! private, of this machine, of the link, or otherwise not one of the internet, unless the setting `egress_allow` has its network.
//! The address that was looked at is the one that is connected to; a redirect is looked at like the first address, and
//! never leads from https to http.

mod address;
#[cfg(feature = "egress")]
mod client;
#[cfg(feature = "egress")]
mod request;

pub use address::Allowed;
#[cfg(feature = "egress")]
pub use client::{Egress, EgressError, Resolver};
#[cfg(feature = "egress")]
pub use request::{Outgoing, Reply};

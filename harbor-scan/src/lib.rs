//! What is known of an artifact's safety: scanners, vulnerability reports, SBOMs, signatures, CVE allowlists.
//!
//! Nothing of it is here yet. This crate is the home of the port `Scanner`: its use cases will be an extension trait on
//! [`Harbor`](harbor_core::Harbor), above the rows and blobs of the engine. It depends on `harbor-core` alone and meets the
//! other domain crates only in traits; `harbor-server` composes it.

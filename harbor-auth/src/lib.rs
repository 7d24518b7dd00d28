//! Who you are and what you may do.
//!
//! Until accounts exist there is one [`Administrator`], proved by a password or by a token of the [`Tokens`] service, and
//! [`PublicPull`]: the administrator may do everything, everybody may pull from public projects.

mod administrator;
mod password;
mod public_pull;
mod shared;
mod tokens;

pub use administrator::Administrator;
pub use public_pull::PublicPull;
pub use tokens::{IssuedToken, Tokens};

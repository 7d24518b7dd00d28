//! Who you are and what you may do.
//!
//! Until accounts exist there is one [`Administrator`], proved by a password or by a token of the [`Tokens`] service, and
//! [`PublicPull`]: the administrator may do everything, everybody may pull from public projects.

mod administrator;
#[allow(dead_code, reason = "accounts are built on it")]
mod claims;
#[allow(dead_code, reason = "accounts are built on it")]
mod keyring;
#[allow(dead_code, reason = "accounts are built on it")]
mod opaque;
mod password;
#[allow(dead_code, reason = "accounts are built on it")]
mod pbkdf2;
mod public_pull;
mod rate;
#[allow(dead_code, reason = "accounts are built on it")]
mod recent;
#[allow(dead_code, reason = "accounts are built on it")]
mod rules;
mod shared;
mod site;
#[allow(dead_code, reason = "accounts are built on it")]
mod throttle;
mod tokens;
#[allow(dead_code, reason = "accounts are built on it")]
mod totp;
#[allow(dead_code, reason = "accounts are built on it")]
mod verified;

pub use administrator::Administrator;
pub use public_pull::PublicPull;
pub use rate::{Rate, RateLimiter};
pub use site::site;
pub use tokens::{IssuedToken, Tokens};

//! Who you are and what you may do.
//!
//! [`Accounts`] is everybody whom a registry knows. As an authenticator it knows passwords, secrets and tokens; as an authorizer
//! it has Harbor's roles, robots' permissions, and what everybody may do in public projects; and it has the use cases that change
//! all of that, a file a noun: [`Users`], [`Groups`], [`Members`], [`Roles`], [`Robots`], [`PersonalTokens`],
//! [`SecondFactors`].

mod accounts;
mod audit_keys;
mod claims;
mod crowd;
mod custom_roles;
mod directory;
mod factor;
mod giving;
mod grants;
mod groups;
mod keyring;
mod login;
mod members;
mod opaque;
mod password;
mod pbkdf2;
mod personal_tokens;
mod rate;
mod rbac;
mod recent;
mod retry;
mod robots;
mod roles;
mod rules;
mod second_factors;
mod sessions;
mod shared;
mod site;
#[cfg(test)]
mod tests;
mod throttle;
mod tokens;
mod totp;
mod users;
mod uses;
mod verified;
mod verify;

pub use accounts::{AccountOptions, Accounts};
pub use audit_keys::AuditKeys;
pub use custom_roles::{NewRole, Roles};
pub use grants::{Given, GivenOn, Grants};
pub use groups::Groups;
pub use members::Members;
pub use personal_tokens::{PersonalTokens, is_personal};
pub use rate::{Allowance, Rate, RateLimiter};
pub use robots::{
    CreateRobots, DeleteRobots, ListRobots, NewRobot, ReadRobots, RobotChange, RobotProof, Robots,
    UpdateRobots,
};
pub use second_factors::{Enrolment, SecondFactors};
pub use site::site;
pub use throttle::LoginLimits;
pub use tokens::{IssuedToken, SERVICE, TokenScope};
pub use users::{NewPassword, NewUser, Profile, Users};

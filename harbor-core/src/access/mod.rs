//! Who asks, what they may do, and the proof that it was granted.
//!
//! A use case takes an [`Authorized<A>`](Authorized). Only the gate makes one, so a handler that forgets the permission check does
//! not compile.

mod actor;
mod authenticator;
mod authorized;
mod authorizer;
mod filter;
mod matcher;
mod origin;
pub mod permission;
mod restriction;
mod role;

pub use actor::{Actor, Identity, Person};
pub use authenticator::{Attempt, AuthError, Authenticator, Credentials, PERSONAL_TOKEN, Secret};
pub use authorized::{
    Authorized, InProject, InRepository, InSystem, InUser, ProjectRef, RepositoryTarget, Scope,
};
pub use authorizer::{AllowAll, Authorizer, Decision, Target};
pub use filter::ProjectFilter;
pub(crate) use matcher::{Matcher, Turn, Turns};
pub use origin::{Credential, Origin};
pub use permission::{Action, Level, Permission};
pub use restriction::{Grant, Place, Restriction, within};
pub use role::Role;

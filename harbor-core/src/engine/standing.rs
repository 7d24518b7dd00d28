//! Whether what somebody was granted still holds.

use std::time::Duration;

use super::Harbor;
use super::gate::refusal;
use crate::access::{Action, Actor, Authorized, Scope as _};
use crate::{Error, Result};

/// For how long holds what was asked about somebody who changes something: whose body comes more slowly is asked about again.
const HOLDS: Duration = Duration::from_secs(1);

impl Harbor {
    /// Whether somebody who was let in still is who they were.
    ///
    /// # Errors
    /// As the stores fail.
    pub(super) async fn is_still(&self, actor: &Actor) -> Result<bool> {
        for authenticator in &self.inner.authenticators {
            if !authenticator.is_still(actor).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asks again for what was granted, where it was some time ago: the body of a request may take long, and who sends it may have
    /// lost meanwhile what they had.
    pub(super) async fn ask_again<A: Action>(&self, proof: &Authorized<A>) -> Result<()> {
        let actor = proof.actor();
        if actor.was_seen_within(HOLDS) {
            return Ok(());
        }
        let target = A::Scope::target(proof.target());
        let same = self.is_still(actor).await?;
        if same && self.allows(actor, A::PERMISSION, target).await? {
            return Ok(());
        }
        self.refused(actor, A::PERMISSION, target);
        // Who is somebody else now has to say so; the others knew of the target when they asked.
        Err(if same { refusal(actor, true) } else { Error::Unauthenticated })
    }
}

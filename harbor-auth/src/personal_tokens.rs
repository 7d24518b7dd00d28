//! The use cases of personal access tokens.

use harbor_core::access::permission::UserUpdate;
use harbor_core::access::{Actor, Authorized, Secret};
use harbor_core::meta::{PersonalToken, TokenId, UserId};
use harbor_core::{Error, Harbor, Result, StoreErrorKind};

use crate::grants::Grants;
use crate::opaque::hex;
use crate::robots::end;
use crate::{Accounts, opaque, rules};

/// How many tokens a user has at most.
const MOST: usize = 100;

/// The longest name of a token, in bytes.
const LONGEST: usize = 255;

/// Use cases of a user's own tokens: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct PersonalTokens<'a> {
    accounts: &'a Accounts,
    harbor: &'a Harbor,
}

/// Whether a secret has the form of a personal access token. It tells nothing about whether there is such a one.
#[must_use]
pub fn is_personal(secret: &Secret) -> bool {
    opaque::is_well_formed(opaque::PERSONAL, secret.expose())
}

impl Accounts {
    /// The use cases of personal access tokens.
    #[must_use]
    pub const fn personal_tokens<'a>(&'a self, harbor: &'a Harbor) -> PersonalTokens<'a> {
        PersonalTokens { accounts: self, harbor }
    }
}

impl PersonalTokens<'_> {
    /// The proof that `actor` is a user who may do anything with its own account: somebody with a token makes none that
    /// is wider or lasts longer.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::Denied`] for whoever is limited; [`Error::Precondition`] for who is no user.
    pub async fn own(&self, actor: &Actor) -> Result<Authorized<UserUpdate>> {
        if actor.token().is_some() {
            return Err(Error::Denied);
        }
        self.own_by_token(actor).await
    }

    /// The same of somebody who may have come with a token that is not limited: for what such a token does no more with than its user
    /// shows beside it.
    pub(crate) async fn own_by_token(&self, actor: &Actor) -> Result<Authorized<UserUpdate>> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        if actor.restriction().is_some() {
            return Err(Error::Denied);
        }
        let id = actor
            .user_id()
            .ok_or_else(|| Error::Precondition("only users have an account of their own".to_owned()))?;
        self.harbor.authorize::<UserUpdate>(actor, id).await
    }

    /// The tokens of a user.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(&self, proof: &Authorized<UserUpdate>) -> Result<Vec<PersonalToken>> {
        Ok(self.accounts.directory().read().await?.personal_tokens(*proof.target()).await?)
    }

    /// Makes a token, which is returned and kept nowhere. Without grants it may do all that its user may.
    ///
    /// # Errors
    /// [`Error::BadRequest`] says what is wrong; [`Error::Conflict`] when the user has one of that name.
    pub async fn create(
        &self,
        proof: Authorized<UserUpdate>,
        name: &str,
        days: i64,
        grants: Option<&Grants>,
    ) -> Result<(PersonalToken, Secret)> {
        rules::listed_name("a token", name, LONGEST)?;
        if let Some(grants) = grants {
            grants.check(None)?;
            grants.check_length(None)?;
        }
        let user: UserId = *proof.target();
        let mut write = self.harbor.write(&proof).await?;
        // Locked, so that the limit holds whoever else makes one.
        write.rows().user_lock(user).await?.ok_or(Error::NotFound("user"))?;
        if write.rows().personal_tokens(user).await?.len() >= MOST {
            return Err(Error::Precondition(format!("a user has at most {MOST} tokens: delete one")));
        }
        let now = write.now();
        let secret = opaque::make(opaque::PERSONAL)?;
        let token = PersonalToken {
            id: TokenId::new(0),
            user,
            name: name.to_owned(),
            digest: hex(&opaque::digest(secret.expose())),
            scopes: grants.map(Grants::write).transpose()?.unwrap_or_default(),
            expires_at: end(now, days)?,
            created_at: now,
            used_at: None,
        };
        let made = write.rows().personal_token_insert(&token).await.map_err(|error| match error.kind() {
            StoreErrorKind::Conflict => Error::Conflict(format!("a token {name}")),
            _ => Error::Store(error),
        });
        let token = PersonalToken { id: made?, ..token };
        write.audit(format!("token {name}")).await?;
        write.changed_access().await?;
        write.commit().await?;
        Ok((token, secret))
    }

    /// Deletes a token: it ends at once.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a token of another user.
    pub async fn delete(&self, proof: Authorized<UserUpdate>, id: TokenId) -> Result<()> {
        let mut write = self.harbor.write(&proof).await?;
        if !write.rows().personal_token_delete(*proof.target(), id).await? {
            return Err(Error::NotFound("token"));
        }
        write.audit(format!("token {}", id.get())).await?;
        write.changed_access().await?;
        write.commit().await
    }
}

//! The use cases of second factors: codes that change with time (RFC 6238), beside the password of a person who logs in with a
//! browser. Programs carry personal access tokens instead.

use std::net::IpAddr;

use harbor_core::access::permission::{UserTotpDelete, UserUpdate};
use harbor_core::access::{Actor, AuthError, Authorized, Secret};
use harbor_core::meta::{User, UserId};
use harbor_core::{Error, Harbor, Result, StoreError};

use crate::Accounts;
use crate::factor::Factor;
use crate::retry::retried;

/// Use cases of a user's second factor: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct SecondFactors<'a> {
    accounts: &'a Accounts,
    harbor: &'a Harbor,
}

/// What an authenticator application needs. It is shown this once.
#[derive(Debug)]
pub struct Enrolment {
    /// The shared secret in base 32, for those who type it.
    pub secret: Secret,
    /// The `otpauth://` address with the secret, for those who show it as a picture.
    pub uri: Secret,
}

impl Accounts {
    /// The use cases of second factors.
    #[must_use]
    pub const fn second_factors<'a>(&'a self, harbor: &'a Harbor) -> SecondFactors<'a> {
        SecondFactors { accounts: self, harbor }
    }

    /// Whether these are the password and a code of a user who has a second factor. The code is used up if so, on all nodes.
    /// Neither the answer nor its time tells which of the two was wrong.
    pub(crate) async fn with_code(
        &self,
        user: &User,
        password: &Secret,
        code: &Secret,
        from: Option<IpAddr>,
    ) -> Result<bool, AuthError> {
        let locked = self.throttle().before(&user.name, from);
        self.may_show_code(&user.name, from, locked)?;
        let right = self.verifier().verify_anew(password, user.password.as_ref(), from).await?;
        let stored = self.directory().read().await?.user(user.id).await?;
        let factor = stored.as_ref().map(Factor::on).transpose()?.flatten();
        let fits = factor.is_some_and(|factor| factor.spend(code, self.now()).is_some());
        if right && fits && self.spend(user, code).await? {
            self.throttle().succeeded(&user.name, from);
            return Ok(true);
        }
        // As a wrong password fares whose name is locked, where there is no second factor.
        locked.map_err(|locked| AuthError::TooMany { retry_after: locked.retry_after })?;
        tokio::time::sleep(self.throttle().failed(&user.name, from)).await;
        Ok(false)
    }

    /// Uses a code up. False when somebody else was quicker, or the user is no longer as it was.
    async fn spend(&self, known: &User, code: &Secret) -> Result<bool, StoreError> {
        retried(|| self.try_spend(known, code)).await
    }

    async fn try_spend(&self, known: &User, code: &Secret) -> Result<bool, StoreError> {
        let mut rows = self.metadata().begin().await?;
        let Some(user) = rows.user_lock(known.id).await? else { return Ok(false) };
        let Some(factor) = Factor::on(&user)?.filter(|_| user.epoch == known.epoch) else { return Ok(false) };
        let Some(left) = factor.spend(code, self.now()) else { return Ok(false) };
        let user = User { second_factor: Some(left.write()?), ..user };
        rows.user_save(&user).await?;
        rows.commit().await?;
        Ok(true)
    }
}

impl SecondFactors<'_> {
    /// The proof that `actor` may do anything with its own account: see [`PersonalTokens::own`](crate::PersonalTokens::own).
    ///
    /// # Errors
    /// As there.
    pub async fn own(&self, actor: &Actor) -> Result<Authorized<UserUpdate>> {
        self.accounts.personal_tokens(self.harbor).own(actor).await
    }

    /// The same, also for who comes with a personal access token that is not limited. Programs carry one where there is a second factor;
    /// it is for [`SecondFactors::state`], and for [`SecondFactors::disable`], which wants the password and a code beside it.
    ///
    /// # Errors
    /// As [`SecondFactors::own`].
    pub async fn own_by_token(&self, actor: &Actor) -> Result<Authorized<UserUpdate>> {
        self.accounts.personal_tokens(self.harbor).own_by_token(actor).await
    }

    /// How many recovery codes a user has left whose second factor is on; nothing where it is off.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the store fails.
    pub async fn state(&self, proof: &Authorized<UserUpdate>) -> Result<Option<usize>> {
        let user = self.user(*proof.target()).await?;
        Ok(Factor::on(&user)?.map(|factor| factor.recovery_codes()))
    }

    /// Makes a second factor, which is not asked for before [`SecondFactors::confirm`]. One that was made before and not
    /// confirmed is forgotten. `issuer` is what the application shows.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a wrong password, [`Error::Precondition`] where one is on, or there is no password here;
    /// [`Error::TooManyRequests`].
    pub async fn enrol(
        &self,
        proof: Authorized<UserUpdate>,
        password: &Secret,
        issuer: &str,
        from: Option<IpAddr>,
    ) -> Result<Enrolment> {
        let user = self.user(*proof.target()).await?;
        let hash = user.password.as_ref();
        let hash = hash.ok_or_else(|| Error::Precondition("this account has no password here".to_owned()))?;
        if !self.accounts.right(&user.name, password, [Some(hash), None], from).await? {
            return Err(Error::Forbidden("the password is not right".to_owned()));
        }
        let factor = Factor::make()?;
        let mut write = self.harbor.write(&proof).await?;
        let now = write.now();
        let user = write.rows().user_lock(user.id).await?.ok_or(Error::NotFound("user"))?;
        if Factor::on(&user)?.is_some() {
            let what = "a second factor is on already: take it away before you make another one";
            return Err(Error::Precondition(what.to_owned()));
        }
        let user = User { second_factor: Some(factor.write()?), updated_at: now, ..user };
        write.rows().user_save(&user).await?;
        write.audit(format!("second factor of {}", user.name)).await?;
        write.changed_access().await?;
        write.commit().await?;
        let uri = factor.totp().uri(issuer, &user.name);
        Ok(Enrolment { secret: factor.totp().base32(), uri })
    }

    /// Turns the second factor on, for its owner shows a code of it; yields the recovery codes, which are kept nowhere. What was
    /// begun with the password alone ends: sessions, and tokens of the token service.
    ///
    /// # Errors
    /// [`Error::Precondition`] when none was made or it is on; [`Error::Forbidden`] for a wrong code;
    /// [`Error::TooManyRequests`] after too many.
    pub async fn confirm(
        &self,
        proof: Authorized<UserUpdate>,
        code: &Secret,
        from: Option<IpAddr>,
    ) -> Result<Vec<Secret>> {
        let name = self.user(*proof.target()).await?.name;
        let locked = self.accounts.throttle().before(&name, from);
        locked.map_err(|locked| Error::TooManyRequests { retry_after: locked.retry_after })?;
        let mut write = self.harbor.write(&proof).await?;
        let now = write.now();
        let user = write.rows().user_lock(*proof.target()).await?.ok_or(Error::NotFound("user"))?;
        let made = Factor::of(&user)?.filter(|factor| !factor.is_on());
        let made = made.ok_or_else(|| {
            Error::Precondition("there is no second factor to be turned on: make one first".to_owned())
        })?;
        let Some(factor) = made.spend(code, now) else {
            drop(write);
            tokio::time::sleep(self.accounts.throttle().failed(&name, from)).await;
            return Err(Error::Forbidden(
                "the code is not right; if the application is, look at its clock".to_owned(),
            ));
        };
        let (factor, codes) = factor.turn_on()?;
        let second_factor = Some(factor.write()?);
        let user = User { second_factor, epoch: user.epoch + 1, updated_at: now, ..user };
        write.rows().user_save(&user).await?;
        write.audit(format!("second factor of {}: on", user.name)).await?;
        write.changed_access().await?;
        write.commit().await?;
        Ok(codes)
    }

    /// Takes the second factor away from who shows the password and a code.
    ///
    /// # Errors
    /// [`Error::NotFound`] where none is on; [`Error::Forbidden`] when one of them is wrong; [`Error::TooManyRequests`].
    pub async fn disable(
        &self,
        proof: Authorized<UserUpdate>,
        password: &Secret,
        code: &Secret,
        from: Option<IpAddr>,
    ) -> Result<()> {
        let user = self.user(*proof.target()).await?;
        Factor::on(&user)?.ok_or(Error::NotFound("second factor"))?;
        if !self.accounts.with_code(&user, password, code, from).await? {
            return Err(Error::Forbidden("the password or the code is not right".to_owned()));
        }
        self.remove(&proof, user.id).await
    }

    /// Takes the second factor away from somebody else, who has lost it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a user that there is not or that has none; [`Error::Precondition`] for oneself.
    pub async fn reset(&self, proof: Authorized<UserTotpDelete>, id: UserId) -> Result<()> {
        if proof.actor().user_id() == Some(id) {
            let what = "your own is taken away with the password and a code: DELETE /users/current/totp";
            return Err(Error::Precondition(what.to_owned()));
        }
        self.remove(&proof, id).await
    }

    async fn remove<A: harbor_core::access::Action>(&self, proof: &Authorized<A>, id: UserId) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let user = write.rows().user_lock(id).await?.ok_or(Error::NotFound("user"))?;
        if user.second_factor.is_none() {
            return Err(Error::NotFound("second factor"));
        }
        let user = User { second_factor: None, updated_at: now, ..user };
        write.rows().user_save(&user).await?;
        write.audit(format!("second factor of {}: off", user.name)).await?;
        write.changed_access().await?;
        write.commit().await
    }

    /// The user as it is stored at the moment.
    async fn user(&self, id: UserId) -> Result<User> {
        self.accounts.directory().read().await?.user(id).await?.ok_or(Error::NotFound("user"))
    }
}

//! The use cases of roles that are made of permissions.

use harbor_core::access::permission::{RoleCreate, RoleDelete, RoleUpdate};
use harbor_core::access::{Actor, Authorized, Role};
use harbor_core::meta::{CustomRole, RoleId};
use harbor_core::{Error, Harbor, Result, StoreError, StoreErrorKind};

use crate::members::project_permission;
use crate::{Accounts, rules};

/// The longest name of a role, in bytes.
const LONGEST: usize = 255;

/// Use cases of roles: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Roles<'a> {
    accounts: &'a Accounts,
    harbor: &'a Harbor,
}

/// A role about to be made, or to become another.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// Its name, unlike that of any other role.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do in projects: `resource:action`.
    pub permissions: Vec<String>,
}

impl Accounts {
    /// The use cases of roles.
    #[must_use]
    pub const fn roles<'a>(&'a self, harbor: &'a Harbor) -> Roles<'a> {
        Roles { accounts: self, harbor }
    }
}

impl Roles<'_> {
    /// Every role that was made: whoever has logged in may see what members can be given.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular; as the store fails.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<CustomRole>> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        Ok(self.accounts.directory().read().await?.roles().await?)
    }

    /// One role.
    ///
    /// # Errors
    /// As [`Roles::list`]; [`Error::NotFound`].
    pub async fn get(&self, actor: &Actor, id: RoleId) -> Result<CustomRole> {
        self.list(actor).await?.into_iter().find(|role| role.id == id).ok_or(Error::NotFound("role"))
    }

    /// Makes a role.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a name or a permission that cannot be; [`Error::Conflict`] when there is one of that name.
    pub async fn create(&self, proof: Authorized<RoleCreate>, new: NewRole) -> Result<RoleId> {
        let new = checked(new)?;
        let mut write = self.harbor.write(&proof).await?;
        let now = write.now();
        let role = CustomRole {
            id: RoleId::new(0),
            name: new.name,
            description: new.description,
            permissions: new.permissions,
            created_at: now,
            updated_at: now,
        };
        let id = write.rows().role_insert(&role).await.map_err(|error| taken(error, &role.name))?;
        write.audit(role.name).await?;
        write.changed_access().await?;
        write.commit().await?;
        Ok(id)
    }

    /// Makes a role another: for everybody who has it, at once.
    ///
    /// # Errors
    /// As [`Roles::create`]; [`Error::NotFound`].
    pub async fn update(&self, proof: Authorized<RoleUpdate>, id: RoleId, new: NewRole) -> Result<()> {
        let new = checked(new)?;
        let mut write = self.harbor.write(&proof).await?;
        let now = write.now();
        let role = CustomRole {
            id,
            name: new.name,
            description: new.description,
            permissions: new.permissions,
            created_at: now,
            updated_at: now,
        };
        if !write.rows().role_save(&role).await.map_err(|error| taken(error, &role.name))? {
            return Err(Error::NotFound("role"));
        }
        write.audit(role.name).await?;
        write.changed_access().await?;
        write.commit().await
    }

    /// Deletes a role that nobody has.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Precondition`] while a member has it.
    pub async fn delete(&self, proof: Authorized<RoleDelete>, id: RoleId) -> Result<()> {
        let mut write = self.harbor.write(&proof).await?;
        let deleted = write.rows().role_delete(id).await.map_err(|error| match error.kind() {
            StoreErrorKind::Conflict => {
                Error::Precondition("members have this role: give them another one first".to_owned())
            }
            _ => Error::Store(error),
        });
        if !deleted? {
            return Err(Error::NotFound("role"));
        }
        write.audit(id.get().to_string()).await?;
        write.changed_access().await?;
        write.commit().await
    }
}

fn checked(new: NewRole) -> Result<NewRole> {
    rules::listed_name("a role", &new.name, LONGEST)?;
    if Role::ALL.iter().any(|role| role.name().eq_ignore_ascii_case(&new.name)) {
        return Err(Error::BadRequest("a built-in role has that name".to_owned()));
    }
    rules::text("description", &new.description)?;
    let wrong = new
        .permissions
        .iter()
        .find(|text| !project_permission(text).is_some_and(harbor_core::access::Permission::is_grantable));
    match wrong {
        Some(text) => Err(Error::BadRequest(format!("there is no permission {text} in projects"))),
        None => Ok(new),
    }
}

fn taken(error: StoreError, name: &str) -> Error {
    match error.kind() {
        StoreErrorKind::Conflict => Error::Conflict(format!("a role {name}")),
        _ => Error::Store(error),
    }
}

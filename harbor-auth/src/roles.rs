//! Roles that were made of permissions.

use std::collections::{HashMap, HashSet};

use harbor_core::access::{Level, Permission};
use harbor_core::meta::{CustomRole, RoleId};

/// The roles that were made, and what each may do.
#[derive(Debug, Default)]
pub(crate) struct RoleTable {
    roles: HashMap<RoleId, (CustomRole, HashSet<Permission>)>,
}

impl RoleTable {
    pub(crate) fn new(roles: Vec<CustomRole>) -> Self {
        let permission = |text: &String| {
            let (resource, action) = text.split_once(':')?;
            Permission::find(Level::Project, resource, action)
        };
        let entry = |role: CustomRole| {
            let permissions = role.permissions.iter().filter_map(permission).collect();
            (role.id, (role, permissions))
        };
        Self { roles: roles.into_iter().map(entry).collect() }
    }

    /// Whether a role has a permission; one that there is not has none.
    pub(crate) fn has(&self, role: RoleId, permission: Permission) -> bool {
        self.roles.get(&role).is_some_and(|(_, permissions)| permissions.contains(&permission))
    }

    /// The role of that key.
    pub(crate) fn get(&self, role: RoleId) -> Option<&CustomRole> {
        self.roles.get(&role).map(|(role, _)| role)
    }
}

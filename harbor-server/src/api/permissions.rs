//! What robots can be given.

use harbor_core::access::permission::ALL;
use harbor_core::access::{Level, Permission};
use harbor_core::api::{PermissionEntry, Permissions};

use super::answer::{Answered, ok};
use super::call::Call;

pub(super) async fn answer(call: &Call<'_>, id: &str) -> Answered {
    if id != "getPermissions" {
        return Ok(None);
    }
    call.login()?;
    let of = |level: Level| -> Vec<PermissionEntry> {
        let grantable =
            ALL.iter().filter(|permission| permission.level == level && permission.is_grantable());
        grantable.map(wire).collect()
    };
    ok(&Permissions { system: of(Level::System), project: of(Level::Project) }).map(Some)
}

/// A permission as the API shows it.
pub(super) fn wire(permission: &Permission) -> PermissionEntry {
    PermissionEntry { resource: permission.resource.to_owned(), action: permission.action.to_owned() }
}

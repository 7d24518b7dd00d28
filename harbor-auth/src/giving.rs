//! Nobody gives what they do not have.

use std::collections::HashSet;

use harbor_core::access::{Actor, Level, Permission, Role, permission};
use harbor_core::meta::Project;
use harbor_core::{Error, Harbor, Result};

/// Refuses to give permissions in a project that `actor` itself lacks in all of it: who may list some repositories gives nobody
/// the list of all. Whoever has all that the administrator of a project has may give all that can be given in one.
pub(crate) async fn check(
    harbor: &Harbor,
    actor: &Actor,
    project: &Project,
    given: &[Permission],
) -> Result<()> {
    if actor.is_administrator() {
        return Ok(());
    }
    // Each once, however often it is said: what is asked for is not as long as somebody likes.
    let given: HashSet<Permission> = given.iter().copied().collect();
    let mut rules_here = None;
    for wanted in given {
        if harbor.may_throughout(actor, wanted, project).await? {
            continue;
        }
        let beyond_administrators = wanted.level == Level::Project && !wanted.has(Role::ProjectAdmin);
        if beyond_administrators && rules_here.is_none() {
            rules_here = Some(rules(harbor, actor, project).await?);
        }
        if !(beyond_administrators && rules_here == Some(true)) {
            return Err(Error::Forbidden(format!("{wanted} can only be given by somebody who has it")));
        }
    }
    Ok(())
}

/// Whether somebody has all that the administrator of a project has.
async fn rules(harbor: &Harbor, actor: &Actor, project: &Project) -> Result<bool> {
    for permission in permission::ALL.iter().filter(|permission| permission.has(Role::ProjectAdmin)) {
        if !harbor.may_throughout(actor, *permission, project).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

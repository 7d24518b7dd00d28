//! Members, users, groups, robots, roles, tokens.

use harbor_core::api;

use super::{Answer, Documented, op};
use crate::api::openapi::shape::of;

pub(super) const TABLE: &[Documented] = &[
    op(
        "listProjectMembers",
        "Members of project, filter entityname",
        &["entityname"],
        None,
        Answer::Page(of::<api::ProjectMemberEntity>()),
    ),
    op(
        "createProjectMember",
        "Add user or group to project with role id",
        &[],
        Some(of::<api::ProjectMember>()),
        Answer::Created,
    ),
    op(
        "getProjectMember",
        "One membership by member id",
        &[],
        None,
        Answer::One(of::<api::ProjectMemberEntity>()),
    ),
    op(
        "updateProjectMember",
        "Change role of membership",
        &[],
        Some(of::<api::RoleRequest>()),
        Answer::Nothing,
    ),
    op("deleteProjectMember", "Remove membership", &[], None, Answer::Nothing),
    op(
        "listUserGroups",
        "User groups, filter by ldap_group_dn / group_name",
        &["ldap_group_dn", "group_name"],
        None,
        Answer::Page(of::<api::UserGroup>()),
    ),
    op(
        "createUserGroup",
        "Create LDAP/HTTP/OIDC group record",
        &[],
        Some(of::<api::UserGroup>()),
        Answer::Created,
    ),
    op(
        "searchUserGroups",
        "Search groups by groupname",
        &["groupname"],
        None,
        Answer::Page(of::<api::UserGroupSearchItem>()),
    ),
    op("getUserGroup", "One group", &[], None, Answer::One(of::<api::UserGroup>())),
    op("updateUserGroup", "Rename group", &[], Some(of::<api::UserGroup>()), Answer::Nothing),
    op("deleteUserGroup", "Delete group record", &[], None, Answer::Nothing),
    op(
        "ListRobot",
        "Robots (system by default; q=Level=project,ProjectID=n for project)",
        &[],
        None,
        Answer::Page(of::<api::Robot>()),
    )
    .may(&[404]),
    op(
        "CreateRobot",
        "Create system- or project-level robot; returns secret once",
        &[],
        Some(of::<api::RobotCreate>()),
        Answer::Made(of::<api::RobotCreated>()),
    )
    .may(&[404]),
    op("GetRobotByID", "One robot", &[], None, Answer::One(of::<api::Robot>())),
    op(
        "UpdateRobot",
        "Change robot (enable/disable, duration, permissions)",
        &[],
        Some(of::<api::Robot>()),
        Answer::Nothing,
    ),
    op(
        "RefreshSec",
        "Rotate robot secret (given or generated)",
        &[],
        Some(of::<api::RobotSec>()),
        Answer::One(of::<api::RobotSec>()),
    ),
    op("ListRobotV1", "Robots of a project", &[], None, Answer::Page(of::<api::Robot>())),
    op(
        "CreateRobotV1",
        "Make a robot of a project, in the older form; its secret is shown this once",
        &[],
        Some(of::<api::RobotCreateV1>()),
        Answer::Made(of::<api::RobotCreated>()),
    ),
    op("GetRobotByIDV1", "One robot of a project", &[], None, Answer::One(of::<api::Robot>())),
    op(
        "UpdateRobotV1",
        "Change what a robot of a project is for, and whether it may log in",
        &[],
        Some(of::<api::Robot>()),
        Answer::Nothing,
    ),
    op("DeleteRobotV1", "Delete a robot of a project", &[], None, Answer::Nothing),
    op("DeleteRobot", "Delete robot", &[], None, Answer::Nothing),
    op("listUsers", "Users (admin)", &["username", "email"], None, Answer::Page(of::<api::UserResp>())),
    op("createUser", "Create a local user", &[], Some(of::<api::UserCreationReq>()), Answer::Created),
    op("getCurrentUserInfo", "Who am I", &[], None, Answer::One(of::<api::UserResp>())).may(&[412]),
    op(
        "searchUsers",
        "Search users by name (any logged-in user)",
        &["username"],
        None,
        Answer::Page(of::<api::UserSearchRespItem>()),
    ),
    op("getUser", "One user", &[], None, Answer::One(of::<api::UserResp>())),
    op(
        "updateUserProfile",
        "Change email/realname/comment",
        &[],
        Some(of::<api::UserProfile>()),
        Answer::Nothing,
    ),
    op("deleteUser", "Delete user", &[], None, Answer::Nothing),
    op("setUserSysAdmin", "Grant/revoke sysadmin", &[], Some(of::<api::UserSysAdminFlag>()), Answer::Nothing),
    op("updateUserPassword", "Change password", &[], Some(of::<api::PasswordReq>()), Answer::Nothing),
    op(
        "getCurrentUserPermissions",
        "Caller permissions in a scope (relative or absolute)",
        &["scope", "relative"],
        None,
        Answer::Many(of::<api::PermissionEntry>()),
    ),
    op(
        "setCliSecret",
        "Set the CLI secret of a user of an identity provider; others have personal access tokens",
        &[],
        Some(of::<api::OidcCliSecretReq>()),
        Answer::Nothing,
    )
    .may(&[412]),
    op(
        "getPermissions",
        "Full list of permissions grantable to system / project robots",
        &[],
        None,
        Answer::One(of::<api::Permissions>()),
    ),
    op(
        "listRoles",
        "The roles that were made of permissions",
        &[],
        None,
        Answer::Many(of::<api::CustomRole>()),
    ),
    op("createRole", "Make a role of permissions", &[], Some(of::<api::CustomRoleReq>()), Answer::Created),
    op("getRole", "One role", &[], None, Answer::One(of::<api::CustomRole>())),
    op(
        "updateRole",
        "Change a role, for everybody who has it",
        &[],
        Some(of::<api::CustomRoleReq>()),
        Answer::Nothing,
    ),
    op("deleteRole", "Delete a role that nobody has", &[], None, Answer::Nothing).may(&[412]),
    op(
        "listPersonalTokens",
        "The caller's personal access tokens",
        &[],
        None,
        Answer::Many(of::<api::PersonalToken>()),
    )
    .may(&[412]),
    op(
        "createPersonalToken",
        "Make a personal access token; it is shown this once",
        &[],
        Some(of::<api::PersonalTokenReq>()),
        Answer::Made(of::<api::PersonalTokenCreated>()),
    )
    .may(&[412]),
    op("deletePersonalToken", "Delete a personal access token: it ends at once", &[], None, Answer::Nothing)
        .may(&[412]),
    op("getTotp", "Whether the caller has a second factor", &[], None, Answer::One(of::<api::TotpState>()))
        .may(&[412]),
    op(
        "createTotp",
        "Make a second factor (RFC 6238), with the password; its secret is shown this once",
        &[],
        Some(of::<api::TotpReq>()),
        Answer::Shown(of::<api::TotpCreated>()),
    )
    .may(&[404, 412]),
    op(
        "confirmTotp",
        "Turn the second factor on, with a code; the recovery codes are shown this once",
        &[],
        Some(of::<api::TotpConfirmReq>()),
        Answer::One(of::<api::TotpRecoveryCodes>()),
    )
    .may(&[404, 412]),
    op(
        "deleteTotp",
        "Take one's own second factor away, with the password and a code",
        &[],
        Some(of::<api::TotpDeleteReq>()),
        Answer::Nothing,
    )
    .may(&[404, 412]),
    op("resetTotp", "Take somebody's second factor away (administrators)", &[], None, Answer::Nothing)
        .may(&[412]),
];

//! Who there is, and what they may do.

use harbor_core::api;
use serde_json::Value;

use super::noun::nouns;
use super::query::ProjectRef;

nouns! {
    /// Members of projects: users and groups.
    members Members {
        /// The members of a project; filter `entityname`.
        list "listProjectMembers" (project_name_or_id: ProjectRef<'_>) => Pages[api::ProjectMemberEntity];
        /// Makes a user or a group a member.
        create "createProjectMember" (project_name_or_id: ProjectRef<'_>) with api::ProjectMember => Created;
        /// One member.
        get "getProjectMember" (project_name_or_id: ProjectRef<'_>, mid: i64) => One[api::ProjectMemberEntity];
        /// Gives a member another role.
        update "updateProjectMember" (project_name_or_id: ProjectRef<'_>, mid: i64) with api::RoleRequest => Nothing;
        /// Makes somebody a member no more.
        delete "deleteProjectMember" (project_name_or_id: ProjectRef<'_>, mid: i64) => Nothing;
    }

    /// Groups of users.
    groups Groups {
        /// The groups.
        list "listUserGroups" () => Pages[api::UserGroup];
        /// Makes a group.
        create "createUserGroup" () with api::UserGroup => Created;
        /// The groups whose name has `groupname` in it.
        search "searchUserGroups" () => Pages[api::UserGroupSearchItem];
        /// One group.
        get "getUserGroup" (group_id: i64) => One[api::UserGroup];
        /// Renames a group.
        update "updateUserGroup" (group_id: i64) with api::UserGroup => Nothing;
        /// Deletes a group.
        delete "deleteUserGroup" (group_id: i64) => Nothing;
    }

    /// Robots, of the system and of projects.
    robots Robots {
        /// Robots: of the system, or with `q=Level=project,ProjectID=1` of a project.
        list "ListRobot" () => Pages[api::Robot];
        /// Makes a robot; its secret is told this once.
        create "CreateRobot" () with api::RobotCreate => One[api::RobotCreated];
        /// One robot.
        get "GetRobotByID" (robot_id: i64) => One[api::Robot];
        /// Changes a robot.
        update "UpdateRobot" (robot_id: i64) with api::Robot => Nothing;
        /// Gives a robot another secret, which is told this once where it was not chosen.
        renew "RefreshSec" (robot_id: i64) with api::RobotSec => One[api::RobotSec];
        /// Deletes a robot.
        delete "DeleteRobot" (robot_id: i64) => Nothing;
    }

    /// Robots of a project, in the older form.
    project_robots ProjectRobots {
        /// The robots of a project.
        list "ListRobotV1" (project_name_or_id: ProjectRef<'_>) => Pages[api::Robot];
        /// Makes a robot; its secret is told this once.
        create "CreateRobotV1" (project_name_or_id: ProjectRef<'_>) with api::RobotCreateV1 => One[api::RobotCreated];
        /// One robot.
        get "GetRobotByIDV1" (project_name_or_id: ProjectRef<'_>, robot_id: i64) => One[api::Robot];
        /// Changes a robot.
        update "UpdateRobotV1" (project_name_or_id: ProjectRef<'_>, robot_id: i64) with api::Robot => Nothing;
        /// Deletes a robot.
        delete "DeleteRobotV1" (project_name_or_id: ProjectRef<'_>, robot_id: i64) => Nothing;
    }

    /// Users.
    users Users {
        /// The users.
        list "listUsers" () => Pages[api::UserResp];
        /// Makes a user.
        create "createUser" () with api::UserCreationReq => Created;
        /// Who asks.
        current "getCurrentUserInfo" () => One[api::UserResp];
        /// The users whose name has `username` in it.
        search "searchUsers" () => Pages[api::UserSearchRespItem];
        /// One user.
        get "getUser" (user_id: i64) => One[api::UserResp];
        /// Changes the profile of a user.
        update "updateUserProfile" (user_id: i64) with api::UserProfile => Nothing;
        /// Deletes a user.
        delete "deleteUser" (user_id: i64) => Nothing;
        /// Makes a user an administrator of the system, or none.
        set_admin "setUserSysAdmin" (user_id: i64) with api::UserSysAdminFlag => Nothing;
        /// Changes the password of a user.
        set_password "updateUserPassword" (user_id: i64) with api::PasswordReq => Nothing;
        /// What who asks may do: `scope`, `relative`.
        permissions "getCurrentUserPermissions" () => One[Vec<api::PermissionEntry>] asks;
        /// Sets the secret that a user of OIDC has for command lines.
        set_cli_secret "setCliSecret" (user_id: i64) with Value => Nothing;
        /// Takes somebody's second factor away.
        reset_totp "resetTotp" (user_id: i64) => Nothing;
    }

    /// Permissions, and the roles that are made of them.
    roles Roles {
        /// All permissions that robots may have.
        permissions "getPermissions" () => One[api::Permissions];
        /// The roles that were made.
        list "listRoles" () => One[Vec<api::CustomRole>];
        /// Makes a role.
        create "createRole" () with api::CustomRoleReq => Created;
        /// One role.
        get "getRole" (role_id: i64) => One[api::CustomRole];
        /// Changes a role, for everybody who has it.
        update "updateRole" (role_id: i64) with api::CustomRoleReq => Nothing;
        /// Deletes a role that nobody has.
        delete "deleteRole" (role_id: i64) => Nothing;
    }

    /// One's own personal access tokens.
    personal_tokens PersonalTokens {
        /// The tokens of who asks.
        list "listPersonalTokens" () => One[Vec<api::PersonalToken>];
        /// Makes a token, which is told this once.
        create "createPersonalToken" () with api::PersonalTokenReq => One[api::PersonalTokenCreated];
        /// Deletes a token, which ends at once.
        delete "deletePersonalToken" (token_id: i64) => Nothing;
    }

    /// One's own second factor.
    totp Totp {
        /// Whether there is one.
        get "getTotp" () => One[api::TotpState];
        /// Makes one, with the password; its secret is told this once.
        create "createTotp" () with api::TotpReq => One[api::TotpCreated];
        /// Turns it on, with a code; codes for recovery are told this once.
        confirm "confirmTotp" () with api::TotpConfirmReq => One[api::TotpRecoveryCodes];
        /// Takes it away, with the password and a code.
        delete "deleteTotp" () with api::TotpDeleteReq => Nothing;
    }
}

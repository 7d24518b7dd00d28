//! Users.

use axum::body::Body;
use harbor_auth::{NewPassword, NewUser, Profile};
use harbor_core::access::permission::{
    UserAdminister, UserCreate, UserDelete, UserList, UserRead, UserUpdate,
};
use harbor_core::access::{Authorized, Level, Permission, Secret, Target};
use harbor_core::api::{
    OidcCliSecretReq, PasswordReq, PermissionEntry, UserCreationReq, UserProfile, UserResp,
    UserSearchRespItem, UserSysAdminFlag,
};
use harbor_core::meta::{User, UserId, UserKey};
use harbor_core::query::{Query, Test};
use harbor_core::{Error, Result};
use http::Response;

use super::answer::{Answered, created, done, ok, page};
use super::call::Call;
use crate::app::address;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listUsers" => list(&call.system().await?, call).await?,
        "createUser" => create(call.system().await?, call).await?,
        "getCurrentUserInfo" => current(call).await?,
        "searchUsers" => search(call).await?,
        "getUser" => get(&call.user().await?, call).await?,
        "updateUserProfile" => update(call.user().await?, call).await?,
        "deleteUser" => delete(call.system().await?, call).await?,
        "setUserSysAdmin" => set_administrator(call.system().await?, call).await?,
        "updateUserPassword" => set_password(call.user().await?, call).await?,
        "getCurrentUserPermissions" => permissions(call).await?,
        "setCliSecret" => set_cli_secret(&call.user().await?, call).await?,
        _ => return Ok(None),
    }))
}

fn user_id(call: &Call<'_>) -> Result<UserId> {
    call.id("user_id", "user").map(UserId::new)
}

async fn list(proof: &Authorized<UserList>, call: &Call<'_>) -> Result<Response<Body>> {
    let mut query: Query<UserKey> = call.list()?;
    // As Harbor takes them beside `q`, though its document of the API does not say so.
    for (name, key) in [("username", UserKey::Name), ("email", UserKey::Email)] {
        if let Some(text) = call.parameter(name) {
            query = query.filter(key, Test::Like(text));
        }
    }
    let listed = call.accounts()?.users(call.harbor()).list(proof, &query).await?;
    page(call, &query, listed, |user| wire(&user))
}

async fn create(proof: Authorized<UserCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: UserCreationReq = call.json().await?;
    let new = NewUser {
        name: body.username,
        email: body.email.filter(|email| !email.is_empty()),
        real_name: body.realname,
        comment: body.comment,
        password: NewPassword::Plain(Secret::new(body.password)),
    };
    let id = call.accounts()?.users(call.harbor()).create(proof, new, address(call.parts)).await?;
    Ok(created(call, &id.get().to_string()))
}

async fn current(call: &Call<'_>) -> Result<Response<Body>> {
    let id = call.login()?.user_id();
    let id = id.ok_or_else(|| Error::Precondition("only users have a profile".to_owned()))?;
    let proof = call.harbor().authorize::<UserRead>(&call.actor, id).await?;
    get(&proof, call).await
}

async fn search(call: &Call<'_>) -> Result<Response<Body>> {
    let missing = || Error::Unprocessable("username is needed".to_owned());
    call.login()?;
    let name = call.parameter("username").ok_or_else(missing)?;
    // By name and by nothing else: the rest is not for everybody, and a filter tells what it filters by.
    let query = call.pages::<UserKey>()?.filter(UserKey::Name, Test::Like(name));
    let listed = call.accounts()?.users(call.harbor()).search(&call.actor, &query).await?;
    page(call, &query, listed, |(id, username)| UserSearchRespItem { user_id: id.get(), username })
}

async fn get(proof: &Authorized<UserRead>, call: &Call<'_>) -> Result<Response<Body>> {
    ok(&wire(&call.accounts()?.users(call.harbor()).get(proof).await?))
}

async fn update(proof: Authorized<UserUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: UserProfile = call.json().await?;
    let profile = Profile {
        email: body.email.filter(|email| !email.is_empty()),
        real_name: body.realname,
        comment: body.comment,
    };
    call.accounts()?.users(call.harbor()).update(proof, profile).await?;
    Ok(done())
}

async fn delete(proof: Authorized<UserDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.accounts()?.users(call.harbor()).delete(proof, user_id(call)?).await?;
    Ok(done())
}

async fn set_administrator(proof: Authorized<UserAdminister>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: UserSysAdminFlag = call.json().await?;
    let users = call.accounts()?.users(call.harbor());
    users.set_administrator(proof, user_id(call)?, body.sysadmin_flag).await?;
    Ok(done())
}

async fn set_password(proof: Authorized<UserUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: PasswordReq = call.json().await?;
    let old = body.old_password.map(Secret::new);
    let new = Secret::new(body.new_password);
    let from = address(call.parts);
    call.accounts()?.users(call.harbor()).set_password(proof, old.as_ref(), &new, from).await?;
    Ok(done())
}

/// As with Harbor: a CLI secret is for users of an identity provider. Others have personal access tokens.
async fn set_cli_secret(_proof: &Authorized<UserUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let _: OidcCliSecretReq = call.json().await?;
    let what = "CLI secrets are for users of an identity provider: make a personal access token instead";
    Err(Error::Precondition(what.to_owned()))
}

/// What the caller may do in a scope: the whole registry (`/`, or nothing), or a project (`/project/7`).
async fn permissions(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let scope = call.parameter("scope").unwrap_or_default();
    let relative = call.flag("relative")?;
    let scope = scope.trim_end_matches('/');
    let mut held = Vec::new();
    if scope.is_empty() {
        hold(call, Level::System, Target::System, "/system", relative, &mut held).await?;
    } else if let Some(named) = scope.strip_prefix("/project/") {
        // What somebody may do where they may not look is nothing.
        if let Ok(proof) =
            call.project_named::<harbor_core::access::permission::ProjectRead>(named, true).await
        {
            hold(call, Level::Project, Target::Project(proof.target()), scope, relative, &mut held).await?;
        }
    }
    ok(&held)
}

async fn hold(
    call: &Call<'_>,
    level: Level,
    target: Target<'_>,
    scope: &str,
    relative: bool,
    held: &mut Vec<PermissionEntry>,
) -> Result<()> {
    let of = |permission: &&Permission| permission.level == level;
    for permission in harbor_core::access::permission::ALL.iter().filter(of) {
        if call.harbor().may(&call.actor, *permission, target).await? {
            let resource = match (relative, permission.resource) {
                (true, resource) => resource.to_owned(),
                (false, "project") => scope.to_owned(),
                (false, resource) => format!("{scope}/{resource}"),
            };
            held.push(PermissionEntry { resource, action: permission.action.to_owned() });
        }
    }
    Ok(())
}

fn wire(user: &User) -> UserResp {
    UserResp {
        user_id: user.id.get(),
        username: user.name.clone(),
        email: user.email.clone(),
        realname: user.real_name.clone(),
        comment: user.comment.clone(),
        sysadmin_flag: user.administrator,
        admin_role_in_auth: false,
        creation_time: user.created_at,
        update_time: user.updated_at,
    }
}

//! `harborctl user`.

use clap::{Args, Subcommand};
use harbor_core::api::{PasswordReq, UserCreationReq, UserProfile, UserSysAdminFlag};
use harbor_replicate::client::api::Query;

use crate::body::SecretInput;
use crate::failure::Outcome;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};
use crate::terminal::confirmed;

static SHAPE: Shape = Shape {
    name: "/username",
    columns: &[
        Column::plain("NAME", "/username"),
        Column::plain("EMAIL", "/email"),
        Column::plain("ADMINISTRATOR", "/sysadmin_flag"),
        Column::time("CREATED", "/creation_time"),
        Column::plain("REAL NAME", "/realname").wide(),
        Column::plain("ID", "/user_id").wide(),
        Column::plain("COMMENT", "/comment").wide(),
    ],
};

static FOUND: Shape = Shape {
    name: "/username",
    columns: &[Column::plain("NAME", "/username"), Column::plain("ID", "/user_id")],
};

pub(super) static PERMISSION: Shape = Shape {
    name: "/resource",
    columns: &[Column::plain("RESOURCE", "/resource"), Column::plain("ACTION", "/action")],
};

/// Users, by name or by key.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Show users
    #[command(visible_alias = "ls")]
    List(Listed),
    /// Find users whose name has a text in it
    Search {
        name: String,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one user
    Get { user: String },
    /// Show who asks
    Current,
    /// Show what who asks may do
    #[command(after_help = "Example:\n  harborctl user permissions --scope /project/1")]
    Permissions {
        /// Where: `/` or `/project/1`
        #[arg(long, default_value = "/")]
        scope: String,
    },
    /// Make a user
    #[command(
        after_help = "Example:\n  harborctl user create grace --email grace@example --password-stdin < secret"
    )]
    Create(Create),
    /// Change the profile of a user
    Update {
        user: String,
        #[command(flatten)]
        profile: Profile,
    },
    /// Change a password: of somebody else, or one's own
    #[command(after_help = "Example:\n  harborctl user password grace")]
    Password {
        user: String,
        /// It is one's own: the one before is asked for
        #[arg(long)]
        own: bool,
        #[command(flatten)]
        secret: SecretInput,
    },
    /// Make a user an administrator of the system, or none
    Admin {
        user: String,
        /// Whether it is one
        #[arg(default_value_t = true, action = clap::ArgAction::Set)]
        is: bool,
    },
    /// Set the secret that a user of OIDC has for command lines
    CliSecret {
        user: String,
        #[command(flatten)]
        secret: SecretInput,
    },
    /// Take the second factor of a user away
    ResetTotp { user: String },
    /// Delete a user
    #[command(visible_alias = "rm")]
    Delete {
        user: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Profile {
    /// The address
    #[arg(long)]
    email: Option<String>,
    /// What the user is called
    #[arg(long)]
    realname: Option<String>,
    /// What to note
    #[arg(long)]
    comment: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    name: String,
    #[command(flatten)]
    profile: Profile,
    #[command(flatten)]
    secret: SecretInput,
}

impl User {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List(listed) => session.list(session.call("listUsers").await?, &listed, &SHAPE).await,
            Self::Search { name, listed } => {
                let query = Query::new().with("username", name);
                session.list(session.call("searchUsers").await?.query(&query), &listed, &FOUND).await
            }
            Self::Get { user } => {
                let id = session.user_id(&user).await?;
                session.show(session.call("getUser").await?.at("user_id", id), &SHAPE).await
            }
            Self::Current => session.show(session.call("getCurrentUserInfo").await?, &SHAPE).await,
            Self::Permissions { scope } => {
                let query = Query::new().with("scope", scope).with("relative", true);
                let call = session.call("getCurrentUserPermissions").await?.query(&query);
                session.all(call, &PERMISSION).await
            }
            Self::Create(create) => create.run(session).await,
            Self::Update { user, profile } => update(session, &user, profile).await,
            Self::Password { user, own, secret } => password(session, &user, own, &secret).await,
            Self::Admin { user, is } => {
                let id = session.user_id(&user).await?;
                let call = session.call("setUserSysAdmin").await?.at("user_id", id);
                let what = if is { "is an administrator" } else { "is no administrator" };
                session
                    .does(call.json(&UserSysAdminFlag { sysadmin_flag: is }), &format!("{user} {what}"))
                    .await
            }
            Self::CliSecret { user, secret } => {
                let id = session.user_id(&user).await?;
                let secret = secret.read_new("Secret: ").await?;
                let call = session.call("setCliSecret").await?.at("user_id", id);
                let call = call.json(&serde_json::json!({"secret": secret.expose()}));
                session.does(call, &format!("secret of {user} set")).await
            }
            Self::ResetTotp { user } => {
                let id = session.user_id(&user).await?;
                let call = session.call("resetTotp").await?.at("user_id", id);
                session.does(call, &format!("{user} has no second factor any more")).await
            }
            Self::Delete { user, yes } => {
                confirmed(&format!("Delete user {user}?"), yes).await?;
                let id = session.user_id(&user).await?;
                let call = session.call("deleteUser").await?.at("user_id", id);
                session.does(call, &format!("user {user} deleted")).await
            }
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Outcome {
        let password = self.secret.read_new(&format!("Password of {}: ", self.name)).await?;
        let body = UserCreationReq {
            password: password.expose().to_owned(),
            email: self.profile.email,
            // Harbor wants one.
            realname: self.profile.realname.unwrap_or_else(|| self.name.clone()),
            comment: self.profile.comment.unwrap_or_default(),
            username: self.name.clone(),
        };
        let call = session.call("createUser").await?.json(&body);
        session.makes(call, &format!("user {} created", self.name), Some(&self.name)).await
    }
}

async fn update(session: &Session, user: &str, profile: Profile) -> Outcome {
    let id = session.user_id(user).await?;
    // All of it is replaced.
    let known: UserProfile = session.call("getUser").await?.at("user_id", id).one().await?;
    let body = UserProfile {
        email: profile.email.or(known.email),
        realname: profile.realname.unwrap_or(known.realname),
        comment: profile.comment.unwrap_or(known.comment),
    };
    let call = session.call("updateUserProfile").await?.at("user_id", id).json(&body);
    session.does(call, &format!("user {user} changed")).await
}

async fn password(session: &Session, user: &str, own: bool, secret: &SecretInput) -> Outcome {
    let id = session.user_id(user).await?;
    let (old_password, new_password) = if own {
        let (old, new) = secret.read_change("The password as it is: ", "New password: ").await?;
        (Some(old.expose().to_owned()), new)
    } else {
        (None, secret.read_new("New password: ").await?)
    };
    let new_password = new_password.expose().to_owned();
    let call = session.call("updateUserPassword").await?.at("user_id", id);
    let call = call.json(&PasswordReq { old_password, new_password });
    session.does(call, &format!("password of {user} changed")).await
}

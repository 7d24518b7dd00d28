//! `harborctl group`.

use clap::{Subcommand, ValueEnum};
use harbor_core::api::UserGroup;
use harbor_replicate::client::api::Query;

use crate::failure::Outcome;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

static SHAPE: Shape = Shape {
    name: "/group_name",
    columns: &[
        Column::plain("NAME", "/group_name"),
        Column::plain("TYPE", "/group_type"),
        Column::plain("ID", "/id"),
        Column::plain("LDAP DN", "/ldap_group_dn").wide(),
    ],
};

/// Groups of users, by name or by key.
#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// Show groups
    #[command(visible_alias = "ls")]
    List(Listed),
    /// Find groups whose name has a text in it
    Search {
        name: String,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one group
    Get { group: String },
    /// Make a group known
    #[command(after_help = "\
Examples:
  harborctl group create developers --from oidc
  harborctl group create developers --from ldap --dn 'cn=developers,ou=groups,dc=example'")]
    Create {
        name: String,
        /// Where it comes from
        #[arg(long, value_enum, default_value_t = From::Oidc)]
        from: From,
        /// Its distinguished name in the directory
        #[arg(long, required_if_eq("from", "ldap"))]
        dn: Option<String>,
    },
    /// Rename a group
    Rename { group: String, name: String },
    /// Delete a group
    #[command(visible_alias = "rm")]
    Delete { group: String },
}

/// Where groups come from.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum From {
    /// A directory
    Ldap,
    /// A proxy that authenticates
    Http,
    /// An identity provider
    Oidc,
}

impl Group {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List(listed) => session.list(session.call("listUserGroups").await?, &listed, &SHAPE).await,
            Self::Search { name, listed } => {
                let query = Query::new().with("groupname", name);
                session.list(session.call("searchUserGroups").await?.query(&query), &listed, &SHAPE).await
            }
            Self::Get { group } => {
                let id = session.group_id(&group).await?;
                session.show(session.call("getUserGroup").await?.at("group_id", id), &SHAPE).await
            }
            Self::Create { name, from, dn } => {
                let group_type = match from {
                    From::Ldap => 1,
                    From::Http => 2,
                    From::Oidc => 3,
                };
                let body = UserGroup {
                    group_name: name.clone(),
                    group_type,
                    ldap_group_dn: dn,
                    ..UserGroup::default()
                };
                let call = session.call("createUserGroup").await?.json(&body);
                session.makes(call, &format!("group {name} created"), Some(&name)).await
            }
            Self::Rename { group, name } => {
                let id = session.group_id(&group).await?;
                let mut body: UserGroup =
                    session.call("getUserGroup").await?.at("group_id", id).one().await?;
                body.group_name.clone_from(&name);
                let call = session.call("updateUserGroup").await?.at("group_id", id).json(&body);
                session.does(call, &format!("group {group} is {name} now")).await
            }
            Self::Delete { group } => {
                let id = session.group_id(&group).await?;
                let call = session.call("deleteUserGroup").await?.at("group_id", id);
                session.does(call, &format!("group {group} deleted")).await
            }
        }
    }
}

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A group of users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UserGroup {
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its name.
    pub group_name: String,
    /// Where it comes from: 1 a directory, 2 a proxy that authenticates, 3 an identity provider.
    pub group_type: i64,
    /// Its distinguished name in a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ldap_group_dn: Option<String>,
}

/// A group that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserGroupSearchItem {
    /// Its key.
    pub id: i64,
    /// Its name.
    pub group_name: String,
    /// Where it comes from.
    pub group_type: i64,
}

//! The matrix of roles and permissions, which is committed beside this file as Harbor has it: the list of permissions says the
//! same.

use std::collections::BTreeMap;

use harbor_core::access::{Level, Role, permission};

/// Who may do what, as Harbor has it: scope, resource, action, then a column for each role, for everybody in a public project,
/// and for robots; tabs between them.
const MATRIX: &str = include_str!("matrix.tsv");

/// Rows of permissions that this registry has and Harbor has not.
const BEYOND: [&str; 9] = [
    "role:create",
    "role:delete",
    "role:update",
    "user-totp:delete",
    "notification-policy:create",
    "notification-policy:delete",
    "notification-policy:list",
    "notification-policy:read",
    "notification-policy:update",
];

/// A row of the matrix.
struct Row<'a> {
    level: Level,
    resource: &'a str,
    action: &'a str,
    marks: Vec<bool>,
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    MATRIX.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut words = line.split('\t');
        let level = if words.next() == Some("system") { Level::System } else { Level::Project };
        let (resource, action) = (words.next().unwrap(), words.next().unwrap());
        // Harbor calls the project itself nothing, and gives robots a resource of its own for it.
        let resource = if resource == "(self)" { "project" } else { resource };
        Row { level, resource, action, marks: words.map(|word| word == "1").collect() }
    })
}

/// The roles, in the order of the matrix.
pub(crate) const ROLES: [Role; 5] =
    [Role::ProjectAdmin, Role::Maintainer, Role::Developer, Role::Guest, Role::LimitedGuest];

#[test]
fn the_list_of_permissions_is_the_matrix() {
    let mut listed: BTreeMap<(Level, &str, &str), Vec<bool>> = BTreeMap::new();
    for row in rows() {
        let marks = listed.entry((row.level, row.resource, row.action)).or_insert_with(|| vec![false; 7]);
        let columns = row.marks.iter().chain(std::iter::repeat(&false));
        marks.iter_mut().zip(columns).for_each(|(mark, more)| *mark |= more);
    }
    for permission in permission::ALL {
        let Some(marks) = listed.remove(&(permission.level, permission.resource, permission.action)) else {
            assert!(BEYOND.contains(&permission.to_string().as_str()), "{permission} is not in the matrix");
            continue;
        };
        match permission.level {
            Level::Project => {
                let held: Vec<bool> = ROLES
                    .iter()
                    .map(|role| permission.has(*role))
                    .chain([permission.is_public(), permission.is_grantable()])
                    .collect();
                assert_eq!(held, marks, "{permission}");
            }
            Level::System => {
                let held = [permission.is_shown_to_administrators(), permission.is_grantable()];
                assert_eq!(held, marks[..2], "{permission}");
                assert!(ROLES.iter().all(|role| !permission.has(*role)), "{permission}");
            }
        }
    }
    assert!(listed.is_empty(), "in the matrix and not in the list: {:?}", listed.keys());
}

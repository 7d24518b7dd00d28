//! The row methods of robots, personal access tokens, sessions and revisions; and those of projects that are changed.

use super::MetadataFixture;
use super::kit::{assert_kind, at, begin, project, read};
use super::people::user;
use crate::StoreErrorKind;
use crate::access::Secret;
use crate::meta::{PersonalToken, ProjectId, Robot, RobotId, RobotKey, Session, TokenId, UserId};
use crate::query::{Query, Test};

pub(super) fn new_token(user: UserId, name: &str) -> PersonalToken {
    PersonalToken {
        id: TokenId::new(0),
        user,
        name: name.to_owned(),
        digest: format!("{:064x}", name.len()),
        scopes: String::new(),
        expires_at: None,
        created_at: at(1),
        used_at: None,
    }
}

pub(super) fn new_session(user: UserId, digest: &str) -> Session {
    Session { digest: digest.to_owned(), user, epoch: 3, created_at: at(1), expires_at: at(100) }
}

fn new_robot(project: Option<ProjectId>, name: &str) -> Robot {
    Robot {
        id: RobotId::new(0),
        name: name.to_owned(),
        description: "of 🚢".to_owned(),
        project,
        secret: Secret::new("a hash"),
        earlier_secret: None,
        duration: -1,
        expires_at: None,
        disabled: false,
        permissions: "{}".to_owned(),
        creator: "admin:admin".to_owned(),
        epoch: 0,
        created_at: at(1),
        updated_at: at(1),
    }
}

/// Robots: names are of a project or of the whole registry; saved as they are; listed by level; deleted.
pub async fn robots(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let one = project(&store, "one").await;
    let mut rows = begin(&store).await;
    let of_all = rows.robot_insert(&new_robot(None, "ci")).await.unwrap();
    let of_one = rows.robot_insert(&new_robot(Some(one.id), "ci")).await.unwrap();
    rows.commit().await.unwrap();
    for project in [None, Some(one.id)] {
        let mut rows = begin(&store).await;
        assert_kind(rows.robot_insert(&new_robot(project, "ci")).await, StoreErrorKind::Conflict);
    }
    let mut rows = begin(&store).await;
    let changed = Robot {
        earlier_secret: Some((Secret::new("older"), at(50))),
        expires_at: Some(at(60)),
        duration: 7,
        disabled: true,
        epoch: 2,
        ..rows.robot_lock(of_one).await.unwrap().unwrap()
    };
    rows.robot_save(&changed).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.robot(of_one).await.unwrap(), Some(changed.clone()));
    assert_eq!(rows.robot_named(Some(one.id), "ci").await.unwrap(), Some(changed));
    assert_eq!(rows.robot_named(None, "ci").await.unwrap().map(|robot| robot.id), Some(of_all));
    for other in ["ci ", " ci", "CI", "ci\0"] {
        assert_eq!(rows.robot_named(None, other).await.unwrap(), None, "{other:?}");
    }
    assert_eq!(rows.robot_named(None, "c\0i").await.unwrap(), None);
    let ids =
        |page: crate::meta::Listed<Robot>| page.entries.iter().map(|robot| robot.id).collect::<Vec<_>>();
    assert_eq!(ids(rows.robots(None, &Query::default()).await.unwrap()), [of_all]);
    assert_eq!(ids(rows.robots(Some(one.id), &Query::default()).await.unwrap()), [of_one]);
    let like = Query::default().filter(RobotKey::Name, Test::Like("x".to_owned()));
    assert_eq!(rows.robots(None, &like).await.unwrap().total, 0);
    drop(rows);
    let mut rows = begin(&store).await;
    assert!(rows.robot_delete(of_all).await.unwrap());
    assert!(!rows.robot_delete(of_all).await.unwrap());
    assert!(rows.project_delete(one.id).await.unwrap(), "with its robots");
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.robot(of_one).await.unwrap(), None);
}

/// Personal access tokens: found by digest, each of its own user only.
pub async fn personal_tokens(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (grace, alan) = (user(&store, "grace").await, user(&store, "alan").await);
    let token = PersonalToken { expires_at: Some(at(9)), ..new_token(grace, "ci") };
    let mut rows = begin(&store).await;
    let id = rows.personal_token_insert(&token).await.unwrap();
    rows.personal_token_used(id, at(5)).await.unwrap();
    rows.commit().await.unwrap();
    let stored = PersonalToken { id, used_at: Some(at(5)), ..token.clone() };
    let mut rows = read(&store).await;
    assert_eq!(rows.personal_token(&token.digest).await.unwrap(), Some(stored.clone()));
    assert_eq!(rows.personal_token_of(id).await.unwrap(), Some(stored.clone()));
    assert_eq!(rows.personal_token_of(TokenId::new(9_999)).await.unwrap(), None);
    assert_eq!(rows.personal_tokens(grace).await.unwrap(), [stored]);
    assert!(rows.personal_tokens(alan).await.unwrap().is_empty());
    drop(rows);
    let mut rows = begin(&store).await;
    let same_name = PersonalToken { digest: "f".repeat(64), ..token };
    assert_kind(rows.personal_token_insert(&same_name).await, StoreErrorKind::Conflict);
    drop(rows);
    let mut rows = begin(&store).await;
    assert!(!rows.personal_token_delete(alan, id).await.unwrap(), "of another user");
    assert!(rows.personal_token_delete(grace, id).await.unwrap());
    assert!(!rows.personal_token_delete(grace, id).await.unwrap());
    rows.commit().await.unwrap();
}

/// Sessions: extended, ended, and deleted when they have expired.
pub async fn sessions(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let grace = user(&store, "grace").await;
    let mut rows = begin(&store).await;
    for digest in ["one", "two", "three"] {
        rows.session_insert(&new_session(grace, digest)).await.unwrap();
    }
    rows.session_extend("two", at(200)).await.unwrap();
    assert!(rows.session_delete("three").await.unwrap());
    assert!(!rows.session_delete("three").await.unwrap());
    rows.commit().await.unwrap();
    assert!(!read(&store).await.session_has_ended(at(99)).await.unwrap());
    assert!(read(&store).await.session_has_ended(at(100)).await.unwrap());
    let mut rows = begin(&store).await;
    assert_eq!(rows.sessions_expire(at(99), 10).await.unwrap(), 0);
    assert_eq!(rows.sessions_expire(at(100), 10).await.unwrap(), 1);
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert!(!rows.session_has_ended(at(100)).await.unwrap(), "deleted");
    assert_eq!(rows.session("one").await.unwrap(), None);
    let extended = Session { expires_at: at(200), ..new_session(grace, "two") };
    assert_eq!(rows.session("two").await.unwrap(), Some(extended));
}

/// Revisions are counted up, each kind for itself.
pub async fn revisions(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    assert_eq!(read(&store).await.revision("access").await.unwrap(), 0);
    for number in 1..=3 {
        let mut rows = begin(&store).await;
        rows.revision_count("access").await.unwrap();
        rows.commit().await.unwrap();
        assert_eq!(read(&store).await.revision("access").await.unwrap(), number);
    }
    assert_eq!(read(&store).await.revision("other").await.unwrap(), 0);
}

/// `project_save` stores a project as it is, and `project_of` finds it by its key.
pub async fn project_save(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let made = project(&store, "one").await;
    assert_eq!(read(&store).await.project_of(made.id).await.unwrap(), Some(made.clone()));
    let mut rows = begin(&store).await;
    let mut changed = rows.project_lock(made.id).await.unwrap().unwrap();
    changed.public = !changed.public;
    changed.owner = Some(UserId::new(7));
    changed.metadata.insert("auto_scan".to_owned(), "true".to_owned());
    changed.cve_allowlist = Some("{}".to_owned());
    changed.updated_at = at(99);
    rows.project_save(&changed).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.project(&made.name).await.unwrap(), Some(changed));
    assert_eq!(rows.project_of(ProjectId::new(9_999)).await.unwrap(), None);
}

//! The row methods of users, groups, members and roles.

use super::MetadataFixture;
use super::kit::{Store, assert_kind, at, begin, project, read};
use crate::StoreErrorKind;
use crate::access::Secret;
use crate::meta::{
    CustomRole, Group, GroupId, GroupKind, MemberEntity, MemberKey, NewMember, ProjectId, RoleId, User,
    UserId, UserKey,
};
use crate::pattern::Pattern;
use crate::query::{Order, Query, Test, Value};

pub(super) fn new_user(name: &str) -> User {
    User {
        id: UserId::new(0),
        name: name.to_owned(),
        email: Some(format!("{name}@example.org")),
        real_name: "Ærø 🚢".to_owned(),
        comment: String::new(),
        administrator: false,
        password: Some(Secret::new("a hash")),
        second_factor: None,
        epoch: 0,
        created_at: at(1),
        updated_at: at(2),
    }
}

pub(super) async fn user(store: &Store, name: &str) -> UserId {
    let mut rows = begin(store).await;
    let id = rows.user_insert(&new_user(name)).await.unwrap();
    rows.commit().await.unwrap();
    id
}

fn new_group(name: &str, dn: Option<&str>) -> Group {
    let kind = if dn.is_some() { GroupKind::Ldap } else { GroupKind::Oidc };
    let dn = dn.map(str::to_owned);
    Group { id: GroupId::new(0), name: name.to_owned(), kind, dn, created_at: at(1), updated_at: at(1) }
}

async fn group(store: &Store, name: &str) -> GroupId {
    let mut rows = begin(store).await;
    let id = rows.group_insert(&new_group(name, None)).await.unwrap();
    rows.commit().await.unwrap();
    id
}

fn role(id: i64) -> RoleId {
    RoleId::new(id)
}

fn member(project: ProjectId, entity: MemberEntity, role_id: i64, repositories: &[Pattern]) -> NewMember<'_> {
    NewMember { project, entity, role: role(role_id), repositories, now: at(3) }
}

/// `user_insert` makes a user, which is read as it was written; names differ in case, and no two have one.
pub async fn user_insert(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let id = user(&store, "grace").await;
    let other = user(&store, "Grace").await;
    assert_ne!(id, other);
    let mut rows = read(&store).await;
    let made = User { id, ..new_user("grace") };
    assert_eq!(rows.user(id).await.unwrap(), Some(made.clone()));
    assert_eq!(rows.user_named("grace").await.unwrap(), Some(made));
    for nobody in ["grac", "graceé", "gra\0ce", ""] {
        assert_eq!(rows.user_named(nobody).await.unwrap(), None, "{nobody:?}");
    }
    let taken = User { email: None, ..new_user("grace") };
    let address = User { name: "other".to_owned(), ..new_user("grace") };
    for user in [taken, address] {
        let mut rows = begin(&store).await;
        assert_kind(rows.user_insert(&user).await, StoreErrorKind::Conflict);
    }
    let mut rows = begin(&store).await;
    for name in ["none", "neither"] {
        rows.user_insert(&User { email: None, ..new_user(name) }).await.unwrap();
    }
    rows.commit().await.unwrap();
}

/// `user_save` stores a user as it is; `Conflict` when another has the address.
pub async fn user_save(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let id = user(&store, "grace").await;
    user(&store, "alan").await;
    let mut rows = begin(&store).await;
    let changed = User {
        email: None,
        administrator: true,
        password: None,
        second_factor: Some(Secret::new("factor")),
        epoch: 7,
        updated_at: at(9),
        ..rows.user_lock(id).await.unwrap().unwrap()
    };
    rows.user_save(&changed).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.user(id).await.unwrap(), Some(changed.clone()));
    let mut rows = begin(&store).await;
    let taken = User { email: new_user("alan").email, ..changed };
    assert_kind(rows.user_save(&taken).await, StoreErrorKind::Conflict);
}

/// `users`: pages, filters, orders and the number of all.
pub async fn users(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    for name in ["bert", "anna", "Bernd", "10%", "x_y"] {
        user(&store, name).await;
    }
    let found = async |query: Query<UserKey>| {
        let page = read(&store).await.users(&query).await.unwrap();
        let names: Vec<String> = page.entries.into_iter().map(|user| user.name).collect();
        (names.join(" "), page.total)
    };
    let query = Query::<UserKey>::default;
    let like = |text: &str| query().filter(UserKey::Name, Test::Like(text.to_owned()));
    assert_eq!(found(query()).await, ("bert anna Bernd 10% x_y".to_owned(), 5));
    for other in ["anna ", "anna  ", " anna", "Anna", "anna\t", "anna\0"] {
        assert_eq!(read(&store).await.user_named(other).await.unwrap(), None, "{other:?}");
    }
    assert_eq!(found(query().page(2, 2)).await, ("Bernd 10%".to_owned(), 5));
    assert_eq!(found(like("BE")).await, ("bert Bernd".to_owned(), 2));
    assert_eq!(found(like("%")).await, ("10%".to_owned(), 1));
    assert_eq!(found(like("_")).await, ("x_y".to_owned(), 1));
    assert_eq!(found(like("'; DROP TABLE users; --")).await, (String::new(), 0));
    let sorted = like("an").sort(UserKey::Name, Order::Descending);
    assert_eq!(found(sorted).await, ("anna".to_owned(), 1));
    let exact = query().filter(UserKey::Name, Test::Is(Value::Text("anna".to_owned())));
    assert_eq!(found(exact).await, ("anna".to_owned(), 1));
    let any = Test::AnyOf(vec![Value::Text("bert".to_owned()), Value::Text("x_y".to_owned())]);
    assert_eq!(found(query().filter(UserKey::Name, any)).await, ("bert x_y".to_owned(), 2));
    assert_eq!(found(query().filter(UserKey::Name, Test::Nothing)).await, (String::new(), 0));
    let since = Test::Between(Some(Value::Time(at(2))), None);
    assert_eq!(found(query().filter(UserKey::CreatedAt, since)).await.1, 0);
}

/// `user_delete` deletes what the user has with it.
pub async fn user_delete(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let owner = project(&store, "one").await;
    let (id, group) = (user(&store, "grace").await, group(&store, "crew").await);
    let mut rows = begin(&store).await;
    rows.member_insert(&member(owner.id, MemberEntity::User(id), 1, &[])).await.unwrap();
    rows.groups_of_replace(id, &[group]).await.unwrap();
    rows.personal_token_insert(&super::robots::new_token(id, "a token")).await.unwrap();
    rows.session_insert(&super::robots::new_session(id, "5e55")).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    assert!(rows.user_delete(id).await.unwrap());
    assert!(!rows.user_delete(id).await.unwrap());
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.user(id).await.unwrap(), None);
    assert!(rows.memberships(id).await.unwrap().is_empty());
    assert!(rows.groups_of(id).await.unwrap().is_empty());
    assert!(rows.personal_tokens(id).await.unwrap().is_empty());
    assert_eq!(rows.session("5e55").await.unwrap(), None);
}

/// Groups: made, read, renamed, listed, deleted; no two of one kind and name.
pub async fn groups(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let crew = group(&store, "crew").await;
    let mut rows = begin(&store).await;
    let dn = Some("cn=crew,dc=example");
    let staff = rows.group_insert(&new_group("crew", dn)).await.unwrap();
    rows.commit().await.unwrap();
    for taken in [new_group("crew", None), new_group("others", dn)] {
        let mut rows = begin(&store).await;
        assert_kind(rows.group_insert(&taken).await, StoreErrorKind::Conflict);
    }
    let mut rows = begin(&store).await;
    assert!(rows.group_rename(crew, "rowers", at(8)).await.unwrap());
    assert!(rows.group_rename(crew, "rowers", at(8)).await.unwrap(), "as it is already");
    assert!(!rows.group_rename(GroupId::new(999), "nobody", at(8)).await.unwrap());
    rows.commit().await.unwrap();
    let renamed = Group { id: crew, name: "rowers".to_owned(), updated_at: at(8), ..new_group("", None) };
    let mut rows = read(&store).await;
    assert_eq!(rows.group(crew).await.unwrap(), Some(renamed));
    let listed = rows.groups(&Query::default()).await.unwrap();
    assert_eq!(listed.entries.iter().map(|group| group.id).collect::<Vec<_>>(), [staff, crew]);
    drop(rows);
    let mut rows = begin(&store).await;
    assert!(rows.group_delete(crew).await.unwrap());
    assert!(!rows.group_delete(crew).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.group(crew).await.unwrap(), None);
}

/// `groups_of_replace`: a user leaves what is not named.
pub async fn groups_of_replace(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let grace = user(&store, "grace").await;
    let (one, two) = (group(&store, "one").await, group(&store, "two").await);
    for groups in [vec![one, two], vec![two], vec![], vec![one]] {
        let mut rows = begin(&store).await;
        rows.groups_of_replace(grace, &groups).await.unwrap();
        rows.commit().await.unwrap();
        assert_eq!(read(&store).await.groups_of(grace).await.unwrap(), groups);
    }
}

/// Members: made, read, changed, listed and deleted, each of its own project only.
pub async fn members(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, other) = (project(&store, "one").await, project(&store, "other").await);
    let (grace, crew) = (user(&store, "grace").await, group(&store, "crew").await);
    let patterns = [Pattern::parse("apps/**").unwrap()];
    let mut rows = begin(&store).await;
    let id = rows.member_insert(&member(one.id, MemberEntity::User(grace), 2, &patterns)).await.unwrap();
    let of_group = rows.member_insert(&member(one.id, MemberEntity::Group(crew), 3, &[])).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    let again = rows.member_insert(&member(one.id, MemberEntity::User(grace), 1, &[])).await;
    assert_kind(again, StoreErrorKind::Conflict);
    drop(rows);
    let mut rows = begin(&store).await;
    let nobody = MemberEntity::User(UserId::new(9_999));
    // At once, or with what comes next.
    let made = rows.member_insert(&member(one.id, nobody, 1, &[])).await;
    assert_kind(made, StoreErrorKind::Conflict);
    drop(rows);
    let mut rows = read(&store).await;
    let found = rows.member(one.id, id).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.role, &found.repositories[..]), ("grace", role(2), &patterns[..]));
    assert_eq!(rows.member(other.id, id).await.unwrap(), None, "of another project");
    let listed = rows.members(one.id, &Query::default()).await.unwrap();
    assert_eq!(
        listed.entries.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(),
        ["crew", "grace"]
    );
    let kind = Query::default().filter(MemberKey::Kind, Test::Is(Value::Text("g".to_owned())));
    assert_eq!(rows.members(one.id, &kind).await.unwrap().entries[0].id, of_group);
    assert_eq!(rows.members_by_role(one.id).await.unwrap(), [(role(2), 1), (role(3), 1)]);
    assert_eq!(rows.members(other.id, &Query::default()).await.unwrap().total, 0);
    drop(rows);
    let mut rows = begin(&store).await;
    assert!(!rows.member_update(other.id, id, role(1), &[], at(5)).await.unwrap());
    assert!(!rows.member_delete(other.id, id).await.unwrap());
    assert!(rows.member_update(one.id, id, role(4), &[], at(5)).await.unwrap());
    assert!(rows.member_delete(one.id, of_group).await.unwrap());
    assert!(!rows.member_delete(one.id, of_group).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.members_by_role(one.id).await.unwrap(), [(role(4), 1)]);
}

/// `memberships`: by itself and through every group.
pub async fn memberships(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, two) = (project(&store, "one").await, project(&store, "two").await);
    let (grace, alan) = (user(&store, "grace").await, user(&store, "alan").await);
    let crew = group(&store, "crew").await;
    let mut rows = begin(&store).await;
    rows.groups_of_replace(grace, &[crew]).await.unwrap();
    rows.member_insert(&member(one.id, MemberEntity::User(grace), 1, &[])).await.unwrap();
    rows.member_insert(&member(one.id, MemberEntity::Group(crew), 3, &[])).await.unwrap();
    rows.member_insert(&member(two.id, MemberEntity::Group(crew), 5, &[])).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    let mut found: Vec<(ProjectId, RoleId)> =
        rows.memberships(grace).await.unwrap().iter().map(|is| (is.project, is.role)).collect();
    found.sort_unstable();
    assert_eq!(found, [(one.id, role(1)), (one.id, role(3)), (two.id, role(5))]);
    assert!(rows.memberships(alan).await.unwrap().is_empty());
}

/// Roles: above the built-in ones, changed, and not deleted while a member has one.
pub async fn roles(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let new = |name: &str| CustomRole {
        id: role(0),
        name: name.to_owned(),
        description: "text".to_owned(),
        permissions: vec!["artifact:read".to_owned()],
        created_at: at(1),
        updated_at: at(1),
    };
    let mut rows = begin(&store).await;
    let id = rows.role_insert(&new("auditor")).await.unwrap();
    rows.commit().await.unwrap();
    assert!(id.get() > 5);
    let mut rows = begin(&store).await;
    assert_kind(rows.role_insert(&new("auditor")).await, StoreErrorKind::Conflict);
    drop(rows);
    let changed = CustomRole { id, permissions: Vec::new(), updated_at: at(2), ..new("reader") };
    let (grace, one) = (user(&store, "grace").await, project(&store, "one").await);
    let mut rows = begin(&store).await;
    assert!(rows.role_save(&changed).await.unwrap());
    assert!(!rows.role_save(&CustomRole { id: role(9_999), ..changed.clone() }).await.unwrap());
    rows.member_insert(&member(one.id, MemberEntity::User(grace), id.get(), &[])).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.roles().await.unwrap(), [changed]);
    let mut rows = begin(&store).await;
    assert_kind(rows.role_delete(id).await, StoreErrorKind::Conflict);
    drop(rows);
    let mut rows = begin(&store).await;
    rows.user_delete(grace).await.unwrap();
    assert!(rows.role_delete(id).await.unwrap());
    assert!(!rows.role_delete(id).await.unwrap());
    rows.commit().await.unwrap();
}

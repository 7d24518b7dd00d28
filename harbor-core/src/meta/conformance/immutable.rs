//! The row methods of rules of immutable tags.

use std::collections::BTreeMap;

use super::MetadataFixture;
use super::kit::{Says, WAITS, at, begin, manifest, project, read, store_with, tag, tagged};
use crate::StoreErrorKind;
use crate::meta::{
    ImmutableRule, ImmutableRuleId, ImmutableRuleKey, ImmutableSelection, ManifestId, ProjectId,
    RepositoryId, Transaction,
};
use crate::query::{Order, Query, Test, Value};
use crate::selector::{KIND, Of, Selector};

fn new_rule(project: ProjectId, pattern: &str) -> ImmutableRule {
    let tags = Selector::parse(Of::Tags, KIND, "matches", pattern, "Ærø 🚢").unwrap();
    let repositories = Selector::parse(Of::Repositories, KIND, "repoExcludes", "{a,b}/**", "").unwrap();
    let parameters = BTreeMap::from([("nul\0".to_owned(), "\0".into())]);
    ImmutableRule {
        id: ImmutableRuleId::new(0),
        project,
        priority: -7,
        disabled: false,
        selection: ImmutableSelection::new(vec![tags], vec![repositories], parameters),
    }
}

/// Makes a rule in an open transaction.
async fn make(rows: &mut dyn Transaction, rule: &ImmutableRule) -> ImmutableRuleId {
    rows.project_lock(rule.project).await.unwrap().unwrap();
    rows.immutable_rule_insert(rule).await.unwrap()
}

/// `immutable_rule_insert`, `immutable_rule_save` and `immutable_rule_delete`: a rule is its project's own, and goes with it.
pub async fn immutable_rule_insert(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, other) = (project(&store, "one").await.id, project(&store, "other").await.id);
    let mut rows = begin(&store).await;
    let first = make(&mut *rows, &new_rule(one, "v*")).await;
    let second = make(&mut *rows, &new_rule(one, "V*")).await;
    let foreign = make(&mut *rows, &new_rule(other, "v*")).await;
    rows.commit().await.unwrap();
    let of = async |project| read(&store).await.immutable_rules_of(project).await.unwrap();
    let kept = |id, pattern| ImmutableRule { id, ..new_rule(one, pattern) };
    assert_eq!(of(one).await, [kept(first, "v*"), kept(second, "V*")]);
    assert_eq!(of(ProjectId::new(9_999)).await, []);
    let changed = ImmutableRule { priority: 3, disabled: true, ..kept(first, "x") };
    let mut rows = begin(&store).await;
    assert!(rows.immutable_rule_save(&changed).await.unwrap());
    assert!(rows.immutable_rule_save(&changed).await.unwrap(), "that it is the same is no matter");
    for id in [foreign, ImmutableRuleId::new(9_999)] {
        assert!(!rows.immutable_rule_save(&ImmutableRule { id, ..changed.clone() }).await.unwrap());
        assert!(!rows.immutable_rule_delete(one, id).await.unwrap());
    }
    assert!(rows.immutable_rule_delete(one, second).await.unwrap());
    assert!(!rows.immutable_rule_delete(one, second).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(of(one).await, [changed]);
    assert_eq!(of(other).await, [ImmutableRule { id: foreign, ..new_rule(other, "v*") }]);
    let mut rows = begin(&store).await;
    assert!(rows.project_delete(one).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(of(one).await, []);
}

/// `immutable_rules` of a project: in the order of keys, filtered and paged.
pub async fn immutable_rules_listed(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, other) = (project(&store, "one").await.id, project(&store, "other").await.id);
    let mut rows = begin(&store).await;
    for (priority, pattern) in [(3, "c"), (1, "a"), (2, "b")] {
        let rule = ImmutableRule { priority, disabled: priority == 1, ..new_rule(one, pattern) };
        make(&mut *rows, &rule).await;
    }
    make(&mut *rows, &new_rule(other, "theirs")).await;
    rows.commit().await.unwrap();
    let list = async |query: Query<ImmutableRuleKey>| {
        let page = read(&store).await.immutable_rules(one, &query).await.unwrap();
        let patterns = page.entries.iter().map(|rule| rule.selection.tags[0].pattern.to_string());
        (patterns.collect::<Vec<_>>().join(" "), page.total)
    };
    assert_eq!(list(Query::default()).await, ("c a b".to_owned(), 3));
    let sorted = Query::default().sort(ImmutableRuleKey::Priority, Order::Ascending);
    assert_eq!(list(sorted).await, ("a b c".to_owned(), 3));
    let disabled = Query::default().filter(ImmutableRuleKey::Disabled, Test::Is(Value::Bool(true)));
    assert_eq!(list(disabled).await, ("a".to_owned(), 1));
    let page = Query::parse(None, Some("-id"), Some("2"), Some("2")).unwrap();
    assert_eq!(list(page).await, ("c".to_owned(), 3));
}

/// Puts a tag in a transaction of its own; yields whether the rules must be asked.
async fn put(store: &super::kit::Store, repository: RepositoryId, name: &str, id: ManifestId) -> bool {
    let mut rows = begin(store).await;
    let asks = rows.tag_put(repository, &tag(name), id, at(0)).await.unwrap().ruled;
    rows.commit().await.unwrap();
    asks
}

/// `tag_put` tells of a tag that was there in a project with rules in force.
pub async fn tag_put_with_rules(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let (_, other) = store_with(fixture, "other/two").await;
    let own = manifest(&store, one.id, "own", &Says::default()).await;
    let theirs = manifest(&store, other.id, "theirs", &Says::default()).await;
    assert!(!put(&store, one.id, "v1", own).await && !put(&store, one.id, "v1", own).await);
    let mut rows = begin(&store).await;
    let mut rule = ImmutableRule { disabled: true, ..new_rule(one.project, "none") };
    rule.id = make(&mut *rows, &rule).await;
    rows.commit().await.unwrap();
    assert!(!put(&store, one.id, "v1", own).await, "the rule is disabled");
    let mut rows = begin(&store).await;
    assert!(rows.immutable_rule_save(&ImmutableRule { disabled: false, ..rule }).await.unwrap());
    rows.commit().await.unwrap();
    assert!(put(&store, one.id, "v1", own).await, "whatever the rule is about");
    assert!(!put(&store, one.id, "v2", own).await, "a tag that was not there");
    assert!(put(&store, one.id, "v2", own).await);
    assert!(!put(&store, other.id, "v1", theirs).await && !put(&store, other.id, "v1", theirs).await);
    // Within one transaction too.
    let mut rows = begin(&store).await;
    assert!(!rows.tag_put(one.id, &tag("v3"), own, at(0)).await.unwrap().ruled);
    assert!(rows.tag_put(one.id, &tag("v3"), own, at(0)).await.unwrap().ruled);
    rows.commit().await.unwrap();
}

/// Who puts a tag while somebody else makes or deletes it is told what is true of the tag that is put, or `Conflict`.
pub async fn tag_put_beside_others(fixture: &dyn MetadataFixture) {
    let (one, repository) = store_with(fixture, "one/two").await;
    let other = fixture.open().await;
    let id = manifest(&one, repository.id, "content", &Says::default()).await;
    let mut rows = begin(&one).await;
    make(&mut *rows, &new_rule(repository.project, "**")).await;
    rows.commit().await.unwrap();
    tagged(&one, repository.id, id, &["old"]).await;
    for (name, deletes) in [("new", false), ("old", true)] {
        let mut first = begin(&one).await;
        if deletes {
            first.tag_delete(repository.id, &tag(name)).await.unwrap();
        } else {
            assert!(!first.tag_put(repository.id, &tag(name), id, at(0)).await.unwrap().ruled);
        }
        let store = super::kit::Store::clone(&other);
        let second = tokio::spawn(async move {
            let mut rows = begin(&store).await;
            let asks = rows.tag_put(repository.id, &tag(name), id, at(0)).await?.ruled;
            rows.commit().await.map(|()| asks)
        });
        // Until it waits for the first.
        tokio::time::sleep(WAITS).await;
        first.commit().await.unwrap();
        match second.await.unwrap() {
            Ok(asks) => assert_eq!(asks, !deletes, "whether {name} was there"),
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}"),
        }
    }
}

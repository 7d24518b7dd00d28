//! Clauses about the audit log.

use super::MetadataFixture;
use super::kit::{Store, at, begin, project, read};
use crate::access::ProjectFilter;
use crate::meta::{AuditHead, AuditId, AuditKey, AuditLine, AuditLink, AuditScope, ProjectId};
use crate::query::{Order, Query, Test, Value};

fn line(number: i64, project: Option<ProjectId>, resource_type: &str) -> AuditLine {
    AuditLine {
        at: at(number),
        actor: format!("user:somebody{number}"),
        username: format!("somebody{number}"),
        operation: "delete".to_owned(),
        resource_type: resource_type.to_owned(),
        project,
        resource: format!("one/two@{number}"),
        description: "many words ".repeat(100),
        allowed: number != 2,
        address: format!("192.0.2.{number}"),
        credential: "password".to_owned(),
        request_id: format!("request-{number}"),
    }
}

async fn write(store: &Store, lines: &[AuditLine]) {
    let mut rows = begin(store).await;
    for line in lines {
        rows.audit_insert(line).await.unwrap();
    }
    rows.commit().await.unwrap();
}

/// The names of who wrote the lines of a page, and how many lines there are.
async fn log(store: &Store, scope: &AuditScope, query: Query<AuditKey>) -> (String, u64) {
    let page = read(store).await.audit_log(scope, &query).await.unwrap();
    let names = page.entries.iter().map(|row| row.line.username.trim_start_matches("somebody"));
    (names.collect::<Vec<_>>().join(" "), page.total)
}

/// `audit_insert` and `audit_log`: every member of every line, last first, a page at a time.
pub async fn audit_log(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let lines = [line(1, None, "user"), line(2, Some(ProjectId::new(5)), "tag"), line(3, None, "tag")];
    write(&store, &lines).await;
    let page = read(&store).await.audit_log(&AuditScope::Registry, &Query::default()).await.unwrap();
    assert_eq!(page.entries.iter().rev().map(|row| row.line.clone()).collect::<Vec<_>>(), lines);
    assert!(page.entries.windows(2).all(|two| two[0].id > two[1].id));
    let all = &AuditScope::Registry;
    assert_eq!(log(&store, all, Query::default().page(1, 2)).await, ("3 2".to_owned(), 3));
    assert_eq!(log(&store, all, Query::default().page(2, 2)).await, ("1".to_owned(), 3));
    let uncounted = read(&store).await.audit_lines(all, &Query::default().page(2, 2)).await.unwrap();
    assert_eq!(uncounted, page.entries[2..]);
    let early = Query::default().sort(AuditKey::Time, Order::Ascending);
    assert_eq!(log(&store, all, early).await, ("1 2 3".to_owned(), 3));
    for (key, test, found) in [
        (AuditKey::ResourceType, Test::Is(Value::Text("tag".to_owned())), "3 2"),
        (AuditKey::Username, Test::Is(Value::Text("somebody2".to_owned())), "2"),
        (AuditKey::Resource, Test::Like("TWO@3".to_owned()), "3"),
        (AuditKey::Description, Test::Like("no such words".to_owned()), ""),
        (AuditKey::Operation, Test::Is(Value::Text("delete".to_owned())), "3 2 1"),
        (AuditKey::Project, Test::Is(Value::Int(5)), "2"),
        (AuditKey::Allowed, Test::Is(Value::Bool(false)), "2"),
        (AuditKey::Address, Test::Is(Value::Text("192.0.2.3".to_owned())), "3"),
        (AuditKey::Credential, Test::Like("pass".to_owned()), "3 2 1"),
        (AuditKey::Request, Test::Is(Value::Text("request-1".to_owned())), "1"),
        (AuditKey::Time, Test::Between(Some(Value::Time(at(2))), Some(Value::Time(at(3)))), "3 2"),
    ] {
        assert_eq!(log(&store, all, Query::default().filter(key, test)).await.0, found, "{key:?}");
    }
}

/// `audit_log` of some projects has no line of others, nor of none; lines of a project stay when it is gone.
pub async fn audit_log_of_projects(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, two) = (project(&store, "one").await, project(&store, "two").await);
    let gone = ProjectId::new(one.id.get().max(two.id.get()) + 100);
    write(
        &store,
        &[
            line(1, Some(one.id), "tag"),
            line(2, Some(two.id), "tag"),
            line(3, None, "user"),
            line(4, Some(gone), "project"),
        ],
    )
    .await;
    let within = |public, projects: &[_]| {
        AuditScope::Projects(ProjectFilter::Within { public, projects: projects.to_vec() })
    };
    for (scope, found) in [
        (AuditScope::Registry, "4 3 2 1"),
        (AuditScope::Projects(ProjectFilter::All), "4 2 1"),
        (within(false, &[]), ""),
        (within(false, &[two.id]), "2"),
        (within(false, &[two.id, gone]), "4 2"),
        (within(true, &[two.id]), "2"),
    ] {
        assert_eq!(log(&store, &scope, Query::default()).await.0, found, "{scope:?}");
    }
}

/// `audit_after` and `audit_delete`: the lines in the order of their keys, piece by piece, without those that were deleted.
pub async fn audit_after(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let lines: Vec<AuditLine> = (1..=20).map(|number| line(number, None, "tag")).collect();
    write(&store, &lines).await;
    let first = read(&store).await.audit_after(AuditId::new(0), 15).await.unwrap();
    assert_eq!(first.iter().map(|row| row.line.clone()).collect::<Vec<_>>(), lines[..15]);
    let mut rows = begin(&store).await;
    let gone: Vec<AuditId> = first[1..].iter().map(|row| row.id).collect();
    rows.audit_delete(&gone).await.unwrap();
    rows.audit_delete(&gone[..1]).await.unwrap();
    rows.audit_delete(&[]).await.unwrap();
    rows.commit().await.unwrap();
    let left = read(&store).await.audit_after(AuditId::new(0), 100).await.unwrap();
    assert_eq!(left[0], first[0]);
    assert_eq!(left[1..].iter().map(|row| row.line.clone()).collect::<Vec<_>>(), lines[15..]);
    let last = left.last().map(|row| row.id).unwrap();
    assert_eq!(read(&store).await.audit_after(last, 100).await.unwrap(), []);
    // A key is never used again.
    let mut rows = begin(&store).await;
    rows.audit_delete(&[last]).await.unwrap();
    rows.commit().await.unwrap();
    write(&store, &lines[..1]).await;
    assert!(read(&store).await.audit_after(last, 1).await.unwrap()[0].id > last);
}

fn link(seq: i64) -> AuditLink {
    let (content, hash) = (format!("content-{seq}"), format!("hash-{seq}"));
    AuditLink { seq, line: AuditId::new(seq + 100), content, hash, purged: String::new() }
}

fn head(seq: i64, key: &str) -> AuditHead {
    let (hash, signature) = (format!("hash-{seq}"), "signature".to_owned());
    AuditHead { seq, hash, at: at(seq), key: key.to_owned(), signature }
}

/// Links of the chain are there in their order, also when their lines are purged, until they are cut off; the last heads are kept.
pub async fn audit_chain(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    assert_eq!((rows.audit_last_link().await.unwrap(), rows.audit_last_head().await.unwrap()), (None, None));
    let links: Vec<AuditLink> = (1..=20).map(link).collect();
    rows.audit_link(&links).await.unwrap();
    rows.audit_link(&[]).await.unwrap();
    rows.audit_head(&head(3, "first"), 0).await.unwrap();
    rows.audit_head(&head(9, "first"), 0).await.unwrap();
    rows.audit_head(&head(9, "other"), 0).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.audit_last_link().await.unwrap(), Some(link(20)));
    assert_eq!(rows.audit_links(0, 7).await.unwrap(), links[..7]);
    assert_eq!(rows.audit_links(17, 7).await.unwrap(), links[17..]);
    assert_eq!(rows.audit_heads(0, 9).await.unwrap(), [head(3, "first"), head(9, "other")]);
    assert_eq!(rows.audit_last_head().await.unwrap(), Some(head(9, "other")));
    drop(rows);
    let mut rows = begin(&store).await;
    let seqs: Vec<i64> = (2..=19).collect();
    rows.audit_links_purge(&seqs, "purge").await.unwrap();
    rows.audit_head(&head(20, "other"), 8).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    let lines: Vec<AuditId> = (90..=130).rev().map(AuditId::new).collect();
    assert_eq!(rows.audit_links_of(&lines).await.unwrap(), [link(1), link(20)]);
    assert_eq!(rows.audit_links(1, 1).await.unwrap(), [AuditLink { purged: "purge".to_owned(), ..link(2) }]);
    assert_eq!(rows.audit_heads(0, 9).await.unwrap(), [head(9, "other"), head(20, "other")]);
    drop(rows);
    for to in [9, 20] {
        let mut rows = begin(&store).await;
        rows.audit_links_cut(to).await.unwrap();
        rows.commit().await.unwrap();
        let mut rows = read(&store).await;
        let first = rows.audit_links(0, 1).await.unwrap();
        assert_eq!(first.first().map(|link| link.seq), Some(to + 1).filter(|seq| *seq <= 20));
        assert_eq!(rows.audit_heads(0, 1).await.unwrap()[0].seq, to, "the head of where it was cut stays");
    }
}

/// `audit_between`: no line beyond either end.
pub async fn audit_between(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    write(&store, &[line(1, None, "tag"), line(2, None, "tag"), line(3, None, "tag")]).await;
    let all = read(&store).await.audit_after(AuditId::new(0), 9).await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.audit_between(all[0].id, all[1].id, 9).await.unwrap(), all[1..2]);
    assert_eq!(rows.audit_between(AuditId::new(i64::MIN), all[2].id, 2).await.unwrap(), all[..2]);
    assert_eq!(rows.audit_between(all[2].id, all[2].id, 9).await.unwrap(), []);
}

//! The row methods of policies of webhooks, and of the place in the outbox that whoever carries them out has locked.

use std::sync::Arc;
use std::time::Duration;

use super::MetadataFixture;
use super::kit::{WAITS, assert_refused, at, begin, project, read};
use crate::StoreErrorKind;
use crate::access::Secret;
use crate::meta::{ProjectId, WebhookId, WebhookKey, WebhookPolicy};
use crate::query::{Order, Query, Test, Value};
use crate::webhook::{EventType, Target, TargetKind, Webhook};

fn policy(project: Option<ProjectId>, name: &str, made: i64) -> WebhookPolicy {
    let mut target = Target::new(TargetKind::Http, "https://example.org/hook");
    target.auth_header = Some(Secret::new("Bearer ü?"));
    WebhookPolicy {
        id: WebhookId::new(0),
        project,
        name: name.to_owned(),
        description: "Ærø 🚢".to_owned(),
        enabled: true,
        creator: "grace".to_owned(),
        webhook: Webhook::new(vec![EventType::PushArtifact], vec![target]),
        created_at: at(made),
        updated_at: at(made + 1),
    }
}

/// `webhook_insert`, `webhook_lock`, `webhook_save` and `webhook_delete`: a name once a project and once for the whole registry;
/// those of a project go with it.
pub async fn webhook_insert(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, other) = (project(&store, "one").await.id, project(&store, "other").await.id);
    let mut kept = Vec::new();
    for (of, name) in [(Some(one), "a"), (None, "a"), (Some(other), "a"), (Some(one), "A"), (None, "b")] {
        let mut rows = begin(&store).await;
        let id = rows.webhook_insert(&policy(of, name, 1)).await.unwrap();
        rows.commit().await.unwrap();
        kept.push(WebhookPolicy { id, ..policy(of, name, 1) });
    }
    for policy in &kept {
        assert_eq!(read(&store).await.webhook(policy.id).await.unwrap().as_ref(), Some(policy));
        let mut rows = begin(&store).await;
        let again = rows.webhook_insert(policy).await;
        assert_refused(rows, again, StoreErrorKind::Conflict).await;
    }
    assert_eq!(read(&store).await.webhooks_enabled().await.unwrap(), kept);
    let webhook = Webhook::new(vec![EventType::ChangePolicy], kept[0].webhook.targets.clone());
    let changed = WebhookPolicy {
        name: "c".to_owned(),
        description: String::new(),
        enabled: false,
        webhook,
        updated_at: at(9),
        ..kept[0].clone()
    };
    let mut rows = begin(&store).await;
    assert_eq!(rows.webhook_lock(changed.id).await.unwrap().as_ref(), Some(&kept[0]));
    rows.webhook_save(&changed).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.webhook(changed.id).await.unwrap().as_ref(), Some(&changed));
    assert_eq!(read(&store).await.webhooks_enabled().await.unwrap(), kept[1..]);
    let telling = async |projects: &[ProjectId]| {
        let policies = read(&store).await.webhooks_telling(projects).await.unwrap();
        policies.into_iter().map(|policy| policy.id).collect::<Vec<_>>()
    };
    let ids = |places: &[usize]| places.iter().map(|place| kept[*place].id).collect::<Vec<_>>();
    assert_eq!(telling(&[]).await, ids(&[1, 4]));
    assert_eq!(telling(&[one]).await, ids(&[1, 3, 4]));
    let many: Vec<_> = (1..40).map(|number| ProjectId::new(1_000_000 + number)).chain([other, one]).collect();
    assert_eq!(telling(&many).await, ids(&[1, 2, 3, 4]));
    let mut rows = begin(&store).await;
    let taken = rows.webhook_save(&WebhookPolicy { name: "A".to_owned(), ..changed.clone() }).await;
    assert_refused(rows, taken, StoreErrorKind::Conflict).await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.webhook_lock(WebhookId::new(9_999)).await.unwrap(), None);
    assert!(!rows.webhook_delete(WebhookId::new(9_999)).await.unwrap());
    assert!(rows.webhook_delete(kept[4].id).await.unwrap());
    assert!(rows.project_delete(one).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.webhooks_enabled().await.unwrap(), kept[1..3]);
    assert_eq!(read(&store).await.webhook(changed.id).await.unwrap(), None);
}

/// `webhook_trigger_put` and `webhook_triggers`: the last time of each type, which goes with its policy.
pub async fn webhook_triggers(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let one = project(&store, "one").await.id;
    let mut rows = begin(&store).await;
    let of_project = rows.webhook_insert(&policy(Some(one), "a", 1)).await.unwrap();
    let of_all = rows.webhook_insert(&policy(None, "a", 1)).await.unwrap();
    for (id, event_type, time) in
        [(of_all, "PUSH_ARTIFACT", 5), (of_all, "DELETE_ARTIFACT", 6), (of_project, "PUSH_ARTIFACT", 7)]
    {
        rows.webhook_trigger_put(id, event_type, at(time)).await.unwrap();
    }
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    rows.webhook_trigger_put(of_all, "PUSH_ARTIFACT", at(9)).await.unwrap();
    rows.commit().await.unwrap();
    let told = async |id| read(&store).await.webhook_triggers(id).await.unwrap();
    let of = |event_type: &str, time| (event_type.to_owned(), at(time));
    assert_eq!(told(of_all).await, [of("DELETE_ARTIFACT", 6), of("PUSH_ARTIFACT", 9)]);
    assert_eq!(told(of_project).await, [of("PUSH_ARTIFACT", 7)]);
    assert_eq!(told(WebhookId::new(9_999)).await, []);
    let mut rows = begin(&store).await;
    assert!(rows.webhook_delete(of_all).await.unwrap());
    assert!(rows.project_delete(one).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!((told(of_all).await, told(of_project).await), (Vec::new(), Vec::new()));
}

/// `webhooks`: of one project or of the whole registry, filtered, ordered, by pages.
pub async fn webhooks_listed(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let one = project(&store, "one").await.id;
    let mut rows = begin(&store).await;
    for (number, name) in (1..).zip(["b", "a", "c"]) {
        let enabled = name != "a";
        rows.webhook_insert(&WebhookPolicy { enabled, ..policy(Some(one), name, number) }).await.unwrap();
    }
    rows.webhook_insert(&policy(None, "all", 5)).await.unwrap();
    rows.commit().await.unwrap();
    let names = async |project, query: Query<WebhookKey>| {
        let listed = read(&store).await.webhooks(project, &query).await.unwrap();
        (listed.entries.into_iter().map(|policy| policy.name).collect::<Vec<_>>(), listed.total)
    };
    let of = |names: &[&str], total| (names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), total);
    assert_eq!(names(Some(one), Query::default()).await, of(&["c", "a", "b"], 3));
    assert_eq!(names(None, Query::default()).await, of(&["all"], 1));
    let by_name = Query::default().sort(WebhookKey::Name, Order::Ascending);
    assert_eq!(names(Some(one), by_name.page(2, 1)).await, of(&["b"], 3));
    let enabled = Query::default().filter(WebhookKey::Enabled, Test::Is(Value::Bool(true)));
    assert_eq!(names(Some(one), enabled).await, of(&["c", "b"], 2));
    let like = Query::default().filter(WebhookKey::Name, Test::Like("A".to_owned()));
    assert_eq!(names(Some(one), like).await, of(&["a"], 1));
}

/// `event_cursor_lock` makes whoever else locks the place of a sink wait.
pub async fn event_cursor_lock(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.event_cursor_lock("hooks").await.unwrap(), None);
    rows.event_cursor_put("hooks", 3).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    assert_eq!(rows.event_cursor_lock("hooks").await.unwrap(), Some(3));
    let beside = Arc::clone(&store);
    let second = tokio::spawn(async move {
        let mut rows = begin(&beside).await;
        let seen = rows.event_cursor_lock("hooks").await;
        rows.commit().await.map(|()| seen)
    });
    tokio::time::sleep(WAITS).await;
    assert!(!second.is_finished(), "it waits");
    rows.event_cursor_put("hooks", 4).await.unwrap();
    rows.commit().await.unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(10), second).await.unwrap().unwrap();
    assert_eq!(seen.unwrap().unwrap(), Some(4));
}

//! The row methods of events, the audit log and settings.

use super::MetadataFixture;
use super::kit::{at, begin, read, set, setting};

/// `events_insert` and `events`, by number, after a number.
pub async fn events(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    // So many at a time, in the order in which they are given.
    let sizes = [1, 2, 3, 4, 0, 7];
    let mut written = Vec::new();
    assert_eq!(rows.event_last().await.unwrap(), None);
    for (time, size) in (0..).zip(sizes) {
        let bodies: Vec<String> = (0..size).map(|number| format!("event {time}.{number}")).collect();
        rows.events_insert(at(time), &bodies).await.unwrap();
        written.extend(bodies.into_iter().map(|body| (at(time), body)));
    }
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    let all = rows.events(0, 99).await.unwrap();
    assert!(all.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(all.iter().map(|event| (event.at, event.body.clone())).collect::<Vec<_>>(), written);
    assert_eq!(rows.events(all[1].id, 2).await.unwrap(), all[2..4]);
    assert_eq!(rows.events(all[16].id, 2).await.unwrap(), []);
    assert_eq!(rows.event_last().await.unwrap(), Some(all[16].id));
}

/// `event_cursor` and `event_cursor_put`, one for each sink, which only goes forward; and the lowest of them.
pub async fn event_cursor(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.event_cursor("bus").await.unwrap(), None);
    assert_eq!(rows.event_cursor_lowest().await.unwrap(), None);
    rows.event_cursor_put("bus", 7).await.unwrap();
    rows.event_cursor_put("other", i64::MAX).await.unwrap();
    rows.event_cursor_put("bus", 9).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    rows.event_cursor_put("bus", 8).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.event_cursor("bus").await.unwrap(), Some(9));
    assert_eq!(rows.event_cursor("other").await.unwrap(), Some(i64::MAX));
    assert_eq!(rows.event_cursor_lowest().await.unwrap(), Some(9));
}

/// `events_delete` deletes up to a number, and tells how many.
pub async fn events_delete(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    for _ in 0..4 {
        rows.events_insert(at(0), &["event".to_owned()]).await.unwrap();
    }
    let all = rows.events(0, 9).await.unwrap();
    assert_eq!(rows.events_delete(all[1].id).await.unwrap(), 2);
    assert_eq!(rows.events_delete(all[1].id).await.unwrap(), 0);
    assert_eq!(rows.events(0, 9).await.unwrap(), all[2..]);
}

/// `setting_put` sets a value, whatever it was.
pub async fn setting_put(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    assert_eq!(setting(&store, "key").await, None);
    let long = "long ".repeat(100_000);
    for value in ["one", "two", "two", "", &long] {
        set(&store, "key", value).await;
        assert!(setting(&store, "key").await.as_deref() == Some(value));
    }
    assert_eq!(setting(&store, "Key").await, None);
}

/// `setting_claim` sets a value where there is none, and yields the one that is then there.
pub async fn setting_claim(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.setting_claim("key", "first").await.unwrap(), "first");
    assert_eq!(rows.setting_claim("key", "second").await.unwrap(), "first");
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    assert_eq!(rows.setting_claim("key", "third").await.unwrap(), "first");
    assert_eq!(rows.setting("key").await.unwrap().as_deref(), Some("first"));
}

use serde_json::{Value, json};

use super::*;
use crate::oci::{Algorithm, Digest};

const HEX: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn digest() -> Digest {
    Digest::of(Algorithm::Sha256, b"")
}

/// Every kind of event, with its type and its data.
#[rustfmt::skip]
fn table() -> Vec<(EventKind, &'static str, &'static str, Value)> {
    let (a, p) = ("library/a/b".to_owned(), "library".to_owned());
    let repository = json!({ "date_created": 5, "name": "a/b", "namespace": "library", "repo_full_name": "library/a/b", "repo_type": "public" });
    let tagged = |tag: &str| json!({ "resources": [{ "digest": HEX, "tag": tag, "resource_url": format!("reg:8443/library/a/b:{tag}") }], "repository": repository });
    let untagged = json!({ "resources": [{ "digest": HEX, "tag": HEX, "resource_url": format!("reg:8443/library/a/b@{HEX}") }], "repository": repository });
    let of_project = json!({ "custom_attributes": { "project": "library", "project_id": "3" } });
    let project_alone = json!({ "name": "", "namespace": "library", "repo_full_name": "", "repo_type": "public" });
    let exceeded = "adding 5 B of storage resource, which when updated to current usage of 14 B will exceed the configured upper limit of 10 B.";
    vec![
        (EventKind::ProjectCreated { project: p.clone() }, "CREATE_PROJECT", "project.created", of_project.clone()),
        (EventKind::ProjectUpdated { project: p.clone() }, "UPDATE_PROJECT", "project.updated", of_project.clone()),
        (EventKind::ProjectDeleted { project: p.clone() }, "DELETE_PROJECT", "project.deleted", of_project),
        (EventKind::ArtifactPushed { repository: a.clone(), digest: digest(), media_type: "t".to_owned(), tags: vec!["v1".to_owned(), "v2".to_owned()] }, "PUSH_ARTIFACT", "artifact.pushed", tagged("v1")),
        (EventKind::ArtifactPushed { repository: a.clone(), digest: digest(), media_type: "t".to_owned(), tags: vec![] }, "PUSH_ARTIFACT", "artifact.pushed", untagged.clone()),
        (EventKind::ArtifactDeleted { repository: a.clone(), digest: digest(), tags: vec![] }, "DELETE_ARTIFACT", "artifact.deleted", untagged.clone()),
        (EventKind::ArtifactPulled { repository: a.clone(), digest: digest(), tag: Some("v1".to_owned()) }, "PULL_ARTIFACT", "artifact.pulled", tagged("v1")),
        (EventKind::ArtifactPulled { repository: a.clone(), digest: digest(), tag: None }, "PULL_ARTIFACT", "artifact.pulled", untagged),
        (EventKind::TagCreated { repository: a.clone(), digest: digest(), tag: "v1".to_owned() }, "CREATE_TAG", "tag.created", tagged("v1")),
        (EventKind::TagDeleted { repository: a.clone(), digest: digest(), tag: "v1".to_owned() }, "DELETE_TAG", "tag.deleted", tagged("v1")),
        (EventKind::RepositoryCreated { repository: a.clone() }, "CREATE_REPOSITORY", "repository.created", json!({ "repository": repository })),
        (EventKind::RepositoryDeleted { repository: a.clone() }, "DELETE_REPOSITORY", "repository.deleted", json!({ "repository": repository })),
        (EventKind::MemberChanged { project: p.clone(), member: "grace".to_owned(), change: Change::Updated }, "CHANGE_MEMBER", "member.changed", json!({ "custom_attributes": { "project": "library", "member": "grace", "change": "updated" } })),
        (EventKind::PolicyChanged { policy: Policy::Immutable, policy_id: 7, change: Change::Deleted }, "CHANGE_POLICY", "policy.changed", json!({ "custom_attributes": { "project": "library", "policy": "immutable", "policy_id": "7", "change": "deleted" } })),
        (EventKind::QuotaExceeded { project: p.clone(), hard: 10, used: 9, added: 5 }, "QUOTA_EXCEED", "quota.exceeded", json!({ "repository": project_alone, "custom_attributes": { "Details": exceeded } })),
        (EventKind::QuotaWarning { project: p, hard: 10, used: 9 }, "QUOTA_WARNING", "quota.warned", json!({ "repository": project_alone, "custom_attributes": { "Details": "quota usage reach 85%: 9 of 10 bytes of storage resource are used" } })),
        (EventKind::RetentionFinished { repository: a, policy_id: 7, execution_id: 9, total: 5, retained: 3, dry_run: false, deleted: vec!["v1".to_owned(), HEX.to_owned()] }, "TAG_RETENTION", "tag_retention.finished", json!({ "retention": { "total": 5, "retained": 3, "harbor_hostname": "reg", "project_name": "library", "retention_policy_id": 7, "result": "SUCCESS", "deleted_artifact": [{ "type": "image", "status": "SUCCESS", "name_tag": "a/b:v1" }, { "type": "image", "status": "SUCCESS", "name_tag": format!("a/b@{HEX}") }] } })),
    ]
}

fn around() -> Around {
    Around {
        host: "reg:8443".to_owned(),
        project: Some(("library".to_owned(), true)),
        repository_created: Some(5),
        trigger: Some("SCHEDULE".to_owned()),
    }
}

fn event(kind: EventKind) -> Event {
    Event {
        id: 11,
        at: 1_678_082_923_999_999,
        actor: "robot:robot$library+ci".to_owned(),
        project_id: Some(3),
        kind,
    }
}

fn body(event: &Event, kind: TargetKind, format: Format) -> Value {
    let (around, mut target) = (around(), Target::new(kind, "https://example.org"));
    target.format = format;
    let notice = Notice::new(event, &around).unwrap();
    serde_json::from_str(&notice.body(&target, 8, Some(3), "some-id").unwrap()).unwrap()
}

#[test]
fn every_kind_of_event_in_every_format() {
    for (kind, name, cloud, data) in table() {
        let event = event(kind);
        let operator = if name == "TAG_RETENTION" { "SCHEDULE" } else { "robot$library+ci" };
        let default = body(&event, TargetKind::Http, Format::Default);
        let expected =
            json!({ "type": name, "occur_at": 1_678_082_923, "operator": operator, "event_data": data });
        assert_eq!(default, expected);
        let expected = json!({
            "specversion": "1.0", "requestid": "11", "id": "some-id",
            "source": "/projects/3/webhook/policies/8", "type": format!("harbor.{cloud}"),
            "datacontenttype": "application/json", "time": "2023-03-06T06:08:43Z", "data": data, "operator": operator,
        });
        assert_eq!(body(&event, TargetKind::Http, Format::CloudEvents), expected);
        let slack = body(&event, TargetKind::Slack, Format::Default);
        let texts: Vec<&str> = slack["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .inspect(|block| {
                assert_eq!((&block["type"], &block["text"]["type"]), (&json!("section"), &json!("mrkdwn")))
            })
            .map(|block| block["text"]["text"].as_str().unwrap())
            .collect();
        let date = "*occur_at:* <!date^1678082923^{date} at {time}|February 18th, 2014 at 6:39 AM PST>";
        assert_eq!(texts[0], "*Harbor webhook events*");
        assert_eq!(
            texts[1..4],
            [&*format!("*event_type:* {name}"), date, &*format!("*operator:* {operator}")]
        );
        assert_eq!(texts[4], "*event_data:*");
        let shown = texts[5].strip_prefix("```").and_then(|text| text.strip_suffix("```")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(shown).unwrap(), data);
    }
}

/// Whoever adds a kind of event finds it missing here.
#[test]
fn the_table_has_every_kind() {
    let seen: std::collections::BTreeSet<_> = table().into_iter().map(|(_, name, ..)| name).collect();
    let silent = ["SCANNING_FAILED", "SCANNING_STOPPED", "SCANNING_COMPLETED", "REPLICATION"];
    for known in EventType::ALL {
        assert!(seen.contains(known.as_str()) || silent.contains(&known.as_str()), "{known:?}");
    }
}

#[test]
fn nobody_calls_everybody() {
    let member = "<!channel> & <https://evil|x>".to_owned();
    let change = Change::Created;
    let event = event(EventKind::MemberChanged { project: "p".to_owned(), member, change });
    let text = body(&event, TargetKind::Slack, Format::Default).to_string();
    assert!(!text.contains("<!channel>") && text.contains("&lt;!channel&gt; &amp; "), "{text}");
}

#[test]
fn of_some_nobody_is_told() {
    for (total, retained, dry_run) in [(5, 4, true), (5, 5, false)] {
        let kind = EventKind::RetentionFinished {
            repository: "p/a".to_owned(),
            policy_id: 1,
            execution_id: 1,
            total,
            retained,
            dry_run,
            deleted: Vec::new(),
        };
        assert!(Notice::new(&event(kind), &around()).is_none());
    }
}

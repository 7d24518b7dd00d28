//! Groups over the API.

use harbor_tests::TestRegistry;
use serde_json::json;

use super::{API, make, read};

harbor_tests::on_every_store! {
    groups_are_made_found_renamed_and_deleted;
}

async fn groups_are_made_found_renamed_and_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    let ldap = json!({ "group_name": "staff", "group_type": 1, "ldap_group_dn": "cn=staff,dc=example" });
    let id = make(&admin, "/usergroups", &ldap).await;
    make(&admin, "/usergroups", &json!({ "group_name": "crew", "group_type": 2 })).await;
    let group = read(&admin, &format!("/usergroups/{id}")).await;
    assert_eq!(
        group,
        json!({ "id": id, "group_name": "staff", "group_type": 1, "ldap_group_dn": "cn=staff,dc=example" })
    );
    admin.post(&format!("{API}/usergroups")).json(&ldap).await.expect_error(409, "CONFLICT");
    for wrong in [
        json!({ "group_name": "x", "group_type": 1 }),
        json!({ "group_name": "", "group_type": 3 }),
        json!({ "group_name": "crew ", "group_type": 3 }),
        json!({ "group_name": "cr\new", "group_type": 3 }),
        json!({}),
    ] {
        admin.post(&format!("{API}/usergroups")).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    let wrong = json!({ "group_name": "crew\u{7}" });
    admin.put(&format!("{API}/usergroups/{id}")).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    let renamed = json!({ "group_name": "people" });
    admin.put(&format!("{API}/usergroups/{id}")).json(&renamed).await.expect_status(200);
    let listed = admin.get(&format!("{API}/usergroups?group_name=PEO")).await.expect_status(200);
    assert_eq!((listed.need("X-Total-Count"), &listed.json()[0]["group_name"]), ("1", &json!("people")));
    registry.add_user("grace").await;
    let found = read(&registry.user("grace"), "/usergroups/search?groupname=people").await;
    assert_eq!(found, json!([{ "id": id, "group_name": "people", "group_type": 1 }]));
    registry.user("grace").get(&format!("{API}/usergroups")).await.expect_error(403, "FORBIDDEN");
    admin.delete(&format!("{API}/usergroups/{id}")).await.expect_status(200);
    admin.delete(&format!("{API}/usergroups/{id}")).await.expect_error(404, "NOT_FOUND");
}

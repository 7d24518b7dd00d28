//! Members, roles that were made, and limits to some repositories.

use harbor_core::access::Role;
use harbor_tests::{Client, TestRegistry, content};
use serde_json::json;

use super::{API, make, private, read};

harbor_tests::on_every_store! {
    a_member_is_made_changed_and_taken_out_at_once;
    members_of_another_project_are_not_reached;
    a_group_is_a_member;
    nobody_gives_a_role_above_their_own;
    a_role_is_made_given_and_changed;
    a_token_has_no_more_than_the_role_that_was_changed;
    a_member_is_limited_to_some_repositories;
}

async fn a_member_is_made_changed_and_taken_out_at_once(registry: &TestRegistry) {
    let admin = registry.admin();
    let project = private(registry, "team").await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    admin.push("team/app", Some("latest"), &set).await;
    registry.add_user("grace").await;
    let grace = registry.user("grace");
    let manifest = "/v2/team/app/manifests/latest";
    grace.get(manifest).await.expect_error(404, "NAME_UNKNOWN");
    let path = format!("/projects/{project}/members");
    let body = json!({ "role_id": 3, "member_user": { "username": "grace" } });
    let answer = admin.post(&format!("{API}{path}")).json(&body).await.expect_status(201);
    assert!(answer.need("Location").contains(&format!("{API}{path}/")) && answer.body.is_empty());
    let id = super::key(answer.need("Location"));
    grace.get(manifest).await.expect_status(200);
    grace.post("/v2/team/app/blobs/uploads/").await.expect_error(403, "DENIED");
    let member = read(&grace, &format!("{path}/{id}")).await;
    assert_eq!((&member["entity_name"], &member["role_name"]), (&json!("grace"), &json!("guest")));
    assert_eq!((&member["entity_type"], &member["project_id"]), (&json!("u"), &json!(project)));
    admin.post(&format!("{API}{path}")).json(&body).await.expect_error(409, "CONFLICT");
    let token = grace.get("/service/token?scope=repository:team/app:push").await.expect_status(200).json();
    let bearer = registry.anon().bearer(token["token"].as_str().unwrap());
    bearer.get(manifest).await.expect_status(200);
    admin.put(&format!("{API}{path}/{id}")).json(&json!({ "role_id": 2 })).await.expect_status(200);
    grace.begin("team/app").await;
    // A token has what its holder had: for more, a client asks for another.
    bearer.post("/v2/team/app/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
    for wrong in [0, 99, -1] {
        let body = json!({ "role_id": wrong });
        admin.put(&format!("{API}{path}/{id}")).json(&body).await.expect_error(400, "BAD_REQUEST");
    }
    let listed = admin.get(&format!("{API}{path}?entityname=gra")).await.expect_status(200);
    assert_eq!(listed.need("X-Total-Count"), "1");
    admin.delete(&format!("{API}{path}/{id}")).await.expect_status(200);
    grace.get(manifest).await.expect_error(404, "NAME_UNKNOWN");
    bearer.get(manifest).await.expect_error(404, "NAME_UNKNOWN");
}

/// CVE-2022-31666 and its kin.
async fn members_of_another_project_are_not_reached(registry: &TestRegistry) {
    let (_, mine) = (private(registry, "other").await, private(registry, "mine").await);
    let (eve, alan) = (registry.add_user("eve").await, registry.add_user("alan").await);
    registry.add_member("mine", eve, Role::ProjectAdmin).await;
    registry.add_member("other", alan, Role::Guest).await;
    let list = read(&registry.admin(), "/projects/other/members?entityname=alan").await;
    let id = list[0]["id"].as_i64().unwrap();
    let path = format!("{API}/projects/{mine}/members/{id}");
    let eve = registry.user("eve");
    eve.get(&path).await.expect_error(404, "NOT_FOUND");
    eve.put(&path).json(&json!({ "role_id": 1 })).await.expect_error(404, "NOT_FOUND");
    eve.delete(&path).await.expect_error(404, "NOT_FOUND");
    eve.get(&format!("{API}/projects/other/members/{id}")).await.expect_error(403, "FORBIDDEN");
    eve.get(&format!("{API}/projects/absent/members/{id}")).await.expect_error(403, "FORBIDDEN");
    let list = read(&registry.admin(), "/projects/other/members?entityname=alan").await;
    assert_eq!(list[0]["role_id"], json!(3));
}

async fn a_group_is_a_member(registry: &TestRegistry) {
    private(registry, "team").await;
    let admin = registry.admin();
    let group = make(&admin, "/usergroups", &json!({ "group_name": "crew", "group_type": 3 })).await;
    let body = json!({ "role_id": 4, "member_group": { "id": group } });
    let id = make(&admin, "/projects/team/members", &body).await;
    let member = read(&admin, &format!("/projects/team/members/{id}")).await;
    assert_eq!((&member["entity_type"], &member["entity_name"]), (&json!("g"), &json!("crew")));
    admin.delete(&format!("{API}/usergroups/{group}")).await.expect_status(200);
    let gone = admin.get(&format!("{API}/projects/team/members/{id}")).await;
    gone.expect_error(404, "NOT_FOUND");
    for body in [
        json!({ "role_id": 1 }),
        json!({ "role_id": 1, "member_user": {} }),
        json!({ "role_id": 1, "member_group": { "group_type": 9, "group_name": "x" } }),
    ] {
        admin
            .post(&format!("{API}/projects/team/members"))
            .json(&body)
            .await
            .expect_error(400, "BAD_REQUEST");
    }
    for body in [
        json!({ "role_id": 1, "member_user": { "user_id": 7000 } }),
        json!({ "role_id": 1, "member_user": { "username": "nobody" } }),
        json!({ "role_id": 1, "member_group": { "id": 7000 } }),
    ] {
        admin.post(&format!("{API}/projects/team/members")).json(&body).await.expect_error(404, "NOT_FOUND");
    }
}

async fn nobody_gives_a_role_above_their_own(registry: &TestRegistry) {
    private(registry, "team").await;
    let admin = registry.admin();
    let permissions = json!([
        { "resource": "member", "action": "create" }, { "resource": "member", "action": "update" },
        { "resource": "repository", "action": "pull" }, { "resource": "project", "action": "read" }]);
    let role = make(&admin, "/roles", &json!({ "name": "inviter", "permissions": permissions })).await;
    for name in ["eve", "alan"] {
        registry.add_user(name).await;
    }
    let body = json!({ "role_id": role, "member_user": { "username": "eve" } });
    let id = make(&admin, "/projects/team/members", &body).await;
    let eve = registry.user("eve");
    let path = format!("{API}/projects/team/members");
    for above in 1..=5 {
        let body = json!({ "role_id": above, "member_user": { "username": "alan" } });
        eve.post(&path).json(&body).await.expect_error(403, "FORBIDDEN");
        let body = json!({ "role_id": above });
        eve.put(&format!("{path}/{id}")).json(&body).await.expect_error(403, "FORBIDDEN");
    }
    let body = json!({ "role_id": role, "member_user": { "username": "alan" } });
    make(&eve, "/projects/team/members", &body).await;
}

async fn a_role_is_made_given_and_changed(registry: &TestRegistry) {
    private(registry, "team").await;
    let admin = registry.admin();
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    admin.push("team/app", Some("latest"), &set).await;
    let pull = json!([{ "resource": "repository", "action": "pull" }]);
    let id = make(&admin, "/roles", &json!({ "name": "puller", "permissions": pull })).await;
    registry.add_user("grace").await;
    let body = json!({ "role_id": id, "member_user": { "username": "grace" } });
    let member = make(&admin, "/projects/team/members", &body).await;
    let grace = registry.user("grace");
    grace.get("/v2/team/app/manifests/latest").await.expect_status(200);
    grace.get(&format!("{API}/projects/team")).await.expect_error(403, "FORBIDDEN");
    assert_eq!(read(&grace, &format!("/roles/{id}")).await["name"], json!("puller"));
    grace.delete(&format!("{API}/roles/{id}")).await.expect_error(403, "FORBIDDEN");
    admin.delete(&format!("{API}/roles/{id}")).await.expect_error(412, "PRECONDITION");
    let nothing = json!({ "name": "puller", "permissions": [] });
    admin.put(&format!("{API}/roles/{id}")).json(&nothing).await.expect_status(200);
    grace.get("/v2/team/app/manifests/latest").await.expect_error(404, "NAME_UNKNOWN");
    for wrong in [
        json!({ "name": "", "permissions": [] }),
        json!({ "name": "developer", "permissions": [] }),
        json!({ "name": "x", "permissions": [{ "resource": "user", "action": "create" }] }),
    ] {
        admin.post(&format!("{API}/roles")).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    admin.delete(&format!("{API}/projects/team/members/{member}")).await.expect_status(200);
    admin.delete(&format!("{API}/roles/{id}")).await.expect_status(200);
}

/// What a token was signed for is not what its holder may do later: that follows the role.
async fn a_token_has_no_more_than_the_role_that_was_changed(registry: &TestRegistry) {
    private(registry, "team").await;
    let admin = registry.admin();
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    admin.push("team/app", Some("latest"), &set).await;
    registry.add_user("grace").await;
    let access = |actions: &[&str]| -> Vec<_> {
        actions.iter().map(|action| json!({ "resource": "repository", "action": action })).collect()
    };
    let role = |name: &str, actions: &[&str]| json!({ "name": name, "permissions": access(actions) });
    let pusher = make(&admin, "/roles", &role("pusher", &["pull", "push"])).await;
    let body = json!({ "role_id": pusher, "member_user": { "username": "grace" } });
    let member = make(&admin, "/projects/team/members", &body).await;
    let (role_path, member_path) =
        (format!("{API}/roles/{pusher}"), format!("{API}/projects/team/members/{member}"));
    let bearer = async || {
        let scope = "/service/token?scope=repository:team/app:pull,push";
        let token = registry.user("grace").get(scope).await.expect_status(200).json();
        registry.anon().bearer(token["token"].as_str().unwrap())
    };
    let statuses = async |bearer: &Client| {
        let pulled = bearer.get("/v2/team/app/manifests/latest").await.status;
        (pulled, bearer.post("/v2/team/app/blobs/uploads/").await.status)
    };
    let first = bearer().await;
    assert_eq!(statuses(&first).await, (200, 202));

    // The role has less, nothing, and then more than it had when the token was signed.
    admin.put(&role_path).json(&role("pusher", &["pull"])).await.expect_status(200);
    assert_eq!(statuses(&first).await, (200, 404));
    let pulls = bearer().await;
    admin.put(&role_path).json(&role("pusher", &[])).await.expect_status(200);
    assert_eq!(statuses(&first).await, (404, 404));
    admin.put(&role_path).json(&role("pusher", &["pull", "push"])).await.expect_status(200);
    assert_eq!(statuses(&first).await, (200, 202));
    assert_eq!(statuses(&pulls).await, (200, 401), "a token is not widened");

    // The role is deleted, which nobody may have then; one of its name that is made later is another.
    let puller = make(&admin, "/roles", &role("puller", &["pull"])).await;
    admin.put(&member_path).json(&json!({ "role_id": puller })).await.expect_status(200);
    admin.delete(&role_path).await.expect_status(200);
    assert_eq!(statuses(&first).await, (200, 404));
    make(&admin, "/roles", &role("pusher", &["pull", "push"])).await;
    assert_eq!(statuses(&first).await, (200, 404));
    admin.delete(&member_path).await.expect_status(200);
    admin.delete(&format!("{API}/roles/{puller}")).await.expect_status(200);
    assert_eq!(statuses(&first).await, (404, 404));
}

async fn a_member_is_limited_to_some_repositories(registry: &TestRegistry) {
    private(registry, "team").await;
    let admin = registry.admin();
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    for repository in ["team/web/app", "team/db"] {
        admin.push(repository, Some("latest"), &set).await;
    }
    registry.add_user("grace").await;
    let body = json!({ "role_id": 1, "member_user": { "username": "grace" }, "repositories": ["web/**"] });
    let id = make(&admin, "/projects/team/members", &body).await;
    let grace = registry.user("grace");
    grace.get("/v2/team/web/app/manifests/latest").await.expect_status(200);
    grace.begin("team/web/new").await;
    grace.get("/v2/team/db/manifests/latest").await.expect_error(403, "DENIED");
    grace.get(&format!("{API}/projects/team")).await.expect_status(200);
    // It rules what it is limited to, and not the project.
    let path = format!("{API}/projects/team/members");
    grace.get(&path).await.expect_error(403, "FORBIDDEN");
    grace.put(&format!("{path}/{id}")).json(&json!({ "role_id": 1 })).await.expect_error(403, "FORBIDDEN");
    grace.delete(&format!("{API}/projects/team")).await.expect_error(403, "FORBIDDEN");
    assert_eq!(
        read(&admin, &format!("/projects/team/members/{id}")).await["repositories"],
        json!(["web/**"])
    );
    let change = json!({ "role_id": 3, "repositories": [] });
    admin.put(&format!("{path}/{id}")).json(&change).await.expect_status(200);
    grace.get("/v2/team/db/manifests/latest").await.expect_status(200);
    let wrong = json!({ "role_id": 3, "repositories": ["[a"] });
    admin.put(&format!("{path}/{id}")).json(&wrong).await.expect_error(400, "BAD_REQUEST");
}

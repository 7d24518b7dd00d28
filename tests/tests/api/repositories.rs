//! Repositories.

use harbor_core::access::Role;
use harbor_tests::TestRegistry;
use serde_json::json;

use super::{API, artifact, at, listed, push_image, read};

harbor_tests::on_every_store! {
    a_repository_is_read_and_described;
    lists_are_filtered_sorted_and_paged;
    lists_have_what_one_may_see;
    a_repository_is_deleted_with_all_that_is_in_it;
    an_upload_in_progress_is_ended;
    an_emptied_repository_stays_until_it_is_deleted;
    what_came_to_nothing_is_nowhere_and_in_nobodys_way;
}

async fn a_repository_is_read_and_described(registry: &TestRegistry) {
    let admin = registry.admin();
    push_image(&admin, "library/tools/git", "v1").await;
    push_image(&admin, "library/tools/git", "v2").await;
    let repository = read(&admin, at("library/tools/git")).await;
    assert_eq!(
        (&repository["name"], &repository["artifact_count"]),
        (&json!("library/tools/git"), &json!(2))
    );
    assert_eq!((&repository["pull_count"], &repository["project_id"]), (&json!(0), &json!(1)));
    assert!(repository.get("description").is_none());
    let body = json!({ "description": "Ærø 🚢" });
    admin.put(&at("library/tools/git")).json(&body).await.expect_status(200);
    assert_eq!(read(&admin, at("library/tools/git")).await["description"], "Ærø 🚢");
    let long = json!({ "description": "x".repeat(70_000) });
    admin.put(&at("library/tools/git")).json(&long).await.expect_error(400, "BAD_REQUEST");
    admin.get(&at("library/none")).await.expect_error(404, "NOT_FOUND");
    admin.put(&at("library/none")).json(&body).await.expect_error(404, "NOT_FOUND");
    admin.delete(&at("library/none")).await.expect_error(404, "NOT_FOUND");
    admin.get(&at("none/none")).await.expect_error(404, "NOT_FOUND");
    admin.get(&at("library/Wrong")).await.expect_error(404, "NOT_FOUND");
    // Slashes may be encoded once, too.
    let once = format!("{API}/projects/library/repositories/tools%2Fgit");
    assert_eq!(read(&admin, once).await["name"], "library/tools/git");
}

async fn lists_are_filtered_sorted_and_paged(registry: &TestRegistry) {
    let admin = registry.admin();
    for name in ["library/b", "library/a", "library/c"] {
        push_image(&admin, name, "v1").await;
    }
    // Nothing is in it, so it is not there.
    admin.begin("library/empty").await;
    let list = || admin.get(&format!("{API}/projects/library/repositories"));
    let names = async |call| listed(call, "name").await;
    assert_eq!(names(list()).await, (vec!["library/c".into(), "library/a".into(), "library/b".into()], 3));
    assert_eq!(names(list().query("sort", "name").query("page_size", 2)).await.0, ["library/a", "library/b"]);
    let second = list().query("sort", "name").query("page_size", 2).query("page", 2).await;
    assert!(second.need("Link").contains(r#"rel="prev""#));
    assert_eq!(names(list().query("q", "name=~/B")).await, (vec!["library/b".into()], 1));
    assert_eq!(names(list().query("q", "name=library/a")).await.1, 1);
    list().query("q", "name").await.expect_error(400, "BAD_REQUEST");
    list().query("page_size", 101).await.expect_status(422);
    let projects = read(&admin, format!("{API}/projects/library/summary")).await;
    assert_eq!(projects["repo_count"], 3);
}

async fn lists_have_what_one_may_see(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("secret", false).await;
    push_image(&admin, "library/open", "v1").await;
    push_image(&admin, "secret/hidden", "v1").await;
    let guest = registry.add_user("guest").await;
    registry.add_member("secret", guest, Role::Guest).await;
    registry.add_user("stranger").await;
    let all =
        |client: &harbor_tests::Client| client.get(&format!("{API}/repositories")).query("sort", "name");
    let names = async |client| listed(all(&client), "name").await.0;
    assert_eq!(names(admin.clone()).await, ["library/open", "secret/hidden"]);
    assert_eq!(names(registry.user("guest")).await, ["library/open", "secret/hidden"]);
    assert_eq!(names(registry.user("stranger")).await, ["library/open"]);
    assert_eq!(names(registry.anon()).await, ["library/open"]);
    let list = format!("{API}/projects/secret/repositories");
    registry.user("stranger").get(&list).await.expect_error(403, "FORBIDDEN");
    registry.anon().get(&list).await.expect_error(401, "UNAUTHORIZED");
    registry.user("stranger").get(&at("secret/hidden")).await.expect_error(403, "FORBIDDEN");
    registry.user("stranger").get(&at("none/none")).await.expect_error(403, "FORBIDDEN");
    registry.user("guest").delete(&at("secret/hidden")).await.expect_error(403, "FORBIDDEN");
    registry.user("guest").put(&at("secret/hidden")).body("{").await.expect_error(403, "FORBIDDEN");
}

async fn a_repository_is_deleted_with_all_that_is_in_it(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("mine", false).await;
    let set = push_image(&admin, "mine/app", "v1").await;
    admin.push("mine/app", Some("all"), &harbor_tests::content::index(super::SHA)).await;
    push_image(&admin, "mine/other", "v1").await;
    admin.delete(&at("mine/app")).await.expect_status(200);
    admin.get(&at("mine/app")).await.expect_error(404, "NOT_FOUND");
    admin.get(&artifact("mine/app", "v1")).await.expect_error(404, "NOT_FOUND");
    admin.get("/v2/mine/app/manifests/v1").await.expect_status(404);
    admin.get(&format!("/v2/mine/app/blobs/{}", set.blobs[0].digest)).await.expect_status(404);
    let quota =
        read(&admin, format!("{API}/projects/mine/summary")).await["quota"]["used"]["storage"].clone();
    let (kept, _) = listed(admin.get(&format!("{API}/projects/mine/repositories")), "name").await;
    assert_eq!(kept, ["mine/other"]);
    admin.delete(&at("mine/other")).await.expect_status(200);
    let empty =
        read(&admin, format!("{API}/projects/mine/summary")).await["quota"]["used"]["storage"].clone();
    assert!(quota.as_u64().unwrap() > 0 && empty == 0, "{quota} {empty}");
    // The engine's own workers may have been there first.
    registry.collect_garbage().await;
    let stored =
        async || read(&admin, format!("{API}/statistics")).await["total_storage_consumption"].clone();
    for _ in 0..100 {
        if stored().await == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(stored().await, 0);
    // It can be made again, and the project goes once nothing is in it.
    push_image(&admin, "mine/app", "v1").await;
    assert_eq!(read(&admin, at("mine/app")).await["artifact_count"], 1);
    admin.delete(&format!("{API}/projects/mine")).await.expect_error(412, "PRECONDITION");
    admin.delete(&at("mine/app")).await.expect_status(200);
    admin.delete(&format!("{API}/projects/mine")).await.expect_status(200);
}

async fn an_upload_in_progress_is_ended(registry: &TestRegistry) {
    let admin = registry.admin();
    push_image(&admin, "library/app", "v1").await;
    let upload = admin.begin("library/app").await;
    admin.delete(&at("library/app")).await.expect_status(200);
    admin.patch(&upload).body("more").await.expect_status(404);
    admin.get(&at("library/app")).await.expect_error(404, "NOT_FOUND");
}

/// How many repositories of `mine` each of the numbers and lists has; and the status of deleting the project, unless it has none.
async fn counted(client: &harbor_tests::Client, expected: u64) {
    let project = format!("{API}/projects/mine");
    let (_, listed_here) = listed(client.get(&format!("{project}/repositories")), "name").await;
    let (_, listed_all) = listed(client.get(&format!("{API}/repositories")), "name").await;
    let search = read(client, format!("{API}/search?q=mine/")).await;
    let statistics = read(client, format!("{API}/statistics")).await;
    let numbers = [
        listed_here,
        listed_all,
        search["repository"].as_array().unwrap().len() as u64,
        read(client, project.clone()).await["repo_count"].as_u64().unwrap(),
        read(client, format!("{project}/summary")).await["repo_count"].as_u64().unwrap(),
        statistics["private_repo_count"].as_u64().unwrap(),
    ];
    assert_eq!(numbers, [expected; 6]);
    let deletable = read(client, format!("{project}/_deletable")).await;
    assert_eq!(deletable["deletable"], json!(expected == 0));
    if expected > 0 {
        client.delete(&project).await.expect_error(412, "PRECONDITION");
    }
}

async fn an_emptied_repository_stays_until_it_is_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("mine", false).await;
    counted(&admin, 0).await;
    push_image(&admin, "mine/app", "v1").await;
    push_image(&admin, "mine/other", "v1").await;
    counted(&admin, 2).await;
    admin.delete(&artifact("mine/app", "v1")).await.expect_status(200);
    counted(&admin, 2).await;
    assert_eq!(read(&admin, at("mine/app")).await["artifact_count"].as_u64().unwrap_or(0), 0);
    let catalog = read(&admin, "/v2/_catalog".to_owned()).await;
    assert_eq!(catalog["repositories"], json!(["mine/other"]));
    admin.delete(&at("mine/app")).await.expect_status(200);
    counted(&admin, 1).await;
    admin.delete(&at("mine/other")).await.expect_status(200);
    counted(&admin, 0).await;
    admin.delete(&format!("{API}/projects/mine")).await.expect_status(200);
}

async fn what_came_to_nothing_is_nowhere_and_in_nobodys_way(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("mine", false).await;
    let upload = admin.begin("mine/begun").await;
    let blob = harbor_tests::content::Piece::blob(super::SHA, 2_000);
    admin.push_blob("mine/blob", &blob).await;
    push_image(&admin, "mine/app", "v1").await;
    counted(&admin, 1).await;
    admin.patch(&upload).body("more").await.expect_status(202);
    admin.delete(&at("mine/app")).await.expect_status(200);
    counted(&admin, 0).await;
    admin.delete(&format!("{API}/projects/mine")).await.expect_status(200);
    admin.patch(&upload).body("more").await.expect_status(404);
    registry.project("mine", false).await;
    counted(&admin, 0).await;
    let used = read(&admin, format!("{API}/projects/mine/summary")).await["quota"]["used"]["storage"].clone();
    assert_eq!(used, 0);
    admin.get(&format!("/v2/mine/blob/blobs/{}", blob.digest)).await.expect_status(404);
}

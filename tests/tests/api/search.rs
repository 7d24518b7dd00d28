//! Search and statistics.

use harbor_core::access::Role;
use harbor_tests::TestRegistry;
use serde_json::{Value, json};

use super::{API, push_image, read};

harbor_tests::on_every_store! {
    what_one_may_see_is_found;
    statistics_are_of_what_one_may_see;
}

fn names(found: &Value, list: &str, member: &str) -> Vec<String> {
    let entries = found[list].as_array().unwrap();
    entries.iter().map(|entry| entry[member].as_str().unwrap().to_owned()).collect()
}

async fn what_one_may_see_is_found(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("library-two", false).await;
    push_image(&admin, "library/app", "v1").await;
    push_image(&admin, "library-two/App".to_lowercase().as_str(), "v1").await;
    let search = async |client: &harbor_tests::Client, text: &str| {
        client.get(&format!("{API}/search")).query("q", text).await.expect_status(200).json()
    };
    let found = search(&admin, "LIB").await;
    assert_eq!(names(&found, "project", "name"), ["library", "library-two"]);
    assert_eq!(names(&found, "repository", "repository_name"), ["library-two/app", "library/app"]);
    let counts: Vec<&Value> =
        found["project"].as_array().unwrap().iter().map(|one| &one["repo_count"]).collect();
    assert_eq!(counts, [&json!(1), &json!(1)]);
    let open = &found["repository"][1];
    assert_eq!((&open["project_name"], &open["project_public"]), (&json!("library"), &json!(true)));
    assert_eq!((&open["artifact_count"], &open["pull_count"]), (&json!(1), &json!(0)));
    let found = search(&registry.anon(), "lib").await;
    assert_eq!(names(&found, "project", "name"), ["library"]);
    assert_eq!(names(&found, "repository", "repository_name"), ["library/app"]);
    let none = search(&admin, "no such thing").await;
    assert_eq!(none, json!({ "project": [], "repository": [] }));
    assert_eq!(names(&search(&admin, "").await, "repository", "repository_name").len(), 2);
    assert_eq!(names(&search(&admin, "%").await, "repository", "repository_name").len(), 0);
    admin.get(&format!("{API}/search")).await.expect_status(422);
}

async fn statistics_are_of_what_one_may_see(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("mine", false).await;
    registry.project("secret", false).await;
    push_image(&admin, "library/app", "v1").await;
    push_image(&admin, "mine/app", "v1").await;
    push_image(&admin, "mine/other", "v1").await;
    let all = read(&admin, format!("{API}/statistics")).await;
    let figure = |of: &Value, name: &str| of[name].as_u64().unwrap();
    assert_eq!((figure(&all, "public_project_count"), figure(&all, "private_project_count")), (1, 2));
    assert_eq!((figure(&all, "public_repo_count"), figure(&all, "private_repo_count")), (1, 2));
    assert_eq!((figure(&all, "total_project_count"), figure(&all, "total_repo_count")), (3, 3));
    assert!(figure(&all, "total_storage_consumption") > 0);
    let id = registry.add_user("guest").await;
    registry.add_member("mine", id, Role::Guest).await;
    let own = read(&registry.user("guest"), format!("{API}/statistics")).await;
    assert_eq!((figure(&own, "private_project_count"), figure(&own, "private_repo_count")), (1, 2));
    assert_eq!((figure(&own, "total_project_count"), figure(&own, "total_storage_consumption")), (0, 0));
    registry.anon().get(&format!("{API}/statistics")).await.expect_error(401, "UNAUTHORIZED");
}

//! The matrix: every route and method, as everybody, on a public project, a private one and one that is not there.
//! Nobody learns from an answer whether a private project exists.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, DataSet};
use harbor_tests::{Answer, BackEnd, Client, TestRegistry};
use serde_json::{Value, json};

use super::DIGEST;

harbor_tests::on_every_store! {
    a_private_project_looks_like_one_that_is_not_there(stores);
    in_the_api_too(stores);
    strangers_are_refused_everywhere_but_for_reading_what_is_public(stores);
    what_is_public_is_read_by_everybody_and_the_rest_by_nobody(stores);
    an_unknown_user_and_a_wrong_password_are_refused_alike(stores);
    a_token_of_another_registry_is_no_token_here(stores);
    who_guesses_passwords_by_the_hundred_is_told_to_come_later(stores);
    a_name_is_locked_after_too_many_failures_and_whoever_was_known_goes_on(stores);
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Every route of a repository, also with what is in it.
fn routes(repository: &str, set: &DataSet, session: &str) -> Vec<String> {
    let (manifest, blob) = (set.top().digest, set.blobs[0].digest);
    let from = format!("/v2/{repository}/blobs/uploads/?mount={blob}&from={repository}");
    let mut routes = vec![from];
    for rest in [
        "tags/list".to_owned(),
        "tags/list?n=1".to_owned(),
        "manifests/latest".to_owned(),
        "manifests/none".to_owned(),
        format!("manifests/{manifest}"),
        format!("manifests/{DIGEST}"),
        format!("blobs/{blob}"),
        format!("blobs/{DIGEST}"),
        format!("referrers/{manifest}"),
        "blobs/uploads/".to_owned(),
        format!("blobs/uploads/?digest={DIGEST}"),
        format!("blobs/uploads/?mount={blob}"),
        format!("blobs/uploads/{session}"),
        format!("blobs/uploads/{session}?digest={DIGEST}"),
        "blobs/uploads/none".to_owned(),
        "manifests/.invalid".to_owned(),
        "blobs/sha256:invalid".to_owned(),
        "unknown/route".to_owned(),
    ] {
        routes.push(format!("/v2/{repository}/{rest}"));
    }
    routes
}

/// A registry with the same image in a public and in a private project, and an upload begun in each.
async fn registry(stores: BackEnd) -> (TestRegistry, DataSet, [(&'static str, String); 3]) {
    let registry = TestRegistry::builder(stores).patient_with_logins().user("eve", &[]).start().await;
    let set = content::image(Algorithm::Sha256);
    let mut places = Vec::new();
    for (project, public) in [("opened", true), ("secret", false)] {
        registry.project(project, public).await;
        registry.admin().push(&format!("{project}/app"), Some("latest"), &set).await;
        let at = registry.admin().begin(&format!("{project}/app")).await;
        places.push(at.rsplit_once('/').unwrap().1.to_owned());
    }
    let (secret, opened) = (places.pop().unwrap(), places.pop().unwrap());
    (registry, set, [("opened/app", opened), ("secret/app", secret.clone()), ("absent/app", secret)])
}

/// All of an answer that could tell something, with the project's name taken out.
fn seen(answer: &Answer, project: &str) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let text = format!("{} {headers:?} {}", answer.status, String::from_utf8_lossy(&answer.body));
    text.replace(project, "PROJECT").replace(answer.need("X-Request-Id"), "ID")
}

async fn all(client: &Client, place: &(&str, String), set: &DataSet) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for route in routes(place.0, set, &place.1) {
        for method in METHODS {
            let answer = client.call(method, &route).await;
            answers.push((format!("{method} {}", route.replace(place.0, "PROJECT/app")), answer));
        }
    }
    answers
}

async fn a_private_project_looks_like_one_that_is_not_there(stores: BackEnd) {
    let (registry, set, [_, secret, absent]) = registry(stores).await;
    let anonymous_token = registry.anon().get("/service/token?scope=repository:secret/app:pull").await.json();
    for client in [
        registry.anon(),
        registry.anon().bearer(anonymous_token["token"].as_str().unwrap()),
        registry.anon().basic("admin", "wrong"),
        registry.anon().bearer("garbage"),
        registry.user("eve"),
    ] {
        let (there, not) = (all(&client, &secret, &set).await, all(&client, &absent, &set).await);
        for ((what, there), (_, not)) in there.iter().zip(&not) {
            assert_eq!(seen(there, "secret"), seen(not, "absent"), "{what}");
            assert!(there.status >= 400, "{what}: {there}");
        }
    }
    registry.close().await;
}

/// The same in Harbor's API: every operation whose path names a project.
async fn in_the_api_too(stores: BackEnd) {
    let (registry, _, _) = registry(stores).await;
    let admin = registry.admin();
    let make = async |path: &str, body: Value| {
        let made = admin.post(&format!("/api/v2.0{path}")).json(&body).await.expect_status(201);
        made.need("Location").rsplit('/').next().unwrap().to_owned()
    };
    let access = json!([{ "resource": "repository", "action": "pull" }]);
    let member = registry.add_user("member").await;
    let ids = [
        (
            "{mid}",
            make(
                "/projects/secret/members",
                json!({ "role_id": 3, "member_user": { "user_id": member.get() } }),
            )
            .await,
        ),
        ("{robot_id}", make("/projects/secret/robots", json!({ "name": "ci", "access": access })).await),
        (
            "{immutable_rule_id}",
            make(
                "/projects/secret/immutabletagrules",
                json!({ "action": "immutable",
            "tag_selectors": [{ "decoration": "matches", "pattern": "v*" }],
            "scope_selectors": { "repository": [{ "decoration": "repoMatches", "pattern": "**" }] } }),
            )
            .await,
        ),
        ("{repository_name}", "app".to_owned()),
        ("{reference}", "latest".to_owned()),
        ("{tag_name}", "latest".to_owned()),
        ("{meta_name}", "public".to_owned()),
        ("{addition}", "build_history".to_owned()),
        ("{label_id}", "1".to_owned()),
    ];
    let mut looked_at = 0;
    for operation in
        harbor_core::operation::all().filter(|operation| operation.path.contains("{project_name"))
    {
        let mut path = operation.path.to_owned();
        for (name, value) in &ids {
            path = path.replace(name, value);
        }
        for client in [registry.anon(), registry.user("eve")] {
            let ask = async |project: &str| {
                let path = path.replace("{project_name_or_id}", project).replace("{project_name}", project);
                let call = client.call(operation.method.as_str(), &format!("/api/v2.0{path}"));
                seen(&call.json(&json!({})).await, project)
            };
            let (there, not) = (ask("secret").await, ask("absent").await);
            assert_eq!(there, not, "{}", operation.id);
            assert!(!there.starts_with('2'), "{}: {there}", operation.id);
            looked_at += 1;
        }
    }
    assert!(looked_at > 100, "{looked_at}");
    admin.get("/api/v2.0/projects/secret/repositories/app/artifacts/latest").await.expect_status(200);
    registry.close().await;
}

async fn strangers_are_refused_everywhere_but_for_reading_what_is_public(stores: BackEnd) {
    let (registry, set, [opened, secret, absent]) = registry(stores).await;
    for place in [&opened, &secret, &absent] {
        let mut wrong = vec![registry.anon().bearer("garbage")];
        // Each wrong password costs a hash: one place will do.
        wrong.extend((place.0 == "opened/app").then(|| registry.anon().basic("admin", "wrong")));
        for client in wrong {
            for (what, answer) in all(&client, place, &set).await {
                assert_eq!(answer.status, 401, "{what}: wrong credentials are not no credentials");
            }
        }
        for (what, answer) in all(&registry.anon(), place, &set).await {
            let reads = what.starts_with("GET") || what.starts_with("HEAD");
            let public = place.0 == "opened/app" && reads && !what.contains("uploads");
            assert!(public || answer.status >= 400, "{what}: {answer}");
            let (method, _) = what.split_once(' ').unwrap();
            let route_exists = !["405", "404", "400"].contains(&answer.status.to_string().as_str());
            if route_exists && !public {
                assert_eq!(answer.status, 401, "{what}");
                let challenge = answer.need("WWW-Authenticate");
                assert!(challenge.contains(&format!("repository:{}:", place.0)), "{method}: {challenge}");
            }
        }
    }
    // And all is still there.
    for repository in ["opened/app", "secret/app"] {
        let manifest =
            registry.admin().get(&format!("/v2/{repository}/manifests/latest")).await.expect_status(200);
        assert_eq!(manifest.body, set.top().bytes);
        for blob in &set.blobs {
            registry.admin().get(&format!("/v2/{repository}/blobs/{}", blob.digest)).await.expect_status(200);
        }
    }
    registry.admin().get(&format!("/v2/secret/app/blobs/uploads/{}", secret.1)).await.expect_status(204);
    registry.close().await;
}

async fn what_is_public_is_read_by_everybody_and_the_rest_by_nobody(stores: BackEnd) {
    let (registry, set, _) = registry(stores).await;
    let blob = set.blobs[0].digest;
    for rest in ["tags/list", "manifests/latest", &format!("blobs/{blob}"), &format!("referrers/{DIGEST}")] {
        for client in [registry.anon(), registry.user("eve"), registry.admin()] {
            client.get(&format!("/v2/opened/app/{rest}")).await.expect_status(200);
        }
        registry.anon().get(&format!("/v2/secret/app/{rest}")).await.expect_error(401, "UNAUTHORIZED");
        registry.user("eve").get(&format!("/v2/secret/app/{rest}")).await.expect_error(404, "NAME_UNKNOWN");
        registry.admin().get(&format!("/v2/secret/app/{rest}")).await.expect_status(200);
    }
    let range = registry.anon().get(&format!("/v2/secret/app/blobs/{blob}")).header("Range", "bytes=0-1");
    range.await.expect_error(401, "UNAUTHORIZED");
    for stranger in [registry.anon(), registry.user("eve")] {
        let listed = stranger.get("/v2/_catalog").await.expect_status(200);
        assert!(!String::from_utf8_lossy(&listed.body).contains("secret"), "{listed}");
    }
    registry.close().await;
}

async fn an_unknown_user_and_a_wrong_password_are_refused_alike(stores: BackEnd) {
    let (registry, _, _) = registry(stores).await;
    for target in ["/v2/", "/service/token?scope=x", "/v2/opened/app/tags/list", "/v2/secret/app/tags/list"] {
        let wrong = registry.anon().basic("admin", "wrong").get(target).await;
        for name in ["nobody", "Admin", "admin ", "", "admin\u{0}", "' OR 1=1 --", &"x".repeat(2000)] {
            for password in ["wrong", &"x".repeat(5000)] {
                let unknown = registry.anon().basic(name, password).get(target).await;
                assert_eq!(seen(&unknown, "-"), seen(&wrong, "-"), "{name:?} {target}");
            }
        }
        assert_eq!(wrong.status, 401);
    }
    registry.close().await;
}

async fn a_token_of_another_registry_is_no_token_here(stores: BackEnd) {
    let (registry, other) = (TestRegistry::start(stores).await, TestRegistry::start(stores).await);
    let token = other.admin().get("/service/token").await.expect_status(200).json();
    let token = token["token"].as_str().unwrap().to_owned();
    other.anon().bearer(&token).get("/v2/").await.expect_status(200);
    let (head, signature) = token.rsplit_once('.').unwrap();
    for forged in [
        &token,
        head,
        &format!("{head}."),
        &format!("x{token}"),
        &format!("{token}x"),
        signature,
        "..",
        "h1.e30.",
    ] {
        registry.anon().bearer(forged).get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    }
    registry.close().await;
    other.close().await;
}

async fn who_guesses_passwords_by_the_hundred_is_told_to_come_later(stores: BackEnd) {
    let registry = TestRegistry::builder(stores).patient_with_logins().start().await;
    registry.admin().get("/v2/").await.expect_status(200);
    let guesses = (0..300).map(|number| {
        let client = registry.anon().basic("admin", &format!("guess {number}"));
        async move { client.get("/v2/").await }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let refused = answers.into_iter().filter(|answer| answer.status != 401);
    let refused: Vec<_> = refused
        .map(|answer| answer.expect_error(429, "TOOMANYREQUESTS").need("Retry-After").to_owned())
        .collect();
    assert!(!refused.is_empty() && refused.iter().all(|after| after == "2"), "{refused:?}");
    // Who was known before is not held up, and afterwards all is as it was.
    registry.admin().get("/v2/").await.expect_status(200);
    registry.anon().basic("admin", "wrong").get("/v2/").await.expect_status(401);
    registry.close().await;
}

async fn a_name_is_locked_after_too_many_failures_and_whoever_was_known_goes_on(stores: BackEnd) {
    let builder = TestRegistry::builder(stores).user("grace", &[]).user("alan", &[]);
    let registry =
        builder.accounts(|options| options.login_limits.delay = std::time::Duration::ZERO).start().await;
    registry.user("grace").get("/v2/").await.expect_status(200);
    for name in ["grace", "alan", "nobody"] {
        for guess in 0..10 {
            let answer = registry.anon().basic(name, &format!("guess {guess}")).get("/v2/").await;
            answer.expect_error(401, "UNAUTHORIZED");
        }
        registry.anon().basic(name, "one more").get("/v2/").await.expect_error(429, "TOOMANYREQUESTS");
    }
    registry.user("grace").get("/v2/").await.expect_status(200);
    registry.user("alan").get("/v2/").await.expect_error(429, "TOOMANYREQUESTS");
    registry.admin().get("/v2/").await.expect_status(200);
    registry.close().await;
}

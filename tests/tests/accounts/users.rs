//! Users: made, changed, found and deleted; their passwords.

use harbor_auth::{NewPassword, NewUser};
use harbor_core::access::permission::UserCreate;
use harbor_core::access::{Actor, Secret};
use harbor_tests::TestRegistry;
use serde_json::{Value, json};

use super::{API, PASSWORD, make, read};

harbor_tests::on_every_store! {
    a_user_is_made_reads_itself_and_is_deleted;
    names_and_passwords_have_rules;
    a_password_is_changed_by_who_knows_it_and_ends_tokens;
    an_administrator_is_made_and_unmade_at_once;
    lists_have_pages_and_filters;
    a_password_of_harbors_works_and_is_hashed_anew;
}

fn grace() -> Value {
    json!({ "username": "grace", "password": PASSWORD, "email": "grace@example.org", "realname": "Grace", "comment": "" })
}

async fn a_user_is_made_reads_itself_and_is_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    let id = make(&admin, "/users", &grace()).await;
    let client = registry.anon().basic("grace", PASSWORD);
    let current = read(&client, "/users/current").await;
    assert_eq!((current["user_id"].as_i64(), current["username"].as_str()), (Some(id), Some("grace")));
    assert_eq!((&current["sysadmin_flag"], &current["email"]), (&json!(false), &json!("grace@example.org")));
    assert!(current.get("password").is_none() && current.get("salt").is_none());
    let profile = json!({ "email": "g@example.org", "realname": "G.", "comment": "note" });
    client.put(&format!("{API}/users/{id}")).json(&profile).await.expect_status(200);
    assert_eq!(read(&admin, &format!("/users/{id}")).await["realname"], "G.");
    admin.post(&format!("{API}/users")).json(&grace()).await.expect_error(409, "CONFLICT");
    admin.delete(&format!("{API}/users/1")).await.expect_error(403, "FORBIDDEN");
    admin.delete(&format!("{API}/users/{id}")).await.expect_status(200);
    admin.get(&format!("{API}/users/{id}")).await.expect_error(404, "NOT_FOUND");
    client.get(&format!("{API}/users/current")).await.expect_error(401, "UNAUTHORIZED");
    make(&admin, "/users", &grace()).await;
}

async fn names_and_passwords_have_rules(registry: &TestRegistry) {
    let admin = registry.admin();
    for (key, wrong) in [
        ("username", "a,b"),
        ("username", "robot$x"),
        ("username", ""),
        ("username", "a:b"),
        ("username", "admin\u{200b}"),
        ("password", "short1A"),
        ("password", "no digits Here"),
        ("password", "no upper 1"),
        ("email", "no address"),
    ] {
        let mut body = grace();
        body[key] = json!(wrong);
        let answer = admin.post(&format!("{API}/users")).json(&body).await.expect_error(400, "BAD_REQUEST");
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("no digits Here"),
            "a password is never told"
        );
    }
    let long = format!("Aa1{}", "x".repeat(200));
    let body = json!({ "username": "x", "password": long });
    admin.post(&format!("{API}/users")).json(&body).await.expect_error(400, "BAD_REQUEST");
}

async fn a_password_is_changed_by_who_knows_it_and_ends_tokens(registry: &TestRegistry) {
    let id = make(&registry.admin(), "/users", &grace()).await;
    let client = registry.anon().basic("grace", PASSWORD);
    let token = client.get("/service/token?scope=repository:library/x:pull").await.expect_status(200).json();
    let bearer = registry.anon().bearer(token["token"].as_str().unwrap());
    bearer.get("/v2/").await.expect_status(200);
    let path = format!("{API}/users/{id}/password");
    let change = |old: &str, new: &str| json!({ "old_password": old, "new_password": new });
    client.put(&path).json(&change("wrong", "Another horse 2")).await.expect_error(403, "FORBIDDEN");
    client.put(&path).json(&change(PASSWORD, PASSWORD)).await.expect_error(400, "BAD_REQUEST");
    client.put(&path).json(&change(PASSWORD, "short")).await.expect_error(400, "BAD_REQUEST");
    client.put(&path).json(&change(PASSWORD, "Another horse 2")).await.expect_status(200);
    client.get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    bearer.get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    registry.anon().basic("grace", "Another horse 2").get("/v2/").await.expect_status(200);
    // An administrator need not know it.
    let new = json!({ "new_password": "Third horse 3" });
    registry.admin().put(&path).json(&new).await.expect_status(200);
    registry.anon().basic("grace", "Third horse 3").get("/v2/").await.expect_status(200);
}

async fn an_administrator_is_made_and_unmade_at_once(registry: &TestRegistry) {
    let admin = registry.admin();
    let id = make(&admin, "/users", &grace()).await;
    let client = registry.anon().basic("grace", PASSWORD);
    client.get(&format!("{API}/users")).await.expect_error(403, "FORBIDDEN");
    let path = format!("{API}/users/{id}/sysadmin");
    admin.put(&path).json(&json!({ "sysadmin_flag": true })).await.expect_status(200);
    client.get(&format!("{API}/users")).await.expect_status(200);
    admin.put(&path).json(&json!({ "sysadmin_flag": false })).await.expect_status(200);
    client.get(&format!("{API}/users")).await.expect_error(403, "FORBIDDEN");
    let first = format!("{API}/users/1/sysadmin");
    admin.put(&first).json(&json!({ "sysadmin_flag": false })).await.expect_error(403, "FORBIDDEN");
}

async fn lists_have_pages_and_filters(registry: &TestRegistry) {
    let admin = registry.admin();
    for number in 0..12 {
        registry.add_user(&format!("user{number:02}")).await;
    }
    let first = admin.get(&format!("{API}/users?page_size=5&sort=username")).await.expect_status(200);
    assert_eq!(first.need("X-Total-Count"), "13");
    let names: Vec<String> = first
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["username"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["admin", "user00", "user01", "user02", "user03"]);
    assert!(first.need("Link").contains("page=2") && first.need("Link").contains("rel=\"next\""));
    let seven = read(&admin, "/users?username=user07").await[0]["user_id"].clone();
    let profile = json!({ "email": "seven@example.org", "realname": "", "comment": "" });
    admin.put(&format!("{API}/users/{seven}")).json(&profile).await.expect_status(200);
    let found = admin.get(&format!("{API}/users?q=username%3D~R1")).await.expect_status(200);
    assert_eq!((found.need("X-Total-Count"), found.header("Link")), ("2", None));
    for (filter, names) in [
        ("username=r1", vec!["user10", "user11"]),
        ("email=SEVEN%40", vec!["user07"]),
        ("username=admin", vec!["admin"]),
    ] {
        let found = read(&admin, &format!("/users?sort=username&{filter}")).await;
        let found: Vec<_> = found.as_array().unwrap().iter().map(|user| user["username"].clone()).collect();
        assert_eq!(found, names, "{filter}");
    }
    // Columns that are nobody's business are no keys: CVE-2025-30086.
    for secret in ["password=~a", "Password=~a", "salt=~a", "epoch=1", "second_factor=~a", "reset_uuid=x"] {
        let all = admin.get(&format!("{API}/users")).query("q", secret).await.expect_status(200);
        assert_eq!(all.need("X-Total-Count"), "13", "{secret}");
    }
    for wrong in ["q=x", "q=%3Dx", "q=username%3D"] {
        admin.get(&format!("{API}/users?{wrong}")).await.expect_error(400, "BAD_REQUEST");
    }
    for wrong in ["page_size=101", "page=0", "page=-1", "page_size=x"] {
        admin.get(&format!("{API}/users?{wrong}")).await.expect_error(422, "UNPROCESSABLE_ENTITY");
    }
    let search = registry.user("user03").get(&format!("{API}/users/search?username=user1")).await;
    let found = search.expect_status(200).json();
    assert_eq!(found.as_array().unwrap().len(), 2);
    assert_eq!(found[0].as_object().unwrap().len(), 2, "a key and a name, and no more");
}

async fn a_password_of_harbors_works_and_is_hashed_anew(registry: &TestRegistry) {
    // PBKDF2 of "Harbor12345" with the salt "salt", as Harbor keeps it.
    let hash = "a5dbaf3a2c5ef8d1a6e0b4e9a2d2d7c5";
    let wrong = NewPassword::Imported { version: "md5".into(), salt: "salt".into(), hash: Secret::new(hash) };
    let user = |password| NewUser {
        name: "old".to_owned(),
        email: None,
        real_name: String::new(),
        comment: String::new(),
        password,
    };
    let users = registry.accounts.users(&registry.harbor);
    let admin = Actor::administrator("admin");
    let proof = async || registry.harbor.authorize::<UserCreate>(&admin, ()).await.unwrap();
    users.create(proof().await, user(wrong), None).await.unwrap_err();
    let right = NewPassword::Imported {
        version: "sha256".into(),
        salt: "salt".into(),
        hash: Secret::new(pbkdf2("Harbor12345", "salt")),
    };
    let id = users.create(proof().await, user(right), None).await.unwrap();
    registry.anon().basic("old", "Harbor12346").get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    for _ in 0..2 {
        registry.anon().basic("old", "Harbor12345").get("/v2/").await.expect_status(200);
        let proof = registry.harbor.authorize(&admin, id).await.unwrap();
        let stored = users.get(&proof).await.unwrap().password.unwrap();
        assert!(stored.expose().starts_with("$argon2id$"));
    }
}

/// PBKDF2 with HMAC-SHA-256, 4096 rounds, 16 bytes: RFC 8018, section 5.2.
fn pbkdf2(password: &str, salt: &str) -> String {
    let mut out = [0; 16];
    let rounds = std::num::NonZeroU32::new(4096).unwrap();
    aws_lc_rs::pbkdf2::derive(
        aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        salt.as_bytes(),
        password.as_bytes(),
        &mut out,
    );
    out.iter().map(|byte| format!("{byte:02x}")).collect()
}

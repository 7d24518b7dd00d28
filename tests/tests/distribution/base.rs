//! end-1: whether this is a registry.

use harbor_tests::TestRegistry;

super::on_every_store! {
    the_base_answers_who_shows_credentials;
    the_base_sends_who_shows_none_to_the_token_service;
    every_answer_names_the_api_and_the_request;
}

async fn the_base_answers_who_shows_credentials(registry: &TestRegistry) {
    for path in ["/v2/", "/v2"] {
        let answer = registry.admin().get(path).await.expect_status(200);
        assert!(answer.json().is_object(), "{answer}");
        registry.admin().head(path).await.expect_status(200);
    }
}

async fn the_base_sends_who_shows_none_to_the_token_service(registry: &TestRegistry) {
    let answer = registry.anon().get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    let realm = format!(r#"Bearer realm="http://{}/service/token""#, registry.address());
    assert!(answer.need("WWW-Authenticate").starts_with(&realm), "{answer}");
}

async fn every_answer_names_the_api_and_the_request(registry: &TestRegistry) {
    for path in ["/v2/", "/v2/_catalog", "/v2/library/none/tags/list", "/v2/UPPER/tags/list"] {
        let answer = registry.admin().get(path).await;
        assert_eq!(answer.need("Docker-Distribution-Api-Version"), "registry/2.0", "{answer}");
        assert_eq!(answer.need("X-Content-Type-Options"), "nosniff", "{answer}");
        assert!(!answer.need("X-Request-Id").is_empty(), "{answer}");
    }
    let answer = registry.admin().get("/v2/").header("X-Request-Id", "from-a-proxy-7").await;
    assert_eq!(answer.need("X-Request-Id"), "from-a-proxy-7");
}

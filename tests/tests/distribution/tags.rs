//! end-8: the list of tags.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, DataSet};
use harbor_tests::{Answer, Client, TestRegistry};
use serde_json::json;

use super::REPO;

super::on_every_store! {
    a_repository_that_is_missing_has_no_list;
    a_repository_without_tags_has_an_empty_list;
    tags_come_in_the_order_of_their_bytes;
    n_limits_the_list_and_links_to_the_rest;
    the_last_page_has_no_link;
    last_need_not_exist;
    one_tag_may_begin_another;
    the_links_lead_through_the_whole_list;
    n_that_is_no_number_is_refused;
    a_page_has_a_largest_size;
}

fn list() -> String {
    format!("/v2/{REPO}/tags/list")
}

async fn push(client: &Client, tags: &[&str]) -> DataSet {
    let set = content::image(Algorithm::Sha256);
    client.push(REPO, None, &set).await;
    for some in tags.chunks(50) {
        let put = client.push_manifest(REPO, set.top().digest, set.top());
        some.iter().fold(put, |put, tag| put.query("tag", tag)).await.expect_status(201);
    }
    set
}

fn tags(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    assert_eq!(body["name"], json!(REPO));
    serde_json::from_value(body["tags"].clone()).unwrap()
}

async fn a_repository_that_is_missing_has_no_list(registry: &TestRegistry) {
    registry.admin().get(&list()).await.expect_error(404, "NAME_UNKNOWN");
    registry.admin().get("/v2/none/none/tags/list").await.expect_error(404, "NAME_UNKNOWN");
}

async fn a_repository_without_tags_has_an_empty_list(registry: &TestRegistry) {
    push(&registry.admin(), &[]).await;
    let answer = registry.anon().get(&list()).await.expect_status(200);
    assert_eq!(answer.json(), json!({ "name": REPO, "tags": [] }), "a list, not null");
}

async fn tags_come_in_the_order_of_their_bytes(registry: &TestRegistry) {
    let ordered =
        ["0", "1.10", "1.9", "A", "B", "Z", "_", "a", "a-b", "a.b", "aB", "a_b", "ab", "b", "latest", "z"];
    let mut shuffled = ordered;
    shuffled.rotate_left(5);
    shuffled.swap(1, 9);
    push(&registry.admin(), &shuffled).await;
    let answer = registry.anon().get(&list()).await.expect_status(200);
    assert_eq!(tags(&answer), ordered);
    assert_eq!(answer.next(), None);
    assert!(answer.need("Content-Type").starts_with("application/json"));
}

async fn n_limits_the_list_and_links_to_the_rest(registry: &TestRegistry) {
    push(&registry.admin(), &["a", "b", "c", "d", "e"]).await;
    let answer = registry.anon().get(&list()).query("n", 2).await.expect_status(200);
    assert_eq!(tags(&answer), ["a", "b"]);
    let next = answer.next().expect("a link");
    assert!(next.contains("n=2") && next.contains("last=b"), "{next}");
    let answer = registry.anon().get(&list()).query("n", 2).query("last", "b").await.expect_status(200);
    assert_eq!(tags(&answer), ["c", "d"]);
    let answer = registry.anon().get(&list()).query("last", "b").await.expect_status(200);
    assert_eq!(tags(&answer), ["c", "d", "e"]);
    let none = registry.anon().get(&list()).query("n", 0).await.expect_status(200);
    assert!(tags(&none).is_empty() && none.next().is_none(), "{none}");
}

async fn the_last_page_has_no_link(registry: &TestRegistry) {
    push(&registry.admin(), &["a", "b", "c", "d"]).await;
    for (n, last) in [(2, "b"), (4, ""), (100, ""), (1, "c")] {
        let answer = registry.anon().get(&list()).query("n", n).query("last", last).await.expect_status(200);
        assert_eq!(tags(&answer).last().map(String::as_str), Some("d"), "n={n} last={last}");
        assert_eq!(answer.next(), None, "n={n} last={last}");
    }
    let after = registry.anon().get(&list()).query("n", 2).query("last", "d").await.expect_status(200);
    assert!(tags(&after).is_empty() && after.next().is_none(), "{after}");
}

async fn last_need_not_exist(registry: &TestRegistry) {
    push(&registry.admin(), &["a", "c", "e"]).await;
    for (last, rest) in [("b", vec!["c", "e"]), ("z", vec![]), ("A", vec!["a", "c", "e"]), ("c0", vec!["e"])]
    {
        let answer = registry.anon().get(&list()).query("last", last).await.expect_status(200);
        assert_eq!(tags(&answer), rest, "{last}");
    }
    // What can be no tag has a place in the order too.
    for last in ["!", "'; DROP TABLE tags; --", "%", "\u{e9}", &"c".repeat(5000)] {
        registry.anon().get(&list()).query("last", last).await.expect_status(200);
    }
}

async fn one_tag_may_begin_another(registry: &TestRegistry) {
    let all = ["v1", "v1-a", "v1.0", "v1.0.0", "v10", "v1_"];
    push(&registry.admin(), &all).await;
    for (number, last) in all.iter().enumerate() {
        let answer = registry.anon().get(&list()).query("last", last).await.expect_status(200);
        assert_eq!(tags(&answer), all[number + 1..], "after {last}");
    }
}

async fn the_links_lead_through_the_whole_list(registry: &TestRegistry) {
    let all: Vec<String> = (0..120).map(|number| format!("t{number:03}")).collect();
    push(&registry.admin(), &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for n in [1, 7, 40, 119, 120, 121] {
        let mut seen = Vec::new();
        let mut at = Some(format!("{}?n={n}", list()));
        while let Some(target) = at {
            let answer = registry.anon().get(&target).await.expect_status(200);
            let page = tags(&answer);
            assert!(page.len() <= n && !page.is_empty());
            seen.extend(page);
            at = answer.next();
        }
        assert_eq!(seen, all, "n={n}");
    }
}

async fn n_that_is_no_number_is_refused(registry: &TestRegistry) {
    push(&registry.admin(), &["a"]).await;
    for n in ["", "-1", "x", "1e3", "1.5", "99999999999999999999999999"] {
        registry.anon().get(&list()).query("n", n).await.expect_error(400, "PAGINATION_NUMBER_INVALID");
    }
    for n in ["1", "1000", "1001", "18446744073709551615"] {
        registry.anon().get(&list()).query("n", n).await.expect_status(200);
    }
}

async fn a_page_has_a_largest_size(registry: &TestRegistry) {
    let all: Vec<String> = (0..1003).map(|number| format!("t{number:04}")).collect();
    push(&registry.admin(), &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for target in [list(), format!("{}?n=4000000000", list())] {
        let first = registry.anon().get(&target).await.expect_status(200);
        assert_eq!(tags(&first), all[..1000]);
        let rest = registry.anon().get(&first.next().expect("a link")).await.expect_status(200);
        assert_eq!(tags(&rest), all[1000..]);
        assert_eq!(rest.next(), None);
    }
}

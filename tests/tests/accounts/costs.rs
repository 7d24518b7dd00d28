//! What it costs to tell who somebody is and what they may do, where they have much.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use harbor_core::StoreError;
use harbor_core::access::{Attempt, Credentials, Secret};
use harbor_core::meta::{MetadataStore, Reads, Sharing, Transaction};
use harbor_tests::{BackEnd, TestRegistry};
use serde_json::{Value, json};

use super::{API, make, private, read};

harbor_tests::on_every_store! {
    what_a_token_is_limited_to_is_read_once;
}

/// A store that others share, and that counts how often it is read.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn MetadataStore>,
    reads: Arc<AtomicUsize>,
}

#[async_trait]
impl MetadataStore for Counting {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn sharing(&self) -> Sharing {
        Sharing::Shared
    }

    async fn read(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read().await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        self.inner.begin().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[tokio::test]
async fn lists_cost_as_much_for_members_of_many_projects() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let registry = TestRegistry::builder(BackEnd::Memory).patient_with_logins();
    let registry = registry.wrap_metadata(move |inner| Arc::new(Counting { inner, reads: counted }));
    let registry = registry.start().await;
    let admin = registry.admin();
    registry.add_user("grace").await;
    let access = json!([{ "resource": "repository", "action": "list" }]);
    let role = make(&admin, "/roles", &json!({ "name": "lister", "permissions": access })).await;
    let join = async |project: String| {
        private(&registry, &project).await;
        let member = json!({ "role_id": role, "member_user": { "username": "grace" } });
        make(&admin, &format!("/projects/{project}/members"), &member).await;
    };
    let lists = async || {
        let grace = registry.user("grace");
        let list = async || read(&grace, "/repositories").await;
        list().await;
        // Workers read as well, now and then: the least is what a list costs.
        let mut least = usize::MAX;
        for _ in 0..5 {
            let before = reads.load(Ordering::SeqCst);
            list().await;
            least = least.min(reads.load(Ordering::SeqCst) - before);
        }
        least
    };
    join("first".to_owned()).await;
    let of_one = lists().await;
    for number in 0..20 {
        join(format!("p{number}")).await;
    }
    assert_eq!(lists().await, of_one);
    registry.close().await;
}

async fn what_a_token_is_limited_to_is_read_once(registry: &TestRegistry) {
    private(registry, "team").await;
    let access: Value = vec![json!({ "resource": "repository", "action": "pull" }); 200].into();
    let entry = json!({ "kind": "project", "namespace": "team", "access": access });
    let scopes: Value = vec![entry; 50].into();
    let body = json!({ "name": "much", "duration": 1, "scopes": scopes });
    let made = registry.admin().post(&format!("{API}/users/current/tokens")).json(&body).await;
    let shown = Credentials::Bearer(Secret::new(made.expect_status(201).json()["token"].as_str().unwrap()));
    let who = async || registry.harbor.authenticate(Some(Attempt::new(&shown))).await.unwrap();
    let (first, again) = (who().await, who().await);
    assert!(std::ptr::eq(first.restriction().unwrap(), again.restriction().unwrap()));
    // What is said often is kept once.
    let kept = read(&registry.admin(), "/users/current/tokens").await;
    assert_eq!(kept[0]["scopes"].as_array().unwrap().len(), 50);
    assert_eq!(kept[0]["scopes"][0]["access"].as_array().unwrap().len(), 1);
}

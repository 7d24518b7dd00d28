//! What it costs to tell who somebody is and what they may do, where they have much.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use harbor_auth::{AccountOptions, Accounts};
use harbor_core::access::permission::RepositoryList;
use harbor_core::access::{
    Action as _, Actor, Attempt, Authorizer as _, Credentials, Identity, Person, Secret,
};
use harbor_core::meta::{MetadataStore, ProjectId, Reads, Sharing, Transaction};
use harbor_core::{Clock, StoreError};
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

/// However many memberships there are, the roles that were made are looked up once.
#[tokio::test]
async fn lists_cost_as_much_for_members_of_many_projects() {
    let store = Arc::new(OnceLock::new());
    let kept = Arc::clone(&store);
    let registry = TestRegistry::builder(BackEnd::Memory).patient_with_logins();
    let registry = registry.wrap_metadata(move |inner| Arc::clone(kept.get_or_init(|| inner))).start().await;
    let (inner, reads) = (Arc::clone(store.get().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::new(Counting { inner, reads: Arc::clone(&reads) });
    let node = Accounts::bootstrap(counting, AccountOptions::default(), Clock::System).await.unwrap().0;

    let admin = registry.admin();
    let id = registry.add_user("grace").await;
    let person = Person { id: Some(id), name: "grace".into(), epoch: 0 };
    let grace = Actor::new(Identity::User(person));
    let access = json!([{ "resource": "repository", "action": "list" }]);
    let role = make(&admin, "/roles", &json!({ "name": "lister", "permissions": access })).await;
    let mut costs = Vec::new();
    for number in 0..12 {
        let project = private(&registry, &format!("p{number}")).await;
        let member = json!({ "role_id": role, "member_user": { "username": "grace" } });
        make(&admin, &format!("/projects/p{number}/members"), &member).await;
        for cost in [None, Some(())] {
            let before = reads.load(Ordering::SeqCst);
            let seen = node.projects(&grace, RepositoryList::PERMISSION).await.unwrap();
            assert!(seen.has_project(ProjectId::new(project), false));
            if cost.is_some() {
                costs.push(reads.load(Ordering::SeqCst) - before);
            }
        }
    }
    costs.dedup();
    assert_eq!(costs.len(), 1, "{costs:?}");
    drop(node);
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

//! Runs of retention that are cut off or stopped, wherever they stand: nodes over one store, in one process. What runs leave is in
//! `api/retention`; what is left of a process that is killed is in `crash/retention` and `nodes/processes`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use harbor_core::access::permission::{
    ProjectCreate, RepositoryPush, SystemConfigurationUpdate, TagRetentionCreate, TagRetentionUpdate,
};
use harbor_core::access::{Actor, RepositoryTarget};
use harbor_core::content::{Incoming, ManifestPush};
use harbor_core::event::{Event, EventKind};
use harbor_core::meta::{
    ExecutionId, ExecutionStatus, ManifestId, RetentionId, TaskKey, TaskScope, TaskStatus,
};
use harbor_core::oci::{Algorithm, MediaType, ProjectName, Reference};
use harbor_core::policy::{Policy, Step, Verdict};
use harbor_core::query::{Order, Query};
use harbor_core::retention::{By, Retention, Rule, Template};
use harbor_core::selector::{Of, Selector};
use harbor_core::{Clock, EitherProof, Harbor, NewProject, RetentionUpdate, StoreError, Timestamp};
use harbor_tests::content::{CONFIG, Maker, Piece};
use harbor_tests::faults::HeldMetadata;
use harbor_tests::{BackEnd, Stores, on_every_store};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::node::{LEASE, LONG, admin, node, node_over, settings, status};

on_every_store! {
    cut_off_at_every_transaction(stores);
    stopped_before_it_finds_a_repository(stores);
    stopped_while_it_finds_repositories(stores);
    stopped_while_it_deletes(stores);
    stopped_on_another_node_while_it_deletes(stores);
    nothing_is_deleted_once_the_registry_is_read_only(stores);
}

/// How many repositories of [`Policed`] have a task in one transaction.
const AT_ONCE: usize = 100;

/// A project with a policy that keeps the tag `keep` of each repository.
struct Policed {
    project: ProjectName,
    policy: RetentionId,
    /// Repositories and digests.
    going: BTreeSet<(String, String)>,
    kept: BTreeSet<(String, String)>,
}

impl Policed {
    /// With so many repositories, of each of which so many artifacts go.
    async fn new(harbor: &Harbor, name: &str, repositories: usize, going: usize) -> Self {
        let project: ProjectName = name.parse().unwrap();
        let proof = harbor.authorize::<ProjectCreate>(&admin(), ()).await.unwrap();
        harbor.projects().create(proof, NewProject::new(project.clone())).await.unwrap();
        let keep = Selector::parse(Of::Tags, "", "matches", "keep", "").unwrap();
        let any = Selector::parse(Of::Repositories, "", "repoMatches", "**", "").unwrap();
        let rule = Rule::new(Template::Always, None, vec![keep], vec![any]);
        let proof = harbor.authorize::<TagRetentionCreate>(&admin(), &project).await.unwrap();
        let policy =
            harbor.retentions().create(proof, &Retention::new(By::Artifact, vec![rule])).await.unwrap();
        let mut policed = Self { project, policy, going: BTreeSet::new(), kept: BTreeSet::new() };
        for number in 0..repositories {
            policed.fill(harbor, &format!("{name}/r{number:03}"), going).await;
        }
        policed
    }

    async fn fill(&mut self, harbor: &Harbor, repository: &str, going: usize) {
        let config =
            Piece::json(Algorithm::Sha256, CONFIG, &json!({ "architecture": "amd64", "os": "linux" }));
        let may = async || {
            let name = repository.parse().unwrap();
            harbor.authorize::<RepositoryPush>(&admin(), &name).await.unwrap()
        };
        let body = Incoming::whole(config.bytes.clone());
        harbor.content().blob_put(may().await, &config.digest, body).await.unwrap();
        for tag in (0..going).map(|tag| format!("v{tag}")).chain(["keep".to_owned()]) {
            let image = Maker::image_with(Algorithm::Sha256, MediaType::OCI_MANIFEST, config.clone());
            let image = image.annotation("name", &format!("{repository}:{tag}")).done();
            let push = ManifestPush {
                reference: Reference::Tag(tag.parse().unwrap()),
                tags: Vec::new(),
                media_type: None,
                payload: image.top().bytes.clone(),
            };
            harbor.content().manifest_put(may().await, push).await.unwrap();
            let name = (repository.to_owned(), image.top().digest.to_string());
            if tag == "keep" {
                self.kept.insert(name)
            } else {
                self.going.insert(name)
            };
        }
    }

    async fn proof(&self, harbor: &Harbor) -> RetentionUpdate {
        EitherProof::Project(harbor.authorize::<TagRetentionUpdate>(&admin(), &self.project).await.unwrap())
    }

    async fn run(&self, harbor: &Harbor) -> ExecutionId {
        harbor.retentions().run(&self.proof(harbor).await, self.policy, false).await.unwrap()
    }

    async fn stop(&self, harbor: &Harbor, run: ExecutionId) {
        harbor.retentions().stop(&self.proof(harbor).await, self.policy, run).await.unwrap();
    }

    /// What is left of its artifacts.
    async fn left(&self, stores: &Stores) -> BTreeSet<(String, String)> {
        let (mut left, start) = (BTreeSet::new(), (Timestamp::default(), ManifestId::new(0)));
        let names: BTreeSet<&String> = self.kept.iter().map(|(repository, _)| repository).collect();
        for name in names {
            let mut rows = stores.metadata.read().await.unwrap();
            let repository = rows.repository(&name.parse().unwrap()).await.unwrap().unwrap();
            let artifacts = rows.retention_artifacts(repository.id, start, 1_000).await.unwrap();
            left.extend(artifacts.into_iter().map(|artifact| (name.clone(), artifact.digest.to_string())));
        }
        left
    }

    /// What is told of a run, which was begun twice, is what one that was begun once would have told: of each repository.
    async fn figures(&self, stores: &Stores, run: ExecutionId, before: usize) {
        let mut rows = stores.metadata.read().await.unwrap();
        let scope = TaskScope { execution: Some(run), ..TaskScope::default() };
        let query = Query::default().sort(TaskKey::Id, Order::Ascending).page(1, 1_000);
        let tasks = rows.tasks(scope, &query).await.unwrap().entries;
        let mut events = rows.events(0, 10_000).await.unwrap();
        events.retain(|row| row.body.contains(&format!("{}/", self.project)));
        for task in &tasks[1..] {
            let detail: Value = serde_json::from_str(&task.detail).unwrap();
            let repository = &detail["repository"];
            let is = json!({ "repository": repository, "dry_run": false, "total": 3, "retained": 1 });
            assert_eq!(detail, is, "{before}");
        }
        let told: Vec<_> =
            events.iter().map(|row| serde_json::from_str::<Event>(&row.body).unwrap()).collect();
        let told = told.into_iter().filter_map(|event| match event.kind {
            EventKind::RetentionFinished { total, retained, mut deleted, .. } => {
                deleted.sort();
                Some((total, retained, deleted))
            }
            _ => None,
        });
        let is = (3, 1, vec!["v0".to_owned(), "v1".to_owned()]);
        assert_eq!(told.collect::<Vec<_>>(), [is.clone(), is], "{before}");
    }

    fn all(&self) -> BTreeSet<(String, String)> {
        self.going.union(&self.kept).cloned().collect()
    }

    /// What was told of its artifacts that were deleted, and of its repositories that were done.
    async fn told(&self, stores: &Stores) -> (Vec<(String, String)>, Vec<String>) {
        let (mut deleted, mut done) = (Vec::new(), Vec::new());
        let mut after = 0;
        let prefix = format!("{}/", self.project);
        loop {
            let page = stores.metadata.read().await.unwrap().events(after, 1_000).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.id;
            for row in &page {
                match serde_json::from_str::<Event>(&row.body).unwrap().kind {
                    EventKind::ArtifactDeleted { repository, digest, .. }
                        if repository.starts_with(&prefix) =>
                    {
                        deleted.push((repository, digest.to_string()));
                    }
                    EventKind::RetentionFinished { repository, .. } if repository.starts_with(&prefix) => {
                        done.push(repository);
                    }
                    _ => {}
                }
            }
        }
        deleted.sort();
        done.sort();
        (deleted, done)
    }
}

/// A node ends in the midst of a run: ahead of its first transaction, of its second, and so on. Another one does the rest, and
/// all has happened once.
async fn cut_off_at_every_transaction(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let other = node(&stores, &clock);
    for before in 0.. {
        let policed = Policed::new(&other, &format!("p{before}"), 2, 2).await;
        let run = policed.run(&other).await;
        let held = Arc::new(HeldMetadata::new(Arc::clone(&stores.metadata), before));
        let ending =
            node_over(&stores, Arc::clone(&held) as _, &clock, |parts| parts.settings(settings(LONG)));
        let cut_off = tokio::select! {
            () = held.reached() => true,
            jobs = ending.run_due_jobs() => jobs.is_err(),
        };
        drop(ending);
        clock.advance(LONG * 2);
        let rest = other.run_due_jobs().await.unwrap();
        assert_eq!(rest > 0, cut_off, "{before}");
        let success = (ExecutionStatus::Success, vec![TaskStatus::Success; 3]);
        assert_eq!(status(&stores, run).await, success, "{before}");
        assert_eq!(policed.left(&stores).await, policed.kept, "{before}");
        policed.figures(&stores, run, before).await;
        let (deleted, done) = policed.told(&stores).await;
        assert!(deleted.iter().eq(&policed.going), "{before}: {deleted:?}");
        assert!(done.iter().eq(policed.kept.iter().map(|(repository, _)| repository)), "{before}: {done:?}");
        if !cut_off {
            // Three tasks are claimed and ended, one of them enqueues, and each of the others deletes twice and tells.
            assert!(before >= 13, "{before}");
            break;
        }
    }
    stores.close().await;
}

async fn stopped_before_it_finds_a_repository(back_end: BackEnd) {
    stopped_while_it_plans(back_end, 1, 0).await;
}

async fn stopped_while_it_finds_repositories(back_end: BackEnd) {
    stopped_while_it_plans(back_end, 2, AT_ONCE).await;
}

/// Stopped on another node, after so many transactions, when it has enqueued so many tasks.
async fn stopped_while_it_plans(back_end: BackEnd, before: usize, enqueued: usize) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let other = node(&stores, &clock);
    let policed = Policed::new(&other, "p", AT_ONCE + 1, 1).await;
    let run = policed.run(&other).await;
    let held = Arc::new(HeldMetadata::new(Arc::clone(&stores.metadata), before));
    // What ends it is its own transaction, and no beat that comes ahead of the look.
    let planning = node_over(&stores, Arc::clone(&held) as _, &clock, |parts| parts.settings(settings(LONG)));
    let working = tokio::spawn(async move { planning.run_due_jobs().await });
    held.reached().await;
    policed.stop(&other, run).await;
    assert_eq!(status(&stores, run).await.0, ExecutionStatus::Running, "its first task is");
    held.go_on();
    assert_eq!(working.await.unwrap().unwrap(), 1);
    clock.advance(Duration::from_secs(3600));
    assert_eq!(other.run_due_jobs().await.unwrap(), 0);
    let stopped = (ExecutionStatus::Stopped, vec![TaskStatus::Stopped; 1 + enqueued]);
    assert_eq!(status(&stores, run).await, stopped);
    assert_eq!(policed.left(&stores).await, policed.all());
    assert_eq!(policed.told(&stores).await, Default::default());
    stores.close().await;
}

/// Has no objection, but thinks about some artifact for as long as it is not told to go on.
#[derive(Debug)]
pub(crate) struct Thinks {
    before: usize,
    asked: AtomicUsize,
    pub(crate) reached: Semaphore,
    pub(crate) go_on: Semaphore,
}

/// The same, for a node and for who looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Thinking(pub(crate) Arc<Thinks>);

impl Thinking {
    /// After so many artifacts.
    pub(crate) fn after(before: usize) -> Self {
        let (asked, reached, go_on) = (AtomicUsize::new(0), Semaphore::new(0), Semaphore::new(0));
        Self(Arc::new(Thinks { before, asked, reached, go_on }))
    }
}

#[async_trait]
impl Policy for Thinking {
    fn name(&self) -> &str {
        "thinks"
    }

    async fn check(&self, _: &Actor, _: &RepositoryTarget, step: Step<'_>) -> Result<Verdict, StoreError> {
        if matches!(step, Step::ManifestDelete { .. })
            && self.0.asked.fetch_add(1, Ordering::SeqCst) == self.0.before
        {
            self.0.reached.add_permits(1);
            let _ = self.0.go_on.acquire().await;
        }
        Ok(Verdict::Allow)
    }
}

async fn stopped_while_it_deletes(back_end: BackEnd) {
    stopped_by(back_end, false).await;
}

async fn stopped_on_another_node_while_it_deletes(back_end: BackEnd) {
    stopped_by(back_end, true).await;
}

/// Two artifacts are deleted, the third is looked at, and another repository waits.
async fn stopped_by(back_end: BackEnd, another: bool) {
    let (stores, clock, thinking) = (back_end.open().await, Clock::System, Thinking::after(2));
    let other = node(&stores, &clock);
    let policed = Policed::new(&other, "p", 2, 5).await;
    let deleting =
        node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| parts.policy(thinking.clone()));
    let run = policed.run(&other).await;
    deleting.start().await.unwrap();
    let reached = tokio::time::timeout(Duration::from_secs(20), thinking.0.reached.acquire()).await;
    reached.unwrap().unwrap().forget();
    policed.stop(if another { &other } else { &deleting }, run).await;
    let begun = Instant::now();
    while status(&stores, run).await.0 == ExecutionStatus::Running {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not stopped");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    thinking.0.go_on.add_permits(1);
    // For as long as a lease lasts, and more.
    tokio::time::sleep(LEASE * 3 / 2).await;
    let ended = [TaskStatus::Success, TaskStatus::Stopped, TaskStatus::Stopped];
    assert_eq!(status(&stores, run).await, (ExecutionStatus::Stopped, ended.to_vec()));
    let (deleted, done) = policed.told(&stores).await;
    let first = deleted.iter().all(|(repository, _)| repository == "p/r000");
    assert!(first && deleted.len() == 2 && done.is_empty(), "{deleted:?} {done:?}");
    let mut left = policed.all();
    deleted.iter().for_each(|gone| assert!(policed.going.contains(gone) && left.remove(gone)));
    assert_eq!(policed.left(&stores).await, left);
    deleting.shutdown().await;
    stores.close().await;
}

/// It comes to be so while a run is at the second of five artifacts.
async fn nothing_is_deleted_once_the_registry_is_read_only(back_end: BackEnd) {
    let (stores, clock, thinking) = (back_end.open().await, Clock::manual(), Thinking::after(1));
    let other = node(&stores, &clock);
    let policed = Policed::new(&other, "p", 1, 5).await;
    let deleting =
        node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| parts.policy(thinking.clone()));
    let run = policed.run(&other).await;
    let read_only = async |flag: bool| {
        let proof = deleting.authorize::<SystemConfigurationUpdate>(&admin(), ()).await.unwrap();
        let values = BTreeMap::from([("read_only".to_owned(), json!(flag))]);
        deleting.configurations().update(proof, &values).await.unwrap();
    };
    let working = async {
        let reached = tokio::time::timeout(Duration::from_secs(20), thinking.0.reached.acquire()).await;
        reached.unwrap().unwrap().forget();
        read_only(true).await;
        thinking.0.go_on.add_permits(1);
    };
    let (done, ()) = tokio::join!(deleting.run_due_jobs(), working);
    assert_eq!(done.unwrap(), 2);
    assert_eq!(policed.told(&stores).await.0.len(), 1);
    read_only(false).await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(deleting.run_due_jobs().await.unwrap(), 1, "it is tried again");
    assert_eq!(status(&stores, run).await.0, ExecutionStatus::Success);
    assert_eq!(policed.left(&stores).await, policed.kept);
    stores.close().await;
}

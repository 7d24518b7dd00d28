//! Each kind of jobs that deletes, run twice: a node ends in the midst of it, ahead of its first transaction, of its second, and so
//! on, and another one runs it again. It comes to the same as if it had run once. (For retention that is in `retention`.) A collection
//! is stopped at the same places, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::permission::{
    AuditLogList, GarbageCollectionCreate, GarbageCollectionStop, ProjectCreate, PurgeAuditCreate,
    RepositoryPush, SystemConfigurationUpdate,
};
use harbor_core::blob::Location;
use harbor_core::content::{Incoming, ManifestPush};
use harbor_core::meta::{AuditId, ExecutionId, ExecutionStatus, TaskStatus};
use harbor_core::oci::{Algorithm, Digest, Reference};
use harbor_core::{Clock, CollectGarbage, Freed, Harbor, NewProject, PurgeAudit, Purged};
use harbor_tests::content::{self, DataSet, Piece};
use harbor_tests::faults::HeldMetadata;
use harbor_tests::{BackEnd, Stores, on_every_store};

use crate::node::{LONG, admin, node, node_over, settings, status};

on_every_store! {
    garbage_collection(stores);
    garbage_collection_that_is_stopped(stores);
    garbage_collection_that_a_shutdown_ends(stores);
    no_bytes_go_once_the_registry_is_read_only(stores);
    without_a_window_a_trial_tells_what_a_run_does(stores);
    purge_of_the_audit_log(stores);
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Two nodes over one store, of which one ends.
struct Nodes {
    stores: Stores,
    clock: Clock,
    stays: Harbor,
}

impl Nodes {
    async fn new(back_end: BackEnd) -> Self {
        let (stores, clock) = (back_end.open().await, Clock::manual());
        let stays = node(&stores, &clock);
        Self { stores, clock, stays }
    }

    /// Has a run cut off ahead of its transaction number `before`, and run again. Whether it was cut off.
    async fn cut_off(&self, before: usize, run: ExecutionId) -> bool {
        let held = Arc::new(HeldMetadata::new(Arc::clone(&self.stores.metadata), before));
        let ends = node_over(&self.stores, Arc::clone(&held) as _, &self.clock, |parts| {
            parts.settings(settings(LONG))
        });
        let cut_off = tokio::select! {
            () = held.reached() => true,
            jobs = ends.run_due_jobs() => {
                assert_eq!(jobs.unwrap(), 1, "{before}");
                false
            }
        };
        drop(ends);
        self.clock.advance(LONG * 2);
        assert_eq!(self.stays.run_due_jobs().await.unwrap(), u64::from(cut_off), "{before}");
        let success = (ExecutionStatus::Success, vec![TaskStatus::Success]);
        assert_eq!(status(&self.stores, run).await, success, "{before}");
        cut_off
    }

    /// Has a collection stopped ahead of its transaction number `before`, and then another one run. Whether it was stopped by then; and
    /// whether it ended while what it waited for did not come.
    async fn stop(&self, before: usize, run: ExecutionId) -> (bool, bool) {
        let held = Arc::new(HeldMetadata::new(Arc::clone(&self.stores.metadata), before));
        let stops = node_over(&self.stores, Arc::clone(&held) as _, &self.clock, |parts| {
            parts.settings(settings(LONG))
        });
        let mut running = tokio::spawn({
            let stops = stops.clone();
            async move { stops.run_due_jobs().await.unwrap() }
        });
        tokio::select! {
            () = held.reached() => {}
            jobs = &mut running => {
                assert_eq!(jobs.unwrap(), 1, "{before}");
                return (false, false);
            }
        }
        let proof = stops.authorize::<GarbageCollectionStop>(&admin(), ()).await.unwrap();
        stops.runs::<CollectGarbage>().stop(&proof, run).await.unwrap();
        let at_once = tokio::time::timeout(Duration::from_secs(5), &mut running).await.is_ok();
        if !at_once {
            held.go_on();
            running.await.unwrap();
        }
        match status(&self.stores, run).await.0 {
            ExecutionStatus::Stopped => (true, at_once),
            // All was done, but for saying so.
            ended => {
                assert_eq!(ended, ExecutionStatus::Success, "{before}");
                (false, false)
            }
        }
    }

    async fn project(&self, name: &str) {
        let proof = self.stays.authorize::<ProjectCreate>(&admin(), ()).await.unwrap();
        self.stays.projects().create(proof, NewProject::new(name.parse().unwrap())).await.unwrap();
    }

    async fn push_blob(&self, repository: &str, piece: &Piece) {
        let name = repository.parse().unwrap();
        let proof = self.stays.authorize::<RepositoryPush>(&admin(), &name).await.unwrap();
        let body = Incoming::whole(piece.bytes.clone());
        self.stays.content().blob_put(proof, &piece.digest, body).await.unwrap();
    }

    /// Pushes a manifest, by its digest alone or with that tag.
    async fn push(&self, repository: &str, set: &DataSet, tag: Option<&str>) {
        for piece in &set.blobs {
            self.push_blob(repository, piece).await;
        }
        let name = repository.parse().unwrap();
        let proof = self.stays.authorize::<RepositoryPush>(&admin(), &name).await.unwrap();
        let reference = match tag {
            Some(tag) => Reference::Tag(tag.parse().unwrap()),
            None => Reference::Digest(set.top().digest),
        };
        let payload = set.top().bytes.clone();
        let push = ManifestPush { reference, tags: Vec::new(), media_type: None, payload };
        self.stays.content().manifest_put(proof, push).await.unwrap();
    }

    /// Where the bytes of a blob are that a repository links to.
    async fn location(&self, repository: &str, digest: &Digest) -> Option<Location> {
        let mut rows = self.stores.metadata.read().await.unwrap();
        let repository = rows.repository(&repository.parse().unwrap()).await.unwrap().unwrap();
        rows.linked_blob(repository.id, digest).await.unwrap().map(|linked| linked.location)
    }

    async fn has_manifest(&self, repository: &str, digest: &Digest) -> bool {
        let mut rows = self.stores.metadata.read().await.unwrap();
        let repository = rows.repository(&repository.parse().unwrap()).await.unwrap().unwrap();
        rows.manifest(repository.id, digest).await.unwrap().is_some()
    }
}

/// What a collection has to do in a repository, and what it has to leave.
struct World {
    repository: String,
    kept: DataSet,
    untagged: DataSet,
    /// Blobs that belong to nothing, and where their bytes are.
    strays: Vec<(Piece, Location)>,
}

impl World {
    async fn make(nodes: &Nodes, repository: String) -> Self {
        let (kept, untagged) = (content::image(Algorithm::Sha256), content::image(Algorithm::Sha256));
        nodes.push(&repository, &kept, Some("kept")).await;
        nodes.push(&repository, &untagged, None).await;
        let mut strays = Vec::new();
        for stray in [Piece::blob(Algorithm::Sha256, 1_000), Piece::blob(Algorithm::Sha256, 2_000)] {
            nodes.push_blob(&repository, &stray).await;
            let place = nodes.location(&repository, &stray.digest).await.unwrap();
            strays.push((stray, place));
        }
        nodes.clock.advance(HOUR * 3);
        Self { repository, kept, untagged, strays }
    }

    async fn is_collected(&self, nodes: &Nodes) {
        let Self { repository, untagged, .. } = self;
        for (stray, place) in &self.strays {
            assert_eq!(nodes.location(repository, &stray.digest).await, None, "{repository}");
            assert!(nodes.stores.blobs.open(place, 0..1).await.is_err(), "{repository}: its bytes are there");
            // Nothing is left of it that stands in the way.
            nodes.push_blob(repository, stray).await;
            let place = nodes.location(repository, &stray.digest).await.unwrap();
            nodes.stores.blobs.open(&place, 0..1).await.unwrap();
        }
        assert!(!nodes.has_manifest(repository, &untagged.top().digest).await, "{repository}");
        self.kept_is_whole(nodes).await;
    }

    async fn kept_is_whole(&self, nodes: &Nodes) {
        let Self { repository, kept, .. } = self;
        assert!(nodes.has_manifest(repository, &kept.top().digest).await, "{repository}");
        for piece in &kept.blobs {
            let place = nodes.location(repository, &piece.digest).await.unwrap();
            nodes.stores.blobs.open(&place, 0..1).await.unwrap();
        }
    }
}

async fn collect(nodes: &Nodes) -> ExecutionId {
    collect_by(&nodes.stays, true, false).await
}

async fn collect_by(node: &Harbor, delete_untagged: bool, dry_run: bool) -> ExecutionId {
    let proof = node.authorize::<GarbageCollectionCreate>(&admin(), ()).await.unwrap();
    let job = CollectGarbage { delete_untagged, dry_run, ..CollectGarbage::default() };
    node.runs::<CollectGarbage>().run(&proof, &job).await.unwrap()
}

/// What the history says that a run freed.
async fn freed(nodes: &Nodes, run: ExecutionId) -> Freed {
    let execution = nodes.stores.metadata.read().await.unwrap().execution(run).await.unwrap().unwrap();
    serde_json::from_str(&execution.detail).unwrap()
}

/// The same of a run that was stopped, maybe before it freed anything.
async fn freed_by_now(nodes: &Nodes, run: ExecutionId) -> Freed {
    let execution = nodes.stores.metadata.read().await.unwrap().execution(run).await.unwrap().unwrap();
    serde_json::from_str(&execution.detail).unwrap_or_default()
}

/// What a run would free now.
async fn would_free(nodes: &Nodes) -> Freed {
    let trial = collect_by(&nodes.stays, true, true).await;
    assert_eq!(nodes.stays.run_due_jobs().await.unwrap(), 1);
    freed(nodes, trial).await
}

async fn garbage_collection(back_end: BackEnd) {
    let nodes = Nodes::new(back_end).await;
    nodes.project("p").await;
    for before in 0.. {
        let world = World::make(&nodes, format!("p/r{before}")).await;
        let would = would_free(&nodes).await;
        assert!((would.purged_manifests, would.purged_blobs >= 2) == (1, true), "{would:?}");
        let run = collect(&nodes).await;
        let cut_off = nodes.cut_off(before, run).await;
        assert_eq!(freed(&nodes, run).await, would, "{before}");
        world.is_collected(&nodes).await;
        if !cut_off {
            // Claimed, an artifact deleted, links and blobs, their bytes forgotten, ended.
            assert!(before >= 5, "{before}");
            break;
        }
    }
    nodes.stores.close().await;
}

async fn garbage_collection_that_is_stopped(back_end: BackEnd) {
    let nodes = Nodes::new(back_end).await;
    nodes.project("p").await;
    let mut at_once = 0;
    for before in 0.. {
        let world = World::make(&nodes, format!("p/r{before}")).await;
        let would = would_free(&nodes).await;
        let run = collect(&nodes).await;
        let (stopped, ended_at_once) = nodes.stop(before, run).await;
        world.kept_is_whole(&nodes).await;
        at_once += usize::from(ended_at_once);
        if !stopped {
            world.is_collected(&nodes).await;
            // All but what claims a job, stores its log, and ends it.
            assert!(before >= 5 && at_once + 3 >= before, "{at_once} of {before}");
            break;
        }
        // What it left undone is done by the next one.
        let next = collect(&nodes).await;
        assert_eq!(nodes.stays.run_due_jobs().await.unwrap(), 1, "{before}");
        let (one, other) = (freed_by_now(&nodes, run).await, freed(&nodes, next).await);
        let both = |of: fn(&Freed) -> u64| of(&one) + of(&other);
        assert_eq!(both(|freed| freed.purged_manifests), would.purged_manifests, "{before}");
        assert_eq!(both(|freed| freed.purged_blobs), would.purged_blobs, "{before}");
        assert_eq!(both(|freed| freed.freed_space), would.freed_space, "{before}");
        world.is_collected(&nodes).await;
    }
    nodes.stores.close().await;
}

/// It is no success then, unless all was done, and begins again.
async fn garbage_collection_that_a_shutdown_ends(back_end: BackEnd) {
    let nodes = Nodes::new(back_end).await;
    nodes.project("p").await;
    for before in 1..9 {
        let world = World::make(&nodes, format!("p/r{before}")).await;
        let held = Arc::new(HeldMetadata::new(Arc::clone(&nodes.stores.metadata), usize::MAX));
        let ends = node_over(&nodes.stores, Arc::clone(&held) as _, &nodes.clock, |parts| {
            parts.settings(settings(LONG))
        });
        ends.start().await.unwrap();
        held.hold_after(before);
        // Others begin transactions too, so this one may be the one that is held.
        let asked = tokio::spawn({
            let ends = ends.clone();
            async move { collect_by(&ends, true, false).await }
        });
        let _ = tokio::time::timeout(Duration::from_secs(2), held.reached()).await;
        let shutdown = tokio::spawn(async move { ends.shutdown().await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        held.go_on();
        asked.await.unwrap();
        shutdown.await.unwrap();
        world.kept_is_whole(&nodes).await;
        nodes.clock.advance(HOUR * 2);
        nodes.stays.run_due_jobs().await.unwrap();
        world.is_collected(&nodes).await;
    }
    nodes.stores.close().await;
}

/// It comes to be read-only while links are looked at: the bytes that are garbage by that stay.
async fn no_bytes_go_once_the_registry_is_read_only(back_end: BackEnd) {
    let nodes = Nodes::new(back_end).await;
    nodes.project("p").await;
    let world = World::make(&nodes, "p/app".to_owned()).await;
    let run = collect_by(&nodes.stays, false, false).await;
    // Ahead of the links, which come behind what claims the job.
    let held = Arc::new(HeldMetadata::new(Arc::clone(&nodes.stores.metadata), 1));
    let ends = node_over(&nodes.stores, Arc::clone(&held) as _, &nodes.clock, |parts| {
        parts.settings(settings(LONG))
    });
    let read_only = async |is: bool| {
        let proof = ends.authorize::<SystemConfigurationUpdate>(&admin(), ()).await.unwrap();
        let values = BTreeMap::from([("read_only".to_owned(), serde_json::json!(is))]);
        ends.configurations().update(proof, &values).await.unwrap();
    };
    let working = async {
        held.reached().await;
        read_only(true).await;
        held.go_on();
    };
    let (done, ()) = tokio::join!(ends.run_due_jobs(), working);
    assert_eq!(done.unwrap(), 1);
    assert_eq!(status(&nodes.stores, run).await.0, ExecutionStatus::Error);
    for (garbage, place) in &world.strays {
        assert_eq!(nodes.location("p/app", &garbage.digest).await, None, "links were looked at meanwhile");
        nodes.stores.blobs.open(place, 0..1).await.unwrap();
    }
    read_only(false).await;
    collect_by(&ends, true, false).await;
    assert_eq!(ends.run_due_jobs().await.unwrap(), 1);
    world.is_collected(&nodes).await;
    nodes.stores.close().await;
}

/// What it deletes is due at once then, by a clock that goes on, and is left to the next run all the same.
async fn without_a_window_a_trial_tells_what_a_run_does(back_end: BackEnd) {
    let stores = back_end.open().await;
    let stays = node_over(&stores, Arc::clone(&stores.metadata), &Clock::System, |parts| {
        let mut settings = settings(LONG);
        settings.gc_grace = Duration::ZERO;
        parts.settings(settings)
    });
    let nodes = Nodes { stores, clock: Clock::System, stays };
    nodes.project("p").await;
    for _ in 0..2 {
        nodes.push("p/app", &content::image(Algorithm::Sha256), None).await;
    }
    nodes.push_blob("p/app", &Piece::blob(Algorithm::Sha256, 5_000)).await;
    let freed = async |dry_run: bool| {
        let proof = nodes.stays.authorize::<GarbageCollectionCreate>(&admin(), ()).await.unwrap();
        let job = CollectGarbage { delete_untagged: true, dry_run, ..CollectGarbage::default() };
        let run = nodes.stays.runs::<CollectGarbage>().run(&proof, &job).await.unwrap();
        assert_eq!(nodes.stays.run_due_jobs().await.unwrap(), 1);
        let execution = nodes.stores.metadata.read().await.unwrap().execution(run).await.unwrap().unwrap();
        serde_json::from_str::<Freed>(&execution.detail).unwrap()
    };
    let (would, did) = (freed(true).await, freed(false).await);
    assert_eq!(would, did);
    assert!(did.purged_manifests > 1 && did.purged_blobs == 1, "{did:?}");
    let (would, did) = (freed(true).await, freed(false).await);
    assert_eq!(would, did);
    assert!(did.purged_manifests == 0 && did.purged_blobs > 1, "what they referred to: {did:?}");
    nodes.stores.close().await;
}

async fn purge_of_the_audit_log(back_end: BackEnd) {
    let nodes = Nodes::new(back_end).await;
    for before in 0.. {
        let (old, young) = (format!("old{before}"), format!("young{before}"));
        nodes.project(&old).await;
        nodes.clock.advance(HOUR * 3);
        nodes.project(&young).await;
        let proof = nodes.stays.authorize::<PurgeAuditCreate>(&admin(), ()).await.unwrap();
        let job = PurgeAudit {
            audit_retention_hour: 2,
            include_event_types: "create_project".to_owned(),
            dry_run: false,
        };
        let run = nodes.stays.runs::<PurgeAudit>().run(&proof, &job).await.unwrap();
        let cut_off = nodes.cut_off(before, run).await;
        let mut rows = nodes.stores.metadata.read().await.unwrap();
        let execution = rows.execution(run).await.unwrap().unwrap();
        let purged = serde_json::from_str::<Purged>(&execution.detail).unwrap();
        // Beside the old one, the young one of the time before.
        assert_eq!(purged.purged, if before == 0 { 1 } else { 2 }, "{before}");
        let lines = rows.audit_after(AuditId::new(0), 1_000).await.unwrap();
        drop(rows);
        let created: Vec<&str> = lines
            .iter()
            .map(|row| &row.line)
            .filter(|line| line.operation == "create" && line.resource_type == "project")
            .map(|line| line.resource.as_str())
            .collect();
        assert_eq!(created, [young.as_str()], "{before}");
        let proof = nodes.stays.authorize::<AuditLogList>(&admin(), ()).await.unwrap();
        let report = nodes.stays.audit().verify(&proof, &[]).await.unwrap();
        assert!(report.findings.is_empty(), "{before}: {:?}", report.findings);
        nodes.clock.advance(HOUR * 24);
        if !cut_off {
            // Claimed, sealed, purged, ended.
            assert!(before >= 3, "{before}");
            break;
        }
    }
    nodes.stores.close().await;
}

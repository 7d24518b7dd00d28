//! A trial tells what a run does then: garbage collection and retention, over content that is made at random. `HARBOR_TRIAL_SEED` makes
//! it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use harbor_core::meta::MetadataStore;
use harbor_core::oci::{Algorithm, Digest};
use harbor_tests::content::{DataSet, Maker, Piece};
use harbor_tests::{BackEnd, Client, TestRegistry, on_every_store};
use serde_json::{Value, json};

use crate::kinds::by_hand;

on_every_store! {
    trials_tell_what_runs_do(stores);
}

const API: &str = "/api/v2.0";
const GC: &str = "/api/v2.0/system/gc";

/// How many projects are made at random, and how many things are done in each.
const CASES: usize = 10;
const STEPS: usize = 24;

/// Numbers that follow from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What was pushed into a project, whatever became of it.
struct World {
    project: String,
    repositories: [String; 2],
    /// By repository.
    sets: [Vec<DataSet>; 2],
    blobs: BTreeMap<Digest, u64>,
    layers: Vec<Piece>,
}

/// What is there of it.
#[derive(Debug, PartialEq, Eq)]
struct There {
    manifests: BTreeMap<(usize, Digest), u64>,
    /// In any repository, of another project, too.
    blobs: BTreeSet<Digest>,
}

impl World {
    async fn make(registry: &TestRegistry, project: String, chance: &mut Chance) -> Self {
        registry.project(&project, false).await;
        let layers = (0..6).map(|number| Piece::blob(Algorithm::Sha256, 300 + number)).collect();
        let repositories = [format!("{project}/a"), format!("{project}/b")];
        let mut world =
            Self { project, repositories, sets: Default::default(), blobs: BTreeMap::new(), layers };
        let admin = registry.admin();
        for step in 0..STEPS {
            world.step(&admin, step, chance).await;
            registry.clock.advance(Duration::from_secs(60 * chance.below(25) as u64 + 1));
        }
        world.immutable(&admin).await;
        for number in 0..STEPS {
            // A manifest that a tag named may so be named by none.
            if chance.below(4) == 0 {
                let repository = &world.repositories[chance.below(2)];
                let _ = admin.delete(&format!("/v2/{repository}/manifests/v{number}")).await;
            }
        }
        world
    }

    async fn step(&mut self, admin: &Client, step: usize, chance: &mut Chance) {
        let place = chance.below(2);
        let earlier = &self.sets[place];
        let set = match chance.below(10) {
            0 => {
                let stray = Piece::blob(Algorithm::Sha256, 500 + step);
                admin.push_blob(&self.repositories[place], &stray).await;
                self.blobs.insert(stray.digest, stray.bytes.len() as u64);
                return;
            }
            // An index of images, referrers and other indexes.
            1..=3 if !earlier.is_empty() => {
                let listed: BTreeSet<usize> =
                    (0..=chance.below(3)).map(|_| chance.below(earlier.len())).collect();
                let index = Maker::index(Algorithm::Sha256).annotation("step", &step.to_string());
                listed.into_iter().fold(index, |index, one| index.entry(&earlier[one])).done()
            }
            4 | 5 if !earlier.is_empty() => {
                let subject = chance.of(earlier).top().clone();
                Maker::artifact(Algorithm::Sha256, "application/example").subject(&subject).done()
            }
            _ => {
                let image = Maker::image(Algorithm::Sha256);
                (0..chance.below(4))
                    .fold(image, |image, _| image.layer(chance.of(&self.layers).clone()))
                    .done()
            }
        };
        let tag = match chance.below(8) {
            0..=2 => None,
            3 | 4 => Some(format!("v{step}")),
            // It moves.
            5 | 6 => Some(format!("t{}", chance.below(3))),
            _ => Some(format!("fix{step}")),
        };
        // What it is made of is there, or was deleted with its tag.
        admin.push(&self.repositories[place], tag.as_deref(), &set).await;
        self.blobs.extend(set.blobs.iter().map(|blob| (blob.digest, blob.bytes.len() as u64)));
        self.sets[place].push(set);
    }

    async fn immutable(&self, admin: &Client) {
        let any = |decoration: &str, pattern: &str| json!([{ "kind": "doublestar", "decoration": decoration, "pattern": pattern }]);
        let rule = json!({
            "action": "immutable", "template": "immutable_template",
            "tag_selectors": any("matches", "fix*"),
            "scope_selectors": { "repository": any("repoMatches", "**") },
        });
        let rules = format!("{API}/projects/{}/immutabletagrules", self.project);
        admin.post(&rules).json(&rule).await.expect_status(201);
    }

    async fn there(&self, rows: &Arc<dyn MetadataStore>) -> There {
        let mut rows = rows.read().await.unwrap();
        let mut there = There { manifests: BTreeMap::new(), blobs: BTreeSet::new() };
        for (place, name) in self.repositories.iter().enumerate() {
            let Some(repository) = rows.repository(&name.parse().unwrap()).await.unwrap() else { continue };
            for piece in self.sets[place].iter().flat_map(|set| &set.manifests) {
                if rows.manifest(repository.id, &piece.digest).await.unwrap().is_some() {
                    there.manifests.insert((place, piece.digest), piece.bytes.len() as u64);
                }
            }
        }
        for digest in self.blobs.keys() {
            if !rows.blob_repositories(digest, 1).await.unwrap().is_empty() {
                there.blobs.insert(*digest);
            }
        }
        there
    }

    /// A rule of retention about tags.
    fn rule(template: &str, number: usize, tags: &str, untagged: bool) -> Value {
        json!({
            "action": "retain", "template": template, "params": { template: number },
            "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": tags,
                "extras": json!({ "untagged": untagged }).to_string() }],
            "scope_selectors": {
                "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }],
            },
        })
    }

    /// Makes a policy at random; yields its address.
    async fn policy(&self, admin: &Client, chance: &mut Chance) -> String {
        let project = admin.get(&format!("{API}/projects/{}", self.project)).await.expect_status(200).json();
        let patterns = ["v*", "t*", "{t*,fix*}", "**", "none"];
        let mut rules =
            vec![Self::rule("always", 0, chance.of::<&str>(&["t0", "v1*", "none"]), chance.below(3) == 0)];
        for number in 1..=chance.below(3) {
            let untagged = chance.below(3) == 0;
            rules.push(Self::rule("latestPushedK", number, chance.of::<&str>(&patterns), untagged));
        }
        let policy = json!({
            "algorithm": "or", "rules": rules,
            "by": chance.of(&["artifact", "tag"]),
            "trigger": { "kind": "Schedule", "settings": { "cron": "" } },
            "scope": { "level": "project", "ref": project["project_id"] },
        });
        admin
            .post(&format!("{API}/retentions"))
            .json(&policy)
            .await
            .expect_status(201)
            .need("Location")
            .to_owned()
    }
}

/// What a log says, without its times and whether it was only tried.
fn told(log: &[u8]) -> Vec<String> {
    let lines = std::str::from_utf8(log).unwrap().lines();
    let lines = lines.map(|line| line.split_once(' ').unwrap().1.replace("would be ", ""));
    lines.filter(|line| !line.contains("dry_run=")).collect()
}

/// A run of garbage collection: its figures, and what it told.
async fn collect(registry: &TestRegistry, dry_run: bool) -> ((u64, u64, u64), Vec<String>) {
    let admin = registry.admin();
    let parameters = json!({ "delete_untagged": true, "dry_run": dry_run, "workers": 2 });
    let body = json!({ "schedule": { "type": "Manual" }, "parameters": parameters });
    let made = admin.post(&format!("{GC}/schedule")).json(&body).await.expect_status(201);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    let run = admin.get(made.need("Location")).await.expect_status(200).json();
    assert_eq!(run["job_status"], "Success", "{run}");
    let came: Value = serde_json::from_str(run["job_parameters"].as_str().unwrap()).unwrap();
    let number = |name: &str| came[name].as_u64().unwrap();
    let log = admin.get(&format!("{GC}/{}/log", run["id"])).await.expect_status(200);
    ((number("purged_manifests"), number("purged_blobs"), number("freed_space")), told(&log.body))
}

/// A run of retention: of each repository its figures, and what it told.
async fn retain(registry: &TestRegistry, policy: &str, dry_run: bool) -> Vec<(usize, u64, u64, Vec<String>)> {
    let admin = registry.admin();
    let runs = format!("{policy}/executions");
    let made = admin.post(&runs).json(&json!({ "dry_run": dry_run })).await.expect_status(201);
    registry.harbor.run_due_jobs().await.unwrap();
    let tasks = admin.get(&format!("{}/tasks", made.need("Location"))).await.expect_status(200).json();
    let mut tasks = tasks.as_array().unwrap().clone();
    tasks.sort_by_key(|task| task["repository"].as_str().unwrap().to_owned());
    let mut came = Vec::new();
    for task in tasks {
        assert_eq!(task["status"], "Success", "{task}");
        let log = format!("{}/tasks/{}", made.need("Location"), task["id"]);
        let log = admin.get(&log).await.expect_status(200);
        let place = usize::from(task["repository"] == "b");
        came.push((
            place,
            task["total"].as_u64().unwrap(),
            task["retained"].as_u64().unwrap(),
            told(&log.body),
        ));
    }
    came
}

async fn trials_tell_what_runs_do(back_end: BackEnd) {
    let seed = std::env::var("HARBOR_TRIAL_SEED").map(|seed| seed.parse::<u64>().unwrap());
    let seed = seed.unwrap_or_else(|_| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64);
    println!("HARBOR_TRIAL_SEED={seed}");
    let (mut chance, slot) = (Chance(seed | 1), Arc::new(OnceLock::new()));
    let keep = Arc::clone(&slot);
    let builder = TestRegistry::builder(back_end).patient_with_logins().wrap_metadata(move |store| {
        assert!(keep.set(Arc::clone(&store)).is_ok());
        store
    });
    let registry = by_hand(builder).start().await;
    let rows = Arc::clone(slot.get().unwrap());
    let (mut purged, mut retained) = ((0, 0, 0), 0);
    for case in 0..CASES {
        let world = World::make(&registry, format!("p{case}"), &mut chance).await;
        if chance.below(2) == 0 {
            retained += retention_does_what_it_told(&registry, &world, &rows, &mut chance).await;
        }
        // What was pushed last is younger than the window, or is not.
        for hours in [1, 1, 3] {
            registry.clock.advance(Duration::from_secs(3_600 * hours));
            let figures = collection_does_what_it_told(&registry, &world, &rows).await;
            purged = (purged.0 + figures.0, purged.1 + figures.1, purged.2 + figures.2);
        }
        retained += retention_does_what_it_told(&registry, &world, &rows, &mut chance).await;
        // Nothing is left for the next one.
        registry.clock.advance(Duration::from_secs(3_600 * 6));
        collect(&registry, false).await;
        registry.clock.advance(Duration::from_secs(3_600 * 6));
        collect(&registry, false).await;
    }
    assert!(purged.0 > 4 && purged.1 > 4 && retained > 4, "{purged:?} {retained}: hardly anything happened");
    drop((rows, slot));
    registry.close().await;
}

/// Collects, and yields the figures.
async fn collection_does_what_it_told(
    registry: &TestRegistry,
    world: &World,
    rows: &Arc<dyn MetadataStore>,
) -> (u64, u64, u64) {
    let before = world.there(rows).await;
    let (would, trial) = collect(registry, true).await;
    assert_eq!(world.there(rows).await, before, "a trial changes nothing");
    let (did, run) = collect(registry, false).await;
    assert_eq!((would, &trial), (did, &run));
    let after = world.there(rows).await;
    assert!(after.manifests.keys().all(|left| before.manifests.contains_key(left)));
    let manifests: Vec<u64> = before
        .manifests
        .iter()
        .filter(|(key, _)| !after.manifests.contains_key(key))
        .map(|(_, size)| *size)
        .collect();
    let blobs: Vec<u64> = before.blobs.difference(&after.blobs).map(|digest| world.blobs[digest]).collect();
    let bytes = manifests.iter().sum::<u64>() + blobs.iter().sum::<u64>();
    assert_eq!(did, (manifests.len() as u64, blobs.len() as u64, bytes), "{run:?}");
    did
}

/// Runs a policy that is made for it, and yields how much went.
async fn retention_does_what_it_told(
    registry: &TestRegistry,
    world: &World,
    rows: &Arc<dyn MetadataStore>,
    chance: &mut Chance,
) -> u64 {
    let admin = registry.admin();
    let policy = world.policy(&admin, chance).await;
    let before = world.there(rows).await;
    let trial = retain(registry, &policy, true).await;
    assert_eq!(world.there(rows).await, before, "a trial changes nothing");
    let run = retain(registry, &policy, false).await;
    assert_eq!(trial, run);
    let after = world.there(rows).await;
    let mut gone = 0;
    for (place, total, retained, log) in &run {
        gone += total - retained;
        for line in log.iter().filter(|line| line.contains("): DELETE") || line.contains("): RETAIN")) {
            let digest: Digest = line.split_once(' ').unwrap().0.parse().unwrap();
            let left = after.manifests.contains_key(&(*place, digest));
            assert_eq!(left, line.contains("): RETAIN"), "{line}");
        }
    }
    admin.delete(&policy).await.expect_status(200);
    gone
}

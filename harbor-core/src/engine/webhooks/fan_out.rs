//! From events to deliveries.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Delivery, HookJob, SINK, SlackJob};
use crate::Result;
use crate::engine::gate::{Write, contended};
use crate::engine::jobs::Enqueue;
use crate::engine::outbox::Delivered;
use crate::engine::{ConfigKey, Harbor};
use crate::event::{Event, EventKind};
use crate::job::Job;
use crate::meta::{EventRow, ExecutionId, ProjectId, Reads, Trigger, WebhookPolicy};
use crate::oci::RepositoryName;
use crate::webhook::{Around, EventType, Notice, Target, TargetKind};

/// How many events are read at a time, and how far the stored place may be behind while nobody wants anything.
const BATCH: u32 = 100;

/// How many deliveries are enqueued in one transaction, but for those of its last event.
const DELIVERIES: usize = 50;

/// How often events are read ahead of a change of a policy: whoever makes it waits for that.
const BEFORE: usize = 32;

/// What is wanted of some events: each with the policies that want it.
struct Plan<'a> {
    wanted: Vec<(Event, Vec<&'a WebhookPolicy>)>,
    /// The number of the last event that was looked at.
    last: i64,
}

impl Harbor {
    /// Enqueues the deliveries of the next events.
    pub(in crate::engine) async fn fan_out(&self) -> Result<Delivered> {
        let mut rows = self.read().await?;
        // Where there never was a policy, that is all that is asked.
        let Some(place) = rows.event_cursor(SINK).await? else { return Ok(Delivered::All) };
        let seen = &self.inner.hooks.number;
        let before = place.max(seen.load(Ordering::Acquire));
        let events: Vec<_> = self.settled(before, rows.events(before, BATCH).await?).collect();
        if events.is_empty() {
            return Ok(Delivered::All);
        }
        let events: Vec<_> = events.iter().map(|row| (row.id, read(row))).collect();
        let happened = events.iter().filter_map(|(_, event)| event.as_ref()?.project_id).map(ProjectId::new);
        let projects: BTreeSet<ProjectId> = happened.collect();
        // Behind the events: a policy that was there before one of them is among these.
        let mut policies = rows.webhooks_telling(&projects.into_iter().collect::<Vec<_>>()).await?;
        drop(rows);
        let on = self.configuration().await?.flag(ConfigKey::NotificationEnable);
        if !on {
            policies.clear();
        }
        let plan = planned(events, &policies, before);
        // What nobody wants costs no transaction, unless it must be remembered that nobody was told of it.
        let near = plan.last.saturating_sub(place) < i64::from(BATCH);
        if (plan.wanted.is_empty() && on && near) || contended!(self.enqueue_deliveries(place, &plan))? {
            seen.fetch_max(plan.last, Ordering::AcqRel);
        }
        Ok(Delivered::More)
    }

    /// Enqueues what waits to be, ahead of a change of a policy: this node may be behind another, and what happened before the change
    /// is for those alone who wanted it then. Of much that waits the rest is told by the policy as it comes to be.
    pub(super) async fn fan_out_before(&self) -> Result<()> {
        if !cfg!(feature = "egress") {
            return Ok(());
        }
        for _ in 0..BEFORE {
            if !matches!(self.fan_out().await?, Delivered::More) {
                break;
            }
        }
        Ok(())
    }

    /// Up to which event everybody is told who wants to be; nothing where there never was a policy, or nobody enqueues here.
    pub(in crate::engine) async fn fanned_out(&self, rows: &mut dyn Reads) -> Result<Option<i64>> {
        if !cfg!(feature = "egress") {
            return Ok(None);
        }
        let place = rows.event_cursor(SINK).await?;
        Ok(place.map(|place| place.max(self.inner.hooks.number.load(Ordering::Acquire))))
    }

    /// Enqueues deliveries and moves the place. False when another node has moved it meanwhile.
    async fn enqueue_deliveries(&self, place: i64, plan: &Plan<'_>) -> Result<bool> {
        let mut write = self.write_as_system().await?;
        // Ahead of the place, as whoever changes a policy does. One that is gone by now must not get executions that nobody deletes.
        let wanting = plan.wanted.iter().flat_map(|(_, policies)| policies).map(|policy| policy.id);
        let mut there = BTreeSet::new();
        for id in wanting.collect::<BTreeSet<_>>() {
            there.extend(write.rows().webhook_lock(id).await?.map(|policy| policy.id));
        }
        if write.rows().event_cursor_lock(SINK).await? != Some(place) {
            return Ok(false);
        }
        let mut triggered = BTreeSet::new();
        for (event, policies) in &plan.wanted {
            let around = around(&mut write, event).await?;
            let Some(notice) = Notice::new(event, &around) else { continue };
            for policy in policies.iter().filter(|policy| there.contains(&policy.id)) {
                for target in &policy.webhook.targets {
                    deliver(&mut write, policy, target, &notice).await?;
                }
                triggered.insert((policy.id, notice.event_type.as_str()));
            }
        }
        let now = write.now();
        for (policy, event_type) in triggered {
            write.rows().webhook_trigger_put(policy, event_type, now).await?;
        }
        write.rows().event_cursor_put(SINK, plan.last).await?;
        write.commit().await.map(|()| true)
    }
}

fn read(row: &EventRow) -> Option<Event> {
    let event = serde_json::from_str::<Event>(&row.body).inspect_err(
        |error| tracing::error!(event = row.id, %error, "an event does not read and nobody was told of it"),
    );
    event.ok().map(|event| Event { id: row.id, ..event })
}

fn planned(events: Vec<(i64, Option<Event>)>, policies: &[WebhookPolicy], before: i64) -> Plan<'_> {
    let mut plan = Plan { wanted: Vec::new(), last: before };
    let mut deliveries = 0;
    for (id, event) in events {
        plan.last = id;
        let Some(event) = event else { continue };
        let wants: Vec<_> = policies.iter().filter(|policy| wants(policy, &event)).collect();
        deliveries += wants.iter().map(|policy| policy.webhook.targets.len()).sum::<usize>();
        if !wants.is_empty() {
            plan.wanted.push((event, wants));
        }
        if deliveries >= DELIVERIES {
            break;
        }
    }
    plan
}

fn wants(policy: &WebhookPolicy, event: &Event) -> bool {
    let of = policy.project.is_none_or(|project| event.project_id == Some(project.get()));
    let kind = EventType::of(&event.kind).is_some_and(|kind| policy.webhook.wants(kind));
    of && kind && event.at >= policy.created_at.micros()
}

/// What is told with an event and is not in it.
async fn around(write: &mut Write<'_>, event: &Event) -> Result<Around> {
    let external = write.harbor().settings().external_url.clone().unwrap_or_default();
    let host = external.split_once("://").map_or(external.as_str(), |(_, host)| host);
    let mut around = Around { host: host.trim_end_matches('/').to_owned(), ..Around::default() };
    let rows = write.rows();
    if let Some(project) = event.project_id {
        let project = rows.project_of(ProjectId::new(project)).await?;
        around.project = project.map(|project| (project.name.to_string(), project.public));
    }
    if let Some(name) = event.kind.repository().and_then(|name| name.parse::<RepositoryName>().ok()) {
        let entry = match rows.repository(&name).await? {
            Some(repository) => rows.repository_entry(repository.id).await?,
            None => None,
        };
        around.repository_created = entry.map(|entry| entry.created_at.micros().div_euclid(1_000_000));
    }
    if let EventKind::RetentionFinished { execution_id, .. } = &event.kind {
        let execution = rows.execution(ExecutionId::new(*execution_id)).await?;
        around.trigger = execution.map(|execution| execution.trigger.as_str().to_owned());
    }
    Ok(around)
}

/// What the deliveries to a target of a policy have in common: they go one behind the other.
pub(super) fn key(policy: i64, target: u32) -> String {
    format!("webhook/{policy}/{target}")
}

/// Enqueues one delivery.
async fn deliver(
    write: &mut Write<'_>,
    policy: &WebhookPolicy,
    target: &Target,
    notice: &Notice<'_>,
) -> Result<()> {
    let id = Uuid::new_v4().to_string();
    let project = policy.project.map(ProjectId::get);
    let delivery = Delivery {
        policy: policy.id.get(),
        target: target.id,
        event_type: notice.event_type.as_str().to_owned(),
        body: notice.body(target, policy.id.get(), project, &id)?,
        delivery: id,
    };
    match target.kind {
        TargetKind::Http => enqueue(write, &delivery.clone(), &HookJob(delivery)).await,
        TargetKind::Slack => enqueue(write, &delivery.clone(), &SlackJob(delivery)).await,
    }
}

async fn enqueue<J: Job>(write: &mut Write<'_>, delivery: &Delivery, job: &J) -> Result<()> {
    // As Harbor's have it, and as the old list of jobs shows it.
    let detail = Map::from_iter([
        ("event_type".to_owned(), Value::from(delivery.event_type.clone())),
        ("payload".to_owned(), Value::from(delivery.body.clone())),
    ]);
    let execution = write.execution(J::KIND, delivery.policy, Trigger::Event, detail).await?;
    let enqueue = Enqueue::new(job)
        .key(key(delivery.policy, delivery.target))
        .detail("event_type", delivery.event_type.clone())
        .detail("delivery", delivery.delivery.clone());
    write.enqueue(execution, enqueue).await.map(|_| ())
}

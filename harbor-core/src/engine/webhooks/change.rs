//! Making, changing and deleting policies of webhooks.

use std::sync::atomic::Ordering;

use super::{SINK, WebhookCreate, WebhookDelete, WebhookUpdate, Webhooks, not_found, scope};
use crate::access::{Action, InProject, InSystem};
use crate::egress::Allowed;
use crate::engine::Harbor;
use crate::engine::gate::{Write, contended};
use crate::engine::proof::EitherProof;
use crate::event::{Change, EventKind, Policy};
use crate::meta::{ProjectId, WebhookId, WebhookKey, WebhookPolicy};
use crate::query::{LARGEST_PAGE, Order, Query, Test, Value};
use crate::webhook::Webhook;
use crate::{Error, Result};

/// How many characters a name may have.
const LONGEST_NAME: usize = 191;

/// How long a description may be, in bytes.
const LONGEST: usize = 4096;

/// How many policies a project, or the registry, may have: each event is compared with all.
const POLICIES: u64 = 100;

/// How many targets all of those may have together: each has a turn of its own, which another one's has to wait for.
const TARGETS: usize = 100;

/// How many executions are deleted in one transaction.
const EXECUTIONS: u32 = 8;

/// A policy about to be made, or what one shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewWebhook {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether anybody is told.
    pub enabled: bool,
    /// What it says. Where a secret is the mask ([`MASK`](crate::webhook::MASK)), the one stays that there was of that address.
    pub webhook: Webhook,
}

impl NewWebhook {
    fn check(&self, allowed: &Allowed) -> Result<()> {
        let wrong = match () {
            () if self.name.trim().is_empty() => "a webhook policy has a name".to_owned(),
            () if self.name.chars().count() > LONGEST_NAME => {
                format!("the name of a webhook policy has at most {LONGEST_NAME} characters")
            }
            () if self.description.len() > LONGEST => {
                format!("the description of a webhook policy has at most {LONGEST} bytes")
            }
            () if self.name.contains('\0') || self.description.contains('\0') => {
                "a webhook policy has no NUL".to_owned()
            }
            () => {
                self.webhook.check()?;
                return self.webhook.targets.iter().try_for_each(|target| allowed.check(&target.address));
            }
        };
        Err(Error::BadRequest(wrong))
    }
}

impl Webhooks<'_> {
    fn check(&self, new: &NewWebhook) -> Result<()> {
        new.check(&Allowed::new(self.harbor.settings().egress_allow.clone()))
    }

    /// Makes a policy.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for one that is none, or one too many; [`Error::Conflict`] when one has the name there.
    pub async fn create(&self, proof: WebhookCreate, new: &NewWebhook) -> Result<WebhookId> {
        self.check(new)?;
        contended!(self.try_create(&proof, new))
    }

    async fn try_create(&self, proof: &WebhookCreate, new: &NewWebhook) -> Result<WebhookId> {
        let mut write = proof.write(self.harbor).await?;
        let (now, project) = (write.now(), proof.project());
        if let Some(project) = project {
            // It stays until the policy is there.
            write.rows().project_lock(project).await?.ok_or(Error::NameUnknown)?;
        }
        check_free(&mut write, project, None, new).await?;
        let mut webhook = new.webhook.clone();
        webhook.keep_secrets_of(&Webhook::default())?;
        let policy = WebhookPolicy {
            id: WebhookId::new(0),
            project,
            name: new.name.clone(),
            description: new.description.clone(),
            enabled: new.enabled,
            creator: creator(proof),
            webhook,
            created_at: now,
            updated_at: now,
        };
        let id = write.rows().webhook_insert(&policy).await?;
        changed(write, id, Change::Created).await?;
        Ok(id)
    }

    /// Changes what a policy says.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadRequest`]; [`Error::Conflict`] when another has the name there.
    pub async fn update(&self, proof: WebhookUpdate, id: WebhookId, new: &NewWebhook) -> Result<()> {
        // Ahead of what is wrong with it: whose policy it is.
        self.one(&proof, id).await?;
        self.check(new)?;
        self.harbor.fan_out_before().await?;
        contended!(self.try_update(&proof, id, new))
    }

    async fn try_update(&self, proof: &WebhookUpdate, id: WebhookId, new: &NewWebhook) -> Result<()> {
        let mut write = proof.write(self.harbor).await?;
        if let Some(project) = proof.project() {
            // No other policy gets targets while these are counted.
            write.rows().project_lock(project).await?.ok_or(Error::NameUnknown)?;
        }
        let policy = locked(&mut write, proof, id).await?;
        check_free(&mut write, proof.project(), Some(id), new).await?;
        let NewWebhook { name, description, enabled, mut webhook } = new.clone();
        webhook.keep_secrets_of(&policy.webhook)?;
        let updated_at = write.now();
        let policy = WebhookPolicy { name, description, enabled, webhook, updated_at, ..policy };
        write.rows().webhook_save(&policy).await?;
        changed(write, id, Change::Updated).await
    }

    /// Deletes a policy with its executions. What has not gone out does not.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn delete(&self, proof: WebhookDelete, id: WebhookId) -> Result<()> {
        self.one(&proof, id).await?;
        self.harbor.clear_webhook(id).await?;
        contended!(async {
            let mut write = proof.write(self.harbor).await?;
            locked(&mut write, &proof, id).await?;
            while forget_executions(&mut write, id).await? > 0 {}
            write.rows().webhook_delete(id).await?;
            changed(write, id, Change::Deleted).await
        })
    }
}

/// The policy as it is now, locked, when it is one that the proof is for.
async fn locked<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
    write: &mut Write<'_>,
    proof: &EitherProof<S, P>,
    id: WebhookId,
) -> Result<WebhookPolicy> {
    let policy = write.rows().webhook_lock(id).await?;
    policy.filter(|policy| policy.project == proof.project()).ok_or_else(not_found)
}

/// Refuses the name of another policy, and one policy or target too many. Of two that come at once, one is tried again, and then finds the
/// other.
async fn check_free(
    write: &mut Write<'_>,
    project: Option<ProjectId>,
    own: Option<WebhookId>,
    new: &NewWebhook,
) -> Result<()> {
    let all = write.rows().webhooks(project, &Query::default().page(1, LARGEST_PAGE)).await?;
    if own.is_none() && all.total >= POLICIES {
        let why = format!("there are {POLICIES} webhook policies here already: delete one first");
        return Err(Error::BadRequest(why));
    }
    check_targets(&all.entries, own, new)?;
    let name = &new.name;
    let named = Query::default().filter(WebhookKey::Name, Test::Is(Value::Text(name.clone())));
    let there = write.rows().webhooks(project, &named).await?;
    match there.entries.iter().any(|other| Some(other.id) != own) {
        true => Err(Error::Conflict(format!("notification policy named {name:?}"))),
        false => Ok(()),
    }
}

/// Refuses targets with which there would be too many, unless the policy had as many: there may be more from before there was a bound.
fn check_targets(all: &[WebhookPolicy], own: Option<WebhookId>, new: &NewWebhook) -> Result<()> {
    let of = |is_own: bool| {
        let some = all.iter().filter(|policy| (Some(policy.id) == own) == is_own);
        some.map(|policy| policy.webhook.targets.len()).sum::<usize>()
    };
    let targets = new.webhook.targets.len();
    match targets > of(true) && targets + of(false) > TARGETS {
        true => Err(Error::BadRequest(format!(
            "the webhook policies here have at most {TARGETS} targets together: delete some first"
        ))),
        false => Ok(()),
    }
}

fn creator(proof: &WebhookCreate) -> String {
    let actor = match proof {
        EitherProof::System(proof) => proof.actor(),
        EitherProof::Project(proof) => proof.actor(),
    };
    actor.name().to_owned()
}

/// Tells of a change, and commits it. What happened before it is nobody's to hear that did not want it then.
async fn changed(mut write: Write<'_>, id: WebhookId, change: Change) -> Result<()> {
    let place = match write.rows().event_cursor(SINK).await? {
        Some(_) => write.harbor().inner.hooks.number.load(Ordering::Acquire),
        None => write.rows().event_last().await?.unwrap_or(0),
    };
    write.rows().event_cursor_put(SINK, place).await?;
    write.audit(format!("webhook policy {}", id.get())).await?;
    write.event(EventKind::PolicyChanged { policy: Policy::Webhook, policy_id: id.get(), change });
    let harbor = write.harbor();
    write.commit().await?;
    if let Err(error) = harbor.look_who_wants_pulls().await {
        // The change is made; who pulls now is told of to nobody new.
        tracing::warn!(%error, "it was not found out who wants to be told of pulls");
    }
    Ok(())
}

/// Deletes some executions of a policy; yields how many.
async fn forget_executions(write: &mut Write<'_>, id: WebhookId) -> Result<usize> {
    let some = write.rows().executions(&scope(id), &Query::default().page(1, EXECUTIONS)).await?.entries;
    for execution in &some {
        // Whoever is at its task finds that it is nobody's any more, and ends.
        write.rows().execution_delete(execution.id).await?;
    }
    Ok(some.len())
}

impl Write<'_> {
    /// Deletes what is left of the executions of the policies of a project that goes. They are locked, in the order of their keys as
    /// whoever makes executions locks them: nobody makes new ones.
    pub(in crate::engine) async fn forget_webhooks_of(&mut self, project: ProjectId) -> Result<()> {
        let query = Query::default().sort(WebhookKey::Id, Order::Ascending).page(1, LARGEST_PAGE);
        for policy in self.rows().webhooks(Some(project), &query).await?.entries {
            self.rows().webhook_lock(policy.id).await?;
            while forget_executions(self, policy.id).await? > 0 {}
        }
        Ok(())
    }
}

impl Harbor {
    /// Deletes most of the executions of a policy that is about to be deleted, a few at a time.
    async fn clear_webhook(&self, id: WebhookId) -> Result<()> {
        loop {
            let some = contended!(async {
                let mut write = self.write_as_system().await?;
                let some = forget_executions(&mut write, id).await?;
                write.commit().await.map(|()| some)
            })?;
            if some == 0 {
                return Ok(());
            }
        }
    }

    /// Deletes most of the executions of the policies of a project that is about to be deleted.
    pub(in crate::engine) async fn clear_webhooks_of(&self, project: ProjectId) -> Result<()> {
        let query = Query::default().page(1, LARGEST_PAGE);
        let policies = self.read().await?.webhooks(Some(project), &query).await?.entries;
        for policy in policies {
            self.clear_webhook(policy.id).await?;
        }
        Ok(())
    }
}

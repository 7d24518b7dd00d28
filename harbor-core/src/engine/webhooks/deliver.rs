//! Deliveries as they go out.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use uuid::Uuid;

use super::{Delivery, HookJob, SlackJob, WebhookUpdate, Webhooks};
use crate::egress::{EgressError, Outgoing, Reply};
use crate::engine::Harbor;
use crate::event::{Event, EventKind};
use crate::job::{Done, Running};
use crate::meta::{ProjectId, WebhookId};
use crate::oci::{Algorithm, Digest};
use crate::webhook::{Around, EventType, Format, Notice, Target, TargetKind, sign};
use crate::{Error, Result};

/// How old a delivery may be and be tried again. One that is older is tried once, however long it had no turn: what waited in a queue that
/// was paused goes out, and what stands behind a target that never answers has an end, for each costs it one timeout.
const OLDEST: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// How much of an answer is read, in bytes: more than is shown, so that no secret is cut in two before it is looked for.
const READ: usize = 8 * 1024;

/// How much of an answer is shown, in characters.
const SHOWN: usize = 512;

/// A shorter piece of a secret is a word, as `Basic` is.
const WORD: usize = 8;

/// What came of a sample that was sent to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The target.
    pub target: Target,
    /// The status of its answer, if one came.
    pub status: Option<u16>,
    /// Why none came; for people.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl HookJob {
    pub(in crate::engine) async fn run(self, running: Running) -> Result<Done> {
        self.0.run(&running).await
    }
}

impl SlackJob {
    pub(in crate::engine) async fn run(self, running: Running) -> Result<Done> {
        self.0.run(&running).await
    }
}

impl Delivery {
    async fn run(self, running: &Running) -> Result<Done> {
        let harbor = running.harbor();
        let policy = harbor.read().await?.webhook(WebhookId::new(self.policy)).await?;
        let Some(policy) = policy else { return Ok(Done::failed("the policy is gone")) };
        if !policy.enabled {
            return Ok(Done::failed("the policy is not enabled any more: enable it and retry the job"));
        }
        let Some(target) = policy.webhook.target(self.target) else {
            return Ok(Done::failed("the target has another address now, or is gone"));
        };
        let old = running.wanted().plus(OLDEST) < harbor.now();
        running.log(format!("{} to {}, delivery {}", self.event_type, target.origin(), self.delivery));
        let began = Instant::now();
        let sent = harbor.hand_over(target, &self.delivery, self.body).await;
        let took = began.elapsed().as_millis();
        match sent {
            Ok(Reply { status, .. }) if (200..300).contains(&status) => {
                running.log(format!("answered {status} after {took} ms"));
                Done::with(&serde_json::json!({ "status_code": status }))
            }
            Ok(reply) => {
                running.log(format!(
                    "answered {} after {took} ms: {}",
                    reply.status,
                    excerpt(target, &reply.body)
                ));
                in_vain(format!("the target answered {}", why(reply.status)), old)
            }
            Err(error) if error.is_passing() => {
                running.log(format!("no answer after {took} ms"));
                in_vain(error.to_string(), old)
            }
            Err(error) => Ok(Done::failed(error.to_string())),
        }
    }
}

/// What comes of an attempt that another one might make good: of an old delivery there is none.
fn in_vain(why: String, old: bool) -> Result<Done> {
    if old {
        let late = "it is not tried again by itself, for it is more than three days old; retry the job";
        return Ok(Done::failed(format!("{why}: {late}")));
    }
    Err(Error::Precondition(why))
}

/// A status that is no success, with what can be done about it.
fn why(status: u16) -> String {
    match status {
        300..400 => format!("{status}: a redirect that is not followed; set the address that it leads to"),
        _ => status.to_string(),
    }
}

impl Harbor {
    /// Sends a body to a target, signed.
    async fn hand_over(
        &self,
        target: &Target,
        delivery: &str,
        body: String,
    ) -> std::result::Result<Reply, EgressError> {
        let time = self.now().micros().div_euclid(1_000_000);
        let kind = match (target.kind, target.format) {
            (TargetKind::Http, Format::CloudEvents) => "application/cloudevents+json",
            _ => "application/json",
        };
        let signature = sign(&target.secrets, time, body.as_bytes());
        let mut outgoing = Outgoing::post(&target.address, body)
            .header("content-type", kind)
            .header("x-harbor-delivery", delivery)
            .header("x-harbor-timestamp", time.to_string())
            .any_certificate(target.skip_cert_verify)
            .timeout(self.settings().webhook_timeout)
            .largest(READ);
        if !signature.is_empty() {
            outgoing = outgoing.credential("x-harbor-signature-256", signature);
        }
        if let Some(header) = &target.auth_header {
            outgoing = outgoing.credential("authorization", header.expose());
        }
        self.inner.egress.send(outgoing).await
    }
}

/// What a log may have of an answer: a part of it, on one line, without what was sent as a secret. Who answers may say anything,
/// also what it was told.
fn excerpt(target: &Target, body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    let header = target.auth_header.iter().flat_map(|header| header.expose().split_whitespace());
    let secrets = header.chain(target.secrets.iter().map(|secret| secret.expose()));
    let mut secrets: Vec<&str> = secrets.filter(|piece| piece.len() >= WORD).collect();
    // One may have another one in it.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets {
        text = text.replace(secret, crate::webhook::MASK);
    }
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().map(plain).take(SHOWN).collect()
}

impl Webhooks<'_> {
    /// Sends a sample, the push of an artifact that there is not, to each target of a policy, and tells what came of it. It is no
    /// job, and tried once.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the store fails.
    pub async fn test(&self, proof: &WebhookUpdate, id: WebhookId) -> Result<Vec<Tried>> {
        let policy = self.one(proof, id).await?;
        let project = match &policy.project {
            Some(project) => self.harbor.project_of(*project).await?,
            None => None,
        };
        let name = project.as_ref().map_or("library", |project| project.name.as_str());
        let (event, around) = (sample(self.harbor, name, policy.project), Around::default());
        let notice = Notice::new(&event, &around).ok_or(Error::NotFound("sample"))?;
        let tries = policy.webhook.targets.into_iter().map(async |target| {
            let delivery = Uuid::new_v4().to_string();
            let project = policy.project.map(ProjectId::get);
            let body = notice.body(&target, policy.id.get(), project, &delivery)?;
            let began = Instant::now();
            let sent = self.harbor.hand_over(&target, &delivery, body).await;
            let (status, error) = match sent {
                Ok(reply) => (Some(reply.status), None),
                Err(error) => (None, Some(error.to_string())),
            };
            Ok(Tried { target, status, error, took: began.elapsed() })
        });
        join_all(tries).await.into_iter().collect()
    }
}

/// An event that never happened.
fn sample(harbor: &Harbor, project: &str, id: Option<ProjectId>) -> Event {
    let kind = EventKind::ArtifactPushed {
        repository: format!("{project}/sample"),
        digest: Digest::of(Algorithm::Sha256, b""),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        tags: vec!["test".to_owned()],
    };
    debug_assert_eq!(EventType::of(&kind), Some(EventType::PushArtifact));
    let (at, actor) = (harbor.now().micros(), "system".to_owned());
    Event { id: 0, at, actor, project_id: id.map(ProjectId::get), kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Secret;

    #[test]
    fn excerpts_are_short_and_say_no_secret() {
        let mut target = Target::new(TargetKind::Http, "https://example.org");
        target.auth_header = Some(Secret::new("Bearer canary-of-the-header"));
        target.secrets = vec![Secret::new("canary-of-the-signature")];
        let body =
            b"a\r\nb\x1b[31m canary-of-the-header Bearer canary-of-the-header canary-of-the-signature \xff";
        let shown = excerpt(&target, body);
        assert_eq!(shown, "a  b [31m ***** Bearer ***** ***** \u{fffd}");
        let long = "ä".repeat(500) + "canary-of-the-signature";
        let shown = excerpt(&target, long.as_bytes());
        assert!(!shown.contains("canary") && shown.chars().count() == 505, "{shown}");
    }
}

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::{Job, Rules};

/// How often a delivery is tried: with the waits between, for about twenty minutes, which a receiver has to come up again.
const ATTEMPTS: u32 = 8;

/// How long a delivery waits after its first failure; twice as long after each further one.
const BACKOFF: Duration = Duration::from_secs(10);

/// How many deliveries of a kind are under way at once, on all nodes: whoever is slow leaves workers to the rest.
const AT_ONCE: u32 = 4;

/// How many executions are kept of a policy, as Harbor keeps them; dead letters beside, of which there may be more ([`Rules::kept`]).
const KEPT: u32 = 50;

/// How long a delivery takes whose target is slow: what it gets next must not keep others from theirs.
const SLOW: Duration = Duration::from_secs(1);

/// How long a delivery may take, which has a shorter time of its own.
const LONGEST: Duration = Duration::from_secs(60);

/// One event for one target. Where that is, and what it is signed with, is read from the policy when it goes out: no secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The key of the policy.
    pub policy: i64,
    /// The key of the target within the policy.
    pub target: u32,
    /// What it tells of, as policies name it.
    pub event_type: String,
    /// What receivers know it by: the same however often it is tried.
    pub delivery: String,
    /// What is sent.
    pub body: String,
}

/// A delivery to an endpoint of somebody's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookJob(pub Delivery);

impl Job for HookJob {
    const KIND: &'static str = "WEBHOOK";

    fn rules() -> Rules {
        rules()
    }
}

/// A delivery to Slack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackJob(pub Delivery);

impl Job for SlackJob {
    const KIND: &'static str = "SLACK";

    fn rules() -> Rules {
        rules()
    }
}

fn rules() -> Rules {
    Rules::default()
        .attempts(ATTEMPTS)
        .backoff(BACKOFF)
        .at_once(AT_ONCE)
        .kept(KEPT)
        .longest(LONGEST)
        .yields(SLOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::read;

    /// Jobs that earlier versions wrote. A new form is added; none is ever removed.
    #[test]
    fn every_stored_form_still_loads() {
        let stored =
            r#"{"v":1,"policy":7,"target":2,"event_type":"PUSH_ARTIFACT","delivery":"x","body":"{}"}"#;
        let delivery = Delivery {
            policy: 7,
            target: 2,
            event_type: "PUSH_ARTIFACT".to_owned(),
            delivery: "x".to_owned(),
            body: "{}".to_owned(),
        };
        assert_eq!(read::<HookJob>(stored), Ok(HookJob(delivery.clone())));
        assert_eq!(read::<SlackJob>(stored), Ok(SlackJob(delivery)));
    }
}

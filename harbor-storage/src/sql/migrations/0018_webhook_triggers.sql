-- When a policy of webhooks last told of events of a type: of its deliveries only the latest are kept.
CREATE TABLE webhook_triggers (
    policy_id {int} NOT NULL,
    event_type {key:64} NOT NULL,
    triggered_at {int} NOT NULL,
    PRIMARY KEY (policy_id, event_type)
) {options};

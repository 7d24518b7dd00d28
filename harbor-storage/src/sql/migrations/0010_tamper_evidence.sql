-- The audit log tells from where, with what, and whether it was allowed.

ALTER TABLE audit_log ADD COLUMN allowed {int} NOT NULL DEFAULT 1;
ALTER TABLE audit_log ADD COLUMN client_address {key:64} NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN credential {key:64} NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN request_id {key:128} NOT NULL DEFAULT '';

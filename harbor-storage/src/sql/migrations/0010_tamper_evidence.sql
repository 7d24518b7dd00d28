-- The audit log tells from where, with what, and whether it was allowed; and it is tamper-evident.

ALTER TABLE audit_log ADD COLUMN allowed {int} NOT NULL DEFAULT 1;
ALTER TABLE audit_log ADD COLUMN client_address {key:64} NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN credential {key:64} NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN request_id {key:128} NOT NULL DEFAULT '';

-- The place of each line in the chain of hashes. It stays when the line is purged: purged is then what the purge is told by, and
-- empty while the line is there. content and hash: SHA-256, in hexadecimal.
CREATE TABLE audit_chain (
    seq {int} NOT NULL PRIMARY KEY,
    line_id {int} NOT NULL UNIQUE,
    content {key:64} NOT NULL,
    hash {key:64} NOT NULL,
    purged {key:64} NOT NULL DEFAULT ''
) {options};

-- Signed heads of the chain.
CREATE TABLE audit_heads (
    seq {int} NOT NULL PRIMARY KEY,
    hash {key:64} NOT NULL,
    signed_at {int} NOT NULL,
    key_id {key:64} NOT NULL,
    signature {text} NOT NULL
) {options};

//! Verifying the audit log.

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::AuditLogList;
use harbor_core::audit::{AuditFinding, SavedHead};
use harbor_core::meta::AuditHead;
use harbor_core::{Error, Result, api};
use http::Response;

use super::answer::ok;
use super::call::Call;

/// How many heads are compared at once.
const HEADS: usize = 100;

/// `GET /auditlog-exts/verify`: with each `head=` that the caller kept, as `number:hash`.
pub(super) async fn verify(call: &Call<'_>) -> Result<Response<Body>> {
    let proof: Authorized<AuditLogList> = call.system().await?;
    let heads = call.parameters().filter(|(name, _)| name == "head").map(|(_, text)| saved(&text));
    let heads = heads.take(HEADS).collect::<Result<Vec<_>>>()?;
    let report = call.harbor().audit().verify(&proof, &heads).await?;
    ok(&api::AuditVerification {
        intact: report.findings.is_empty(),
        lines: report.lines,
        purged: report.purged,
        base: report.base.map(head),
        findings: report.findings.iter().map(finding).collect(),
        head: report.head.map(head),
    })
}

fn saved(text: &str) -> Result<SavedHead> {
    let known = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash)));
    let (seq, hash) = known.ok_or_else(|| {
        Error::Unprocessable("head must be a number and a hash with a colon between them".to_owned())
    })?;
    Ok(SavedHead { seq, hash: hash.to_owned() })
}

fn finding(finding: &AuditFinding) -> api::AuditFinding {
    api::AuditFinding {
        kind: finding.kind().to_owned(),
        line: finding.line().map(|line| line.get()),
        seq: finding.seq(),
        message: finding.to_string(),
    }
}

fn head(head: AuditHead) -> api::AuditHead {
    let AuditHead { seq, hash, at, key, signature } = head;
    api::AuditHead { seq, hash, at, key, signature }
}

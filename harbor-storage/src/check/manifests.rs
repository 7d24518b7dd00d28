//! Manifests against their rows: what was pushed is what there is, and what it refers to is noted.

use std::collections::{BTreeSet, HashSet};

use harbor_core::StoreError;
use harbor_core::oci::{Digest, ManifestView, MediaType};

use super::{Checked, Wrong};
use crate::sql::asking::ManifestRow;
use crate::sql::plain::Plain;

/// What a manifest refers to and is not noted to.
#[derive(Debug)]
pub(super) struct Lacking {
    pub(super) manifest: i64,
    pub(super) blobs: Vec<Digest>,
    pub(super) children: Vec<Digest>,
}

/// What a manifest's row should say.
#[derive(Debug)]
pub(super) struct Corrected {
    pub(super) manifest: i64,
    pub(super) size: i64,
    pub(super) subject: Option<String>,
}

/// Looks at all manifests, a few at a time.
pub(super) async fn look(
    database: &mut Plain,
    checked: &mut Checked,
    wrong: &mut Vec<Wrong>,
) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = database.manifests_after(after).await?;
        let Some(last) = page.last().map(|row| row.id) else { return Ok(()) };
        let noted = database.references_between(after, last).await?;
        for row in &page {
            look_at(row, &noted, checked, wrong);
        }
        checked.manifests += page.len() as u64;
        after = last;
    }
}

fn look_at(row: &ManifestRow, noted: &HashSet<(i64, String)>, checked: &mut Checked, wrong: &mut Vec<Wrong>) {
    let subject = format!("{} (#{})", row.digest, row.id);
    let right =
        row.digest.parse().is_ok_and(|stored: Digest| Digest::of(stored.algorithm(), &row.payload) == stored);
    if !right {
        checked.find("manifest", subject, "it is not what was pushed: delete it, and push it again");
        return;
    }
    let media_type: Option<MediaType> = row.media_type.parse().ok();
    let view = match ManifestView::parse(media_type.as_ref(), &row.payload) {
        Ok(view) => view,
        Err(error) => {
            checked.find("manifest", subject, format!("it does not read: {error}"));
            return;
        }
    };
    let size = i64::try_from(row.payload.len()).unwrap_or(i64::MAX);
    let named = view.subject.as_ref().map(|subject| subject.digest.to_string());
    if (size, &named) != (row.size, &row.subject) {
        let finding = checked.find("manifest", &subject, "its size or subject is noted wrongly");
        wrong.push(Wrong::Row(finding, Corrected { manifest: row.id, size, subject: named }));
    }
    let lacks = |digest: &Digest| !noted.contains(&(row.id, digest.to_string()));
    let blobs: Vec<_> = view.required_blobs().into_keys().filter(lacks).collect();
    let children: BTreeSet<_> = view.manifests.iter().map(|child| child.digest).filter(lacks).collect();
    if !blobs.is_empty() || !children.is_empty() {
        let children: Vec<_> = children.into_iter().collect();
        let lacking: Vec<_> = blobs.iter().chain(&children).map(Digest::to_string).collect();
        let what = format!("it is not noted that it refers to {}", lacking.join(", "));
        let finding = checked.find("reference", subject, what);
        wrong.push(Wrong::References(finding, Lacking { manifest: row.id, blobs, children }));
    }
}

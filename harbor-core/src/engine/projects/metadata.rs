//! What Harbor calls a project's metadata: its settings, by name.

use std::collections::BTreeMap;

use super::{Projects, locked};
use crate::access::permission::{MetadataCreate, MetadataDelete, MetadataList, MetadataRead, MetadataUpdate};
use crate::access::{Action, Authorized, InProject};
use crate::engine::gate::contended;
use crate::meta::Project;
use crate::{Error, Result};

/// A setting of a project that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataKey {
    /// Whether everybody may pull.
    Public,
    /// Whether only what Notation signed may be pulled.
    ContentTrust,
    /// Whether only what cosign signed may be pulled.
    ContentTrustCosign,
    /// Whether what is vulnerable may not be pulled.
    PreventVulnerable,
    /// From which severity on.
    Severity,
    /// Whether what is pushed is scanned.
    AutoScan,
    /// Whether a bill of materials is made of what is pushed.
    AutoSbom,
    /// Whether the system's list of vulnerabilities that are let pass holds.
    ReuseSystemAllowlist,
    /// How fast a proxy's upstream is read, in KiB a second.
    ProxySpeed,
    /// How many connections a proxy opens to its upstream.
    MaxUpstreamConnections,
    /// Whether a proxy serves what its upstream no longer has.
    ProxyLocalOnNotFound,
    /// Whether a proxy passes on what refers to an artifact.
    ProxyReferrers,
    /// Which repositories a proxy serves.
    ProxyFilterPattern,
    /// In which language that is said.
    ProxyFilterKind,
}

impl MetadataKey {
    const NAMES: [(&'static str, Self); 14] = [
        ("public", Self::Public),
        ("enable_content_trust", Self::ContentTrust),
        ("enable_content_trust_cosign", Self::ContentTrustCosign),
        ("prevent_vul", Self::PreventVulnerable),
        ("severity", Self::Severity),
        ("auto_scan", Self::AutoScan),
        ("auto_sbom_generation", Self::AutoSbom),
        ("reuse_sys_cve_allowlist", Self::ReuseSystemAllowlist),
        ("proxy_speed_kb", Self::ProxySpeed),
        ("max_upstream_conn", Self::MaxUpstreamConnections),
        ("proxy_cache_local_on_not_found", Self::ProxyLocalOnNotFound),
        ("proxy_referrer_api", Self::ProxyReferrers),
        ("proxy_cache_filter_pattern", Self::ProxyFilterPattern),
        ("proxy_cache_filter_kind", Self::ProxyFilterKind),
    ];

    /// The setting of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, key)| key)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, key)| *key == self).map_or("", |(name, _)| name)
    }

    /// What is wrong with a value, if something is.
    fn check(self, value: &str) -> Result<()> {
        let (right, what) = match self {
            Self::Severity => (
                ["none", "low", "medium", "high", "critical"].contains(&value.to_ascii_lowercase().as_str()),
                "none, low, medium, high or critical",
            ),
            Self::ProxySpeed | Self::MaxUpstreamConnections => {
                (value.parse::<i32>().is_ok_and(|number| number >= -1), "a number, -1 for no limit")
            }
            Self::ProxyFilterKind => (["doublestar", "regex"].contains(&value), "doublestar or regex"),
            Self::ProxyFilterPattern => (value.len() <= 1024, "a pattern of at most 1024 bytes"),
            _ => (["true", "false"].contains(&value.to_ascii_lowercase().as_str()), "true or false"),
        };
        if right { Ok(()) } else { Err(Error::BadRequest(format!("{} must be {what}", self.name()))) }
    }
}

fn known(name: &str) -> Result<MetadataKey> {
    MetadataKey::named(name)
        .ok_or_else(|| Error::BadRequest(format!("a project has no setting that is called {name:?}")))
}

/// Checks settings that shall be set.
pub(super) fn check_all(settings: &BTreeMap<String, String>) -> Result<()> {
    settings.iter().try_for_each(|(name, value)| known(name)?.check(value))
}

impl Projects<'_> {
    /// Every setting of a project, `public` among them.
    #[must_use]
    pub fn metadata(&self, proof: &Authorized<MetadataList>) -> BTreeMap<String, String> {
        all(proof.target())
    }

    /// One setting of a project.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not set.
    pub fn metadata_get(&self, proof: &Authorized<MetadataRead>, name: &str) -> Result<String> {
        all(proof.target()).remove(name).ok_or(Error::NotFound("metadata"))
    }

    /// Sets a setting that is not set.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for one that there is not; [`Error::Conflict`] when it is set.
    pub async fn metadata_add(
        &self,
        proof: Authorized<MetadataCreate>,
        name: &str,
        value: &str,
    ) -> Result<()> {
        known(name)?.check(value)?;
        let set = |project: &mut Project| {
            if all(project).contains_key(name) {
                return Err(Error::Conflict(format!("metadata {name}")));
            }
            put(project, name, value);
            Ok(())
        };
        contended!(self.change(&proof, set))
    }

    /// Sets a setting that is set.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a value that it cannot have; [`Error::NotFound`] when it is not set.
    pub async fn metadata_update(
        &self,
        proof: Authorized<MetadataUpdate>,
        name: &str,
        value: &str,
    ) -> Result<()> {
        known(name)?.check(value)?;
        let set = |project: &mut Project| {
            if !all(project).contains_key(name) {
                return Err(Error::NotFound("metadata"));
            }
            put(project, name, value);
            Ok(())
        };
        contended!(self.change(&proof, set))
    }

    /// Unsets a setting: what holds without it holds.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not set.
    pub async fn metadata_delete(&self, proof: Authorized<MetadataDelete>, name: &str) -> Result<()> {
        let unset = |project: &mut Project| {
            if name == MetadataKey::Public.name() {
                project.public = false;
                return Ok(());
            }
            // What the engine itself keeps here is not for anybody to unset.
            known(name).map_err(|_| Error::NotFound("metadata"))?;
            project.metadata.remove(name).map(|_| ()).ok_or(Error::NotFound("metadata"))
        };
        contended!(self.change(&proof, unset))
    }

    async fn change<A: Action<Scope = InProject>>(
        &self,
        proof: &Authorized<A>,
        change: impl Fn(&mut Project) -> Result<()>,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let mut project = locked(&mut write, proof.target()).await?;
        change(&mut project)?;
        self.save(write, project).await
    }
}

/// Sets settings that were checked.
pub(super) fn put_all(project: &mut Project, settings: &BTreeMap<String, String>) {
    settings.iter().for_each(|(name, value)| put(project, name, value));
}

fn put(project: &mut Project, name: &str, value: &str) {
    if name == MetadataKey::Public.name() {
        project.public = value.eq_ignore_ascii_case("true");
    } else {
        project.metadata.insert(name.to_owned(), value.to_owned());
    }
}

fn all(project: &Project) -> BTreeMap<String, String> {
    let public = (MetadataKey::Public.name().to_owned(), project.public.to_string());
    project.metadata.clone().into_iter().chain([public]).collect()
}

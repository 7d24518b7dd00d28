//! The server as a whole.

use harbor_core::api;

use super::noun::nouns;

nouns! {
    /// The server: how it is, how it is set, and what it has.
    system System {
        /// How its parts are.
        health "getHealth" () => One[api::OverallHealthStatus];
        /// `Pong`.
        ping "getPing" () => Text;
        /// What it is.
        info "getSystemInfo" () => One[api::GeneralInfo];
        /// How much room there is.
        volumes "getVolumes" () => One[api::SystemInfo];
        /// The certificate of its own authority, where it has one.
        certificate "getCert" () => Text;
        /// Projects and repositories whose name has `q` in it.
        search "search" () => One[api::Search] asks;
        /// How much there is.
        statistics "getStatistic" () => One[api::Statistic];
        /// How it is set.
        configuration "getConfigurations" () => One[api::ConfigurationsResponse];
        /// The same, for its own parts.
        internal_configuration "getInternalconfig" () => One[api::ConfigurationsResponse];
        /// Changes what it is set to; what is not named stays.
        configure "updateConfigurations" () with api::Configurations => Nothing;
        /// Has it sign tokens with a new key. Harbor cannot.
        rotate_token_keys "rotateTokenKeys" () => Nothing;
        /// Events as they happen, as server-sent events (HTML Standard, section 9.2): `kind`, `project_name`, `after`, `seconds`. Harbor has none.
        events "streamEvents" () => Pieces asks;
    }

    /// The audit log.
    audit Audit {
        /// In the older form, of artifacts, tags, repositories and projects.
        older "listAuditLogs" () => Pages[api::AuditLog];
        /// Who did what, as far as who asks may see it.
        list "listAuditLogExts" () => Pages[api::AuditLogExt];
        /// What may be left out of it.
        event_types "listAuditLogEventTypes" () => One[Vec<api::AuditLogEventType>];
        /// All of it, the oldest first: `format` is `jsonl` or `csv`. Harbor cannot, here and below.
        export "exportAuditLog" () => Pieces asks;
        /// Whether it is as it was written; `head` for each head that was kept.
        verify "verifyAuditLog" () => One[api::AuditVerification] asks;
    }
}

//! The roles that a member of a project can have.

/// A role that Harbor has built in. What it may do stands in the [list of permissions](super::permission).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything in the project.
    ProjectAdmin,
    /// Pushes and pulls.
    Developer,
    /// Pulls, and sees who else is a member.
    Guest,
    /// As an administrator of the project, without members and settings.
    Maintainer,
    /// Pulls.
    LimitedGuest,
}

impl Role {
    /// Every role, the strongest first: of several, that one is shown.
    pub const ALL: [Self; 5] =
        [Self::ProjectAdmin, Self::Maintainer, Self::Developer, Self::Guest, Self::LimitedGuest];

    /// Its number in Harbor's API.
    #[must_use]
    pub const fn id(self) -> i64 {
        match self {
            Self::ProjectAdmin => 1,
            Self::Developer => 2,
            Self::Guest => 3,
            Self::Maintainer => 4,
            Self::LimitedGuest => 5,
        }
    }

    /// The role of that number.
    #[must_use]
    pub fn of(id: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }

    /// Its name in Harbor's API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProjectAdmin => "projectAdmin",
            Self::Developer => "developer",
            Self::Guest => "guest",
            Self::Maintainer => "maintainer",
            Self::LimitedGuest => "limitedGuest",
        }
    }
}

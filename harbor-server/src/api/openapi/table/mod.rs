//! What each operation that is served says of itself, takes and answers. A test compares this list with what is served.

mod content;
mod jobs;
mod people;
mod projects;
mod retention;
mod system;
mod webhooks;

use super::shape::Shape;

/// An operation that is served.
pub(super) struct Documented {
    /// Its name in the table of operations.
    pub(super) id: &'static str,
    /// What it does.
    pub(super) says: &'static str,
    /// The parameters of its query, beside those of every list.
    pub(super) query: &'static [&'static str],
    /// What it takes.
    pub(super) body: Option<Shape>,
    /// What it answers.
    pub(super) answer: Answer,
    /// What it may refuse beside what follows from the rest.
    pub(super) refuses: &'static [u16],
}

/// What an operation answers.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// 200 without a body.
    Nothing,
    /// 201 without a body.
    Created,
    /// 201 without a body, and no address of what was made.
    Added,
    /// 201 with a body.
    Made(Shape),
    /// 201 with a body, and no address of what was made.
    Shown(Shape),
    /// One thing.
    One(Shape),
    /// One thing, or an empty object.
    OneOrNone(Shape),
    /// A list, whole.
    Many(Shape),
    /// A page of a list.
    Page(Shape),
    /// Values by name.
    Words,
    /// Text.
    Text,
    /// What was read out of an artifact, of the media type of its kind.
    Addition,
    /// Server-sent events, of which each has such data.
    Stream(Shape),
    /// Records, as JSON Lines or CSV.
    Records,
}

impl Documented {
    /// The same, which may also refuse so.
    const fn may(self, refuses: &'static [u16]) -> Self {
        Self { refuses, ..self }
    }

    /// The shapes of what it takes and answers.
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        let answer = match &self.answer {
            Answer::Made(shape)
            | Answer::Shown(shape)
            | Answer::One(shape)
            | Answer::OneOrNone(shape)
            | Answer::Many(shape)
            | Answer::Page(shape)
            | Answer::Stream(shape) => Some(shape),
            Answer::Nothing
            | Answer::Created
            | Answer::Added
            | Answer::Words
            | Answer::Text
            | Answer::Addition
            | Answer::Records => None,
        };
        self.body.iter().chain(answer)
    }
}

const fn op(
    id: &'static str,
    says: &'static str,
    query: &'static [&'static str],
    body: Option<Shape>,
    answer: Answer,
) -> Documented {
    Documented { id, says, query, body, answer, refuses: &[] }
}

/// The operations that are served.
pub(super) fn documented() -> impl Iterator<Item = &'static Documented> {
    [
        system::TABLE,
        projects::TABLE,
        people::TABLE,
        content::TABLE,
        jobs::TABLE,
        retention::TABLE,
        webhooks::TABLE,
    ]
    .into_iter()
    .flatten()
}

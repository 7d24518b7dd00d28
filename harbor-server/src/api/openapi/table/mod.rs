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
}

/// What an operation answers.
pub(super) enum Answer {
    /// 200 without a body.
    Nothing,
    /// 201 without a body.
    Created,
    /// 201 with a body.
    Made(Shape),
    /// One thing.
    One(Shape),
    /// A list, whole.
    Many(Shape),
    /// A page of a list.
    Page(Shape),
    /// Values by name.
    Words,
    /// Text.
    Text,
    /// Server-sent events, of which each has such data.
    Stream(Shape),
    /// Records, as JSON Lines or CSV.
    Records,
}

impl Answer {
    /// Whether it is a page of a list.
    pub(super) const fn is_page(&self) -> bool {
        matches!(self, Self::Page(_))
    }
}

impl Documented {
    /// The shapes of what it takes and answers.
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        let answer = match &self.answer {
            Answer::Made(shape)
            | Answer::One(shape)
            | Answer::Many(shape)
            | Answer::Page(shape)
            | Answer::Stream(shape) => Some(shape),
            Answer::Nothing | Answer::Created | Answer::Words | Answer::Text | Answer::Records => None,
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
    Documented { id, says, query, body, answer }
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

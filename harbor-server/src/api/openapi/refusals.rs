//! The refusals that an operation can give: they follow from what it needs, names, takes and answers. What follows from nothing
//! stands in the table ([`Documented::may`]).

use harbor_core::operation::{Need, Operation};

use super::parameters;
use super::table::{Answer, Documented};

/// What refusals say.
pub(super) const WORDS: [(u16, &str); 13] = [
    (400, "The request cannot be read, or names what cannot be."),
    (401, "The operation needs somebody to log in, or the credentials are wrong."),
    (403, "The caller may not do this, or may not know whether the thing exists."),
    (404, "There is no such thing."),
    (409, "It exists already, or a concurrent change got in the way."),
    (412, "What something is at the moment stands in the way."),
    (413, "The body is too large."),
    (415, "The body is not JSON."),
    (422, "A parameter has a value that cannot be served."),
    (429, "Too many requests: come again after the seconds of `Retry-After`."),
    (500, "A fault of the server, told by the request's id and no more."),
    (503, "A store cannot be reached at the moment."),
    (507, "A store is full."),
];

/// The operations that answer whoever asks, whatever the credentials are and whatever the stores do.
const REFUSE_NOTHING: [&str; 2] = ["getPing", "getHealth"];

/// The refusals of an operation: the status of each, and what it says.
pub(super) fn of(
    operation: &Operation,
    documented: &Documented,
) -> impl Iterator<Item = (u16, &'static str)> {
    let refuses = !REFUSE_NOTHING.contains(&operation.id);
    WORDS.into_iter().filter(move |(status, _)| refuses && can_be(*status, operation, documented))
}

fn can_be(status: u16, operation: &Operation, documented: &Documented) -> bool {
    let follows = match status {
        // Of any request the credentials or the cookie can be wrong, there can be too many, and the stores can fail.
        400 | 401 | 429 | 500 | 503 => true,
        // What changes something is refused to pages of others and while the registry is read-only, whatever it needs.
        403 => operation.need != Need::Nothing || operation.changes(),
        404 => operation.path.contains('{'),
        // A concurrent change; no place for what is written.
        409 | 507 => operation.changes(),
        413 | 415 => documented.body.is_some(),
        422 => {
            matches!(documented.answer, Answer::Page(_))
                || parameters::names(operation).any(parameters::is_number)
                || documented.query.iter().any(|name| parameters::is_flag(name))
        }
        _ => false,
    };
    follows || documented.refuses.contains(&status)
}

#[cfg(test)]
mod tests {
    use harbor_core::operation;

    use super::super::table::documented;
    use super::*;

    fn of_operation(id: &str) -> Vec<u16> {
        let operation = operation::all().find(|operation| operation.id == id).unwrap();
        let documented = documented().find(|documented| documented.id == id).unwrap();
        of(operation, documented).map(|(status, _)| status).collect()
    }

    #[test]
    fn refusals_follow_from_the_operation() {
        assert_eq!(of_operation("getPing"), Vec::<u16>::new());
        assert_eq!(of_operation("getSystemInfo"), [400, 401, 429, 500, 503]);
        assert_eq!(of_operation("getVolumes"), [400, 401, 403, 429, 500, 503]);
        assert_eq!(of_operation("getQuota"), [400, 401, 403, 404, 422, 429, 500, 503]);
        assert_eq!(of_operation("getProject"), [400, 401, 403, 404, 429, 500, 503]);
        assert_eq!(of_operation("deleteTag"), [400, 401, 403, 404, 409, 412, 429, 500, 503, 507]);
        assert_eq!(of_operation("updateQuota"), [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503, 507]);
    }

    /// What the table says of an operation beside what follows is said once, and is a refusal that there are words for.
    #[test]
    fn nothing_is_said_twice() {
        for documented in documented() {
            let operation = operation::all().find(|operation| operation.id == documented.id).unwrap();
            let bare = Documented { refuses: &[], ..*documented };
            for status in documented.refuses {
                assert!(WORDS.iter().any(|(known, _)| known == status), "{}: {status}", documented.id);
                assert!(!can_be(*status, operation, &bare), "{}: {status} follows", documented.id);
            }
        }
    }
}

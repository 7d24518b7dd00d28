//! Finding the operation of a request.
//!
//! Harbor's clients encode the slashes of a repository's name twice (`a%252Fb`), for a path router decodes once. Here a name
//! may also be encoded once or not at all. A raw name could hide another path (`…/repositories/a/artifacts/b` is an artifact,
//! or the repository `a/artifacts/b`): then the operation with more fixed segments is meant, and of the ways to match it the
//! one with the shortest name.

use std::sync::LazyLock;

use percent_encoding::percent_decode_str;

use super::{Method, Operation};

/// The one parameter that may hold slashes.
const REPOSITORY: &str = "repository_name";

/// The table, taken apart.
static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| super::all().map(Template::of).collect());

struct Template {
    operation: &'static Operation,
    segments: Vec<&'static str>,
    /// How many segments are no parameters.
    fixed: usize,
}

impl Template {
    fn of(operation: &'static Operation) -> Self {
        let segments: Vec<_> = operation.path.trim_matches('/').split('/').collect();
        let fixed = segments.iter().filter(|segment| parameter(segment).is_none()).count();
        Self { operation, segments, fixed }
    }
}

/// What was found for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The operation.
    Found(Match),
    /// The path has operations, of these methods.
    OtherMethod(Vec<Method>),
    /// No operation has that path.
    Unknown,
}

/// An operation, and what its parameters are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The operation.
    pub operation: &'static Operation,
    parameters: Vec<(&'static str, String)>,
}

impl Match {
    /// The parameter of that name, decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// The operation of a method and a raw (still percent-encoded) path below [`BASE`](super::BASE), without its query.
///
/// A slash at the end is of no account, as with Harbor; and `HEAD` is the `GET` of the same path where it is no operation of
/// its own (RFC 9110, section 9.3.2).
#[must_use]
pub fn find(method: Method, path: &str) -> Lookup {
    let Some(path) = path.strip_prefix('/') else { return Lookup::Unknown };
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    let matches: Vec<(usize, Match)> =
        TEMPLATES.iter().filter_map(|template| matched(template, &segments)).collect();
    let Some(most) = matches.iter().map(|(fixed, _)| *fixed).max() else { return Lookup::Unknown };
    let meant = || matches.iter().filter(|(fixed, _)| *fixed == most).map(|(_, matched)| matched);
    let of = |method| meant().find(|matched| matched.operation.method == method).cloned();
    let found = of(method).or_else(|| if method == Method::Head { of(Method::Get) } else { None });
    match found {
        Some(found) => Lookup::Found(found),
        None => {
            let mut methods: Vec<Method> = meant().map(|matched| matched.operation.method).collect();
            methods.sort_unstable();
            Lookup::OtherMethod(methods)
        }
    }
}

/// The match of one operation, with the number of its fixed segments.
fn matched(template: &Template, segments: &[&str]) -> Option<(usize, Match)> {
    let mut parameters = Vec::new();
    let whole = walk(&template.segments, segments, &mut parameters);
    whole.then_some((template.fixed, Match { operation: template.operation, parameters }))
}

/// The name of the parameter that a segment of a template is.
fn parameter(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Matches the rest of a template with the rest of a path. A template has one repository at most, so a path is gone through
/// once for each, however long it is.
fn walk(template: &[&'static str], segments: &[&str], parameters: &mut Vec<(&'static str, String)>) -> bool {
    let Some((first, template)) = template.split_first() else { return segments.is_empty() };
    let Some(name) = parameter(first) else {
        return segments
            .split_first()
            .is_some_and(|(segment, rest)| segment == first && walk(template, rest, parameters));
    };
    let longest = if name == REPOSITORY { segments.len() } else { segments.len().min(1) };
    for (taken, rest) in (1..=longest).map(|length| segments.split_at(length)) {
        // The rest first: it tells sooner whether this can be.
        let before = parameters.len();
        if walk(template, rest, parameters)
            && let Some(value) = decode(name, &taken.join("/"))
        {
            parameters.push((name, value));
            return true;
        }
        parameters.truncate(before);
    }
    false
}

/// The value of a parameter; `None` when it is empty or no text.
fn decode(name: &str, raw: &str) -> Option<String> {
    let once = percent_decode_str(raw).decode_utf8().ok()?;
    let value = match name {
        // No name of a repository has a percent sign, so what has one was encoded twice.
        REPOSITORY => percent_decode_str(&once).decode_utf8().ok()?.into_owned(),
        _ => once.into_owned(),
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// What stands for a parameter in the tests.
    fn sample(name: &str) -> &'static str {
        match name {
            REPOSITORY => "some/deep/name",
            "id" | "mid" => "17",
            _ => "thing",
        }
    }

    /// The path of an operation, with a repository's slashes written as `slash`.
    fn path(operation: &Operation, slash: &str) -> String {
        let segment = |segment: &'static str| match parameter(segment) {
            Some(name) => sample(name).replace('/', slash),
            None => segment.to_owned(),
        };
        operation.path.split('/').map(segment).collect::<Vec<_>>().join("/")
    }

    #[test]
    fn every_operation_is_found_however_its_repository_is_written() {
        for operation in super::super::all() {
            for slash in ["/", "%2F", "%2f", "%252F"] {
                let path = path(operation, slash);
                let Lookup::Found(found) = find(operation.method, &path) else { panic!("{path}") };
                assert_eq!(found.operation.id, operation.id, "{path}");
                for name in operation.path.split('/').filter_map(parameter) {
                    assert_eq!(found.parameter(name), Some(sample(name)), "{name} of {path}");
                }
            }
        }
    }

    #[test]
    fn ids_and_places_are_unique() {
        let all = || super::super::all();
        let ids: HashSet<_> = all().map(|operation| operation.id).collect();
        let places: HashSet<_> = all().map(|operation| (operation.method, operation.path)).collect();
        assert_eq!((ids.len(), places.len()), (all().count(), all().count()));
    }

    #[test]
    fn a_raw_name_does_not_hide_another_path() {
        let found = |path: &str| match find(Method::Get, path) {
            Lookup::Found(found) => (found.operation.id, found.parameter(REPOSITORY).map(str::to_owned)),
            other => panic!("{path}: {other:?}"),
        };
        let base = "/projects/p/repositories";
        assert_eq!(found(&format!("{base}/a/b")), ("getRepository", Some("a/b".to_owned())));
        assert_eq!(found(&format!("{base}/a/artifacts/b")), ("getArtifact", Some("a".to_owned())));
        assert_eq!(
            found(&format!("{base}/a%2Fartifacts%2Fb")),
            ("getRepository", Some("a/artifacts/b".to_owned()))
        );
        assert_eq!(
            found(&format!("{base}/a/artifacts/b/artifacts")),
            ("listArtifacts", Some("a/artifacts/b".to_owned()))
        );
    }

    #[test]
    fn methods_and_slashes() {
        assert!(
            matches!(find(Method::Head, "/ping"), Lookup::Found(found) if found.operation.id == "getPing")
        );
        assert!(
            matches!(find(Method::Head, "/projects"), Lookup::Found(found) if found.operation.id == "headProject")
        );
        assert!(matches!(find(Method::Get, "/ping/"), Lookup::Found(_)));
        assert!(matches!(find(Method::Get, "/projects/1/metadatas"), Lookup::Found(_)));
        assert_eq!(find(Method::Delete, "/ping"), Lookup::OtherMethod(vec![Method::Get]));
        for unknown in
            ["", "/", "//ping", "ping", "/pin", "/ping/pong", "/projects//members", "/projects/%ff"]
        {
            assert_eq!(find(Method::Get, unknown), Lookup::Unknown, "{unknown:?}");
        }
    }

    /// As long as a head may be; a walk that were not linear would not end.
    #[test]
    fn long_paths_are_cheap() {
        for deep in ["/artifacts/x", "/a", "/artifacts", "/tags/x/artifacts"] {
            let path = format!("/projects/p/repositories{}", deep.repeat(60_000 / deep.len()));
            let _ = find(Method::Get, &path);
        }
    }

    proptest! {
        #[test]
        fn any_path_is_answered(path in "[/a-z0-9%{}._]{0,60}") {
            let _ = find(Method::Get, &path);
        }

    }
}

use proptest::prelude::*;

use super::*;
use crate::{Error, Timestamp};

keys! {
    /// The keys of the tests.
    enum Sample {
        /// A number.
        Id: Int, "project_id", "ProjectID", filter, sort;
        /// A text.
        Name: Text, "name", "Name", filter, sort;
        /// A time.
        Made: Time, "creation_time", "CreationTime", filter, sort;
        /// Yes or no.
        Public: Bool, "is_public", "", filter;
        /// What nobody may ask for.
        Secret: Text, "secret", "Secret";
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The tests of `q`.
fn tests(q: &str) -> Vec<(Sample, Test)> {
    let query =
        Query::<Sample>::parse(Some(q), None, None, None).unwrap_or_else(|error| panic!("{q}: {error}"));
    query.filters().iter().map(|filter| (filter.key(), filter.test().clone())).collect()
}

fn fault(q: &str) -> QueryError {
    Query::<Sample>::parse(Some(q), None, None, None).unwrap_err()
}

/// 2006-01-02T15:04:05Z.
const TIME: Value = Value::Time(Timestamp::from_micros(1_136_214_245_000_000));

#[test]
fn one_term_of_each_form() {
    use Sample::*;
    for (q, key, test) in [
        ("name=a", Name, Test::Is(text("a"))),
        ("Name=a", Name, Test::Is(text("a"))),
        ("project_id=7", Id, Test::Is(Value::Int(7))),
        ("ProjectID=7", Id, Test::Is(Value::Int(7))),
        ("projectid=-7", Id, Test::Is(Value::Int(-7))),
        ("name=a=b", Name, Test::Is(text("a=b"))),
        ("name= a b ", Name, Test::Is(text(" a b "))),
        ("name=\"a\"", Name, Test::Is(text("\"a\""))),
        ("name=\\~a", Name, Test::Is(text("~a"))),
        ("name=\\[a~b]", Name, Test::Is(text("[a~b]"))),
        ("name=\\\\a", Name, Test::Is(text("\\a"))),
        ("name=\\", Name, Test::Is(text(""))),
        ("name=~Ab", Name, Test::Like("Ab".to_owned())),
        ("name=~~", Name, Test::Like("~".to_owned())),
        ("name=~%25_", Name, Test::Like("%_".to_owned())),
        ("project_id=[1~9]", Id, Test::Between(Some(Value::Int(1)), Some(Value::Int(9)))),
        ("project_id=[ 1 ~ ]", Id, Test::Between(Some(Value::Int(1)), None)),
        ("project_id=[~9]", Id, Test::Between(None, Some(Value::Int(9)))),
        ("name=['a'~\"b\"]", Name, Test::Between(Some(text("a")), Some(text("b")))),
        ("creation_time=[2006-01-02T15:04:05~]", Made, Test::Between(Some(TIME), None)),
        ("creation_time=[~2006-01-02 15:04:05]", Made, Test::Between(None, Some(TIME))),
        ("creation_time=[\"2006-01-02 15:04:05.0\"~]", Made, Test::Between(Some(TIME), None)),
        ("CreationTime=2006-01-02T15:04:05", Made, Test::Is(TIME)),
        ("project_id={1 2  3}", Id, Test::AnyOf(vec![Value::Int(1), Value::Int(2), Value::Int(3)])),
        ("name={'a b'}", Name, Test::AnyOf(vec![text("a"), text("b")])),
        ("name=(a b)", Name, Test::AllOf(vec![text("a"), text("b")])),
        ("name=()", Name, Test::AllOf(vec![])),
        ("is_public=true", Public, Test::Is(Value::Bool(true))),
        ("is_public=F", Public, Test::Is(Value::Bool(false))),
        ("is_public={0 1}", Public, Test::AnyOf(vec![Value::Bool(false), Value::Bool(true)])),
    ] {
        assert_eq!(tests(q), [(key, test)], "{q}");
    }
}

#[test]
fn operators() {
    use Sample::*;
    for (q, key, test) in [
        ("name__exact=a", Name, Test::Is(text("a"))),
        ("name__exact=~a", Name, Test::Like("a".to_owned())),
        ("name__icontains=a", Name, Test::Like("a".to_owned())),
        ("name__icontains=~a", Name, Test::Like("a".to_owned())),
        ("name__in=a", Name, Test::AnyOf(vec![text("a")])),
        ("name__in={a b}", Name, Test::AnyOf(vec![text("a"), text("b")])),
        ("ProjectID__gte=1", Id, Test::Between(Some(Value::Int(1)), None)),
        ("project_id__lte=1", Id, Test::Between(None, Some(Value::Int(1)))),
        ("project_id__gt=1", Id, Test::Above(Value::Int(1))),
        ("creation_time__lt=2006-01-02 15:04:05", Made, Test::Below(TIME)),
        ("project_id__gt=x", Id, Test::Nothing),
    ] {
        assert_eq!(tests(q), [(key, test)], "{q}");
    }
    for dropped in
        ["name__startswith=a", "name__gte=[a~b]", "name__=a", "name__in=~a", "name__gt__gt=a", "__gt=a"]
    {
        assert_eq!(tests(dropped), [], "{dropped}");
    }
}

#[test]
fn what_is_not_known_is_ignored_and_what_cannot_be_matches_nothing() {
    assert_eq!(tests("tags=*,secret=a,Secret=~a,NAME_=a"), []);
    assert_eq!(tests(""), []);
    for q in [
        "project_id=abc",
        "project_id=99999999999999999999",
        "project_id=[1~x]",
        "project_id=[x~]",
        "project_id={a b}",
        "project_id={}",
        "project_id=(1 a)",
        "project_id=~1",
        "is_public=maybe",
        "creation_time=yesterday",
        "creation_time=2006-13-02T15:04:05",
        "name=a%00",
        "name=~\0",
        "name=[a~\0]",
        "name={\0}",
    ] {
        let found = tests(q);
        assert!(matches!(&found[..], [(_, Test::Nothing)]), "{q}: {found:?}");
    }
    assert_eq!(tests("project_id={1 a}"), [(Sample::Id, Test::AnyOf(vec![Value::Int(1)]))]);
}

#[test]
fn several_terms_decoded_once_more() {
    use Sample::*;
    assert_eq!(tests("name=a,project_id=1"), [(Name, Test::Is(text("a"))), (Id, Test::Is(Value::Int(1)))]);
    assert_eq!(
        tests("name%3Da%2Cproject_id%3d1"),
        [(Name, Test::Is(text("a"))), (Id, Test::Is(Value::Int(1)))]
    );
    assert_eq!(tests("name=a+b"), [(Name, Test::Is(text("a b")))]);
    assert_eq!(tests("name=100%+x"), [(Name, Test::Is(text("100%+x")))]);
    assert_eq!(tests("name=%ff"), [(Name, Test::Is(text("\u{fffd}")))]);
    assert_eq!(tests("name=a,name=b"), [(Name, Test::Is(text("b")))]);
}

#[test]
fn what_is_wrong_in_q() {
    for (q, error) in [
        ("name", QueryError::Term),
        ("=a", QueryError::Term),
        ("name=", QueryError::Term),
        ("name=a,", QueryError::Term),
        (",", QueryError::Term),
        ("unknown", QueryError::Term),
        ("name=~", QueryError::Like),
        ("name=[", QueryError::Range),
        ("name=[a]", QueryError::Range),
        ("name=[a~b", QueryError::Range),
        ("name=[a~b~c]", QueryError::Range),
        ("name=[ ~ ]", QueryError::Range),
        ("unknown=[]", QueryError::Range),
        ("name={a", QueryError::List),
        ("name=(a}", QueryError::List),
        ("name={", QueryError::List),
    ] {
        assert_eq!(fault(q), error, "{q}");
        assert_eq!(error.status(), 400);
    }
    assert!(tests(&format!("name={}", "a".repeat(raw::LONGEST - 5))).len() == 1);
    assert_eq!(fault(&"a".repeat(raw::LONGEST + 1)), QueryError::TooLong);
    let terms = |count| (0..count).map(|index| format!("k{index}=a")).collect::<Vec<_>>().join(",");
    assert_eq!(tests(&terms(raw::FILTERS)), []);
    assert_eq!(fault(&terms(raw::FILTERS + 1)), QueryError::TooManyFilters);
    let values = |count| format!("project_id={{{}}}", "1 ".repeat(count));
    assert!(
        matches!(&tests(&values(raw::VALUES))[..], [(_, Test::AnyOf(found))] if found.len() == raw::VALUES)
    );
    assert_eq!(fault(&values(raw::VALUES + 1)), QueryError::TooManyValues);
}

#[test]
fn raw_terms_keep_their_names() {
    let raw = parse_raw(Some("tags=nil,labels=(1 2),base=*,size__gte=3")).unwrap();
    let names: Vec<_> = raw.iter().map(|filter| filter.name.as_str()).collect();
    assert_eq!(names, ["tags", "labels", "base", "size__gte"]);
    assert_eq!(raw[0].test, RawTest::Is("nil".to_owned()));
    assert_eq!(raw[1].test, RawTest::AllOf(vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!(raw[1].parts(), ("labels", None));
    assert_eq!(raw[3].parts(), ("size", Some("gte")));
}

#[test]
fn pages() {
    let parse = |page, size| {
        Query::<Sample>::parse(None, None, page, size).map(|query| (query.number(), query.size()))
    };
    assert_eq!(parse(None, None), Ok((1, 10)));
    assert_eq!(parse(Some(""), Some("")), Ok((1, 10)));
    assert_eq!(parse(Some("3"), Some("100")), Ok((3, 100)));
    for wrong in ["0", "-1", "x", "1.5", "9223372036854775808", " 1"] {
        assert_eq!(parse(Some(wrong), None), Err(QueryError::Page), "{wrong}");
        assert_eq!(parse(None, Some(wrong)), Err(QueryError::PageSize), "{wrong}");
    }
    for large in ["101", "4294967297"] {
        assert_eq!(parse(None, Some(large)), Err(QueryError::PageSizeTooLarge));
    }
    let farthest = Query::<Sample>::parse(None, None, Some("9223372036854775807"), Some("100")).unwrap();
    assert_eq!(farthest.offset(), u64::MAX);
}

#[test]
fn sorting() {
    use Order::*;
    use Sample::*;
    let order = |sort| Query::<Sample>::parse(None, Some(sort), None, None).unwrap().order().to_vec();
    assert_eq!(order("name,-creation_time"), [(Name, Ascending), (Made, Descending)]);
    assert_eq!(order("-ProjectID"), [(Id, Descending)]);
    assert_eq!(order("secret,is_public,unknown,-,,--name,"), []);
    assert_eq!(order("name,-name"), [(Name, Ascending)]);
}

#[test]
fn made_by_embedders() {
    let query = Query::default()
        .filter(Sample::Secret, Test::Is(text("a")))
        .filter(Sample::Id, Test::Is(text("a")))
        .filter(Sample::Name, Test::Like("\0".to_owned()))
        .sort(Sample::Name, Order::Descending)
        .page(0, 0);
    let tests: Vec<_> = query.filters().iter().map(|filter| filter.test().clone()).collect();
    assert_eq!(tests, [Test::Is(text("a")), Test::Nothing, Test::Nothing]);
    assert_eq!(query.order(), [(Sample::Name, Order::Descending)]);
    assert_eq!((query.number(), query.size(), query.offset()), (1, 1, 0));
}

#[test]
fn errors_of_use_cases() {
    let of = |error: QueryError| Error::from(error);
    assert!(matches!(of(QueryError::Term), Error::BadRequest(_)));
    assert!(matches!(of(QueryError::PageSizeTooLarge), Error::Unprocessable(_)));
    assert_eq!((of(QueryError::Range).status(), of(QueryError::Page).status()), (400, 422));
    assert_eq!(
        of(QueryError::PageSizeTooLarge).public_message(),
        "page_size must be at most 100; ask for the following pages one by one"
    );
    assert_eq!(
        QueryError::List.to_string(),
        "a list in q must be {a b} or (a b); write \\{ or \\( for the plain character"
    );
}

#[test]
fn links_between_pages() {
    for (address, page, size, total, expected) in [
        ("/p", 1, 10, 10, None),
        ("/p", 1, 10, 0, None),
        ("/p", 5, 10, 10, None),
        ("/p", 1, 10, 11, Some("</p?page=2&page_size=10>; rel=\"next\"")),
        ("/p?q=a%3Db&sort=-x", 2, 10, 15, Some("</p?q=a%3Db&sort=-x&page=1&page_size=10>; rel=\"prev\"")),
        (
            "/p?page=2&q=a&page_size=5",
            2,
            5,
            11,
            Some("</p?page=1&q=a&page_size=5>; rel=\"prev\" , </p?page=3&q=a&page_size=5>; rel=\"next\""),
        ),
        ("/p?page=2&page=3&%70age=4&x", 1, 1, 2, Some("</p?page=2&x&page_size=1>; rel=\"next\"")),
        ("/p?&q=<\r\n>\"", 1, 1, 2, Some("</p?q=%3C%0D%0A%3E%22&page=2&page_size=1>; rel=\"next\"")),
        ("/p", u64::MAX, u32::MAX, u64::MAX, None),
        ("/p", 1, 0, 7, None),
    ] {
        assert_eq!(links(address, page, size, total).as_deref(), expected, "{address} {page}");
    }
    let query = Query::<Sample>::default().page(2, 3);
    assert_eq!(query.links("/p", 4).as_deref(), Some("</p?page=1&page_size=3>; rel=\"prev\""));
}

proptest! {
    #[test]
    fn any_text_is_answered(q: String, sort: String, page: String, size: String) {
        let _ = Query::<Sample>::parse(Some(&q), Some(&sort), Some(&page), Some(&size));
    }

    #[test]
    fn any_term_is_answered(
        q in "((name|project_id|creation_time|is_public)(__(gt|in))?=[~\\[({\\\\]?[a1é :~%+-]{0,8}[\\])}]?,?){0,3}",
        sort in "[-,a-z_]{0,20}",
    ) {
        if let Ok(query) = Query::<Sample>::parse(Some(&q), Some(&sort), None, None) {
            prop_assert!(query.filters().len() <= raw::FILTERS);
            for filter in query.filters() {
                let again = Query::default().filter(filter.key(), filter.test().clone());
                prop_assert_eq!(again.filters(), std::slice::from_ref(filter));
            }
        }
    }

    #[test]
    fn links_are_one_line(address: String, page: u64, size: u32, total: u64) {
        if let Some(links) = links(&address, page, size, total) {
            prop_assert!(links.is_ascii() && !links.contains(char::is_control));
        }
    }
}

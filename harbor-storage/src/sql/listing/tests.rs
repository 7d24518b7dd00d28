use harbor_core::query::keys;

use super::*;
use crate::sql::dialect::Dialect;

keys! {
    /// What projects are asked for by in the tests.
    enum Project {
        /// Its id.
        Id: Int, "project_id", "ProjectID", filter, sort;
        /// Its name.
        Name: Text, "name", "Name", filter, sort;
        /// Whether everybody may read it.
        Public: Bool, "public", "Public", filter;
        /// When it was made.
        Made: Time, "creation_time", "CreationTime", filter, sort;
    }
}

fn column(key: Project) -> &'static str {
    match key {
        Project::Id => "p.id",
        Project::Name => "p.name",
        Project::Public => "p.is_public",
        Project::Made => "p.created_at",
    }
}

fn projects(query: &Query<Project>) -> Listing {
    Listing::new("p.name", "projects p", "p.id").query(query, column, "")
}

fn asked(q: &str) -> Query<Project> {
    Query::parse(Some(q), None, None, None).unwrap()
}

/// The conditions of `q`, and its values.
fn conditions(q: &str) -> (String, Vec<String>) {
    let (statement, values) = projects(&asked(q)).count();
    let conditions = statement.strip_prefix("SELECT COUNT(*) FROM projects p").unwrap();
    (conditions.to_owned(), values.iter().map(|value| format!("{value:?}")).collect())
}

#[test]
fn conditions_of_each_test() {
    let time = "creation_time=[2006-01-02T15:04:05~]";
    for (q, expected, values) in [
        ("name=a", " WHERE p.name = ?", &["Text(\"a\")"][..]),
        ("project_id=7", " WHERE p.id = ?", &["Int(7)"]),
        ("public=true", " WHERE p.is_public = ?", &["Int(1)"]),
        ("public=0", " WHERE p.is_public = ?", &["Int(0)"]),
        (time, " WHERE p.created_at >= ?", &["Int(1136214245000000)"]),
        ("project_id=[1~9]", " WHERE p.id >= ? AND p.id <= ?", &["Int(1)", "Int(9)"]),
        ("project_id__gt=1", " WHERE p.id > ?", &["Int(1)"]),
        ("project_id__lt=1", " WHERE p.id < ?", &["Int(1)"]),
        ("project_id={1 2}", " WHERE p.id IN (?, ?)", &["Int(1)", "Int(2)"]),
        ("name=~aB", " WHERE LOWER(p.name) LIKE ? ESCAPE '!'", &["Text(\"%ab%\")"]),
        ("name=~a%25_!\\", " WHERE LOWER(p.name) LIKE ? ESCAPE '!'", &["Text(\"%a!%!_!!\\\\%\")"]),
        (
            "name=~AÄ",
            " WHERE (LOWER(p.name) LIKE ? ESCAPE '!' OR LOWER(p.name) LIKE ? ESCAPE '!')",
            &["Text(\"%aä%\")", "Text(\"%aÄ%\")"],
        ),
        ("name=(a b)", "", &[]),
        ("project_id=x", " WHERE 1 = 0", &[]),
        ("project_id={}", " WHERE 1 = 0", &[]),
        ("name=a,project_id=x", " WHERE p.name = ? AND 1 = 0", &["Text(\"a\")"]),
        ("unknown=a", "", &[]),
        ("", "", &[]),
    ] {
        let (found, bound) = conditions(q);
        assert_eq!(
            (found.as_str(), bound),
            (expected, values.iter().map(|v| (*v).to_owned()).collect()),
            "{q}"
        );
    }
}

#[test]
fn pages_and_their_order() {
    let parse = |q, sort, page, size| Query::<Project>::parse(q, sort, page, size).unwrap();
    let query = parse(Some("name=a"), Some("-creation_time,name"), Some("3"), Some("20"));
    let listing = Listing::new("p.id, p.name", "projects p", "p.id")
        .only("p.is_public = ? OR p.id = ?", values![1_u32, 7_u32])
        .query(&query, column, "p.name");
    let (statement, values) = listing.page();
    assert_eq!(
        statement,
        "SELECT p.id, p.name FROM projects p WHERE (p.is_public = ? OR p.id = ?) AND p.name = ? \
         ORDER BY p.created_at DESC, p.name, p.id LIMIT ? OFFSET ?"
    );
    assert_eq!(format!("{values:?}"), "[Int(1), Int(7), Text(\"a\"), Int(20), Int(40)]");
    assert_eq!(
        Dialect::Postgres.render(&listing.count().0),
        "SELECT COUNT(*) FROM projects p WHERE (p.is_public = $1 OR p.id = $2) AND p.name = $3"
    );

    let order = |sort, own| {
        let query = parse(None, sort, None, None);
        let statement = Listing::new("p.id", "projects p", "p.id").query(&query, column, own).page().0;
        statement.split_once(" ORDER BY ").unwrap().1.to_owned()
    };
    assert_eq!(order(None, ""), "p.id LIMIT ? OFFSET ?");
    assert_eq!(order(None, "p.name DESC"), "p.name DESC, p.id DESC LIMIT ? OFFSET ?");
    assert_eq!(order(Some("-project_id,name"), "p.name DESC"), "p.id DESC, p.name LIMIT ? OFFSET ?");
}

/// Whatever a client writes, the text has nothing of it but how many values there are.
#[test]
fn nothing_of_a_clients_enters_the_text() {
    for word in ["zzz", "'; DROP TABLE projects; --", "?", "$1", "\\", "!", "zzz' OR '1'='1"] {
        for form in ["name=W", "name=~W", "name=[W~W]", "name={W}", "name__in=W", "W=a", "name__W=a"] {
            let q = form.replace('W', word);
            let Ok(query) = Query::parse(Some(&q), Some(word), None, None) else { continue };
            let listing = projects(&query);
            for statement in [listing.page().0, listing.count().0] {
                assert!(!statement.contains("zzz") && !statement.contains("DROP"), "{q}: {statement}");
            }
            let (statement, values) = listing.page();
            assert_eq!(statement.matches('?').count(), values.len(), "{q}");
        }
    }
}

#[test]
fn offsets_beyond_all_rows() {
    let query = Query::<Project>::default().page(u64::MAX, 100);
    let (_, values) = projects(&query).page();
    assert_eq!(format!("{values:?}"), "[Int(100), Int(9223372036854775807)]");
}

#[cfg(feature = "sqlite")]
mod in_sqlite {
    use harbor_core::Timestamp;

    use super::*;
    use crate::sql::sqlite::SqliteDatabase;
    use crate::sql::statement::sql;

    const NAMES: [&str; 6] = ["alpha", "Beta", "be_ta", "50%", "Ärger", "c!\\d"];

    /// Projects 1 to 6, of which the even ones are public, made at so many seconds.
    async fn filled() -> SqliteDatabase {
        let database = SqliteDatabase::in_memory().await.unwrap();
        let mut session = database.begin().await.unwrap();
        for (id, name) in (1_u32..).zip(NAMES) {
            let insert = sql!("INSERT INTO projects (id, name, is_public, created_at) VALUES (?, ?, ?, ?)");
            let made = Timestamp::from_micros(i64::from(id) * 1_000_000);
            session.execute(insert, values![id, name, 1 - id % 2, made.micros()]).await.unwrap();
        }
        session.commit().await.unwrap();
        database
    }

    async fn read(database: &SqliteDatabase, query: &Query<Project>) -> (Vec<String>, u64) {
        let mut session = Guarded { session: database.read().await.unwrap(), failed: false };
        let (rows, total) = projects(query).read(&mut session).await.unwrap();
        (rows.iter().map(|row| row.text(0).unwrap()).collect(), total)
    }

    #[tokio::test]
    async fn filters() {
        let database = filled().await;
        for (q, expected) in [
            ("", &NAMES[..]),
            ("name=alpha", &["alpha"]),
            ("name=Alpha", &[]),
            ("name=~BE", &["Beta", "be_ta"]),
            ("name=~e_t", &["be_ta"]),
            ("name=~%25", &["50%"]),
            ("name=~!\\", &["c!\\d"]),
            ("name=~Ärg", &["Ärger"]),
            ("name=~RGER", &["Ärger"]),
            ("public=true", &["Beta", "50%", "c!\\d"]),
            ("project_id={1 3 9 x}", &["alpha", "be_ta"]),
            ("project_id=[2~3]", &["Beta", "be_ta"]),
            ("project_id__gt=4", &["Ärger", "c!\\d"]),
            ("creation_time=[1970-01-01T00:00:05~]", &["Ärger", "c!\\d"]),
            ("creation_time=[~1970-01-01 00:00:01]", &["alpha"]),
            ("project_id=x", &[]),
            ("name=a%00", &[]),
        ] {
            assert_eq!(read(&database, &asked(q)).await.0, expected, "{q}");
        }
    }

    #[tokio::test]
    async fn pages() {
        let database = filled().await;
        let query = Query::default().sort(Project::Id, Order::Descending);
        for (number, size, expected, total) in [
            (1, 4, 4, 6),
            (2, 4, 2, 6),
            (3, 4, 0, 6),
            (1, 6, 6, 6),
            (1, 100, 6, 6),
            (2, 6, 0, 6),
            (u64::MAX, 100, 0, 6),
        ] {
            let (rows, found) = read(&database, &query.clone().page(number, size)).await;
            assert_eq!((rows.len(), found), (expected, total), "page {number} of {size}");
        }
        let (rows, _) = read(&database, &query.page(2, 4)).await;
        assert_eq!(rows, ["Beta", "alpha"]);
        assert_eq!(read(&database, &asked("project_id=x")).await.1, 0);
    }
}

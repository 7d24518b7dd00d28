//! Tags and the catalog: lists over pages.

use harbor_core::oci::Algorithm;
use harbor_replicate::client::{Credential, Error, Repository};
use harbor_tests::TestRegistry;
use harbor_tests::content;

use super::double::{Came, Double, Reply};
use super::{REPO, admin, at, push, repository};

#[tokio::test]
async fn lists_are_read_over_pages() {
    let registry = TestRegistry::in_memory().await;
    let (app, set) = (repository(&registry), content::image(Algorithm::Sha256));
    let names: Vec<_> = (0..7).map(|number| format!("v{number}")).collect();
    for name in &names {
        push(&app, name, &set).await;
    }
    for page in [None, Some(1), Some(3), Some(7), Some(100)] {
        let tags = app.tags(page).all().await.unwrap();
        assert_eq!(tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), names, "{page:?}");
    }
    for name in ["library/a", "library/b/c"] {
        push(&app.registry().repository(name.parse().unwrap()), "x", &set).await;
    }
    for page in [None, Some(1), Some(2)] {
        let names = app.registry().catalog(page).all().await.unwrap();
        let names: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
        assert_eq!(names, ["library/a", "library/b/c", REPO], "{page:?}");
    }
    // Who reads some of it asks for no more.
    let mut some = app.tags(Some(2));
    assert_eq!(some.next().await.unwrap().unwrap().as_str(), "v0");
    let nobody = at(registry.address(), Credential::Anonymous);
    let none = nobody.repository("library/none".parse().unwrap()).tags(None).all().await.unwrap_err();
    assert!(none.is_absent(), "{none}");
    let admin = at(registry.address(), admin(&registry));
    admin.ping().await.unwrap();
    registry.close().await;
}

async fn answering(answers: impl Fn(&Came) -> Reply + Send + Sync + 'static) -> (Double, Repository) {
    let double = Double::start(answers).await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    (double, app)
}

fn page(tags: &str) -> Reply {
    Reply::body(format!(r#"{{"name":"x","tags":{tags}}}"#)).header("Content-Type", "application/json")
}

#[tokio::test]
async fn no_list_leads_to_another_host() {
    let elsewhere = Double::start(|_| page(r#"["stolen"]"#)).await;
    let link = format!(r#"<http://{}/v2/x>; rel="next""#, elsewhere.address);
    let (_double, app) = answering(move |_| page(r#"["a"]"#).header("Link", &link)).await;
    let outcome = app.tags(None).all().await;
    assert!(matches!(outcome, Err(Error::BadAnswer { .. })), "{outcome:?}");
    assert!(elsewhere.came().is_empty());
}

#[tokio::test]
async fn lists_without_an_end_have_one() {
    // To itself, and round in a circle.
    for circle in [1, 3] {
        let (double, app) = answering(move |came| {
            let at: usize = came.query("at").first().map_or(0, |at| at.parse().unwrap());
            page(r#"["a"]"#).header("Link", format!(r#"<?at={}>; rel="next""#, (at + 1) % circle))
        })
        .await;
        let outcome = app.tags(None).all().await;
        assert!(matches!(outcome, Err(Error::BadAnswer { .. })), "{outcome:?}");
        assert!(double.came().len() <= circle + 1);
    }
}

#[tokio::test]
async fn odd_pages() {
    let (_double, app) = answering(|_| page("null")).await;
    assert_eq!(app.tags(None).all().await.unwrap(), []);
    for odd in [r#"["../x"]"#, "7", r#"{"a":1}"#, "["] {
        let (_double, app) = answering(move |_| page(odd)).await;
        assert!(matches!(app.tags(None).all().await, Err(Error::BadAnswer { .. })), "{odd}");
    }
    // An error behind the first page comes behind its entries.
    let (_double, app) = answering(|came| match came.query("at").len() {
        0 => page(r#"["a","b"]"#).header("Link", "<?at=1>; rel=next"),
        _ => Reply::error(404, "NAME_UNKNOWN"),
    })
    .await;
    let mut tags = app.tags(None);
    assert_eq!(tags.next().await.unwrap().unwrap().as_str(), "a");
    assert_eq!(tags.next().await.unwrap().unwrap().as_str(), "b");
    assert!(tags.next().await.unwrap().is_err());
    assert!(tags.next().await.is_none());
}

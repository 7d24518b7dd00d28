//! The delay of a login that fails, in time that passes when the test says so.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::{Attempt, AuthError, Authenticator as _, Credentials, Secret};
use harbor_core::meta::{Sharing, User};
use harbor_core::{Clock, access::Actor};

use super::Nodes;
use crate::factor::Factor;
use crate::{AccountOptions, Accounts};

const PASSWORD: &str = "the administrator's password";
const DELAY: Duration = Duration::from_millis(700);

async fn accounts() -> Accounts {
    let mut options = AccountOptions::default();
    (options.admin_password, options.admin_password_is_random) = (Some(Secret::new(PASSWORD)), true);
    options.login_limits.delay = DELAY;
    // So it is seen when a failure is counted.
    options.login_limits.of_name = 1;
    let store = Arc::new(Nodes::new(Sharing::Exclusive).await);
    Accounts::bootstrap(store, options, Clock::System).await.unwrap().0
}

/// A user like the administrator, with a second factor.
async fn with_second_factor(accounts: &Accounts, name: &str) {
    let admin = accounts.directory().user_named("admin").await.unwrap().unwrap();
    let (factor, _) = Factor::make().unwrap().turn_on().unwrap();
    let second_factor = Some(factor.write().unwrap());
    let user = User { name: name.to_owned(), second_factor, ..admin.user.clone() };
    let mut rows = accounts.metadata().begin().await.unwrap();
    rows.user_insert(&user).await.unwrap();
    rows.commit().await.unwrap();
}

fn basic(name: &str, password: &str) -> Credentials {
    Credentials::Basic { username: name.to_owned(), password: Secret::new(password) }
}

fn form(name: &str, password: &str, code: Option<&str>) -> Credentials {
    let (username, password) = (name.to_owned(), Secret::new(password));
    Credentials::Form { username, password, code: code.map(Secret::new) }
}

/// What comes of a login, and after how much of the time that was stopped. It passes only once the failure is counted: nothing but
/// the delay takes any of it, however long the machine takes to hash.
async fn login(accounts: &Accounts, name: &str, credentials: &Credentials) -> (Option<Actor>, Duration) {
    let (attempt, begin) = (Attempt::new(credentials), tokio::time::Instant::now());
    let mut login = Box::pin(accounts.authenticate(attempt));
    loop {
        if let std::task::Poll::Ready(came) = futures_util::poll!(&mut login) {
            let came: Result<Option<Actor>, AuthError> = came;
            return (came.unwrap(), begin.elapsed());
        }
        if accounts.throttle().before(name, None).is_err() {
            tokio::time::advance(Duration::from_millis(1)).await;
        } else {
            // What is done in other threads goes on; the time of this one does not, for this task is never idle.
            std::thread::sleep(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_login_that_fails_is_put_off() {
    let accounts = accounts().await;
    for name in ["grace", "edsger"] {
        with_second_factor(&accounts, name).await;
    }
    let wrong = [
        ("admin", basic("admin", "wrong")),
        ("nobody", basic("nobody", "wrong")),
        ("robot$nobody", basic("robot$nobody", "wrong")),
        ("robot$no+body", basic("robot$no+body", "wrong")),
        ("ada", form("ada", "wrong", None)),
        ("alan", form("alan", "wrong", Some("123456"))),
        ("grace", form("grace", PASSWORD, Some("no code"))),
        ("edsger", basic("edsger", PASSWORD)),
    ];
    tokio::time::pause();
    let (admin, took) = login(&accounts, "admin", &basic("admin", PASSWORD)).await;
    assert_eq!((admin.unwrap().name(), took), ("admin", Duration::ZERO), "one that is right is not");
    for (name, credentials) in wrong {
        let (actor, took) = login(&accounts, name, &credentials).await;
        assert!(actor.is_none(), "{name}");
        assert!((DELAY..=DELAY + Duration::from_millis(1)).contains(&took), "{name}: {took:?}");
    }
}

//! Users, groups, roles, robots, tokens, second factors.

use harbor_tests::{Harborctl, TestRegistry, code_at};

use crate::{Transcript, logged_in};

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn user() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.line("user create grace --email grace@example.org --password-stdin", "Correct horse 1\n").await;
    told.line("user create weak --password-stdin", "weak\n").await;
    told.line("user create nothing --password-stdin", "").await;
    told.type_in(
        "user create untold
         user list
         user list -o wide
         user get grace
         user get id:2 -o json
         user get nobody
         user update grace --realname 'Grace H.' --comment x
         user get grace -o yaml
         user search gra
         user current
         user admin grace
         user admin grace false
         user permissions --scope /project/1 --no-headers -o name
         user reset-totp grace",
    )
    .await;
    told.line("user password grace --password-stdin", "Correct horse 2\n").await;
    told.line("user cli-secret grace --password-stdin", "Correct horse 3\n").await;
    told.type_in("user delete grace --yes\nuser list -o name").await;
    told.check("user");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn group() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "group create developers
         group create developers
         group create staff --from ldap
         group list
         group search dev
         group rename developers builders
         group get builders
         member add library builders --group --role guest
         member list library
         group delete builders
         group get builders",
    )
    .await;
    told.check("group");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn role() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "role permissions
         role create puller --permission repository:pull --permission tag:list
         role create wrong --permission pull
         role create wrong --permission nothing:pull
         role list
         role update puller --description 'may pull'
         role get puller -o json
         role update puller --permission artifact:read
         role get puller -o yaml
         role get nope
         role delete puller
         role list",
    )
    .await;
    told.check("role");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn robot() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "robot create ci
         robot create ci --project library --permission repository:pull --permission repository:push --days -1
         robot create ci --project library --permission repository:pull
         robot list
         robot list -p library
         robot get ci -p library -o json
         robot get robot$library+ci -p library -o name
         robot get nope -p library
         robot update ci -p library --disable true --description 'builds'
         robot list -p library -o wide
         robot renew ci -p library --overlap 60",
    )
    .await;
    told.line("robot renew ci -p library --password-stdin", "Chosen secret 1\n").await;
    let permissions =
        "- kind: project\n  namespace: '*'\n  access:\n  - {resource: repository, action: pull}\n";
    told.line("robot create mirror --permissions-file - --days 5 -o json", permissions).await;
    told.line("robot create mirror --permissions-file -", "- kind: [").await;
    told.type_in(
        "robot list -o name\nrobot delete mirror --yes\nrobot delete ci -p library --yes\nrobot list",
    )
    .await;
    told.check("robot");
}

/// A robot that the command line made does what it was told it may, and no more.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_robot_logs_in_with_the_secret_that_it_was_shown() {
    let registry = TestRegistry::in_memory().await;
    let admin = logged_in(&registry).await;
    let create = ["robot", "create", "ci", "-p", "library", "--permission", "repository:list", "-o", "json"];
    let robot: serde_json::Value = serde_json::from_str(&admin.ok(&create).await).unwrap();
    let server = format!("http://{}", registry.address());
    let name = robot["name"].as_str().unwrap();
    let login = ["login", &server, "-u", name, "--password-stdin", "--name", "robot", "--store", "file"];
    let ran = admin.told(&login, robot["secret"].as_str().unwrap()).await;
    assert_eq!(ran.code, Some(0), "{}", ran.told);
    let who = admin.ok(&["whoami", "-o", "name"]).await;
    assert_eq!(who.trim(), name);
    admin.ok(&["repository", "list", "library"]).await;
    let refused = admin.run(&["user", "list"]).await;
    assert_eq!(refused.code, Some(4), "{}", refused.told);
    assert_eq!(admin.ok(&["--context", "test", "whoami", "-o", "name"]).await.trim(), "admin");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn token() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in("token create laptop --days 30\ntoken create laptop\ntoken list").await;
    let scopes =
        r#"[{"kind":"project","namespace":"library","access":[{"resource":"repository","action":"pull"}]}]"#;
    told.line("token create ci --scopes-file - -o json", scopes).await;
    told.type_in("token list -o name\ntoken delete laptop\ntoken delete laptop\ntoken list -o json").await;
    told.check("token");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn totp() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl)
        .but(r"(URI +)\S+", "$1[uri]")
        .but(r"(?m)^[0-9a-z]{4,}(-[0-9a-z]{4,})+$", "[recovery code]");
    told.type_in("totp get").await;
    told.line("totp create --password-stdin", "wrong").await;
    told.type_in("totp confirm 000000").await;
    let made = harborctl
        .told(&["totp", "create", "--password-stdin", "-o", "json"], &registry.password("admin"))
        .await;
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    assert!(made["uri"].as_str().unwrap().starts_with("otpauth://totp/"), "{made}");
    told.type_in("totp confirm 000000\ntotp get -o json").await;
    a_second_factor_of_somebody_else(&registry, &harborctl, &mut told).await;
    told.check("totp");
}

/// It is turned on, from where on a password alone is not enough here, and taken away: with a token, and by an administrator.
async fn a_second_factor_of_somebody_else(
    registry: &TestRegistry,
    harborctl: &Harborctl,
    told: &mut Transcript<'_>,
) {
    const PASSWORD: &str = "Correct horse 1";
    told.line("user create grace --password-stdin", PASSWORD).await;
    let server = format!("http://{}", registry.address());
    let by_password = format!("login {server} -u grace --password-stdin --store file --name grace");
    told.line(&by_password, PASSWORD).await;
    let token = harborctl.ok(&["token", "create", "ci", "--days", "1", "-o", "json"]).await;
    let token: serde_json::Value = serde_json::from_str(&token).unwrap();
    let secret = turned_on(registry, told, PASSWORD).await;
    told.type_in("totp get").await;
    told.line("totp delete 000000 --password-stdin", PASSWORD).await;
    told.line(&by_password, PASSWORD).await;
    let by_token = format!("login {server} -u grace --password-stdin --store file --name token");
    told.line(&by_token, token["token"].as_str().unwrap()).await;
    told.type_in("totp get").await;
    let delete = format!("totp delete {} --password-stdin", code_at(&secret, registry.clock.now(), 1));
    told.shown_as(&delete, "totp delete [code] --password-stdin", PASSWORD, usize::MAX).await;
    told.line(&by_password, PASSWORD).await;
    told.type_in("totp get").await;
    turned_on(registry, told, PASSWORD).await;
    told.type_in("context use test\nuser reset-totp grace\n--context grace totp get").await;
    let of_administrator = harborctl.ok(&["whoami", "-o", "name"]).await;
    assert_eq!(of_administrator.trim(), "admin");
}

/// Makes a second factor and turns it on; yields its secret.
async fn turned_on(registry: &TestRegistry, told: &mut Transcript<'_>, password: &str) -> String {
    let made = told.line("totp create --password-stdin", password).await;
    let secret = made.out.lines().find_map(|line| line.strip_prefix("SECRET"));
    let secret = secret.unwrap_or_else(|| panic!("{}", made.told)).trim().to_owned();
    let code = code_at(&secret, registry.clock.now(), 0);
    told.shown_as(&format!("totp confirm {code}"), "totp confirm [code]", "", usize::MAX).await;
    secret
}

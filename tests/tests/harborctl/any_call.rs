//! `harborctl api`.

use harbor_tests::receiver::{Answers, Receiver};
use harbor_tests::{Harborctl, TestRegistry};

use crate::{Transcript, logged_in};

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn api() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        r#"api GET /projects?page_size=1
         api get /api/v2.0/projects/library -o yaml
         api POST /projects -f project_name=team -f metadata:='{"public":"true"}'
         api POST /projects -f project_name
         api POST /projects -f metadata:='{'
         api GET /projects --paginate -o name
         api HEAD /projects?project_name=team
         api DELETE /projects/team
         api GET /nope
         api FETCH /projects
         api GET /ping"#,
    )
    .await;
    told.line("api POST /projects --input -", "project_name: fromyaml\n").await;
    told.type_in("api GET /projects?sort=-project_id --paginate -o name").await;
    told.check("api");
}

/// Servers that are none, are not there, or cannot.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn servers_that_fail() {
    let harborctl = Harborctl::new();
    let receiver = Receiver::start(Answers::Status(500)).await;
    let server = format!("http://127.0.0.1:{}", receiver.port);
    let mut told = Transcript::of(&harborctl);
    told.type_in(&format!(
        "--server {server} project create team
         --server {server} project list
         --server {server} health
         --server {server} inspect library/web:1.0
         --server {server} api GET /projects"
    ))
    .await;
    receiver.answer(Answers::Status(429));
    told.type_in(&format!("--server {server} project create team")).await;
    receiver.answer(Answers::Garbage);
    told.type_in(&format!("--server {server} project create team")).await;
    receiver.answer(Answers::Status(200));
    told.type_in(&format!("--server {server} project get team\n--server {server} inspect library/web:1.0"))
        .await;
    told.type_in(
        "--server http://127.0.0.1:1 project list
         --server http://127.0.0.1:1 inspect library/web:1.0
         --server http://127.0.0.1:1 push nowhere library/web:1.0
         --server 'no server' project list
         --server http://127.0.0.1:1 --ca nowhere.pem project list
         --context nope project list",
    )
    .await;
    told.check("servers");
}

//! `harborctl api`.

use harbor_tests::TestRegistry;

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

//! Projects, members, labels, quotas, immutable tags, retention.

use harbor_tests::TestRegistry;

use crate::{Transcript, logged_in};

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn project() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "project list
         project create team --public --limit 10GiB
         project create team
         project create Wrong!
         project list
         project list --no-headers
         project list -o wide
         project list -o json --query name=team
         project list -o yaml --limit 1
         project list -o name --sort -name
         project list --query nonsense
         project list --query nope=1
         project get team
         project get team -o name
         project get nope
         project get nope -q
         project update team
         project update team --public false --set auto_scan=true
         project setting list team
         project setting set team prevent_vul true
         project setting set team prevent_vul false
         project setting get team prevent_vul
         project setting unset team prevent_vul
         project setting list team -o json
         project summary team
         project exists team -q
         project exists nope -q
         project log team --limit 2
         project log team --older --limit 2
         project deletable team
         project delete team
         project delete team --yes -q
         project delete team --yes
         project list -o name",
    )
    .await;
    told.check("project");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn member() {
    let registry = TestRegistry::builder(harbor_tests::BackEnd::Memory).user("grace", &[]).start().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "project create team -q
         role create puller --permission repository:pull --description 'may pull'
         member add team grace --role puller --repository 'a/**'
         member add team grace --role developer
         member add team nobody --role developer
         member add team grace --role nonsense
         member list team
         member list team --name gra -o name
         member update team grace --role maintainer --all-repositories
         member get team grace -o json
         member get team nobody
         member remove team grace
         member list team -o wide",
    )
    .await;
    told.check("member");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn label() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "label create everywhere --color '#48960C' --description 'of all'
         label create tested -p library
         label create tested -p library
         label list
         label list -p library -o wide
         label update tested -p library --name checked --color '#000000'
         label get checked -p library
         label get tested -p library
         label delete everywhere
         label list",
    )
    .await;
    told.check("label");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn quota() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "project create team --limit 1GiB -q
         quota list
         quota set team 5GiB
         quota set team 5GB5
         quota get team
         quota set team -1
         quota get team -o json
         quota get nope",
    )
    .await;
    told.check("quota");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn immutable() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "immutable create library --tags 'v*'
         immutable create library --tags 'v*'
         immutable create library --tags latest --exclude-tags --repositories 'release/**' --allow-deletion
         immutable list library
         immutable disable library 1
         immutable list library -o json
         immutable enable library 1
         immutable disable library 99
         immutable delete library 1
         immutable list library -o name",
    )
    .await;
    told.check("immutable");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn retention() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "retention templates
         retention get -p library
         retention get
         retention add-rule -p library latestPushedK 10
         retention add-rule -p library nonsense 10
         retention add-rule -p library always --tags latest --not-untagged
         retention get -p library
         retention get -p library -o yaml
         retention schedule daily -p library
         retention schedule nonsense -p library
         retention schedule '0 30 3 * * 6' -p library --time-zone Europe/Berlin
         schedule list -o name
         retention schedule none -p library
         retention preview -p library
         retention runs -p library
         retention stop 99 -p library
         retention tasks 99 -p library
         retention add-rule --default nDaysSinceLastPull 30
         retention get --default
         retention delete --default
         retention delete -p library",
    )
    .await;
    told.check("retention");
}

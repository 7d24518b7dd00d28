//! The use cases, each with what comes ahead of it.

use futures_util::future::BoxFuture;
use harbor_core::Result;

use crate::world::{CONFIG, EXTRA, LAYER, ONE, TWO, World};

type Step = for<'a> fn(&'a World) -> BoxFuture<'a, Result<()>>;

/// A use case under test.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Goes ahead, without faults.
    pub(crate) prepare: Step,
    /// Is tried with faults.
    pub(crate) run: Step,
    /// Trying again without faults completes it.
    pub(crate) again: bool,
    /// It does several things one after the other, so a fault may leave some of them done.
    pub(crate) in_parts: bool,
}

macro_rules! step {
    (|$world:ident| $body:expr) => {
        |$world: &World| Box::pin(async move { $body })
    };
}

const fn case(name: &'static str, prepare: Step, run: Step) -> Case {
    Case { name, prepare, run, again: true, in_parts: false }
}

async fn image(world: &World) -> Result<()> {
    world.push_image(ONE, 1, &["latest", "v1"]).await
}

async fn upload(world: &World) -> Result<()> {
    world.start().await?;
    world.append(0).await?;
    world.append(1).await
}

async fn everything_due(world: &World) -> Result<()> {
    image(world).await?;
    world.push_image(TWO, 2, &["v2"]).await?;
    world.push_blob(ONE, EXTRA).await?;
    world.delete_manifest(ONE, 1).await?;
    upload(world).await?;
    world.wait();
    Ok(())
}

pub(crate) fn pushes() -> Vec<Case> {
    vec![
        case("blob_put", step!(|_w| Ok(())), step!(|w| w.push_blob(ONE, EXTRA).await)),
        case(
            "blob_put of known content",
            step!(|w| image(w).await),
            step!(|w| w.push_blob(TWO, LAYER).await),
        ),
        case(
            "blob_put of content that is garbage",
            step!(|w| {
                w.push_blob(ONE, EXTRA).await?;
                w.delete_blob(ONE, EXTRA).await?;
                // The bytes cannot be deleted, and stay where they are.
                w.faults.arm_named("delete");
                let report = w.collect(&w.harbor).await?;
                w.faults.disarm();
                assert_eq!(report.failed, 1);
                Ok(())
            }),
            step!(|w| w.push_blob(ONE, EXTRA).await),
        ),
        case("upload_start", step!(|_w| Ok(())), step!(|w| w.start().await)),
        Case {
            again: false,
            ..case("upload_append", step!(|w| w.start().await), step!(|w| w.append(0).await))
        },
        Case {
            again: false,
            ..case("upload_finish", step!(|w| upload(w).await), step!(|w| w.finish().await))
        },
        case("upload_cancel", step!(|w| upload(w).await), step!(|w| w.cancel().await)),
        case(
            "blob_mount",
            step!(|w| image(w).await),
            step!(|w| w.mount(TWO, ONE, LAYER).await.map(|mounted| assert!(mounted))),
        ),
        case(
            "manifest_put",
            step!(|w| {
                image(w).await?;
                w.push_blob(ONE, CONFIG).await
            }),
            step!(|w| w.push_manifest(ONE, 2, &["v2", "latest"]).await),
        ),
        case(
            "manifest_put of a known one",
            step!(|w| image(w).await),
            step!(|w| w.push_manifest(ONE, 1, &["v2", "latest"]).await),
        ),
    ]
}

pub(crate) fn deletes() -> Vec<Case> {
    vec![
        case("tag_delete", step!(|w| image(w).await), step!(|w| w.delete_tag(ONE, "latest").await)),
        case("manifest_delete", step!(|w| image(w).await), step!(|w| w.delete_manifest(ONE, 1).await)),
        case(
            "blob_delete",
            step!(|w| w.push_blob(ONE, EXTRA).await),
            step!(|w| w.delete_blob(ONE, EXTRA).await),
        ),
        case("project create", step!(|_w| Ok(())), step!(|w| w.create("other").await)),
        case(
            "project delete",
            step!(|w| w.create("other").await),
            step!(|w| w.delete_project("other").await),
        ),
        Case {
            in_parts: true,
            again: false,
            ..case(
                "garbage collection",
                step!(|w| everything_due(w).await),
                step!(|w| w.collect(&w.harbor).await.map(drop)),
            )
        },
        Case {
            in_parts: true,
            again: false,
            ..case(
                "expiry of uploads",
                step!(|w| {
                    upload(w).await?;
                    w.start().await?;
                    w.wait();
                    Ok(())
                }),
                step!(|w| w.collect(&w.harbor).await.map(drop)),
            )
        },
    ]
}

//! What can be read out of artifacts.

use flate2::Compression;
use flate2::write::GzEncoder;
use harbor_core::oci::MediaType;
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, Maker, Piece};
use serde_json::json;

use super::{SHA, artifact, push_image, read};

harbor_tests::on_every_store! {
    the_history_of_an_image;
    the_files_of_a_chart;
    what_does_not_read_is_told;
}

const CHART: &str = "application/vnd.cncf.helm.config.v1+json";
const FILES: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

async fn the_history_of_an_image(registry: &TestRegistry) {
    let admin = registry.admin();
    let history = json!([{ "created_by": "/bin/sh -c echo", "empty_layer": true }]);
    let config = json!({ "architecture": "amd64", "os": "linux", "history": history });
    let config = Piece::json(SHA, content::CONFIG, &config);
    let set = Maker::image_with(SHA, MediaType::OCI_MANIFEST, config).layers(1).done();
    admin.push("library/app", Some("v1"), &set).await;
    let addition = |name: &str| format!("{}/additions/{name}", artifact("library/app", "v1"));
    let answer = admin.get(&addition("build_history")).await.expect_status(200);
    assert_eq!(answer.json(), history);
    assert!(answer.need("Content-Type").starts_with("application/json"));
    assert_eq!(admin.get(&addition("BUILD_HISTORY")).await.status, 200);
    for none in ["values.yaml", "readme.md", "dependencies", "sbom", "nothing"] {
        admin.get(&addition(none)).await.expect_error(404, "NOT_FOUND");
    }
    let index = content::index(SHA);
    admin.push("library/app", Some("all"), &index).await;
    let of_index = format!("{}/additions/build_history", artifact("library/app", "all"));
    admin.get(&of_index).await.expect_error(404, "NOT_FOUND");
    registry.project("secret", false).await;
    push_image(&admin, "secret/app", "v1").await;
    let secret = format!("{}/additions/build_history", artifact("secret/app", "v1"));
    registry.anon().get(&secret).await.expect_error(401, "UNAUTHORIZED");
}

async fn the_files_of_a_chart(registry: &TestRegistry) {
    let admin = registry.admin();
    let dependencies = json!([{ "name": "redis", "version": "1.0", "repository": "https://example.org" }]);
    let config =
        json!({ "name": "app", "version": "1.2.3", "apiVersion": "v2", "dependencies": dependencies });
    let files = [
        ("app/Chart.yaml", "name: app"),
        ("app/values.yaml", "replicas: 1"),
        ("app/charts/redis/README.md", "# Redis"),
        ("app/README.md", "# App <script>"),
    ];
    let set = Maker::image_with(SHA, MediaType::OCI_MANIFEST, Piece::json(SHA, CHART, &config))
        .layer(Piece::new(SHA, FILES, packed(&files)))
        .done();
    admin.push("library/charts/app", Some("1.2.3"), &set).await;
    let shown = read(&admin, artifact("library/charts/app", "1.2.3")).await;
    assert_eq!((&shown["type"], &shown["extra_attrs"]["version"]), (&json!("CHART"), &json!("1.2.3")));
    let links = shown["addition_links"].as_object().unwrap();
    assert_eq!(links.keys().collect::<Vec<_>>(), ["dependencies", "readme.md", "values.yaml"]);
    for (name, kind, text) in [
        ("readme.md", "text/markdown", "# App <script>".to_owned()),
        ("values.yaml", "text/plain", "replicas: 1".to_owned()),
        ("dependencies", "application/json", dependencies.to_string()),
    ] {
        let answer = admin.get(links[name]["href"].as_str().unwrap()).await.expect_status(200);
        assert_eq!(answer.body, text);
        assert!(answer.need("Content-Type").starts_with(kind));
        assert_eq!(answer.need("X-Content-Type-Options"), "nosniff");
    }
    let history = format!("{}/additions/build_history", artifact("library/charts/app", "1.2.3"));
    admin.get(&history).await.expect_error(404, "NOT_FOUND");
}

async fn what_does_not_read_is_told(registry: &TestRegistry) {
    let admin = registry.admin();
    let cases = [("no gzip".as_bytes().to_vec(), 422), (packed(&[("app/Chart.yaml", "")]), 404)];
    for (number, (files, status)) in cases.into_iter().enumerate() {
        let name = format!("library/chart-{number}");
        let set = Maker::image_with(
            SHA,
            MediaType::OCI_MANIFEST,
            Piece::new(SHA, CHART, format!("no JSON {number}")),
        )
        .layer(Piece::new(SHA, FILES, files))
        .done();
        admin.push(&name, Some("v1"), &set).await;
        let addition = |addition: &str| format!("{}/additions/{addition}", artifact(&name, "v1"));
        admin.get(&addition("values.yaml")).await.expect_status(status);
        admin.get(&addition("dependencies")).await.expect_status(422);
    }
}

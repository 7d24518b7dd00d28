//! The document as a page to read: plain HTML, in which nothing runs.

use std::fmt::Write as _;

use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}\
    code{font:14px ui-monospace,monospace}summary{cursor:pointer;padding:.2rem 0}details{border-top:1px solid #ddd}\
    details>div{padding:0 0 .8rem 1.2rem}.m{display:inline-block;min-width:4.5rem;font-weight:600}\
    @media(prefers-color-scheme:dark){body{background:#161616;color:#e6e6e6}a{color:#8ab4f8}details{border-color:#333}}";

/// Renders a document.
pub(super) fn render(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Harbor API</title><style>{STYLE}</style><h1>Harbor API</h1><p>{} The document itself: \
         <a href=openapi.json>openapi.json</a>.</p>",
        escape(text(&document["info"]["description"]))
    );
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            render_operation(&mut page, path, method, operation);
        }
    }
    page.push_str("</html>");
    page
}

fn render_operation(page: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        page,
        "<details id=\"{}\"><summary><span class=m>{}</span> <code>{}</code> {}</summary><div><p>{}</p>",
        escape(text(&operation["operationId"])),
        escape(&method.to_ascii_uppercase()),
        escape(path),
        escape(text(&operation["summary"])),
        escape(text(&operation["description"])),
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let names: Vec<String> = parameters
        .map(|parameter| {
            format!("<code>{}</code> ({})", escape(text(&parameter["name"])), escape(text(&parameter["in"])))
        })
        .collect();
    if !names.is_empty() {
        let _ = write!(page, "<p>Takes {}.</p>", names.join(", "));
    }
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        let _ = write!(page, "<p>Body: <code>{}</code>.</p>", escape(name));
    }
    page.push_str("</div></details>");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

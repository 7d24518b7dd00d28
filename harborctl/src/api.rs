//! `harborctl api`: any call of the API.

use std::path::PathBuf;

use clap::Args;
use harbor_core::operation::Method;
use serde_json::{Map, Value};

use crate::body;
use crate::failure::{Failure, Outcome};
use crate::output::{Format, Output, Shape};
use crate::session::Session;

/// For values of any form: they are no tables.
static SHAPE: Shape = Shape { name: "/name", columns: &[] };

/// Call any operation of the API, and print what it answers.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harborctl api GET '/projects?q=public=true' --paginate
  harborctl api POST /projects -f project_name=team -f metadata:='{\"public\": \"true\"}'
  harborctl api PUT /projects/team --input team.json
  harborctl api GET /systeminfo -o yaml")]
pub(crate) struct Api {
    /// GET, HEAD, POST, PUT, PATCH or DELETE
    #[arg(value_parser = method)]
    method: Method,
    /// The path below /api/v2.0, with its query
    path: String,
    /// A member of the body: `name=text`, or `name:=JSON`
    #[arg(short, long = "field", value_name = "NAME=VALUE", conflicts_with = "input")]
    fields: Vec<String>,
    /// The body: a file in JSON or YAML; `-` for the standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Follow the pages of a list, and print all of it
    #[arg(long)]
    paginate: bool,
}

impl Api {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let mut call = session.api().await?.call_path(self.method, &self.path);
        if let Some(body) = self.body()? {
            call = call.json(&body);
        }
        // What has any form is no table.
        let format =
            if session.output.format == Format::Table { Format::Json } else { session.output.format };
        let output = Output { format, ..session.output };
        if !self.paginate {
            let text = call.text().await?;
            return match serde_json::from_str::<Value>(&text) {
                Ok(value) => output.one(&value, &SHAPE),
                Err(_) => output.text(&text),
            };
        }
        let mut entries = call.pages::<Value>();
        let mut list = output.list(&SHAPE);
        while let Some(entry) = entries.next().await {
            list.entry(&entry?)?;
        }
        list.end()
    }

    fn body(&self) -> Outcome<Option<Value>> {
        if let Some(file) = &self.input {
            return body::from_file(file).map(Some);
        }
        if self.fields.is_empty() {
            return Ok(None);
        }
        let members = self.fields.iter().map(|field| member(field)).collect::<Outcome<Map<_, _>>>()?;
        Ok(Some(Value::Object(members)))
    }
}

/// `name=text` or `name:=JSON`.
fn member(field: &str) -> Outcome<(String, Value)> {
    let wrong = |why: &str| Failure::usage(format!("{field:?} {why}")).hint("NAME=TEXT or NAME:=JSON");
    let (name, value) = field.split_once('=').ok_or_else(|| wrong("names no value"))?;
    match name.strip_suffix(':') {
        Some(name) => {
            let value =
                serde_json::from_str(value).map_err(|error| wrong(&format!("is no JSON: {error}")))?;
            Ok((name.to_owned(), value))
        }
        None => Ok((name.to_owned(), Value::String(value.to_owned()))),
    }
}

fn method(text: &str) -> Result<Method, &'static str> {
    Method::named(&text.to_ascii_uppercase()).ok_or("write GET, HEAD, POST, PUT, PATCH or DELETE")
}

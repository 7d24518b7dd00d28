//! The whole audit log, as JSON Lines or as CSV (RFC 4180), streamed.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use harbor_core::api::AuditLogExt;
use harbor_core::audit::AuditExport;
use harbor_core::meta::AuditRow;
use harbor_core::{Error, Result};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};

use super::audit::wire;
use super::call::Call;

/// The first line of a CSV file.
const HEADER: &str = "id,op_time,username,operation,resource_type,resource,operation_description,operation_result,\
                      client_address,credential,request_id\r\n";

/// What a cell begins with that a spreadsheet takes for a formula.
const FORMULAE: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

#[derive(Clone, Copy)]
enum Format {
    Lines,
    Csv,
}

/// `GET /auditlog-exts/export?format=jsonl|csv&q=…`.
pub(super) async fn export(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let format = match call.parameter("format").as_deref() {
        None | Some("jsonl") => Format::Lines,
        Some("csv") => Format::Csv,
        Some(_) => return Err(Error::Unprocessable("format must be jsonl or csv".to_owned())),
    };
    let mut export = call.harbor().audit().export(&call.actor, &call.list()?)?;
    // Ahead of the answer: a store that cannot be read is told as such.
    let first = export.next().await?.unwrap_or_default();
    let pieces = try_unfold(Some((Some(first), export)), move |state: Option<(_, AuditExport)>| async move {
        let Some((first, mut export)) = state else { return Ok::<_, Error>(None) };
        let (begins, rows) = match first {
            Some(rows) => (true, Some(rows)),
            None => (false, export.next().await?),
        };
        let Some(rows) = rows else { return Ok(None) };
        Ok(Some((piece(format, begins, rows)?, Some((None, export)))))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let (kind, name) = match format {
        Format::Lines => ("application/x-ndjson", "attachment; filename=\"audit-log.jsonl\""),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"audit-log.csv\""),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn piece(format: Format, begins: bool, rows: Vec<AuditRow>) -> Result<Bytes> {
    let mut text = match format {
        Format::Csv if begins => HEADER.to_owned(),
        _ => String::new(),
    };
    for line in rows.into_iter().map(wire) {
        match format {
            Format::Csv => text.push_str(&record(&line)),
            Format::Lines => {
                let line =
                    serde_json::to_string(&line).map_err(|error| Error::Internal(error.to_string()))?;
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    Ok(text.into())
}

/// A line as a record of CSV.
fn record(line: &AuditLogExt) -> String {
    let cells =
        [&line.username, &line.operation, &line.resource_type, &line.resource, &line.operation_description]
            .map(|text| cell(text));
    let more = [&line.client_address, &line.credential, &line.request_id].map(|text| cell(text));
    format!(
        "{},{},{},{},{}\r\n",
        line.id,
        line.op_time,
        cells.join(","),
        line.operation_result,
        more.join(",")
    )
}

/// A cell, in quotes. What would be a formula gets an apostrophe ahead of it, which makes it text.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(FORMULAE) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text() {
        for (text, expected) in [
            ("", "\"\""),
            ("plain, text", "\"plain, text\""),
            ("a \"b\"\r\nc", "\"a \"\"b\"\"\r\nc\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@x", "\"'@x\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("＝1+1", "\"'＝1+1\""),
            ("a=1", "\"a=1\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}

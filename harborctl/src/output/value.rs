//! Values as texts.

use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};
use serde_json::Value;

use super::shape::{Column, Kind};

/// What stands where there is nothing.
const NOTHING: &str = "-";

/// What stands in a cell.
pub(super) fn cell(value: &Value, column: &Column, wide: bool) -> String {
    let Some(value) = value.pointer(column.at) else { return NOTHING.to_owned() };
    let shown = match column.kind {
        Kind::Plain => plain(value),
        Kind::Time => time(value),
        Kind::Bytes => value.as_i64().map_or_else(|| plain(value), bytes),
        Kind::Digest if wide => plain(value),
        Kind::Digest => short(&plain(value)),
        Kind::Seconds => value.as_i64().map_or_else(|| plain(value), seconds),
        Kind::Each(member) => each(value, member),
    };
    if shown.is_empty() { NOTHING.to_owned() } else { harmless(&shown) }
}

/// So many of something: `1 blob`, `2 blobs`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The text at a place, as it is.
pub(super) fn text(value: &Value, at: &str) -> String {
    harmless(&value.pointer(at).map_or_else(String::new, plain))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(entries) => entries.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}={}", plain(value)));
            members.collect::<Vec<_>>().join(",")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn each(value: &Value, member: &str) -> String {
    let entries = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = entries.iter().filter_map(|entry| entry.get(member)).map(plain);
    texts.collect::<Vec<_>>().join(",")
}

fn time(value: &Value) -> String {
    let text = plain(value);
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) if time.year() <= 1 => NOTHING.to_owned(),
        Ok(time) => time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Secs, true),
        Err(_) => text,
    }
}

fn seconds(seconds: i64) -> String {
    match DateTime::from_timestamp(seconds, 0) {
        _ if seconds < 0 => "never".to_owned(),
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true),
        None => seconds.to_string(),
    }
}

/// Bytes in the largest unit of which there is one: `1.5 MiB`.
pub(crate) fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 0 {
        return NOTHING.to_owned();
    }
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (mut amount, mut unit) = (bytes as f64, 0);
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{amount:.1} {}", UNITS[unit]) }
}

fn short(digest: &str) -> String {
    match digest.split_once(':') {
        Some((_, hex)) => hex.chars().take(12).collect(),
        None => digest.to_owned(),
    }
}

/// Without what moves a terminal: names and descriptions are other people's.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|char| if is_harmful(char) { ' ' } else { char }).collect()
}

/// Whether a terminal takes it for something to do, and not for a letter; or turns around what follows (Unicode Standard Annex 9).
fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_as_their_column_says() {
        let value = json!({
            "size": 1_572_864, "limit": -1, "never": "0001-01-01T00:00:00Z", "at": "2026-11-22T07:00:00.123Z",
            "digest": "sha256:0123456789abcdef", "tags": [{"name": "a"}, {"name": "b"}], "bad": "a\u{1b}[31mb", "no": null,
            "ends": -1, "parts": ["x", "y"],
        });
        let shown = |column: &Column| cell(&value, column, false);
        assert_eq!(shown(&Column::bytes("", "/size")), "1.5 MiB");
        assert_eq!(shown(&Column::bytes("", "/limit")), "-");
        assert_eq!(shown(&Column::time("", "/never")), "-");
        assert_eq!(shown(&Column::time("", "/at")), "2026-11-22T07:00:00Z");
        assert_eq!(shown(&Column::digest("", "/digest")), "0123456789ab");
        assert_eq!(cell(&value, &Column::digest("", "/digest"), true), "sha256:0123456789abcdef");
        assert_eq!(shown(&Column::each("", "/tags", "name")), "a,b");
        assert_eq!(shown(&Column::plain("", "/bad")), "a [31mb");
        assert_eq!(shown(&Column::plain("", "/no")), "-");
        assert_eq!(shown(&Column::plain("", "/absent")), "-");
        assert_eq!(shown(&Column::seconds("", "/ends")), "never");
        assert_eq!(shown(&Column::plain("", "/parts")), "x,y");
    }
}

//! A line of the audit log as a message of syslog (RFC 5424), in a frame that tells its length (RFC 6587, section 3.4.1).

use harbor_core::meta::AuditRow;

/// The facility of audit logs, 13, with the severity of information, 6; and of warnings, 4, for what was refused.
const TOLD: u8 = 13 * 8 + 6;
const REFUSED: u8 = 13 * 8 + 4;

/// The message, behind its length in bytes.
pub(super) fn frame(row: &AuditRow, node: &str) -> String {
    let message = message(row, node);
    format!("{} {message}", message.len())
}

fn message(row: &AuditRow, node: &str) -> String {
    let line = &row.line;
    let priority = if line.allowed { TOLD } else { REFUSED };
    let (id, result) = (row.id.get().to_string(), line.allowed.to_string());
    let values = [
        ("id", id.as_str()),
        ("operator", &line.username),
        ("actor", &line.actor),
        ("resourceType", &line.resource_type),
        ("result", &result),
        ("clientAddress", &line.address),
        ("credential", &line.credential),
        ("requestId", &line.request_id),
    ];
    let values: String =
        values.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
    let text = format!(
        "action:{}, resource:{}, operation_description:{}",
        line.operation, line.resource, line.description
    );
    // The byte order mark says that the text is UTF-8.
    format!(
        "<{priority}>1 {} {} harbor - audit [harbor@32473{values}] \u{feff}{}",
        line.at,
        host(node),
        plain(&text)
    )
}

/// What a value of structured data may have (RFC 5424, section 6.3.3).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in plain(value).chars() {
        if matches!(c, '"' | '\\' | ']') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Without control characters: what somebody typed must not look like another message.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A name of printable ASCII, of at most 255 characters; `-` for none.
fn host(node: &str) -> String {
    let name: String = node.chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use harbor_core::access::Actor;
    use harbor_core::meta::{AuditId, AuditLine};
    use harbor_core::{Timestamp, audit};

    use super::*;

    #[test]
    fn messages_are_framed_and_escaped() {
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        let line = audit::line_of(&Actor::user("gr\"a]ce"), "create", "artifact", "é\n<110>1".to_owned(), at);
        let line = AuditLine { allowed: false, address: "192.0.2.1".to_owned(), ..line };
        let told = frame(&AuditRow { id: AuditId::new(7), line }, "node 1");
        let (length, message) = told.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        assert_eq!(
            message,
            "<108>1 2023-11-14T22:13:20.000000Z node1 harbor - audit [harbor@32473 id=\"7\" operator=\"gr\\\"a\\]ce\" \
             actor=\"user:gr\\\"a\\]ce\" resourceType=\"artifact\" result=\"false\" clientAddress=\"192.0.2.1\" credential=\"\" \
             requestId=\"\"] \u{feff}action:create, resource:é <110>1, operation_description:create artifact: é <110>1"
        );
    }
}

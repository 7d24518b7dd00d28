//! Where the audit log is forwarded to.

/// A receiver of the audit log: `host:port` or `tcp://host:port` for TCP, `tls://host:port` for TLS. An address of IPv6 stands in
/// brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardTarget {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl ForwardTarget {
    /// Reads one; `None` for a text that is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("tcp", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            Some(_) => return None,
        };
        let (host, port) = rest.rsplit_once(':')?;
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let right = match inner {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                !host.is_empty() && host.len() <= 253 && host.bytes().all(known)
            }
        };
        let port = port.parse().ok().filter(|port| *port != 0)?;
        right.then(|| Self { tls, host: inner.unwrap_or(host).to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_read() {
        let target = |tls, host: &str, port| Some(ForwardTarget { tls, host: host.to_owned(), port });
        for (text, read) in [
            ("logs.example.com:514", target(false, "logs.example.com", 514)),
            ("tcp://192.0.2.1:601", target(false, "192.0.2.1", 601)),
            ("tls://[2001:db8::1]:6514", target(true, "2001:db8::1", 6514)),
            ("udp://x:1", None),
            ("x", None),
            ("x:0", None),
            ("x:70000", None),
            (":1", None),
            ("2001:db8::1:5", None),
            ("tls://a/b:1", None),
            ("", None),
        ] {
            assert_eq!(ForwardTarget::read(text), read, "{text}");
        }
    }
}

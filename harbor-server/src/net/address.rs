//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{HeaderMap, HeaderValue, Request};

use harbor_core::Network;

/// The address of a request's client, as far as it is known for sure: an extension of every request that is answered.
///
/// It is that of the other end of the connection; or, where that is a proxy that is trusted, what the proxy says of its own
/// other end. An address of IPv4 in the form of IPv6 is the same as without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

/// The header in which proxies say whom they speak for. One of them is believed: a proxy that writes one lets the other pass
/// as a client wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose word is taken for where a request comes from. Nobody's, unless they are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where they are.
    pub networks: Vec<Network>,
    /// The header that they write.
    pub header: ProxyHeader,
}

impl TrustedProxies {
    /// Where a request comes from. The other end of the connection is what [`ConnectInfo`] says, which
    /// [`Server`](super::Server) and axum's `into_make_service_with_connect_info` leave with the request.
    pub(crate) fn client<B>(&self, request: &Request<B>) -> ClientAddress {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        ClientAddress(
            peer.and_then(|ConnectInfo(peer)| self.behind(peer.ip().to_canonical(), request.headers())),
        )
    }

    /// Whether a request seems to come by way of a proxy, and none is trusted.
    pub(crate) fn overlooks<B>(&self, request: &Request<B>) -> bool {
        let headers = [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded].map(ProxyHeader::name);
        self.networks.is_empty() && headers.into_iter().any(|header| request.headers().contains_key(header))
    }

    /// Each proxy adds the address that it was asked from to the end of the list. So the last one that is not a proxy's is the
    /// client's, and whatever stands before it is what the client says. What does not read hides who wrote it: then the last
    /// one that did read has to answer for it, at worst the proxy that is asked by.
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut last = peer;
        let lines: Vec<&[u8]> =
            headers.get_all(self.header.name()).iter().map(HeaderValue::as_bytes).collect();
        let entries = lines.into_iter().rev().flat_map(|line| self.header.entries(line).into_iter().rev());
        for entry in entries {
            if !self.trusts(last) {
                break;
            }
            let Some(next) = entry.and_then(address) else { break };
            last = next;
        }
        Some(last)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

impl ProxyHeader {
    /// The header of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::XForwardedFor, Self::Forwarded]
            .into_iter()
            .find(|header| header.name().eq_ignore_ascii_case(name))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    /// What a line of the header says, entry for entry; nothing where an entry says none that reads.
    fn entries(self, line: &[u8]) -> Vec<Option<&str>> {
        match self {
            Self::XForwardedFor => {
                let text = |entry| std::str::from_utf8(entry).ok().map(str::trim);
                line.split(|byte| *byte == b',').map(text).collect()
            }
            Self::Forwarded => {
                let elements = std::str::from_utf8(line).ok().and_then(|line| unquoted(line, ','));
                elements.map_or_else(|| vec![None], |elements| elements.into_iter().map(whom).collect())
            }
        }
    }
}

/// The `for` of an element of `Forwarded` (RFC 7239, section 4).
fn whom(element: &str) -> Option<&str> {
    unquoted(element, ';')?.into_iter().find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        name.eq_ignore_ascii_case("for").then_some(value)
    })
}

/// Splits a text where a character stands outside of quotes. Nothing where a quote does not end: what a client wrote would take
/// in what a proxy added after it.
fn unquoted(text: &str, at: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let pieces = text.split(|character| {
        let ends = character == at && !quoted;
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && quoted && !escaped;
        ends
    });
    let pieces = pieces.collect();
    (!quoted).then_some(pieces)
}

/// An address, with a port or without: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let alone = match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => text.parse().ok(),
    };
    let address = alone.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";
    const CLIENT: &str = "192.0.2.7";

    /// Where a request with these lines comes from, when the other end of its connection is `peer`.
    fn client(header: &'static str, peer: &str, lines: &[&[u8]]) -> Option<String> {
        let networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap()).to_vec();
        let proxies = TrustedProxies { networks, header: ProxyHeader::named(header).unwrap() };
        let mut request = Request::new(());
        for line in lines {
            let line = HeaderValue::from_bytes(line).unwrap();
            request.headers_mut().append(header, line);
        }
        let peer: SocketAddr = (peer.parse::<IpAddr>().unwrap(), 4711).into();
        request.extensions_mut().insert(ConnectInfo(peer));
        proxies.client(&request).0.map(|address| address.to_string())
    }

    fn forwarded_for(peer: &str, lines: &[&str]) -> Option<String> {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        client("x-forwarded-for", peer, &lines)
    }

    fn is(address: &str) -> Option<String> {
        Some(address.to_owned())
    }

    #[test]
    fn whoever_is_not_trusted_is_not_believed() {
        for peer in [CLIENT, "11.0.0.1", "2001:db8:2::1", "127.0.0.1"] {
            assert_eq!(forwarded_for(peer, &["203.0.113.9"]), is(peer));
            assert_eq!(forwarded_for(peer, &["10.0.0.2"]), is(peer));
        }
        let request = Request::new(());
        assert_eq!(
            TrustedProxies::default().client(&request),
            ClientAddress(None),
            "a socket without an address"
        );
    }

    #[test]
    fn the_last_one_that_is_no_proxy_is_the_client() {
        for lines in [
            &[CLIENT][..],
            &["203.0.113.9, 192.0.2.7"],
            &["10.0.0.9, 203.0.113.9,192.0.2.7,  10.9.9.9"],
            &["203.0.113.9", "10.0.0.3, 192.0.2.7", "10.0.0.2"],
            &["garbage, 192.0.2.7, 10.0.0.2"],
            &["192.0.2.7:4711"],
            &["::ffff:192.0.2.7"],
            &["[::ffff:192.0.2.7]:80", "2001:db8:1::5"],
        ] {
            assert_eq!(forwarded_for(PROXY, lines), is(CLIENT), "{lines:?}");
            assert_eq!(forwarded_for("::ffff:10.0.0.1", lines), is(CLIENT), "{lines:?}");
        }
        for line in ["2001:db8:2::1", "[2001:db8:2::1]", "[2001:db8:2::1]:443"] {
            assert_eq!(forwarded_for("2001:db8:1::1", &[line]), is("2001:db8:2::1"));
        }
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        assert_eq!(forwarded_for(PROXY, &[]), is(PROXY), "it looks whether the server is well");
        assert_eq!(forwarded_for(PROXY, &["10.0.0.5, 10.0.0.4"]), is("10.0.0.5"));
    }

    #[test]
    fn whoever_passes_on_what_does_not_read_answers_for_it() {
        for line in
            ["unknown", "", "192.0.2.7, ", "192.0.2.7, garbage", "192.0.2.7:port", "[192.0.2.7]", "1.2.3"]
        {
            assert_eq!(forwarded_for(PROXY, &[line]), is(PROXY), "{line:?}");
        }
        assert_eq!(forwarded_for(PROXY, &["garbage, 10.0.0.2"]), is("10.0.0.2"));
        assert_eq!(client("x-forwarded-for", PROXY, &[b"192.0.2.7", b"\xFF"]), is(PROXY));
        // A client's bytes do not hide what the proxy adds to them.
        assert_eq!(client("x-forwarded-for", PROXY, &[b"\xFF, 192.0.2.7"]), is(CLIENT));
        assert_eq!(client("x-forwarded-for", PROXY, &[b"\xFF", b"192.0.2.7"]), is(CLIENT));
    }

    #[test]
    fn the_header_of_rfc_7239() {
        let forwarded = |line: &str| client("forwarded", PROXY, &[line.as_bytes()]);
        for line in [
            "for=192.0.2.7",
            "For=\"192.0.2.7:4711\";proto=https;by=10.0.0.1",
            "for=203.0.113.9, host=\"a,b;for=1.2.3.4\";for=192.0.2.7, for=10.0.0.2",
            "host=\"\\\",for=1.2.3.4\"; for=192.0.2.7",
        ] {
            assert_eq!(forwarded(line), is(CLIENT), "{line}");
        }
        assert_eq!(forwarded("for=\"[2001:db8:2::1]:80\""), is("2001:db8:2::1"));
        for line in ["for=unknown", "for=_hidden", "proto=https", "for=192.0.2.7, by=10.0.0.2"] {
            assert_eq!(forwarded(line), is(PROXY), "{line}");
        }
        // A quote that a client leaves open does not take in what the proxy adds.
        for own in ["for=192.0.2.7", "for=\"192.0.2.7\"", "for=\"192.0.2.7\";by=\"10.0.0.1\""] {
            for said in ["for=1.2.3.4;x=\"", "for=1.2.3.4;x=\"\\", "for=1.2.3.4;x=\"\\\""] {
                let line = format!("{said}, {own}");
                assert_eq!(forwarded(&line), is(PROXY), "{line}");
            }
        }
    }

    /// A proxy writes one of them, and lets the other pass as the client wrote it.
    #[test]
    fn only_one_header_is_believed() {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let mut request = Request::new(());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 1))));
        request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
        request.headers_mut().insert("forwarded", HeaderValue::from_static("for=203.0.113.9"));
        for (header, client) in
            [(ProxyHeader::XForwardedFor, [192, 0, 2, 7]), (ProxyHeader::Forwarded, [203, 0, 113, 9])]
        {
            let proxies = TrustedProxies { networks: networks.clone(), header };
            assert_eq!(proxies.client(&request), ClientAddress(Some(client.into())));
        }
    }
}

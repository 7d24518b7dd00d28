use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::{Error, Network, Result};

/// To which addresses requests may go: those of the internet, and these networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Vec<Network>);

impl Allowed {
    /// The internet, and these networks.
    #[must_use]
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Why no request may go to an address; nothing when it may.
    #[must_use]
    pub fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        let kind = unlike_the_internet(address.to_canonical())?;
        (!self.0.iter().any(|network| network.contains(address))).then_some(kind)
    }

    /// Whether requests may go to a URL, as far as that can be told without asking for its name: names are looked up when a request
    /// goes out.
    ///
    /// # Errors
    /// [`Error::BadRequest`] names the setting that allows it.
    pub fn check(&self, url: &str) -> Result<()> {
        let host = Url::parse(url).ok().and_then(|url| url.host().map(|host| host.to_owned()));
        let address = match host {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        match self.refusal(address) {
            Some(kind) => Err(Error::BadRequest(told(&address.to_string(), kind))),
            None => Ok(()),
        }
    }
}

/// What people are told of an address that nothing may go to.
pub(super) fn told(host: &str, kind: &str) -> String {
    format!(
        "{host} is {kind}, to which this registry sends nothing: whoever runs it can allow that with the setting egress_allow"
    )
}

/// What an address is that is not one of the internet (IANA's registries of special-purpose addresses). Where an address of IPv4
/// is embedded in one of IPv6, that counts.
fn unlike_the_internet(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// The ranges, with what they are. The first that has an address tells.
const SPECIAL_V4: [(Ipv4Addr, u32, &str); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "an unspecified address"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private address"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "an address of a provider's own network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "an address of this machine"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local address"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private address"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "a reserved address"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a reserved address"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private address"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "an address for measurements"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "a broadcast address"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved address"),
];

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let has = |first: Ipv4Addr, length: u32| (bits ^ first.to_bits()) >> (32 - length) == 0;
    SPECIAL_V4.into_iter().find(|(first, length, _)| has(*first, *length)).map(|(.., kind)| kind)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    // The 32 bits that begin there.
    let v4 = |from: u32| Ipv4Addr::from_bits((bits >> (96 - from)) as u32);
    let begins = |first: u128, length: u32| bits >> (128 - length) == first;
    let segments = address.segments();
    match () {
        () if bits == 0 => Some("an unspecified address"),
        () if bits == 1 => Some("an address of this machine"),
        // IPv4-compatible (RFC 4291, section 2.5.5.1), and what SIIT translates (RFC 2765).
        () if begins(0, 96) || begins(0xffff_0000, 96) => {
            Some(special_v4(v4(96)).unwrap_or("a reserved address"))
        }
        // 64:ff9b::/96: NAT64 (RFC 6052).
        () if begins(0x0064_ff9b_0000_0000_0000_0000, 96) => special_v4(v4(96)),
        () if begins(0x0064_ff9b_0001, 48) => Some("an address of a NAT64 of one's own"),
        // 2002::/16: 6to4 (RFC 3056).
        () if begins(0x2002, 16) => special_v4(v4(16)),
        () if begins(0x2001_0000, 32) => Some("an address of Teredo"),
        () if begins(0x0020_0100 >> 1, 23) => Some("a reserved address"),
        () if begins(0x2001_0db8, 32) || begins(0x3fff0, 20) => Some("an address for documentation"),
        // ISATAP (RFC 5214): the interface is an address of IPv4.
        () if [0, 0x0200].contains(&segments[4]) && segments[5] == 0x5efe => special_v4(v4(96)),
        () if begins(0b111_1110, 7) => Some("a private address"),
        () if begins(0x3fa, 10) => Some("a link-local address"),
        () if begins(0x3fb, 10) => Some("a site-local address"),
        () if begins(0xff, 8) => Some("a multicast address"),
        // 2000::/3 is all that was given out (RFC 4291, section 2.4).
        () if !begins(0b001, 3) => Some("a reserved address"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_the_internet() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:c0a8:1::1",
            "2002:a9fe:a9fe::",
            "3fff::1",
            "2a00::5efe:10.0.0.1",
            "2a00::200:5efe:192.168.1.1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ff0e::1",
            "4000::1",
            "e000::1",
            "fd00:ec2::254",
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert!(Allowed::default().refusal(parsed).is_some(), "{address}");
            let all = ["0.0.0.0/0", "::/0"].map(|all| all.parse().unwrap()).to_vec();
            assert_eq!(Allowed::new(all).refusal(parsed), None, "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::5efe:8.8.8.8",
            "2001:200::1",
        ] {
            assert_eq!(Allowed::default().refusal(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn networks_are_allowed() {
        let allowed = Allowed::new(vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for (address, may) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("fd00::1", true),
            ("fc00::1", false),
        ] {
            assert_eq!(allowed.refusal(address.parse().unwrap()).is_none(), may, "{address}");
        }
    }

    /// Whatever a URL spells, it is the address that counts.
    #[test]
    fn spellings() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "127。0。0。1",
            "①②⑦.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:0:0:1]",
            "0",
            "[::]",
            "[64:ff9b::7f00:1]",
            "[fe80::1]",
        ] {
            let error = Allowed::default().check(&format!("http://{host}:8080/x")).unwrap_err();
            assert!(error.to_string().contains("egress_allow"), "{host}: {error}");
        }
        for url in
            ["https://example.org/", "https://8.8.8.8/", "http://[2606:4700::1111]/", "http://localhost/"]
        {
            Allowed::default().check(url).unwrap();
        }
    }
}

//! The part of an address that tells customers apart.

use std::net::{IpAddr, Ipv6Addr};

/// The part of an address that limits count by: all of IPv4; of IPv6 the first 64 bits, for everybody has as many as they like
/// of the rest (RFC 4291, section 2.5.1). Who has a site of their own has 256 of those or more (RFC 6177), and so as many
/// limits. An IPv4 address in the form of IPv6 is the same as without.
#[must_use]
pub fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_an_address_of_ipv6_is_one_customer() {
        let site = |text: &str| site(text.parse().unwrap()).to_string();
        assert_eq!(site("2001:db8:1:2:aaaa:bbbb:cccc:dddd"), "2001:db8:1:2::");
        assert_eq!(site("2001:db8:1:3::1"), "2001:db8:1:3::");
        assert_eq!(site("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(site("192.0.2.1"), "192.0.2.1");
    }
}

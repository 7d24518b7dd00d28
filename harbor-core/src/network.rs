//! Ranges of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses in the notation of RFC 4632 (`10.0.0.0/8`) and RFC 4291 (`2001:db8::/32`), or one address. Addresses of
/// IPv4 in the form of IPv6 are those of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    length: u8,
}

/// Why a text is no [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It does not read.
    #[error("{0:?} is no range of addresses: write it as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1")]
    Unread(String),
    /// The address is not the first of a range of that length.
    #[error("{0:?} does not begin a range of that length: write {1}")]
    NotFirst(String, String),
}

impl Network {
    /// Whether an address is in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.first.is_ipv4() == address.is_ipv4() && first(address, self.length) == self.first
    }
}

/// The first address of the range of that length that an address is in.
fn first(address: IpAddr, length: u8) -> IpAddr {
    let shift = |bits: u32| bits.saturating_sub(u32::from(length));
    match address {
        IpAddr::V4(address) => {
            let kept = u32::MAX.checked_shl(shift(32)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & kept))
        }
        IpAddr::V6(address) => {
            let kept = u128::MAX.checked_shl(shift(128)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & kept))
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let unread = || NetworkError::Unread(text.to_owned());
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let written: IpAddr = address.parse().map_err(|_| unread())?;
        let address = written.to_canonical();
        // Of an address of IPv4 in the form of IPv6, the first 96 bits say so.
        let mapped = if written.is_ipv6() && address.is_ipv4() { 96 } else { 0 };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                let length = length.parse::<u8>().ok().and_then(|length| length.checked_sub(mapped));
                length.filter(|length| *length <= most).ok_or_else(unread)?
            }
            Some(_) => return Err(unread()),
        };
        let first = first(address, length);
        if first != address {
            return Err(NetworkError::NotFirst(text.to_owned(), format!("{first}/{length}")));
        }
        Ok(Self { first, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_addresses() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1/32", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
        ] {
            let range: Network = range.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()), "{range:?} {inside}");
            assert!(!range.contains(outside.parse().unwrap()), "{range:?} {outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_told_so() {
        for text in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::/129",
            "localhost",
            "*",
            "10.0.0.0/255.0.0.0",
            "::ffff:10.0.0.0/95",
            " 10.0.0.0/8",
            "fe80::1%eth0",
            "10.0.0.0/999",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Unread(text.to_owned())));
        }
        let told = "10.1.2.3/8".parse::<Network>().unwrap_err().to_string();
        assert!(told.contains("10.1.2.3/8") && told.contains("write 10.0.0.0/8"), "{told}");
    }
}

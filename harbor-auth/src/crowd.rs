//! How many come from one address at the same time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::site::site;

/// Counts those who are here by where they come from, so that one address does not take every place.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// How many may be here from one address.
    most: usize,
    here: Mutex<HashMap<IpAddr, usize>>,
}

impl Crowd {
    /// Of up to `most` from one address.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, here: Mutex::default() }
    }

    /// Lets in somebody more from `address`; nobody when there are too many from it. Who comes from nobody knows where is not
    /// counted.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Guest> {
        let from = address.map(site);
        if let Some(from) = from {
            let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
            let count = here.entry(from).or_default();
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        Some(Guest { crowd: Arc::clone(self), from })
    }
}

/// Somebody who is here until dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    crowd: Arc<Crowd>,
    from: Option<IpAddr>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(from) = self.from else { return };
        let mut here = self.crowd.here.lock().unwrap_or_else(PoisonError::into_inner);
        match here.get_mut(&from) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                here.remove(&from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_no_more_than_its_places() {
        let crowd = Arc::new(Crowd::new(2));
        let enter = |address: &str| crowd.enter(Some(address.parse().unwrap()));
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let other = enter("192.0.2.2").unwrap();
        drop(first);
        let _again = enter("192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let _sixth = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert!(enter("2001:db8::3").is_none(), "half of an address of IPv6 is one customer's");
        let nowhere: Vec<_> = (0..5).map(|_| crowd.enter(None).unwrap()).collect();
        drop((other, nowhere));
        assert_eq!(crowd.here.lock().unwrap().len(), 2, "who left is forgotten");
    }
}

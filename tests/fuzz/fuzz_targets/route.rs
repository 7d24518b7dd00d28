//! Paths of `/v2/`: whatever parses has one path, and nothing that leads elsewhere parses.
#![no_main]

use harbor_core::oci::Route;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    for path in [path.to_owned(), format!("/v2/{path}")] {
        if let Ok(route) = Route::parse(&path) {
            let again = route.path();
            assert_eq!(Route::parse(&again), Ok(route));
            assert!(again.is_ascii() && !again.contains("..") && !again[3..].contains("//"), "{again}");
        }
    }
});

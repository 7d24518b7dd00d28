//! Paths of `/v2/`: whatever parses has one path, and nothing that leads elsewhere parses.
#![no_main]

use harbor_core::oci::Route;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    for path in [path.to_owned(), format!("/v2/{path}")] {
        if let Ok(route) = Route::parse(&path) {
            let again = route.path();
            assert_eq!(Route::parse(&again), Ok(route));
            // Two dots within a tag are its own; a segment of them would lead elsewhere.
            let leads = again.split('/').skip(1).any(|segment| segment == ".." || segment == ".");
            assert!(again.is_ascii() && !leads && !again.contains("//"), "{again}");
        }
    }
});

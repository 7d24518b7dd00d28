//! Everything that a request's head holds: credentials, query, ranges, conditions. No head may panic the server or make it
//! answer that the fault was its own.
#![no_main]

use harbor_server::fuzzing::Target;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<Target> = LazyLock::new(Target::new);

fuzz_target!(|bytes: &[u8]| {
    if let Some(status) = TARGET.answer(bytes) {
        assert!(status < 500, "{status}");
    }
});

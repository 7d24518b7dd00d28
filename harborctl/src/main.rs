//! The program `harborctl`: see [`harborctl::run`].

fn main() -> std::process::ExitCode {
    harborctl::run()
}

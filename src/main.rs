//! The `kairos` command: arguments in, exit code out. Everything it does is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kairos::allocator::keep_freed_memory();
    kairos::cli::main()
}

//! `tests/kill`, small: the real program, killed with `kill -9` and started again.

use std::process::Command;

#[test]
fn killed_and_started_again() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kill");
    let run = Command::new(script)
        .args(["200000", "5"])
        .env("KAIROS", env!("CARGO_BIN_EXE_kairos"))
        .output()
        .expect("tests/kill can be run");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}\n{err}");
}

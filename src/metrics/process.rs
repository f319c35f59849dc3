//! What the operating system says of this process.

/// Memory in use; `None` where there is no `/proc`.
pub fn resident_bytes() -> Option<u64> {
    resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// `status` tells it in kilobytes; `statm` would in pages, whose size differs from machine to machine.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_line_of_status() {
        assert_eq!(resident("Name:\tkairos\nVmRSS:\t   12345 kB\nThreads: 3\n"), Some(12_641_280));
        assert_eq!(resident("Name:\tkairos\n"), None);
    }
}

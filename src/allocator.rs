//! How the allocator gives memory back. The only unsafe code beside that of `broker/kafka/native`.

#![expect(unsafe_code, reason = "mimalloc's options are only to be had from itself")]

use libmimalloc_sys::{mi_option_eager_commit_delay, mi_option_set_default};

/// Milliseconds for which memory that was freed is kept for the next who needs some.
const KEPT_MS: i64 = 10_000;

/// Lets mimalloc, where it is the allocator, give memory that was freed back to the system after ten seconds, not after ten milliseconds: what is
/// read is freed when it has been worked on, some tens of milliseconds later, and to have the system clear it each time took a twentieth
/// of a run with many journeys, and a fortieth more if it was kept for a second only. Unless `MIMALLOC_PURGE_DELAY` in the environment says otherwise.
pub fn keep_freed_memory() {
    // The delay of purging comes after that of committing (`mi_option_e` of mimalloc 2), and has no name in the bindings.
    let purge_delay = mi_option_eager_commit_delay + 1;
    // SAFETY: it stores a number in a table of options and may be called at any time.
    unsafe { mi_option_set_default(purge_delay, KEPT_MS) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: it reads a number out of a table of options.
        let value = || unsafe { libmimalloc_sys::mi_option_get(mi_option_eager_commit_delay + 1) };
        // Ten milliseconds are what mimalloc 2 begins with; none of the options beside it has that value.
        assert_eq!(value(), 10);
        keep_freed_memory();
        assert_eq!(value(), KEPT_MS);
    }
}

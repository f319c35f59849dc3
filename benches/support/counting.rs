//! Mimalloc, and how many bytes are asked of it, once somebody wants to know: what is timed before that is not slowed down by
//! counting.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe; this one adds and subtracts around another"
)]

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// Bytes asked for and not given back.
static HELD: AtomicIsize = AtomicIsize::new(0);

/// Whether anybody wants to know.
static COUNTS: AtomicBool = AtomicBool::new(false);

fn count(more: usize, less: usize) {
    if COUNTS.load(Ordering::Relaxed) {
        HELD.fetch_add(more as isize - less as isize, Ordering::Relaxed);
    }
}

/// The allocator of the program, counted.
pub struct Counting;

// SAFETY: every call is handed on to mimalloc as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { MiMalloc.realloc(at, layout, size) }
    }
}

/// Bytes asked for since the counting began, with the first call, less those given back: of two calls, the difference counts.
pub fn held() -> isize {
    COUNTS.store(true, Ordering::Relaxed);
    HELD.load(Ordering::Relaxed)
}

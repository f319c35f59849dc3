//! Mimalloc, and how many bytes are asked of it.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe; this one adds and subtracts around another"
)]

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes asked for and not given back.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// The allocator of the program, counted.
pub struct Counting;

// SAFETY: every call is handed on to mimalloc as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size, Ordering::Relaxed);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { MiMalloc.realloc(at, layout, size) }
    }
}

/// Bytes asked for and not given back.
pub fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

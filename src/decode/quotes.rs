//! Where the quotes of a text are: in a line of JSON without escapes every string ends at the next one.

use wide::u8x64;

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// The quotes of a text: a bit for each byte, the first in the lowest, in words for as many bytes as they have bits. In a text with
/// backslashes or control characters a quote need not end a string, or what it ends may be none, and nothing is noted.
pub(super) fn find<'r>(text: &[u8], room: &'r mut Vec<u64>) -> &'r [u64] {
    room.clear();
    room.reserve(text.len() / BLOCK + 1);
    let mut dirty = u8x64::splat(0);
    let mut note = |block: &[u8; BLOCK]| {
        let bytes = u8x64::new(*block);
        room.push(bytes.simd_eq(u8x64::splat(b'"')).to_bitmask());
        let is_control = bytes.min(u8x64::splat(0x1f)).simd_eq(bytes);
        dirty |= bytes.simd_eq(u8x64::splat(b'\\')) | is_control;
    };
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    blocks.iter().for_each(&mut note);
    let mut last = [b' '; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    note(&last);
    if dirty.to_bitmask() == 0 { room } else { &[] }
}

/// The place of the first quote from a place on, among those that are noted.
#[inline(always)]
pub(super) fn first(quotes: &[u64], from: usize) -> Option<usize> {
    let (word, bit) = (from / BLOCK, from % BLOCK);
    let ahead = quotes.get(word)? >> bit;
    if ahead != 0 {
        return Some(from + ahead.trailing_zeros() as usize);
    }
    let (at, quotes) = (word + 1..).zip(&quotes[word + 1..]).find(|(_, quotes)| **quotes != 0)?;
    Some(at * BLOCK + quotes.trailing_zeros() as usize)
}

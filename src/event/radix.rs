//! Order by numbers of which it is known that they are spread evenly, as hashes are.

/// What is left to be put in order at a time.
const IN_A_PART: usize = 8;

/// Puts items in an order in which that of their numbers comes first. The highest bits of a number say in which of many parts an item
/// belongs; `sort` puts each part in its order, and there is little in it (a radix sort's first step; Knuth, TAOCP 3, 5.2.5).
pub fn sorted<T: Copy>(items: &[T], number: impl Fn(&T) -> u64, sort: impl Fn(&mut [T])) -> Vec<T> {
    let bits = (items.len() / IN_A_PART).max(1).ilog2();
    let part = |item: &T| (number(item) >> 1 >> (u64::BITS - 1 - bits)) as usize;
    let mut places = vec![0_usize; (1 << bits) + 1];
    items.iter().for_each(|item| places[part(item) + 1] += 1);
    for at in 1..places.len() {
        places[at] += places[at - 1];
    }
    let mut sorted = items.to_vec();
    for item in items {
        let place = &mut places[part(item)];
        sorted[*place] = *item;
        *place += 1;
    }
    // Each part now ends where the next one began.
    let mut begin = 0;
    for end in &places[..1 << bits] {
        sort(&mut sorted[begin..*end]);
        begin = *end;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts(mut hashes in proptest::collection::vec(any::<u64>(), 0..200), few in proptest::collection::vec(0_u64..5, 0..50)) {
            hashes.extend(few);
            let found = sorted(&hashes, |hash| *hash, <[u64]>::sort_unstable);
            hashes.sort_unstable();
            prop_assert_eq!(found, hashes);
        }
    }
}

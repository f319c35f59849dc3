//! A seed in, numbers out: the one source of chance in simulations.
//!
//! SplitMix64 (Steele, Lea, Flood, 2014): one word of state, so that every simulated session can
//! own a generator, and a result that is the same on every machine. Only additions, multiplications
//! and divisions are used on floats: `ln` and `powf` may differ between platforms. Not for secrets.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Spreads the bits of a word; a bijection, so that different words stay different.
pub fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// A seeded generator of pseudo-random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng(u64);

impl Rng {
    /// The generator of a seed; every seed is as good as another.
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// The `number`-th of the generators that belong to a seed: attributes of the millionth
    /// customer need not be stored, nor those of the customers before.
    pub fn stream(seed: u64, number: u64) -> Self {
        Rng(mix(mix(seed.wrapping_add(GOLDEN)) ^ number.wrapping_mul(GOLDEN)))
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in `0..n`, and 0 if `n` is 0. The bias of the multiplication is below n / 2^64.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `low..=high`, and `low` if the two are the wrong way round.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        match high.abs_diff(low).checked_add(1) {
            Some(n) => low.wrapping_add_unsigned(self.below(n)),
            None => self.next_u64() as i64,
        }
    }

    /// A number in `0.0..1.0`, in steps of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`: never for 0, always for 1.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of the items, each as likely as the others.
    ///
    /// # Panics
    /// If there is none to choose from.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        assert!(!items.is_empty(), "there must be something to pick from");
        &items[self.below(items.len() as u64) as usize]
    }

    /// One of the items, as likely as its weight says.
    ///
    /// # Panics
    /// If there is none to choose from.
    pub fn pick_weighted<'a, T>(&mut self, items: &'a [(T, u32)]) -> &'a T {
        let sum: u64 = items.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut left = self.below(sum);
        for (item, weight) in items {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return item,
            }
        }
        &items.last().expect("there must be something to pick from").0
    }

    /// Puts the items into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut rng = Rng::new(1234567);
        let first: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn ranges_hold_at_their_ends() {
        let mut rng = Rng::new(7);
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
        assert_eq!((rng.between(5, 5), rng.between(5, 4)), (5, 5));
        assert!((0..1000).all(|_| (-2..=2).contains(&rng.between(-2, 2))));
        rng.between(i64::MIN, i64::MAX);
        assert!((0..1000).all(|_| !rng.chance(0.0) && rng.chance(1.0)));
    }

    #[test]
    fn choices_follow_their_weights() {
        let mut rng = Rng::new(7);
        let mut seen = [0u32; 3];
        for _ in 0..10_000 {
            seen[*rng.pick_weighted(&[(0, 1), (1, 0), (2, 3)])] += 1;
        }
        assert_eq!(seen[1], 0);
        assert!((2300..2700).contains(&seen[0]), "{seen:?}");
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_streams_differ() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::new(7).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
        assert_ne!(Rng::stream(1, 0).next_u64(), Rng::stream(1, 1).next_u64());
        assert_ne!(Rng::stream(1, 0).next_u64(), Rng::stream(2, 0).next_u64());
    }
}

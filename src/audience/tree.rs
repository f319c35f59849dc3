//! An ordered multiset of numbers that knows the number at each place: a search tree in two levels, pages of values.

/// Values of a page; a fuller one is split, and two that would be no more than half full together become one.
const PAGE: usize = 512;

/// How often each value occurs, in the order of the values.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// In order, none of them empty.
    pages: Vec<Page>,
    len: u64,
}

#[derive(Debug)]
struct Page {
    /// Different values in order, each with how often it occurs.
    values: Vec<(u64, u32)>,
    /// Of all of them.
    len: u64,
}

impl Default for Page {
    fn default() -> Page {
        Page { values: Vec::with_capacity(PAGE), len: 0 }
    }
}

impl Tree {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Takes in one more of a value.
    pub(super) fn insert(&mut self, value: u64) {
        self.len += 1;
        if self.pages.is_empty() {
            self.pages.push(Page::default());
        }
        let at = self.page_of(value);
        let page = &mut self.pages[at];
        match page.values.binary_search_by_key(&value, |(value, _)| *value) {
            Ok(found) => page.values[found].1 += 1,
            Err(place) => page.values.insert(place, (value, 1)),
        }
        page.len += 1;
        if page.values.len() == PAGE {
            let mut next = Page::default();
            next.values.extend(page.values.drain(PAGE / 2..));
            next.len = next.values.iter().map(|(_, count)| u64::from(*count)).sum();
            page.len -= next.len;
            self.pages.insert(at + 1, next);
        }
    }

    /// Takes out one of a value; nothing if there is none.
    pub(super) fn remove(&mut self, value: u64) {
        if self.pages.is_empty() {
            return;
        }
        let at = self.page_of(value);
        let page = &mut self.pages[at];
        let Ok(found) = page.values.binary_search_by_key(&value, |(value, _)| *value) else {
            return;
        };
        page.values[found].1 -= 1;
        page.len -= 1;
        self.len -= 1;
        if page.values[found].1 == 0 {
            page.values.remove(found);
            if page.values.is_empty() {
                self.pages.remove(at);
            } else {
                // Values may only ever come at one end, as the times of last orders do, and old pages become thin.
                self.unite(at);
                self.unite(at.wrapping_sub(1));
            }
        }
    }

    /// Makes one page of two that stand side by side, if they are thin.
    fn unite(&mut self, at: usize) {
        let Some([one, next]) = self.pages.get_mut(at..).and_then(|pages| pages.get_mut(..2))
        else {
            return;
        };
        if one.values.len() + next.values.len() <= PAGE / 2 {
            one.values.append(&mut next.values);
            one.len += next.len;
            self.pages.remove(at + 1);
        }
    }

    /// The value at a place, counted from 0 in ascending order.
    pub(super) fn at(&self, mut place: u64) -> Option<u64> {
        let page = self.pages.iter().find(|page| {
            let within = place < page.len;
            if !within {
                place -= page.len;
            }
            within
        })?;
        let found = page.values.iter().find(|(_, count)| {
            let within = place < u64::from(*count);
            if !within {
                place -= u64::from(*count);
            }
            within
        });
        found.map(|(value, _)| *value)
    }

    /// The page where a value is or would be.
    fn page_of(&self, value: u64) -> usize {
        let after =
            self.pages.partition_point(|page| page.values.first().is_none_or(|it| it.0 <= value));
        after.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Rng;

    /// One value of a hundred stays, all others come at the end and go a while later.
    #[test]
    fn it_takes_no_more_memory_as_values_move_on() {
        let mut tree = Tree::default();
        let mut most = 0;
        for value in 0..200_000_u64 {
            tree.insert(value);
            if let Some(old) = value.checked_sub(5_000)
                && old % 100 != 0
            {
                tree.remove(old);
            }
            let values: usize = tree.pages.iter().map(|page| page.values.len()).sum();
            most = most.max(tree.pages.len() * PAGE / values.max(PAGE));
            assert!(tree.pages.iter().all(|page| page.values.capacity() == PAGE));
        }
        assert!(most <= 5, "pages of which less than a fifth is in use");
        assert_eq!(tree.len(), 6_950);
    }

    #[test]
    fn it_is_a_sorted_list() {
        let mut rng = Rng::new(1);
        for spread in [3, 200, 100_000] {
            let (mut tree, mut list) = (Tree::default(), Vec::new());
            for _ in 0..6_000 {
                if rng.below(3) > 0 || list.is_empty() {
                    let value = rng.below(spread);
                    tree.insert(value);
                    list.push(value);
                } else {
                    tree.remove(list.swap_remove(rng.below(list.len() as u64) as usize));
                }
                tree.remove(spread);
                if rng.below(50) == 0 {
                    let mut sorted = list.clone();
                    sorted.sort_unstable();
                    let read: Vec<u64> = (0..tree.len()).filter_map(|at| tree.at(at)).collect();
                    assert_eq!(read, sorted);
                    assert_eq!(tree.at(tree.len()), None);
                }
            }
        }
    }
}

//! How many persons have which value, and the cut-offs that follow from it. Pure: knows no persons and no epochs.

use super::tree::Tree;
use super::{CutOff, NOBODY};
use crate::define::plan::{Plan, RankId, RankTest, Standing, WHOLE};
use std::collections::{BTreeMap, BTreeSet};

/// Values of all persons, by fact, and the cut-offs as they were last told.
#[derive(Debug, Default)]
pub struct Counts {
    values: BTreeMap<u16, Tree>,
    told: BTreeMap<RankId, CutOff>,
    /// Facts of which something has come or gone since then.
    touched: BTreeSet<u16>,
    /// The version of the plan under which they were told.
    plan: Option<u16>,
}

impl Counts {
    /// Of a value there are so many more, or fewer.
    pub fn add(&mut self, fact: u16, value: u64, more: isize) {
        self.touched.insert(fact);
        let tree = self.values.entry(fact).or_default();
        for _ in 0..more.unsigned_abs() {
            if more > 0 { tree.insert(value) } else { tree.remove(value) }
        }
    }

    /// The cut-offs that have moved.
    pub fn moved(&mut self, plan: &Plan) -> Vec<(RankId, CutOff)> {
        let other_plan = self.plan.replace(plan.version) != Some(plan.version);
        if other_plan {
            let asked = |rank: &RankId| {
                plan.ranks.get(usize::from(rank.0)).is_some_and(|it| it.standing != Standing::Gone)
            };
            self.told.retain(|rank, _| asked(rank));
        }
        let touched = std::mem::take(&mut self.touched);
        let mut moved = Vec::new();
        for (at, rank) in plan.ranks.iter().enumerate() {
            let (id, fact) = (RankId(at as u16), rank.fact.fact);
            let asked = rank.standing != Standing::Gone;
            if !asked || !(other_plan || touched.contains(&fact.0)) {
                continue;
            }
            let cut_off = self.values.get(&fact.0).map_or(NOBODY, |tree| cut_off(tree, rank.test));
            if self.told.insert(id, cut_off).unwrap_or(NOBODY) != cut_off {
                moved.push((id, cut_off));
            }
        }
        moved
    }
}

/// From where on a question is answered yes.
fn cut_off(tree: &Tree, test: RankTest) -> CutOff {
    let all = tree.len();
    if all == 0 {
        return NOBODY;
    }
    let share = |millionths: u32| u128::from(millionths) * u128::from(all);
    let whole = u128::from(WHOLE);
    // So many have to be below; that is, the last of these many, in ascending order, has to be.
    let below = match test {
        RankTest::AtLeast(millionths) => share(millionths).div_ceil(whole),
        RankTest::Above(millionths) => share(millionths) / whole + 1,
        // Those who have less than the last of the first so many do not pass.
        RankTest::Among(first) => {
            let place = all.checked_sub(first);
            let least = place.and_then(|place| tree.at(place));
            return least.and_then(|least| least.checked_sub(1));
        }
    };
    let place = u64::try_from(below).unwrap_or(u64::MAX).checked_sub(1)?;
    tree.at(place).or(NOBODY)
}

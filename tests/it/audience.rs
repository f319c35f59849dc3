//! What compares persons, on its own: for any changes, any epochs and any number of workers, the answers add up to what a plain
//! sort says after each epoch.

use crate::engine::Engine;
use kairos::audience::across;
use kairos::define::plan::{Plan, RankId, RankTest};
use kairos::epoch::schedule::Schedule;
use kairos::epoch::{Epochs, Turns};
use kairos::person::feedback::{Feedback, pass_to_all};
use kairos::person::{Answer, Said};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Inspect, Probe};

const PACK: &str = "\
facts:
  a: { sum: Order Completed, of: event.total }
  b: { last: Order Completed, of: event.timestamp }
segments:
  s1: percentile(a) >= 0.95
  s2: percentile(a) > 0.5
  s3: percentile(a) < 0.333333
  s4: rank(a) <= 3
  s5: decile(a) in [1, 10]
  s6: quintile(b) != 3
  s7: rank(b) > 2
  s8: percentile(b) >= 0
";

/// In each epoch, who has which value of which fact from then on; without a value, none.
type Changes = BTreeMap<u64, Vec<(u32, bool, Option<u64>)>>;

fn changes() -> impl Strategy<Value = Changes> {
    let value = prop_oneof![
        4 => (0_u64..6).prop_map(Some),
        3 => any::<u64>().prop_map(Some),
        1 => Just(Some(u64::MAX)),
        2 => Just(None),
    ];
    let epoch = prop::collection::vec((0_u32..40, any::<bool>(), value), 1..12);
    prop::collection::btree_map(0_u64..200, epoch, 1..20)
}

/// What persons say, by epoch.
type SaidIn = BTreeMap<u64, Vec<((u16, u64, u32), isize)>>;

/// Persons' values: fact and person.
type Values = BTreeMap<(u16, u32), u64>;

/// All that holds, from nothing but the values.
fn sorted(plan: &Plan, values: &Values) -> BTreeSet<(u32, RankId)> {
    let mut holds = BTreeSet::new();
    for (at, rank) in plan.ranks.iter().enumerate() {
        let own = values.iter().filter(|((fact, _), _)| *fact == rank.fact.fact.0);
        let own: Vec<(u32, u64)> = own.map(|((_, person), value)| (*person, *value)).collect();
        for &(person, value) in &own {
            let below = own.iter().filter(|(_, other)| *other < value).count() as u64;
            let above = own.iter().filter(|(_, other)| *other > value).count() as u64;
            let (millionths, all) = (1_000_000 * below, own.len() as u64);
            let passes = match rank.test {
                RankTest::AtLeast(share) => millionths >= u64::from(share) * all,
                RankTest::Above(share) => millionths > u64::from(share) * all,
                RankTest::Among(first) => above < first,
            };
            if passes {
                holds.insert((person, RankId(at as u16)));
            }
        }
    }
    holds
}

fn answer(feedback: &Feedback) -> Answer {
    let Feedback::Answer(answer) = feedback else { panic!("only values are said: {feedback:?}") };
    *answer
}

/// Everything that is answered, with its epoch. `paced` waits for each epoch before the next one comes.
fn answered(plan: &Arc<Plan>, said: &SaidIn, workers: usize, paced: bool) -> Vec<(u64, Answer)> {
    let out = Arc::new(Mutex::new(Vec::new()));
    let (plan, said, all) = (plan.clone(), said.clone(), out.clone());
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, peers) = (worker.index() as u32, worker.peers() as u32);
        let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<Said>>>::new_with_builder();
        let epochs: Arc<dyn Epochs> = Arc::new(Schedule::default());
        let (plan, all) = (plan.clone(), all.clone());
        let probe = worker.dataflow(|scope| {
            let said = input.to_stream(scope);
            let (own, workers) = (u64::from(index), u64::from(peers));
            let news = said.flat_map(move |said| pass_to_all(said, own, workers));
            let answers = across(news, &plan, &epochs, 0, Turns::default());
            let answers = answers.inspect_core(move |event| {
                if let Ok((stamp, answers)) = event {
                    let epoch = *stamp.least().expect("answers have an epoch");
                    let mut all = all.lock().unwrap();
                    all.extend(answers.iter().map(|(_, feedback)| (epoch, answer(feedback))));
                }
            });
            answers.probe().0
        });
        for (&epoch, said) in &said {
            input.advance_to(epoch);
            let own = said.iter().filter(|((.., person), _)| person % peers == index);
            own.for_each(|&(what, more)| input.send(((what, ()), epoch, more)));
            if paced {
                input.advance_to(epoch + 1);
                input.flush();
                worker.step_while(|| probe.less_than(&(epoch + 1)));
            }
        }
    });
    guards.unwrap().join().into_iter().for_each(|worker| worker.unwrap());
    let mut all = out.lock().unwrap().clone();
    all.sort_unstable();
    all
}

/// What persons say, and what holds after each epoch.
fn said(plan: &Plan, changes: &Changes) -> (SaidIn, BTreeMap<u64, BTreeSet<(u32, RankId)>>) {
    let mut values = Values::new();
    let (mut said, mut holds) = (BTreeMap::new(), BTreeMap::new());
    for (&epoch, changes) in changes {
        let own: &mut Vec<_> = said.entry(epoch).or_default();
        for &(person, first, value) in changes {
            let fact = plan.ranked[usize::from(first)].fact.0;
            let before = match value {
                Some(value) => values.insert((fact, person), value),
                None => values.remove(&(fact, person)),
            };
            own.extend(before.map(|value| ((fact, value, person), -1)));
            own.extend(value.map(|value| ((fact, value, person), 1)));
        }
        holds.insert(epoch, sorted(plan, &values));
    }
    (said, holds)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn answers_add_up_to_what_a_sort_says(changes in changes(), paced: bool) {
        let plan = Engine::of(PACK).plan;
        let (said, holds) = said(&plan, &changes);
        let one = answered(&plan, &said, 1, paced);
        let mut held = BTreeSet::new();
        for (epoch, wanted) in &holds {
            for (_, answer) in one.iter().filter(|(at, _)| at == epoch) {
                let who = (answer.person, answer.rank);
                let turned = if answer.holds { held.insert(who) } else { held.remove(&who) };
                prop_assert!(turned, "{answer:?} was so before epoch {epoch}");
            }
            prop_assert_eq!(&held, wanted, "epoch {}", epoch);
        }
        prop_assert_eq!(&answered(&plan, &said, 2, paced), &one);
        prop_assert_eq!(&answered(&plan, &said, 3, !paced), &one);
    }
}

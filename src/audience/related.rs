//! What goes with what, as a timely operator: each product on the worker that counts its neighbours, and what goes best with it to
//! everybody.

use crate::catalogue::related::{Pair, Related};
use crate::person::feedback::{Addressed, Feedback};
use std::collections::BTreeMap;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

/// What goes best with a product, whenever that changes, for every worker: epoch by epoch, each when all of it is there.
pub fn related<'scope>(
    pairs: Stream<'scope, u64, Vec<Pair>>,
) -> Stream<'scope, u64, Vec<Addressed>> {
    let peers = pairs.scope().peers() as u64;
    pairs.unary_frontier::<CapacityContainerBuilder<Vec<Addressed>>, _, _, _>(
        Exchange::new(|((_, product, _), _): &Pair| *product),
        "Related",
        move |_, _| {
            let mut related = Related::default();
            let mut stash: BTreeMap<u64, (Capability<u64>, Vec<Pair>)> = BTreeMap::new();
            move |(input, frontier), output| {
                input.for_each(|capability, pairs| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    let held = stash.entry(*capability.time());
                    held.or_insert_with(|| (capability, Vec::new())).1.append(pairs);
                });
                while let Some(first) = stash.first_entry()
                    && !frontier.less_equal(first.key())
                {
                    let (capability, pairs) = first.remove();
                    let mut session = output.session(&capability);
                    for best in related.take(pairs) {
                        let to = |worker| (worker, Feedback::Best(best.clone()));
                        session.give_iterator((0..peers).map(to));
                    }
                }
            }
        },
    )
}

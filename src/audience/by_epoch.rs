//! An operator that works on whole epochs, one after the other: it keeps what has come until nothing more can.

use std::collections::BTreeMap;
use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

/// Sends each datum to the worker that `route` names, and gives for every epoch what `logic` makes of all its data.
pub(super) fn by_epoch<'scope, D, R, I>(
    stream: Stream<'scope, u64, Vec<D>>,
    route: impl Fn(&D) -> u64 + 'static,
    name: &str,
    mut logic: impl FnMut(u64, Vec<D>) -> I + 'static,
) -> Stream<'scope, u64, Vec<R>>
where
    D: ExchangeData,
    R: Clone + 'static,
    I: IntoIterator<Item = R>,
{
    stream.unary_frontier::<CapacityContainerBuilder<Vec<R>>, _, _, _>(
        Exchange::new(route),
        name,
        move |_, _| {
            let mut stash: BTreeMap<u64, (Capability<u64>, Vec<D>)> = BTreeMap::new();
            move |(input, frontier), output| {
                input.for_each(|capability, data| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    let held = stash.entry(*capability.time());
                    held.or_insert_with(|| (capability, Vec::new())).1.append(data);
                });
                while let Some(first) = stash.first_entry()
                    && !frontier.less_equal(first.key())
                {
                    let (epoch, (capability, data)) = first.remove_entry();
                    let made = logic(epoch, data);
                    output.session(&capability).give_iterator(made.into_iter());
                }
            }
        },
    )
}

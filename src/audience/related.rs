//! What goes with what, as a timely operator: each product on the worker that counts its neighbours, and what goes best with it to
//! everybody.

use super::by_epoch::by_epoch;
use crate::catalogue::related::{Pair, Related};
use crate::person::feedback::{Addressed, Feedback};
use timely::dataflow::Stream;

/// What goes best with a product, whenever that changes, for every worker.
pub fn related<'scope>(
    pairs: Stream<'scope, u64, Vec<Pair>>,
) -> Stream<'scope, u64, Vec<Addressed>> {
    let peers = pairs.scope().peers() as u64;
    let mut related = Related::default();
    by_epoch(
        pairs,
        |((_, product, _), _): &Pair| *product,
        "Related",
        move |_, pairs| {
            related.take(pairs).into_iter().flat_map(move |best| {
                (0..peers).map(move |worker| (worker, Feedback::Best(best.clone())))
            })
        },
    )
}

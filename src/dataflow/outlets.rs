//! Where an ingest hands over what it has read: events, rejects as lines, and what events say of identifiers.

use crate::define::plan::IdentityPlan;
use crate::epoch::Placed;
use crate::event::{Call, Event, Reject};
use crate::identity::operator::{Claimed, Extractor};
use crate::sink::{Batch, Formatter};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

type Outlet<T> = OutputBuilder<u64, CapacityContainerBuilder<Vec<T>>>;

/// The outputs of one worker's ingest.
pub(super) struct Outlets {
    events: Outlet<Placed>,
    rejects: Outlet<Batch>,
    claims: Option<(Extractor, Outlet<Claimed>)>,
    formatter: Formatter,
    workers: usize,
}

/// What comes out of an ingest. Claims only where several identifiers can be one person.
pub(super) struct Ingested<'scope> {
    pub events: Stream<'scope, u64, Vec<Placed>>,
    pub rejects: Stream<'scope, u64, Vec<Batch>>,
    pub claims: Option<Stream<'scope, u64, Vec<Claimed>>>,
}

impl Outlets {
    /// Outputs of an operator that is being built.
    pub(super) fn new<'scope>(
        builder: &mut OperatorBuilder<'scope, u64>,
        identity: Option<&IdentityPlan>,
        formatter: Formatter,
        workers: usize,
    ) -> (Outlets, Ingested<'scope>) {
        let (events, event_stream) = outlet(builder);
        let (rejects, reject_stream) = outlet(builder);
        let claims = identity.map(|rules| (Extractor::new(rules), outlet(builder)));
        let (claims, claim_stream) =
            claims.map(|(extractor, (claims, stream))| ((extractor, claims), stream)).unzip();
        let outlets = Outlets { events, rejects, claims, formatter, workers };
        let streams =
            Ingested { events: event_stream, rejects: reject_stream, claims: claim_stream };
        (outlets, streams)
    }

    /// Hands over what belongs to some epochs. There is a capability for each output.
    pub(super) fn give(
        &mut self,
        held: &[Capability<u64>],
        mut events: Vec<Placed>,
        rejects: &[(u64, Reject)],
    ) {
        if let Some((extractor, claims)) = &mut self.claims {
            let found = extractor.take(&mut events);
            if !found.is_empty() {
                claims.activate().session(&held[2]).give_iterator(found.into_iter());
            }
        }
        if !events.is_empty() {
            records_to_all(&mut events, self.workers);
            self.events.activate().session(&held[0]).give_container(&mut events);
        }
        if !rejects.is_empty() {
            let mut batch = Batch::default();
            for (epoch, reject) in rejects {
                self.formatter.reject(*epoch, reject, &mut batch);
            }
            self.rejects.activate().session(&held[1]).give(batch);
        }
    }
}

fn outlet<'scope, T: Clone + 'static>(
    builder: &mut OperatorBuilder<'scope, u64>,
) -> (Outlet<T>, Stream<'scope, u64, Vec<T>>) {
    let (output, stream) = builder.new_output::<Vec<T>>();
    (Outlet::from(output), stream)
}

/// Records of products go to all workers: each has the whole catalogue.
fn records_to_all(events: &mut Vec<Placed>, workers: usize) {
    let is_record = |(_, event): &mut Placed| event.call == Call::Product;
    let records: Vec<Placed> = events.extract_if(.., is_record).collect();
    for (epoch, event) in records {
        let to = |worker| (epoch, Event { worker: Some(worker), ..event.clone() });
        events.extend((0..workers as u16).map(to));
    }
}

//! Names of events are free, so that a slip in one cannot be an error by itself; a slip of a known name is.

use super::Compiler;
use crate::define::ast::{self, EnterTrigger, ExitRule, FactKind, Name, Span, Step, Wait};
use crate::event::{Kind, names};

impl Compiler<'_> {
    /// Reports names of events that are one or two letters away from a declared, emitted or well-known one.
    pub(super) fn event_names(&mut self) {
        let (mut named, mut emitted) = (Vec::new(), Vec::new());
        let pack = self.pack;
        pack.facts.iter().for_each(|fact| names_in_fact(&fact.kind, &mut named));
        named.extend(pack.sessions.iter().flat_map(|sessions| &sessions.of));
        for journey in &pack.journeys {
            match &journey.enter.trigger {
                EnterTrigger::Event(on) | EnterTrigger::Silence { of: on, .. } => named.extend(on),
                _ => {}
            }
            for exit in &journey.exit {
                if let ExitRule::Event { on, .. } = &exit.rule {
                    named.extend(on);
                }
            }
            names_in_steps(&journey.steps, &mut named, &mut emitted);
        }
        let notices = pack.catalogue.iter().flat_map(|catalogue| &catalogue.tell);
        emitted.extend(notices.map(|notice| notice.event.node.clone()));
        let declared = self.pack.events.iter().map(|event| event.name.node.clone());
        let known: Vec<String> =
            (declared.chain(emitted)).chain(names::WELL_KNOWN.map(String::from)).collect();
        for name in named {
            if known.iter().any(|known| known == names::current(&name.node)) {
                continue;
            }
            if let Some(meant) = known.iter().find(|known| is_slip(&name.node, known)) {
                let message = format!("the event `{}` is not known", name.node);
                let hint = format!(
                    "did you mean \"{meant}\"? (if the name is right, declare it under `events:`)"
                );
                self.mistake(name.span, message, Some(hint));
            }
        }
    }
}

impl Compiler<'_> {
    /// Reports a property that a declared event does not have, if it is nearly one that it has.
    pub(super) fn property_name(&mut self, place: Span, kind: Kind, path: &str) {
        let (name, path) = &self.as_declared(kind, path);
        let declared = |event: &&ast::EventDecl| names::current(&event.name.node) == name;
        let Some(event) = self.pack.events.iter().find(declared) else { return };
        let mut properties = event.properties.iter().map(|(property, _)| &property.node);
        if properties.clone().any(|property| property == path) {
            return;
        }
        let near = |known: &&String| strsim::osa_distance(path, known) == 1 && path.len() > 3;
        if let Some(meant) = properties.find(|known| near(known) || is_slip(path, known)) {
            let message = format!("the event `{name}` is not declared to have `{path}`");
            let hint = format!("did you mean \"{meant}\"? (if the name is right, declare it too)");
            self.mistake(place, message, Some(hint));
        }
    }
}

/// One or two letters away, and long enough that this is hardly chance.
fn is_slip(name: &str, known: &str) -> bool {
    let (name, known) = (name.to_lowercase(), known.to_lowercase());
    name.len() > 5 && strsim::osa_distance(&name, &known) <= 2
}

fn names_in_steps<'n>(
    steps: &'n [ast::Spanned<Step>],
    named: &mut Vec<&'n Name>,
    emitted: &mut Vec<String>,
) {
    for step in steps {
        match &step.node {
            Step::Emit { event, .. } => emitted.push(event.node.clone()),
            Step::Wait(Wait::Quiet { of, .. }) => named.extend(of),
            Step::Wait(Wait::Event { on, then, otherwise, .. }) => {
                named.extend(on);
                names_in_steps(then, named, emitted);
                names_in_steps(otherwise, named, emitted);
            }
            Step::Choose(branches) => {
                branches.iter().for_each(|b| names_in_steps(&b.steps, named, emitted));
            }
            Step::Split(arms) => arms.iter().for_each(|a| names_in_steps(&a.steps, named, emitted)),
            _ => {}
        }
    }
}

/// Names of events in a fact.
fn names_in_fact<'n>(kind: &'n FactKind, named: &mut Vec<&'n Name>) {
    match kind {
        FactKind::Trait { .. } => {}
        FactKind::Fold(fold) => named.extend(fold.on.iter().chain(&fold.minus).chain(&fold.until)),
        FactKind::Basket(basket) => {
            named.extend(basket.on.iter().chain(&basket.minus).chain(&basket.until));
        }
    }
}

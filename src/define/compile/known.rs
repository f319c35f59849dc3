//! Names of events are free, so that a slip in one cannot be an error by itself; a slip of a known name is.

use super::types::Type;
use super::{APART, Compiler, ERASED};
use crate::define::ast::{
    self, EnterTrigger, ExitRule, FactKind, Name, PropertyType, Span, Spanned, Step, Wait,
};
use crate::define::script::{Call, ScriptLine, parse_line};
use crate::event::{Kind, names};

/// The call that says traits.
const IDENTIFY: &str = "identify";

impl Compiler<'_> {
    /// Reports names of events that are one or two letters away from a declared, emitted or well-known one.
    pub(super) fn event_names(&mut self) {
        let (mut named, mut emitted) = (Vec::new(), Vec::new());
        let pack = self.pack;
        pack.facts.iter().for_each(|fact| names_in_fact(&fact.kind, &mut named));
        named.extend(pack.sessions.iter().flat_map(|sessions| &sessions.of));
        if let Some(policy) = &pack.policy {
            named.extend(policy.consent.iter().flat_map(|rule| &rule.revoked_by));
            named.extend(&policy.not_delivered);
        }
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
        let mut known: Vec<String> =
            (declared.chain(emitted)).chain(names::WELL_KNOWN.map(String::from)).collect();
        for name in &named {
            if name.node == ERASED {
                let message = format!("nothing can follow on `{ERASED}`");
                let hint = "by then nothing is known of the person any more".to_owned();
                self.mistake(name.span, message, Some(hint));
            }
            self.event_name(name.span, &name.node, &known);
        }
        // A test may let happen whatever a definition names.
        known.extend(named.iter().map(|name| names::current(&name.node).to_owned()));
        for line in pack.tests.iter().flat_map(|test| &test.lines) {
            if let Ok(ScriptLine::Event { call: Call::Track(name), .. }) = parse_line(&line.node) {
                self.event_name(line.span, &name, &known);
            }
        }
    }

    fn event_name(&mut self, span: Span, name: &str, known: &[String]) {
        if known.iter().any(|known| known == names::current(name)) {
            return;
        }
        if let Some(meant) = known.iter().find(|known| is_slip(name, known)) {
            let message = format!("the event `{name}` is not known");
            let hint = format!(
                "did you mean \"{meant}\"? (if the name is right, declare it under `events:`)"
            );
            self.mistake(span, message, Some(hint));
        }
    }
}

impl Compiler<'_> {
    /// Reports a property that a declared event does not have, if it is nearly one that it has.
    pub(super) fn property_name(&mut self, place: Span, kind: Kind, path: &str) {
        let (name, path) = self.as_declared(kind, path);
        self.declared_name(place, &name, &path);
    }

    /// The same for a property as it is declared.
    fn declared_name(&mut self, place: Span, name: &str, path: &str) {
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

impl Compiler<'_> {
    /// Reports a trait that is nearly one that `identify` is declared to have, or is declared to be of another type.
    pub(super) fn trait_name(&mut self, name: &Name, of: Option<&Spanned<PropertyType>>) {
        self.declared_name(name.span, IDENTIFY, &name.node);
        let identify = self.pack.events.iter().find(|event| event.name.node == IDENTIFY);
        let mut declared = identify.iter().flat_map(|event| &event.properties);
        let declared = declared.find(|(property, _)| property.node == name.node);
        let types = declared.zip(of).map(|((_, declared), of)| (declared.node, of.node, of.span));
        if let Some((declared, of, span)) = types.filter(|(declared, of, _)| declared != of) {
            let (declared, of) = (Type::of_property(declared), Type::of_property(of));
            let message = format!("`{}` is declared to be {declared}, and this is {of}", name.node);
            self.mistake(span, message, Some("give both the same type".into()));
        }
    }

    /// Reports what has no effect when a journey says it.
    pub(super) fn check_emitted(&mut self, event: &Name) -> Option<()> {
        let hint = match event.node.as_str() {
            IDENTIFY => "write `set: { name: value }`",
            "alias" | APART | ERASED => "it is told from outside: send it to Kairos as an event",
            _ => return Some(()),
        };
        let message = format!("a journey cannot emit `{}`", event.node);
        self.mistake(event.span, message, Some(hint.to_owned()));
        None
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

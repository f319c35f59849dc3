//! Groups and the catalogue: events that only come about inside, and whose definitions see which of them.
//!
//! What a member does happens to the group as an event of a kind of its own, so that facts of persons and of groups cannot be
//! mixed up. An expression is about persons or about one kind of group, as the facts are that it names.

use super::expression::Scope;
use super::journeys::waited_for;
use super::types::Type;
use super::{Compiler, FactId, FactPlan, FactRule, Kind, Kinds, Standing, path_of};
use crate::define::ast::{self, Aggregate, FactKind, Name};
use crate::define::plan::{
    CataloguePlan, Consumer, Expr, FoldPlan, GroupPlan, Listed, NoticePlan, Op, Relation, Window,
};
use crate::event::names;
use std::collections::BTreeSet;

/// Names of kinds that no input can have begin with this: group and event follow, each after one.
const INSIDE: char = '\u{1}';

/// The record of a product, where nothing else is written.
const RECORD: &str = "Product Updated";

/// Whom an expression is about: persons, or groups of a kind.
pub(super) type Owner = Option<String>;

/// The name as people know it.
pub(super) fn spoken(kind: &str) -> &str {
    kind.rsplit(INSIDE).next().unwrap_or(kind)
}

fn inside(group: &str, event: &str) -> String {
    format!("{INSIDE}{group}{INSIDE}{}", names::current(event))
}

fn prefix(group: &str) -> String {
    format!("{group}:")
}

impl<'a> Compiler<'a> {
    /// The name of the kind as which an event happens to those whom the definition at hand is about.
    pub(super) fn kind_name(&self, event: &str) -> String {
        match &self.group {
            Some(group) => inside(group, event),
            None => names::current(event).to_owned(),
        }
    }

    /// Gives numbers to all kinds of events that only come about inside: `every event` does not mean them.
    pub(super) fn inside_kinds(&mut self) {
        let pack = self.pack;
        let mut kinds = Vec::new();
        for fact in &pack.facts {
            let events = match &fact.kind {
                FactKind::Trait { .. } => Vec::new(),
                FactKind::Fold(fold) => vec![&fold.on, &fold.minus, &fold.until],
                FactKind::Basket(basket) => vec![&basket.on, &basket.minus, &basket.until],
            };
            let names: Vec<Name> = events.into_iter().flatten().cloned().collect();
            kinds.extend(self.kinds_for(fact.group.as_ref(), &names));
        }
        for journey in &pack.journeys {
            let mut names = Vec::new();
            if let ast::EnterTrigger::Event(on) | ast::EnterTrigger::Silence { of: on, .. } =
                &journey.enter.trigger
            {
                names.extend(on.iter().cloned());
            }
            for exit in &journey.exit {
                if let ast::ExitRule::Event { on, .. } = &exit.rule {
                    names.extend(on.iter().cloned());
                }
            }
            waited_for(&journey.steps, &mut names);
            kinds.extend(self.kinds_for(journey.group.as_ref(), &names));
        }
        for notice in pack.catalogue.iter().flat_map(|catalogue| &catalogue.tell) {
            kinds.push(self.kind(&notice.event.node));
        }
        self.inside_kinds = kinds;
    }

    fn kinds_for(&mut self, group: Option<&Name>, names: &[Name]) -> Vec<Kind> {
        let Some(group) = group else { return Vec::new() };
        for name in names {
            self.plain_kind(names::current(&name.node));
        }
        self.within(Some(group), |compiler| compiler.kinds(names))
    }

    /// Compiles a definition about a group, or about persons.
    pub(super) fn within<R>(
        &mut self,
        group: Option<&Name>,
        compile: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let owner = group.map(|group| group.node.clone());
        let before = std::mem::replace(&mut self.group, owner);
        let made = compile(self);
        self.group = before;
        made
    }

    /// Reports a group that is not defined.
    pub(super) fn check_group(&mut self, group: Option<&Name>) {
        let Some(group) = group else { return };
        let known = |def: &ast::GroupDef| def.name.node == group.node;
        if !self.pack.groups.iter().any(known) {
            let names = self.pack.groups.iter().map(|def| def.name.node.clone());
            let hint = super::did_you_mean(&group.node, names)
                .or_else(|| Some(format!("add it: groups: {{ {}: {{}} }}", group.node)));
            self.mistake(group.span, format!("there is no group `{}`", group.node), hint);
        }
    }

    /// Every event of those whom the definition at hand is about.
    pub(super) fn any_kind(&self) -> Kinds {
        let Some(group) = &self.group else { return Kinds::but(&self.inside_kinds) };
        let of_group = inside(group, "");
        let kinds = self.inside_kinds.iter().copied();
        kinds.filter(|kind| self.inputs.kinds[usize::from(kind.0)].starts_with(&of_group)).collect()
    }

    /// An expression reads something that is kept of persons, or of groups: it cannot be about both.
    ///
    /// # Errors
    /// Whom it is about.
    pub(super) fn reads_of(&mut self, owner: Owner) -> Result<(), String> {
        match &self.owner {
            None => self.owner = Some(owner),
            Some(known) if *known != owner => {
                let word = |owner: &Owner| match owner {
                    Some(group) => format!("groups of the kind {group}"),
                    None => "persons".to_owned(),
                };
                return Err(format!(
                    "is about {}, and this is about {}",
                    word(&owner),
                    word(known)
                ));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// A condition that only holds for those whom it is about.
    pub(super) fn only_for(&self, owner: &Owner, condition: Expr) -> Expr {
        if self.pack.groups.is_empty() {
            return condition;
        }
        let is_group = |name: &str| Expr::IsGroup(prefix(name).into());
        let guard = match owner {
            Some(group) => is_group(group),
            None => {
                let all = self.pack.groups.iter().map(|def| is_group(&def.name.node)).collect();
                Expr::Not(Box::new(Expr::Or(all)))
            }
        };
        Expr::And(Box::new([guard, condition]))
    }

    /// What the decoder must find for a kind that only comes about inside.
    pub(super) fn want_of_origin(&mut self, kind: Kind, slot: u16) {
        let name = &self.inputs.kinds[usize::from(kind.0)];
        if name.starts_with(INSIDE) {
            let name = spoken(name).to_owned();
            let origin = self.plain_kind(&name);
            return self.want(origin, slot);
        }
        if let Some((origin, slot, _)) = self.record_slot(kind, slot) {
            self.want(origin, slot);
        }
    }

    /// Of a slot of a notice: the kind of the records, their slot, and whether it is meant as it was before.
    fn record_slot(&mut self, kind: Kind, slot: u16) -> Option<(Kind, u16, bool)> {
        let name = &self.inputs.kinds[usize::from(kind.0)];
        let (record, path, before) =
            self.as_record(name, &self.inputs.paths[usize::from(slot)].path)?;
        let (record, path) = (self.plain_kind(&record), path.to_vec());
        Some((record, self.slot(Consumer::Event, &path), before))
    }

    /// Of a property of a notice: the name of the record and its property.
    fn as_record(&self, kind: &str, path: &[String]) -> Option<(String, Vec<String>, bool)> {
        let catalogue = self.pack.catalogue.as_ref()?;
        catalogue.tell.iter().find(|notice| notice.event.node == kind)?;
        let before = path.len() > 1 && path[0] == "before";
        let path = path[usize::from(before)..].to_vec();
        Some((record_name(catalogue), path, before))
    }

    /// The event and the property as they are declared.
    pub(super) fn as_declared(&self, kind: Kind, path: &str) -> (String, String) {
        let name = spoken(&self.inputs.kinds[usize::from(kind.0)]);
        match self.as_record(name, &path_of(path)) {
            Some((record, path, _)) => (record, path.join(".")),
            None => (name.to_owned(), path.to_owned()),
        }
    }

    /// The kinds of groups.
    pub(super) fn groups(&mut self) -> Vec<GroupPlan> {
        let pack = self.pack;
        let members: Vec<FactId> =
            pack.groups.iter().filter_map(|def| self.membership(def)).collect();
        let kinds = self.inputs.kinds.clone();
        let forwards = |group: &str| {
            let forward = |kind: &String| {
                let name = inside(group, kind);
                kinds.iter().position(|known| *known == name).map(|at| Kind(at as u16))
            };
            kinds.iter().map(|kind| (!kind.is_empty()).then(|| forward(kind)).flatten()).collect()
        };
        let groups = pack.groups.iter().zip(members);
        groups
            .map(|(def, member)| GroupPlan {
                name: def.name.node.clone(),
                prefix: prefix(&def.name.node),
                member,
                forwards: forwards(&def.name.node),
            })
            .collect()
    }

    /// The hidden fact that says to which group a person belongs.
    fn membership(&mut self, def: &'a ast::GroupDef) -> Option<FactId> {
        let calls = [Name { node: "group".into(), span: def.name.span }];
        let on = self.kinds(if def.on.is_empty() { &calls } else { &def.on });
        let until = self.kinds(&def.until);
        let scope = Scope { event: Some(&on), ..Scope::default() };
        let of = match &def.of {
            Some(written) => self.expression(written, &scope, &Type::Str)?,
            None => Expr::Property(self.property(&on, &["groupId".into()]).0),
        };
        let condition = match &def.condition {
            Some(written) => Some(self.expression(written, &scope, &Type::Bool)?),
            None => None,
        };
        let plan = FoldPlan {
            aggregate: Aggregate::Last,
            entries: !until.is_empty(),
            on: on.into_iter().collect(),
            minus: Kinds::default(),
            until: until.into_iter().collect(),
            of: Some(of),
            condition,
            window: None,
            keep: 0,
        };
        Some(self.add_fact(FactPlan {
            name: format!("group:{}", def.name.node),
            standing: Standing::Current,
            rule: FactRule::Fold(plan),
            per: None,
        }))
    }

    /// The catalogue, once all expressions are known that read it.
    pub(super) fn catalogue(&mut self) -> Option<CataloguePlan> {
        let written = self.pack.catalogue.as_ref()?;
        let kind = self.record_kind()?;
        let product = written.product.as_ref().map_or("product_id", |name| &name.node);
        let product = self.record_property(kind, product);
        self.inputs.catalogue = Some((kind, product));
        let accessory_of =
            written.accessory_of.as_ref().map(|name| self.record_property(kind, &name.node));
        let mut notices = Vec::new();
        for notice in &written.tell {
            notices.extend(self.notice(notice, kind));
        }
        let related: Vec<Option<FactId>> = [&written.similar, &written.bought_together]
            .map(|name| name.as_ref().and_then(|name| self.listed_fact(name)))
            .into();
        let told: BTreeSet<FactId> = notices.iter().flat_map(|it| &it.to).copied().collect();
        let listed_facts: BTreeSet<FactId> =
            related.iter().flatten().chain(&told).copied().collect();
        let listed = |fact| {
            let (changed_by, is_told) = (self.changed_by(fact), told.contains(&fact));
            Listed { fact, changed_by, is_told }
        };
        let listed = listed_facts.into_iter().map(listed).collect();
        Some(CataloguePlan { kind, product, accessory_of, notices, related, listed })
    }

    /// The events of a step that can change a fact.
    fn changed_by(&self, fact: FactId) -> Kinds {
        let kinds = match &self.facts[usize::from(fact.0)].rule {
            // Whatever is said about the person, and a zone that any event may name.
            FactRule::Trait { .. } => return Kinds::any(),
            FactRule::Fold(FoldPlan { window: Some(Window::Calendar(_)), .. }) => {
                return Kinds::any();
            }
            FactRule::Fold(fold) => [&fold.on, &fold.minus, &fold.until],
            FactRule::Basket(basket) => [&basket.on, &basket.minus, &basket.until],
        };
        let mut changed_by = Kinds::default();
        kinds.iter().for_each(|kinds| changed_by.extend(kinds));
        // What a journey emits comes about in the middle of any step.
        if self.emits(&changed_by) { Kinds::any() } else { changed_by }
    }

    /// Whether a journey emits one of these events.
    fn emits(&self, kinds: &Kinds) -> bool {
        let ops = self.journeys.iter().flat_map(|journey| &journey.program);
        ops.into_iter().any(|at| matches!(&at.op, Op::Emit { kind, .. } if kinds.has(*kind)))
    }

    /// The kind of the records of products; none if the pack has no catalogue.
    pub(super) fn record_kind(&mut self) -> Option<Kind> {
        let name = record_name(self.pack.catalogue.as_ref()?);
        Some(self.plain_kind(&name))
    }

    fn record_property(&mut self, kind: Kind, name: &str) -> u16 {
        self.property(&[kind], &path_of(name)).0
    }

    fn notice(&mut self, def: &'a ast::NoticeDef, record: Kind) -> Option<NoticePlan> {
        let kind = self.kind(&def.event.node);
        let records = [record];
        let scope = Scope { event: Some(&records), before: Some(&records), ..Scope::default() };
        let condition = self.expression(&def.when, &scope, &Type::Bool);
        let to = def.to.iter().filter_map(|name| self.listed_fact(name)).collect();
        let wanted = self.inputs.wanted[usize::from(kind.0)].clone();
        let slots = (0..).zip(wanted).filter(|(_, wanted)| *wanted).map(|(slot, _)| slot);
        let values = slots
            .collect::<Vec<u16>>()
            .into_iter()
            .filter_map(|slot| {
                self.record_slot(kind, slot).map(|(_, of, before)| (slot, of, before))
            })
            .collect();
        Some(NoticePlan { kind, to, condition: condition?, values })
    }

    /// A fact that holds products.
    fn listed_fact(&mut self, name: &Name) -> Option<FactId> {
        let found = self.pack.facts.iter().find(|def| def.name.node == name.node);
        let Some(def) = found else {
            let hint = super::did_you_mean(&name.node, self.fact_names());
            self.mistake(name.span, format!("there is no fact `{}`", name.node), hint);
            return None;
        };
        let of = self.fact_types.get(name.node.as_str()).cloned()?;
        let holds = match &of {
            None | Some(Type::Str | Type::Any) => true,
            Some(Type::List(of)) => of.fits(&Type::Str),
            Some(_) => false,
        };
        if def.group.is_some() || !holds {
            let what =
                if def.group.is_some() { "is not about persons" } else { "holds no products" };
            let hint = "for example viewed: { recent: Product Viewed, of: event.product_id }";
            self.mistake(name.span, format!("the fact `{}` {what}", name.node), Some(hint.into()));
            return None;
        }
        self.materialise(&name.node)
    }

    /// How products go together by a function, if the catalogue says by which fact.
    pub(super) fn relation(&self, function: &str) -> Option<(Relation, bool)> {
        let catalogue = self.pack.catalogue.as_ref();
        let (relation, said) = match function {
            "similar" => (Relation::Similar, catalogue?.similar.is_some()),
            "bought_together" => (Relation::BoughtTogether, catalogue?.bought_together.is_some()),
            _ => return None,
        };
        Some((relation, said))
    }
}

/// What reads of a record: its name as the pack has it.
fn record_name(catalogue: &ast::Catalogue) -> String {
    let written = catalogue.on.as_ref().map_or(RECORD, |name| &name.node);
    names::current(written).to_owned()
}

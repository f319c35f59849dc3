//! Facts: their types first, so that any expression can name any of them, then those that are used.

use super::expression::Scope;
use super::types::Type;
use super::{Compiler, FactError, FactId, FactPlan, FactRule, Standing};
use crate::define::ast::{self, Aggregate, BasketDef, FactDef, FactKind, FoldDef};
use crate::define::plan::{BasketPlan, Consumer, FoldPlan, PropertyType};

/// Values that `recent` keeps when nothing is written.
const KEEP_DEFAULT: u32 = 10;

impl<'a> Compiler<'a> {
    /// Checks every fact, used or not, and notes its type.
    pub(super) fn type_facts(&mut self) {
        let pack = self.pack;
        for def in &pack.facts {
            let before = self.mistakes.len();
            self.check_group(def.group.as_ref());
            let plan = self.within(def.group.as_ref(), |compiler| compiler.fact_plan(def));
            if let Some((_, of)) = plan
                && self.mistakes.len() == before
            {
                self.fact_types.insert(&def.name.node, of);
            }
        }
        // What this pass found in events is forgotten: unused facts must not cost the decoder anything.
        self.inputs = super::succession::inputs(self.base);
    }

    /// A fact and its type (a basket has none), as seen from a place with this key.
    pub(super) fn fact(
        &mut self,
        name: &str,
        per: Option<&str>,
    ) -> Result<(FactId, Option<Type>), FactError> {
        let pack = self.pack;
        let Some(def) = pack.facts.iter().find(|def| def.name.node == name) else {
            return Err(FactError::Unknown);
        };
        if let Some(keyed) = key_of(def)
            && per != Some(keyed)
        {
            return Err(FactError::Keyed(keyed.to_owned()));
        }
        let Some(of) = self.fact_types.get(name).cloned() else {
            return Err(FactError::Broken);
        };
        Ok((self.materialise(name).ok_or(FactError::Broken)?, of))
    }

    /// Puts a fact into the plan, once.
    pub(super) fn materialise(&mut self, name: &str) -> Option<FactId> {
        if let Some(id) = self.fact_ids.get(name) {
            return Some(*id);
        }
        let pack = self.pack;
        let def = pack.facts.iter().find(|def| def.name.node == name)?;
        let silent = std::mem::replace(&mut self.silent, true);
        let plan = self.within(def.group.as_ref(), |compiler| compiler.fact_plan(def));
        self.silent = silent;
        Some(self.add_fact(plan?.0))
    }

    /// The hidden fact that holds a trait or a consent category for the policy.
    pub(super) fn hidden_trait(&mut self, from: Consumer, name: &str) -> FactId {
        let hidden = match from {
            Consumer::Consent => format!("consent:{name}"),
            _ => format!("trait:{name}"),
        };
        if let Some(id) = self.fact_ids.get(&hidden) {
            return *id;
        }
        let slot = self.slot(from, &[name.to_owned()]);
        let trait_name = if from == Consumer::Consent { hidden.clone() } else { name.to_owned() };
        let of_type = Some(PropertyType::Boolean);
        let rule = FactRule::Trait { slot, name: trait_name, of_type };
        self.add_fact(FactPlan { name: hidden, standing: Standing::Current, rule, per: None })
    }

    fn fact_plan(&mut self, def: &'a FactDef) -> Option<(FactPlan, Option<Type>)> {
        let name = def.name.node.clone();
        match &def.kind {
            FactKind::Trait { name: trait_name, of_type } => {
                self.trait_name(trait_name, of_type.as_ref());
                let slot = self.slot(Consumer::Trait, std::slice::from_ref(&trait_name.node));
                let of_type = of_type.as_ref().map(|of_type| of_type.node);
                let of = of_type.map_or(Type::Any, Type::of_property);
                let rule = FactRule::Trait { slot, name: trait_name.node.clone(), of_type };
                let standing = Standing::Current;
                Some((FactPlan { name, standing, rule, per: None }, Some(of)))
            }
            FactKind::Fold(fold) => {
                let (plan, of) = self.fold(fold)?;
                let per = self.fact_key(fold.per.as_ref(), [&fold.on, &fold.minus, &fold.until]);
                let (standing, rule) = (Standing::Current, FactRule::Fold(plan));
                Some((FactPlan { name, standing, rule, per }, Some(of)))
            }
            FactKind::Basket(basket) => {
                let plan = self.basket(basket)?;
                let events = [&basket.on, &basket.minus, &basket.until];
                let per = self.fact_key(basket.per.as_ref(), events);
                let (standing, rule) = (Standing::Current, FactRule::Basket(plan));
                Some((FactPlan { name, standing, rule, per }, None))
            }
        }
    }

    /// The slot of the keying property, read of every event that concerns the fact.
    fn fact_key(&mut self, per: Option<&ast::Name>, events: [&Vec<ast::Name>; 3]) -> Option<u16> {
        let per = per?;
        let names: Vec<ast::Name> = events.into_iter().flatten().cloned().collect();
        let kinds = self.kinds(&names);
        Some(self.key(per, &kinds))
    }

    fn fold(&mut self, def: &'a FoldDef) -> Option<(FoldPlan, Type)> {
        let (on, minus) = (self.kinds(&def.on), self.kinds(&def.minus));
        let until = self.kinds(&def.until);
        let both: Vec<_> = on.iter().chain(&minus).copied().collect();
        let scope = Scope { event: Some(&both), ..Scope::default() };
        let condition = match &def.condition {
            Some(written) => Some(self.expression(written, &scope, &Type::Bool)?),
            None => None,
        };
        let (of, value) = match &def.of {
            Some(written) => {
                let (expr, of) = self.any_expression(written, &scope)?;
                let element = match of {
                    Type::List(element) => *element,
                    single => single,
                };
                self.check_aggregated(def.aggregate.node, &element, written)?;
                (Some(expr), element)
            }
            None => (None, Type::Number),
        };
        let aggregate = def.aggregate.node;
        let removes = !minus.is_empty() && !matches!(aggregate, Aggregate::Count | Aggregate::Sum);
        let plan = FoldPlan {
            aggregate,
            entries: def.window.is_some() || !until.is_empty() || removes,
            on: on.into_iter().collect(),
            minus: minus.into_iter().collect(),
            until: until.into_iter().collect(),
            of: if aggregate == Aggregate::Count { None } else { of },
            condition,
            window: def.window.as_ref().map(|window| window.node),
            keep: def.keep.as_ref().map_or(KEEP_DEFAULT, |keep| keep.node) as usize,
        };
        let of = match aggregate {
            Aggregate::Count | Aggregate::Sum | Aggregate::Average | Aggregate::Distinct => {
                Type::Number
            }
            Aggregate::Recent => Type::List(Box::new(value)),
            Aggregate::Min
            | Aggregate::Max
            | Aggregate::First
            | Aggregate::Last
            | Aggregate::Top => value,
        };
        Some((plan, of))
    }

    fn check_aggregated(&mut self, aggregate: Aggregate, of: &Type, at: &ast::Expr) -> Option<()> {
        let fits = match aggregate {
            Aggregate::Sum | Aggregate::Average => of.fits(&Type::Number),
            Aggregate::Min | Aggregate::Max => {
                of.fits(&Type::Number) || of.fits(&Type::Time) || *of == Type::Duration
            }
            _ => true,
        };
        if !fits {
            let name = format!("{aggregate:?}").to_lowercase();
            let (takes, hint) = match aggregate {
                Aggregate::Sum | Aggregate::Average => {
                    ("numbers", "count and distinct take anything")
                }
                _ => ("numbers and times", "first, last and top take anything"),
            };
            self.mistake(
                at.span,
                format!("{name} takes {takes}, and this is {of}"),
                Some(hint.into()),
            );
        }
        fits.then_some(())
    }

    fn basket(&mut self, def: &'a BasketDef) -> Option<BasketPlan> {
        let (on, minus) = (self.kinds(&def.on), self.kinds(&def.minus));
        let until = self.kinds(&def.until);
        let both: Vec<_> = on.iter().chain(&minus).copied().collect();
        let scope = Scope { event: Some(&both), ..Scope::default() };
        let of = match &def.of {
            Some(written) => self.expression(written, &scope, &Type::Any),
            None => {
                let (slot, _) = self.property(&both, &["product_id".into()]);
                Some(crate::define::plan::Expr::Property(slot))
            }
        };
        let mut number = |written: &'a Option<ast::Expr>| match written {
            Some(written) => self.expression(written, &scope, &Type::Number).map(Some),
            None => Some(None),
        };
        let (quantity, price) = (number(&def.quantity), number(&def.price));
        Some(BasketPlan {
            on: on.into_iter().collect(),
            minus: minus.into_iter().collect(),
            until: until.into_iter().collect(),
            of: of?,
            quantity: quantity?,
            price: price?,
        })
    }
}

/// The property that keys a fact.
fn key_of(def: &FactDef) -> Option<&str> {
    match &def.kind {
        FactKind::Trait { .. } => None,
        FactKind::Fold(fold) => fold.per.as_ref().map(|per| per.node.as_str()),
        FactKind::Basket(basket) => basket.per.as_ref().map(|per| per.node.as_str()),
    }
}

//! A basket: products, quantities and prices, replayed from what was put in and taken out.

use super::{Change, Contribution};
use crate::define::plan::BasketPlan;
use crate::event::Num;
use crate::limits::ENTRIES_MAX;
use crate::person::eval::{Cx, eval};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A product as one event tells of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Product {
    id: CompactString,
    quantity: Option<Num>,
    price: Option<Num>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Move {
    time: i64,
    minus: bool,
    product: Product,
}

/// Moves by time since the last reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Basket {
    moves: Vec<Move>,
    reset: Option<i64>,
}

/// A product that is in the basket now.
pub(super) struct Line<'a> {
    pub(super) id: &'a CompactString,
    pub(super) quantity: Num,
    pub(super) price: Num,
}

/// What is in a basket: mostly few products.
pub(super) type Lines<'a> = SmallVec<[Line<'a>; 8]>;

/// The products that an event speaks of: one, or each of a list. Without an id it speaks of none.
pub(super) fn contribution(plan: &BasketPlan, cx: &Cx) -> Option<Vec<Product>> {
    let number = |expr: &Option<_>| {
        let value = expr.as_ref().map(|expr| eval(expr, cx).into_value());
        value.and_then(|value| value.num())
    };
    let (quantity, price) = (number(&plan.quantity), number(&plan.price));
    let mut products = Vec::new();
    eval(&plan.of, cx).into_value().each(&mut |id| {
        products.extend(id.key().map(|id| Product { id, quantity, price }));
    });
    (!products.is_empty()).then_some(products)
}

impl Basket {
    /// Looks at where it begins.
    pub(super) fn look(&self) -> i64 {
        self.moves.last().map_or(0, |last| last.time)
    }

    pub(super) fn apply(&mut self, change: &Change) {
        if change.reset {
            self.moves.retain(|one| one.time > change.time);
            self.reset = self.reset.max(Some(change.time));
        }
        for (contribution, minus) in [(&change.add, false), (&change.minus, true)] {
            if let Some(Contribution::Products(products)) = contribution {
                for product in products {
                    self.insert(Move { time: change.time, minus, product: product.clone() });
                }
            }
        }
    }

    fn insert(&mut self, one: Move) {
        if self.reset.is_some_and(|reset| one.time < reset) {
            return;
        }
        let at = self.moves.partition_point(|known| known.time <= one.time);
        self.moves.insert(at, one);
        if self.moves.len() > ENTRIES_MAX {
            self.moves.remove(0);
        }
    }

    /// Takes in what came under another leaf: what either has reset is gone in both.
    pub(super) fn merge(&mut self, other: Basket) {
        let survives =
            |reset: Option<i64>| move |one: &Move| reset.is_none_or(|reset| one.time > reset);
        self.moves.retain(survives(other.reset));
        self.moves.extend(other.moves.into_iter().filter(survives(self.reset)));
        self.moves.sort_by_key(|one| one.time);
        self.moves.drain(..self.moves.len().saturating_sub(ENTRIES_MAX));
        self.reset = self.reset.max(other.reset);
    }

    /// What is in it, in the order in which products were first put in since they were last absent.
    pub(super) fn contents(&self) -> Lines<'_> {
        let mut lines = Lines::new();
        for Move { minus, product, .. } in &self.moves {
            let at = lines.iter().position(|line| *line.id == product.id);
            match (minus, at) {
                (true, None) => {}
                (true, Some(at)) => {
                    let left = product.quantity.and_then(|n| lines[at].quantity.checked_sub(n));
                    match left {
                        Some(left) if left > Num::ZERO => lines[at].quantity = left,
                        _ => drop(lines.remove(at)),
                    }
                }
                (false, at) => {
                    let at = at.unwrap_or_else(|| {
                        lines.push(Line { id: &product.id, quantity: Num::ZERO, price: Num::ZERO });
                        lines.len() - 1
                    });
                    let added =
                        lines[at].quantity.checked_add(product.quantity.unwrap_or(Num::ONE));
                    lines[at].quantity = added.unwrap_or(lines[at].quantity);
                    lines[at].price = product.price.unwrap_or(lines[at].price);
                    if lines[at].quantity <= Num::ZERO {
                        lines.remove(at);
                    }
                }
            }
        }
        lines
    }
}

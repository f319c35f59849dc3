//! Amounts into the pack's base currency.

use super::values::{Found, shown};
use super::wanted::{Take, own_leaves};
use crate::define::plan::{Consumer, Inputs, PropertyType, Rates};
use crate::event::{Kind, Num, Reason, Value};

/// Which values are amounts, and what they are worth.
#[derive(Clone, Debug)]
pub(super) struct Money {
    /// For each kind the slots that hold amounts.
    slots: Vec<Vec<u16>>,
    /// The slot of the event's own `currency`.
    currency: Option<u16>,
    /// None only where there are no amounts.
    rates: Option<Rates>,
}

impl Money {
    pub(super) fn new(inputs: &Inputs) -> Money {
        let amounts = |kind| {
            let leaves = own_leaves(inputs, Kind(kind as u16)).into_iter();
            leaves
                .map(|(_, leaf)| leaf)
                .filter(|leaf| leaf.take == Take::Declared(PropertyType::Money))
                .map(|leaf| leaf.slot)
                .collect()
        };
        let currency = inputs
            .paths
            .iter()
            .position(|path| path.from == Consumer::Event && path.path == ["currency"]);
        Money {
            slots: (0..inputs.kinds.len()).map(amounts).collect(),
            currency: currency.map(|slot| slot as u16),
            rates: inputs.currency.clone(),
        }
    }

    /// Converts the amounts of an event, or reports why that cannot be done.
    pub(super) fn convert(&self, kind: Kind, found: &mut Found) {
        let slots = &self.slots[usize::from(kind.0)];
        let Some(rates) = self.rates.as_ref().filter(|_| !slots.is_empty()) else {
            return;
        };
        let Some(first) = slots.iter().copied().find(|&slot| found.has(slot)) else {
            return;
        };
        let own = found.values.iter().find(|(slot, _)| Some(*slot) == self.currency);
        let rate = match own {
            Some((_, Value::Str(name))) => rate(rates, name),
            Some(_) => Err("is an amount in a `currency` that is not a text".to_owned()),
            None => match &rates.default {
                Some(name) => rate(rates, name),
                None => Err("is an amount without a `currency`".to_owned()),
            },
        };
        let rate = match rate {
            Ok(rate) => rate,
            Err(detail) => return found.problem(first, Reason::UnknownCurrency, detail),
        };
        let mut beyond = None;
        for (slot, value) in found.values.iter_mut().filter(|(slot, _)| slots.contains(slot)) {
            match converted(value, rate) {
                Some(converted) => *value = converted,
                None => beyond = Some(*slot),
            }
        }
        if let Some(slot) = beyond {
            let detail = "is too large in the base currency".to_owned();
            found.problem(slot, Reason::NumberOutOfRange, detail);
        }
    }
}

fn rate(rates: &Rates, name: &str) -> Result<Num, String> {
    let unknown = || format!("is an amount in the unknown currency \"{}\"", shown(name));
    rates.rates.get(name).copied().ok_or_else(unknown)
}

/// The amount, or each of a list of them, in the base currency; `None` beyond the range.
fn converted(value: &Value, rate: Num) -> Option<Value> {
    match value {
        Value::Num(amount) => amount.checked_mul(rate).map(Value::Num),
        Value::List(items) => {
            let items: Option<_> = items.iter().map(|item| converted(item, rate)).collect();
            items.map(Value::List)
        }
        other => Some(other.clone()),
    }
}

//! Values out of JSON text, for the slots of a tree of wanted names.

use super::Refused;
use super::cursor::{Cursor, Scalar};
use super::wanted::{Leaf, Node, Take};
use crate::define::plan::PropertyType;
use crate::event::{Num, Reason, Value, list};
use crate::time;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Each slot at most once, once reading is done.
    pub(super) values: Vec<(u16, Value)>,
    pub(super) problems: Vec<Problem>,
}

/// A value that makes the whole event unusable.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) slot: u16,
    pub(super) reason: Reason,
    /// The end of a sentence that begins with the property's name.
    pub(super) detail: String,
}

/// How much had been found at some time.
#[derive(Clone, Copy)]
struct Mark {
    values: usize,
    problems: usize,
}

impl Found {
    pub(super) const NOTHING: Found = Found { values: Vec::new(), problems: Vec::new() };

    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.problems.clear();
    }

    /// Reads the next value, which should be an object, as far as the tree wants it; of anything else nothing.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_, '_>, tree: &Node) {
        match cursor.peek() {
            b'{' => self.object(cursor, tree, false),
            _ => cursor.pass(),
        }
    }

    /// Reads the next value for a node. Inside an array nothing is collected into lists yet.
    pub(super) fn value(&mut self, cursor: &mut Cursor<'_, '_>, node: &Node, in_list: bool) {
        match cursor.peek() {
            b'{' => self.object(cursor, node, in_list),
            b'[' => self.array(cursor, node, in_list),
            _ => {
                let scalar = cursor.scalar();
                for leaf in &node.leaves {
                    match convert(leaf.take, scalar, in_list) {
                        Ok(Value::Missing) => {}
                        Ok(value) => self.values.push((leaf.slot, value)),
                        Err(unfit) => self.problem(leaf.slot, unfit.0, unfit.1),
                    }
                }
            }
        }
    }

    fn object(&mut self, cursor: &mut Cursor<'_, '_>, node: &Node, in_list: bool) {
        self.refuse_compound(node);
        let start = self.mark();
        let (mut seen, mut space) = (0_u64, String::new());
        cursor.open();
        while let Some(key) = cursor.key(&mut space) {
            let Some((at, child)) = node.child(key) else {
                cursor.pass();
                continue;
            };
            // Of members with the same name the last counts. With more than 64 names two can share a bit, which
            // only costs a look in vain.
            let bit = 1 << (at % 64);
            if seen & bit != 0 {
                self.forget(start, child);
            }
            seen |= bit;
            self.value(cursor, child, in_list);
        }
    }

    /// A declared value is a single one.
    fn refuse_compound(&mut self, node: &Node) {
        for leaf in &node.leaves {
            if let Take::Declared(wanted) = leaf.take {
                self.problem(leaf.slot, Reason::WrongType, wrong(wanted, Scalar::Compound));
            }
        }
    }

    fn array(&mut self, cursor: &mut Cursor<'_, '_>, node: &Node, in_list: bool) {
        self.refuse_compound(node);
        let start = self.mark();
        cursor.open();
        while cursor.element() {
            self.value(cursor, node, true);
        }
        if !in_list {
            self.gather(start, node);
        }
    }

    /// Makes a list for each slot out of the single values found since.
    fn gather(&mut self, start: Mark, node: &Node) {
        let found = self.values.split_off(start.values);
        for leaf in node.below.iter().filter(|leaf| leaf.lists()) {
            let of_slot = found.iter().filter(|(slot, _)| *slot == leaf.slot);
            self.values.push((leaf.slot, list(of_slot.map(|(_, value)| value.clone()))));
        }
    }

    /// Takes back what was found at or below a name since.
    fn forget(&mut self, start: Mark, node: &Node) {
        let below = |slot: u16| node.below.iter().any(|leaf| leaf.slot == slot);
        keep_tail(&mut self.values, start.values, |(slot, _)| !below(*slot));
        keep_tail(&mut self.problems, start.problems, |p| !below(p.slot));
    }

    fn mark(&self) -> Mark {
        Mark { values: self.values.len(), problems: self.problems.len() }
    }

    pub(super) fn problem(&mut self, slot: u16, reason: Reason, detail: String) {
        self.problems.push(Problem { slot, reason, detail });
    }

    pub(super) fn has(&self, slot: u16) -> bool {
        self.values.iter().any(|(known, _)| *known == slot)
    }

    pub(super) fn has_any(&self, leaves: &[Leaf]) -> bool {
        leaves.iter().any(|leaf| self.has(leaf.slot))
    }
}

/// Keeps those elements from `start` on that `keep` wants.
fn keep_tail<T>(items: &mut Vec<T>, start: usize, mut keep: impl FnMut(&T) -> bool) {
    let mut at = 0;
    items.retain(|item| {
        at += 1;
        at <= start || keep(item)
    });
}

/// The value to store; missing if there is none.
///
/// # Errors
/// Why the event cannot be used; boxed, because what is returned for every value had better be small.
#[inline]
fn convert(take: Take, scalar: Scalar<'_>, in_list: bool) -> Result<Value, Box<Refused>> {
    use PropertyType::{Boolean, Date, Money, Number, String, Time};
    let value = match (take, scalar) {
        (_, Scalar::Null) => Value::Missing,
        (Take::Any | Take::Declared(String), Scalar::Plain(text)) => Value::Str(text.into()),
        (Take::Any | Take::Declared(String), Scalar::Escaped(_)) => text(scalar),
        (Take::Any | Take::Declared(Number | Money), Scalar::Number(text)) => match number(text) {
            Some(number) => Value::Num(number),
            None => return Err(Box::new((Reason::NumberOutOfRange, too_large(text)))),
        },
        (Take::Any | Take::Declared(Boolean), Scalar::Bool(value)) => Value::Bool(value),
        (Take::Declared(Time), _) if let Some(time) = time_of(scalar) => Value::Time(time),
        (Take::Declared(Date), _) if let Some(time) = date_of(scalar) => Value::Time(time),
        (Take::Declared(wanted), _) => {
            return Err(Box::new((Reason::WrongType, wrong(wanted, scalar))));
        }
        (Take::Consent, Scalar::Bool(value)) if !in_list => Value::Bool(value),
        (Take::Zone, _) if !in_list => text(scalar),
        (Take::Any | Take::Consent | Take::Zone, _) => Value::Missing,
    };
    Ok(value)
}

fn text(scalar: Scalar<'_>) -> Value {
    scalar.text().map_or(Value::Missing, |text| Value::Str(text.into()))
}

fn time_of(scalar: Scalar<'_>) -> Option<i64> {
    match scalar {
        Scalar::Number(text) => number(text).filter(|n| n.is_whole()).map(Num::trunc),
        _ => time::parse(&scalar.text()?),
    }
}

fn date_of(scalar: Scalar<'_>) -> Option<i64> {
    let text = scalar.text().filter(|text| text.len() == 10)?;
    time::parse_date(&text)
}

#[cold]
fn too_large(number: &str) -> String {
    format!("is {}", shown(number))
}

/// Exactly, or `None` beyond the range.
#[inline]
fn number(text: &str) -> Option<Num> {
    const PLACES: [i64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    // Nearly all numbers are a few digits, with a point or none; twelve cannot overflow.
    let mut digits = 0_i64;
    let mut places = None;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + i64::from(byte - b'0');
                places = places.map(|n| n + 1);
            }
            b'.' => places = Some(0),
            _ => return Num::parse(text),
        }
        if digits >= 1_000_000_000_000 {
            return Num::parse(text);
        }
    }
    match PLACES.get(places.unwrap_or(0)) {
        Some(unit) => Some(Num(digits * unit)),
        None => Num::parse(text),
    }
}

/// What is wanted and what came, as the end of a sentence.
fn wrong(wanted: PropertyType, came: Scalar<'_>) -> String {
    let wanted = match wanted {
        PropertyType::String => "a string",
        PropertyType::Number => "a number",
        PropertyType::Boolean => "a boolean",
        PropertyType::Time => "a time such as 2026-03-02T09:00:00Z",
        PropertyType::Date => "a date such as 2026-03-02",
        PropertyType::Money => "an amount, which is a number",
    };
    let came = match came {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Number(text) => format!("the number {}", shown(text)),
        Scalar::Plain(text) | Scalar::Escaped(text) => format!("the text \"{}\"", shown(text)),
        Scalar::Compound => "an object or a list".to_owned(),
    };
    format!("is declared as {wanted}, but is {came}")
}

/// The beginning of a long text.
pub(super) fn shown(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_short_way_reads_numbers_as_the_long_way(text in "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,9})?(e-?[0-9])?") {
            prop_assert_eq!(number(&text), Num::parse(&text), "{}", text);
        }
    }
}

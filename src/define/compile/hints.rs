//! Advice for who wrote an expression that means nothing: types and names in, what to write
//! instead out. Decides nothing.

use super::did_you_mean;
use super::types::Type;
use crate::define::parse::FUNCTIONS;
use crate::define::plan::expr::Operator;

const INSTANT: &str = "write timestamp(\"2026-03-01T00:00:00Z\")";

/// Where a value of another type is needed.
pub(super) fn needed(found: &Type, wanted: &Type) -> Option<String> {
    let hint = match (wanted, found) {
        (Type::Bool, Type::Number) => "compare it, for example … > 0",
        (Type::Bool, Type::Str) => "compare it, for example … == \"gold\"",
        (Type::Bool, Type::Time | Type::Date) => {
            "compare it, for example … > now - days(7), or ask has(…)"
        }
        (Type::Bool, Type::Duration) => "compare it, for example … > days(7)",
        (Type::Bool, Type::List(_)) => "ask size(…) > 0, or x in …",
        (Type::Str, Type::List(_)) => "ask x in list",
        (Type::Str, Type::Number) => "a text is quoted: \"…\"",
        (Type::Time, Type::Str) => INSTANT,
        _ => return None,
    };
    Some(hint.into())
}

/// Where two values cannot be compared.
pub(super) fn compared(a: &Type, b: &Type) -> Option<String> {
    use Type::{Bool, Date, Duration, List, Number, Str, Time};
    let hint = match (a, b) {
        (Duration, Number) | (Number, Duration) => "write a duration: days(30), hours(12)",
        (Time | Date, Number | Duration) | (Number | Duration, Time | Date) => {
            "write a time, for example now - days(30)"
        }
        (Time | Date, Str) | (Str, Time | Date) => INSTANT,
        (Number, Str) | (Str, Number) => "a number stands without quotes, a text with them",
        (Bool, Str) | (Str, Bool) => "true and false stand without quotes",
        (Bool, Bool) => "only == and != are for booleans",
        (List(_), _) | (_, List(_)) => "ask x in list, or size(list)",
        _ => return None,
    };
    Some(hint.into())
}

/// Where two values cannot be calculated with.
pub(super) fn calculated(operator: Operator, a: &Type, b: &Type) -> Option<String> {
    use Type::{Bool, Date, Duration, List, Number, Str, Time};
    let hint = match (a, b) {
        (Time | Date | Duration, Number) | (Number, Time | Date | Duration)
            if matches!(operator, Operator::Add | Operator::Subtract) =>
        {
            "write a duration: days(30), hours(12)"
        }
        (Time | Date, Time | Date) => "times can only be subtracted from one another",
        (Bool, _) | (_, Bool) => "booleans are joined by && and ||",
        (List(_), _) | (_, List(_)) => "lists know only in, size(), == and !=",
        (Str, _) | (_, Str) => "+ joins two texts, and there is nothing else to do with them",
        _ => return None,
    };
    Some(hint.into())
}

/// Where no fact has this name.
pub(super) fn unknown_fact(name: &str, facts: Vec<String>, segments: Vec<String>) -> String {
    let dashed = name.replace('_', "-");
    if let Some(segment) = segments.iter().find(|segment| *segment == name || **segment == dashed) {
        return format!("it is a segment: write segment(\"{segment}\")");
    }
    if FUNCTIONS.contains(&name) {
        return format!("it is a function: write {}", usage(name));
    }
    if matches!(name, "today" | "date" | "time") {
        return "write now".into();
    }
    let known = facts.into_iter().chain(["now".into()]);
    did_you_mean(name, known)
        .unwrap_or_else(|| "facts are defined under `facts:`; a text is quoted: \"…\"".into())
}

/// Where no function has this name.
pub(super) fn unknown_function(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let meant = match lower.as_str() {
        "length" | "len" | "count" => "size",
        "matches" | "like" | "includes" => "contains",
        "in_segment" | "insegment" | "member" => "segment",
        "coalesce" | "ifnull" | "nvl" => "default",
        "tolower" | "lowercase" => "lower",
        "date" | "time" | "datetime" => "timestamp",
        "exists" | "known" | "isset" => "has",
        "weeks" => return Some("write days(7)".into()),
        "months" | "years" => return Some("write days(30)".into()),
        _ => return did_you_mean(name, FUNCTIONS.map(String::from)),
    };
    Some(format!("write {}", usage(meant)))
}

/// How a function of the language is written.
pub(super) fn usage(name: &str) -> String {
    let arguments = match name {
        "has" | "size" => "x",
        "segment" => "\"name\"",
        "timestamp" => "\"2026-03-01T00:00:00Z\"",
        "contains" | "starts_with" | "startsWith" | "ends_with" | "endsWith" => "text, \"part\"",
        "lower" => "text",
        "min" | "max" => "a, b",
        "hour" | "weekday" => "time",
        "default" => "x, instead",
        "accessories" => "products",
        "similar" | "bought_together" | "take" => "products, n",
        "without" => "list, other_list",
        "percentile" | "rank" | "decile" | "quintile" => "fact",
        _ => "n",
    };
    if name == "product" {
        return "product(key).price".into();
    }
    format!("{name}({arguments})")
}

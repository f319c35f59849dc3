//! The JSON Schema of a pack's file, with which editors complete what is typed.
//!
//! In: nothing. Out: the text of `schema.json`. Its keys are those of the parser; a test holds the
//! two together.

/// The schema (draft 2020-12).
pub fn json_schema() -> &'static str {
    include_str!("schema.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::define::diagnostic::Diagnostics;
    use crate::define::parse::{SHAPES, STEPS};
    use crate::define::yaml::{self, Kind, Node};

    fn schema() -> Value {
        serde_json::from_str(json_schema()).expect("schema.json is JSON")
    }

    fn strings(list: &Value) -> BTreeSet<&str> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// `a trait fact` is defined as `trait_fact`.
    fn definition(what: &str) -> String {
        let bare = what.trim_start_matches("an ").trim_start_matches("a ");
        bare.replace([' ', '-'], "_")
    }

    #[test]
    fn the_schema_has_the_keys_of_the_parser() {
        let schema = schema();
        let mut objects: BTreeSet<&str> = schema["$defs"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, d)| d.get("properties").is_some())
            .map(|(name, _)| name.as_str())
            .collect();
        for shape in SHAPES {
            let name = definition(shape.what);
            let found = &schema["$defs"][&name];
            let keys: BTreeSet<&str> =
                found["properties"].as_object().into_iter().flatten().map(|(k, _)| &**k).collect();
            assert_eq!(keys, shape.keys.iter().copied().collect(), "{name}");
            let required = strings(&found["required"]);
            assert!(shape.required.iter().all(|k| required.contains(k)), "{name}: {required:?}");
            assert_eq!(found["additionalProperties"], false, "{name}");
            assert!(objects.remove(&*name), "{name} is defined and used once");
        }
        assert!(objects.is_empty(), "the parser knows no {objects:?}");
        let steps = schema["$defs"]["step"]["anyOf"].as_array().expect("a list");
        let named =
            |s: &Value| s["required"][0].as_str().or(s["const"].as_str()).map(str::to_owned);
        let steps: Vec<String> = steps.iter().filter_map(named).collect();
        assert_eq!(steps, STEPS);
    }

    /// As much of JSON Schema as the schema uses, over YAML nodes; patterns are left out.
    fn valid(schema: &Value, rule: &Value, node: &Node) -> bool {
        let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
        let follow = |r: &Value| {
            let path = r.as_str().and_then(|r| r.strip_prefix('#')).expect("a local reference");
            valid(schema, schema.pointer(path).expect("it is defined"), node)
        };
        let any = all(&rule["anyOf"]);
        let pairs = match &node.kind {
            Kind::Mapping(pairs) => &pairs[..],
            _ => &[],
        };
        let key = |key: &str| pairs.iter().any(|(k, _)| k.text() == Some(key));
        let child = |(k, v): &(Node, Node)| match &rule["properties"][k.text().unwrap_or_default()]
        {
            Value::Null => match &rule["additionalProperties"] {
                Value::Bool(allowed) => *allowed,
                Value::Null => true,
                rule => valid(schema, rule, v),
            },
            rule => valid(schema, rule, v),
        };
        let items = match &node.kind {
            Kind::Sequence(items) => &items[..],
            _ => &[],
        };
        rule.get("$ref").is_none_or(follow)
            && rule.get("type").is_none_or(|t| has_type(t, node))
            && rule.get("enum").is_none_or(|e| strings(e).contains(node.text().unwrap_or_default()))
            && rule.get("const").is_none_or(|c| c.as_str() == node.text())
            && (any.is_empty() || any.iter().any(|rule| valid(schema, rule, node)))
            && strings(&rule["required"]).into_iter().all(key)
            && pairs.iter().all(child)
            && rule.get("items").is_none_or(|r| items.iter().all(|i| valid(schema, r, i)))
    }

    fn has_type(types: &Value, node: &Node) -> bool {
        let one = |name: &str| match (&node.kind, name) {
            (Kind::Mapping(_), "object") | (Kind::Sequence(_), "array") => true,
            (Kind::Null, "null") | (Kind::Scalar { .. }, "string") => true,
            (Kind::Scalar { text, .. }, "number") => text.parse::<f64>().is_ok(),
            (Kind::Scalar { text, .. }, "integer") => text.parse::<u32>().is_ok(),
            (Kind::Scalar { text, .. }, "boolean") => text == "true" || text == "false",
            _ => false,
        };
        types.as_str().is_some_and(one) || strings(types).into_iter().any(one)
    }

    fn fits(text: &str) -> bool {
        let mut diagnostics = Diagnostics::default();
        let node = yaml::read(0, text, &mut diagnostics).expect("it is YAML");
        let schema = schema();
        valid(&schema, &schema, &node)
    }

    #[test]
    fn packs_fit_the_schema_and_wrong_ones_do_not() {
        let page = include_str!("../../dataflows/README.md");
        let blocks = page.split("```yaml\n").skip(1).filter_map(|b| b.split("```").next());
        let packs: Vec<&str> = blocks.filter(|b| !b.contains('…')).collect();
        assert!(packs.len() >= 5);
        for pack in packs {
            assert!(fits(pack), "{pack}");
        }
        assert!(fits(include_str!("parse/example.yaml")));
        for wrong in [
            "fact: {}",
            "facts: { a: { cuont: A } }",
            "facts: { a: { count: A, keep: many } }",
            "journeys: { a: { enter: { on: A }, steps: [ { sned: now } ] } }",
            "journeys: { a: { enter: { on: A }, steps: [ stop ] } }",
            "journeys: { a: { steps: [ end ] } }",
            "policy: { caps: [ { max: 1 } ] }",
            "policy: { caps: [ { max: 1, per: year } ] }",
        ] {
            assert!(!fits(wrong), "{wrong}");
        }
    }
}

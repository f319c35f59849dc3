//! The expressions of a mapping: read once, with every mistake in them and its place.

use super::{ENV, FIELDS, Field, Mapping};
use crate::define::diagnostic::did_you_mean;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};
use cel::{ParseErrors, Program};
use std::ops::Range;

/// A mistake in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field in whose expression it is.
    pub field: String,
    /// The bytes of the expression; empty for the whole.
    pub at: Range<usize>,
    /// Lower case, no full stop.
    pub message: String,
    pub hint: Option<String>,
}

/// What expressions see.
const VARIABLES: [&str; 4] = ["message", "key", "timestamp", "headers"];

/// Functions by name, of CEL, of its macros and of its library for texts.
const FUNCTIONS: [&str; 27] = [
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "format",
    "has",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "or",
    "orValue",
    "replace",
    "reverse",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "trim",
    "upperAscii",
    "value",
];

/// Macros, which the parser has expanded, or left as calls where they are written wrongly.
const MACROS: [&str; 5] = ["all", "exists", "exists_one", "filter", "map"];

const CHARS_MAX: usize = crate::define::limits::EXPRESSION_CHARS_MAX;
const DEPTH_MAX: usize = crate::define::limits::EXPRESSION_DEPTH_MAX;

pub(super) fn mapping(written: &[(&str, &str)]) -> Result<Mapping, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut mapping =
        Mapping { when: None, fields: Vec::new(), reads_headers: false, sources: Vec::new() };
    for (name, source) in written {
        let Some((field, member)) = FIELDS.iter().find(|(field, _)| field == name) else {
            let hint = did_you_mean(name, Mapping::fields());
            let message = format!("there is no field `{name}`");
            wrong.push(Wrong { field: (*name).to_owned(), at: 0..0, message, hint });
            continue;
        };
        match program(field, source) {
            Ok(program) => {
                mapping.reads_headers |= program.references().has_variable("headers");
                mapping.sources.push((field, (*source).to_owned()));
                match *field {
                    "when" => mapping.when = Some(program),
                    name => {
                        let is_place = is_place(program.expression());
                        mapping.fields.push(Field { name, member, program, is_place });
                    }
                }
            }
            Err(mut found) => wrong.append(&mut found),
        }
    }
    // The decoder reads properties in one pass if it knows the event before.
    mapping.fields.sort_by_key(|field| FIELDS.iter().position(|(name, _)| *name == field.name));
    if wrong.is_empty() { Ok(mapping) } else { Err(wrong) }
}

/// Whether an expression only names a place, such as `message.lines[0].sku`.
fn is_place(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => !select.test && is_place(&select.operand),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            call.args.first().is_some_and(is_place)
                && call.args[1..].iter().all(|at| matches!(at.expr, Expr::Literal(_)))
        }
        _ => false,
    }
}

fn program(field: &str, source: &str) -> Result<Program, Vec<Wrong>> {
    let whole =
        |message: String| vec![Wrong { field: field.to_owned(), at: 0..0, message, hint: None }];
    if source.chars().count() > CHARS_MAX {
        return Err(whole(format!("the expression has more than {CHARS_MAX} characters")));
    }
    if too_deep(source) {
        return Err(whole(format!("more than {DEPTH_MAX} brackets inside one another")));
    }
    let program = ENV.compile(source).map_err(|errors| vec![said(field, source, &errors)])?;
    let mut names = Names { field, program: &program, bound: Vec::new(), wrong: Vec::new() };
    names.visit(program.expression());
    let wrong = names.wrong;
    if wrong.is_empty() { Ok(program) } else { Err(wrong) }
}

/// The parser would go as deep as the text does.
fn too_deep(source: &str) -> bool {
    let mut depth = 0usize;
    source.bytes().any(|byte| {
        match byte {
            b'(' | b'[' | b'{' | b'?' | b'!' | b'-' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH_MAX
    })
}

/// The first complaint of the parser in plain words.
fn said(field: &str, source: &str, errors: &ParseErrors) -> Wrong {
    let first = errors.errors.iter().find(|error| error.pos.0 > 0);
    let at = first.map_or(0, |error| offset(source, error.pos)).min(source.len());
    let first = first.map_or("", |error| error.msg.as_str());
    let message = match () {
        () if source.trim().is_empty() => "an expression is missing",
        () if first.contains("int literal") || first.contains("double literal") => {
            "the number is too large"
        }
        () if first.contains("string literal") => "an escape in this text is wrong",
        () if at >= source.trim_end().len() => "the expression ends too early",
        () => "this is not an expression",
    };
    let hint = "write CEL, such as message.customer.id; a text is quoted: \"Order Completed\"";
    let end = source[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    Wrong { field: field.to_owned(), at: at..end, message: message.into(), hint: Some(hint.into()) }
}

/// A place given by line and column, both from 1, as bytes.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let before: usize =
        source.split_inclusive('\n').take(line.max(1) as usize - 1).map(str::len).sum();
    let rest = &source[before..];
    let column = column.max(1) as usize - 1;
    before + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

/// Looks for names that are not there.
struct Names<'a> {
    field: &'a str,
    program: &'a Program,
    /// Names that loops give.
    bound: Vec<&'a str>,
    wrong: Vec<Wrong>,
}

impl<'a> Names<'a> {
    fn visit(&mut self, node: &'a IdedExpr) {
        match &node.expr {
            Expr::Ident(name) => self.variable(node.id, name),
            Expr::Select(select) => self.visit(&select.operand),
            Expr::Call(call) => {
                self.function(node.id, &call.func_name);
                call.target.as_deref().into_iter().chain(&call.args).for_each(|n| self.visit(n));
            }
            Expr::List(list) => list.elements.iter().for_each(|node| self.visit(node)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(object) => {
                object.entries.iter().for_each(|entry| self.entry(&entry.expr));
            }
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range);
                self.visit(&comprehension.accu_init);
                let bound = self.bound.len();
                self.bound.extend([&*comprehension.iter_var, &*comprehension.accu_var]);
                self.bound.extend(comprehension.iter_var2.as_deref());
                self.visit(&comprehension.loop_cond);
                self.visit(&comprehension.loop_step);
                self.visit(&comprehension.result);
                self.bound.truncate(bound);
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr) {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key);
                self.visit(&entry.value);
            }
            EntryExpr::StructField(field) => self.visit(&field.value),
        }
    }

    fn variable(&mut self, id: u64, name: &str) {
        if VARIABLES.contains(&name) || self.bound.contains(&name) || name.starts_with('@') {
            return;
        }
        let hint = did_you_mean(name, VARIABLES).unwrap_or_else(|| {
            format!("write message.{name}, or \"{name}\" if the text itself is meant")
        });
        self.add(id, name, format!("there is no `{name}`"), Some(hint));
    }

    fn function(&mut self, id: u64, name: &str) {
        let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_operator || FUNCTIONS.contains(&name) {
            return;
        }
        if MACROS.contains(&name) {
            let hint = format!("write list.{name}(x, …)");
            return self.add(id, name, format!("{name}() is written otherwise"), Some(hint));
        }
        let hint = match name {
            "lower" => Some("write text.lowerAscii()".to_owned()),
            "upper" => Some("write text.upperAscii()".to_owned()),
            "default" => Some("write message.?x.orValue(y)".to_owned()),
            "starts_with" => Some("write text.startsWith(\"…\")".to_owned()),
            "ends_with" => Some("write text.endsWith(\"…\")".to_owned()),
            _ => did_you_mean(name, FUNCTIONS),
        };
        self.add(id, name, format!("there is no function {name}()"), hint);
    }

    /// A mistake at a node, or at the name where the node begins elsewhere.
    fn add(&mut self, id: u64, name: &str, message: String, hint: Option<String>) {
        let info = self.program.source_info();
        let source = info.source.as_str();
        let near = info.offset_for(id).map_or(0, |(start, _)| start as usize);
        let near = if source.is_char_boundary(near) { near } else { 0 };
        // A call's place is its bracket or dot: the name is the nearest one before or after.
        let at = if source[near..].starts_with(name) {
            near
        } else {
            source[..near].rfind(name).or_else(|| source.find(name)).unwrap_or(near)
        };
        let at = at..(at + name.len()).min(source.len());
        self.wrong.push(Wrong { field: self.field.to_owned(), at, message, hint });
    }
}

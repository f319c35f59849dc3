//! CEL expressions: text to tree, with the place of every node.
//!
//! In: a scalar. Out: an [`Expr`], or one diagnostic at the very character. The grammar is that of
//! the `cel` crate; what it says about a mistake is put into plain words. Names and types are not
//! looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::ast::{Expr as Tree, IdedExpr};
use cel::parser::{ParseErrors, Parser};

use super::reader::Reader;
use super::tokens::{self, Slip};
use crate::define::ast::{Expr, Span};
use crate::define::limits::{EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX};
use crate::define::yaml::{Kind, Node, Style};

impl Expr {
    /// The place of a node of the tree, as far as the text stands in the file as it is; else the
    /// whole expression.
    pub fn place(&self, id: u64) -> Span {
        let offset = self.offsets.get(&id).map_or(0, |o| *o as usize);
        inside(self.span, &self.text, offset, 1)
    }
}

/// The place `offset` characters into a text, if the text stands there letter by letter.
fn inside(span: Span, text: &str, offset: usize, len: usize) -> Span {
    match text.chars().count() == span.len as usize {
        true => Span { col: span.col + offset as u32, len: len.max(1) as u32, ..span },
        false => span,
    }
}

/// An expression and its offsets, from text.
pub fn read(text: &str) -> Result<(IdedExpr, BTreeMap<u64, u32>), Slip> {
    let count = text.chars().count();
    if count > EXPRESSION_CHARS_MAX {
        let message = format!("the expression has more than {EXPRESSION_CHARS_MAX} characters");
        let hint = Some("make facts or segments of its parts".to_owned());
        return Err(Slip { at: 0, len: count, message, hint });
    }
    let source = tokens::check(text)?;
    let parsed = Parser::new().parse_with_source_info(&source);
    let (mut tree, info) = parsed.map_err(|errors| said(&source, &errors))?;
    let chars: Vec<char> = source.chars().collect();
    let starts: BTreeMap<u32, u32> =
        source.char_indices().enumerate().map(|(i, (byte, _))| (byte as u32, i as u32)).collect();
    // The parser numbers nodes from 1 without gaps, and counts bytes.
    let ids = (1..).map_while(|id| Some((id, info.offset_for(id)?.0)));
    let mut offsets: BTreeMap<u64, u32> =
        ids.map(|(id, byte)| (id, starts.get(&byte).copied().unwrap_or(0))).collect();
    if !settle(&mut tree, &chars, &mut offsets, EXPRESSION_DEPTH_MAX) {
        let message = format!("more than {EXPRESSION_DEPTH_MAX} levels in an expression");
        let hint = Some("make facts or segments of its parts".to_owned());
        return Err(Slip { at: 0, len: count, message, hint });
    }
    Ok((tree, offsets))
}

/// Gives `has` its name back, and moves places from the dot or bracket to where the name begins.
/// False if the tree is deeper than `levels`.
fn settle(
    node: &mut IdedExpr,
    chars: &[char],
    offsets: &mut BTreeMap<u64, u32>,
    levels: usize,
) -> bool {
    let Some(levels) = levels.checked_sub(1) else {
        return false;
    };
    match &mut node.expr {
        Tree::Call(call) => {
            if call.func_name == "HAS" {
                call.func_name = "has".to_owned();
            }
            let children = call.target.as_deref_mut().into_iter().chain(&mut call.args);
            if !children.into_iter().all(|child| settle(child, chars, offsets, levels)) {
                return false;
            }
            let named = call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
            if let Some(at) = offsets.get_mut(&node.id).filter(|_| named) {
                let before = &chars[..*at as usize];
                let blanks = before.iter().rev().take_while(|c| c.is_whitespace()).count();
                *at = at.saturating_sub((blanks + call.func_name.chars().count()) as u32);
            }
        }
        Tree::Select(select) => {
            if !settle(&mut select.operand, chars, offsets, levels) {
                return false;
            }
            if let Some(start) = offsets.get(&select.operand.id).copied() {
                offsets.insert(node.id, start);
            }
        }
        Tree::List(list) => {
            return list.elements.iter_mut().all(|child| settle(child, chars, offsets, levels));
        }
        _ => {}
    }
    true
}

/// The first complaint of the CEL parser in plain words.
fn said(source: &str, errors: &ParseErrors) -> Slip {
    let end = source.chars().count();
    let Some(error) = errors.errors.iter().find(|e| e.pos.0 > 0 && e.msg.contains("yntax")) else {
        let first = errors.errors.iter().find(|e| e.pos.0 > 0);
        let at = first.map_or(0, |e| offset(source, e.pos));
        let message = match first.map_or("", |e| e.msg.as_str()) {
            m if m.contains("int literal") || m.contains("double literal") => {
                "the number is too large"
            }
            m if m.contains("string literal") => "an escape in this text is wrong",
            _ => "this is not an expression",
        };
        return Slip { at, len: 1, message: message.to_owned(), hint: None };
    };
    let at = offset(source, error.pos).min(end);
    let quoted = error.msg.split_once("input '").or_else(|| error.msg.split_once("at '"));
    let token = quoted.and_then(|(_, rest)| rest.split_once('\'')).map_or("", |(token, _)| token);
    if token == "<EOF>" || at == end {
        let (at, message) = (end.saturating_sub(1), "the expression ends too early");
        return Slip { at, len: 1, message: message.to_owned(), hint: None };
    }
    let word: String =
        source.chars().skip(at).take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let shown = match word.is_empty() {
        true => source.chars().skip(at).take(1).collect(),
        false => word,
    };
    let before = source.chars().take(at).collect::<String>();
    let operand =
        before.trim_end().ends_with(|c: char| c.is_alphanumeric() || "_)]'\"".contains(c));
    let begins = shown.starts_with(|c: char| c.is_alphanumeric() || "_\"'".contains(c));
    let hint =
        (operand && begins).then(|| "an operator such as && or == is missing before it".to_owned());
    Slip { at, len: shown.chars().count(), message: format!("unexpected \"{shown}\""), hint }
}

/// The index of the character at a line and column from 1.
fn offset(source: &str, (line, col): (isize, isize)) -> usize {
    let before = source.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0));
    before.map(|l| l.chars().count()).sum::<usize>() + usize::try_from(col - 1).unwrap_or(0)
}

impl Reader<'_> {
    /// A CEL expression.
    pub fn expression(&mut self, node: &Node) -> Option<Expr> {
        if matches!(node.kind, Kind::Sequence(_) | Kind::Mapping(_)) {
            let message = format!("expected an expression, found {}", node.what());
            self.error_hint(node.span, message, "quote an expression that begins with [ or {");
            return None;
        }
        let text = self.text(node, "an expression")?;
        let span = self.unquoted(node, text);
        match read(text) {
            Ok((tree, offsets)) => Some(Expr {
                text: text.to_owned(),
                span,
                tree: Arc::new(tree),
                offsets: Arc::new(offsets),
            }),
            Err(slip) => {
                let at = inside(span, text, slip.at, slip.len);
                let hint = self.cut_by_hash(node).or(slip.hint).unwrap_or_default();
                match hint.is_empty() {
                    true => self.error(at, slip.message),
                    false => self.error_hint(at, slip.message, hint),
                }
                None
            }
        }
    }

    /// The place of a scalar's text without its quotes.
    fn unquoted(&self, node: &Node, text: &str) -> Span {
        let quoted = matches!(node.kind, Kind::Scalar { style: Style::Quoted, .. });
        let len = text.chars().count() as u32;
        match quoted && node.span.len == len + 2 {
            true => Span { col: node.span.col + 1, len, ..node.span },
            false => node.span,
        }
    }

    /// A ` #` behind an unquoted expression began a comment in its midst.
    fn cut_by_hash(&self, node: &Node) -> Option<String> {
        let Kind::Scalar { style: Style::Plain, .. } = node.kind else {
            return None;
        };
        let end = (node.span.col + node.span.len) as usize - 1;
        let rest: String = self.line(node.span).chars().skip(end).collect();
        let hash = rest.trim_start().starts_with('#') && rest.contains(['"', '\'', ')']);
        hash.then(|| "\" #\" begins a comment: quote the whole expression".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(text: &str) -> String {
        match on_large_stack(text) {
            Ok(_) => "ok".to_owned(),
            Err(s) => {
                let hint = s.hint.map(|h| format!(" ({h})")).unwrap_or_default();
                format!("{}+{} {}{hint}", s.at, s.len, s.message)
            }
        }
    }

    fn on_large_stack(text: &str) -> Result<(IdedExpr, BTreeMap<u64, u32>), Slip> {
        let text = text.to_owned();
        let builder = std::thread::Builder::new().stack_size(super::super::STACK_BYTES);
        builder.spawn(move || read(&text)).unwrap().join().expect("never panics")
    }

    #[test]
    fn expressions() {
        for (text, expected) in [
            ("has(x) && !has( event.y ) || x in ['a', \"b\"]", "ok"),
            ("\"Mäntel ist's\" == event.category ? 1.5 : -2 % 3", "ok"),
            ("s.contains('x').size()[0]", "ok"),
            ("a = 1", "2+1 a single \"=\" (write == to compare)"),
            ("a and b", "2+3 \"and\" is not part of the language (write &&)"),
            ("NOT a", "0+3 \"NOT\" is not part of the language (write !)"),
            ("a == null", "5+4 \"null\" is not part of the language (ask has(x), or !has(x))"),
            ("a <> 1", "2+2 \"<>\" is not an operator (write !=)"),
            ("a == “x”", "5+1 a curly quote “ (write straight quotes: \")"),
            ("now - 7d", "6+2 \"7d\" is not a number (write days(7))"),
            ("now - 2w", "6+2 \"2w\" is not a number (write days(14))"),
            ("size(a", "4+1 this \"(\" is never closed"),
            ("a)", "1+1 no \"(\" belongs to this"),
            ("a == 'x", "5+1 the closing quote is missing"),
            ("a >", "2+1 the expression ends too early"),
            ("ä > 1", "0+1 \"ä\" cannot be a name (names have the letters a to z; quote a text)"),
            (
                "vip customers",
                "4+9 unexpected \"customers\" (an operator such as && or == is missing before it)",
            ),
            ("f(,)", "2+1 unexpected \",\""),
            ("a.map(x, x)", "2+3 \"map\" is not part of the language"),
            ("99999999999999999999", "0+1 the number is too large"),
            ("'\\xZZ'", "1+2 an escape in this text is incomplete"),
            ("'\\uD800'", "0+1 an escape in this text is wrong"),
            ("if(a)", "0+2 \"if\" is a reserved word (write condition ? a : b)"),
            ("{'a': 1}", "0+1 expressions have no { … }"),
            ("100%", "3+1 the expression ends too early"),
            ("", "0+1 the expression ends too early"),
        ] {
            assert_eq!(answer(text), expected, "{text}");
        }
    }

    #[test]
    fn places_are_first_characters() {
        let text = "'ä' == event.name && has(x.y) || size (z) > 1";
        let (tree, offsets) = on_large_stack(text).unwrap();
        let Tree::Call(or) = &tree.expr else { panic!("{tree:?}") };
        let at = |node: &IdedExpr| offsets[&node.id];
        assert_eq!(at(&tree), 30);
        let (Tree::Call(and), Tree::Call(more)) = (&or.args[0].expr, &or.args[1].expr) else {
            panic!("{tree:?}")
        };
        let Tree::Call(equal) = &and.args[0].expr else { panic!("{tree:?}") };
        assert_eq!((at(&equal.args[0]), at(&equal.args[1]), at(&and.args[1])), (0, 7, 21));
        assert_eq!((at(&or.args[1]), at(&more.args[0])), (42, 33));
    }

    #[test]
    fn deep_and_long_expressions_are_refused() {
        let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
        assert_eq!(answer(&deep(60)), "ok");
        let levels = "more than 64 levels in an expression (make facts or segments of its parts)";
        assert_eq!(answer(&deep(65)), format!("64+1 {levels}"));
        assert_eq!(answer(&"a?b:".repeat(70)), format!("257+1 {levels}"));
        assert_eq!(answer(&format!("a{}", ".b".repeat(900))), format!("0+1801 {levels}"));
        assert_eq!(answer(&format!("a{}", "+b".repeat(900))), format!("0+1801 {levels}"));
        assert_eq!(answer(&format!("a{}", "||b".repeat(600))), "ok");
        assert!(answer(&"a".repeat(2_001)).contains("more than 2000 characters"));
    }

    /// Whatever an expression may be made of, in any order.
    const TOKENS: &str = "(a|b\\.c|has\\(|\\(|\\)|\\[|\\]| |&&|\\|\\||!|-|\\+|==|<|in |\
        \\?|:|,|\\.|1|2\\.5|'x'|\"y\"|\\\\|\n|`|@|e){0,30}";

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC{0,80}") {
            answer(&text);
        }

        #[test]
        fn any_run_of_tokens_has_an_answer(text in TOKENS) {
            answer(&text);
        }
    }
}

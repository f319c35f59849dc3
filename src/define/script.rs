//! x
use crate::define::{ast::Pack, diagnostic::Diagnostic};
pub fn check_scripts(_: &Pack) -> Vec<Diagnostic> { vec![] }

//! What a pack says: from YAML text to a tree with a place for every word, or a list of every
//! mistake.
//!
//! ```text
//!  *.yaml ──► files ──► yaml ──► parse ──► ast::Pack
//!             (read)    (nodes)    │           │
//!                                  ▼           ▼
//!                            diagnostic    script (lines of `tests:`)
//! ```
//!
//! Only `files` touches the disk. Nothing here resolves a name or checks a type, and nothing panics
//! on any text.

pub mod ast;
pub mod limits;

pub mod diagnostic;
pub mod files;
pub mod yaml;

pub mod parse;
pub mod script;

pub mod schema;

pub mod borrow;
pub mod compile;
pub mod definitions;
pub mod excerpt;
pub mod plan;

//! Charts and diagrams as text: SVG that needs nothing from outside and follows the page's colours, and Mermaid.
//!
//! In: numbers, or a journey as it is written. Out: text. Knows nothing of runs, files and terminals.

mod chart;
mod flow;
mod mermaid;
mod svg;
mod text;

pub use chart::{SERIES, STYLE, over_time};
pub use flow::{Block, Flow};
pub use mermaid::mermaid;
pub use svg::svg;

/// Text as it may stand in HTML and SVG.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // What no XML document may hold, not even escaped.
            '\u{0}'..='\u{8}'
            | '\u{b}'
            | '\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

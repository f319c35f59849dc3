//! Definitions cut out of the text in which they stand, with the comments that belong to them.
//!
//! In: a file and the line at which an entry begins. Out: its lines, moved to the left. An entry ends where a line is not
//! further to the right than it: so YAML has it, whatever stands in between.

/// The entry that begins at a line (from 1) with this text; `None` if it shares the line with something before it.
pub fn entry(text: &str, line: u32, begins_with: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let first = usize::try_from(line).ok()?.checked_sub(1)?;
    let own = lines.get(first)?;
    let begin = own.trim_start();
    let bare = begin.trim_start_matches(['"', '\'']);
    if !bare.starts_with(begins_with) {
        return None;
    }
    let indent = own.len() - begin.len();
    let from = first - comments_above(&lines[..first], indent);
    let to = end(&lines, first, indent);
    Some(moved(&lines[from..to], indent))
}

/// The item of a list in which a line (from 1) stands.
pub fn item(text: &str, line: u32) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let within = usize::try_from(line).ok()?.checked_sub(1)?;
    let key = lines.get(within)?;
    let column = |line: &str| line.len() - line.trim_start().len();
    let is_dash = |line: &str| line.trim_start().starts_with("- ");
    let first = (0..=within)
        .rev()
        .find(|&at| is_dash(lines[at]) && (at == within || column(lines[at]) < column(key)))?;
    let begin = u32::try_from(first + 1).ok()?;
    entry(text, begin, "- ")
}

/// A section of a pack, such as `currency`, with what is in it.
pub fn section(text: &str, name: &str) -> Option<String> {
    let key = format!("{name}:");
    let at = text.lines().position(|line| line.starts_with(&key))?;
    entry(text, u32::try_from(at + 1).ok()?, &key)
}

/// What a comment at the beginning of a text says, without its signs; empty if there is none.
pub fn comment(text: &str) -> String {
    let lines = text.lines().take_while(|line| line.trim_start().starts_with('#'));
    let lines = lines.map(|line| line.trim_start().trim_start_matches('#').trim());
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// How many lines of comment stand right above, as far to the right.
fn comments_above(above: &[&str], indent: usize) -> usize {
    let is_comment = |line: &&&str| {
        line.len() > indent && line.as_bytes()[indent] == b'#' && line.trim_start().starts_with('#')
    };
    above.iter().rev().take_while(is_comment).count()
}

/// The line after the last one of an entry.
fn end(lines: &[&str], first: usize, indent: usize) -> usize {
    let mut end = first + 1;
    for (at, line) in lines.iter().enumerate().skip(first + 1) {
        let begin = line.trim_start();
        let further = line.len() - begin.len() > indent;
        if begin.is_empty() || !further && begin.starts_with('#') {
            continue;
        }
        if !further {
            break;
        }
        end = at + 1;
    }
    end
}

/// Lines so much further to the left.
fn moved(lines: &[&str], indent: usize) -> String {
    let mut out = String::new();
    for line in lines {
        let far = line.len() - line.trim_start().len();
        out += line[far.min(indent)..].trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACK: &str = "\
# What it is about:
# carts.

currency:
  base: EUR
  rates: { GBP: 1.17 }

facts:
  # How many.
  views: { count: Product Viewed }

  cart:
    basket: Product Added
    # not the last line

    of: event.product_id
# Of another section.
segments: { a: views > 1, b: views > 2 }
tests:
  - script: |
      09:00 anna page
      # a comment of the script

      expect nothing
    name: first
  # About the second.
  - name: second
    script: |
      +1d
";

    #[test]
    fn entries_end_where_the_next_begins() {
        assert_eq!(
            entry(PACK, 10, "views").unwrap(),
            "# How many.\nviews: { count: Product Viewed }\n"
        );
        let cart =
            "cart:\n  basket: Product Added\n  # not the last line\n\n  of: event.product_id\n";
        assert_eq!(entry(PACK, 12, "cart").unwrap(), cart);
        assert_eq!(entry(PACK, 18, "b"), None, "it shares its line");
        assert_eq!(
            section(PACK, "currency").unwrap(),
            "currency:\n  base: EUR\n  rates: { GBP: 1.17 }\n"
        );
        assert_eq!(section(PACK, "policy"), None);
        assert_eq!(entry(PACK, 0, ""), None);
        assert_eq!(entry(PACK, 99, ""), None);
    }

    #[test]
    fn items_are_found_from_within() {
        let first = item(PACK, 25).unwrap();
        assert!(
            first.starts_with("- script: |\n    09:00") && first.ends_with("  name: first\n"),
            "{first}"
        );
        let second = item(PACK, 27).unwrap();
        assert_eq!(second, "# About the second.\n- name: second\n  script: |\n    +1d\n");
    }

    #[test]
    fn comments_without_their_signs() {
        assert_eq!(comment(PACK), "What it is about: carts.");
        assert_eq!(comment("facts: {}"), "");
    }
}

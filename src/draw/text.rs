//! How much room text takes, and where to break it. Widths are those of DejaVu Sans, one of the widest fonts that pages are
//! shown in: whatever else is at hand needs less.

/// The size of letters, and the height of a line, in pixels.
pub(super) const SIZE: f64 = 13.0;
pub(super) const LINE: f64 = 18.0;

/// The width of a letter, in thousandths of the size.
fn width_of(c: char) -> u32 {
    match c {
        'i' | 'j' | 'l' | '\'' => 278,
        ' ' | '.' | ',' | ':' | ';' | '|' | '/' | 'I' | '-' => 361,
        '(' | ')' | '[' | ']' | '!' | 't' | 'f' | 'r' | '"' => 460,
        'w' | '=' | '<' | '>' | '+' | 'G' | 'O' | 'Q' | 'M' | '~' | '^' | '&' => 870,
        'm' | 'W' | '@' | '%' => 1_000,
        'A'..='Z' => 770,
        ' '..='~' => 640,
        // Ideographs fill their square; pictures more than that.
        '\u{1f000}'.. => 1_400,
        c if c.is_control() => 0,
        _ => 1_000,
    }
}

/// The width of a text in pixels.
pub(super) fn width(text: &str) -> f64 {
    f64::from(text.chars().map(width_of).sum::<u32>()) * SIZE / 1_000.0
}

/// Lines no wider than so many pixels, broken between words, and within words that are too long themselves.
pub(super) fn wrapped(text: &str, most: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        let together = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&together) <= most {
            *line = together;
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        for c in word.chars() {
            let line = lines.last_mut().expect("there is always one");
            if !line.is_empty() && width(line) + width(c.encode_utf8(&mut [0; 4])) > most {
                lines.push(String::new());
            }
            lines.last_mut().expect("there is always one").push(c);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_there_is_room() {
        let texts = [
            "",
            "wait until day 2 at 10:00",
            "last_rating >= 4 && average_rating >= 4 && a_very_long_name_of_a_fact_that_does_not_fit_on_one_line",
            "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW 漢字漢字漢字漢字漢字漢字漢字漢字 🛒🛒🛒🛒🛒🛒🛒🛒🛒🛒",
        ];
        for text in texts {
            let lines = wrapped(text, 150.0);
            assert!(lines.iter().all(|line| width(line) <= 150.0), "{lines:?}");
            let together = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(together(&lines.concat()), together(text));
        }
    }
}

//! However the input arrives and wherever it is cut, the lines are the same.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::Write;

/// A line as a reader gives it: number, bytes, full length if it was cut.
type Line = (u64, Vec<u8>, Option<u64>);

/// The lines, found in the most obvious way.
fn by_hand(input: &[u8]) -> Vec<Line> {
    let text = input.strip_prefix(BOM).unwrap_or(input);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if input.strip_prefix(BOM).unwrap_or(input).is_empty() {
        return Vec::new();
    }
    let lines = text.split(|byte| *byte == b'\n');
    (1..)
        .zip(lines.map(|line| (line.strip_suffix(b"\r").unwrap_or(line).to_vec(), None)))
        .map(|(number, (line, cut))| (number, line, cut))
        .collect()
}

fn lines_of(chunk: &Chunk) -> Vec<Line> {
    let cut = |number| chunk.cut.iter().find(|(cut, _)| *cut == number).map(|(_, length)| *length);
    chunk.lines().map(|(number, line)| (number, line.to_vec(), cut(number))).collect()
}

/// All chunks, which have to follow one another without gap.
fn chunks(reader: &mut LineReader) -> Result<Vec<Chunk>, (Vec<Chunk>, SourceError)> {
    let mut chunks: Vec<Chunk> = Vec::new();
    loop {
        match reader.next_chunk() {
            Ok(Some(chunk)) => {
                assert_eq!(chunk.source, 5);
                if let Some(before) = chunks.last() {
                    assert!(!before.last);
                    assert_eq!(chunk.offset, before.next_offset());
                    assert_eq!(chunk.first_line, before.next_line());
                }
                chunks.push(chunk);
            }
            Ok(None) => return Ok(chunks),
            Err(error) => return Err((chunks, error)),
        }
    }
}

fn lines(reader: &mut LineReader) -> Vec<Line> {
    let chunks = chunks(reader).unwrap_or_else(|(_, error)| panic!("{error}"));
    chunks.iter().flat_map(lines_of).collect()
}

/// Gives a few bytes at a time.
struct Dribble {
    bytes: Vec<u8>,
    at: usize,
    step: usize,
}

impl Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.step.min(out.len()).min(self.bytes.len() - self.at);
        out[..length].copy_from_slice(&self.bytes[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

fn reader(bytes: &[u8], step: usize, chunk: usize, from: Position) -> LineReader {
    let input = Dribble { bytes: bytes.to_vec(), at: 0, step };
    LineReader::from_read(input, 5, from).with_chunk_size(chunk)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn lines_by_example() {
    let cases: [(&str, &[&str]); 10] = [
        ("", &[]),
        ("\n", &[""]),
        ("a", &["a"]),
        ("a\n", &["a"]),
        ("a\nb", &["a", "b"]),
        ("a\r\nb\r\n", &["a", "b"]),
        ("a\n\n\nb\n", &["a", "", "", "b"]),
        ("\u{feff}a\nb", &["a", "b"]),
        ("\u{feff}", &[]),
        ("a\n\u{feff}b", &["a", "\u{feff}b"]),
    ];
    for (input, expected) in cases {
        let found = lines(&mut reader(input.as_bytes(), 7, 1, Position::default()));
        assert_eq!(found, by_hand(input.as_bytes()), "{input:?}");
        let found: Vec<_> =
            found.iter().map(|(_, line, _)| str::from_utf8(line).unwrap()).collect();
        assert_eq!(found, expected, "{input:?}");
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec!["\n", "\r\n", "\r", "x", "{\"a\":1}", "\u{feff}", "é"]);
    let long = (1..300_usize).prop_map(|length| "y".repeat(length));
    vec(prop_oneof![4 => part.prop_map(String::from), 1 => long], 0..60)
        .prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #[test]
    fn chunks_change_nothing(input in text(), step in 1..50_usize, chunk in 1..400_usize) {
        let start = Position::default();
        prop_assert_eq!(lines(&mut reader(&input, step, chunk, start)), by_hand(&input));
    }

    #[test]
    fn reading_goes_on_where_it_stopped(input in text(), chunk in 1..100_usize, at in any::<usize>()) {
        let start = Position::default();
        let chunks = chunks(&mut reader(&input, 9, chunk, start)).map_err(|(_, error)| error).unwrap();
        prop_assume!(!chunks.is_empty());
        let at = at % chunks.len();
        let from = Position { offset: chunks[at].next_offset(), line: chunks[at].next_line() };
        let rest: Vec<_> = chunks[at + 1..].iter().flat_map(lines_of).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        for bytes in [input.clone(), gzip(&input), zstd(&input)] {
            std::fs::write(file.path(), &bytes).unwrap();
            let reader = LineReader::open(file.path(), 5, from).unwrap();
            prop_assert_eq!(&lines(&mut reader.with_chunk_size(3)), &rest);
        }
    }

    #[test]
    fn damaged_archives_end_in_an_error(input in text(), cut in any::<usize>(), chunk in 1..100_usize) {
        let expected = by_hand(&input);
        for bytes in [gzip(&input), zstd(&input)] {
            let cut = 4 + cut % (bytes.len() - 4);
            let mut reader = reader(&bytes[..cut], 11, chunk, Position::default());
            let Err((chunks, error)) = chunks(&mut reader) else {
                panic!("{cut} of {} bytes passed for a whole archive", bytes.len());
            };
            let found: Vec<_> = chunks.iter().flat_map(lines_of).collect();
            prop_assert_eq!(&found[..], &expected[..found.len()]);
            let after = format!("incomplete or damaged after line {} (", found.len());
            prop_assert!(error.message.contains(&after), "{}", error);
            prop_assert!(reader.next_chunk().is_err());
        }
    }
}

#[test]
fn archives_of_several_members() {
    let (one, two) = (b"a\nb".as_slice(), b"c\nd\n".as_slice());
    for bytes in [[gzip(one), gzip(two)].concat(), [zstd(one), zstd(two)].concat()] {
        assert_eq!(lines(&mut reader(&bytes, 3, 2, Position::default())), by_hand(b"a\nbc\nd\n"));
    }
}

#[test]
fn long_lines_are_not_held() {
    let ends = [("\n", 0), ("\r\n", 0), ("", 0), ("\n", 3)];
    for length in [HELD_MAX - 1, HELD_MAX, HELD_MAX + 1, 3 * HELD_MAX + 7] {
        for (end, bom) in ends {
            let bom = &BOM[..bom];
            let long = "z".repeat(length);
            let input = [bom, b"first\n", long.as_bytes(), end.as_bytes(), b"last"].concat();
            let input =
                if bom.is_empty() { input } else { [bom, &input[bom.len() + 6..]].concat() };
            let mut seen = None;
            for (step, chunk) in [(64 << 10, 1 << 10), (usize::MAX, CHUNK_BYTES), (999, HELD_MAX)] {
                let mut reader = reader(&input, step, chunk, Position::default());
                let chunks = chunks(&mut reader).map_err(|(_, error)| error).unwrap();
                assert!(chunks.iter().all(|chunk| chunk.bytes.len() <= 2 * HELD_MAX));
                assert_eq!(chunks.last().unwrap().next_offset(), input.len() as u64);
                let found: Vec<_> = chunks.iter().flat_map(lines_of).collect();
                let expected = by_hand(&input);
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found.0, expected.0);
                    assert_eq!(found.2.unwrap_or(found.1.len() as u64), expected.1.len() as u64);
                    assert!(expected.1.starts_with(&found.1));
                    // What was cut is still seen to be too long.
                    assert!(found.2.is_none() || found.1.len() > LINE_BYTES_MAX);
                    assert!(found.2.is_none() || expected.1.len() >= HELD_MAX - BOM.len());
                }
                assert_eq!(*seen.get_or_insert(found.clone()), found, "{length} {step} {chunk}");
            }
        }
    }
}

#[test]
fn standard_input_gives_lines_at_once() {
    let mut reader = reader(b"a\nbb\nc", 2, 1000, Position::default());
    reader.live = true;
    let chunks = chunks(&mut reader).map_err(|(_, error)| error).unwrap();
    let found: Vec<_> = chunks.iter().map(|chunk| chunk.bytes.as_slice()).collect();
    assert_eq!(found, [b"a\n".as_slice(), b"bb\n", b"c"]);
    assert!(chunks[2].last);
}

#[test]
fn errors_name_the_file_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path, from| match LineReader::open(path, 5, from) {
        Ok(mut reader) => reader.next_chunk().unwrap_err(),
        Err(error) => error,
    };
    let missing = folder.path().join("missing.jsonl");
    let message = error(&missing, Position::default()).to_string();
    assert!(message.contains("missing.jsonl: there is no such file; name a file"), "{message}");
    let message = error(folder.path(), Position::default()).to_string();
    assert!(message.contains("it is a folder"), "{message}");
    let short = folder.path().join("short");
    for bytes in [b"a\n".to_vec(), gzip(b"a\n"), zstd(b"a\n")] {
        std::fs::write(&short, bytes).unwrap();
        let message = error(&short, Position { offset: 9, line: 4 }).to_string();
        assert!(
            message.contains("it has 2 bytes, but has been read to byte 9 (line 3)"),
            "{message}"
        );
    }
}

//! The bounds of a pack's text. Each is named in the message of who goes beyond it.

/// Bytes of one file: a thousand journeys fit, a mistaken data file does not.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// Files of one pack.
pub const FILES_MAX: usize = 1_000;

/// Levels of lists and mappings inside one another in a file.
pub const YAML_DEPTH_MAX: usize = 64;

/// Facts of one pack.
pub const FACTS_MAX: usize = 5_000;

/// Segments of one pack.
pub const SEGMENTS_MAX: usize = 5_000;

/// Segments that ask one another in a row.
pub const SEGMENTS_IN_A_ROW_MAX: usize = 64;

/// Journeys of one pack.
pub const JOURNEYS_MAX: usize = 2_000;

/// Steps of one journey, those inside branches counted.
pub const STEPS_MAX: usize = 200;

/// Levels of `choose`, `split` and `wait … then` inside one another.
pub const STEP_NESTING_MAX: usize = 8;

/// Branches of one `choose`, arms of one `split`.
pub const BRANCHES_MAX: usize = 50;

/// Exits of one journey.
pub const EXITS_MAX: usize = 50;

/// Caps, or rules of one kind, in the policy.
pub const POLICY_RULES_MAX: usize = 200;

/// Characters of one expression.
pub const EXPRESSION_CHARS_MAX: usize = 2_000;

/// Levels of one expression; every bracket, choice and operator below another is one.
pub const EXPRESSION_DEPTH_MAX: usize = 64;

/// Names in one list, of events, tags or channels.
pub const NAMES_MAX: usize = 200;

/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 200;

/// The longest duration, ten years of 365 days, in milliseconds.
pub const DURATION_MAX_MS: i64 = 10 * 365 * 86_400_000;

/// The last day that `day n at` may name.
pub const DAY_MAX: u32 = 3_650;

/// What `recent` keeps at most.
pub const KEEP_MAX: u32 = 100;

/// The highest `max` of a cap; every counted send is kept for each person.
pub const CAP_MAX: u32 = 1_000;

/// The highest `max` of a throttle.
pub const THROTTLE_MAX: u32 = 1_000_000;

/// Bytes of one line of a test script.
pub const SCRIPT_LINE_BYTES_MAX: usize = 4_000;

/// Lines of one test script.
pub const SCRIPT_LINES_MAX: usize = 2_000;

/// A text that is longer than any of these cannot be placed with 32-bit lines and columns.
const _: () = assert!(FILE_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(FILES_MAX < u16::MAX as usize);

/// Kinds of groups.
pub const GROUPS_MAX: usize = 8;

/// Changes of the catalogue that persons are told of.
pub const NOTICES_MAX: usize = 32;

/// Kinds of identifiers.
pub const IDENTIFIER_KINDS_MAX: usize = 16;

/// The most identifiers that `max_identifiers` can give a person.
pub const IDENTIFIERS_MAX: u32 = 1000;

/// The most owners that `max_owners` can give an identifier.
pub const IDENTIFIER_MOVES_MAX: u32 = 1000;

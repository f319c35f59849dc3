//! Every bound of the running system, in one place, each with what happens beyond it.

/// Bytes of one line; a longer one is rejected (Segment's own limit for an event).
pub const LINE_BYTES_MAX: usize = 32 * 1024;

/// Bytes of an identifier or a message id. A longer identifier identifies nobody, a longer message id rejects the event.
pub const ID_BYTES_MAX: usize = 256;

/// Nesting of objects and lists in one event; a deeper one is rejected.
pub const NESTING_MAX: usize = 64;

/// Contributions that one window, or one fact with `until`, remembers per person and key. The oldest goes: a person
/// with more of them in one window is a machine.
pub const ENTRIES_MAX: usize = 4096;

/// Keys (carts, orders) that one keyed fact remembers per person. The one touched longest ago goes, but none of which an
/// instance is open: so they can be as many more as there are instances.
pub const KEYS_MAX: usize = 32;

/// Different values that an all-time `distinct` or `top` remembers per person. New ones are not counted beyond it.
pub const VALUES_MAX: usize = 4096;

/// Open instances per person; a further entry is ignored.
pub const INSTANCES_MAX: usize = 64;

/// Remembered entries per person for `again: never` and `after d`; the oldest goes.
pub const HISTORY_MAX: usize = 256;

/// Messages decided for one person at one instant; further ones are dropped with reason `limit`.
pub const MESSAGES_PER_INSTANT_MAX: u32 = 64;

/// Milliseconds by which the watermark may be behind the clock before messages wait until it has caught up.
pub const BEHIND_MAX: i64 = 60_000;

/// Events emitted for one person at one instant; further ones are not emitted.
pub const EMITTED_PER_INSTANT_MAX: u32 = 16;

/// Rounds of announcing for one person at one instant; what is left is announced at the next one.
pub const ROUNDS_PER_INSTANT_MAX: u32 = 256;

/// Epochs after the end of file input in which persons still take in their places among all others; what would come after them is
/// not taken in.
pub const ROUNDS_AFTER_END_MAX: u64 = 64;

/// Message ids that are remembered per person, however long the horizon; the oldest goes.
pub const MESSAGE_IDS_MAX: usize = 4096;

/// Events for which exits wait that are remembered per person, where persons can become one; the oldest goes.
pub const EXIT_EVENTS_MAX: usize = 8;

/// Key groups: the fixed number of shares into which persons are divided, so that a store made by one number of workers
/// can be opened by another.
pub const KEY_GROUPS: usize = 256;

/// Persons of several identifiers who are forgotten in one epoch; the rest is first in the next one.
pub const FORGOTTEN_PER_EPOCH_MAX: usize = 4_096;

/// Persons of one key group whose timers are worked off in one epoch; the rest is first in the next one.
pub const TIMERS_PER_GROUP_AND_EPOCH: usize = 512;

/// Persons of one key group who hear of changes of the catalogue in one epoch; the rest do in the next ones.
pub const HOLDERS_PER_GROUP_AND_EPOCH: usize = 4;

/// Products of one person that are counted as going with one another: the latest.
pub const RELATED_OF_MAX: usize = 20;

/// Products that are known to go best with one; the others are counted, and not told.
pub const RELATED_KEPT_MAX: usize = 32;

/// Persons of one worker who may stay unpacked though nothing has happened to them for long. With the retail pack each takes some 6 KB,
/// and 1 KB when packed.
pub const PERSONS_LIVE_MAX: usize = 65_536;

/// Persons of one worker of whom more than the identifier is in memory. Beyond it, those whom the store holds unchanged go
/// out of memory with each checkpoint; without a store nobody does.
pub const PERSONS_IN_MEMORY_MAX: usize = 4_000_000;
/// Readers that wait for one worker to hand over a person; further ones are told to come again.
pub const WANTED_MAX: usize = 1024;

/// Bytes of a pack's files that a live run takes: they go into the epoch log as one record, and brokers refuse records above
/// 1 MiB unless told otherwise.
pub const DEFINITIONS_BYTES_MAX: usize = 900_000;

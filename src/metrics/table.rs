//! Every metric, declared once: its name, type, unit, labels and meaning. What is rendered, the page `config/METRICS.md`, and
//! the tests of dashboards and alerts all go by this table.

use std::fmt::Write;

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only grows, until the process starts again.
    Counter,
    Gauge,
    Histogram,
}

impl Type {
    /// Prometheus's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub of: Type,
    /// `1` for a yes or no.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident: $of:ident $name:literal $unit:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Metric =
                Metric { name: $name, of: Type::$of, unit: $unit, labels: &[$($label),*], help: $help };
        )*

        /// All metrics, in the order in which they are rendered.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    EVENTS_READ: Counter "kairos_events_read_total" "events" []
        "Records read from the input, whether they could be decoded or not.";
    BYTES_READ: Counter "kairos_bytes_read_total" "bytes" []
        "Bytes of the records read.";
    EVENTS_TAKEN: Counter "kairos_events_taken_total" "events" []
        "Events that have come to their persons; behind the events read by what is under way, rejected or passed over.";
    REJECTS: Counter "kairos_rejects_total" "records" ["reason"]
        "Records that could not be read; each is in the stream of rejects with its place and bytes.";
    DUPLICATES: Counter "kairos_duplicates_total" "events" []
        "Events with a message id that was already there; they change nothing.";
    LATE_EVENTS: Counter "kairos_late_events_total" "events" []
        "Events older than the watermark; they count, but what was decided stays.";
    LAG_RECORDS: Gauge "kairos_lag_records" "records" ["topic", "partition"]
        "Records in the partition that have not been read.";
    LAG_SECONDS: Gauge "kairos_lag_seconds" "seconds" ["topic", "partition"]
        "How old the last record read is while there are more; 0 at the end of the partition.";
    HEAVY_IDENTIFIERS: Gauge "kairos_heavy_identifiers" "identifiers" []
        "Identifiers that went over heavy_identifier_per_minute in the last five minutes: machines, or a wrong identifier.";
    HEAVY_EVENTS: Counter "kairos_heavy_events_total" "events" []
        "Events of an identifier beyond heavy_identifier_per_minute.";
    CAUGHT_UP: Gauge "kairos_caught_up" "1" []
        "1 when everything has been read that was there a moment ago; 0 while a backlog is read.";
    BROKER_REACHABLE: Gauge "kairos_broker_reachable" "1" []
        "1 while the broker answers; 0 while time stands still because it does not.";
    ALIVE: Gauge "kairos_alive" "1" []
        "1 while all threads work; 0 once one has failed.";
    WATERMARK_DELAY: Gauge "kairos_watermark_delay_seconds" "seconds" []
        "The clock minus the watermark: slack_ms when all is well. No timer fires earlier than this after its deadline.";
    EVENT_TO_TRIGGER: Histogram "kairos_event_to_trigger_seconds" "seconds" []
        "From the arrival of an event at the broker to the commit of the trigger that it led to.";
    EVENT_TO_DECISION: Histogram "kairos_event_to_decision_seconds" "seconds" []
        "From the arrival of an event at the broker to the decision that it led to, before its transaction.";
    TIMER_LATENESS: Histogram "kairos_timer_lateness_seconds" "seconds" []
        "How long after its deadline plus slack_ms a timer fired.";
    EPOCH_TIME: Histogram "kairos_epoch_seconds" "seconds" []
        "From the announcement of an epoch to its outputs.";
    TRANSACTION_TIME: Histogram "kairos_transaction_seconds" "seconds" []
        "From the first record of a transaction to its commit.";
    EPOCHS: Counter "kairos_epochs_total" "epochs" []
        "Epochs whose outputs are safe.";
    EPOCHS_IN_FLIGHT: Gauge "kairos_epochs_in_flight" "epochs" []
        "Epochs announced whose outputs are not safe yet.";
    TRANSACTIONS_COMMITTED: Counter "kairos_transactions_committed_total" "transactions" []
        "Transactions that are known to be committed.";
    TRANSACTIONS_FAILED: Counter "kairos_transactions_failed_total" "transactions" []
        "Attempts at a transaction that gave an error. It is tried again: nothing is lost or repeated.";
    PRODUCERS_RENEWED: Counter "kairos_producers_renewed_total" "producers" []
        "Producers made anew after an error.";
    DECISIONS: Counter "kairos_decisions_total" "decisions" ["journey", "channel", "outcome", "reason"]
        "Decisions published: outcome send, defer or drop, with the gate that held it back.";
    JOURNEY_CHANGES: Counter "kairos_journey_changes_total" "instances" ["journey", "change"]
        "Instances that entered, finished, or left early by an exit, a goal, a cap or a change of the journey.";
    OPEN_INSTANCES: Gauge "kairos_open_instances" "instances" ["journey"]
        "Instances that have entered and not left.";
    REGRETS: Counter "kairos_regrets_total" "triggers" ["journey"]
        "Triggers that an event would have prevented, had it not come late.";
    SEGMENT_CHANGES: Counter "kairos_segment_changes_total" "changes" ["segment", "change"]
        "Persons that entered or left a segment.";
    SEGMENT_MEMBERS: Gauge "kairos_segment_members" "persons" ["segment"]
        "Persons that have entered and not left.";
    SESSIONS_CLOSED: Counter "kairos_sessions_closed_total" "sessions" []
        "Sessions that are over.";
    PERSONS: Gauge "kairos_persons" "persons" []
        "Persons known.";
    TIMERS: Gauge "kairos_timers" "timers" []
        "Pending timers: at most one a person is in the queue.";
    TIMERS_FIRED: Counter "kairos_timers_fired_total" "timers" []
        "Timers that fired.";
    CHECKPOINTS: Counter "kairos_checkpoints_total" "checkpoints" []
        "Checkpoints that are safe on disk.";
    CHECKPOINT_AGE: Gauge "kairos_checkpoint_age_seconds" "seconds" []
        "Since the last checkpoint, or since the start if there was none: what a crash would have to read again.";
    CHECKPOINT_TIME: Gauge "kairos_checkpoint_seconds" "seconds" []
        "What the last checkpoint took.";
    CHECKPOINT_BYTES: Gauge "kairos_checkpoint_bytes" "bytes" []
        "What the last checkpoint wrote.";
    VIEWS: Gauge "kairos_views" "persons" []
        "Persons that can be read over HTTP without asking a worker.";
    VIEW_BYTES: Gauge "kairos_view_bytes" "bytes" []
        "Memory of those persons.";
    BUILD_INFO: Gauge "kairos_build_info" "1" ["version"]
        "Always 1.";
    PLAN_INFO: Gauge "kairos_plan_info" "1" ["fingerprint"]
        "Always 1; the fingerprint is that of the definitions under which decisions are made.";
    DEFINITIONS_VERSION: Gauge "kairos_definitions_version" "1" []
        "How many times the definitions have been changed since the first ones.";
    DEFINITIONS_REFUSED: Gauge "kairos_definitions_refused" "1" []
        "1 while the pack's folder holds something that could not take effect, such as definitions with mistakes; else 0.";
    IDENTIFIERS: Gauge "kairos_identifiers" "identifiers" []
        "Identifiers that are, or were, linked to another one; 0 for packs without identity.";
    PERSONS_JOINED: Counter "kairos_persons_joined_total" "persons" []
        "Persons who turned out to be another one and became part of it.";
    PERSONS_PARTED: Counter "kairos_persons_parted_total" "persons" []
        "Persons who were taken out of another one.";
    LINKS_REFUSED: Counter "kairos_links_refused_total" "links" ["reason"]
        "Links between identifiers that were not made: of two strong ones, to a person with too many, of an identifier that changes hands all the time. Each event that says one counts.";
    PERSONS_ERASED: Counter "kairos_persons_erased_total" "persons" []
        "Persons of whom nothing is known any more because somebody has asked for it.";
    PERSONS_FORGOTTEN: Counter "kairos_persons_forgotten_total" "persons" []
        "Persons without a strong identifier of whom nothing was seen for so long that they were forgotten.";
    ERASED_EVENTS: Counter "kairos_erased_events_total" "events" []
        "Events of somebody who was erased after them: late ones, or a replay. They change nothing.";
    RESIDENT_MEMORY: Gauge "process_resident_memory_bytes" "bytes" []
        "Memory of the process (Linux).";
    START_TIME: Gauge "process_start_time_seconds" "seconds" []
        "When the process started, since the Unix epoch.";
}

/// The page `config/METRICS.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat `/metrics` gives, in Prometheus's text format. This page is made from `src/metrics/table.rs`, and a \
         test holds it to\nthat. Latencies are of events that came while Kairos was caught up, and counted in microseconds. No \
         label ever names a person.\n\n| metric | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for Metric { name, of, unit, labels, help } in ALL {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let (of, labels) = (of.as_str(), labels.join(", "));
        writeln!(page, "| `{name}` | {of} | {unit} | {labels} | {help} |").expect("memory");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        let mut names: Vec<&str> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two[0] != two[1]), "a name twice");
        for Metric { name, of, unit, labels, help } in ALL {
            let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(plain(name) && labels.iter().all(|label| plain(label)), "{name}");
            assert_eq!(name.ends_with("_total"), *of == Type::Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '|']), "{name}");
            if matches!(*unit, "seconds" | "bytes") {
                assert!(name.trim_end_matches("_total").contains(unit), "{name} says its unit");
            }
        }
    }
}

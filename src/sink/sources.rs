//! Names of the inputs, as causes and rejects show them.

use super::format::{number_field, text_field};
use crate::broker::Partition;
use crate::event::Origin;
use std::sync::{PoisonError, RwLock};

/// Names by the number of the source.
#[derive(Debug)]
pub enum Sources {
    /// Lines of files, counted from 1.
    Files(Vec<String>),
    /// Records of partitions, counted from 0; more of them can appear.
    Partitions(RwLock<Vec<Partition>>),
}

impl Sources {
    /// Partitions by number; more can appear.
    pub fn partitions(partitions: Vec<Partition>) -> Sources {
        Sources::Partitions(RwLock::new(partitions))
    }

    /// Takes in a partition that has appeared; it has the next number.
    pub fn add(&self, partition: Partition) {
        if let Sources::Partitions(known) = self {
            known.write().unwrap_or_else(PoisonError::into_inner).push(partition);
        }
    }

    /// Appends the fields that say where an input stands.
    pub fn write(&self, out: &mut Vec<u8>, origin: Origin) {
        let at = usize::from(origin.source);
        match self {
            Sources::Files(names) => {
                text_field(out, "source", names.get(at).map_or("", String::as_str));
                number_field(out, "position", origin.position);
            }
            Sources::Partitions(known) => {
                let known = known.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(partition) = known.get(at) {
                    text_field(out, "topic", &partition.topic);
                    number_field(out, "partition", partition.number);
                }
                // Position 0 is nowhere; offsets begin there.
                number_field(out, "offset", origin.position.saturating_sub(1));
            }
        }
    }
}

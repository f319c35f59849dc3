//! What of an output depends on where the input lay: it differs between a file and a topic.

use serde_json::Value;

/// Takes out the fields that say where causes stand.
pub fn strip(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        for name in ["source", "position", "topic", "partition", "offset"] {
            object.remove(name);
        }
        object.values_mut().for_each(strip);
    }
    if let Some(list) = value.as_array_mut() {
        list.iter_mut().for_each(strip);
    }
}

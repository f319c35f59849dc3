//! How an instant that may be "never" is kept: in one byte instead of ten.
//!
//! For `#[serde(with = "crate::time::instant")]`. Formats with variable lengths, such as postcard's, write small numbers
//! short; [`NEVER`] and `i64::MIN`, which stand for "none" in both directions of time, become the two smallest.

use super::NEVER;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes an instant.
pub fn serialize<S: Serializer>(instant: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(match *instant {
        NEVER => 0,
        i64::MIN => 1,
        // Zigzag: the sign goes into the lowest bit. Without the two above there is room for two more.
        at => ((at << 1) ^ (at >> 63)) as u64 + 2,
    })
}

/// Reads what [`serialize`] wrote.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Ok(match u64::deserialize(from)? {
        0 => NEVER,
        1 => i64::MIN,
        more => {
            let zigzag = more - 2;
            (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
        }
    })
}

#[cfg(test)]
mod tests {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct One(#[serde(with = "super")] i64);

    #[test]
    fn every_instant_comes_back() {
        let edges = [i64::MIN, i64::MIN + 1, -1, 0, 1, 1_772_409_600_000, i64::MAX - 1, i64::MAX];
        for at in edges {
            let bytes = postcard::to_stdvec(&One(at)).unwrap();
            assert_eq!(postcard::from_bytes(&bytes), Ok(One(at)));
        }
        assert_eq!(postcard::to_stdvec(&One(i64::MAX)).unwrap().len(), 1);
    }
}

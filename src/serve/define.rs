//! Definitions that come over HTTP.

use super::router::json;
use crate::define::plan::Changed;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

/// Lets files (names and texts) take effect as the pack, or only checks them.
pub type Apply = Box<dyn Fn(Vec<(String, String)>, bool) -> Applied + Send + Sync>;

/// What has become of definitions that were sent.
#[derive(Debug)]
pub enum Applied {
    /// Decisions are made by them from now on.
    InEffect { version: u16, changes: Vec<Changed> },
    /// They are sound, and take effect as soon as Kairos has repeated what its log says.
    Later { changes: Vec<Changed> },
    /// Nothing was to be done, or it was only asked what would change.
    Same { changes: Vec<Changed> },
    /// They have mistakes, and nothing has changed.
    Mistakes(String),
    /// Nothing has changed for another reason.
    Refused(String),
}

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    files: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    text: String,
}

impl Files {
    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.files.into_iter().map(|file| (file.name, file.text)).collect()
    }
}

pub(super) fn answer(applied: Applied) -> Response {
    let (status, state, version, changes) = match applied {
        Applied::InEffect { version, changes } => {
            (StatusCode::OK, "in effect", Some(version), changes)
        }
        Applied::Later { changes } => (StatusCode::ACCEPTED, "later", None, changes),
        Applied::Same { changes } => (StatusCode::OK, "checked", None, changes),
        Applied::Mistakes(text) => {
            let body = json!({"error": "the definitions have mistakes; nothing has changed", "mistakes": text});
            return json(StatusCode::UNPROCESSABLE_ENTITY, &body);
        }
        Applied::Refused(error) => return json(StatusCode::CONFLICT, &json!({"error": error})),
    };
    let change =
        |it: &Changed| json!({"what": it.what, "name": it.name, "change": it.difference.as_str()});
    let changes: Vec<Value> = changes.iter().map(change).collect();
    json(status, &json!({"state": state, "version": version, "changes": changes}))
}

//! Audiences and reports over HTTP.

use super::Shared;
use super::router::json;
use crate::report::{Unknown, View};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use std::time::Duration;

/// How long the workers may take to hand over their counts; then what they handed over last is told.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(2);

/// Which pair of segments is asked for: one of two, or two.
#[derive(serde::Deserialize)]
pub(super) struct Pair {
    of: Option<String>,
    and: Option<String>,
}

/// What is asked for.
pub(super) enum Asked {
    Audiences,
    Overlap(Pair),
    Reports,
    Report(String),
}

/// Answers with what the workers have counted so far.
pub(super) async fn read(shared: &Shared, asked: Asked) -> Response {
    let Some(view) = look(shared).await else {
        let body = json!({
            "error": "the workers have not handed over their counts yet",
            "reason": shared.metrics.health.reason(),
            "hint": "they are asked for; try again in a second",
        });
        let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &body);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    match told(&view, &asked) {
        Ok(told) => json(StatusCode::OK, &told),
        Err(Unknown { what, name, hint }) => {
            let error = format!("there is no {what} {name}");
            json(StatusCode::NOT_FOUND, &json!({"error": error, "hint": hint}))
        }
    }
}

fn told(view: &View, asked: &Asked) -> Result<Value, Unknown> {
    match asked {
        Asked::Audiences => Ok(view.audiences()),
        Asked::Overlap(Pair { of: Some(of), and: Some(and) }) => view.overlap(of, and),
        Asked::Overlap(Pair { of, and }) => view.overlaps_of(of.as_deref().or(and.as_deref())),
        Asked::Reports => Ok(view.reports()),
        Asked::Report(journey) => view.report(journey),
    }
}

async fn look(shared: &Shared) -> Option<View> {
    let board = shared.reports.as_ref()?;
    let question = board.ask();
    let answered = async {
        while !board.is_answered(question) {
            tokio::time::sleep(LOOK).await;
        }
    };
    // Who has not answered is told of as it was.
    let _ = tokio::time::timeout(PATIENCE, answered).await;
    board.view(shared.metrics.watermark().unwrap_or(i64::MIN))
}

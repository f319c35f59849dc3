//! One person as JSON.

use super::Shared;
use super::router::{json, json_text};
use crate::define::plan::Plan;
use crate::person::views::{Busy, View};
use crate::person::{Instance, Person};
use crate::sink::facts::write_person;
use crate::time::{NEVER, format};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a worker may take to hand over a person: longer than its turns while live, short beside a page load.
const PATIENCE: Duration = Duration::from_millis(100);

/// What became of a question.
enum Found {
    View(View),
    Nobody,
    /// Not in memory, and the worker has not answered.
    NotNow,
}

/// Answers with the person, from its view or from its worker.
pub async fn read(shared: &Shared, id: &str) -> Response {
    let outputs = shared.outputs();
    let plan = &*outputs.plan;
    match find(shared, plan, id).await {
        Found::View(view) => {
            let now = shared.metrics.watermark().unwrap_or(i64::MIN).max(view.at);
            json_text(StatusCode::OK, text(plan, &view.person(), now))
        }
        Found::Nobody => {
            let hint = "identifiers are written with their kind: user:42, anonymous:a1";
            let body =
                json!({"known": false, "error": format!("nobody is known as {id}"), "hint": hint});
            json(StatusCode::NOT_FOUND, &body)
        }
        Found::NotNow => {
            let hint = "the person is asked for; try again in a second";
            let reason = shared.metrics.health.reason();
            let body =
                json!({"known": null, "view": "not in memory", "reason": reason, "hint": hint});
            let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &body);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

async fn find(shared: &Shared, plan: &Plan, id: &str) -> Found {
    // Numbers in a view of another plan mean something else there.
    let fits = |view: &View| view.plan == plan.fingerprint;
    if let Some(view) = shared.views.get(id).filter(fits) {
        return Found::View(view);
    }
    let (send, answer) = oneshot::channel();
    // Whoever asked may have gone meanwhile.
    let tell = Box::new(move |view| drop(send.send(view)));
    if let Err(Busy) = shared.views.ask(id, tell) {
        return Found::NotNow;
    }
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(None)) => Found::Nobody,
        Ok(Ok(Some(view))) if fits(&view) => Found::View(view),
        _ => Found::NotNow,
    }
}

/// The person as JSON text at the instant `now`: what the renderer of facts gives, and what is open.
pub fn text(plan: &Plan, person: &Person, now: i64) -> String {
    let mut out = Vec::with_capacity(1024);
    write_person(&mut out, plan, person, now);
    // Its end, `}\n`, moves behind what is added.
    out.truncate(out.trim_ascii_end().len().saturating_sub(1));
    let instances: Vec<Value> = person.open_instances().map(|open| instance(plan, open)).collect();
    let next = instant(person.next_deadline(plan));
    let more = json!({"instances": instances, "next_timer": next, "as_of": instant(now)});
    let more = more.to_string();
    out.push(b',');
    out.extend_from_slice(&more.as_bytes()[1..]);
    out.push(b'\n');
    String::from_utf8_lossy(&out).into_owned()
}

fn instance(plan: &Plan, open: &Instance) -> Value {
    let journey = &plan.journeys[usize::from(open.journey.0)];
    json!({
        "journey": journey.name,
        "version": journey.version,
        "key": open.key.as_deref(),
        "number": open.number,
        "entered_at": format(open.entered_at),
        "step": open.step(plan),
        "doing": open.doing(),
        "next_deadline": instant(open.deadline()),
        "held_out": open.is_held_out(),
    })
}

/// An instant as text; `None` for none.
fn instant(at: i64) -> Option<String> {
    (at != NEVER && at != i64::MIN).then(|| format(at))
}

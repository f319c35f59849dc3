//! Why somebody got a message, and why not, over HTTP: each answer on a thread of its own, which ends when nobody waits for it any
//! more.

use super::Shared;
use super::router::json;
use crate::broker::BrokerError;
use crate::dataflow::RunError;
use crate::explain::{NoAnswer, Question};
use crate::time::parse;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

/// How many explanations are made at once: each reads all input there is, beside what the instance has to do.
pub(super) const AT_ONCE: usize = 1;

/// Answers a question; the flag says that nobody waits for the answer any more.
pub type Explain = Arc<dyn Fn(&Question, Arc<AtomicBool>) -> Result<Value, NoAnswer> + Send + Sync>;

/// What is asked of a person.
#[derive(serde::Deserialize)]
pub(super) struct Asked {
    journey: Option<String>,
    at: Option<String>,
}

/// Says that nobody waits any more when it goes.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Answers with what `kairos explain --json` prints.
pub(super) async fn read(shared: &Shared, id: &str, asked: Asked) -> Response {
    let at = match asked.at.as_deref().map(|text| (text, parse(text))) {
        None => None,
        Some((_, Some(at))) => Some(at),
        Some((text, None)) => {
            let hint = "write it as 2026-03-02T21:30:00Z";
            let error = format!("{text} is no instant");
            return refusal(StatusCode::BAD_REQUEST, &error, hint);
        }
    };
    let Some(explain) = shared.explain.clone() else {
        return refusal(StatusCode::NOT_FOUND, "nothing can be explained here", "");
    };
    let Ok(turn) = shared.explanations.clone().try_acquire_owned() else {
        return later("another explanation is being made; there is one at a time");
    };
    let question = Question { person: id.into(), journey: asked.journey, at };
    let given_up = Arc::new(AtomicBool::new(false));
    let _waiting = Waiting(given_up.clone());
    let (send, answer) = oneshot::channel();
    let thread = std::thread::Builder::new().name("explain".into()).spawn(move || {
        let answer = explain(&question, given_up);
        drop(turn);
        // Whoever asked may have gone meanwhile.
        drop(send.send(answer));
    });
    if let Err(error) = thread {
        return later(&format!("no thread can be had for it: {error}"));
    }
    match answer.await {
        Ok(Ok(said)) => json(StatusCode::OK, &said),
        Ok(Err(error)) => no_answer(&error),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the explanation has failed", ""),
    }
}

fn no_answer(error: &NoAnswer) -> Response {
    let text = error.to_string();
    match error {
        NoAnswer::Run(RunError::Broker(BrokerError::Unavailable { .. })) => later(&text),
        NoAnswer::Run(_) | NoAnswer::Source(_) => {
            refusal(StatusCode::INTERNAL_SERVER_ERROR, &text, "")
        }
        NoAnswer::NoJourney { hint, .. } => refusal(StatusCode::NOT_FOUND, &text, hint),
        NoAnswer::Nobody(_) => {
            let hint = "identifiers are written with their kind: user:42, anonymous:a1";
            refusal(StatusCode::NOT_FOUND, &text, hint)
        }
        NoAnswer::NotCome { .. } => refusal(StatusCode::BAD_REQUEST, &text, ""),
        NoAnswer::TooMuch { .. } => {
            let hint = "ask `kairos explain --config`, which keeps as much as it takes";
            refusal(StatusCode::UNPROCESSABLE_ENTITY, &text, hint)
        }
        NoAnswer::Erased { .. } | NoAnswer::NotYet { .. } | NoAnswer::TooEarly { .. } => {
            refusal(StatusCode::NOT_FOUND, &text, "")
        }
    }
}

fn refusal(status: StatusCode, error: &str, hint: &str) -> Response {
    let mut body = json!({"error": error});
    if !hint.is_empty() {
        body["hint"] = hint.into();
    }
    json(status, &body)
}

fn later(error: &str) -> Response {
    let hint = "try again in some seconds";
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, error, hint);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

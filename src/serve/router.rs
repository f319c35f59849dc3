//! Paths → answers.

use super::access::{Access, Refusal};
use super::report::{self, Asked, Pair};
use super::{Shared, api, define, explanation, page, person};
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;

/// What there is, for those who ask for something else.
const ENDPOINTS: [(&str, &str); 13] = [
    ("/", "the figures that matter, for people"),
    ("/healthz", "200 while the process is alive and no thread has failed"),
    ("/readyz", "200 when caught up, else 503 with how far behind"),
    ("/metrics", "Prometheus text format"),
    ("/v1/persons/{identifier}", "facts, segments and open journeys of a person, such as user:42"),
    (
        "/v1/persons/{identifier}/explanation",
        "why a person got a message, and why not; of one journey with ?journey=j, as of an instant with ?at=t",
    ),
    ("/v1/journeys", "journeys with their steps and counts"),
    ("/v1/segments", "segments with their counts"),
    ("/v1/audiences", "how many are in each segment, and who entered and left, minute by minute"),
    (
        "/v1/audiences/overlap",
        "how many are in two segments; of one with ?of=a, of two with ?of=a&and=b",
    ),
    ("/v1/reports", "what has come of each journey: entered, messages, converted, revenue"),
    ("/v1/reports/{journey}", "one journey step by step, and by the arms of its splits"),
    (
        "/v1/definitions",
        "POST the files of a pack to let it take effect; with ?check=true to see what would change",
    ),
];

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

struct App {
    access: Access,
    shared: Arc<Shared>,
}

type Here = State<Arc<App>>;

/// All paths of a server.
pub fn router(access: Access, shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/persons/{identifier}", get(read_person))
        .route("/v1/persons/{identifier}/explanation", get(explain_person))
        .route("/v1/journeys", get(journeys))
        .route("/v1/segments", get(segments))
        .route("/v1/audiences", get(audiences))
        .route("/v1/audiences/overlap", get(overlap))
        .route("/v1/reports", get(reports))
        .route("/v1/reports/{journey}", get(read_report))
        .route("/v1/definitions", post(definitions))
        .fallback(unknown)
        .method_not_allowed_fallback(not_a_get)
        .with_state(Arc::new(App { access, shared }))
}

/// An answer that nobody keeps, and that a browser takes for nothing but what it says it is.
fn answer(status: StatusCode, of: &'static str, body: impl Into<String>) -> Response {
    let fixed = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    let headers = [
        fixed(header::CONTENT_TYPE, of),
        fixed(header::CACHE_CONTROL, "no-store"),
        fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        fixed(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    (status, headers, body.into()).into_response()
}

pub(super) fn json_text(status: StatusCode, body: impl Into<String>) -> Response {
    answer(status, "application/json", body)
}

pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    json_text(status, format!("{body}\n"))
}

async fn status(State(app): Here) -> Response {
    answer(StatusCode::OK, HTML, page::render(&app.shared))
}

async fn healthz(State(app): Here) -> Response {
    let health = &app.shared.metrics.health;
    match health.is_alive() {
        true => json(StatusCode::OK, &json!({"alive": true})),
        false => {
            let body = json!({"alive": false, "reason": health.reason()});
            json(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

async fn readyz(State(app): Here) -> Response {
    let (ready, body) = api::readiness(&app.shared.metrics);
    json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

async fn metrics(State(app): Here) -> Response {
    let shared = &app.shared;
    let text = shared.metrics.render(&shared.outputs(), &shared.views);
    answer(StatusCode::OK, PROMETHEUS, text)
}

async fn journeys(State(app): Here) -> Response {
    json(StatusCode::OK, &api::journeys(&app.shared.outputs()))
}

async fn segments(State(app): Here) -> Response {
    json(StatusCode::OK, &api::segments(&app.shared.outputs()))
}

async fn read_person(
    State(app): Here,
    headers: HeaderMap,
    Path(identifier): Path<String>,
) -> Response {
    match app.access.check(&headers) {
        Ok(()) => person::read(&app.shared, &identifier).await,
        Err(refusal) => refuse(&refusal),
    }
}

async fn explain_person(
    State(app): Here,
    headers: HeaderMap,
    Path(identifier): Path<String>,
    Query(asked): Query<explanation::Asked>,
) -> Response {
    match app.access.check(&headers) {
        Ok(()) => explanation::read(&app.shared, &identifier, asked).await,
        Err(refusal) => refuse(&refusal),
    }
}

async fn audiences(State(app): Here, headers: HeaderMap) -> Response {
    report(&app, &headers, Asked::Audiences).await
}

async fn overlap(State(app): Here, headers: HeaderMap, Query(pair): Query<Pair>) -> Response {
    report(&app, &headers, Asked::Overlap(pair)).await
}

async fn reports(State(app): Here, headers: HeaderMap) -> Response {
    report(&app, &headers, Asked::Reports).await
}

async fn read_report(
    State(app): Here,
    headers: HeaderMap,
    Path(journey): Path<String>,
) -> Response {
    report(&app, &headers, Asked::Report(journey)).await
}

/// What a shop earns is read by those who may read persons.
async fn report(app: &App, headers: &HeaderMap, asked: Asked) -> Response {
    match app.access.check(headers) {
        Ok(()) => report::read(&app.shared, asked).await,
        Err(refusal) => refuse(&refusal),
    }
}

fn refuse(refusal: &Refusal) -> Response {
    let body = json!({"error": refusal.error, "hint": refusal.hint});
    let mut response = json(refusal.status, &body);
    if refusal.status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

/// How a request about definitions is meant.
#[derive(serde::Deserialize)]
struct Checking {
    #[serde(default)]
    check: bool,
}

/// That the body has to be sent as JSON keeps pages in a browser on this machine from sending any.
async fn definitions(
    State(app): Here,
    headers: HeaderMap,
    Query(Checking { check }): Query<Checking>,
    files: Result<Json<define::Files>, JsonRejection>,
) -> Response {
    if let Err(refusal) = app.access.check(&headers) {
        return refuse(&refusal);
    }
    let Json(files) = match files {
        Ok(files) => files,
        Err(error) => {
            let hint =
                r#"send {"files": [{"name": "shop.yaml", "text": "…"}]} as application/json"#;
            return json(error.status(), &json!({"error": error.body_text(), "hint": hint}));
        }
    };
    let applied = tokio::task::spawn_blocking(move || {
        app.shared.apply.as_ref().map(|apply| apply(files.into_pairs(), check))
    });
    match applied.await {
        Ok(Some(applied)) => define::answer(applied),
        Ok(None) => {
            json(StatusCode::NOT_FOUND, &json!({"error": "definitions cannot be changed here"}))
        }
        Err(error) => json(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": error.to_string()})),
    }
}

async fn unknown(uri: Uri) -> Response {
    let endpoints = ENDPOINTS.map(|(path, what)| json!({"path": path, "what": what}));
    let body = json!({"error": format!("there is no {}", uri.path()), "endpoints": endpoints});
    json(StatusCode::NOT_FOUND, &body)
}

async fn not_a_get() -> Response {
    json(
        StatusCode::METHOD_NOT_ALLOWED,
        &json!({"error": "this is read with GET, and definitions are sent with POST"}),
    )
}

//! What operators and shops see over HTTP: health, metrics, the live page, journeys and segments, audiences and reports,
//! single persons, and why they got what they got.
//!
//! In: what the engine shares in [`Shared`]. Out: answers on one thread of its own, but for explanations, each of which has one. It
//! reads; what it asks of the engine is to hand over a person for whom there is no view, and to let definitions take effect. It knows nothing of Kafka and of timely.

mod access;
mod api;
mod define;
mod explanation;
mod page;
mod person;
mod report;
mod router;

pub use define::{Applied, Apply};
pub use explanation::Explain;

use crate::metrics::Metrics;
use crate::metrics::outputs::Outputs;
use crate::person::views::Views;
use crate::report::Board;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// How often the window of what is recent ends.
const WINDOW: Duration = Duration::from_secs(30);

/// How long a stop waits for answers that are under way.
const STOP_MAX: Duration = Duration::from_secs(2);

/// Where to listen, and who may read persons.
#[derive(Clone)]
pub struct ServeConfig {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// What `Authorization: Bearer …` has to carry to read persons. Without one, persons are read only on a loopback
    /// address.
    pub token: Option<String>,
}

impl Default for ServeConfig {
    /// `127.0.0.1:9464`, without a token.
    fn default() -> ServeConfig {
        ServeConfig { address: SocketAddr::from(([127, 0, 0, 1], 9464)), token: None }
    }
}

impl std::fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "(secret)");
        f.debug_struct("ServeConfig")
            .field("address", &self.address)
            .field("token", &token)
            .finish()
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot begin to serve: {0}")]
    Start(std::io::Error),
    /// An empty token would let everybody in who sends an empty one.
    #[error("the token is empty")]
    EmptyToken,
}

/// What the engine shares with those who look.
pub struct Shared {
    pub metrics: Arc<Metrics>,
    pub views: Arc<Views>,
    outputs: RwLock<Arc<Outputs>>,
    apply: Option<Apply>,
    reports: Option<Arc<Board>>,
    explain: Option<Explain>,
    /// Explanations that may begin.
    explanations: Arc<Semaphore>,
}

impl Shared {
    /// Puts together what there is to see.
    pub fn new(metrics: Arc<Metrics>, views: Arc<Views>, outputs: Outputs) -> Shared {
        let outputs = RwLock::new(Arc::new(outputs));
        let explanations = Arc::new(Semaphore::new(explanation::AT_ONCE));
        Shared { metrics, views, outputs, apply: None, reports: None, explain: None, explanations }
    }

    /// Definitions that are sent take effect by way of `apply`.
    pub fn applying(self, apply: Apply) -> Shared {
        Shared { apply: Some(apply), ..self }
    }

    /// Workers lay down on `board` what they have counted for audiences and reports.
    pub fn reporting(self, board: Arc<Board>) -> Shared {
        Shared { reports: Some(board), ..self }
    }

    /// `explain` answers why somebody got a message, and why not.
    pub fn explaining(self, explain: Explain) -> Shared {
        Shared { explain: Some(explain), ..self }
    }

    /// The plan that is running and what has come of it.
    pub fn outputs(&self) -> Arc<Outputs> {
        self.outputs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another plan runs from now on.
    pub fn set_outputs(&self, outputs: Outputs) {
        *self.outputs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(outputs);
    }
}

/// A server under way. Dropped, it stops.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and answers from a thread of its own until it is stopped.
    ///
    /// # Errors
    /// The address cannot be listened on; the token is empty.
    pub fn start(config: ServeConfig, state: Arc<Shared>) -> Result<Server, ServeError> {
        if config.token.as_ref().is_some_and(String::is_empty) {
            return Err(ServeError::EmptyToken);
        }
        let listen = |source| ServeError::Listen { address: config.address, source };
        let listener = TcpListener::bind(config.address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ServeError::Start)?;
        let access = access::Access::new(address, config.token);
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("http".into())
            .spawn(move || runtime.block_on(serve(listener, access, state, stopped)))
            .map_err(ServeError::Start)?;
        tracing::info!(%address, "serving over HTTP");
        Ok(Server { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, finishes those under way (for two seconds at most), and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Nobody listens any more if the thread has ended by itself.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP thread panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

async fn serve(
    listener: TcpListener,
    access: access::Access,
    state: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot serve over HTTP"),
    };
    let windows = tokio::spawn(turn_windows(state.metrics.clone()));
    let app = router::router(access, state);
    let (graceful, deadline) = (until(stopped.clone()), until(stopped));
    let serving = axum::serve(listener, app).with_graceful_shutdown(graceful);
    tokio::select! {
        served = serving => {
            if let Err(error) = served {
                tracing::error!(%error, "serving over HTTP ended");
            }
        }
        () = async { deadline.await; tokio::time::sleep(STOP_MAX).await } => {}
    }
    windows.abort();
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error is that the server was dropped: stopped too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn turn_windows(metrics: Arc<Metrics>) {
    let mut every = tokio::time::interval(WINDOW);
    every.tick().await;
    loop {
        every.tick().await;
        metrics.turn();
    }
}

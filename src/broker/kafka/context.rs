//! What librdkafka tells besides answers: log lines go to the log of the process, the first failed delivery is kept for
//! `commit`, the last failed commit of a group for the next one. And what it asks for: tokens.

use super::token;
use rdkafka::TopicPartitionList;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use std::error::Error;
use std::sync::{Mutex, PoisonError};

/// Of every client its own.
#[derive(Default)]
pub(super) struct Context {
    failed: Mutex<Option<KafkaError>>,
}

impl Context {
    /// The failure that has been kept; it is not given again.
    pub(super) fn take_failure(&self) -> Option<KafkaError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, error: KafkaError) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(error);
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, path: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        // It asks again in ten seconds.
        token::read(path).map_err(|why| {
            tracing::warn!("no token to log in to Kafka with: {why}");
            why.into()
        })
    }

    fn log(&self, level: Level, facility: &str, message: &str) {
        match level {
            // Properties are given to all clients: that a consumer has no use for one of a producer is no news.
            _ if facility == "CONFWARN" => tracing::debug!(facility, "{message}"),
            Level::Emerg | Level::Alert | Level::Critical | Level::Error | Level::Warning => {
                tracing::warn!(facility, "{message}");
            }
            Level::Notice | Level::Info => tracing::info!(facility, "{message}"),
            Level::Debug => tracing::debug!(facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "{reason}");
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            self.keep(error);
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        if let Err((error, _)) = result {
            self.keep(error.clone());
        }
    }
}

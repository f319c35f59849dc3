//! What librdkafka's errors mean for those who use the port. In: an error and what was being done. Out: whether another
//! instance has taken over, whether trying again can help.

use crate::broker::BrokerError;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// An error of `rdkafka` as one of the port.
pub(super) fn explain(doing: &str, error: &KafkaError) -> BrokerError {
    match error {
        KafkaError::ClientConfig(_, message, key, _) => BrokerError::Refused {
            doing: doing.into(),
            // Not the value: it may be a password.
            message: format!("{key}: {message}"),
        },
        KafkaError::ClientCreation(message) | KafkaError::AdminOpCreation(message) => {
            BrokerError::Refused { doing: doing.into(), message: message.clone() }
        }
        KafkaError::AdminOp(code) => by_code(doing, *code, &error.to_string()),
        KafkaError::Transaction(native) => by_code(doing, native.code(), &native.string()),
        other => match other.rdkafka_error_code() {
            Some(code) => by_code(doing, code, &other.to_string()),
            None => BrokerError::Unavailable { doing: doing.into(), message: other.to_string() },
        },
    }
}

/// An error code as an error of the port.
pub(super) fn by_code(doing: &str, code: Code, message: &str) -> BrokerError {
    let (doing, message) = (doing.to_string(), message.to_string());
    if fenced(code) {
        BrokerError::Fenced
    } else if refused(code) || unknown(code) {
        BrokerError::Refused { doing, message }
    } else {
        BrokerError::Unavailable { doing, message }
    }
}

/// The coordinator knows a later producer. A transaction that it has timed out looks the same.
fn fenced(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

/// Trying again does not help. A login that fails is not among them: a token may be about to be renewed, and a start that
/// is not let in gives up at once all the same.
fn refused(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SecurityDisabled
            | Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::UnsupportedForMessageFormat
            | Code::InvalidTopic
            | Code::InvalidArgument
            | Code::InvalidConfig
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::InvalidTransactionTimeout
            | Code::PolicyViolation
            | Code::NotImplemented
            | Code::UnsupportedFeature
            | Code::UnsupportedVersion
            | Code::UnsupportedSASLMechanism
    )
}

/// Whether a broker does not know the topic or the partition.
pub(super) fn unknown(code: Code) -> bool {
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
}

/// Whether an error goes away when the partition has a leader again, or the broker is back.
pub(super) fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::ReplicaNotAvailable
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
    )
}

//! `kairos link`, `kairos unlink` and `kairos erase`: an operator's word on who is who, or is to be nobody, as an event like any
//! other.

use super::failure::Failure;
use super::output::{good, print};
use super::values;
use crate::broker::kafka_plain::PlainProducer;
use crate::config::Config;
use crate::decode::adapter::Format;
use crate::define::compile::{APART, ERASED};
use crate::sim::generate::live::key;
use crate::time::clock::{Clock, System};
use crate::time::format;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// How long the event may be on its way.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) const LINK_EXAMPLES: &str = "\
Examples:
  kairos link user:42 user:7 --config config/kafka.toml
  kairos link user:42 anonymous:a1 >> events.jsonl

Both are one customer from now on: facts, segments, open instances and caps are those of both together. The pack has to have
`identity`.";

pub(super) const UNLINK_EXAMPLES: &str = "\
Examples:
  kairos unlink user:7 user:42 --config config/kafka.toml
  kairos unlink anonymous:a1 >> events.jsonl

Each goes on as if they had never been one; events do not link them again. Without the second identifier, the first is taken
from everybody else.";

pub(super) const ERASE_EXAMPLES: &str = "\
Examples:
  kairos erase user:42 --config config/kafka.toml
  kairos erase email:anna@example.com >> events.jsonl

Nothing is known any more of the person who has this identifier, nor of any of its identifiers: facts, segments, open
instances and links go at once, and the topic of segments gets tombstones. What is dated up to the request stays away when it
is read again; whoever comes later is somebody new. What has been sent stays on its topics.";

#[derive(Args, Debug)]
pub(super) struct EraseArgs {
    /// An identifier with its kind, such as user:42
    identifier: String,
    /// The configuration of the instance whose input gets the event; without it the event is printed
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct LinkArgs {
    /// An identifier with its kind, such as user:42
    one: String,
    /// The other one
    other: String,
    /// The configuration of the instance whose input gets the event; without it the event is printed
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct UnlinkArgs {
    /// The identifier that is taken out, with its kind, such as user:42
    one: String,
    /// Whose it is not: a user: or anonymous: identifier
    from: Option<String>,
    /// The configuration of the instance whose input gets the event; without it the event is printed
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Says that two identifiers are one customer.
pub(super) fn link(args: &LinkArgs) -> Result<u8, Failure> {
    let (user, previous) = match (args.one.strip_prefix("user:"), args.other.strip_prefix("user:"))
    {
        (Some(user), _) => (user, &args.other),
        (None, Some(user)) => (user, &args.one),
        (None, None) => {
            return Err(Failure::usage("one of the two has to be a user: identifier"));
        }
    };
    whole(previous)?;
    let event = json!({"type": "alias", "userId": user, "previousId": previous});
    tell(event, args.config.as_ref())
}

/// Says that an identifier is not somebody's.
pub(super) fn unlink(args: &UnlinkArgs) -> Result<u8, Failure> {
    whole(&args.one)?;
    let (whose, identifier) = match &args.from {
        Some(from) => (from, Some(&args.one)),
        None => (&args.one, None),
    };
    let mut event = json!({"type": "track", "event": APART, "properties": {}});
    match whose.split_once(':') {
        Some(("user", id)) if !id.is_empty() => event["userId"] = json!(id),
        Some(("anonymous", id)) if !id.is_empty() => event["anonymousId"] = json!(id),
        _ => {
            let message = format!("{whose} is neither a user: nor an anonymous: identifier");
            let hint = "name one of these beside it: kairos unlink email:a@b.pl user:42";
            return Err(Failure::usage(message).hint(hint));
        }
    }
    if let Some(identifier) = identifier {
        event["properties"]["identifier"] = json!(identifier);
    }
    tell(event, args.config.as_ref())
}

/// Asks for a person to be erased.
pub(super) fn erase(args: &EraseArgs) -> Result<u8, Failure> {
    whole(&args.identifier)?;
    let named = json!({"identifier": args.identifier});
    let mut event = json!({"type": "track", "event": ERASED, "properties": named});
    // It goes to where the person's own events go, and so comes after them.
    match args.identifier.split_once(':') {
        Some(("user", id)) => event["userId"] = json!(id),
        Some(("anonymous", id)) => event["anonymousId"] = json!(id),
        _ => {}
    }
    tell(event, args.config.as_ref())
}

fn whole(identifier: &str) -> Result<(), Failure> {
    values::identifier(identifier)
        .map_err(|(wrong, advice)| Failure::usage(format!("{identifier}: {wrong}")).hint(advice))
}

/// Puts the event into the input of an instance, or prints it.
fn tell(mut event: Value, config: Option<&PathBuf>) -> Result<u8, Failure> {
    let now = System::new().wall();
    event["timestamp"] = json!(format(now));
    event["messageId"] = json!(format!("kairos-{now}-{}", std::process::id()));
    let line = event.to_string();
    let Some(path) = config else {
        print(format!("{line}\n"))?;
        return Ok(0);
    };
    let config = Config::load(path).map_err(|error| Failure::mistakes(error.to_string()))?;
    let input = config.inputs.iter().find(|input| matches!(input.format, Format::Segment));
    let Some(input) = input else {
        let message = "no input topic has events in Segment's envelope";
        return Err(Failure::failed(message).hint("print the event without --config, and map it"));
    };
    let failure = |error: crate::broker::BrokerError| Failure::failed(error.to_string());
    let producer = PlainProducer::new(&config.kafka.client_properties()).map_err(failure)?;
    producer.partitions(&input.topic).map_err(failure)?;
    let mut record_key = Vec::new();
    let has_key = key(line.as_bytes(), &mut record_key);
    let record_key = has_key.then_some(&*record_key);
    producer.send(&input.topic, record_key, line.as_bytes(), now).map_err(failure)?;
    if producer.flush(PATIENCE) > 0 || producer.failed() > 0 {
        let message = producer.last_error().unwrap_or_else(|| "the brokers do not answer".into());
        return Err(Failure::failed(format!("the event did not arrive: {message}")));
    }
    print(format!("{}: it takes effect when it is read from {}\n", good("sent"), input.topic))?;
    Ok(0)
}

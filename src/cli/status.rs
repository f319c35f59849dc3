//! `kairos status`: how a running instance does, asked over HTTP.

use super::failure::{Failure, NOT_SO};
use super::http::{Request, ask, reachable};
use super::output::{bad, bold, good, print};
use super::values::grouped;
use crate::config::Config;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// How long an instance may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the instance of a configuration whether it is ready, and prints what it says. Exit code 0 if it is, 1 if not.
pub(super) fn status(path: &Path) -> Result<u8, Failure> {
    let config = Config::load(path).map_err(|error| Failure::mistakes(error.to_string()))?;
    let Some(address) = config.http.address else {
        return Err(Failure::failed("the instance answers nobody: address = \"off\" in [http]"));
    };
    let (method, path, patience) = ("GET", "/readyz", PATIENCE);
    let request = Request { method, path, token: None, body: "", patience };
    let (_, said) = ask(reachable(address), &request).map_err(|error| {
        Failure::failed(format!("{} does not answer at {address}: {error}", config.kairos.name))
            .hint("is it running? its log tells where it serves")
    })?;
    print(told(&config.kairos.name, &said))?;
    Ok(if said["ready"] == true { 0 } else { NOT_SO })
}

fn told(name: &str, said: &Value) -> String {
    let number = |key: &str| said[key].as_i64().unwrap_or(0);
    let mut text = match said["ready"] == true {
        true => format!("{} is {}\n", bold(name), good("ready")),
        false => format!("{} is {}\n", bold(name), bad("not ready")),
    };
    let mut line = |what: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("  {what:<18}{value}\n"));
        }
    };
    line("doing", said["reason"].as_str().unwrap_or_default().to_owned());
    line(
        "broker",
        if said["broker_answers"] == true {
            "answers"
        } else {
            "does not answer; time stands still"
        }
        .into(),
    );
    line("watermark delay", format!("{} ms", number("watermark_delay_ms")));
    line("behind", format!("{} records", grouped(number("records_behind").unsigned_abs())));
    for behind in said["partitions_behind"].as_array().into_iter().flatten().take(10) {
        let (topic, partition) =
            (behind["topic"].as_str().unwrap_or_default(), &behind["partition"]);
        let records = grouped(behind["records"].as_u64().unwrap_or(0));
        line("", format!("{topic}[{partition}]: {records} records, {} ms", behind["ms"]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_holds_it_up() {
        let said = serde_json::json!({
            "ready": false, "reason": "reading a backlog", "broker_answers": true,
            "watermark_delay_ms": 61_000, "records_behind": 12_345,
            "partitions_behind": [{"topic": "events", "partition": 3, "records": 12_345, "ms": 900}],
        });
        let text = anstream::adapter::strip_str(&told("shop", &said)).to_string();
        assert_eq!(
            text,
            "shop is not ready\n  doing             reading a backlog\n  broker            answers\n  \
             watermark delay   61000 ms\n  behind            12,345 records\n                    \
             events[3]: 12,345 records, 900 ms\n"
        );
    }
}

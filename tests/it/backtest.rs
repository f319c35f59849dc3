//! `kairos backtest`: its sums are those of a plain count over the output files of `kairos run` on the same input.

use crate::cli::{RETAIL, fails, well, with_events};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

type Sums = BTreeMap<String, i64>;

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn instant(value: &Value) -> i64 {
    kairos::time::parse(value.as_str().unwrap()).unwrap()
}

/// An amount in millionths.
fn worth(text: &str) -> i64 {
    kairos::event::Num::parse(text).unwrap().0
}

/// What anybody can count who reads the output files.
fn counted(out: &Path, window: i64) -> Sums {
    let mut sums = Sums::new();
    let mut add = |what: &[&str], more: i64| *sums.entry(what.join("/")).or_default() += more;
    let mut last: BTreeMap<(String, u64), i64> = BTreeMap::new();
    for line in lines(&out.join("decisions.jsonl")) {
        let data = &line["data"];
        let [journey, decision, reason, channel] =
            ["journey", "decision", "reason", "channel"].map(|name| word(data, name));
        match decision {
            "send" => {
                add(&[journey, "send", channel], 1);
                add(&["channel", channel], 1);
                add(&["minute", &word(&line, "time")[..16]], 1);
                let instance =
                    (word(&line, "subject").into(), data["occurrence"].as_u64().unwrap());
                last.insert(instance, instant(&line["time"]));
            }
            other => add(&[journey, other, reason], 1),
        }
    }
    for line in lines(&out.join("journeys.jsonl")) {
        let (data, journey) = (&line["data"], word(&line["data"], "journey"));
        match word(&line, "type") {
            "kairos.journey.entered" => add(&[journey, "entered"], 1),
            "kairos.journey.goal" => {
                let value = data["value"].as_number().map_or(0, |value| worth(&value.to_string()));
                add(&[journey, "goals"], 1);
                add(&[journey, "value"], value);
                let instance =
                    (word(&line, "subject").into(), data["occurrence"].as_u64().unwrap());
                let sent = last.get(&instance);
                if sent.is_some_and(|sent| instant(&line["time"]) - sent <= window) {
                    add(&[journey, "goals in the window"], 1);
                    add(&[journey, "value in the window"], value);
                }
            }
            _ => {}
        }
    }
    busiest(sums)
}

/// Minutes give way to the most of any of them.
fn busiest(mut sums: Sums) -> Sums {
    let most = sums.iter().filter(|(what, _)| what.starts_with("minute/")).map(|(_, n)| *n).max();
    sums.retain(|what, n| !what.starts_with("minute/") && *n != 0);
    sums.extend(most.map(|most| ("busiest minute".to_owned(), most)));
    sums
}

/// The same sums as the report tells them.
fn reported(report: &Value) -> Sums {
    let mut sums = Sums::new();
    let mut add = |what: &[&str], more: i64| *sums.entry(what.join("/")).or_default() += more;
    for it in report["journeys"].as_array().unwrap() {
        let name = word(it, "name");
        add(&[name, "entered"], it["entered"].as_i64().unwrap());
        add(&[name, "goals"], it["converted"].as_i64().unwrap());
        add(&[name, "value"], worth(word(it, "revenue")));
        let inside = &it["in_window"];
        add(&[name, "goals in the window"], inside["converted"].as_i64().unwrap());
        add(&[name, "value in the window"], worth(word(inside, "revenue")));
        for (decision, by) in
            [("send", "sent_by"), ("defer", "deferred_by"), ("drop", "dropped_by")]
        {
            for (what, count) in it["messages"][by].as_object().unwrap() {
                add(&[name, decision, what], count.as_i64().unwrap());
            }
        }
    }
    for channel in report["load"]["channels"].as_array().unwrap() {
        let by_step = channel["sent_by_step"].as_array().unwrap();
        let sent: i64 = by_step.iter().map(|count| count.as_i64().unwrap()).sum();
        assert_eq!(channel["sent"], sent, "every message is in one of the steps");
        add(&["channel", word(channel, "channel")], sent);
    }
    add(&["busiest minute"], report["load"]["busiest_minute"]["sent"].as_i64().unwrap());
    sums.retain(|_, count| *count != 0);
    sums
}

fn report(dir: &Path, line: &str) -> Value {
    well(dir, line);
    serde_json::from_slice(&fs::read(dir.join("report.json")).unwrap()).unwrap()
}

#[test]
fn the_sums_are_those_of_the_output_files() {
    let dir = with_events(20_000);
    let path = dir.path();
    // Without those who turn out to be one: what is counted here from lines knows of one name only.
    let pack = path.join("retail");
    fs::create_dir(&pack).unwrap();
    for file in fs::read_dir(RETAIL).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap();
        if name != "identity.yaml" {
            fs::copy(&file, pack.join(name)).unwrap();
        }
    }
    let until = "--until 2026-04-20";
    well(path, &format!("run --pack retail --in events.jsonl --out out {until}"));
    for (window, millis) in [("7d", 7 * 86_400_000), ("2h", 7_200_000)] {
        let expected = counted(&path.join("out"), millis);
        for workers in [1, 2] {
            let line = format!(
                "backtest --pack retail --in events.jsonl {until} --window {window} --workers {workers} --json report.json --html report.html"
            );
            let report = report(path, &line);
            assert_eq!(reported(&report), expected, "{line}");
            let load = &report["load"];
            assert_eq!(
                (&load["unit"], load["steps"].as_array().unwrap().len()),
                (&"day".into(), 50)
            );
        }
        let of = |what: &str| expected.get(&format!("abandoned-cart/{what}")).copied().unwrap_or(0);
        assert!(of("send/email") > 100 && of("drop/consent") > 10, "{expected:?}");
        assert!(
            0 < of("goals in the window") && of("goals in the window") < of("goals"),
            "{expected:?}"
        );
    }
    // The page tells the same without anything from outside.
    let page = fs::read_to_string(path.join("report.html")).unwrap();
    assert!(page.contains("<svg class=\"chart\"") && page.contains("prefers-color-scheme:dark"));
    for outside in ["<script", "<link", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let sent = counted(&path.join("out"), 0)["channel/email"];
    assert!((1_000..1_000_000).contains(&sent), "{sent} is written with one separator");
    let sent = format!("<td>{},{:03}</td>", sent / 1_000, sent % 1_000);
    assert!(page.contains(&sent), "{sent} is missing");
}

/// What somebody was sent before it was known who that is counts for the goal that is reached after.
#[test]
fn a_message_goes_along_when_two_turn_out_to_be_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::write(
        path.join("pack.yaml"),
        "identity: { identifiers: [user, anonymous] }\n\
         journeys:\n  cart:\n    enter: { on: Product Added }\n    \
         exit: [ { on: Order Completed, goal: true, value: event.total } ]\n    \
         steps: [ { send: { channel: email, template: hello } }, { wait: 30d } ]\n\
         policy: { consent: [ { channel: email, purpose: marketing, category: c, default: granted } ] }\n",
    )
    .unwrap();
    let event = |day: u32, who: &str, event: &str, more: &str| {
        format!("{{\"type\":\"track\",\"event\":\"{event}\",\"messageId\":\"{day}{who}{event}\",{more}\"timestamp\":\"2026-03-{day:02}T09:00:00Z\",\"properties\":{{\"total\":12.5}}}}\n")
            .replace("WHO", who)
    };
    let anonymous = "\"anonymousId\":\"WHO\",";
    let both = "\"anonymousId\":\"WHO\",\"userId\":\"u-WHO\",";
    let events = [
        event(1, "a", "Product Added", anonymous),
        event(2, "b", "Product Added", anonymous),
        event(4, "a", "Signed In", both),
        event(4, "b", "Signed In", both),
        event(5, "b", "Order Completed", "\"userId\":\"u-WHO\","),
        event(9, "a", "Order Completed", "\"userId\":\"u-WHO\","),
    ];
    fs::write(path.join("events.jsonl"), events.concat()).unwrap();
    let report = report(path, "backtest --pack pack.yaml --in events.jsonl --json report.json");
    let journey = &report["journeys"][0];
    assert_eq!((&journey["converted"], &journey["revenue"]), (&2.into(), &"25".into()));
    assert_eq!(journey["in_window"], serde_json::json!({"converted": 1, "revenue": "12.5"}));
}

#[test]
fn what_cannot_be_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::write(path.join("events.jsonl"), "").unwrap();
    let told = well(path, "backtest --pack RETAIL --in events.jsonl --html empty.html");
    assert!(told.contains("0 events of 0 persons\n"), "{told}");
    assert!(fs::read_to_string(path.join("empty.html")).unwrap().contains("Nothing was sent."));
    let twice = fails(path, 2, "backtest --pack RETAIL --in events.jsonl events.jsonl");
    assert!(twice.contains("given twice"), "{twice}");
    let missing = fails(path, 3, "backtest --pack RETAIL --in no.jsonl");
    assert!(missing.contains("cannot read no.jsonl"), "{missing}");
    let nowhere = fails(path, 3, "backtest --pack RETAIL --in events.jsonl --json no/where.json");
    assert!(nowhere.contains("cannot write no/where.json"), "{nowhere}");
    fs::write(
        path.join("bad.yaml"),
        "journeys: { j: { enter: { on: X }, steps: [ { sned: 1 } ] } }",
    )
    .unwrap();
    let mistake = fails(path, 1, "backtest --pack bad.yaml --in events.jsonl");
    assert!(mistake.contains("bad.yaml:1:"), "{mistake}");
}

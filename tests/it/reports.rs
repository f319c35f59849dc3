//! Audiences and reports: on random packs and streams, with identifiers that turn out to be one person and then not, late
//! events, any number of workers and stops anywhere, they are what anybody can count who reads all that went out and all
//! persons. And an exact small case of what a journey is worth against its hold-out.
//!
//! `SIM_SEEDS=from..to` runs other seeds.

use kairos::define::plan::Plan;
use kairos::event::Num;
use kairos::person::Person;
use kairos::sim::random::{IDENTITY, mix_identifiers, random_pack, random_stream};
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Ending, Stop, World, random_history};
use kairos::sink::Stream;
use kairos::time::{HOUR, MINUTE};
use serde_json::Value;
use std::collections::BTreeMap;

/// Figures by what they are of; what is zero is not there.
type Figures = BTreeMap<String, String>;

/// Counts on the way to figures.
#[derive(Default)]
struct Sums {
    counts: BTreeMap<String, i64>,
    revenue: BTreeMap<String, Num>,
}

impl Sums {
    fn count(&mut self, what: &[&str], more: i64) {
        *self.counts.entry(what.join(" ")).or_default() += more;
    }

    fn worth(&mut self, what: &[&str], more: Num) {
        let sum = self.revenue.entry(what.join(" ")).or_default();
        *sum = sum.checked_add(more).expect("small sums");
    }

    fn figures(self) -> Figures {
        let counts = self.counts.into_iter().filter(|(_, count)| *count != 0);
        let revenue = self.revenue.into_iter().filter(|(_, sum)| sum.0 != 0);
        let counts = counts.map(|(what, count)| (what, count.to_string()));
        counts.chain(revenue.map(|(what, sum)| (what, sum.to_string()))).collect()
    }
}

fn lines(ending: &Ending, stream: Stream) -> Vec<Value> {
    let lines = ending.outputs[stream as usize].split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("outputs are JSON")).collect()
}

/// Everything counted from scratch.
fn counted(plan: &Plan, ending: &Ending) -> Figures {
    let mut sums = Sums::default();
    of_segments(&mut sums, ending);
    of_persons(&mut sums, plan, &ending.persons);
    for line in lines(ending, Stream::Journeys) {
        let data = &line["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        let journey = text("journey");
        let value = data["value"].is_number().then(|| data["value"].to_string());
        let value = value.map(|value| Num::parse(&value).expect("a decimal number"));
        match line["type"].as_str().unwrap().strip_prefix("kairos.journey.").unwrap() {
            "entered" => sums.count(&["journey", journey, "entered"], 1),
            "carried" => sums.count(&["journey", journey, "carried"], 1),
            "regret" => sums.count(&["journey", journey, "regrets"], 1),
            "reached" => sums.count(&["reached", journey, text("step")], 1),
            what @ ("exited" | "goal") => {
                sums.count(&["journey", journey, text("reason")], 1);
                let value = value.unwrap_or_default();
                sums.worth(&["journey", journey, "revenue"], value);
                for (step, arm) in data["arms"].as_object().into_iter().flatten() {
                    let arm = ["arm", journey, step, arm.as_str().unwrap()];
                    let of = |what| [&arm[..], &[what]].concat();
                    sums.count(&of("assigned"), 1);
                    sums.count(&of("converted"), i64::from(what == "goal"));
                    sums.worth(&of("revenue"), value);
                }
            }
            _ => {}
        }
    }
    for line in lines(ending, Stream::Decisions) {
        let data = &line["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        let of = ["message", text("journey"), text("step"), text("channel"), text("template")];
        let decision = text("decision");
        sums.count(&[&of[..], &[decision]].concat(), 1);
        if decision != "send" {
            sums.count(&[&of[..], &[decision, text("reason")]].concat(), 1);
        }
    }
    sums.figures()
}

fn of_segments(sums: &mut Sums, ending: &Ending) {
    let lines = lines(ending, Stream::Segments);
    let time = |line: &Value| {
        let time: jiff::Timestamp = line["time"].as_str().unwrap().parse().unwrap();
        time.as_millisecond()
    };
    let now = lines.iter().map(time).fold(ending.end, i64::max).div_euclid(MINUTE) * MINUTE;
    for line in &lines {
        let (segment, change) = (&line["data"]["segment"], &line["data"]["change"]);
        let (segment, change) = (segment.as_str().unwrap(), change.as_str().unwrap());
        sums.count(&["segment", segment, change], 1);
        let minute = time(line).div_euclid(MINUTE) * MINUTE;
        if minute > now - HOUR {
            let minute = kairos::time::format(minute);
            sums.count(&["segment", segment, change, &minute], 1);
        }
    }
}

fn of_persons(sums: &mut Sums, plan: &Plan, persons: &[Person]) {
    for person in persons {
        let inside = plan.segments_by_name.iter().filter(|segment| person.in_segment(**segment));
        let inside: Vec<&str> =
            inside.map(|segment| plan.segments[usize::from(segment.0)].name.as_str()).collect();
        for (at, name) in inside.iter().enumerate() {
            sums.count(&["segment", name, "members"], 1);
            inside[..at].iter().for_each(|other| sums.count(&["overlap", other, name], 1));
        }
        for instance in person.open_instances() {
            let journey = &plan.journeys[usize::from(instance.journey.0)].name;
            sums.count(&["journey", journey, "open"], 1);
            for arm in instance.arms() {
                let (step, arm) = plan.arm(*arm);
                sums.count(&["arm", journey, step, arm, "open"], 1);
                sums.count(&["arm", journey, step, arm, "assigned"], 1);
            }
        }
    }
}

/// The same figures as the report has them.
fn reported(report: &Value) -> Figures {
    let mut sums = Sums::default();
    let each = |value: &Value| value.as_array().expect("a list").clone();
    let number = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("{value} is no count"));
    let worth = |value: &Value| Num::parse(value.as_str().unwrap()).unwrap();
    for audience in each(&report["audiences"]) {
        let name = audience["name"].as_str().unwrap();
        for what in ["members", "entered", "left"] {
            sums.count(&["segment", name, what], number(&audience[what]));
        }
        for minute in each(&audience["per_minute"]) {
            for what in ["entered", "left"] {
                let at = minute["minute"].as_str().unwrap();
                sums.count(&["segment", name, what, at], number(&minute[what]));
            }
        }
    }
    for pair in each(&report["overlaps"]) {
        let [a, b] = ["of", "and"].map(|which| pair[which].as_str().unwrap());
        sums.count(&["overlap", a, b], number(&pair["members"]));
    }
    for journey in each(&report["journeys"]) {
        let name = journey["name"].as_str().unwrap();
        for what in ["entered", "carried", "open", "regrets"] {
            sums.count(&["journey", name, what], number(&journey[what]));
        }
        for (reason, count) in journey["exits"].as_object().unwrap() {
            sums.count(&["journey", name, reason], number(count));
        }
        assert_eq!(journey["converted"], journey["exits"]["goal"]);
        sums.worth(&["journey", name, "revenue"], worth(&journey["revenue"]));
        for step in each(&journey["steps"]) {
            let at = step["step"].as_str().unwrap();
            sums.count(&["reached", name, at], number(&step["reached"]));
        }
        for send in each(&journey["sends"]) {
            let label = ["step", "channel", "template"].map(|it| send[it].as_str().unwrap());
            let of = [&["message", name][..], &label].concat();
            for (what, field) in [("send", "sent"), ("defer", "deferred"), ("drop", "dropped")] {
                sums.count(&[&of[..], &[what]].concat(), number(&send[field]));
                let by = send[format!("{field}_by")].as_object().cloned().unwrap_or_default();
                for (reason, count) in &by {
                    sums.count(&[&of[..], &[what, reason]].concat(), number(count));
                }
            }
        }
        for split in each(&journey["splits"]) {
            for arm in each(&split["arms"]) {
                let of =
                    ["arm", name, split["step"].as_str().unwrap(), arm["name"].as_str().unwrap()];
                for what in ["assigned", "open", "converted"] {
                    sums.count(&[&of[..], &[what]].concat(), number(&arm[what]));
                }
                sums.worth(&[&of[..], &["revenue"]].concat(), worth(&arm["revenue"]));
            }
        }
    }
    sums.figures()
}

fn check(world: &World, ending: &Ending) -> Result<Figures, String> {
    let (wanted, found) = (counted(&world.plan, ending), reported(&ending.report));
    let mut names: Vec<&String> = wanted.keys().chain(found.keys()).collect();
    names.sort();
    let different = names.into_iter().find(|name| wanted.get(*name) != found.get(*name));
    match different {
        Some(name) => Err(format!("{name}: {:?} and not {:?}", found.get(name), wanted.get(name))),
        None => Ok(found),
    }
}

fn seeds(most: u64) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SIM_SEEDS") else { return 0..most };
    let (from, to) = text.split_once("..").expect("SIM_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Journeys that last, so that much happens to those who are in them.
const LASTING: &str = r#"
facts:
  views: { count: Product Viewed }
  week:  { count: Product Viewed, over: 7d }
  spent: { sum: Order Completed, of: event.total }
segments:
  viewers: views >= 1
  keen:    week >= 2
  buyers:  spent > 0
  picked:  list
journeys:
  cart:
    enter: { on: [Product Added, Product Viewed] }
    exit: [ { on: Order Completed, goal: true, value: event.total } ]
    steps:
      - split:
          - { name: letter, percent: 40, do: [ { send: { channel: email, template: cart } } ] }
          - { name: both, percent: 30, do: [ { send: { channel: email, template: cart } }, { send: { channel: sms, template: cart } } ] }
          - { name: control, percent: 30, hold_out: true }
      - wait: 1h
      - split:
          - { name: a, percent: 50, do: [ { send: { channel: push, template: again } } ] }
          - { name: b, percent: 50, do: [ { add_to: picked } ] }
      - wait: 60d
  keen:
    enter: { entered: keen, again: always }
    exit: [ { when: spent > 100, goal: true, value: spent / 2 } ]
    steps:
      - wait: { quiet_for: 1h, of: [page] }
      - send: { channel: email, template: keen }
      - wait: 30d
policy:
  caps: [ { channel: email, max: 1, per: day } ]
"#;

/// A pack that knows identity, and lines under several identifiers, some of them late.
fn world(rng: &mut Rng) -> (String, Vec<Vec<u8>>) {
    let mut text = if rng.chance(0.6) { random_pack(rng) } else { LASTING.to_owned() };
    text.insert_str(0, IDENTITY);
    let length = 30 + rng.below(120) as usize;
    let lines = random_stream(rng, length);
    (text, mix_identifiers(rng, lines))
}

#[test]
fn the_report_is_what_can_be_counted_from_scratch() {
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds(40) {
        let mut rng = Rng::new(40_000 + seed);
        let (text, lines) = world(&mut rng);
        let world = World::new(&text, vec![lines.clone()]).expect("a sound pack");
        let plain = world.play(&[Cut::plain()], None).expect("nothing is planted");
        let figures =
            check(&world, &plain).unwrap_or_else(|why| panic!("seed {seed}: {why}\n{text}"));
        for what in ["segment", "overlap", "journey", "reached", "message", "arm"] {
            let of = figures.keys().filter(|name| name.split(' ').next() == Some(what));
            *met.entry(what).or_default() += of.count() as u64;
        }
        let met_with = |what: &str| figures.keys().filter(|name| name.ends_with(what)).count();
        for what in ["carried", "parted", "revenue", "converted", "regrets", "defer"] {
            *met.entry(what).or_default() += met_with(what) as u64;
        }
        // At several points on the way.
        for part in 1..4 {
            let some = lines[..lines.len() * part / 4].to_vec();
            let world = World::new(&text, vec![some]).expect("a sound pack");
            let ending = world.play(&[Cut::plain()], None).expect("nothing is planted");
            check(&world, &ending)
                .unwrap_or_else(|why| panic!("seed {seed}, {part}/4: {why}\n{text}"));
        }
        // However it is cut.
        for workers in [1, 2, 4] {
            let chunk = 1 + rng.below(3_000) as usize;
            let cut = Cut { workers, chunk, checkpoint: 1 + rng.below(3), stop: None };
            let stopped = Cut { stop: Some(Stop::Complete(1 + rng.below(60))), ..cut };
            let other = Cut { workers: 1 + rng.below(3) as usize, ..stopped };
            for history in [&[cut][..], &[stopped, other, cut], &random_history(&mut rng)] {
                let ending = world.play(history, None).expect("its last run is not stopped");
                if let Err(why) = check(&world, &ending).and_then(|_| ending.same(&plain)) {
                    panic!("seed {seed}, {history:?}: {why}\n{text}");
                }
            }
        }
    }
    let missing: Vec<_> = met.iter().filter(|(_, count)| **count == 0).collect();
    assert!(std::env::var("SIM_SEEDS").is_ok() || missing.is_empty(), "never met: {missing:?}");
}

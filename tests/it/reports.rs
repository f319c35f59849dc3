//! Audiences and reports: on random packs and streams, with identifiers that turn out to be one person and then not, late
//! events, any number of workers and stops anywhere, they are what anybody can count who reads all that went out and all
//! persons. And an exact small case of what a journey is worth against its hold-out.
//!
//! `SIM_SEEDS=from..to` runs other seeds.

use crate::definitions::{apply, in_effect};
use crate::live::{World as LiveWorld, settle};
use crate::simulator::seeds;
use kairos::dataflow::RunError;
use kairos::dataflow::live::{ApplyError, start};
use kairos::decode::Decoder;
use kairos::define::plan::Plan;
use kairos::epoch::Span;
use kairos::event::{Num, Origin};
use kairos::person::Person;
use kairos::person::keyed::Keyed;
use kairos::sim::random::{IDENTITY, mix_identifiers, random_pack, random_stream};
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Ending, Stop, World, random_history};
use kairos::sink::Stream;
use kairos::store::memory::Memory as Kept;
use kairos::time::{HOUR, MINUTE};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

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
                    // It goes on under somebody else, if anywhere.
                    sums.count(&of("assigned"), i64::from(text("reason") != "parted"));
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
        assert!(journey["conversion"].as_f64().is_none_or(|share| share <= 1.0), "{journey}");
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
    for seed in seeds(0..40) {
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

/// A run over lines from the beginning to the end of time in it.
fn played(text: &str, lines: Vec<String>, until: i64) -> (World, Ending) {
    let lines = lines.into_iter().map(String::into_bytes).collect();
    let world = World::new(text, vec![lines]).expect("a sound pack");
    let world = World { until: Some(until), ..world };
    let ending = world.play(&[Cut::plain()], None).expect("nothing is planted");
    (world, ending)
}

const TRIAL: &str = "
segments:
  buyers: orders >= 1
  viewers: views >= 1
facts:
  orders: { count: Order Completed }
  views:  { count: Product Viewed }
journeys:
  trial:
    enter: { on: Product Viewed }
    exit:
      - { on: Order Completed, where: has(event.total), goal: true, value: event.total - 1 }
      - { on: Order Completed }
    steps:
      - split:
          - { name: letter, percent: 50, do: [ { send: { channel: email, template: hello } } ] }
          - { name: control, percent: 50, hold_out: true }
      - wait: 7d
";

const MONDAY: i64 = 1_772_442_000_000;

fn event(name: &str, who: usize, at: i64, properties: &str) -> String {
    let at = MONDAY + at;
    format!(
        r#"{{"type":"track","event":"{name}","userId":"u{who}","messageId":"{name}{who}{at}","timestamp":{at},"properties":{{{properties}}}}}"#
    )
}

/// Who gets the letter is a function of the name: it is learnt from a first run, then so many buy for so much.
#[test]
fn conversion_and_revenue_by_arm_against_the_hold_out() {
    let views: Vec<String> =
        (0..40).map(|who| event("Product Viewed", who, who as i64, "")).collect();
    let (_, first) = played(TRIAL, views.clone(), MONDAY + HOUR);
    let mut arms: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for line in lines(&first, Stream::Journeys) {
        if line["type"] == "kairos.journey.assigned" {
            assert_eq!(line["data"]["step"], "1");
            let who = line["subject"].as_str().unwrap().trim_start_matches("user:u").parse();
            let arm = line["data"]["arm"].as_str().unwrap().to_owned();
            arms.entry(arm).or_default().push(who.unwrap());
        }
    }
    let (letter, control) = (&arms["letter"], &arms["control"]);
    assert!(letter.len() + control.len() == 40 && letter.len() > 5 && control.len() > 5);
    let mut all = views;
    let mut buy = |who: usize, properties: &str| {
        all.push(event("Order Completed", who, MINUTE + who as i64, properties));
    };
    // Of those with the letter three buy, one of them for an amount that nobody said; of the others one.
    buy(letter[0], r#""total":100.35"#);
    buy(letter[1], r#""total":20.7"#);
    buy(letter[2], "");
    buy(control[0], r#""total":11"#);
    let (world, ending) = played(TRIAL, all, MONDAY + HOUR);
    check(&world, &ending).unwrap();
    let report = &ending.report["journeys"][0];
    let [a, c] = [letter.len(), control.len()];
    assert_eq!((&report["entered"], &report["open"]), (&40.into(), &36.into()));
    assert_eq!((&report["converted"], &report["exits"]["exit"]), (&3.into(), &1.into()));
    assert_eq!((&report["conversion"], &report["revenue"]), (&0.075.into(), &"129.05".into()));
    let arms = &report["splits"][0]["arms"];
    assert_eq!(arms[0]["assigned"], a);
    assert_eq!((&arms[0]["converted"], &arms[0]["revenue"]), (&2.into(), &"119.05".into()));
    assert_eq!((&arms[1]["converted"], &arms[1]["revenue"]), (&1.into(), &"10".into()));
    assert_eq!((&arms[1]["hold_out"], &arms[1]["uplift"]), (&true.into(), &Value::Null));
    let close = |value: &Value, wanted: f64| {
        assert!((value.as_f64().unwrap() - wanted).abs() < 1e-6, "{value}, not {wanted}");
    };
    let (ours, theirs) = (2.0 / a as f64, 1.0 / c as f64);
    close(&arms[0]["conversion"], ours);
    close(&arms[0]["uplift"]["conversion"], ours - theirs);
    close(&arms[0]["uplift"]["relative"], ours / theirs - 1.0);
    let each = |sum: i128, of: usize| Num::mean(sum * 1_000_000, of as u64 * 100).unwrap();
    let gained = each(11_905, a).checked_sub(each(1_000, c)).unwrap();
    assert_eq!(arms[0]["uplift"]["revenue_each"], gained.to_string());
    let sends = &report["sends"][0];
    assert_eq!((&sends["step"], &sends["sent"]), (&"1.1.1".into(), &a.into()));
    let overlap = serde_json::json!([{"of": "buyers", "and": "viewers", "members": 4}]);
    assert_eq!(ending.report["overlaps"], overlap);
}

#[test]
fn what_is_no_goal_has_no_value() {
    for (wrong, why) in [
        ("- { on: Order Completed, value: event.total }", "no value"),
        ("- { on: Order Completed, goal: true, value: 'true' }", "number"),
        ("- { when: orders > 1, goal: true, value: event.total }", "event"),
    ] {
        let text = TRIAL.replace("- { on: Order Completed }", wrong);
        let error = World::new(&text, Vec::new()).err().expect("a mistake");
        assert!(error.contains(why), "{error}");
    }
}

/// Everything that the workers of a live run have laid down at its end.
fn told_at_the_end(world: &LiveWorld, run: kairos::dataflow::live::LiveRun) -> Value {
    let board = run.reports();
    settle(world, run).expect("it ends well");
    board.view(world.until).expect("all workers have ended").all()
}

/// Live, however it is stopped and whatever pack follows: what the store and the log give is what the log alone gives.
#[test]
fn a_live_report_survives_stops_and_changes() {
    let mut entered = 0;
    for seed in 900..912 {
        let mut rng = Rng::new(seed);
        let mut world = LiveWorld::of(seed, 120);
        let model = world.cluster();
        let kept = Kept::default();
        for turn in 0..4 {
            model.set_piece(Some(1 + rng.below(60) as usize));
            let workers = 1 + rng.below(3) as usize;
            let job = world.job(&model, &world.clock(), workers, Some(&kept));
            let run = start(job).expect("it starts");
            if turn == 2 {
                let text = format!("{}{}", world.identity, random_pack(&mut rng));
                match apply(&run, &text) {
                    Ok(()) => {
                        in_effect(&run, 1);
                        world.engine = crate::engine::Engine::of(&text);
                    }
                    Err(ApplyError::Busy) => {}
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            }
            std::thread::sleep(Duration::from_millis(rng.below(12)));
            match rng.below(2) {
                0 => run.finish(),
                _ => run.control.stop(),
            }
            match run.join() {
                Err(RunError::Stopped) | Ok(_) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        model.set_piece(None);
        let run =
            start(world.job(&model, &world.clock(), 2, Some(&kept))).expect("it starts again");
        let told = told_at_the_end(&world, run);
        let run =
            start(world.job(&model, &world.clock(), 1, None)).expect("it starts from the log");
        assert_eq!(told, told_at_the_end(&world, run), "seed {seed}");
        let journeys = told["journeys"].as_array().unwrap().iter();
        entered += journeys.map(|journey| journey["entered"].as_u64().unwrap()).sum::<u64>();
    }
    assert!(entered > 0);
}

/// Ten times as many persons, ten times as long: the counts have more digits, and are no more.
#[test]
fn counts_do_not_grow_with_persons_or_time() {
    let plan = crate::engine::Engine::of(TRIAL).plan;
    let decoder = Decoder::new(&plan.inputs);
    let mut keyed = Keyed::new(plan.clone(), 0, None);
    let mut sizes = Vec::new();
    for who in 0..10_000 {
        let begin = MONDAY + who as i64 * MINUTE;
        let names = ["Product Viewed", "Order Completed"];
        let lines = names.iter().take(1 + who % 2);
        let lines = lines.map(|name| event(name, who, who as i64 * MINUTE, r#""total":9.5"#));
        let decoded = lines.map(|line| decoder.decode(line.as_bytes(), Origin::default()).unwrap());
        let span = Span { begin, end: begin + MINUTE, clock: i64::MIN };
        keyed.epoch(&mut decoded.collect(), span, &mut |_, _, effects| effects.clear());
        if [999, 9_999].contains(&who) {
            sizes.push(postcard::to_stdvec(&keyed.report().counts).unwrap().len());
        }
    }
    assert!(sizes[1] < sizes[0] * 5 / 4, "{sizes:?}");
}

//! What must hold of any instance's outputs, whatever was done to it: derived again from the outputs alone.

use crate::outputs::{Line, Outputs};
use kairos::sink::Stream;
use kairos::time;
use serde_json::Value;
use std::collections::BTreeMap;

/// Person, journey, key and occurrence of an instance of a journey.
type Instance = (String, String, String, i64);

fn data(line: &Line) -> Value {
    serde_json::from_str(&line.data).unwrap()
}

fn instance(line: &Line) -> Instance {
    let data = data(line);
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    (line.subject.clone(), text("journey"), text("key"), data["occurrence"].as_i64().unwrap_or(0))
}

fn at(line: &Line) -> i64 {
    time::parse(&line.time).unwrap()
}

/// Nobody gets more than so many messages within so many milliseconds. Gives how many of them there are.
pub fn cap_holds(outputs: &Outputs, max: usize, over: i64) -> usize {
    let triggers = &outputs.lines[Stream::Triggers as usize];
    let mut sends: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    triggers.iter().for_each(|line| sends.entry(&line.subject).or_default().push(at(line)));
    for (person, times) in &mut sends {
        times.sort_unstable();
        for (first, last) in times.iter().zip(times.iter().skip(max)) {
            assert!(last - first >= over, "{person} got more than {max}: {times:?}");
        }
    }
    triggers.len()
}

/// Each instance that was entered has been exited once, which is how its last timer is answered, and nothing was decided for
/// it before or after. Gives how many instances there are. Every timer has to be due when this is asked.
pub fn instances_end(outputs: &Outputs) -> usize {
    let mut lives: BTreeMap<Instance, (Option<i64>, Option<i64>)> = BTreeMap::new();
    for line in &outputs.lines[Stream::Journeys as usize] {
        let life = lives.entry(instance(line)).or_default();
        let end = match line.kind.as_str() {
            "kairos.journey.entered" => &mut life.0,
            "kairos.journey.exited" | "kairos.journey.goal" => &mut life.1,
            _ => continue,
        };
        assert_eq!(*end, None, "twice: {line:?}");
        *end = Some(at(line));
    }
    for (instance, life) in &lives {
        let (Some(from), Some(to)) = life else { panic!("{instance:?}: {life:?}") };
        assert!(from <= to, "{instance:?}: {life:?}");
    }
    for line in &outputs.lines[Stream::Decisions as usize] {
        let Some((Some(from), Some(to))) = lives.get(&instance(line)) else {
            panic!("decided for nobody: {line:?}")
        };
        assert!((*from..=*to).contains(&at(line)), "decided outside {from} to {to}: {line:?}");
    }
    lives.len()
}

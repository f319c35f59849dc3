//! Erasure in live runs: killed, started again and repeated from the log; and as customers and their readers see it.

use crate::engine::Engine;
use crate::erasure::{SILENCE, forgets, stream};
use crate::histories::{cut_short, no_trouble, trouble};
use crate::identity::{FACTS, IDENTITY, line};
use crate::live::{World, chain, same, seen, settle, topics};
use crate::simulator::seeds;
use kairos::broker::model::Model;
use kairos::dataflow::live::{LiveRun, start};
use kairos::decode::Decoder;
use kairos::person::views::Views;
use kairos::sim::rng::Rng;
use kairos::sink::Stream;
use kairos::store::memory::Memory as Kept;
use kairos::time::HOUR;
use kairos::time::clock::{Clock, Manual};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const JOURNEYS: &str = "\
journeys:
  cart:
    enter: { on: Product Added, per: cart_id }
    exit: [ { on: Order Completed, goal: true } ]
    steps:
      - wait: { quiet_for: 1h, of: [Product Added, Product Removed] }
      - send: { channel: email, template: cart }
  keen:
    enter: { entered: keen }
    steps: [ { send: { channel: push, template: keen } }, { wait: 2d }, { send: { channel: push, template: still } } ]
policy:
  caps: [ { max: 2, over: 1d } ]
";

fn world(seed: u64) -> World {
    let mut rng = Rng::new(seed);
    let identity = if seed.is_multiple_of(2) { IDENTITY } else { "" };
    let forgets = if seed.is_multiple_of(3) { forgets(SILENCE) } else { String::new() };
    // Places among all others are answered an epoch later, and live epochs are cut otherwise than those of files.
    let facts: Vec<&str> = FACTS
        .lines()
        .filter(|line| !line.contains("percentile(") && !line.contains("rank("))
        .collect();
    let facts = facts.join("\n");
    let engine = Engine::of(&format!("{identity}{forgets}{facts}\n{JOURNEYS}"));
    let decoder = Decoder::new(&engine.plan.inputs);
    let (mut lines, mut until) = (vec![Vec::new(); 3], 0);
    for step in stream(&mut rng, 60, !identity.is_empty()) {
        let line = line(&step.event);
        let event = decoder.decode(&line, Default::default()).expect("an event");
        until = until.max(event.time);
        lines[(event.hash % 3) as usize].push(line);
    }
    World { engine, lines, until: until + 8 * HOUR, identity }
}

#[test]
fn stopped_anywhere_and_started_again_the_erased_stay_away() {
    for seed in seeds(80_000..80_018) {
        let mut rng = Rng::new(seed);
        let world = world(seed);
        let wanted = world.of_files();
        let model = world.cluster();
        let kept = Kept::default();
        let kept = (!seed.is_multiple_of(4)).then_some(&kept);
        for _ in 0..5 {
            trouble(&model, &mut rng);
            let job = world.job(&model, &world.clock(), 1 + rng.below(2) as usize, kept);
            cut_short(start(job).expect("it starts again"), &mut rng, 12, seed);
        }
        no_trouble(&model);
        let run = start(world.job(&model, &world.clock(), 2, kept)).expect("it starts again");
        settle(&world, run).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
        same(&world, seed, &seen(&model), &wanted);
        chain(&model);
    }
}

const PACK: &str = "\
facts: { orders: { count: Order Completed } }
segments: { buyers: orders > 0 }
journeys:
  thanks: { enter: { on: Order Completed }, steps: [ { wait: 1d }, { send: { channel: email, template: t } } ] }
";

/// One life of an instance, with those who read persons.
struct Life {
    run: LiveRun,
    views: Arc<Views>,
    clock: Arc<Manual>,
}

impl Life {
    fn begin(world: &World, model: &Model, clock: &Arc<Manual>, kept: Option<&Kept>) -> Life {
        let job = world.job(model, clock, 2, kept);
        let views = job.views.clone();
        let run = start(job).expect("it starts");
        let life = Life { run, views, clock: clock.clone() };
        life.wait("it is live", || life.run.is_live());
        life
    }

    fn wait(&self, what: &str, until: impl Fn() -> bool) {
        let begun = Instant::now();
        while !until() {
            assert!(begun.elapsed() < Duration::from_secs(30), "in vain waited for: {what}");
            self.clock.advance(Duration::from_millis(1));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What a reader over HTTP is told, which is 404 for nobody.
    fn is_known(&self, id: &str) -> bool {
        if self.views.get(id).is_some() {
            return true;
        }
        let (send, answer) = channel();
        let tell = Box::new(move |view: Option<_>| send.send(view.is_some()).unwrap_or_default());
        self.views.ask(id, tell).expect("nobody else asks");
        answer.recv_timeout(Duration::from_secs(20)).expect("the worker answers")
    }

    fn kill(self) {
        self.run.control.stop();
        let _ = self.run.join();
    }
}

/// What the compacted topic holds of a key: its last payload, if there is any record of it.
fn last_word(model: &Model, key: &str) -> Option<Option<Vec<u8>>> {
    let records = model.committed(&topics().streams[Stream::Segments as usize]);
    let mut of_key =
        records.into_iter().filter(|it| it.data.key.as_deref() == Some(key.as_bytes()));
    of_key.next_back().map(|record| record.data.payload)
}

#[test]
fn who_is_erased_is_gone_for_everybody_through_a_kill_and_a_replay() {
    for (identity, forgetful) in [("", false), (IDENTITY, false), ("", true), (IDENTITY, true)] {
        let engine = Engine::of(&format!("{identity}{PACK}"));
        let until = 1_772_442_000_000;
        let world = World { engine, lines: vec![vec![]; 3], until, identity: "" };
        let (model, clock, kept) = (world.cluster(), world.clock(), Kept::default());
        let kept = (!forgetful).then_some(&kept);
        let say = |event: &str, at: i64| {
            let line = format!(
                r#"{{"type":"track","event":"{event}","userId":"anna","anonymousId":"a1","timestamp":{at}}}"#
            );
            model.append("events", Some(0), None, None, Some(line.as_bytes()), &[]);
        };
        let is_in = || last_word(&model, "user:anna|buyers").flatten().is_some();
        let life = Life::begin(&world, &model, &clock, kept);
        let bought = clock.wall();
        say("Order Completed", bought);
        life.wait("she is a buyer", is_in);
        assert!(life.is_known("user:anna"));
        let asked = clock.wall();
        say("Person Erased", asked);
        life.wait("a tombstone", || !is_in());
        assert_eq!(last_word(&model, "user:anna|buyers"), Some(None));
        life.wait("nobody is known as she", || !life.is_known("user:anna"));
        assert!(!life.is_known("anonymous:a1"));
        life.kill();
        // Without a store, all of the log is repeated.
        let life = Life::begin(&world, &model, &clock, kept);
        say("Order Completed", bought);
        say("Person Erased", asked);
        say("Tick", until);
        let read = model.committed("events").len() as i64;
        life.wait("it is read", || {
            let places = life.run.in_flight();
            places == 0 && read > 0 && life.run.is_live()
        });
        std::thread::sleep(Duration::from_millis(50));
        assert!(!life.is_known("user:anna") && !is_in(), "the old events are hers no more");
        clock.advance(Duration::from_secs(1));
        say("Order Completed", clock.wall());
        life.wait("she is somebody new", is_in);
        say("Person Erased", asked);
        std::thread::sleep(Duration::from_millis(50));
        assert!(life.is_known("user:anna") && is_in(), "the old request is not about her");
        life.kill();
        chain(&model);
    }
}

//! Why, and why not, of a live instance: what is explained by its log is what it has decided, and it notices nothing of that.

use crate::definitions::apply;
use crate::engine::Engine;
use crate::explain::{RANKS, as_of, explained, logged, told};
use crate::histories::{cut_short, ended, no_trouble, trouble};
use crate::live::{World, chain, settle, topics};
use crate::simulator::seeds;
use kairos::broker::Partition;
use kairos::broker::model::Model;
use kairos::dataflow::live::{ApplyError, LiveJob, start};
use kairos::define::ast::SourceFile;
use kairos::define::compile::Keep;
use kairos::define::definitions::compile_files;
use kairos::epoch::log::Record;
use kairos::epoch::sequencer::Backlog;
use kairos::explain::{Allowance, NoAnswer, Question, explain_live};
use kairos::sim::random::random_pack;
use kairos::sim::rng::Rng;
use kairos::sink::Stream;
use kairos::store::memory::Memory as Kept;
use kairos::time::clock::{Clock, Manual};
use kairos::time::{HOUR, MINUTE, format};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Every decision that readers see, by person.
fn decisions(model: &Model) -> BTreeMap<String, Vec<Value>> {
    let mut decisions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in model.committed(&topics().streams[Stream::Decisions as usize]) {
        let header = |name: &str| {
            let found = record.data.headers.iter().find(|(known, _)| known == name);
            String::from_utf8(found.unwrap().1.clone().unwrap()).unwrap()
        };
        let data: Value = serde_json::from_slice(record.data.payload.as_ref().unwrap()).unwrap();
        let one = json!({"id": header("ce_id"), "time": header("ce_time"), "data": data});
        decisions.entry(header("ce_subject")).or_default().push(one);
    }
    decisions
}

/// How many runs have claimed the log.
fn claims(model: &Model) -> usize {
    let log = model.committed(&topics().log);
    let records = log.iter().map(|it| Record::from_bytes(it.data.payload.as_ref().unwrap()));
    records.filter(|record| matches!(record, Ok(Record::Claim(_)))).count()
}

fn ask(job: LiveJob, person: &str, about: (Option<&str>, Option<i64>)) -> Result<Value, NoAnswer> {
    let (journey, at) = (about.0.map(String::from), about.1);
    let question = Question { person: person.into(), journey, at };
    explain_live(job, &[person.into()], &question, &Allowance::all())?.remove(0)
}

/// A world in which, for some seeds, persons are compared with one another.
fn world(seed: u64, rng: &mut Rng) -> World {
    let mut world = World::of(seed, 120);
    if seed.is_multiple_of(3) {
        let file = |path: &str, text: String| SourceFile { path: path.into(), text: text.into() };
        let own = format!("{}{}", world.identity, random_pack(rng));
        let files = [file("pack.yaml", own), file("ranks.yaml", RANKS.into())];
        let (pack, plan) = compile_files(&files, Keep::All, None).unwrap();
        world.engine = Engine { pack, plan: Arc::new(plan) };
    }
    world
}

/// Random packs and streams, runs that are stopped and started again, definitions that change: all decisions under the identifiers
/// that are the person's in the end, and as of any time those up to then.
#[test]
fn what_is_explained_is_what_a_live_run_has_decided() {
    let (mut seen, mut merged, mut changed, mut feeds_back) = (0, 0, 0, 0);
    for seed in seeds(900..948) {
        let mut rng = Rng::new(seed);
        let mut world = world(seed, &mut rng);
        let compared = world.engine.plan.feeds_back();
        feeds_back += usize::from(compared);
        let model = world.cluster();
        let kept = Kept::default();
        let kept = (rng.below(3) > 0).then_some(&kept);
        let backlog = *rng.pick(&[Backlog::History, Backlog::CatchUp]);
        let workers = 1 + (seed % 2) as usize;
        let job = |world: &World, kept| {
            let job = world.job(&model, &world.clock(), workers, kept);
            LiveJob { backlog, ..job }
        };
        for _ in 0..3 {
            trouble(&model, &mut rng);
            let run = start(job(&world, kept)).expect("it starts");
            if rng.below(2) > 0 {
                std::thread::sleep(Duration::from_millis(rng.below(20)));
                let text = format!("{}{}", world.identity, random_pack(&mut rng));
                match apply(&run, &text) {
                    Ok(()) => {
                        world.engine = Engine::of(&text);
                        changed += 1;
                    }
                    Err(ApplyError::Busy) => {}
                    Err(error) => panic!("SIM_SEEDS={seed}: {error}"),
                }
            }
            cut_short(run, &mut rng, 20, seed);
        }
        no_trouble(&model);
        let run = start(job(&world, kept)).expect("it starts again");
        settle(&world, run).expect("it ends well");
        let log = model.committed(&topics().log).len();
        let decisions = decisions(&model);
        for (at, person) in decisions.keys().enumerate() {
            let ask = |at| ask(job(&world, None), person, (None, at));
            let said = match ask(None) {
                Ok(said) => said,
                Err(NoAnswer::Erased { .. }) => continue,
                Err(error) => panic!("SIM_SEEDS={seed}, {person}: {error}"),
            };
            let identifiers = said["identifiers"].as_array().unwrap();
            merged += usize::from(identifiers.len() > 1);
            let theirs = identifiers.iter().filter_map(|id| decisions.get(id.as_str().unwrap()));
            let wanted: Vec<&Value> = theirs.flatten().collect();
            seen += wanted.len();
            assert_eq!(explained(&said), logged(&wanted), "SIM_SEEDS={seed}, {person}");
            if at % 4 == 0 && !compared && world.identity.is_empty() {
                as_of(&|at| ask(Some(at)), person, &said);
            }
        }
        assert_eq!(model.committed(&topics().log).len(), log, "nothing was written");
    }
    let all = seeds(900..948).count() == 48;
    assert!(!all || (seen > 300 && merged > 5 && changed > 10), "{seen} {merged} {changed}");
    assert!(!all || feeds_back >= 8, "some packs compare persons");
}

const PACK: &str = r#"
facts: { orders: { count: Order Completed } }
journeys:
  thanks:
    enter: { on: Order Completed, where: orders >= 2, again: always }
    steps: [ { wait: 1m }, { send: { channel: email, template: thanks } } ]
"#;

const NOON: i64 = 1_772_452_800_000;

/// A shop to which Anna and Bert come.
struct Shop {
    world: World,
    model: Model,
    clock: Arc<Manual>,
}

impl Shop {
    fn new() -> Shop {
        let engine = Engine::of(PACK);
        let world = World { engine, lines: vec![vec![]; 3], until: NOON, identity: "" };
        let (model, clock) = (world.cluster(), world.clock());
        Shop { world, model, clock }
    }

    fn job(&self) -> LiveJob {
        self.world.job(&self.model, &self.clock, 1, None)
    }

    /// Somebody orders, now.
    fn order(&self, who: &str) {
        self.order_at(who, self.clock.wall());
    }

    /// It is told now that somebody ordered.
    fn order_at(&self, who: &str, at: i64) {
        let at = format(at);
        let line = format!(
            r#"{{"type":"track","event":"Order Completed","userId":"{who}","messageId":"{who}{at}","timestamp":"{at}"}}"#
        );
        self.model.append("events", Some(0), None, None, Some(line.as_bytes()), &[]);
    }

    /// Lets time pass while something has not come about.
    fn wait(&self, what: &str, until: impl Fn() -> bool) {
        let begun = Instant::now();
        while !until() {
            assert!(begun.elapsed() < Duration::from_secs(30), "in vain waited for: {what}");
            self.clock.advance(Duration::from_millis(20));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn why_not(&self, person: &str, at: Option<i64>) -> Result<(String, String), NoAnswer> {
        let said = ask(self.job(), person, (Some("thanks"), at))?;
        let text = |name: &str| said["answer"][name].as_str().unwrap().to_owned();
        Ok((text("reason"), text("says")))
    }
}

#[test]
fn an_instance_that_runs_is_asked_and_goes_on() {
    let shop = Shop::new();
    let nothing = ask(shop.job(), "user:anna", (None, None)).unwrap_err().to_string();
    assert!(nothing.contains("nothing was decided yet"), "{nothing}");
    let run = start(shop.job()).expect("it starts");
    shop.wait("it is live", || run.is_live());
    let decided = |count: usize| {
        let of = |model: &Model| decisions(model).values().map(Vec::len).sum::<usize>();
        shop.wait("it decides", || of(&shop.model) == count && run.in_flight() == 0);
    };
    let first = shop.clock.wall();
    shop.order("anna");
    shop.clock.advance(Duration::from_secs(10));
    let second = shop.clock.wall();
    shop.order("anna");
    decided(1);
    let said = ask(shop.job(), "user:anna", (None, None)).expect("it is explained");
    assert_eq!(told(&said).len(), 1);
    assert_eq!(said["state"]["facts"]["orders"], 2);
    let by = &said["timeline"][0]["by"];
    let at = json!({"topic": "events", "partition": 0, "offset": 0});
    assert_eq!((&by["event"], &by["at"]), (&"Order Completed".into(), &at));
    let (reason, says) = shop.why_not("user:anna", Some(first + 1)).expect("it is explained");
    assert_eq!(reason, "condition");
    assert!(says.contains("orders is 1"), "{says}");
    let (reason, _) = shop.why_not("user:anna", Some(second + MINUTE - 1)).expect("explained");
    assert_eq!(reason, "open");
    let (reason, _) = shop.why_not("user:anna", Some(second + MINUTE)).expect("explained");
    assert_eq!(reason, "sent");
    // Nothing happens for long, and the log says nothing: time has passed all the same.
    shop.clock.advance(Duration::from_millis(HOUR as u64));
    let quiet = shop.clock.wall() - MINUTE;
    let said = ask(shop.job(), "user:anna", (None, Some(quiet))).expect("it is explained");
    assert_eq!((&said["as_of"], told(&said).len()), (&format(quiet).into(), 1));
    let ahead = shop.why_not("user:anna", Some(shop.clock.wall() + 1)).unwrap_err();
    assert!(matches!(ahead, NoAnswer::NotCome { .. }), "{ahead}");
    let nobody = shop.why_not("user:bert", None).unwrap_err();
    assert!(matches!(nobody, NoAnswer::Nobody(_)), "{nobody}");
    let early = shop.why_not("user:anna", Some(first - 1)).unwrap_err();
    assert!(matches!(early, NoAnswer::TooEarly { .. }), "{early}");
    // It has noticed nothing of all that.
    assert_eq!(claims(&shop.model), 2, "both producers of the one run");
    shop.order("anna");
    decided(2);
    run.finish();
    run.join().expect("it ends well");
    chain(&shop.model);
}

/// At the live edge events are taken in ahead of the watermark. What is told later of earlier is late, though its time was to come.
#[test]
fn what_was_taken_in_late_is_not_told_as_of_earlier() {
    let shop = Shop::new();
    let run = start(shop.job()).expect("it starts");
    shop.wait("it is live", || run.is_live());
    shop.order("anna");
    shop.clock.advance(Duration::from_secs(10));
    let second = shop.clock.wall();
    for ago in [0, 2_000] {
        let epochs = shop.model.committed(&topics().log).len();
        shop.order_at("anna", second - ago);
        let is_taken = || shop.model.committed(&topics().log).len() > epochs;
        shop.wait("it is taken in", || is_taken() && run.in_flight() == 0);
    }
    assert!(run.watermark() < second - 2_000, "both were ahead of it");
    run.control.stop();
    ended(run, 0);
    let orders = |at| {
        let said = ask(shop.job(), "user:anna", (None, at)).expect("it is explained");
        said["state"]["facts"]["orders"].clone()
    };
    assert_eq!(
        (orders(Some(second - 1)), orders(Some(second)), orders(None)),
        (1.into(), 3.into(), 3.into())
    );
}

#[test]
fn what_the_topics_have_not_kept_is_said_to_be_missing() {
    let shop = Shop::new();
    let run = start(shop.job()).expect("it starts");
    shop.wait("it is live", || run.is_live());
    for who in ["anna", "anna", "bert"] {
        shop.order(who);
        let end = shop.clock.wall() + 30_000;
        shop.wait("it is taken in", || run.watermark() > end && run.in_flight() == 0);
    }
    run.control.stop();
    ended(run, 0);
    let sent = |said: &Value| told(said).len();
    let whole = ask(shop.job(), "user:anna", (None, None)).expect("it is explained");
    assert_eq!((sent(&whole), &whole["input"]["lacks_before"]), (1, &Value::Null));
    let partition = Partition { topic: "events".into(), number: 0 };
    shop.model.truncate(&partition, 1);
    let part = ask(shop.job(), "user:anna", (None, None)).expect("it is explained");
    assert_eq!(part["state"]["facts"]["orders"], 1);
    let begin = part["input"]["lacks_before"].as_str().expect("it is said").to_owned();
    let begin = kairos::time::parse(&begin).unwrap();
    let early = shop.why_not("user:anna", Some(begin - 1)).unwrap_err();
    assert!(matches!(early, NoAnswer::TooEarly { begin: at, .. } if at == begin), "{early}");
    shop.model.truncate(&partition, 2);
    let gone = shop.why_not("user:anna", None).unwrap_err();
    assert!(matches!(gone, NoAnswer::Nobody(_)), "{gone}");
    assert!(shop.why_not("user:bert", None).is_ok());
    // What is there is after everything that the log knows of.
    shop.order("bert");
    shop.model.truncate(&partition, 4);
    let gone = shop.why_not("user:bert", None).unwrap_err().to_string();
    assert!(gone.contains("events[0] has no offset 0 any more"), "{gone}");
}

#[test]
fn an_answer_is_bounded_and_can_be_given_up() {
    let shop = Shop::new();
    for _ in 0..50 {
        shop.order("anna");
        shop.clock.advance(Duration::from_secs(1));
    }
    let run = start(shop.job()).expect("it starts");
    shop.wait("it is live", || run.is_live() && run.in_flight() == 0);
    run.control.stop();
    ended(run, 0);
    let question = Question { person: "user:anna".into(), journey: None, at: None };
    let persons = [question.person.clone()];
    let ask = |allowance: &Allowance| explain_live(shop.job(), &persons, &question, allowance);
    assert!(ask(&Allowance::all()).is_ok());
    let few = Allowance { notes: 10, ..Allowance::all() };
    let error = ask(&few).expect_err("it is too much").to_string();
    assert!(error.contains("more than 10 notes"), "{error}");
    let given_up = Allowance::all();
    given_up.given_up.store(true, Ordering::Release);
    assert!(ask(&given_up).is_err(), "nobody wants to know");
}

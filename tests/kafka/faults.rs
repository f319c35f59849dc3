//! Faults of a cluster, a network and a process under load: brokers killed in turn, a broker and the program killed together,
//! a cable pulled out, a process that stands still or is succeeded. Whatever is done, the outputs of a backlog are those of the files, and
//! those of live traffic follow from the log and keep every law. STRIKES says how often each is done, SEED when.

use crate::broker::name;
use crate::cluster::{Cluster, Listener};
use crate::end_to_end::finish;
use crate::instance::{Instance, PATIENCE};
use crate::kills::figure;
use crate::laws;
use crate::live::{PACK, disk_is_lost, seen_by_all};
use crate::outputs::{Difference, Outputs};
use crate::shop::{Shop, topic, traffic};
use crate::wire::Wire;
use kairos::sim::rng::Rng;
use kairos::sink::Stream;
use kairos::time::clock::{Clock, System};
use std::ops::Range;
use std::process::Child;
use std::time::Duration;

/// How long a transaction may be open, and a message on its way, where a test is to outlast them.
const TRANSACTION_MS: u64 = 4_000;
const MESSAGE_MS: u64 = 3_000;

/// What is done to the cluster and to the instance, for the how-manieth time.
type Strike<'a> = &'a mut dyn FnMut(&mut Cluster, &mut Instance, u64);

fn random() -> Rng {
    Rng::new(figure("SEED", 1))
}

fn sleep(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Backlogs that are read while something is done again and again.
struct Ordeal<'a> {
    what: &'a str,
    cluster: Cluster,
    /// Makes an instance of a name over a topic.
    instance: &'a dyn Fn(&Cluster, &str, &str) -> Instance,
}

impl<'a> Ordeal<'a> {
    /// With instances like any other.
    fn new(what: &'a str, cluster: Cluster) -> Ordeal<'a> {
        let instance = &|cluster: &Cluster, topic: &str, name: &str| {
            Instance::new(&cluster.servers(), topic, name)
        };
        Ordeal { what, cluster, instance }
    }

    /// Strikes so often, each time when something more has been written, and holds the end of each backlog to the files.
    #[expect(clippy::print_stdout, reason = "what a test counts")]
    fn run(&mut self, strikes: u64, strike: Strike<'_>) {
        let servers = self.cluster.servers();
        let shop = Shop::open(&servers, 20_000);
        let (mut struck, mut starts, mut backlogs, mut decisions) = (0, 0, 0, 0);
        let mut total = Difference::default();
        while struck < strikes {
            let mut instance = (self.instance)(&self.cluster, &shop.topic, &name());
            instance.slow = true;
            instance.start();
            struck += self.backlog(&shop, &mut instance, struck..strikes, strike);
            let outputs = finish(&servers, &shop, &mut instance);
            let found = outputs.until(shop.until);
            decisions += found[Stream::Decisions as usize].len();
            let difference = Difference::between(&found, &shop.expected);
            match difference == Difference::default() {
                true => outputs.hold(),
                false => println!("the instance said last:\n{}", instance.log()),
            }
            total.add(difference);
            backlogs += 1;
            starts += instance.starts;
        }
        println!(
            "{}: {struck} times, {starts} starts, {backlogs} backlogs; {decisions} decisions: {} lost, {} repeated, {} \
             contradicting",
            self.what, total.lost, total.repeated, total.contradicting
        );
        total.none("held to a run over the files");
    }

    /// Strikes in one backlog, until it is over or all is done, and waits for its end. Gives how often it struck.
    fn backlog(
        &mut self,
        shop: &Shop,
        instance: &mut Instance,
        numbers: Range<u64>,
        strike: Strike<'_>,
    ) -> u64 {
        let mut outputs = Outputs::of(&self.cluster.servers(), &instance.name);
        let (mut struck, mut said) = (0, 0);
        for number in numbers {
            let clock = System::new();
            let mut over = false;
            while outputs.look() <= said && !over {
                instance.keep_up();
                over = outputs.has(&shop.expected, shop.until);
                assert!(clock.now() < PATIENCE, "nothing comes:\n{}", instance.log());
            }
            if over || outputs.has(&shop.expected, shop.until) {
                assert!(struck > 0, "it is over too soon");
                break;
            }
            strike(&mut self.cluster, instance, number);
            struck += 1;
            said = outputs.look();
        }
        outputs.wait_for(&shop.expected, shop.until, || instance.keep_up());
        struck
    }
}

/// Three brokers, one of which at a time is killed and started again: while a backlog is read, and while customers are at it.
#[test]
fn each_of_three_brokers_is_killed_in_turn() {
    let mut rng = random();
    let mut ordeal = Ordeal::new("one of three brokers killed", Cluster::start(3));
    let mut strike = |cluster: &mut Cluster, instance: &mut Instance, number: u64| {
        let node = number as usize % cluster.len();
        cluster.kill(node);
        sleep(rng.between(200, 3_000) as u64);
        instance.runs();
        cluster.restart(node);
    };
    // One more would need one more backlog; under live traffic it is each of them.
    ordeal.run(figure("STRIKES", 1), &mut strike);
    let what = "one of three brokers killed under live traffic";
    live(what, &mut ordeal.cluster, figure("STRIKES", 3), &mut strike);
}

/// The only broker and the program are killed at once and started again, in any order.
#[test]
fn a_broker_and_the_program_are_killed_together() {
    let mut rng = random();
    let mut ordeal = Ordeal::new("broker and program killed together", Cluster::start(1));
    ordeal.run(figure("STRIKES", 2), &mut |cluster, instance, _| {
        let program_first = rng.below(2) == 0;
        if program_first {
            instance.kill();
        }
        cluster.kill(0);
        if !program_first {
            instance.kill();
        }
        sleep(rng.below(1_000));
        // Whoever starts it does not know whether the broker is up.
        if rng.below(2) == 0 {
            instance.start();
        }
        cluster.restart(0);
        if !instance.is_up() {
            instance.start();
        }
    });
}

/// An instance whose transactions may not be open for long.
fn impatient(servers: &str, topic: &str, name: &str) -> Instance {
    let mut instance = Instance::new(servers, topic, name);
    instance.properties = vec![
        ("transaction.timeout.ms", TRANSACTION_MS.to_string()),
        ("message.timeout.ms", MESSAGE_MS.to_string()),
    ];
    instance
}

/// The cable between the program and the broker is pulled out: for a moment, and for longer than a transaction may be open.
#[test]
fn the_cable_is_pulled_out() {
    let Some(wire) = Wire::lay() else { return };
    let (name, protocol) = ("FAR", "PLAINTEXT");
    let far = Listener { name, host: wire.host.clone(), protocol, settings: String::new() };
    let mut rng = random();
    let instance = |cluster: &Cluster, topic: &str, name: &str| {
        let mut instance = impatient(&cluster.other_servers(), topic, name);
        instance.namespace = Some(wire.namespace.clone());
        instance
    };
    let cluster = Cluster::with(1, Some(&far));
    let mut ordeal = Ordeal { what: "cable pulled out", cluster, instance: &instance };
    ordeal.run(figure("STRIKES", 2), &mut |_, instance, number| {
        wire.pull();
        match number % 2 {
            0 => sleep(rng.between(100, 2_000) as u64),
            _ => sleep(TRANSACTION_MS + rng.between(1_000, 4_000) as u64),
        }
        instance.runs();
        wire.plug();
    });
}

/// The program stands still for so long that the coordinator gives its transaction up, and nobody has succeeded it: it goes on.
#[test]
fn the_program_stands_still_longer_than_a_transaction_may_be_open() {
    let mut rng = random();
    let instance =
        |cluster: &Cluster, topic: &str, name: &str| impatient(&cluster.servers(), topic, name);
    let cluster = Cluster::start(1);
    let mut ordeal = Ordeal { what: "program stood still", cluster, instance: &instance };
    let mut given_up = 0;
    ordeal.run(figure("STRIKES", 2), &mut |_, instance, _| {
        let failed = |instance: &Instance| instance.log().matches("looking at the log").count();
        let before = failed(instance);
        // Between two transactions nothing is given up.
        for _ in 0..3 {
            instance.signal("STOP");
            sleep(TRANSACTION_MS + rng.between(1_000, 2_000) as u64);
            instance.signal("CONT");
            sleep(500);
            if failed(instance) > before {
                given_up += 1;
                break;
            }
        }
    });
    assert!(given_up > 0, "it stood still only where no transaction was open");
}

/// Another instance of the same name is started on another machine while this one runs, again and again: each time the one
/// that was there finds that out, says so and ends.
#[test]
fn the_program_is_succeeded_while_it_runs() {
    let mut rng = random();
    let mut ordeal = Ordeal::new("succeeded while it ran", Cluster::start(1));
    ordeal.run(figure("STRIKES", 3), &mut |cluster, instance, _| {
        // Of two that begin at the same time either may be the one that stays.
        instance.wait_for("begun: ");
        let mut next = Instance::new(&cluster.servers(), &instance.topic, &instance.name);
        (next.slow, next.starts) = (true, instance.starts);
        next.start();
        let (status, _) = instance.end();
        let log = instance.log();
        assert_eq!(status.code(), Some(3), "{log}");
        assert!(log.contains("another instance with the same name has taken over"), "{log}");
        *instance = next;
        sleep(rng.below(1_000));
    });
}

/// Whoever looks at something gets a message, and whoever has put something into the cart and then does nothing; nobody more
/// than two.
fn capped() -> String {
    format!("{PACK}policy:\n  caps:\n    - {{ max: 2, over: 1h, on_limit: drop }}\n")
}
const CAP: usize = 2;
const CAP_OVER: i64 = 3_600_000;

/// Strikes so often while traffic flows: nobody is forgotten, every law holds, and the log alone gives the same again.
#[expect(clippy::print_stdout, reason = "what a test counts")]
fn live(what: &str, cluster: &mut Cluster, strikes: u64, strike: Strike<'_>) {
    let servers = cluster.servers();
    let topic = topic(&servers);
    let mut instance = Instance::new(&servers, &topic, &name());
    (instance.slack_ms, instance.step_ms) = (500, 1_000);
    instance.write_pack(&capped());
    instance.start();
    instance.wait_for("caught up");
    let mut traffic = Traffic::of(&servers, &topic);
    for number in 0..strikes {
        sleep(1_500);
        strike(cluster, &mut instance, number);
        assert!(traffic.flows(), "traffic flows all the time");
    }
    sleep(1_000);
    drop(traffic);
    let outputs = seen_by_all(&servers, &topic, &mut instance);
    outputs.hold();
    let sends = laws::cap_holds(&outputs, CAP, CAP_OVER);
    let instances = laws::instances_end(&outputs);
    disk_is_lost(&servers, &mut instance, &outputs);
    println!(
        "{what}: {strikes} times; {instances} instances of journeys, {sends} sends: every law holds"
    );
}

/// Customers who are at it until they are told to stop.
struct Traffic(Child);

impl Traffic {
    fn of(servers: &str, topic: &str) -> Traffic {
        let child = traffic(servers, topic, 500, 10_000_000, 2000);
        Traffic(child)
    }

    fn flows(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The program killed, frozen and shut out over a real cluster: nothing is lost, repeated or contradicted.

use crate::broker::name;
use crate::cluster::Cluster;
use crate::end_to_end::{finish, settle, shop};
use crate::instance::{Instance, PATIENCE};
use crate::outputs::{Difference, Outputs};
use crate::shop::Shop;
use kairos::sim::rng::Rng;
use kairos::sink::Stream;
use kairos::time::clock::{Clock, System};
use std::time::Duration;

/// A figure from the environment, for the script `soak`.
#[expect(clippy::disallowed_methods, reason = "a test has no arguments of its own")]
pub fn figure(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Killed with `kill -9` at random moments and started again until KILLS kills: at the end of each backlog the outputs are
/// held to those of an undisturbed run over the same topic and to those of the files.
#[test]
fn killed_at_random_moments() {
    let (kills, seed) = (figure("KILLS", 6), figure("SEED", 1));
    let (servers, shop) = (Cluster::shared().servers(), shop());
    let mut rng = Rng::new(seed);
    let clock = System::new();
    let mut undisturbed = Instance::new(&servers, &shop.topic, &name());
    undisturbed.slow = true;
    undisturbed.start();
    let plain = settle(&servers, shop, &mut undisturbed).until(shop.until);
    let took = i64::try_from(clock.now().as_millis()).unwrap();

    let (mut killed, mut starts, mut resumed, mut replayed, mut backlogs) = (0, 0, 0, 0, 0);
    let (mut decisions, mut total) = (0, Difference::default());
    while killed < kills {
        backlogs += 1;
        let mut instance = Instance::new(&servers, &shop.topic, &name());
        instance.slow = true;
        let outputs = loop {
            instance.workers = 1 + rng.below(2) as usize;
            starts += 1;
            instance.start();
            if killed == kills {
                break finish(&servers, shop, &mut instance);
            }
            // Short lives and long ones: a checkpoint or more in some, none in others.
            let life = rng.between(took / 20, took * 2 / 3);
            std::thread::sleep(Duration::from_millis(life as u64));
            instance.runs();
            instance.kill();
            killed += 1;
            resumed += u32::from(instance.log().contains("checkpoint="));
            replayed += u32::from(instance.log().contains("has been repeated"));
            // Nothing is compared before the last transaction of who was killed is out of the way.
            if rng.below(3) == 0 {
                starts += 1;
                instance.start();
                break finish(&servers, shop, &mut instance);
            }
        };
        let found = outputs.until(shop.until);
        decisions += found[Stream::Decisions as usize].len();
        let difference = Difference::between(&found, &plain);
        if difference == Difference::default() {
            outputs.hold();
        }
        total.add(difference);
    }
    println!(
        "seed {seed}: {killed} kills, {starts} starts ({resumed} from a checkpoint, {replayed} repeated the log), {backlogs} \
         backlogs; {decisions} decisions: {} lost, {} repeated, {} contradicting",
        total.lost, total.repeated, total.contradicting
    );
    total.none("held to an undisturbed run");
    assert!(killed >= kills);
}

/// The broker is killed with `kill -9` and started again while a backlog is read: it goes on by itself.
#[test]
fn the_broker_is_killed() {
    let mut cluster = Cluster::start(1);
    let servers = cluster.servers();
    let shop = Shop::open(&servers, 20_000);
    let mut instance = Instance::new(&servers, &shop.topic, &name());
    instance.slow = true;
    instance.start();
    let mut outputs = Outputs::of(&servers, &instance.name);
    let mut before = 0;
    for _ in 0..2 {
        let clock = System::new();
        while outputs.look() <= before {
            instance.runs();
            assert!(clock.now() < PATIENCE, "nothing comes:\n{}", instance.log());
        }
        cluster.kill(0);
        assert!(!outputs.has(&shop.expected, shop.until), "it is over too soon");
        std::thread::sleep(Duration::from_millis(500));
        instance.runs();
        cluster.restart(0);
        before = outputs.look();
    }
    settle(&servers, &shop, &mut instance);
    let log = instance.log();
    assert!(log.contains("the broker does not answer") && log.contains("answers again"), "{log}");
}

/// A process that was frozen comes back after its successor has begun: it finds that out, says so and ends, and has said
/// nothing more.
#[test]
fn who_comes_back_from_the_cold_has_been_succeeded() {
    let (servers, shop) = (Cluster::shared().servers(), shop());
    let mut first = Instance::new(&servers, &shop.topic, &name());
    first.slow = true;
    first.start();
    let mut outputs = Outputs::of(&servers, &first.name);
    while outputs.look() == 0 {
        first.runs();
    }
    first.signal("STOP");
    assert!(!outputs.has(&shop.expected, shop.until), "it is over too soon");
    // On another machine, with another disk.
    let mut second = Instance::new(&servers, &shop.topic, &first.name);
    second.start();
    second.wait_for("has been repeated, the same");
    first.signal("CONT");
    let (status, _) = first.end();
    let log = first.log();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("another instance with the same name has taken over"), "{log}");
    settle(&servers, shop, &mut second);
}

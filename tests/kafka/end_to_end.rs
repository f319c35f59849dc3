//! The program over a real cluster, undisturbed: what is in the topic becomes what a run over files says, and others can
//! read it.

use crate::broker::name;
use crate::cluster::Cluster;
use crate::instance::Instance;
use crate::outputs::{Difference, Outputs};
use crate::shop::Shop;
use kairos::sink::Stream;
use std::sync::OnceLock;
use std::time::Duration;

/// The backlog that the tests on the shared cluster read, each under a name of its own.
pub fn shop() -> &'static Shop {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    SHOP.get_or_init(|| Shop::open(&Cluster::shared().servers(), 30_000))
}

/// Waits until everything expected is there, ends the instance well, and gives what it has written.
pub fn finish(servers: &str, shop: &Shop, instance: &mut Instance) -> Outputs {
    let mut outputs = Outputs::of(servers, &instance.name);
    outputs.wait_for(&shop.expected, shop.until, || instance.runs());
    // What would be said again is said now.
    std::thread::sleep(Duration::from_millis(300));
    instance.terminate();
    Outputs::all(servers, &instance.name)
}

/// The same, held to a run over files.
pub fn settle(servers: &str, shop: &Shop, instance: &mut Instance) -> Outputs {
    let outputs = finish(servers, shop, instance);
    Difference::between(&outputs.until(shop.until), &shop.expected).none(&instance.log());
    outputs.hold();
    outputs
}

#[test]
fn a_backlog_gives_what_the_files_give_and_apaches_consumer_reads_it() {
    let (cluster, shop) = (Cluster::shared(), shop());
    let servers = cluster.servers();
    for workers in [1, 2] {
        let mut instance = Instance::new(&servers, &shop.topic, &name());
        instance.workers = workers;
        instance.start();
        let outputs = settle(&servers, shop, &mut instance);
        if workers == 1 {
            let found = cluster.console_consumer(&format!("{}.triggers", instance.name));
            assert_eq!(found.len(), outputs.lines[Stream::Triggers as usize].len());
        }
    }
}

#[test]
fn ending_is_quick_and_a_restart_goes_on_from_the_checkpoint() {
    let (servers, shop) = (Cluster::shared().servers(), shop());
    let mut instance = Instance::new(&servers, &shop.topic, &name());
    // Slow enough to be stopped in the midst of the backlog.
    instance.slow = true;
    let mut said = 0;
    for round in 0..3 {
        instance.start();
        let mut outputs = Outputs::of(&servers, &instance.name);
        while outputs.look() <= said {
            instance.runs();
        }
        // The last round may come to the end before that is seen here.
        let is_over = outputs.has(&shop.expected, shop.until);
        assert!(!is_over || round == 2, "it is over too soon, in round {round}");
        instance.terminate();
        let log = instance.log();
        assert_eq!(log.contains("checkpoint="), round > 0, "{log}");
        assert!(!log.contains("has been repeated"), "nothing is left to repeat:\n{log}");
        let outputs = Outputs::all(&servers, &instance.name);
        outputs.hold();
        said = outputs.lines.iter().map(Vec::len).sum();
    }
    instance.slow = false;
    instance.start();
    settle(&servers, shop, &mut instance);

    // While it repeats the log there is nothing to make safe, and ending is as good as ever.
    std::fs::remove_dir_all(&instance.state).unwrap();
    instance.start();
    instance.wait_for("starting");
    instance.terminate();
    instance.start();
    settle(&servers, shop, &mut instance);
}

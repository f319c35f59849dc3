//! The program while customers are at it, killed on the way, and with a disk that fills up.

use crate::broker::name;
use crate::cluster::Cluster;
use crate::end_to_end::{settle, shop};
use crate::instance::{Instance, PATIENCE};
use crate::outputs::{Outputs, records};
use crate::shop::{topic, traffic};
use kairos::sink::Stream;
use kairos::time::clock::{Clock, System};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Whoever looks at something gets a message at once and once, and a second after each last addition to a cart one more.
pub const PACK: &str = "\
journeys:
  seen:
    enter: { on: Product Viewed, again: never }
    steps:
      - send: { channel: push, template: seen }
  cart:
    enter: { on: Product Added, again: after exit }
    exit: [ { on: Order Completed, goal: true } ]
    steps:
      - wait: { quiet_for: 1s, of: [Product Added] }
      - send: { channel: email, template: cart }
";

pub const SEEN: &str = "\"template\":\"seen\"";

/// Killed twice while traffic flows: nobody is forgotten, nothing is said twice. And when the disk is lost, the log alone
/// brings everything back, the same, and nothing is written again.
#[test]
fn killed_while_customers_are_at_it_and_then_the_disk_is_lost() {
    let servers = Cluster::shared().servers();
    let topic = topic(&servers);
    let mut instance = Instance::new(&servers, &topic, &name());
    (instance.slack_ms, instance.step_ms) = (500, 1_000);
    instance.write_pack(PACK);
    instance.start();
    instance.wait_for("caught up");
    let mut traffic = traffic(&servers, &topic, 500, 5_000, 400);
    for life in [2_700, 3_600] {
        std::thread::sleep(Duration::from_millis(life));
        instance.runs();
        instance.kill();
        instance.start();
    }
    assert!(traffic.try_wait().unwrap().is_none(), "traffic flowed all the time");
    assert!(traffic.wait().unwrap().success());

    let outputs = seen_by_all(&servers, &topic, &mut instance);
    outputs.hold();
    assert_eq!(
        outputs.lines[Stream::Decisions as usize].len(),
        outputs.lines[Stream::Triggers as usize].len()
    );
    let carts = subjects(&outputs, "\"template\":\"cart\"");
    assert!(carts.len() > 10, "{} carts", carts.len());
    disk_is_lost(&servers, &mut instance, &outputs);
}

/// Waits until everybody who looked at something has been decided for and the last carts are quiet, ends the instance well,
/// and gives what it has written.
pub fn seen_by_all(servers: &str, topic: &str, instance: &mut Instance) -> Outputs {
    let viewers = viewers(servers, topic);
    assert!(viewers.len() > 50, "{} viewers", viewers.len());
    let mut outputs = Outputs::of(servers, &instance.name);
    let clock = System::new();
    while subjects(&outputs, SEEN) != viewers && clock.now() < PATIENCE {
        instance.runs();
        outputs.look();
    }
    std::thread::sleep(Duration::from_secs(3));
    instance.terminate();
    let outputs = Outputs::all(servers, &instance.name);
    assert_eq!(subjects(&outputs, SEEN), viewers, "{}", instance.log());
    outputs
}

/// Loses the disk of an instance that has ended: the log alone brings everything back, the same, and nothing is written again.
pub fn disk_is_lost(servers: &str, instance: &mut Instance, outputs: &Outputs) {
    fs::remove_dir_all(&instance.state).unwrap();
    instance.start();
    instance.wait_for("has been repeated, the same");
    instance.wait_for("caught up");
    assert!(!instance.log().contains("checkpoint="), "{}", instance.log());
    instance.terminate();
    let again = Outputs::all(servers, &instance.name);
    again.hold();
    assert_eq!(again.lines, outputs.lines);
}

/// Who looked at something.
fn viewers(servers: &str, topic: &str) -> BTreeSet<String> {
    let mut viewers = BTreeSet::new();
    for record in records(servers, topic) {
        let event: Value = serde_json::from_slice(&record).unwrap();
        if event["event"] == "Product Viewed" {
            viewers.insert(match event["userId"].as_str() {
                Some(id) => format!("user:{id}"),
                None => format!("anonymous:{}", event["anonymousId"].as_str().unwrap()),
            });
        }
    }
    viewers
}

/// For whom a decision that says this was made.
pub fn subjects(outputs: &Outputs, text: &str) -> BTreeSet<String> {
    let decisions = &outputs.lines[Stream::Decisions as usize];
    let found = decisions.iter().filter(|line| line.data.contains(text));
    found.map(|line| line.subject.clone()).collect()
}

/// A disk without room, where the machine allows to make one; a file where the folder should be, where not.
struct Disk {
    folder: TempDir,
    mounted: bool,
}

impl Disk {
    fn small() -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir(&state).unwrap();
        let mounted = mount("size=256k", &state);
        if !mounted {
            fs::remove_dir(&state).unwrap();
            fs::write(&state, "not a folder").unwrap();
        }
        Disk { folder, mounted }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn make_room(&self) {
        let state = self.state();
        if self.mounted {
            assert!(mount("remount,size=256m", &state));
        } else {
            fs::remove_file(&state).unwrap();
        }
    }
}

fn mount(options: &str, at: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).stderr(Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg(self.state()).status();
        }
    }
}

/// It ends with an error that says what is the matter, and with room it goes on: nothing is lost.
#[test]
fn a_disk_without_room() {
    let (servers, shop) = (Cluster::shared().servers(), shop());
    let disk = Disk::small();
    let mut instance = Instance::new(&servers, &shop.topic, &name());
    instance.state = disk.state();
    instance.start();
    let (status, _) = instance.end();
    let log = instance.log();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("error: ") && log.contains(disk.state().to_str().unwrap()), "{log}");
    if disk.mounted {
        assert!(log.to_lowercase().contains("no space left"), "{log}");
    }
    disk.make_room();
    instance.start();
    instance.wait_for("has been repeated, the same");
    settle(&servers, shop, &mut instance);
}

//! Definitions that change while customers are at it: applied, by the folder, with mistakes, and over a kill.

use crate::broker::name;
use crate::cluster::Cluster;
use crate::instance::{Instance, KAIROS};
use crate::live::{PACK, SEEN, disk_is_lost, seen_by_all, subjects};
use crate::outputs::Outputs;
use crate::shop::{topic, traffic};
use kairos::sink::Stream;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// The pack whose messages say which version sent them.
fn tagged(version: &str) -> String {
    PACK.replace("template: seen", &format!("template: seen, tags: [{version}]"))
}

fn apply(pack: &Path, address: &str) -> Output {
    Command::new(KAIROS).arg("apply").arg(pack).args(["--to", address]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn definitions_change_while_customers_are_at_it() {
    let servers = Cluster::shared().servers();
    let topic = topic(&servers);
    let mut instance = Instance::new(&servers, &topic, &name());
    (instance.slack_ms, instance.step_ms) = (500, 1_000);
    instance.http = "127.0.0.1:0".into();
    let folder = instance.write_pack(&tagged("first"));
    instance.start();
    instance.wait_for("caught up");
    let mut traffic = traffic(&servers, &topic, 300, 6_000, 600);
    let mut outputs = Outputs::of(&servers, &instance.name);
    while subjects(&outputs, SEEN).len() < 20 {
        instance.runs();
        outputs.look();
    }

    // Another pack, sent over HTTP: in effect when the command comes back.
    let elsewhere = instance.folder().join("elsewhere.yaml");
    fs::write(&elsewhere, tagged("second")).unwrap();
    let applied = apply(&elsewhere, &instance.address());
    let said = text(&applied.stdout);
    assert!(applied.status.success(), "{said}{}", text(&applied.stderr));
    assert!(said.starts_with("in effect\n") && said.contains("journey  seen"), "{said}");
    // One with a mistake changes nothing; it is refused here, and by the instance, if it is put into the folder.
    let wrong = tagged("third").replace("again: never", "again: nevr");
    fs::write(&elsewhere, &wrong).unwrap();
    let applied = apply(&elsewhere, &instance.address());
    assert_eq!(applied.status.code(), Some(1));
    assert!(text(&applied.stderr).contains("elsewhere.yaml:3:"), "{}", text(&applied.stderr));
    fs::write(&folder, &wrong).unwrap();
    instance.wait_for("the changed pack does not take effect");
    assert!(instance.log().contains("live.yaml:3:"), "{}", instance.log());
    instance.runs();

    // What was applied stays, over a kill, and though the folder has a mistake.
    instance.kill();
    instance.start();
    instance.wait_for("the run goes on by the definitions of its log");
    instance.wait_for("caught up");
    std::thread::sleep(Duration::from_secs(2));
    fs::write(&folder, tagged("third")).unwrap();
    instance.wait_for("version=2");
    assert!(traffic.try_wait().unwrap().is_none(), "traffic flowed all the time");
    assert!(traffic.wait().unwrap().success());

    let outputs = seen_by_all(&servers, &topic, &mut instance);
    outputs.hold();
    let sent = |version: &str| {
        let tag = format!("\"tags\":[\"{version}\"]");
        outputs.lines[Stream::Triggers as usize].iter().filter(|it| it.data.contains(&tag)).count()
    };
    let sent = ["first", "second", "third"].map(sent);
    println!("seen by version: {sent:?}");
    assert!(sent.iter().all(|sent| *sent > 0), "{sent:?}");
    disk_is_lost(&servers, &mut instance, &outputs);
}

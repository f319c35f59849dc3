//! A cable between two network namespaces, which can be pulled out: the test's own, with the brokers, at the near end, and
//! one of its own at the far end. Taken away with the process of the tests, however that ends.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// What must be set where a machine does not allow namespaces, so that the tests that need them pass without having run.
const WITHOUT: &str = "KAIROS_NO_NETNS";

/// The cable.
pub struct Wire {
    /// Of the namespace at the far end.
    pub namespace: String,
    /// The address of the near end.
    pub host: String,
    /// The interface at the near end.
    link: String,
    keeper: Child,
}

impl Wire {
    /// Lays it. `None`, told loudly, where the machine does not allow it and whoever runs the tests knows that.
    pub fn lay() -> Option<Wire> {
        let number = std::process::id() % (1 << 16);
        let host = |end| format!("10.{}.{}.{}", 64 + (number >> 14), (number >> 6) & 255, end);
        let (near, far) = (host((number & 63) * 4 + 1), host((number & 63) * 4 + 2));
        let (namespace, link) = (format!("kairos-{number}"), format!("kairos-{number}"));
        let other = format!("far-{number}");
        // A shell that outlives us by a moment; with the namespace both ends go.
        let keeper = Command::new("sh")
            .args(["-c", "read -r _; ip netns del \"$1\"; ip link del \"$2\"", "keeper"])
            .args([&namespace, &link])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell runs");
        let wire = Wire { namespace: namespace.clone(), host: near.clone(), link, keeper };
        let steps = [
            format!("netns add {namespace}"),
            format!("link add {} type veth peer name {other} netns {namespace}", wire.link),
            format!("addr add {near}/30 dev {}", wire.link),
            format!("link set {} up", wire.link),
            format!("-n {namespace} addr add {far}/30 dev {other}"),
            format!("-n {namespace} link set {other} up"),
            format!("-n {namespace} link set lo up"),
        ];
        match steps.iter().try_for_each(|step| ip(step)) {
            Ok(()) => Some(wire),
            Err(why) => {
                did_not_run(&why);
                None
            }
        }
    }

    /// Pulls it out: what is sent from now on gets lost, at both ends, and nobody is told.
    pub fn pull(&self) {
        ip(&format!("link set {} down", self.link)).unwrap();
    }

    /// Puts it in again.
    pub fn plug(&self) {
        ip(&format!("link set {} up", self.link)).unwrap();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A program in a namespace.
pub fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip {arguments}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("ip {arguments}: {said}"))
}

/// Says, past what the harness of tests keeps to itself, that a test did not run; fails unless that is known.
#[expect(clippy::disallowed_methods, reason = "a test has no arguments of its own")]
#[expect(clippy::explicit_write, reason = "the harness keeps what is printed to itself")]
fn did_not_run(why: &str) {
    let known = std::env::var(WITHOUT).is_ok_and(|value| value == "1");
    let text = format!(
        "THE NETWORK WAS NOT CUT: this test needs network namespaces, which root and the package iproute2 give ({}). Where \
         there are none, set {WITHOUT}=1.",
        why.trim()
    );
    assert!(known, "{text}");
    writeln!(std::io::stderr(), "\n{text}\n").unwrap();
}

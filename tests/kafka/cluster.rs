//! An Apache Kafka for tests: fetched once with Maven as `pom.xml` pins it, started in KRaft mode on free ports of the
//! loopback with a temporary folder, and ended with the process of the tests, however that ends. What is missing on the
//! machine (a Java runtime, Maven, the network) fails the test that asks first, with what to do.

use kairos::broker::kafka::Kafka;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// How often, every 100 ms, a cluster is asked whether it is up.
const PATIENCE: usize = 900;

/// Written by the JVM: warnings and what is worse, to its log.
const LOGGING: &str = "\
appenders = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} %p %c: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
";

/// Another way to a broker, beside that over the loopback.
pub struct Listener {
    /// In capitals.
    pub name: &'static str,
    /// The address it listens on.
    pub host: String,
    /// `PLAINTEXT`, `SASL_PLAINTEXT`, …
    pub protocol: &'static str,
    /// More of the broker's settings.
    pub settings: String,
}

/// Brokers that belong together.
pub struct Cluster {
    nodes: Vec<Node>,
    jars: PathBuf,
    keeper: Keeper,
    folder: TempDir,
}

struct Node {
    folder: PathBuf,
    port: u16,
    /// Of the listener that is there beside.
    other: Option<String>,
    process: Option<Child>,
}

/// A shell that outlives us by a moment: when we are gone, it ends the brokers that it was told of, and removes the folder.
struct Keeper {
    process: Child,
    tell: Option<ChildStdin>,
}

impl Cluster {
    /// The cluster of one broker that all tests of this binary share.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Cluster::start(1))
    }

    /// Starts so many brokers, each of them controller too, and waits until they are up.
    pub fn start(brokers: usize) -> Cluster {
        Cluster::with(brokers, None)
    }

    /// The same, with one more listener.
    pub fn with(brokers: usize, listener: Option<&Listener>) -> Cluster {
        let jars = jars();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log4j2.properties"), LOGGING).unwrap();
        // Held until all are known, so that none is given twice.
        let held: Vec<[TcpListener; 2]> = (0..brokers)
            .map(|_| [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()))
            .collect();
        let ports: Vec<[u16; 2]> = held
            .iter()
            .map(|pair| pair.each_ref().map(|held| held.local_addr().unwrap().port()))
            .collect();
        drop(held);
        let mut nodes = Vec::new();
        for (at, [port, _]) in ports.iter().enumerate() {
            let folder = folder.path().join(format!("{}", at + 1));
            fs::create_dir(&folder).unwrap();
            let other = listener.map(|listener| format!("{}:{}", listener.host, free(listener)));
            let listeners = listener.zip(other.as_deref());
            let text = settings(&folder, at, &ports, listeners);
            fs::write(folder.join("server.properties"), text).unwrap();
            nodes.push(Node { folder, port: *port, other, process: None });
        }
        let keeper = Keeper::start(folder.path());
        let mut cluster = Cluster { nodes, jars, keeper, folder };
        cluster.format();
        for node in 0..brokers {
            cluster.launch(node);
        }
        cluster.wait_until_up();
        cluster
    }

    /// `bootstrap.servers`.
    pub fn servers(&self) -> String {
        let servers: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        servers.join(",")
    }

    /// `bootstrap.servers` by the other listener.
    pub fn other_servers(&self) -> String {
        let servers = self.nodes.iter().map(|node| node.other.as_deref().expect("there is one"));
        servers.collect::<Vec<_>>().join(",")
    }

    /// The port to it.
    pub fn kafka(&self) -> Kafka {
        Kafka::new(&[("bootstrap.servers".into(), self.servers())]).unwrap()
    }

    /// `kill -9`.
    pub fn kill(&mut self, node: usize) {
        let mut process = self.nodes[node].process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
        self.tell_keeper();
    }

    /// Starts a broker that was killed, on its folder and port, and waits until it is up.
    pub fn restart(&mut self, node: usize) {
        self.launch(node);
        self.wait_until_up();
    }

    /// How many brokers there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Stops a broker where it stands: its connections stay open, nothing is answered.
    pub fn freeze(&self, node: usize) {
        self.signal(node, "STOP");
        // The signal is sent, not yet heard by every thread: one that runs may still answer.
        let process = self.nodes[node].process.as_ref().expect("it runs");
        let tasks = format!("/proc/{}/task", process.id());
        let stands = |task: std::io::Result<fs::DirEntry>| {
            let stat = fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        while !fs::read_dir(&tasks).unwrap().all(stands) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets a stopped broker go on.
    pub fn thaw(&self, node: usize) {
        self.signal(node, "CONT");
    }

    fn signal(&self, node: usize, signal: &str) {
        let process = self.nodes[node].process.as_ref().expect("it runs");
        let command = format!("kill -{signal} {}", process.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// Java with the brokers' classes.
    fn java(&self, options: &[&str]) -> Command {
        let mut java = Command::new("java");
        let logging = self.folder.path().join("log4j2.properties");
        java.args(options)
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .arg("-cp")
            .arg(self.jars.join("*"))
            .stdin(Stdio::null());
        java
    }

    /// The committed records of a topic, as Apache's own console consumer prints them.
    pub fn console_consumer(&self, topic: &str) -> Vec<String> {
        let output = self
            .java(&["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .arg("org.apache.kafka.tools.consumer.ConsoleConsumer")
            .args(["--bootstrap-server", &self.servers(), "--topic", topic, "--from-beginning"])
            .args(["--isolation-level", "read_committed", "--timeout-ms", "10000"])
            .output()
            .expect("java runs");
        // It also says there what it has to say itself.
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect()
    }

    /// Makes the brokers' folders theirs.
    fn format(&self) {
        for node in &self.nodes {
            let output = self
                .java(&["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
                .args([
                    "kafka.tools.StorageTool",
                    "format",
                    "--cluster-id",
                    "a2Fpcm9zLXRlc3RzLWthZg",
                ])
                .arg("--config")
                .arg(node.folder.join("server.properties"))
                .output()
                .expect("java runs");
            assert!(
                output.status.success(),
                "a broker's folder could not be made:\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }

    fn launch(&mut self, node: usize) {
        assert!(self.nodes[node].process.is_none(), "it runs already");
        let log = self.nodes[node].folder.join("log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let process = self
            .java(&["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC"])
            .arg("kafka.Kafka")
            .arg(self.nodes[node].folder.join("server.properties"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("java runs");
        self.nodes[node].process = Some(process);
        self.tell_keeper();
    }

    fn tell_keeper(&mut self) {
        let mut line = String::new();
        for process in self.nodes.iter().filter_map(|node| node.process.as_ref()) {
            write!(line, "{} ", process.id()).unwrap();
        }
        let tell = self.keeper.tell.as_mut().expect("it is there until we are gone");
        writeln!(tell, "{line}").unwrap();
        tell.flush().unwrap();
    }

    /// Waits until every running broker is known to every other, and topics can have their replicas.
    fn wait_until_up(&mut self) {
        let running = self.nodes.iter().filter(|node| node.process.is_some()).count();
        for node in 0..self.nodes.len() {
            if self.nodes[node].process.is_some() {
                self.wait_for(node, running);
            }
        }
    }

    fn wait_for(&mut self, node: usize, brokers: usize) {
        let server = format!("127.0.0.1:{}", self.nodes[node].port);
        let asker: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", server)
            .set("reconnect.backoff.max.ms", "100")
            .create()
            .unwrap();
        for _ in 0..PATIENCE {
            let found = asker.fetch_metadata(None, Duration::from_millis(500));
            if found.is_ok_and(|found| found.brokers().len() == brokers) {
                return;
            }
            let process = self.nodes[node].process.as_mut().expect("it runs");
            if let Some(status) = process.try_wait().unwrap() {
                panic!("Kafka has ended ({status}):\n{}", self.log(node));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("Kafka did not come up:\n{}", self.log(node));
    }

    fn log(&self, node: usize) -> String {
        fs::read_to_string(self.nodes[node].folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut process) = node.process.take() {
                // It may have ended by itself.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        self.tell_keeper();
    }
}

impl Keeper {
    fn start(folder: &Path) -> Keeper {
        let script = "while read -r line; do pids=$line; done; \
            for pid in $pids; do kill -9 \"$pid\"; done; rm -rf -- \"$1\"";
        let mut process = Command::new("sh")
            .args(["-c", script, "keeper"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell runs");
        let tell = process.stdin.take();
        Keeper { process, tell }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.tell.take());
        let _ = self.process.wait();
    }
}

/// A port that is free for a listener.
fn free(listener: &Listener) -> u16 {
    TcpListener::bind((listener.host.as_str(), 0)).unwrap().local_addr().unwrap().port()
}

fn settings(
    folder: &Path,
    at: usize,
    ports: &[[u16; 2]],
    other: Option<(&Listener, &str)>,
) -> String {
    let voters: Vec<String> = (1..)
        .zip(ports)
        .map(|(id, [_, controller])| format!("{id}@127.0.0.1:{controller}"))
        .collect();
    let [port, controller] = ports[at];
    let (replicas, in_sync) = if ports.len() == 1 { (1, 1) } else { (3, 2) };
    let (listener, protocol, more) = match other {
        None => Default::default(),
        Some((Listener { name, protocol, settings, .. }, place)) => {
            (format!(",{name}://{place}"), format!(",{name}:{protocol}"), settings.as_str())
        }
    };
    format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listener}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocol}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
log.retention.ms=-1
log.retention.bytes=-1
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=2
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=4194304
{more}
",
        id = at + 1,
        voters = voters.join(","),
        data = folder.join("data").display(),
    )
}

/// The folder with the jars: fetched when it is not there, or `pom.xml` has changed. Two runs at a time take turns.
fn jars() -> PathBuf {
    let pom = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/pom.xml");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (jars, done) = (folder.join("jars"), folder.join("pom.xml"));
    let wanted = fs::read(pom).unwrap();
    if fs::read(&done).is_ok_and(|found| found == wanted) {
        return jars;
    }
    let _ = fs::remove_dir_all(&jars);
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "these tests need Apache Kafka, which Maven fetches: install mvn and java ({error})"
            )
        });
    assert!(
        output.status.success(),
        "Maven could not fetch Apache Kafka:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    fs::write(done, wanted).unwrap();
    jars
}

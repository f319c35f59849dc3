//! The program as it is started in earnest: a process of its own with a configuration in a temporary folder, its log in a
//! file, ended by its id when the test is over, well or not.

use crate::wire::inside;
use kairos::time::clock::{Clock, System};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The program.
pub const KAIROS: &str = env!("CARGO_BIN_EXE_kairos");

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Timelines are those of a run over files by default.
pub const SLACK_MS: i64 = 5_000;
pub const STEP_MS: i64 = 10_000;

/// One instance: what it is configured as, and its process while it runs.
pub struct Instance {
    pub name: String,
    pub pack: PathBuf,
    pub slack_ms: i64,
    pub step_ms: i64,
    pub workers: usize,
    /// Reads little at a time, so that there is time to do something to it in the midst of a backlog.
    pub slow: bool,
    /// The folder of checkpoints.
    pub state: PathBuf,
    /// Properties of librdkafka.
    pub properties: Vec<(&'static str, String)>,
    /// More of `[kafka]`, and of `[[input]]`.
    pub kafka: String,
    pub input: String,
    /// The network namespace it runs in; `None` for the test's own.
    pub namespace: Option<String>,
    /// Where it answers over HTTP.
    pub http: String,
    servers: String,
    pub topic: String,
    folder: TempDir,
    /// How often it was started.
    pub starts: usize,
    process: Option<Child>,
}

impl Instance {
    /// An instance of this name over one topic, with a pack of a shop, in which nobody is compared with others so that nothing depends on where epochs are cut, which is not started yet.
    pub fn new(servers: &str, topic: &str, name: &str) -> Instance {
        let folder = tempfile::tempdir().unwrap();
        Instance {
            name: name.into(),
            pack: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/pack"),
            slack_ms: SLACK_MS,
            step_ms: STEP_MS,
            workers: 1,
            slow: false,
            state: folder.path().join("state"),
            properties: Vec::new(),
            kafka: String::new(),
            input: String::new(),
            namespace: None,
            http: "off".into(),
            servers: servers.into(),
            topic: topic.into(),
            folder,
            starts: 0,
            process: None,
        }
    }

    /// A folder of its own for what a test needs beside.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it; the log begins anew.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let config = self.config_file();
        fs::write(&config, self.config()).unwrap();
        self.starts += 1;
        let mut command = match &self.namespace {
            None => Command::new(KAIROS),
            // It becomes the program, so that signals reach that.
            Some(namespace) => inside(namespace, KAIROS),
        };
        let process = command
            .args(["run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.log_file()).unwrap())
            .spawn()
            .unwrap();
        self.process = Some(process);
    }

    /// Gives it a pack of one file in a folder of its own; gives that file.
    pub fn write_pack(&mut self, text: &str) -> PathBuf {
        self.pack = self.folder().join("pack");
        fs::create_dir(&self.pack).unwrap();
        let file = self.pack.join("live.yaml");
        fs::write(&file, text).unwrap();
        file
    }

    /// Where its configuration is, once it was started.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("kairos.toml")
    }

    fn config(&self) -> String {
        let mut text = String::new();
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        writeln!(text, "[kairos]\nname = {:?}\npack = {:?}", self.name, path(&self.pack)).unwrap();
        writeln!(text, "state = {:?}\nworkers = {}", path(&self.state), self.workers).unwrap();
        writeln!(text, "checkpoint_seconds = 1").unwrap();
        let brokers: Vec<&str> = self.servers.split(',').collect();
        writeln!(text, "[kafka]\nbrokers = {brokers:?}\n{}", self.kafka).unwrap();
        writeln!(text, "[[input]]\ntopic = {:?}\n{}", self.topic, self.input).unwrap();
        writeln!(text, "[time]\nslack_ms = {}\nstep_ms = {}", self.slack_ms, self.step_ms).unwrap();
        writeln!(text, "backlog = \"history\"\ndedup_minutes = 60").unwrap();
        writeln!(text, "[kafka.properties]").unwrap();
        for (property, value) in &self.properties {
            writeln!(text, "{property:?} = {value:?}").unwrap();
        }
        if self.slow {
            writeln!(text, "\"fetch.message.max.bytes\" = \"1000\"").unwrap();
            writeln!(text, "[limits]\nepochs_in_flight = 2\nevents_in_flight = 1000").unwrap();
        }
        writeln!(text, "[http]\naddress = {:?}", self.http).unwrap();
        text
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join(format!("log-{}", self.starts))
    }

    /// What it has said since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Waits until it says something.
    pub fn wait_for(&mut self, text: &str) {
        let clock = System::new();
        while !self.log().contains(text) {
            self.runs();
            assert!(clock.now() < PATIENCE, "it never said {text:?}:\n{}", self.log());
            std::thread::sleep(PAUSE);
        }
    }

    /// Where it has said that it answers.
    pub fn address(&mut self) -> String {
        self.wait_for("serving over HTTP address=");
        let log = self.log();
        let (_, address) = log.split_once("serving over HTTP address=").unwrap();
        address.split_whitespace().next().unwrap().to_owned()
    }

    /// What it answers over HTTP, patiently: the status, and the body.
    pub fn get(&mut self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// Whether it was started and not killed.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// It must not have ended by itself.
    pub fn runs(&mut self) {
        let process = self.process.as_mut().expect("it was started");
        if let Some(status) = process.try_wait().unwrap() {
            panic!("it has ended with {status}:\n{}", self.log());
        }
    }

    /// Starts it again if it has ended because the broker was not there, as whoever supervises it does.
    pub fn keep_up(&mut self) {
        let process = self.process.as_mut().expect("it was started");
        if let Some(status) = process.try_wait().unwrap() {
            let log = self.log();
            assert!(
                log.contains("hint: is the broker running"),
                "it has ended with {status}:\n{log}"
            );
            self.process = None;
            self.start();
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it was started");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Sends a signal, such as `TERM`, to the process.
    pub fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it was started");
        send(process, signal);
    }

    /// Waits for its end: how it ended, and how long that took.
    pub fn end(&mut self) -> (ExitStatus, Duration) {
        let clock = System::new();
        let process = self.process.as_mut().expect("it was started");
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                self.process = None;
                return (status, clock.now());
            }
            assert!(clock.now() < PATIENCE, "it does not end:\n{}", self.log());
            std::thread::sleep(PAUSE);
        }
    }

    /// Asks it to end, which it has to do well and soon.
    pub fn terminate(&mut self) {
        self.signal("TERM");
        let (status, took) = self.end();
        assert_eq!(status.code(), Some(0), "{status} after {took:?}:\n{}", self.log());
        assert!(took < Duration::from_secs(5), "ending took {took:?}:\n{}", self.log());
    }
}

/// Sends a signal to a child.
pub fn send(process: &Child, signal: &str) {
    let command = format!("kill -{signal} {}", process.id());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

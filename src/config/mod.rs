//! The configuration of live running: a TOML file in, checked values out, or every mistake in it with its place.
//!
//! ```text
//!  file ──► read (sections, keys, places) ──► sections (what each means) ──► Config
//!  environment ──► secrets ─────────────────────────────────────────────────┘
//! ```
//!
//! `config/default.toml` tells every key. Nothing in the flow knows of this module: it is handed what it needs.

mod read;
mod secrets;
mod sections;

#[cfg(test)]
mod tests;

pub use secrets::{Secret, http_token};

use crate::decode::adapter::Format;
use crate::define::ast::SourceFile;
use crate::define::diagnostic::{Diagnostic, render};
use crate::epoch::sequencer::Backlog;
use crate::sink::Stream;
use read::{Reader, Section};
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use thiserror::Error;
use toml::de::DeTable;

/// Bytes of a configuration file: whoever names a data file by mistake is told so at once.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub kairos: Kairos,
    pub kafka: Kafka,
    /// Topics that are read; their order breaks ties between events of one instant.
    pub inputs: Vec<Input>,
    pub time: Time,
    pub output: Output,
    pub limits: Limits,
    pub http: Http,
    pub log: Log,
}

/// `[kairos]`: the instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Kairos {
    /// What all names in the cluster derive from. Two instances with one name shut each other out.
    pub name: String,
    /// The folder of definitions.
    pub pack: PathBuf,
    /// The folder of checkpoints.
    pub state: PathBuf,
    /// Threads that work side by side; 0 is one for each core.
    pub workers: usize,
    /// Between two checkpoints.
    pub checkpoint_seconds: u64,
}

/// `[kafka]`: the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Kafka {
    pub brokers: Vec<String>,
    /// The file with the token of an OAUTHBEARER login.
    pub oauth_token_file: Option<PathBuf>,
    /// What is passed on to the clients, by name.
    pub properties: Vec<(String, String)>,
    /// What is passed on too, from the environment.
    pub secrets: Vec<(&'static str, Secret)>,
}

/// `[[input]]`: a topic that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub topic: String,
    pub format: Format,
}

/// `[time]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    /// How far the watermark stays behind the clock.
    pub slack_ms: i64,
    /// The steps of event time in which a backlog is read.
    pub step_ms: i64,
    pub backlog: Backlog,
    /// How long a message id is remembered.
    pub dedup_minutes: i64,
}

/// `[output]`: topics that are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Before the names of streams that have no topic of their own in `names`; `None` for the name of the instance and a dot.
    pub prefix: Option<String>,
    /// Topics by stream, where they are not the prefix and the stream's name.
    pub names: [Option<String>; Stream::ALL.len()],
    /// Whether each channel has a topic of its own, `<triggers>.<channel>`.
    pub triggers_per_channel: bool,
    /// Whether topics that are missing are made.
    pub create: bool,
    /// Of topics that are made.
    pub partitions: i32,
    /// Of topics that are made; -1 is the cluster's default.
    pub replication: i32,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// A larger record is rejected.
    pub max_record_kib: usize,
    /// Epochs that may be under way at once.
    pub epochs_in_flight: u64,
    /// Events that may be read ahead or under way at once.
    pub events_in_flight: usize,
    /// Memory of the clients for what has been fetched.
    pub read_memory_mib: usize,
    /// An identifier with more events than that is reported as a machine.
    pub heavy_identifier_per_minute: u64,
}

/// `[http]`: reads, metrics, the live page.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// `None` if it is off.
    pub address: Option<SocketAddr>,
    /// What requests have to carry; from the environment.
    pub token: Option<Secret>,
}

/// `[log]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    pub format: LogFormat,
    pub level: Level,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What is logged: this and what is graver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl Default for Kairos {
    /// Without pack and state, which have to be named.
    fn default() -> Self {
        Kairos {
            name: "kairos".to_owned(),
            pack: PathBuf::new(),
            state: PathBuf::new(),
            workers: 1,
            checkpoint_seconds: 30,
        }
    }
}

impl Default for Kafka {
    fn default() -> Self {
        Kafka {
            brokers: vec!["localhost:9092".to_owned()],
            oauth_token_file: None,
            properties: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

impl Default for Time {
    fn default() -> Self {
        Time { slack_ms: 1_000, step_ms: 1_000, backlog: Backlog::CatchUp, dedup_minutes: 60 }
    }
}

impl Default for Output {
    fn default() -> Self {
        Output {
            prefix: None,
            names: [const { None }; Stream::ALL.len()],
            triggers_per_channel: false,
            create: true,
            partitions: 2,
            replication: -1,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_record_kib: 32,
            epochs_in_flight: 24,
            events_in_flight: 200_000,
            read_memory_mib: 32,
            heavy_identifier_per_minute: 50_000,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http { address: Some(SocketAddr::from(([127, 0, 0, 1], 9464))), token: None }
    }
}

impl Kairos {
    /// The ids of the two producers that write transactions in turn.
    pub fn transactional_ids(&self) -> [String; 2] {
        ["a", "b"].map(|turn| format!("{}-{turn}", self.name))
    }

    /// The group under which the progress is told.
    pub fn group(&self) -> &str {
        &self.name
    }

    /// The topic of the epoch log.
    pub fn log_topic(&self) -> String {
        format!("{}.epochs", self.name)
    }

    /// Threads, at least one.
    pub fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }
}

impl Kafka {
    /// All properties that a client gets from the configuration, the brokers and the secrets too. Not for logs.
    pub fn client_properties(&self) -> Vec<(String, String)> {
        let brokers = ("bootstrap.servers".to_owned(), self.brokers.join(","));
        let secrets = self.secrets.iter();
        let secrets =
            secrets.map(|(name, secret)| ((*name).to_owned(), secret.reveal().to_owned()));
        // Whoever names a token wants to log in with it; the clients ask for it by this property.
        let token = self.oauth_token_file.iter().flat_map(|path| {
            let path = path.display().to_string();
            [("sasl.mechanism", "OAUTHBEARER".to_owned()), ("sasl.oauthbearer.config", path)]
        });
        let token = token.map(|(name, value)| (name.to_owned(), value));
        let properties = self.properties.iter().cloned().chain(token);
        [brokers].into_iter().chain(properties).chain(secrets).collect()
    }
}

impl Config {
    /// The topic of a stream.
    pub fn topic(&self, stream: Stream) -> String {
        let own = self.output.names[stream as usize].clone();
        own.unwrap_or_else(|| match &self.output.prefix {
            Some(prefix) => format!("{prefix}{}", stream.name()),
            None => format!("{}.{}", self.kairos.name, stream.name()),
        })
    }

    /// Reads a file and the secrets of the environment. Paths in it are taken from its folder.
    ///
    /// # Errors
    /// It cannot be read, or there are mistakes in it: all of them.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let unreadable =
            |message: String| ConfigError::Unreadable { path: path.to_owned(), message };
        let meta = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
        if !meta.is_file() {
            return Err(unreadable("it is not a file".to_owned()));
        }
        if meta.len() > FILE_BYTES_MAX {
            return Err(unreadable(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
        }
        let text = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let text =
            String::from_utf8(text).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
        let file = SourceFile { path: path.display().to_string(), text: text.into() };
        let folder = path.parent().unwrap_or(Path::new(""));
        Config::parse(&file, folder, &secrets::environment)
    }

    /// Reads a text, whose paths are taken from a folder, with an environment.
    ///
    /// # Errors
    /// All mistakes.
    pub fn parse(
        file: &SourceFile,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Config, ConfigError> {
        let (mut config, mistakes, _) = read(file, folder);
        let mut unset = Vec::new();
        let mut ask = |name: &str| {
            let secret = secrets::secret(name, environment);
            secret.unwrap_or_else(|wrong| {
                unset.push(wrong);
                None
            })
        };
        for (variable, property) in secrets::OF_KAFKA {
            if let Some(secret) = ask(variable) {
                config.kafka.properties.retain(|(name, _)| name != property);
                config.kafka.secrets.push((property, secret));
            }
        }
        config.http.token = ask(secrets::HTTP_TOKEN);
        if mistakes.is_empty() && unset.is_empty() {
            return Ok(config);
        }
        Err(ConfigError::Mistakes { file: file.clone(), mistakes, environment: unset })
    }
}

/// What a text says, what is wrong with it, and every key there could be with whether it is there.
fn read(file: &SourceFile, folder: &Path) -> (Config, Vec<Diagnostic>, Vec<(String, bool)>) {
    let reader = Reader::new(&file.text);
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    for error in &errors {
        reader.error(error.span().unwrap_or(0..0), error.message(), None);
    }
    let mut config = Config::default();
    // After a mistake of syntax nobody knows which keys are there.
    if errors.is_empty() {
        config = sections::config(Section::whole(&reader, table.get_ref()), folder);
    }
    let (mistakes, asked) = reader.finish();
    (config, mistakes, asked)
}

/// Why there is no configuration. Shown as the user reads it, every mistake with its place and advice.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{}: {message}", path.display())]
    Unreadable { path: PathBuf, message: String },
    #[error("{}", shown(file, mistakes, environment))]
    Mistakes {
        file: SourceFile,
        /// In the order of their places.
        mistakes: Vec<Diagnostic>,
        /// What is wrong with the secrets of the environment.
        environment: Vec<String>,
    },
}

fn shown(file: &SourceFile, mistakes: &[Diagnostic], environment: &[String]) -> String {
    let file = render(std::slice::from_ref(file), mistakes);
    let environment = environment.iter().map(|wrong| format!("environment: {wrong}\n"));
    let parts = [file].into_iter().filter(|text| !text.is_empty()).chain(environment);
    parts.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

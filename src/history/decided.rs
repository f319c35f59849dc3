//! Everything that a pack decides over a history, by instance, so that it can be held to what another pack decides.

use crate::sink::said::{Said, said};
use crate::sink::{Sink, SinkError, Stream};
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::xxh3_64;

/// Whose instances they are, and of what: journey, person, key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    pub journey: CompactString,
    pub person: CompactString,
    pub key: Option<CompactString>,
}

/// One run through a journey, with its messages in the order in which they came up.
#[derive(Clone, Debug)]
pub struct Run {
    number: u32,
    /// The instant at which it entered, or came to this person.
    pub entered: i64,
    pub messages: Vec<Message>,
    /// When and how it was over.
    pub over: Option<(i64, CompactString)>,
}

/// One message and the last word on it.
#[derive(Clone, Debug)]
pub struct Message {
    pub step: CompactString,
    pub channel: CompactString,
    pub template: CompactString,
    pub word: Word,
    pub at: i64,
    /// What deferred it last.
    pub deferred_by: Option<CompactString>,
    /// A hash of what the template was given.
    pub with: u64,
}

/// What was decided last about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Send,
    Defer(CompactString),
    Drop(CompactString),
}

/// Listens to the lines of a run; clones listen together.
#[derive(Clone, Default)]
pub struct Decided(Arc<Mutex<Runs>>);

/// All instances.
pub type Runs = BTreeMap<Who, Vec<Run>>;

impl Decided {
    /// What has been heard; nothing is left.
    pub fn take(&self) -> Runs {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn run_of<'r>(runs: &'r mut Runs, said: &Said) -> &'r mut Run {
    let data = &said.data;
    let who = Who {
        journey: (&*data.journey).into(),
        person: (&*said.person).into(),
        key: data.key.as_deref().map(Into::into),
    };
    let all = runs.entry(who).or_default();
    let at = all.iter().rposition(|run| run.number == data.occurrence).unwrap_or_else(|| {
        let (number, messages) = (data.occurrence, Vec::new());
        all.push(Run { number, entered: said.time, messages, over: None });
        all.len() - 1
    });
    &mut all[at]
}

fn decision(runs: &mut Runs, said: &Said) {
    let data = &said.data;
    let reason = CompactString::from(data.reason.as_deref().unwrap_or_default());
    let word = match &*data.decision {
        "send" => Word::Send,
        "defer" => Word::Defer(reason.clone()),
        _ => Word::Drop(reason.clone()),
    };
    let run = run_of(runs, said);
    let waits = |message: &&mut Message| {
        message.step == *data.step
            && message.template == *data.template
            && matches!(message.word, Word::Defer(_))
    };
    let known = run.messages.iter_mut().rev().find(waits);
    let message = match known {
        Some(message) => message,
        None => {
            run.messages.push(Message {
                step: (&*data.step).into(),
                channel: (&*data.channel).into(),
                template: (&*data.template).into(),
                word: word.clone(),
                at: said.time,
                deferred_by: None,
                with: 0,
            });
            run.messages.last_mut().expect("it has just been added")
        }
    };
    if matches!(word, Word::Defer(_)) {
        message.deferred_by = Some(reason);
    }
    (message.word, message.at) = (word, said.time);
}

/// What the template is given is told of in a line of its own, after the decision.
fn trigger(runs: &mut Runs, said: &Said) {
    let data = &said.data;
    let run = run_of(runs, said);
    let sent = |message: &&mut Message| message.step == *data.step && message.word == Word::Send;
    if let Some(message) = run.messages.iter_mut().rev().find(sent) {
        message.with = data.with.map_or(0, |with| xxh3_64(with.get().as_bytes()));
    }
}

impl Sink for Decided {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        if !matches!(stream, Stream::Triggers | Stream::Decisions | Stream::Journeys) {
            return Ok(());
        }
        let Some(said) = said(line) else { return Ok(()) };
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match said.kind {
            "decision" => decision(&mut runs, &said),
            "trigger" => trigger(&mut runs, &said),
            "journey.entered" | "journey.carried" => drop(run_of(&mut runs, &said)),
            "journey.goal" | "journey.exited" => {
                let reason = said.data.reason.as_deref().unwrap_or_default();
                run_of(&mut runs, &said).over = Some((said.time, reason.into()));
            }
            _ => {}
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        Ok(vec![0; Stream::ALL.len()])
    }

    fn complete(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }
}

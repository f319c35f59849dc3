//! Journeys of one person: who enters, who exits, and how an instance goes on.

use super::effect::{Cause, Change, Decision, ExitReason, Outcome, cause};
use super::eval::{Cx, eval};
use super::instance::{History, Instance, Phase};
use super::turn::{Rank, Turn};
use super::watch::{Hindrance, Place, judge};
use super::{dates, facts, segment};
use crate::define::plan::{
    Again, ArmId, Exit, ExitRule, Expr, JourneyId, JourneyPlan, Op, Order, Plan, SegmentId,
    SegmentSet, SendId,
};
use crate::event::{Event, Kind, Num, Value};
use crate::limits::{HISTORY_MAX, INSTANCES_MAX};
use crate::time::{DAY, NEVER};
use compact_str::CompactString;
use smallvec::SmallVec;

/// Whether an event speaks of this instance: one with another value of the keying property does not.
fn concerns(journey: &JourneyPlan, instance: &Instance, event: &Event) -> bool {
    let Some(slot) = journey.enter.per else { return true };
    let (mut any, mut own) = (false, false);
    event.value(slot).each(&mut |value| {
        let key = value.key();
        any |= key.is_some();
        own |= key.is_some() && key == instance.key;
    });
    own || !any
}

/// Exits by events, before anything else of the event moves.
pub(super) fn exit_by_event(turn: &mut Turn, event: &Event) {
    for at in 0..turn.person.instances.len() {
        let instance = &turn.person.instances[at];
        let journey = &turn.plan.journeys[instance.journey.0 as usize];
        if !instance.is_open()
            || !journey.sees.has(event.kind)
            || !concerns(journey, instance, event)
        {
            continue;
        }
        let cx = Cx { event: Some(event), ..turn.cx(at) };
        let mut exits = journey.exits.iter().enumerate();
        let matching = exits.find(|(_, exit)| match &exit.rule {
            ExitRule::Event { on, condition } => {
                on.has(event.kind) && condition.as_ref().is_none_or(|condition| cx.holds(condition))
            }
            ExitRule::When(_) => false,
        });
        let Some((number, rule)) = matching else { continue };
        if let ExitRule::Event { condition: Some(condition), .. } = &rule.rule {
            turn.watch_asked(at, Place::Exit(number), condition, &cx);
        }
        let sent = instance.last_sent;
        let value = rule.value.as_ref().and_then(|value| worth(value, &cx));
        if event.time < sent {
            turn.note(at, Change::Regret { sent, by: cause(event) });
        }
        let goal = rule.goal;
        turn.person.instances[at].moved_by = Some(cause(event));
        leave(turn, at, if goal { ExitReason::Goal } else { ExitReason::Exit }, value);
    }
}

/// What a goal's expression says that it is worth; nothing if it says nothing.
fn worth(value: &Expr, cx: &Cx) -> Option<Num> {
    match eval(value, cx).into_value() {
        Value::Num(value) => Some(value),
        _ => None,
    }
}

/// Exits by an event that came before somebody turned out to be this person, of some instances; those of them that began after
/// it go on.
pub(super) fn exit_by_event_before(turn: &mut Turn, event: &Event, numbers: &[u32]) {
    let stays = |instance: &Instance| {
        instance.entry_time > event.time || !numbers.contains(&instance.number)
    };
    let mut instances = std::mem::take(&mut turn.person.instances);
    let (later, earlier) = instances.drain(..).partition(stays);
    turn.person.instances = earlier;
    exit_by_event(turn, event);
    turn.person.instances.extend::<Vec<Instance>>(later);
    turn.person.instances.sort_by_key(|instance| instance.number);
}

/// Exits by conditions, asked where something that they see may have changed: by an event of this kind, by anything else
/// at this instant, or by time. Leaves with each instance the next instant at which its conditions may turn.
pub(super) fn exit_when(turn: &mut Turn, kind: Option<Kind>) {
    let changed = std::mem::take(&mut turn.changed);
    let membership = std::mem::take(&mut turn.membership);
    for at in 0..turn.person.instances.len() {
        let instance = &turn.person.instances[at];
        let journey = &turn.plan.journeys[instance.journey.0 as usize];
        let stale = changed
            || membership && journey.when_segments
            || turn.person.now >= instance.recheck
            || kind.is_some_and(|kind| journey.when_kinds.has(kind));
        if !journey.has_when || !instance.is_open() || !stale {
            continue;
        }
        let cx = turn.cx(at);
        let mut exits = journey.exits.iter().enumerate();
        let matching = exits.find(|(_, exit)| match &exit.rule {
            ExitRule::When(condition) => cx.holds(condition),
            ExitRule::Event { .. } => false,
        });
        let recheck = cx.recheck.get();
        if let Some((number, Exit { rule: ExitRule::When(condition), .. })) = matching {
            turn.watch_asked(at, Place::Exit(number), condition, &cx);
        }
        let value = |exit: &Exit| exit.value.as_ref().and_then(|value| worth(value, &cx));
        let matching = matching.map(|(_, exit)| (exit.goal, value(exit)));
        turn.person.instances[at].recheck = recheck;
        if let Some((goal, value)) = matching {
            leave(turn, at, if goal { ExitReason::Goal } else { ExitReason::Exit }, value);
        }
    }
}

/// Ends an instance at the step where it stands.
pub(super) fn exit(turn: &mut Turn, at: usize, reason: ExitReason) {
    leave(turn, at, reason, None);
}

fn leave(turn: &mut Turn, at: usize, reason: ExitReason, value: Option<Num>) {
    let instance = &mut turn.person.instances[at];
    instance.phase = Phase::Done;
    instance.recheck = NEVER;
    let (place, arms) = (instance.place, instance.arms.clone());
    turn.note(at, Change::Exited { reason, place, value, arms });
}

/// Who an event moves: first instances whose wait it answers go on, then it makes new ones enter; each by priority,
/// journey name, key, age.
pub(super) fn activate(turn: &mut Turn, event: &Event) {
    if !turn.person.instances.is_empty() {
        go_on(turn, event);
    }
    let mut entered: SmallVec<[(Order, JourneyId, Option<CompactString>); 4]> = SmallVec::new();
    for &journey in &turn.plan.entered_by_kind[event.kind.0 as usize] {
        let plan = &turn.plan.journeys[journey.0 as usize];
        match plan.enter.per {
            None => entered.push((plan.order(), journey, None)),
            Some(slot) => {
                let before = entered.len();
                event.value(slot).each(&mut |value| {
                    let one = (plan.order(), journey, value.key());
                    if one.2.is_some() && !entered.contains(&one) {
                        entered.push(one);
                    }
                });
                if entered.len() == before {
                    turn.watch_not_entered(journey, &None, || Hindrance::NoKey(slot));
                }
            }
        }
    }
    entered.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    for (_, journey, key) in entered {
        enter(turn, journey, key, Some(event));
    }
}

fn go_on(turn: &mut Turn, event: &Event) {
    let mut answered: SmallVec<[Rank; 2]> = SmallVec::new();
    for at in 0..turn.person.instances.len() {
        if hears(turn, at, event) {
            answered.push(turn.rank_of(at));
        }
    }
    answered.sort();
    for (.., number) in answered {
        let Some(at) = turn.position(number) else { continue };
        turn.person.instances[at].moved_by = Some(cause(event));
        turn.person.instances[at].place += 1;
        advance(turn, at);
    }
}

/// Whether the event answers the instance's wait. An event that touches a wait for silence moves its deadline.
fn hears(turn: &mut Turn, at: usize, event: &Event) -> bool {
    let instance = &turn.person.instances[at];
    let journey = &turn.plan.journeys[instance.journey.0 as usize];
    if !journey.sees.has(event.kind) || !concerns(journey, instance, event) {
        return false;
    }
    let Some(place) = journey.program.get(instance.place as usize) else {
        return false;
    };
    match (&place.op, instance.phase) {
        // What is past the timeout is not waited for any more, though the watermark has not come there yet.
        (Op::WaitEvent { on, condition, .. }, Phase::Listening { until })
            if on.has(event.kind) && event.time <= until =>
        {
            let cx = Cx { event: Some(event), ..turn.cx(at) };
            condition.as_ref().is_none_or(|condition| cx.holds(condition))
        }
        (Op::WaitQuiet { quiet_for, of }, Phase::Quiet { until }) if of.has(event.kind) => {
            // What is past the deadline does not undo it.
            if event.time <= until {
                let until = until.max(event.time.saturating_add(*quiet_for));
                let instance = &mut turn.person.instances[at];
                instance.phase = Phase::Quiet { until };
                instance.moved_by = Some(cause(event));
                turn.watch_wait(at);
            }
            false
        }
        _ => false,
    }
}

/// Journeys that announced changes make enter, by priority and name.
pub(super) fn enter_by_segments(turn: &mut Turn, changes: &[(SegmentId, bool)]) {
    let plan = turn.plan;
    let entered = changes.iter().flat_map(|(segment, entered)| {
        &plan.entered_by_segment[usize::from(segment.0)][usize::from(!entered)]
    });
    let order = |journey: &JourneyId| (plan.journeys[usize::from(journey.0)].order(), *journey);
    let mut entered: SmallVec<[(Order, JourneyId); 4]> = entered.map(order).collect();
    entered.sort_by_key(|(order, _)| *order);
    for (_, journey) in entered {
        enter(turn, journey, None, None);
    }
}

/// Begins an instance, if the condition holds and the re-entry rule allows it, and runs its first steps.
pub(super) fn enter(
    turn: &mut Turn,
    id: JourneyId,
    key: Option<CompactString>,
    event: Option<&Event>,
) {
    let journey = &turn.plan.journeys[id.0 as usize];
    let now = turn.person.now;
    if let Some(hindrance) = hindrance(turn, id, &key) {
        return turn.watch_not_entered(id, &key, || hindrance);
    }
    if let Some(condition) = &journey.enter.condition {
        let catalogue = turn.catalogue;
        let of = key.as_deref();
        let cx = Cx { event, key: of, catalogue, ..Cx::of(turn.plan, turn.person, now) };
        if !cx.holds(condition) {
            let why = || Hindrance::Condition(judge(&cx, condition, Some(journey)));
            return turn.watch_not_entered(id, &key, why);
        }
    }
    remember_entry(turn, id, &key);
    let entry = match event {
        Some(event) => journey.entry_slots.iter().map(|&s| event.value(s).clone()).collect(),
        None => Vec::new(),
    };
    let entered_by = event.map(cause).unwrap_or_default();
    turn.person.entries += 1;
    // Most have one, and one is large.
    turn.person.instances.reserve_exact(1);
    turn.person.instances.push(Instance {
        journey: id,
        key,
        number: turn.person.entries,
        entered_at: now,
        entry_time: event.map_or(now, |event| event.time),
        place: 0,
        phase: Phase::Running,
        hold_out: false,
        arms: Vec::new(),
        entry,
        leaf: leaf_of(turn, event),
        entered_by: entered_by.clone(),
        moved_by: None,
        last_sent: i64::MIN,
        // Not asked yet.
        recheck: if journey.has_when { i64::MIN } else { NEVER },
    });
    let at = turn.person.instances.len() - 1;
    turn.note(at, Change::Entered { by: entered_by });
    advance(turn, at);
}

/// The leaf by which an instance comes about, where persons can have several.
fn leaf_of(turn: &Turn, event: Option<&Event>) -> CompactString {
    match event {
        _ if turn.plan.inputs.identity.is_none() => CompactString::default(),
        Some(event) => event.leaf.clone(),
        None => turn.person.id.clone(),
    }
}

/// What keeps somebody from entering, before any condition is asked.
fn hindrance(turn: &Turn, id: JourneyId, key: &Option<CompactString>) -> Option<Hindrance> {
    let journeys = &turn.plan.journeys;
    // Versions of one journey are one journey to those who enter it.
    let first = journeys[id.0 as usize].first;
    let instances = &turn.person.instances;
    if instances.iter().filter(|instance| instance.is_open()).count() >= INSTANCES_MAX {
        return Some(Hindrance::Full);
    }
    let same = |i: &Instance| {
        journeys[i.journey.0 as usize].first == first && i.key == *key && i.is_open()
    };
    let open = || instances.iter().any(same).then_some(Hindrance::Open);
    let last = || {
        let known = turn.person.history.iter().find(|h| h.journey == first && h.key == *key);
        known.map(|history| history.last_entry)
    };
    match journeys[id.0 as usize].enter.again {
        Again::Always => None,
        Again::AfterExit => open(),
        Again::Never => last().map(Hindrance::Once),
        Again::After(length) => open().or_else(|| {
            let last = last().filter(|last| turn.person.now - last < length)?;
            Some(Hindrance::TooSoon(last, last.saturating_add(length)))
        }),
    }
}

fn remember_entry(turn: &mut Turn, id: JourneyId, key: &Option<CompactString>) {
    let plan = &turn.plan.journeys[id.0 as usize];
    let journey = plan.first;
    if !matches!(plan.enter.again, Again::Never | Again::After(_)) {
        return;
    }
    let (history, now) = (&mut turn.person.history, turn.person.now);
    history.retain(|known| known.journey != journey || known.key != *key);
    if history.len() >= HISTORY_MAX {
        history.remove(0);
    }
    history.push(History { journey, key: key.clone(), last_entry: now });
}

/// An instance whose wait is over goes on.
pub(super) fn wake(turn: &mut Turn, number: u32) {
    let Some(at) = turn.position(number) else {
        return;
    };
    let instance = &mut turn.person.instances[at];
    match instance.phase {
        Phase::Deferred { due, .. } | Phase::Held { due, .. } | Phase::Asking { due, .. } => {
            instance.phase = Phase::Pending { due, granted: false };
            return;
        }
        Phase::Listening { .. } => {
            let journey = &turn.plan.journeys[instance.journey.0 as usize];
            if let Op::WaitEvent { otherwise, .. } = &journey.program[instance.place as usize].op {
                instance.place = *otherwise as u16;
            }
        }
        Phase::Waiting { .. } | Phase::Quiet { .. } => instance.place += 1,
        Phase::Running | Phase::Pending { .. } | Phase::Done => return,
    }
    advance(turn, at);
}

/// Runs steps until the instance waits, comes to a message, or is over.
pub(super) fn advance(turn: &mut Turn, at: usize) {
    turn.person.instances[at].phase = Phase::Running;
    while turn.person.instances[at].phase == Phase::Running {
        let instance = &turn.person.instances[at];
        let journey = &turn.plan.journeys[instance.journey.0 as usize];
        match journey.program.get(instance.place as usize) {
            Some(place) => operate(turn, at, &place.op),
            None => exit(turn, at, ExitReason::Finished),
        }
    }
}

fn operate(turn: &mut Turn, at: usize, op: &Op) {
    let place = turn.person.instances[at].place;
    if let Some(phase) = wait(turn, at, op) {
        turn.note(at, Change::Reached { place });
        match phase {
            // An instant already past does not wait.
            Phase::Waiting { until } if until <= turn.person.now => {
                turn.person.instances[at].place += 1;
            }
            phase => {
                turn.person.instances[at].phase = phase;
                turn.watch_wait(at);
            }
        }
        return;
    }
    let next = match op {
        Op::Unless { condition, target } => {
            let cx = turn.cx(at);
            turn.watch_asked(at, Place::Step(place), condition, &cx);
            if cx.holds(condition) { place + 1 } else { *target as u16 }
        }
        Op::Jump(target) => *target as u16,
        Op::Split { arms } => {
            let share = split_share(turn, at, place);
            let taken = arms.iter().position(|arm| share < arm.below);
            let Some(arm) = taken.map_or(arms.last(), |taken| arms.get(taken)) else {
                return turn.person.instances[at].place += 1;
            };
            let taken = taken.unwrap_or(arms.len() - 1) as u16;
            let instance = &mut turn.person.instances[at];
            let id = ArmId { journey: instance.journey, place, arm: taken };
            instance.hold_out |= arm.hold_out;
            instance.arms.push(id);
            turn.note(at, Change::Assigned { arm: id });
            arm.target as u16
        }
        Op::Emit { kind, with, .. } => {
            emit(turn, at, *kind, with);
            place + 1
        }
        Op::Set { name, value } => {
            let cx = turn.cx(at);
            let value = eval(value, &cx).into_value();
            if !value.is_missing() {
                let now = turn.person.now;
                let mut asked = SegmentSet::default();
                facts::set_named(turn.person, turn.plan, name, now, &value, &mut asked);
                if turn.set_zone(name, &value) {
                    asked.extend(&turn.plan.readers_of_zone);
                }
                dates::look_up(turn.person, turn.plan);
                segment::follow(turn.person, turn.plan, asked);
                turn.changed = true;
                turn.note(at, Change::Set { place, value });
            }
            place + 1
        }
        Op::AddTo(list) => {
            if segment::put(turn.person, turn.plan, *list, true) {
                turn.membership = true;
                turn.note(at, Change::Added(*list));
            }
            place + 1
        }
        Op::RemoveFrom(list) => {
            if segment::put(turn.person, turn.plan, *list, false) {
                turn.membership = true;
                turn.note(at, Change::Removed(*list));
            }
            place + 1
        }
        _ => return exit(turn, at, ExitReason::Finished),
    };
    turn.person.instances[at].place = next;
}

/// The phase of a step at which an instance stops; `None` for the others.
pub(super) fn wait(turn: &Turn, at: usize, op: &Op) -> Option<Phase> {
    let (person, plan, now) = (&*turn.person, turn.plan, turn.person.now);
    let until = match op {
        Op::WaitFor(length) => now.saturating_add(*length),
        Op::WaitClock(minute) => person.zone(plan).next_clock(now, *minute),
        Op::WaitDay { day, at: minute } => {
            let zone = person.zone(plan);
            zone.at(zone.day(person.instances[at].entered_at) + day - 1, *minute)
        }
        Op::WaitFact { fact, is_date, offset, at: minute } => {
            let cx = turn.cx(at);
            match facts::read(&cx, *fact).into_value() {
                Value::Time(time) => until_fact(turn, time, *is_date, *offset, *minute),
                _ => now,
            }
        }
        Op::WaitInstant { instant, at: minute } => match eval(instant, &turn.cx(at)).into_value() {
            Value::Time(time) => until_fact(turn, time, false, 0, *minute),
            _ => now,
        },
        Op::WaitQuiet { quiet_for, .. } => {
            return Some(Phase::Quiet { until: now.saturating_add(*quiet_for) });
        }
        Op::WaitEvent { timeout, .. } => {
            return Some(Phase::Listening { until: now.saturating_add(*timeout) });
        }
        Op::Send(_) => return Some(Phase::Pending { due: now, granted: false }),
        _ => return None,
    };
    Some(Phase::Waiting { until })
}

/// A date means its local midnight and moves by whole calendar days, a time itself; a written clock time replaces the
/// time of the day that comes out.
fn until_fact(turn: &Turn, time: i64, is_date: bool, offset: i64, minute: Option<u16>) -> i64 {
    let zone = turn.person.zone(turn.plan);
    let day = dates::local_day(&zone, time, is_date);
    if is_date && offset % DAY == 0 {
        return zone.at(day + offset / DAY, minute.unwrap_or(0));
    }
    let from = if is_date { zone.at(day, 0) } else { time };
    let until = from.saturating_add(offset);
    minute.map_or(until, |minute| zone.at(zone.day(until), minute))
}

/// The same number below 10,000 for the same person at the same split, every time.
fn split_share(turn: &Turn, at: usize, place: u16) -> u64 {
    let journey = &turn.plan.journeys[turn.person.instances[at].journey.0 as usize];
    let path = &journey.program[place as usize].path;
    let text = format!("{}\u{1f}{path}\u{1f}{}", journey.name, turn.person.id);
    xxhash_rust::xxh3::xxh3_64(text.as_bytes()) % 10_000
}

fn emit(turn: &mut Turn, at: usize, kind: Kind, with: &[(String, crate::define::plan::Expr)]) {
    let (plan, now) = (turn.plan, turn.person.now);
    let cx = turn.cx(at);
    let with: Vec<(&str, Value)> =
        with.iter().map(|(name, expr)| (name.as_str(), eval(expr, &cx).into_value())).collect();
    let instance = &turn.person.instances[at];
    let by = instance.moved_by.as_ref().unwrap_or(&instance.entered_by);
    // An emitted event repeats nothing; without a message id it is never a duplicate.
    let event = Event {
        leaf: turn.person.id.clone(),
        values: slots(plan, &with),
        ..Event::plain(kind, now, by.origin)
    };
    let (place, values) = (instance.place, with.into_iter().map(|(_, value)| value).collect());
    if turn.emit(event) {
        turn.note(at, Change::Emitted { place, with: values });
    }
}

/// Values under the slots by which definitions read them.
fn slots(plan: &Plan, with: &[(&str, Value)]) -> Vec<(u16, Value)> {
    let slot = |name: &str| {
        let wanted = crate::define::plan::PropertyPath {
            from: crate::define::plan::Consumer::Event,
            path: name.split('.').map(String::from).collect(),
        };
        plan.inputs.paths.iter().position(|path| *path == wanted).map(|at| at as u16)
    };
    let known = with.iter().filter(|(_, value)| !value.is_missing());
    known.filter_map(|(name, value)| Some((slot(name)?, value.clone()))).collect()
}

/// The decision about the message at which an instance stands, with what led to it.
pub(super) fn decision(
    turn: &Turn,
    at: usize,
    send: SendId,
    due: i64,
    outcome: Outcome,
) -> Decision {
    let instance = &turn.person.instances[at];
    let message = &turn.plan.sends[send.0 as usize];
    let cx = turn.cx(at);
    let with = match outcome {
        Outcome::Send => message.with.iter().map(|(_, e)| eval(e, &cx).into_value()).collect(),
        _ => Vec::new(),
    };
    let causes = message.causes.iter();
    let facts = causes.map(|&fact| (fact, facts::read_any(&cx, fact))).collect();
    let known = |cause: &&Cause| !cause.message_id.is_empty() || cause.origin.position > 0;
    let inputs = [Some(&instance.entered_by), instance.moved_by.as_ref()];
    Decision {
        time: turn.person.now,
        journey: instance.journey,
        key: instance.key.clone(),
        number: instance.number,
        place: instance.place,
        send,
        outcome,
        due,
        with,
        inputs: inputs.into_iter().flatten().filter(known).cloned().collect(),
        facts,
    }
}

impl<'a> Turn<'a> {
    /// What an instance's expressions see now.
    fn cx(&self, at: usize) -> Cx<'_> {
        let of = Cx::of_instance(self.plan, self.person, self.person.now, at);
        Cx { catalogue: self.catalogue, ..of }
    }
}

impl Turn<'_> {
    /// The trait `timezone` is the person's zone, wherever it comes from.
    /// Tells whether the person has another zone now, or may have.
    fn set_zone(&mut self, name: &str, value: &Value) -> bool {
        let known = value.str().filter(|zone| crate::time::zone::Zone::is_known(zone));
        if let ("timezone", Some(zone)) = (name, known) {
            self.person.zone = Some((self.person.now, zone.into()));
            return true;
        }
        false
    }
}

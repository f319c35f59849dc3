"""Holds every decision of a run of dataflows/retail to the contact policy, from the logs and the input alone.

    tests/laws/check.py EVENTS.jsonl OUT              # the input, and the folder that `kairos run` has written
    tests/laws/check.py --self-test EVENTS.jsonl OUT  # breaks the logs in each way, and demands that it is found

Everything is laid side by side in the order of its time: what happens to people, what they are in, and what is decided. Who was
who, what they had agreed to, where they were, and what they had been sent is worked out from the input (people.py) and the policy
as it is written down in pack.py. Of all gates it is asked anew whether they hold: a message was sent if none did, and held back
for the first that did.

What cannot be worked out from outside: who is held out, which is learnt from the first message and has to stay so; the hold-out of
a split; and what is due soon but was not deferred, for which a message waits. At one millisecond, an exit that is written is allowed
to come after the instance's own message. What is not judged is counted, with the reason.
"""

import heapq
import json
import math
import pathlib
import sys
from collections import Counter, defaultdict
from datetime import datetime, timedelta

sys.dont_write_bytecode = True

import pack
import people
from people import instant, milliseconds

LAWS = {
    "caps": "no cap is exceeded",
    "cap drops": "what a cap holds, it holds because its window is full",
    "gap": "between two messages there is the gap",
    "throttle": "in no minute there are more than the throttle lets through",
    "hold-out": "the same persons are held out every time, as many as is said, of what is not excepted",
    "look-ahead": "what is small waits for what matters and is due soon, and for nothing else",
    "exclusive": "nothing is sent while a more important journey of the group is open",
    "quiet hours": "nothing is sent in quiet hours or on holidays",
    "suppression": "nothing is sent while a segment suppresses it",
    "consent": "nothing is sent without consent",
    "exits": "an instance decides only while it is open",
    "carts": "nothing is sent for a cart after its order",
    "valid_for": "nothing is sent after it is worth nothing",
    "ids": "each id is there once, and sends are triggers",
    "defers": "a deferral ends when its reason does or the message is worth nothing, and another word follows in time",
    "reasons": "what is held back has its reason, and it is the first",
    "identity": "a decision bears the strongest identifier",
}
# Gates in their order, and the law that a send breaks.
RANKS = ["expired", "hold-out", "consent", "suppressed", "excluded", "quiet hours", "waits", "cap", "gap", "throttle"]
LAW_OF = {
    "expired": "valid_for",
    "hold-out": "hold-out",
    "consent": "consent",
    "suppressed": "suppression",
    "excluded": "exclusive",
    "quiet hours": "quiet hours",
    "waits": "look-ahead",
    "cap": "caps",
    "gap": "gap",
}
# What a deferral waits for that ends at no instant that is known beforehand.
HELD = ("suppressed", "excluded", "throttle")
HOLD_OUT, LOOK_AHEAD, THROTTLE = (pack.POLICY[name][0] for name in ("hold_out", "look_ahead", "throttle"))
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
SPANS = {"m": pack.MINUTE, "h": pack.HOUR, "d": pack.DAY}
JOURNEY_LINES = [f'"kairos.journey.{what}"' for what in ("entered", "exited", "goal", "carried")]
SHOWN_MAX = 5


def span(text):
    return int(text[:-1]) * SPANS[text[-1]]


def is_named(message, names):
    """Whether tags or purposes name a message."""
    return message["purpose"] in names or any(tag in names for tag in message.get("tags", ()))


def is_about(rule, message):
    """Whether a rule concerns a message, by its channel, purpose, tags and journey."""
    return (
        rule.get("channel", message["channel"]) == message["channel"]
        and message["channel"] in rule.get("channels", [message["channel"]])
        and rule.get("purpose", message["purpose"]) == message["purpose"]
        and rule.get("journey", message["journey"]) == message["journey"]
        and ("tag" not in rule or rule["tag"] in message.get("tags", ()))
        and not is_named(message, rule.get("except", ()))
    )


def local(now, zone):
    return datetime.fromtimestamp(now // 1000, zone)


def begin_of(rule, now, zone):
    """The first instant of a cap's window."""
    if "over" in rule:
        return now - span(rule["over"]) + 1
    day = local(now, zone).date()
    if rule["per"] == "week":
        day -= timedelta(days=day.weekday())
    elif rule["per"] == "month":
        day = day.replace(day=1)
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def is_quiet(rule, now, zone):
    clock = local(now, zone)
    if "days" in rule:
        return WEEKDAYS[clock.weekday()] in rule["days"]
    if "holidays" in rule:
        return f"{clock:%m-%d}" in pack.HOLIDAYS or f"{clock:%Y-%m-%d}" in pack.HOLIDAYS
    time = f"{clock:%H:%M}"
    return time >= rule["from"] or time < rule["to"]


def reasons():
    """All for which a message can be held."""
    suppressing = {rule["while"] for rule in pack.POLICY["suppress"]}
    suppressing |= {journey["suppress_while"] for journey in pack.journeys().values()} - {None}
    return {
        *("expired", "hold-out", "consent", "quiet hours", f"gap {pack.GAP_NAME}", f"throttle {pack.THROTTLE_NAME}"),
        *(f"suppressed by {segment}" for segment in suppressing),
        *(f"excluded by {name}" for name in list(pack.PRIORITIES)[:-1]),
        f"waits for {pack.CART_JOURNEY}",
        *(f"cap {name}" for name in pack.CAP_NAMES),
    }


class Check:
    """One pass over everything, in the order of its time."""

    def __init__(self):
        self.people = people.People()
        self.journeys = pack.journeys()
        self.home = people.zone(pack.ZONE)
        self.segments = defaultdict(set)  # by subject
        self.open = defaultdict(dict)  # by subject: (journey, key) -> occurrence -> entered
        self.ended = {}  # by subject, journey, key, occurrence: when
        self.deferred = {}  # by subject, journey, key, occurrence: what was last said
        self.held_out = {}  # by subject
        self.asked = []  # when messages asked the throttle for a place
        self.places = Counter()  # that were taken, by minute
        self.reasons = Counter()
        self.ids = set()
        self.sent = {}
        self.broken = Counter()
        self.cases = []
        self.decisions = 0
        self.skipped = Counter()  # by why
        self.subjects = set()
        self.entered, self.told = Counter(), Counter()
        self.now = 0

    def breaks(self, law, why, case):
        self.broken[law] += 1
        if len(self.cases) < SHOWN_MAX:
            self.cases.append(f"{law}: {LAWS[law]}; {why}\n  {json.dumps(case)}")

    def segment(self, line):
        members = self.segments[line["subject"]]
        change, segment = line["data"]["change"], line["data"]["segment"]
        members.add(segment) if change == "entered" else members.discard(segment)

    def journey(self, now, line):
        subject, data, what = line["subject"], line["data"], line["type"].rsplit(".", 1)[1]
        name, key, occurrence = data["journey"], data.get("key"), data["occurrence"]
        instances = self.open[subject].setdefault((name, key), {})
        instance = (subject, name, key, occurrence)
        if what == "entered":
            self.entered[name] += 1
            instances[occurrence] = now
            self.ended.pop(instance, None)
        elif what in ("exited", "goal"):
            instances.pop(occurrence, None)
            self.ended[instance] = now
            self.in_time(self.deferred.pop(instance, None), line)
        elif what == "carried":
            # Of two of one journey and key there is one from now on.
            moved = self.open[data["from"]].pop((name, key), {})
            for old in list(moved) + list(instances):
                for side in (subject, data["from"]):
                    waiting = self.deferred.pop((side, name, key, old), None)
                    if waiting:
                        self.deferred[instance] = waiting
            instances.clear()
            instances[occurrence] = max(moved.values(), default=now)

    def holding(self, person, subject, now, message):
        """All gates that hold the message now, in their order."""
        if "valid_until" in message and now > milliseconds(message["valid_until"]):
            yield "expired", "expired"
        if self.held_out.get(subject) and is_about(HOLD_OUT, message):
            yield "hold-out", "hold-out"
        for rule in pack.POLICY["consent"]:
            what = ("trait", rule["trait"]) if "trait" in rule else ("category", rule.get("category"))
            if is_about(rule, message) and not person.hears(what, rule.get("default") == "granted"):
                yield "consent", "consent"
        own = {"while": self.journeys[message["journey"]]["suppress_while"]}
        for rule in pack.POLICY["suppress"] + [own]:
            if rule["while"] in self.segments[subject] and is_about(rule, message):
                yield "suppressed", f"suppressed by {rule['while']}"
        for group in pack.POLICY["exclusive"]:
            if message["journey"] not in group["journeys"]:
                continue
            opened = {name for (name, _), instances in self.open[subject].items() if instances}
            order = sorted(group["journeys"], key=lambda name: (-pack.PRIORITIES[name], name))
            for other in order[: order.index(message["journey"])]:
                if other in opened:
                    yield "excluded", f"excluded by {other}"
        zone = person.hears(("zone",)) or self.home
        for rule in pack.POLICY["quiet_hours"]:
            if is_about(rule, message) and is_quiet(rule, now, zone):
                yield "quiet hours", "quiet hours"
        for other in self.soon(subject, now, message):
            yield "waits", f"waits for {other}"
        for name, rule in zip(pack.CAP_NAMES, pack.POLICY["caps"]):
            if is_about(rule, message) and not is_named(message, rule.get("only_counts", ())):
                begin = begin_of(rule, now, zone)
                counted = sum(at >= begin and is_about(rule, it) for at, _, it in person.sends)
                if counted >= int(rule["max"]):
                    yield "cap", f"cap {name}"
        for rule in pack.POLICY["gap"]:
            last = max((at for at, _, it in person.sends if is_about(rule, it)), default=None)
            if is_about(rule, message) and last is not None and now - last < span(rule["min"]):
                yield "gap", f"gap {pack.GAP_NAME}"

    def soon(self, subject, now, message):
        """The journeys that matter, of which a deferred message is due soon, and not only to be dropped."""
        if message["priority"] >= int(LOOK_AHEAD["below"]):
            return
        for (name, key), instances in self.open[subject].items():
            if self.journeys[name]["priority"] < int(LOOK_AHEAD["for"]):
                continue
            for occurrence in instances:
                line = self.deferred.get((subject, name, key, occurrence))
                if line and not line["data"]["reason"].startswith(HELD):
                    until, end = milliseconds(line["data"]["until"]), line["data"].get("valid_until")
                    is_worthless = end is not None and until > milliseconds(end)
                    if now < until <= now + span(LOOK_AHEAD["within"]) and not is_worthless:
                        yield name

    def instance_of(self, now, line):
        """When the instance entered that a decision is of, if it may decide."""
        subject, message = line["subject"], line["data"]
        name, key, occurrence = message["journey"], message.get("key"), message["occurrence"]
        entered = self.open[subject].get((name, key), {}).get(occurrence)
        ended = self.ended.get((subject, name, key, occurrence))
        if entered is None and ended != now:
            self.breaks("exits", "it has exited" if ended else "it has not entered", line)
        return entered

    def decision(self, now, line):
        subject, message = line["subject"], line["data"]
        self.decisions += 1
        self.subjects.add(subject)
        if line["id"] in self.ids:
            self.breaks("ids", "a decision with an id that was there before", line)
        self.ids.add(line["id"])
        self.follows(line)
        self.takes_place(now, line)
        entered = self.instance_of(now, line)
        person = self.people.owner.get(subject)
        if not person or person.unjudged:
            self.skipped[person.unjudged if person else "nobody is known by the identifier"] += 1
            return
        if person.known_by() != subject:
            self.breaks("identity", f"it is known to be {person.known_by()}", line)
        if message["journey"] == pack.CART_JOURNEY and entered is not None:
            for time, cart in person.orders:
                if time > entered and cart in (None, message.get("key")):
                    self.breaks("carts", f"ordered at {instant(time)}", line)
        self.judge(line, list(self.holding(person, subject, now, message)))
        if message["decision"] == "defer":
            self.ends(line, person, now)
        elif message["decision"] == "send":
            self.told[message["journey"]] += 1
            sent = {name: message.get(name, ()) for name in ("channel", "purpose", "journey", "tags")}
            sent["template"] = message["template"]
            # Nothing looks back further than a month.
            person.sends = [it for it in person.sends if it[0] > now - 32 * pack.DAY]
            person.sends.append((now, line["id"], sent))

    def judge(self, line, holding):
        """Holds the decision to the gates."""
        decision, reason = line["data"]["decision"], line["data"].get("reason", "")
        if reason == "limit":
            self.skipped["more at one instant than is decided"] += 1
            return
        gate = next((gate for gate in RANKS if reason.startswith(gate)), None)
        self.reasons[reason] += 1
        self.holds_out(line, gate)
        if decision == "send":
            self.sent[line["id"]] = {k: v for k, v in line["data"].items() if k != "decision"}
            for gate in {gate for gate, _ in holding}:
                self.breaks(LAW_OF[gate], dict(holding)[gate], line)
            return
        before = [it for it in holding if gate and RANKS.index(it[0]) < RANKS.index(gate)]
        if gate is None:
            self.breaks("reasons", "it is none that is known", line)
        elif before:
            self.breaks("reasons", f"{before[0][1]} comes before it", line)
        elif gate == "waits":
            self.waits(line)
        elif gate == "throttle":
            if reason != f"throttle {pack.THROTTLE_NAME}" or not is_about(THROTTLE, line["data"]):
                self.breaks("reasons", "no throttle is about it", line)
        elif gate != "hold-out":
            first = next((why for it, why in holding if it == gate), None)
            if first != reason:
                self.breaks("cap drops" if gate == "cap" else "reasons", f"it does not hold ({first})", line)

    def holds_out(self, line, gate):
        """Who was held out once is held out every time, for as long as the person is known by this identifier."""
        subject, message = line["subject"], line["data"]
        is_held_out = gate == "hold-out"
        if is_held_out and self.journeys[message["journey"]]["splits"]:
            return
        if not is_about(HOLD_OUT, message):
            if is_held_out:
                self.breaks("hold-out", "it is excepted", line)
        elif gate != "expired" and self.held_out.setdefault(subject, is_held_out) != is_held_out:
            self.breaks("hold-out", f"before, it was {self.held_out[subject]} that the person is held out", line)

    def waits(self, line):
        """What a message waits for is open, matters more, and is due soon."""
        message, other = line["data"], line["data"]["reason"].removeprefix("waits for ")
        opened = {name for (name, _), instances in self.open[line["subject"]].items() if instances}
        late = milliseconds(message["until"]) - milliseconds(line["time"])
        if (
            message["priority"] >= int(LOOK_AHEAD["below"])
            or other not in opened
            or self.journeys[other]["priority"] < int(LOOK_AHEAD["for"])
            or late > span(LOOK_AHEAD["within"])
        ):
            self.breaks("look-ahead", "there is nothing to wait for", line)

    def takes_place(self, now, line):
        """Of all persons together, also of those who are not judged."""
        message = line["data"]
        if message["decision"] == "send" and is_about(THROTTLE, message):
            minute = now // pack.MINUTE
            self.places[minute] += 1
            if self.places[minute] > int(THROTTLE["max"]):
                self.breaks("throttle", f"it is the {self.places[minute]}th of its minute", line)
        elif message.get("reason", "").startswith("throttle"):
            self.asked.append(now)

    def ends(self, line, person, now):
        """A deferral ends at the first instant at which its reason does not hold, or the message is worth nothing."""
        message, gate = line["data"], line["data"]["reason"]
        until = milliseconds(message["until"]) if "until" in message else None
        worthless = milliseconds(message["valid_until"]) + 1 if "valid_until" in message else None
        if gate.startswith(HELD):
            is_right = until == worthless
        elif until is None or until <= now:
            is_right = False
        else:
            before, then = ({why for _, why in self.holding(person, line["subject"], at, message)} for at in (until - 1, until))
            is_right = gate.startswith("waits") or gate in before and (until == worthless or gate not in then)
            is_right &= worthless is None or until <= worthless
        if not is_right:
            self.breaks("defers", "that is not when it ends", line)

    def follows(self, line):
        """A deferral is followed by another word."""
        subject, message = line["subject"], line["data"]
        instance = (subject, message["journey"], message.get("key"), message["occurrence"])
        before = self.deferred.pop(instance, None)
        if before and before["data"]["step"] != message["step"]:
            self.breaks("defers", "another message was decided first", before)
        else:
            self.in_time(before, line)
        if message["decision"] == "defer":
            self.deferred[instance] = line

    def latest(self, deferral):
        """When another word has to follow, if at all; a place comes within a minute for each handful that asked since an hour ago."""
        message, time = deferral["data"], milliseconds(deferral["time"])
        if "until" in message:
            return milliseconds(message["until"])
        if not message["reason"].startswith("throttle"):
            return None
        minutes = sum(it > time - pack.HOUR for it in self.asked) // int(THROTTLE["max"]) + 2
        return time + minutes * pack.MINUTE

    def in_time(self, deferral, line):
        """What was deferred, if it was, has been followed by a line."""
        latest = self.latest(deferral) if deferral else None
        if latest is not None and milliseconds(line["time"]) > latest:
            self.breaks("defers", f"the next word was at {line['time']}", deferral)

    def trigger(self, line):
        sent = self.sent.pop(line["id"], None)
        data = {name: value for name, value in line["data"].items() if name != "with"}
        if sent is None:
            self.breaks("ids", "a trigger that was not decided, or is there twice", line)
        elif sent != data:
            self.breaks("ids", "a trigger that says something else than its decision", line)

    def finish(self):
        """What is left when the logs end."""
        for id, data in self.sent.items():
            self.breaks("ids", "a send without a trigger", {"id": id, "data": data})
        for (subject, *_), line in self.deferred.items():
            latest = self.latest(line)
            if latest is None or latest >= self.now:
                continue
            person = self.people.owner.get(subject)
            if not person or person.known_by() != subject:
                self.skipped["deferred for one of two who have become one, and which goes on is not told"] += 1
            else:
                self.breaks("defers", "no other word follows", line)
        share, known = int(HOLD_OUT["percent"]) / 100, len(self.held_out)
        is_far = abs(sum(self.held_out.values()) - share * known) > 5 * math.sqrt(share * known) + 3
        if is_far:
            self.breaks("hold-out", f"of {known:,} persons {sum(self.held_out.values()):,} are held out", None)

    def run(self, events, out):
        """Lays everything side by side."""
        with open(out / "rejects.jsonl", encoding="utf-8") as lines:
            rejected = {json.loads(line)["position"] for line in lines}
        happening = ((taken, 0, place, event) for taken, _, place, event in people.happening(events, rejected))
        streams = [
            happening,
            logged(out, "segments", 1),
            logged(out, "journeys", 2, JOURNEY_LINES),
            logged(out, "decisions", 3),
            logged(out, "triggers", 4),
        ]
        for now, order, _, what in heapq.merge(*streams, key=lambda it: it[:3]):
            self.now = max(self.now, now)
            if order == 0:
                self.people.take(what, now)
            elif order == 1:
                self.segment(what)
            elif order == 2:
                self.journey(now, what)
            elif order == 3:
                self.decision(now, what)
            else:
                self.trigger(what)
        self.finish()
        return self

    def drawn_anew(self):
        """How many persons turned out to be somebody whose hold-out is another: it goes by the identifier by which one is known."""
        drawn = defaultdict(set)
        for subject, is_held_out in self.held_out.items():
            drawn[id(self.people.owner.get(subject, subject))].add(is_held_out)
        return sum(len(it) > 1 for it in drawn.values())

    def report(self):
        for case in self.cases:
            print(case)
        for law, count in self.broken.items():
            print(f"broken {count:,} times: {law}")
        silent = sorted(name for name in self.journeys if not self.entered[name])
        print(f"journeys that never entered: {', '.join(silent) or 'none'}")
        quiet = sorted(name for name in self.journeys if self.entered[name] and not self.told[name])
        print(f"journeys that entered and sent nothing: {', '.join(quiet) or 'none'}")
        print(f"not judged: {self.skipped.total():,} decisions")
        for why, count in self.skipped.most_common():
            print(f"  {count:,}: {why}")
        print(f"held out under one identifier, and not under the one they are known by later: {self.drawn_anew():,} persons")
        idle = sorted(reasons() - set(self.reasons))
        print(f"gates that held nothing: {', '.join(idle) or 'none'}")
        broken = sum(self.broken.values())
        print(f"laws: {self.decisions:,} decisions of {len(self.subjects):,} persons, {len(LAWS)} laws: {broken:,} broken")
        return bool(broken)


def logged(out, name, order, types=()):
    """The lines of a log, with their instants and places; those of certain types only, if some are named."""
    with open(out / f"{name}.jsonl", encoding="utf-8") as lines:
        for place, text in enumerate(lines):
            if types and not any(it in text for it in types):
                continue
            line = json.loads(text)
            yield milliseconds(line["time"]), order, place, line


def main():
    arguments = sys.argv[1:]
    differences = list(pack.differences())
    for difference in differences:
        print(difference)
    if differences:
        return True
    if arguments[0] == "--self-test":
        import broken

        return broken.test(pathlib.Path(arguments[1]), pathlib.Path(arguments[2]))
    return Check().run(pathlib.Path(arguments[0]), pathlib.Path(arguments[1])).report()


if __name__ == "__main__":
    sys.exit(main())

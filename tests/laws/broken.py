"""Breaks the logs of a good run, each law once, and demands that the check finds it: a check that finds nothing is worth nothing."""

import copy
import json
import pathlib
import tempfile

import check
from people import instant, milliseconds, read

STREAMS = ("segments", "journeys", "decisions", "triggers", "rejects")


class Logs:
    """The logs of a run in memory, to be broken."""

    def __init__(self, events, out):
        self.events = events
        self.lines = {}
        for name in STREAMS:
            with open(out / f"{name}.jsonl", encoding="utf-8") as lines:
                self.lines[name] = [json.loads(line) for line in lines]

    def sends(self, **of):
        """The sends of which this is said, from the first."""
        return self.decided(decision="send", **of)

    def decided(self, **of):
        """The decisions of which this is said, from the first."""
        for line in self.lines["decisions"]:
            said = {"subject": line["subject"], **line["data"]}
            if all(said.get(name) == value for name, value in of.items()):
                yield line

    def without(self, name, line):
        self.lines[name] = [it for it in self.lines[name] if it["id"] != line["id"]]

    def again(self, line, after_ms, **data):
        """The message of a decision is sent once more, with other words."""
        other = copy.deepcopy(line)
        other["id"] = f"planted-{len(self.lines['decisions'])}"
        other["time"] = instant(milliseconds(line["time"]) + after_ms)
        other["data"].update(data)
        other["data"].pop("valid_until", None)
        self.lines["decisions"].append(other)
        told = {name: value for name, value in other["data"].items() if name != "decision"}
        self.lines["triggers"].append({**other, "data": told})
        return other

    def held_back(self, line, reason):
        """What was sent is not, for no reason."""
        line["data"].update(decision="drop", reason=reason)
        self.without("triggers", line)

    def let_go(self, line):
        """What was held back is sent."""
        line["data"].update(decision="send")
        del line["data"]["reason"]
        told = {name: value for name, value in line["data"].items() if name != "decision"}
        self.lines["triggers"].append({**line, "data": told})

    def journey(self, line, what, after_ms, **data):
        """An instance enters or exits, so long after a decision."""
        names = ("journey", "version", "key", "occurrence")
        said = {name: line["data"][name] for name in names if name in line["data"]}
        time = instant(milliseconds(line["time"]) + after_ms)
        line = {"id": "planted", "type": f"kairos.journey.{what}", "time": time, "subject": line["subject"]}
        self.lines["journeys"].append({**line, "data": {**said, **data}})

    def later(self, line, instance):
        """What the logs say of an instance after a line; by the identity of the lines."""
        return {
            id(it)
            for name in ("decisions", "triggers", "journeys")
            for it in self.lines[name]
            if it["subject"] == line["subject"]
            and it["time"] > line["time"]
            and all(it["data"].get(name) == value for name, value in instance.items())
        }

    def found(self):
        """What the check says of them."""
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for name, lines in self.lines.items():
                if name != "rejects":
                    lines.sort(key=lambda line: milliseconds(line["time"]))
                with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as file:
                    file.writelines(json.dumps(line) + "\n" for line in lines)
            return check.Check().run(self.events, folder).broken


def break_caps(logs):
    send = next(logs.sends(purpose="marketing"))
    for minute in range(1, 4):
        logs.again(send, minute * 60_000)


def break_cap_drops(logs):
    logs.held_back(next(logs.sends(purpose="marketing")), "cap 3 over 7d")


def break_service_cap(logs):
    send = next(logs.sends(purpose="service", channel="email", template="friend-joined"))
    for minute in range(1, 4):
        logs.again(send, minute * 60_000)


def break_mail_cap(logs):
    """A reminder goes after as much mail that is owed as a day has room for."""
    logs.let_go(next(logs.decided(reason="cap mail 4 per day")))


def break_only_counts(logs):
    """What is owed is held by the cap in which it only counts."""
    owed = next(logs.decided(reason="cap mail 4 per day"))["subject"]
    *_, confirmation = logs.sends(subject=owed, template="order-confirmation")
    logs.held_back(confirmation, "cap mail 4 per day")


def break_gap(logs):
    send = next(logs.sends(purpose="marketing"))
    logs.again(send, 0, channel="sms")
    logs.again(send, 4 * 3_600_000 - 1, channel="whatsapp")


def break_throttle(logs):
    send = next(logs.sends())
    minute = -milliseconds(send["time"]) % 60_000
    for second in range(6):
        logs.again(send, minute + second * 1_000, channel="whatsapp")


def break_hold_out(logs):
    send = next(logs.sends(purpose="marketing"))
    logs.again(send, 1_000)
    logs.held_back(send, "hold-out")


def break_hold_out_except(logs):
    logs.held_back(next(logs.sends(purpose="service")), "hold-out")


def break_hold_out_share(logs):
    """Every other person is held out, each of them every time."""
    for line in list(logs.decided(purpose="marketing")):
        if line["data"].get("reason") != "expired" and sum(line["subject"].encode()) % 2:
            logs.held_back(line, "hold-out")


def break_look_ahead(logs):
    """A message is sent although one that matters is due in an hour."""
    went = {(it["subject"], it["time"], it["data"]["journey"]) for it in logs.sends()}
    waited = logs.decided(reason="quiet hours")
    waited = (it for it in waited if (it["subject"], it["data"]["until"], it["data"]["journey"]) in went)
    big = next(it for it in waited if it["data"]["priority"] >= 70)
    small = next(it for it in logs.sends() if it["data"]["priority"] < 45)
    hour_before = milliseconds(big["data"]["until"]) - 3_600_000
    logs.again(small, hour_before - milliseconds(small["time"]))["subject"] = big["subject"]


def break_waits(logs):
    send = next(it for it in logs.sends() if it["data"]["priority"] < 45)
    until = instant(milliseconds(send["time"]) + 3_600_000)
    logs.held_back(send, "waits for vip-at-risk")
    send["data"].update(decision="defer", until=until)


def break_exclusive(logs):
    send = next(logs.sends(purpose="service"))
    logs.journey(send, "entered", -1, journey="vip-at-risk", occurrence=1, key=None)
    logs.journey(send, "entered", -1, journey="reactivation", occurrence=1, key=None)
    logs.again(send, 0, journey="reactivation", occurrence=1, key=None)


def break_quiet_hours(logs):
    send = next(logs.sends(purpose="service"))
    for hour in range(1, 24):
        logs.again(send, hour * 3_600_000)


def break_sundays(logs):
    """At noon of the first Sunday, which is no holiday."""
    send = next(logs.sends(purpose="marketing"))
    noon = milliseconds("2026-03-08T11:00:00.000Z")
    logs.again(send, noon - milliseconds(send["time"]), channel="sms", tags=[])


def break_suppression(logs):
    send = next(logs.sends())
    data = {"segment": "legal-block", "change": "entered"}
    logs.lines["segments"].append({"time": send["time"], "subject": send["subject"], "data": data})


def break_consent(logs):
    next(logs.sends())["data"].update(channel="whatsapp")


def break_no_to_all(logs):
    """Who said no, and named no channel, gets a WhatsApp message."""
    logs.let_go(next(logs.decided(channel="whatsapp", reason="consent")))


def break_exits(logs):
    logs.journey(next(logs.sends()), "exited", -1, reason="exit")


def break_carts(logs):
    """Of a cart that was reminded of and then ordered, once more after the order, as if the instance were open."""
    ends = [line for line in logs.lines["journeys"] if line["type"] == "kairos.journey.goal"]
    for end in ends:
        names = ("journey", "key", "occurrence")
        of = {name: end["data"].get(name) for name in names}
        send = next(logs.sends(subject=end["subject"], **of), None)
        if send and of["journey"] == "abandoned-cart":
            logs.without("journeys", end)
            logs.again(send, milliseconds(end["time"]) - milliseconds(send["time"]) + 1000)
            return
    raise LookupError("no cart was reminded of and then ordered")


def break_valid_for(logs):
    send = next(line for line in logs.sends() if "valid_until" in line["data"])
    send["data"]["valid_until"] = instant(milliseconds(send["time"]) - 1)


def break_ids(logs):
    logs.lines["decisions"].append(next(logs.sends()))


def break_triggers(logs):
    logs.without("triggers", next(logs.sends()))


def break_defers(logs):
    """Every word that follows is taken away, and so is the end of the instance."""
    for line in list(logs.lines["decisions"]):
        if line["data"]["decision"] == "defer":
            instance = {name: line["data"].get(name) for name in ("journey", "key", "occurrence")}
            if next(logs.sends(subject=line["subject"], **instance), None):
                later = logs.later(line, instance)
                for name in ("decisions", "triggers", "journeys"):
                    logs.lines[name] = [it for it in logs.lines[name] if id(it) not in later]
                return
    raise LookupError("nothing was deferred and then sent")


def break_ends(logs):
    """A deferral is longer than its reason."""
    message = next(logs.decided(reason="quiet hours"))["data"]
    message["until"] = instant(milliseconds(message["until"]) + 60_000)


def break_worthless(logs):
    """A deferral is longer than its message is worth anything."""
    message = next(logs.decided(decision="defer", reason="suppressed by email-unreachable"))["data"]
    message["until"] = instant(milliseconds(message["valid_until"]) + 2)


def break_reasons(logs):
    logs.held_back(next(logs.sends()), "suppressed by open-ticket")


def break_identity(logs):
    """The customer's message bears the browser by which the customer came."""
    with open(logs.events, "rb") as lines:
        for line in lines:
            try:
                named = read(line)["identifiers"]
            except ValueError:
                continue
            send = next(logs.sends(subject=named[0]), None) if named and len(named) > 1 else None
            if send:
                logs.again(send, 1000)["subject"] = named[-1]
                return
    raise LookupError("nobody came with a browser and an account")


BREAKS = {
    break_caps: "caps",
    break_service_cap: "caps",
    break_mail_cap: "caps",
    break_cap_drops: "cap drops",
    break_only_counts: "cap drops",
    break_gap: "gap",
    break_throttle: "throttle",
    break_hold_out: "hold-out",
    break_hold_out_except: "hold-out",
    break_hold_out_share: "hold-out",
    break_look_ahead: "look-ahead",
    break_waits: "look-ahead",
    break_exclusive: "exclusive",
    break_quiet_hours: "quiet hours",
    break_sundays: "quiet hours",
    break_suppression: "suppression",
    break_consent: "consent",
    break_no_to_all: "consent",
    break_exits: "exits",
    break_carts: "carts",
    break_valid_for: "valid_for",
    break_ids: "ids",
    break_triggers: "ids",
    break_defers: "defers",
    break_ends: "defers",
    break_worthless: "defers",
    break_reasons: "reasons",
    break_identity: "identity",
}


def test(events, out):
    """Whether the check misses anything, or finds something in the logs as they are."""
    assert set(BREAKS.values()) == set(check.LAWS), "each law is broken"
    wrong = 0
    before = Logs(events, out).found()
    if before:
        print(f"the logs are broken before anything is planted: {dict(before)}")
        wrong += 1
    for plant, law in BREAKS.items():
        logs = Logs(events, out)
        plant(logs)
        found = logs.found()
        is_found = found[law] > before[law]
        wrong += not is_found
        print(f"{plant.__name__}: {dict(found) if is_found else f'{law} is not found'}")
    print(f"laws: {len(BREAKS)} ways to break the logs, {wrong} of them not found")
    return bool(wrong)

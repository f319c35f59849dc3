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
        for line in self.lines["decisions"]:
            said = {"subject": line["subject"], **line["data"]}
            if said["decision"] == "send" and all(said.get(name) == value for name, value in of.items()):
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


def break_gap(logs):
    send = next(logs.sends(purpose="marketing"))
    logs.again(send, 0, channel="push")
    logs.again(send, 29 * 60_000, channel="push")


def break_exclusive(logs):
    send = next(logs.sends(purpose="service"))
    logs.journey(send, "entered", -1, journey="vip-at-risk", occurrence=1, key=None)
    logs.journey(send, "entered", -1, journey="reactivation", occurrence=1, key=None)
    logs.again(send, 0, journey="reactivation", occurrence=1, key=None)


def break_quiet_hours(logs):
    send = next(logs.sends(purpose="service"))
    for hour in range(1, 24):
        logs.again(send, hour * 3_600_000)


def break_suppression(logs):
    send = next(logs.sends())
    data = {"segment": "legal-block", "change": "entered"}
    logs.lines["segments"].append({"time": send["time"], "subject": send["subject"], "data": data})


def break_consent(logs):
    next(logs.sends())["data"].update(channel="whatsapp")


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
    break_cap_drops: "cap drops",
    break_gap: "gap",
    break_exclusive: "exclusive",
    break_quiet_hours: "quiet hours",
    break_suppression: "suppression",
    break_consent: "consent",
    break_exits: "exits",
    break_carts: "carts",
    break_valid_for: "valid_for",
    break_ids: "ids",
    break_triggers: "ids",
    break_defers: "defers",
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

"""Draws decisions of a run at random, and one for each reason, and demands that `kairos explain` accounts for each: the same
decision, and each gate that was asked, of which the last is the one that held.

    tests/laws/explained.py KAIROS EVENTS.jsonl OUT COUNT

The whole input is run again, once for all persons: the pack compares persons with one another.
"""

import json
import pathlib
import random
import subprocess
import sys
import time

TOLD_ONLY = ("what", "gates", "with", "id")
# What of a decision is said in words of its own: the gate of a reason, where it is not named in it.
GATES = {"waits for": "look-ahead"}


def drawn(path, count):
    """Decisions, each as likely as any other; and the first for each reason, however seldom it is."""
    chosen, first, draw = [], {}, random.Random(1)
    with open(path, encoding="utf-8") as lines:
        for place, line in enumerate(lines):
            decision = json.loads(line)
            first.setdefault(decision["data"].get("reason"), decision)
            if len(chosen) < count:
                chosen.append(decision)
            elif (at := draw.randrange(place + 1)) < count:
                chosen[at] = decision
    return list({decision["id"]: decision for decision in [*chosen, *first.values()]}.values())


def accounts(decision, told):
    """What is wrong with what was told of a decision; nothing if it accounts for it."""
    if told is None:
        return "it is not told"
    time, said = told
    data = {name: value for name, value in said.items() if name not in TOLD_ONLY}
    if (time, data) != (decision["time"], decision["data"]):
        return f"another decision is told: {time} {data}"
    verdicts = [gate["verdict"] for gate in said["gates"]]
    if decision["data"]["decision"] == "send":
        return None if verdicts and "holds" not in verdicts else f"it was sent, and the gates say {verdicts}"
    reason = decision["data"]["reason"]
    if reason == "limit":
        return None
    held = verdicts.index("holds") if "holds" in verdicts else len(verdicts)
    if held == len(verdicts) or set(verdicts[:held]) - {"passes"} or set(verdicts[held + 1 :]) - {"not asked"}:
        return f"the gates say {verdicts}"
    gate = said["gates"][held]["gate"]
    named = next((name for words, name in GATES.items() if reason.startswith(words)), None)
    return None if gate == named or reason.startswith(gate) else f"the gate that holds is {gate}"


def main():
    kairos, events, out, count = sys.argv[1:]
    sample = drawn(pathlib.Path(out) / "decisions.jsonl", int(count))
    persons = sorted({decision["subject"] for decision in sample})
    start = time.monotonic()
    command = [kairos, "explain", *persons, "--json", "--pack", "dataflows/retail", "--in", events]
    told = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        for text in split(process.stdout, len(persons)):
            for entry in json.loads(text)["timeline"]:
                for change in entry["changes"]:
                    if change["what"] == "decision":
                        told[change["id"]] = (entry["time"], change)
    if process.returncode:
        return True
    wrong = 0
    for decision in sample:
        why = accounts(decision, told.get(decision["id"]))
        if why:
            wrong += 1
            if wrong <= 5:
                print(f"{why}\n  {json.dumps(decision)}")
    print(
        f"explained: {len(sample):,} decisions of {len(persons):,} persons in {time.monotonic() - start:.0f} s: "
        f"{wrong:,} not accounted for"
    )
    return bool(wrong)


def split(stream, persons):
    """The objects, one a line; of one person it is laid out over many."""
    return [stream.read()] if persons == 1 else stream


if __name__ == "__main__":
    sys.exit(main())

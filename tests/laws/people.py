"""Who is who, and what each has said about consent and time zone, from the input alone.

What is simpler here than in Kairos, and what of it cannot be judged:
- Of an event's two time zones, a trait is taken before that of the context.
- Telephone numbers are not brought into one form: a person with one is not judged; neither is one with an alias, or one whose
  identifiers were taken apart, or who was erased.
"""

import heapq
import json
import re
from collections import Counter
from datetime import date, datetime, timezone
from zoneinfo import ZoneInfo

import pandas

import pack

STEP, SLACK = 10_000, 5_000  # what `kairos run` has for --epoch and --slack
CHANGES_OF_HANDS_MAX = 5
NOBODY = {"", "null", "undefined", "unknown", "none", "anonymous", "nil", "0", "-1"}
KINDS = ("user", "card", "email", "phone", "anonymous")
STAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z")
HEARD_ONCE = {pack.CART_EXIT, "Message Bounced", "Unsubscribed", "Subscribed"}

FIRST_DAY = date(1970, 1, 1).toordinal()
days, zones = {}, {}


def milliseconds(text):
    """An instant, counted from 1970 in UTC."""
    if isinstance(text, (int, float)):
        return int(text)
    found = STAMP.fullmatch(text)
    if not found:
        return pandas.Timestamp(text).value // 1_000_000
    day, hour, minute, second, fraction = found.groups()
    if day not in days:
        days[day] = (date.fromisoformat(day).toordinal() - FIRST_DAY) * pack.DAY
    return days[day] + ((int(hour) * 60 + int(minute)) * 60 + int(second)) * 1000 + int(fraction)


def instant(ms):
    """As it is written in logs."""
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def zone(name):
    """A time zone; nothing if there is none of that name."""
    if name not in zones:
        try:
            zones[name] = ZoneInfo(name) if isinstance(name, str) else None
        except (OSError, ValueError, KeyError):
            zones[name] = None
    return zones[name]


class Person:
    """What is known of one person by now."""

    def __init__(self, identifier, seen):
        self.identifiers = {identifier}
        self.strong = identifier.startswith("user:")
        self.seen = seen
        self.said = {}  # by what: event time and value
        self.sends = []
        self.orders = []
        self.unjudged = None  # or why

    def say(self, what, time, value):
        """The latest word by event time holds."""
        if what not in self.said or self.said[what][0] <= time:
            self.said[what] = (time, value)

    def hears(self, what, default=None):
        return self.said[what][1] if what in self.said else default

    def absorb(self, other):
        """The other one has turned out to be this person."""
        self.identifiers |= other.identifiers
        self.strong |= other.strong
        self.seen = max(self.seen, other.seen)
        for what, (time, value) in other.said.items():
            self.say(what, time, value)
        self.sends = sorted(self.sends + other.sends)
        self.orders += other.orders
        self.unjudged = self.unjudged or other.unjudged

    def known_by(self):
        """The strongest identifier; of two equally strong ones the first by alphabet."""
        return min(self.identifiers, key=lambda it: (KINDS.index(it.split(":", 1)[0]), it))


class People:
    """To whom each identifier belongs."""

    def __init__(self):
        self.owner = {}
        self.changes = Counter()
        self.heard = set()

    def of(self, identifier, now):
        """Its person; somebody new if it is not known, or is a visitor's who has been forgotten."""
        person = self.owner.get(identifier)
        if person and not person.strong and now - person.seen > pack.FORGET_AFTER:
            for other in person.identifiers:
                self.owner.pop(other, None)
            person = None
        if not person:
            person = self.owner[identifier] = Person(identifier, now)
        return person

    def link(self, identifiers, now):
        """The identifiers of one event are one person's: whose it is."""
        person = self.of(identifiers[0], now)
        for weaker in identifiers[1:]:
            known = weaker in self.owner
            other = self.of(weaker, now)
            if other is person or self.changes[weaker] >= CHANGES_OF_HANDS_MAX:
                continue
            if known and person.strong and other.strong:
                # It has changed hands: what was, stays where it is.
                self.changes[weaker] += 1
                other.identifiers.discard(weaker)
                person.identifiers.add(weaker)
                self.owner[weaker] = person
                continue
            if other.strong and not person.strong:
                person, other = other, person
            person.absorb(other)
            for identifier in other.identifiers:
                self.owner[identifier] = person
        person.seen = now
        return person

    def take(self, event, now):
        """An event happens, now."""
        person = self.link(event["identifiers"], now)
        name, time = event["name"], event["time"]
        # A repeated line says nothing new.
        if name in HEARD_ONCE and event["id"]:
            if event["id"] in self.heard:
                return
            self.heard.add(event["id"])
        for what, said in event["says"]:
            person.say(what, time, said)
        properties = event["properties"]
        if name == pack.CART_EXIT:
            person.orders.append((time, properties.get("cart_id")))
        elif name in pack.POLICY["not_delivered"]:
            take_back(person, time, properties)
        elif name in ("Unsubscribed", "Subscribed"):
            consents(person, name, time, now, properties)
        person.unjudged = person.unjudged or event["unjudged"]


def consents(person, name, time, now, properties):
    """delivery.yaml makes the traits of it, at once: a no that names no channel is one to all. The policy takes the consent for
    WhatsApp back, of whichever purpose."""
    is_no = name == "Unsubscribed"
    for channel in ("email", "sms", "whatsapp"):
        is_meant = properties.get("channel", channel if is_no else None) == channel
        if is_meant and properties.get("purpose", "marketing") == "marketing":
            person.say(("trait", f"{channel}_consent"), now, not is_no)
    if is_no and properties.get("channel", "whatsapp") == "whatsapp":
        person.say(("trait", "whatsapp_consent"), time, False)


def take_back(person, time, properties):
    """What has not arrived counts no longer: the send of that id, or else the latest of that template."""
    trigger, template = properties.get("trigger_id"), properties.get("template")
    for place in reversed(range(len(person.sends))):
        at, sent_id, sent = person.sends[place]
        if sent_id == trigger if trigger else at <= time and sent["template"] == template:
            del person.sends[place]
            return


def identifiers_of(event, properties, traits):
    """Those that identify somebody, with their kinds, strongest first; whether there is one that is not understood here."""
    context = event.get("context") or {}
    about = {**(context.get("traits") or {}), **(traits or {}), **(properties or {})}
    named = {
        "user": event.get("userId"),
        "card": about.get("loyalty_card"),
        "email": about.get("email"),
        "anonymous": event.get("anonymousId"),
    }
    found = []
    for kind in KINDS:
        text = named.get(kind)
        if isinstance(text, (str, int)) and str(text).strip().lower() not in NOBODY:
            text = str(text)
            if kind == "email":
                text = text.strip().lower()
                if "@" not in text:
                    continue
            found.append(f"{kind}:{text}")
    return found, "phone" in about


def time_of(event):
    """When it happened, as far as it is told; not after it came in."""
    times = [event[name] for name in ("timestamp", "originalTimestamp", "receivedAt") if event.get(name) is not None]
    return min(milliseconds(times[0]), milliseconds(event.get("receivedAt") or times[0]))


def read(line):
    """What of a line matters here; nothing if it is nobody's."""
    event = json.loads(line)
    kind = event.get("type", "track")
    name = event.get("event") if kind == "track" else kind
    context = event.get("context") or {}
    properties, traits = event.get("properties") or {}, event.get("traits") or {}
    identifiers, has_phone = identifiers_of(event, properties, traits)
    says = []
    for words in (context.get("traits") or {}, traits if kind == "identify" else {}):
        for trait in ("email_consent", "sms_consent", "whatsapp_consent"):
            if isinstance(words.get(trait), bool):
                says.append((("trait", trait), words[trait]))
    for category, granted in ((context.get("consent") or {}).get("categoryPreferences") or {}).items():
        if isinstance(granted, bool):
            says.append((("category", category), granted))
    own = zone(traits.get("timezone")) if kind == "identify" else None
    own = own or zone(context.get("timezone"))
    if own:
        says.append((("zone",), own))
    unjudged = "of a person with a telephone number" if has_phone else None
    if name in ("alias", "delete", "Identifiers Unlinked", "Person Erased"):
        unjudged = "of a person with an alias, or taken apart, or erased"
    return {
        "name": name,
        "time": time_of(event),
        "id": event["messageId"] if isinstance(event.get("messageId"), str) else None,
        "identifiers": identifiers,
        "says": says,
        "properties": properties,
        "unjudged": unjudged,
    }


def happening(path, rejected):
    """The events as they are taken in: the instant, the place in the input, the event. One that comes after its time is over is taken
    in at the watermark."""
    waiting, highest = [], None
    with open(path, "rb") as lines:
        for place, line in enumerate(lines, 1):
            if place in rejected or not line.strip():
                continue
            event = read(line)
            begin = (highest - SLACK) // STEP * STEP if highest is not None else event["time"]
            taken = max(event["time"], begin)
            while waiting and waiting[0][0] < begin:
                yield heapq.heappop(waiting)
            if event["identifiers"]:
                heapq.heappush(waiting, (taken, event["time"], place, event))
            highest = event["time"] if highest is None else max(highest, event["time"])
    while waiting:
        yield heapq.heappop(waiting)

"""What the retail pack says, as far as its laws are checked: the contact policy, written down here by hand, and what stands in the
pack's files, to be held against it. The standard library reads no YAML; these files keep to lines that are easily read."""

import pathlib
import re

RETAIL = pathlib.Path(__file__).parents[2] / "dataflows/retail"

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

ZONE = "Europe/Warsaw"
HOLIDAYS = "01-01 05-01 05-03 11-11 12-25 12-26 2026-04-05 2026-04-06 2027-03-28 2027-03-29".split()

# The rules in their order, as they stand in policy.yaml.
POLICY = {
    "hold_out": [{"percent": "1", "except": ["transactional", "service"]}],
    "consent": [
        {"channel": "email", "purpose": "marketing", "trait": "email_consent", "default": "granted"},
        {"channel": "email", "purpose": "marketing", "category": "email", "default": "granted"},
        {"channel": "sms", "trait": "sms_consent"},
        {"channel": "sms", "category": "sms", "default": "granted"},
        {"channel": "whatsapp", "trait": "whatsapp_consent", "revoked_by": ["Unsubscribed"]},
        {"purpose": "marketing", "category": "Advertising", "default": "granted"},
    ],
    "suppress": [
        {"while": "legal-block"},
        {"while": "email-unreachable", "channels": ["email"]},
        {"while": "sms-unreachable", "channels": ["sms"]},
        {"while": "push-unreachable", "channels": ["push"]},
        {"while": "open-ticket", "except": ["transactional"]},
        {"while": "sunset", "except": ["transactional", "service"]},
    ],
    "exclusive": [
        {"name": "winning back", "journeys": ["vip-at-risk", "champion-at-risk", "reactivation"]},
    ],
    "quiet_hours": [
        {"from": "21:00", "to": "08:00", "then": "defer", "except": ["transactional"]},
        {"holidays": "true", "channels": ["sms", "whatsapp", "push"], "except": ["transactional"]},
        {
            "days": ["sunday"],
            "channels": ["sms", "whatsapp", "push"],
            "except": ["transactional", "service", "last-day"],
        },
    ],
    "look_ahead": [{"below": "45", "within": "2h", "for": "70"}],
    "caps": [
        {"channel": "sms", "max": "1", "per": "day", "except": ["transactional"]},
        {"name": "one wish a day", "tag": "wish", "max": "1", "per": "day"},
        {"max": "3", "over": "7d", "except": ["transactional", "service"]},
        {"tag": "offer", "max": "2", "per": "week", "on_limit": "wait"},
        {
            "name": "mail 4 per day",
            "channel": "email",
            "max": "4",
            "per": "day",
            "only_counts": ["transactional", "service"],
        },
        {"journey": "high-intent", "max": "2", "per": "month", "on_limit": "exit"},
        {"journey": "review-request", "max": "1", "over": "3d"},
        {
            "name": "service mail 3 per day",
            "purpose": "service",
            "channel": "email",
            "max": "3",
            "per": "day",
            "on_limit": "wait",
        },
    ],
    "gap": [{"min": "4h", "channels": ["sms", "whatsapp", "push"], "except": ["transactional"]}],
    "throttle": [{"channel": "whatsapp", "max": "5", "per": "minute"}],
    "not_delivered": ["Message Bounced"],
}
CAP_NAMES = [
    "sms 1 per day",
    "one wish a day",
    "3 over 7d",
    "offer 2 per week",
    "mail 4 per day",
    "high-intent 2 per month",
    "review-request 1 over 3d",
    "service mail 3 per day",
]
GAP_NAME, THROTTLE_NAME = "sms whatsapp push 4h", "whatsapp 5 per minute"
# The members of the exclusive group, the most important first, by their priorities.
PRIORITIES = {"vip-at-risk": 85, "champion-at-risk": 75, "reactivation": 40}

# By which a cart's journey ends: an order of this cart, or of none that is named.
CART_JOURNEY, CART_EXIT = "abandoned-cart", "Order Completed"
CART_EXIT_LINE = "- { on: Order Completed, goal: true, value: event.total }"

# Strongest first. Only an account is strong.
IDENTIFIERS = [
    "- user",
    "- { name: card, of: loyalty_card }",
    "- email",
    "- { name: phone, as: phone, of: phone, country: PL }",
    "- anonymous",
]
FORGET_AFTER = 30 * DAY


def value(text):
    """A scalar, a list in brackets, or a mapping in braces, of texts."""
    text = text.strip()
    if text[:1] not in ("[", "{"):
        return text.strip("\"'")
    parts = re.findall(r"(?:[^,\[\]\"]|\"[^\"]*\"|\[[^\]]*\])+", text[1:-1])
    if text[0] == "[":
        return [value(part) for part in parts]
    pairs = (part.split(":", 1) for part in parts)
    return {name.strip(): value(rest) for name, rest in pairs}


def lines_of(path):
    """The lines without comments, and without the pack's tests."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line == "tests:":
            return
        line = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if line:
            yield line


def written():
    """The sections of policy.yaml."""
    sections, name = {}, None
    for line in lines_of(RETAIL / "policy.yaml"):
        if line.startswith("    - "):
            sections[name].append(value(line[6:]))
        elif line.startswith("  "):
            name, _, rest = line.strip().partition(":")
            is_list = rest.strip().startswith("[")
            sections[name] = value(rest) if is_list else [value(rest)] if rest.strip() else []
    return sections


def journeys():
    """By journey: its priority, the segment while which it is suppressed, and whether a split of its own holds persons out."""
    found, name, section = {}, None, None
    for path in sorted(RETAIL.glob("*.yaml")):
        for line in lines_of(path):
            if not line.startswith(" "):
                section = line
            elif section == "journeys:" and re.fullmatch(r"  [\w-]+:", line):
                name = line.strip(" :")
                found[name] = {"priority": 50, "suppress_while": None, "splits": False}
            elif section == "journeys:" and line.startswith("    priority:"):
                found[name]["priority"] = int(line.split(":")[1])
            elif section == "journeys:" and line.startswith("    suppress_while:"):
                found[name]["suppress_while"] = line.split(":")[1].strip()
            elif section == "journeys:" and "hold_out: true" in line:
                found[name]["splits"] = True
    return found


def differences():
    """What of the pack is no longer what is written here."""
    sections = written()
    wanted = dict(POLICY, time_zone=[ZONE], holidays=HOLIDAYS)
    for name in {**wanted, **sections}:
        if sections.get(name) != wanted.get(name):
            yield f"policy.yaml: {name} is {sections.get(name)}, and here {wanted.get(name)}"
    found = journeys()
    for name, priority in PRIORITIES.items():
        if found[name]["priority"] != priority:
            yield f"{name} has priority {found[name]['priority']}, and here {priority}"
    identity = list(lines_of(RETAIL / "identity.yaml"))
    if [line.strip() for line in identity if line.startswith("    - ")] != IDENTIFIERS:
        yield "identity.yaml: other identifiers than here"
    if "forget_after: 30d" not in identity:
        yield "identity.yaml: forget_after is not that of here"
    carts = [line.strip() for line in lines_of(RETAIL / "abandoned-cart.yaml")]
    if CART_EXIT_LINE not in carts:
        yield f"abandoned-cart.yaml: no longer an exit {CART_EXIT_LINE}"

"""Lays a few customers among generated traffic to whom happens what the traffic has seldom or never, so that more of the policy
holds something: a crowd that WhatsApp messages are due to at one minute, Sundays, a no to every channel, much service in one day.

    tests/laws/seldom.py IN.jsonl OUT.jsonl

Clock times are UTC, and days count from that of the first event, a Monday.
"""

import json
import re
import sys
from datetime import datetime, timedelta

RECEIVED = re.compile(rb'"receivedAt":"([^"]+)"')
CROWD = [f"crowd-{number}" for number in range(1, 13)]
SUNDAYS = [f"sunday-{number}" for number in range(1, 5)]
NO_MAIL = {"email_consent": False, "sms_consent": True, "whatsapp_consent": True}
CART = {"cart_id": "seldom", "product_id": "p1", "price": 50}
WISHES = [{"product_id": "seldom-coat"}, {"product_id": "seldom-hat"}]
STORY = [
    # The app's last word, by WhatsApp, is due an hour and a week after the review: to all of the crowd on day 10 at 10:00.
    (1, "07:00", CROWD + SUNDAYS, "identify", NO_MAIL),
    (1, "08:00", CROWD + SUNDAYS + ["ahead"], "Signed Up", {"platform": "ios"}),
    (2, "11:00", CROWD + SUNDAYS + ["ahead"], "Order Completed", {"order_id": "seldom", "total": 10}),
    (3, "09:00", CROWD, "Product Reviewed", {"product_id": "p1", "rating": 3}),
    (7, "09:00", SUNDAYS, "Product Reviewed", {"product_id": "p1", "rating": 3}),
    # Some say no to everything, and one of them yes again; some get an SMS the hour before; one installs the app while it waits.
    (8, "09:00", CROWD[:3], "Unsubscribed", {}),
    (8, "12:00", CROWD[:1], "Subscribed", {"channel": "whatsapp"}),
    (9, "11:00", CROWD[3:5], "Product Added", CART),
    (10, "10:00:30", CROWD[8:9], "Application Installed", {}),
    # What is small, the thanks for the review at 07:30, waits for a cart's last message at 09:00.
    (9, "13:00", ["ahead"], "Product Added", CART),
    (12, "06:30", ["ahead"], "Product Reviewed", {"product_id": "p1", "rating": 5}),
    # More service than a day has room for, and as much mail that is owed as leaves none for a reminder.
    *((4, f"08:0{n}", ["served"], "Friend Joined", {"friend_id": f"f{n}"}) for n in range(6)),
    *((4, f"08:{n}0", ["owed"], "Order Confirmed", {"order_id": f"o{n}", "total": 10}) for n in range(5)),
    (4, "08:05", ["owed"], "Product Added", CART),
    # Two wishes that are cheaper on one day, and a number that is dead.
    *((1, "07:00", ["shop"], "Product Updated", {**product, "price": 100, "stock": 20}) for product in WISHES),
    *((1, "08:00", ["wishes"], "Product Added to Wishlist", product) for product in WISHES),
    *((1, "09:00", ["shop"], "Product Updated", {**product, "price": 80, "stock": 20}) for product in WISHES),
    (5, "07:00", ["dead"], "identify", NO_MAIL),
    (5, "07:01", ["dead"], "Message Bounced", {"message_id": "m", "channel": "sms", "hard": True}),
    (5, "07:02", ["dead"], "Product Added", CART),
]


def told(first):
    """The story's lines, with their instants."""
    for number, (day, clock, persons, name, about) in enumerate(STORY):
        clock = clock if clock.count(":") == 2 else f"{clock}:00"
        time = f"{first + timedelta(days=day - 1):%Y-%m-%d}T{clock}.000Z"
        what = {"type": name, "traits": about}
        if name != "identify":
            what = {"type": "track", "event": name, "properties": about}
        for person in persons:
            line = {**what, "messageId": f"seldom-{number}-{person}", "userId": person, "timestamp": time, "receivedAt": time}
            yield time.encode(), json.dumps(line).encode() + b"\n"


def main():
    source, target = sys.argv[1:]
    with open(source, "rb") as lines, open(target, "wb") as out:
        story = None
        for line in lines:
            received = RECEIVED.search(line)
            if received and story is None:
                story = sorted(told(datetime.fromisoformat(received[1][:10].decode())))
            while received and story and story[0][0] <= received[1]:
                out.write(story.pop(0)[1])
            out.write(line)
        out.writelines(text for _, text in story or [])


if __name__ == "__main__":
    main()

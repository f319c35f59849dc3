"""Works out from scratch, with pandas, what Kairos keeps as it changes: who is among the best customers, everybody's scores by
recency, frequency and money, and what is bought together. Says what differs, and ends with code 1 if anything does.

    tests/recompute/check.py KAIROS EVENTS.jsonl

EVENTS.jsonl is what `kairos import online-retail` has made of a shop's order lines.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from decimal import Decimal

import pandas

LINE_BYTES_MAX = 32 * 1024  # a longer line is rejected
KEPT = 20  # products of one person that are paired
BEST = 10  # products asked for


def orders(path):
    """One row an order: customer, place in the input, time, total in millionths, products."""
    rows = []
    with open(path, encoding="utf-8") as lines:
        for place, line in enumerate(lines):
            if len(line.rstrip("\n").encode()) > LINE_BYTES_MAX:
                continue
            event = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            if event["event"] == "Order Completed":
                properties = event["properties"]
                products = [product["product_id"] for product in properties["products"]]
                total = int(properties["total"] * 1_000_000)
                rows.append((event["userId"], place, event["timestamp"], total, products))
    frame = pandas.DataFrame(rows, columns=["customer", "place", "time", "total", "products"])
    return frame.sort_values(["time", "place"], kind="stable")


def scores(frame):
    """By customer: whether among the best, and the three scores."""
    by = frame.groupby("customer")
    facts = pandas.DataFrame({"r": by["time"].max(), "f": by.size(), "m": by["total"].sum()})
    below = facts.rank(method="min").astype("int64") - 1
    fifth = below * 5 // len(facts) + 1
    fifth["vip"] = below["m"] * 100 >= 95 * len(facts)
    return fifth


def together(frame):
    """By product: how many customers have each other one, of the last products that everybody bought."""
    lines = frame[["customer", "products"]].explode("products")
    last = lines.drop_duplicates(keep="last").groupby("customer").tail(KEPT)
    pairs = last.merge(last, on="customer")
    pairs = pairs[pairs["products_x"] != pairs["products_y"]]
    return pairs.groupby(["products_x", "products_y"]).size()


def run(kairos, events, products, folder):
    """Runs Kairos over the events, and after them asks for each product what goes with it."""
    asked = folder / "asked.jsonl"
    with open(events, encoding="utf-8") as lines:
        last = max(json.loads(line)["timestamp"] for line in lines)
    at = int(pandas.Timestamp(last).timestamp() * 1000) + 60_000
    with open(asked, "w", encoding="utf-8") as file:
        for place, product in enumerate(products):
            # One person is sent 64 messages at one instant at most.
            event = {"event": "Asked", "userId": f"who-asks-{place}", "timestamp": at}
            event["properties"] = {"product_id": product}
            print(json.dumps(event), file=file)
    pack = pathlib.Path(__file__).parent / "pack.yaml"
    out, facts = folder / "out", folder / "facts.jsonl"
    command = [kairos, "run", "--pack", pack, "--in", events, asked, "--out", out, "--facts", facts]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(facts, encoding="utf-8") as lines:
        persons = [json.loads(line) for line in lines]
    with open(out / "triggers.jsonl", encoding="utf-8") as lines:
        triggers = [json.loads(line)["data"] for line in lines]
    return persons, {trigger["key"]: trigger["with"]["together"] for trigger in triggers}


def main():
    kairos, events = sys.argv[1:]
    frame = orders(events)
    wanted, pairs = scores(frame), together(frame)
    products = pairs.groupby(level=0).sum().sort_values(ascending=False).index[:300]
    with tempfile.TemporaryDirectory() as folder:
        persons, found = run(kairos, events, products, pathlib.Path(folder))
    differ = []
    segments = {person["person"].removeprefix("user:"): set(person["segments"]) for person in persons}
    for customer, row in wanted.iterrows():
        is_in = {f"{score}{row[score]}" for score in "rfm"} | ({"vip"} if row["vip"] else set())
        if segments.get(customer) != is_in:
            differ.append(f"{customer} is in {segments.get(customer)}, and not in {is_in}")
    for product in products:
        counts = pairs[product].sort_values(ascending=False)
        best = list(counts[:BEST])
        theirs = [int(counts.get(other, 0)) for other in found.get(product, [])]
        if theirs != best:
            differ.append(f"with {product} go {found.get(product)}: {theirs}, and not {best}")
    for line in differ[:20]:
        print(line)
    print(
        f"{len(wanted)} customers, {int(wanted['vip'].sum())} of them the best, {len(frame)} orders, "
        f"{len(pairs) // 2} pairs of products, {len(products)} products asked for: {len(differ)} differ"
    )
    return bool(differ)


if __name__ == "__main__":
    sys.exit(main())

"""Delivery times of messages, from their acknowledgement to their appearance on other screens, by active fault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tests.faults.history import Record

# Messages count as affected by a fault until this many seconds after its end.
AFTER_SECONDS = 2.0


def delays(records: Sequence[Record]) -> dict[str, list[float]]:
    """Return the delays of messages by fault: the seconds between a message's acknowledgement and its appearance on
    each screen.

    A delay is 0 if the message appeared before its acknowledgement. The key "no fault" has the messages acknowledged
    while no fault was active. Screens that were opened after the acknowledgement are left out.
    """
    fault_periods: list[tuple[str, float, float]] = []
    begun: dict[str, float] = {}
    acked: dict[tuple[str, str], float] = {}
    for record in records:
        if record["op"] == "fault" and record["phase"] == "begin":
            begun[record["name"]] = record["t"]
        elif record["op"] == "fault" and record["name"] in begun:
            fault_periods.append((record["name"], begun.pop(record["name"]), record["t"] + AFTER_SECONDS))
        elif record["op"] == "ack" and record["id"]:
            acked.setdefault((record["conv"], record["id"]), record["t"])
    shown_first: dict[tuple[str, str, str], float] = {}
    opened_at: dict[tuple[str, str], float] = {}
    for record in records:
        if record["op"] == "clear":
            opened_at[record["conv"], record["who"]] = record["t"]
        elif record["op"] == "show" and record["id"]:
            # Ignore screens that were opened after the message was accepted: their delay means nothing.
            at = acked.get((record["conv"], record["id"]), 0.0)
            if opened_at[record["conv"], record["who"]] <= at:
                shown_first.setdefault((record["conv"], record["id"], record["who"]), record["t"])
    delays_by_fault: dict[str, list[float]] = defaultdict(list)
    for (conv, client_id, _), shown_at in shown_first.items():
        acked_at = acked.get((conv, client_id))
        if acked_at is None:
            continue
        names = [name for name, begin, end in fault_periods if begin <= acked_at <= end] or ["no fault"]
        for name in names:
            delays_by_fault[name].append(max(0.0, shown_at - acked_at))
    return dict(delays_by_fault)


def table(records: Sequence[Record]) -> list[str]:
    """Return the lines of the printed table.

    For each fault it has the number of deliveries, the p50, p99 and maximum delay in milliseconds, and the longest
    recovery time in seconds.
    """
    recovered: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record["op"] == "recovered":
            recovered[record["name"]].append(record["seconds"])
    lines = [
        f"  {'accepted to on screen, ms':<28}{'count':>7}{'p50':>8}{'p99':>8}{'max':>8}   answered again, s"
    ]
    for name, values in sorted(delays(records).items()):
        ordered = sorted(values)
        p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        again = f"{max(recovered[name]):10.1f}" if recovered[name] else ""
        lines.append(
            f"  {name:<28}{len(ordered):>7}{p50 * 1000:>8.0f}{p99 * 1000:>8.0f}{ordered[-1] * 1000:>8.0f}   {again}"
        )
    return lines

"""What processes cost, from /proc: processor time and memory, of servers with all that they started."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and everything that it started and that runs now."""
    found = [pid]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these servers and their children, with those that have ended: a database session
    that is over counts with its parent. Whole hundredths of a second."""
    total = 0
    for pid in pids:
        for number, one in enumerate(family(pid)):
            fields = _stat(one)
            # What an ended child used stands with its parent; of a child that lives, with itself.
            total += sum(map(int, fields[11:15] if number == 0 else fields[11:13]))
    return total / TICKS


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return ["0"] * 20


def memory_kb(pid: int) -> float:
    """Memory that the process has for itself, in KB: its share (PSS) of what stands in no file. The program's own files
    are left out: their share changes with whatever else on the machine runs them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss_Anon:"):
            return float(line.split()[1])
    raise RuntimeError(f"no memory figures for process {pid}")


def machine() -> str:
    """The processor and how many cores, as it calls itself."""
    names = [
        line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return f"{names[0].strip() if names else 'unknown processor'}, {len(names)} cores"

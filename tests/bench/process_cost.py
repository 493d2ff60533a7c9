"""The cost of processes from /proc: processor time and memory, including child processes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def process_tree(pid: int) -> list[int]:
    """Return the process and all its running descendants."""
    members = [pid]
    for member in members:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                members += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return members


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return user and system time of these servers and their children, including ended ones (a closed
    database session counts with its parent). The resolution is a hundredth of a second."""
    total = 0
    for pid in pids:
        for number, member in enumerate(process_tree(pid)):
            fields = _stat(member)
            # The time of ended children is counted in their parent; that of living ones in themselves.
            total += sum(map(int, fields[11:15] if number == 0 else fields[11:13]))
    return total / TICKS


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return ["0"] * 20


def memory_kb(pid: int) -> float:
    """Return the process's own memory in KB: its proportional share (PSS) of anonymous memory. Program files
    are left out, because their share depends on what else runs on the machine."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss_Anon:"):
            return float(line.split()[1])
    raise RuntimeError(f"no memory figures for process {pid}")


def machine_description() -> str:
    """Return the processor's model name and the number of cores."""
    names = [
        line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return f"{names[0].strip() if names else 'unknown processor'}, {len(names)} cores"

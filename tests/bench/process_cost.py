"""Reads the cost of processes from /proc: processor time and memory, including child processes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Thread(NamedTuple):
    process: str
    tid: int


@dataclass(frozen=True)
class Usage:
    """The resources that servers have used: processor seconds, and transactions of PostgreSQL.

    For each living thread, it also has the nanoseconds of processor time and the number of context switches.
    """

    cpu: float
    transactions: int = 0
    nanoseconds: Counter[Thread] = field(default_factory=Counter)
    switches: Counter[Thread] = field(default_factory=Counter)

    def __sub__(self, earlier: Usage) -> Usage:
        return Usage(
            self.cpu - earlier.cpu,
            self.transactions - earlier.transactions,
            self.nanoseconds - earlier.nanoseconds,
            self.switches - earlier.switches,
        )

    def split(self, messages: int, names: Mapping[int, str]) -> str:
        """Return a table of the CPU milliseconds and context switches per message, by process and thread.

        `names` are the names of the threads by id.
        """
        nanoseconds: Counter[str] = Counter()
        switches: Counter[str] = Counter()
        for thread in self.nanoseconds | self.switches:
            # Add up the threads of one pool, whose names are NAME_0, NAME_1 and so on.
            name = f"{thread.process} {names.get(thread.tid, '').rstrip('0123456789')}".rstrip(" _")
            nanoseconds[name] += self.nanoseconds[thread]
            switches[name] += self.switches[thread]
        nanoseconds["rounding, and what ended meanwhile"] = round(self.cpu * 1e9) - nanoseconds.total()
        return "\n".join(
            f"{count / 1e6 / messages:9.3f} ms {switches[name] / messages:7.2f} switches  {name}"
            for name, count in nanoseconds.most_common()
        )


def process_tree(pid: int) -> list[int]:
    """Return the ids of the process and of all its running descendants."""
    members = [pid]
    for member in members:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                members += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return members


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time of these servers and their children in seconds, with a resolution of 0.01 s.

    Children that have ended are included; a closed database session counts with its parent.
    """
    total = 0
    for pid in pids:
        for number, member in enumerate(process_tree(pid)):
            fields = _stat(member)
            # The time of ended children is counted in their parent, and the time of living children in themselves.
            total += sum(map(int, fields[11:15] if number == 0 else fields[11:13]))
    return total / TICKS


def thread_usages(name: str, pid: int) -> Iterator[tuple[Thread, int, int]]:
    """Yield (thread, nanoseconds of processor time, context switches) for each thread of a server and its children.

    `name` is the name of the server in the result.
    """
    for member in process_tree(pid):
        with suppress(OSError):
            process = name if member == pid else _title(member)
            for task in Path(f"/proc/{member}/task").iterdir():
                lines = (task / "status").read_text().splitlines()
                switches = sum(int(line.split()[1]) for line in lines if "_ctxt_switches" in line)
                nanoseconds = int((task / "schedstat").read_text().split()[0])
                yield Thread(process, int(task.name)), nanoseconds, switches


def _title(pid: int) -> str:
    """Return a title for a process: its command line. All sessions of PostgreSQL get the same title."""
    title = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    return "postgres: sessions" if title.startswith("postgres:") and "(" in title else title


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return ["0"] * 20


def memory_kb(pid: int) -> float:
    """Return the memory of a process in KB: its proportional share (PSS) of anonymous memory.

    Program files are left out, because their share depends on the other processes of the machine.
    """
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

"""Where a server's time goes: py-spy looks at its stacks while it works."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.harness.servers.process import ROOT

FOLDER = ROOT / "var" / "profiles"
SAMPLES_A_SECOND = 200
SHOWN = 45


@contextmanager
def watching(pids: Mapping[str, int], seconds: float, *, delay: float) -> Iterator[None]:
    """Watches these processes, by name, for that time, from `delay` seconds after now on.

    Leaves in var/profiles for each: NAME.folded (opens in speedscope and in every flame graph tool), NAME.svg (a flame
    graph of the same time) and NAME.txt (a summary in words).
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).with_name("py-spy")
    found = str(program) if program.exists() else shutil.which("py-spy")
    if found is None:
        raise RuntimeError("py-spy is not installed: scripts/install --dev")
    watchers = []
    for name, pid in pids.items():
        for kind, ending in (("raw", "folded"), ("flamegraph", "svg")):
            command = [
                *(found, "record", "--nonblocking", "--threads", "--rate", str(SAMPLES_A_SECOND)),
                *("--duration", str(max(1, int(seconds))), "--format", kind),
                *("--output", str(FOLDER / f"{name}.{ending}"), "--pid", str(pid)),
            ]
            watchers.append(
                subprocess.Popen(
                    ["sh", "-c", f'sleep {delay}; exec "$@"', "sh", *command],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
            )
    try:
        yield
    finally:
        deadline = time.monotonic() + seconds + delay + 30
        for watcher in watchers:
            try:
                _, words = watcher.communicate(timeout=max(1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                watcher.kill()
                watcher.communicate()
                continue
            if watcher.returncode:
                print(f"py-spy: {words.decode(errors='replace').strip()[-500:]}")
    for name in pids:
        file = FOLDER / f"{name}.folded"
        if file.exists():
            summary = summed(file.read_text(encoding="utf-8"))
            file.with_suffix(".txt").write_text(summary, encoding="utf-8")
            print(f"profile: {file.with_suffix('.txt').relative_to(ROOT)}", flush=True)


def summed(folded: str) -> str:
    """The threads, then the functions with the most time of their own, then those with the most with all they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    total = 0
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        total += int(count)
        threads[frames[0] if frames[0].startswith("thread") else "-"] += int(count)
        own[_function(frames[-1])] += int(count)
        for name in {_function(each) for each in frames}:
            whole[name] += int(count)
    parts = [f"{total} samples at {SAMPLES_A_SECOND} a second; a thread that waits is not sampled"]
    for title, counts in (("threads", threads), ("time of its own", own), ("with all that it calls", whole)):
        parts += ["", f"{title}:"]
        parts += [f"{100 * n / max(1, total):6.1f} %  {name}" for name, n in counts.most_common(SHOWN)]
    return "\n".join(parts) + "\n"


def _function(frame: str) -> str:
    """`name (file:line)` without the line, and the file from its package on."""
    name, _, place = frame.partition(" (")
    file = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    return f"{name} ({file.rpartition('site-packages/')[2]})" if place else name

"""Profiles of the servers, sampled by py-spy while they work."""

from __future__ import annotations

import json
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
SAMPLES_PER_SECOND = 200
MAX_LISTED = 45


@contextmanager
def profiling(pids: Mapping[str, int], seconds: float, *, delay: float) -> Iterator[None]:
    """Profile the processes in `pids`, a dict by name, for `seconds`, beginning `delay` seconds from now.

    For each process it writes three files to var/profiles: NAME.folded (for speedscope and flame graph tools), NAME.svg
    (a flame graph of the same time) and NAME.txt (a summary).
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    profilers = []
    for name, pid in pids.items():
        for kind, ending in (("raw", "folded"), ("flamegraph", "svg")):
            command = [
                *(_py_spy(), "record", "--nonblocking", "--threads", "--rate", str(SAMPLES_PER_SECOND)),
                *("--duration", str(max(1, int(seconds))), "--format", kind),
                *("--output", str(FOLDER / f"{name}.{ending}"), "--pid", str(pid)),
            ]
            profilers.append(
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
        for profiler in profilers:
            try:
                _, errors = profiler.communicate(timeout=max(1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                profiler.kill()
                profiler.communicate()
                continue
            if profiler.returncode:
                print(f"py-spy: {errors.decode(errors='replace').strip()[-500:]}")
    for name in pids:
        file = FOLDER / f"{name}.folded"
        if file.exists():
            summary = summary_of(file.read_text(encoding="utf-8"))
            file.with_suffix(".txt").write_text(summary, encoding="utf-8")
            print(f"profile: {file.with_suffix('.txt').relative_to(ROOT)}", flush=True)


def thread_names(pid: int) -> dict[int, str]:
    """Return the names that Python gave the threads of a process, by their ids.

    The result is empty without permission to read the memory of the process.
    """
    command = [_py_spy(), "dump", "--nonblocking", "--json", "--pid", str(pid)]
    dump = subprocess.run(command, check=False, capture_output=True, text=True)
    if dump.returncode:
        print(f"py-spy: {dump.stderr.strip()[-500:]}")
        return {}
    return {thread["os_thread_id"]: thread["thread_name"] for thread in json.loads(dump.stdout)}


def _py_spy() -> str:
    program = Path(sys.executable).with_name("py-spy")
    py_spy = str(program) if program.exists() else shutil.which("py-spy")
    if py_spy is None:
        raise RuntimeError("py-spy is not installed: scripts/install --dev")
    return py_spy


def summary_of(folded: str) -> str:
    """Return a summary of the samples: the busiest threads, the functions that took the most time themselves, and the
    functions that took the most time including the functions they called."""
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
        for name in {_function(frame) for frame in frames}:
            whole[name] += int(count)
    parts = [f"{total} samples at {SAMPLES_PER_SECOND} per second; waiting threads are not sampled"]
    for title, counts in (("threads", threads), ("own time", own), ("time including calls", whole)):
        parts += ["", f"{title}:"]
        parts += [f"{100 * n / max(1, total):6.1f} %  {name}" for name, n in counts.most_common(MAX_LISTED)]
    return "\n".join(parts) + "\n"


def _function(frame: str) -> str:
    """Return the function of a frame as `name (file)`, without its position in the file. A path below site-packages is
    given relative to it."""
    name, _, location = frame.partition(" (")
    file = location.rstrip(")").rpartition(":")[0] or location.rstrip(")")
    return f"{name} ({file.rpartition('site-packages/')[2]})" if location else name

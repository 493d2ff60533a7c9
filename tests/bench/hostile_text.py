"""The command `python -m tests.bench.hostile_text NAME`: reads a hostile table or compares two texts.

It prints the cost.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import django


def main(name: str) -> None:
    django.setup()
    from knowledge.differences import differences
    from knowledge.import_export.cells import UnreadableFile
    from knowledge.import_export.sheets import SheetFile
    from tests.knowledge import test_spreadsheets as tables

    def compare() -> str:
        source = random.Random(7)
        old, new = ("".join(source.choices("的一是不了", k=2000)) for _ in range(2))
        return f"two texts of 2,000 characters, {len(differences(old, new))} pieces"

    def read(data: bytes) -> str:
        try:
            SheetFile().create_dataset(data)
        except UnreadableFile as error:
            return f"{len(data) / 1024:.0f} KB, refused: {error}"
        return f"{len(data) / 1024:.0f} KB, read"

    makes: dict[str, Callable[[], bytes]] = {
        "xlsx_far_right": tables.cell_beyond_columns,
        "xlsx_strings": tables.many_strings,
        "xlsx_runs": tables.strings_of_many_runs,
        "csv_wide": tables.wide_csv,
    }
    data = makes[name]() if name in makes else b""
    # Load the libraries first, so that their memory is not counted.
    SheetFile().create_dataset(b"key,title\na,b\n")
    # The memory for making the file is released but still counted in the peak, so reset the peak.
    Path("/proc/self/clear_refs").write_text("5")
    before, began, cpu = _memory_kb("VmRSS"), time.monotonic(), time.process_time()
    result = compare() if name == "differences" else read(data)
    seconds, most = time.monotonic() - began, _memory_kb("VmHWM")
    cpu = time.process_time() - cpu
    print(json.dumps([(most - before) / 1024, f"{result}; {seconds:.2f} s, {cpu:.2f} s of processor time"]))


def _memory_kb(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


if __name__ == "__main__":
    main(sys.argv[1])

"""Start a run of the tests at another moment: shift the wall clock of every process by the same offset."""

from __future__ import annotations

import subprocess
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parent.parent
# The default of LIANXIN_TIME_ZONE. The bank's day begins at midnight in this time zone.
BANK_TIME = ZoneInfo("Asia/Shanghai")


def bank_moment(text: str) -> datetime:
    """Parse a text like `2028-02-29 23:58` as a time in the bank's time zone. Raises ValueError, as argparse
    requires."""
    return datetime.fromisoformat(text).replace(tzinfo=BANK_TIME)


def shifted_clock(moment: datetime, folder: Path) -> dict[str, str]:
    """Return environment variables that make the clock of every child process start at `moment`.

    The clocks are shifted by the same offset in all processes, so that they agree. Monotonic clocks stay real, so
    timeouts and pauses keep their length. Needs a C compiler (`cc`).
    """
    library = folder / "shifted_clock.so"
    source = ROOT / "scripts/shifted_clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", library, source], check=True)
    # Servers that run under another user account must be able to read the library, too.
    folder.chmod(0o755)
    seconds = round(moment.timestamp() - time.time())
    return {"LD_PRELOAD": str(library), "SHIFTED_CLOCK_SECONDS": str(seconds)}

"""How often Python looks for circles of objects that hold each other and nobody else holds.

It does so by itself whenever the number of objects has grown by a quarter, and looks at all of them: with ten thousand
sockets that takes half a second, in which nobody is answered, and many times while they come. So what is there from the
start is never looked at again, and all is looked at only after many more objects have come. That costs little memory,
because a socket on Daphne leaves no circle behind when it ends (`config/daphne.py`, `chat/line.py`, and a test). On
uvicorn its parsers do, one and a half KB: there all is looked at ten times as often, which is still seldom.
"""

import gc

# Of containers that came and did not go: the young are looked at after so many, the middle-aged after so many times
# that, all after so many times that again.
THRESHOLDS = (10_000, 10, 100)


# The same where sockets leave circles behind.
THRESHOLDS_OF_CIRCLES = (10_000, 10, 10)


def collect_rarely() -> None:
    """When everything that stays has been imported."""
    _collect(THRESHOLDS)


def collect_now_and_then() -> None:
    """The same where sockets leave circles behind."""
    _collect(THRESHOLDS_OF_CIRCLES)


def _collect(thresholds: tuple[int, int, int]) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)

"""How often Python looks for circles of objects that hold each other and nobody else holds.

It does so by itself whenever the number of objects has grown by a quarter, and looks at all of them: with ten thousand
sockets that takes half a second, in which nobody is answered, and many times while they come. So what is there from the
start is never looked at again, and all is looked at only after many more objects have come. That costs little memory,
because a socket on Daphne leaves no circle behind when it ends (`config/daphne.py`, `chat/line.py`, and a test). On
uvicorn it does: there Python keeps its own pace.
"""

import gc

# Of containers that came and did not go: the young are looked at after so many, the middle-aged after so many times
# that, all after so many times that again.
THRESHOLDS = (10_000, 10, 100)


def collect_rarely() -> None:
    """When everything that stays has been imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
